"""Web process: pages and API over HTTPS, without privileges."""
