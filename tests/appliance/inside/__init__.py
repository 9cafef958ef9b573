"""A web process that was taken over: what it tries against root, the keys and others, and what stops it."""
