"""Forms without a session."""

from __future__ import annotations

from typing import Any, Protocol

from appliance.web.pages import forms
from appliance.web.pages.forms import Form
from appliance.web.request import Request
from appliance.web.response import Response


class FormVisit(Protocol):
    """A request for a page with a form."""

    @property
    def request(self) -> Request: ...

    @property
    def form(self) -> Form: ...

    def page(self, template: str, **data: Any) -> Response: ...


def page(visit: FormVisit, template: str, **data: Any) -> Response:
    """Render a page with a form, and set the cookie against forged forms."""
    held = forms.form_token(visit.request)
    token = held or forms.new_form_token()
    answer = visit.page(template, typed=visit.form, form_token=token, **data)
    return answer.with_cookie(forms.FORM_COOKIE, token) if held is None else answer
