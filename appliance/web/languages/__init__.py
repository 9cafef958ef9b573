"""The language of a request's reader, and the upkeep of all catalogues (``python -m appliance.web.languages``)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from appliance.languages import Reader, loaded, reading
from appliance.web.languages.selection import COOKIE, select
from appliance.web.request import Request

__all__ = ["COOKIE", "serving"]


@contextmanager
def serving(request: Request, now: datetime) -> Iterator[Reader]:
    """Serve the sender of a request within the context, in their language, at a moment of the service's clock."""
    languages = loaded()
    tag = select(languages, request.cookies.get(COOKIE, ""), request.header("Accept-Language"))
    query = f"?{request.query_string}" if request.query_string else ""
    with reading(Reader(languages[tag], request.path + query if request.is_safe else None, now)) as reader:
        yield reader
