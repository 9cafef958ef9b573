"""Sabotage of pages."""

from __future__ import annotations

from collections.abc import Callable

from appliance.web.pages import dispatch
from appliance.web.pages.routes import Index, Page
from appliance.web.pages.view import View
from appliance.web.request import Request
from appliance.web.response import Response
from appliance.web.site import Site
from harness.sabotage.parts import replace_part

_OK = 200


def keep_by_address() -> None:
    """Keeps the page of one machine, rule or member, and shows it to everybody who opens its address afterwards."""
    answering: Callable[[Page, Site, View, Index], Callable[[Request], Response]] = vars(dispatch)["_answering"]

    def keeping(page: Page, site: Site, view: View, index: Index) -> Callable[[Request], Response]:
        make, kept = answering(page, site, view, index), dict[str, Response]()
        if page.method != "GET" or "<id>" not in page.path or page.polled or page.access.is_public:
            return make

        def answer(request: Request) -> Response:
            if request.path not in kept:
                made = make(request)
                if made.status != _OK:
                    return made
                kept[request.path] = made
            return kept[request.path]

        return answer

    replace_part(dispatch, "_answering", keeping)
