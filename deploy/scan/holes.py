"""A site with holes, for the scanner to find: whoever reports none of these has not looked."""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit


class Holes(BaseHTTPRequestHandler):
    """Says what it was told as it was told, and sends browsers wherever somebody wants."""

    def do_GET(self) -> None:
        """One page with a form, which shows the form's field unquoted, and a way out."""
        told = parse_qs(urlsplit(self.path).query)
        self.send_response(302 if "to" in told else 200)
        if "to" in told:
            self.send_header("Location", told["to"][0])
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        name = told.get("name", [""])[0]
        page = f"<form action='/'><input name='name'><input type='submit'></form><p>{name}</p><a href='/?to=/'>away</a>"
        self.wfile.write(page.encode())

    def log_message(self, *_: object) -> None:
        """Log nothing."""


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", int(sys.argv[1])), Holes).serve_forever()
