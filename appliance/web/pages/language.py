"""Choice of the language of all pages, kept in a cookie of the browser, and of letters to a member."""

from __future__ import annotations

from appliance.languages import loaded
from appliance.model.access import PUBLIC
from appliance.model.errors import NotFound
from appliance.service import accounts
from appliance.web import origin
from appliance.web.languages import COOKIE
from appliance.web.pages.routes import Page, Visit, is_local, see_other
from appliance.web.payers import shares_of
from appliance.web.response import Response

_YEAR_S = 365 * 86400


def _choose(visit: Visit) -> Response:
    """Set the cookie, note the choice for letters to a member, and go back to the page with the form.

    The form has no token: only pages of this site may send it.
    """
    origin.check_fetched(visit.request)
    tag = visit.query.text("language")
    if tag not in loaded():
        raise NotFound("There are no pages in this language.")
    if visit.who is not None:
        visit.site.limits.write(visit.request.address, *shares_of(visit.actor))
        accounts.choose_language(visit.context, visit.actor, tag)
    page = visit.query.text("next")
    answer = see_other(page if is_local(page) else "/")
    return answer.with_cookie(COOKIE, tag, seconds=_YEAR_S)


PAGES = (Page("GET", "/language", _choose, access=PUBLIC),)
