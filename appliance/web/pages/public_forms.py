"""Forms without a session."""

from __future__ import annotations

from typing import Any

from appliance.web.pages import forms
from appliance.web.pages.routes import Visit
from appliance.web.response import Response


def page(visit: Visit, template: str, **data: Any) -> Response:
    """Render a page with a form, and set the cookie against forged forms."""
    held = forms.form_token(visit.request)
    token = held or forms.new_form_token()
    answer = visit.page(template, typed=visit.form, form_token=token, **data)
    return answer.with_cookie(forms.FORM_COOKIE, token) if held is None else answer
