"""Requests as pages get them, of members, strangers and operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from appliance.model.errors import Refused
from appliance.service import Context
from appliance.web import conditions
from appliance.web.pages import forms
from appliance.web.pages.forms import Form
from appliance.web.pages.view import PagePart, View, with_retry_after
from appliance.web.refusals import status_of
from appliance.web.request import Request
from appliance.web.response import Response
from appliance.web.site import Site

W = TypeVar("W")


@dataclass(frozen=True)
class AnyVisit(Generic[W]):
    """A request as its page gets it: authenticated, with a genuine form, and within the limits.

    Attributes:
        who: holder of the session; None without one.
    """

    site: Site
    request: Request
    view: View
    who: W | None
    form: Form

    @property
    def context(self) -> Context:
        """Store, hub and settings of the use cases."""
        return self.site.context

    @property
    def parameters(self) -> Mapping[str, str]:
        """Values of the variable parts of the path."""
        return self.request.parameters

    @property
    def query(self) -> Form:
        """Query of the URL, with the input of forms that change nothing."""
        return Form(forms.parse(self.request.query_string.encode("utf-8")))

    @property
    def signed_in(self) -> W:
        """Holder of the session; raises LookupError if the page needs no session."""
        if self.who is None:
            raise LookupError("this page needs no session, so there is no holder of one")
        return self.who

    def part(self, template: str, **data: Any) -> PagePart:
        """Render a part of a page, to be put into the page or to be sent alone."""
        return self.view.part(template, who=self.who, **data)

    def polled(self, part: PagePart) -> Response:
        """Answer a page that asks for a part of itself; without a body if it has this version already."""
        return part.unchanged if conditions.has_it_already(self.request, part.etag) else part.answer()

    def part_about(self, refusal: Refused, page: str | None = None) -> Response:
        """Render a refusal as a part of a page.

        Args:
            page: path to open again after another log-in; None if that is not what is missing.
        """
        answer = self.part("part_refused.html", refusal=refusal, page=page)
        return with_retry_after(answer.answer(status_of(type(refusal))), refusal)
