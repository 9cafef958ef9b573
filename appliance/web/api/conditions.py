"""Requests on a condition: only if it is still what the caller has seen. Source: RFC 9110, 13.1."""

from __future__ import annotations

import hashlib
import re

from appliance.web.request import Request

_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def etag_of(data: bytes) -> str:
    """A tag that changes with the content."""
    return f'"{hashlib.sha256(data).hexdigest()[:32]}"'


def has_it_already(request: Request, etag: str) -> bool:
    """True where the caller asks for nothing that it has (If-None-Match)."""
    header = request.header("If-None-Match")
    return header.strip() == "*" or etag in {tag for _, tag in _TAG.findall(header)}


def tags_seen(request: Request) -> list[str] | None:
    """Tags of what the caller has seen, one of which has to be there still (If-Match); None where anything may be."""
    header = request.header("If-Match")
    if header == "" or header.strip() == "*":
        return None
    return [tag for weak, tag in _TAG.findall(header) if not weak]
