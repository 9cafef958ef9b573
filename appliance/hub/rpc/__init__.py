"""Calls to the hub: the two ends of its socket, the messages, and the callers that wait."""
