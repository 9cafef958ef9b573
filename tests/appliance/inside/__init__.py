"""Attacks by a web process that was taken over, on root, on keys and on other users."""
