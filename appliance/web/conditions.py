"""Conditional requests. Source: RFC 9110, 13.1."""

from __future__ import annotations

import hashlib
import re

from appliance.web.request import Request

_APART = "-"
_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def etag_of(data: bytes) -> str:
    """Compute a tag that changes with the content."""
    return f'"{hashlib.sha256(data).hexdigest()[:32]}"'


def has_it_already(request: Request, etag: str) -> bool:
    """True if the caller has this version already (If-None-Match)."""
    header = request.header("If-None-Match")
    return header.strip() == "*" or etag in {tag for _, tag in _TAG.findall(header)}


def tags_seen(request: Request) -> list[str] | None:
    """List the versions of which one must be the present one (If-Match); None if the request has no condition."""
    header = request.header("If-Match")
    if header == "" or header.strip() == "*":
        return None
    return [tag for weak, tag in _TAG.findall(header) if not weak]


def tag_of(version: str, data: bytes) -> str:
    """Make a tag of two parts, for an answer of which only a part can be changed.

    Args:
        version: of what can be changed, in hexadecimal digits; conditions of changes compare it (`versions_seen`).
        data: the whole answer, which If-None-Match compares.
    """
    whole = etag_of(data).strip('"')
    return f'"{version}{_APART}{whole}"'


def versions_seen(request: Request) -> set[str] | None:
    """List the versions in tags by `tag_of` of which one must be the present one; None if there is no condition."""
    tags = tags_seen(request)
    return None if tags is None else {tag.strip('"').partition(_APART)[0] for tag in tags}
