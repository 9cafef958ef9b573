"""Attacks on root, on the keys and on others from a web process that was taken over."""
