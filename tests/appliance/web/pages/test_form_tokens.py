"""Every form that changes something has a token of its own, which expires."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import pytest

from appliance.model.errors import Forbidden
from appliance.service.observed import ObservedMachine
from appliance.store import times
from appliance.web.pages import forms
from tests.appliance.web.pages.visitor import Visitor, filled_in

TEMPLATES = Path(forms.__file__).parent / "templates"
LIFETIME = int(forms.LIFETIME.total_seconds())


@pytest.mark.parametrize("template", sorted(TEMPLATES.glob("*.html")), ids=lambda path: str(path.stem))
def test_every_changing_form_has_a_form_token(template: Path) -> None:
    for form in re.findall(r'<form[^>]*method="post".*?</form>', template.read_text(encoding="utf-8"), re.DOTALL):
        assert len(re.findall(r"{{ sent_once\((who\.csrf|form_token)\) }}", form)) == 1, form


def test_form_tokens_are_unique(owner: Visitor) -> None:
    shown = [fields["once"] for _ in range(2) for fields in owner.get("/settings").page.forms.values()]
    assert len(shown) == len(set(shown)) > 4


@pytest.mark.parametrize("once", ["", "x", "1-" + "a" * 16, "9" * 13 + "-" + "a" * 16, None])
def test_a_form_without_a_form_token_is_refused(
    owner: Visitor, seen: Callable[[], Sequence[ObservedMachine]], once: str | None
) -> None:
    owner.get("/machines")
    fields = owner.answer.page.forms["/machines"] | {"name": "one"}
    answer = owner.post("/machines", {**fields, "once": once} if once is not None else {"csrf": fields["csrf"]})
    assert answer.status == 403
    assert "Open its page again" in answer.page.text
    assert not seen()


@pytest.mark.parametrize(("age", "is_taken"), [(-61, False), (-59, True), (LIFETIME - 1, True), (LIFETIME + 1, False)])
def test_a_form_expires_before_its_answer_is_forgotten(age: int, is_taken: bool) -> None:
    # A whole second, as the token's time is.
    now = times.now().replace(microsecond=0)
    form = forms.Form({forms.ONCE_FIELD: forms.new_once(now - timedelta(seconds=age))})
    with nullcontext() if is_taken else pytest.raises(Forbidden):
        forms.check_once(form, now)


@pytest.mark.parametrize(("age", "status"), [(0, 200), (LIFETIME + 1, 403)])
def test_an_expired_form_is_refused(owner: Visitor, age: int, status: int) -> None:
    shown = forms.new_once(times.now() - timedelta(seconds=age))
    assert filled_in(owner, "/machines", "/machines", name="one", once=shown)().status == status
