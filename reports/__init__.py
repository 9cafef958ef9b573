"""Transcripts of gate runs: their format, and programs that show, sign, verify and compare them."""
