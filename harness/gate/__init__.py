"""Runs of scenarios and sabotages, from pytest processes to a signed transcript."""
