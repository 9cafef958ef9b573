"""Choice of the language of all pages, kept in a cookie of the browser."""

from __future__ import annotations

from appliance.model.access import PUBLIC
from appliance.model.errors import NotFound
from appliance.web import languages, origin
from appliance.web.pages.routes import Page, Visit, is_local, see_other
from appliance.web.response import Response

_YEAR_S = 365 * 86400


def _choose(visit: Visit) -> Response:
    """Set the cookie, and go back to the page with the form; nothing else changes, so the form has no token."""
    origin.check_fetched(visit.request)
    tag = visit.query.text("language")
    if tag not in languages.loaded():
        raise NotFound("There are no pages in this language.")
    page = visit.query.text("next")
    answer = see_other(page if is_local(page) else "/")
    return answer.with_cookie(languages.COOKIE, tag, seconds=_YEAR_S)


PAGES = (Page("GET", "/language", _choose, access=PUBLIC),)
