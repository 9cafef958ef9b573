"""Transcripts of gate runs: what they say, how they are shown, signed, verified and compared."""
