"""Runs of scenarios and of sabotages, from pytest processes to a signed transcript."""
