"""Forms that are answered once, however often they are sent (`posts`)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from appliance.web.pages.outcomes import Outcome, Reply
from appliance.web.proxies import neighbourhood
from appliance.web.request import Request
from appliance.web.response import Response
from appliance.web.site import Site


def answered(
    site: Site,
    request: Request,
    cookies: Sequence[str | None],
    *,
    again: Callable[[Outcome], Response],
    work: Callable[[], tuple[Response, bool]],
) -> Response:
    """Answer a form once; a repetition gets the earlier outcome.

    Args:
        cookies: values of those that belong to the form, as requests with others are no repetitions.
        again: answers a repetition.
        work: answers the form, and tells whether its outcome is to be kept here.
    """
    posts, caller, sent = site.form_posts, neighbourhood(request.address), request.content
    shown = "\0".join(cookie or "" for cookie in cookies)
    post, flight = (hashlib.sha256(part).digest() for part in (sent, shown.encode() + b"\0" + sent))

    def first() -> Response:
        known = posts.find(caller, post)
        if known is not None:
            return again(known)
        answer, is_kept = work()
        outcome = outcome_of(answer)
        if outcome is not None and is_kept:
            posts.note(caller, post, outcome)
        return answer

    return posts.answer(flight, first)


def outcome_of(answer: Response) -> Outcome | None:
    """Get the outcome of a form; None if nothing was done."""
    return answer.outcome if isinstance(answer, Reply) else None
