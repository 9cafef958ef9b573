"""Onboarding burst: many organizations sign up at once with locust, and packets between real clients prove each mesh.

A program that imports locust runs on greenlets, and a greenlet that waits for a namespace blocks all others. So locust
runs in processes of its own, which only speak HTTP (`locustfile`). The lab and its clients stay in the process that
started them, with threads. Both sides exchange messages over a unix socket (`coordinator`).
"""
