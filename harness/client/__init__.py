"""Clients of the product: HTTP API, web pages, one-time passwords."""
