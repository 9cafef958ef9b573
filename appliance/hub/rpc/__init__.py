"""Calls to the hub: the two ends of its socket, the messages, and what a call may say."""
