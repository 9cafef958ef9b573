"""Forms that are sent before there is a session."""

from __future__ import annotations

from typing import Any

import bottle

from appliance.web.pages import forms, routes
from appliance.web.pages.routes import Visit


def page(visit: Visit, template: str, **data: Any) -> bottle.HTTPResponse:
    """A page with such a form, and the cookie by which it is known as ours when it comes back."""
    held = forms.form_token()
    token = held or forms.new_form_token()
    answer = visit.page(template, typed=visit.form, form_token=token, **data)
    if held is None:
        routes.set_cookie(answer, forms.FORM_COOKIE, token)
    return answer
