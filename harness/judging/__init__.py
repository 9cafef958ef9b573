"""Verdicts on streams, and what a scenario records. No module here touches a network."""
