"""The product as a customer's program and a browser use it: HTTP API, pages, one-time passwords."""
