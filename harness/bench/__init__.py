"""Measurements of the live service, each compared with a baseline of the same run."""
