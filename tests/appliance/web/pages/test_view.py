"""Templates: read when the view is made, compiled when they are first used."""

from __future__ import annotations

import builtins
import io
import re
from contextlib import suppress
from typing import NoReturn

import jinja2
import pytest

from appliance.web.pages.view import View, templates


def refuse(*_: object, **__: object) -> NoReturn:
    raise PermissionError


def test_no_template_is_compiled_before_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(jinja2.Environment, "compile", refuse)
        view = View()
        with pytest.raises(PermissionError):
            view.nothing()
    assert b"There is nothing at this path." in view.nothing().body


def test_no_file_is_read_after_the_view_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    view = View()
    with monkeypatch.context() as patched:
        patched.setattr(builtins, "open", refuse)
        patched.setattr(io, "open", refuse)
        answer = view.nothing()
    assert b"There is nothing at this path." in answer.body


@pytest.mark.parametrize("name", sorted(templates()))
def test_a_template_compiles(name: str) -> None:
    # Without its data, a compiled template ends at the first value that it lacks.
    with suppress(jinja2.UndefinedError):
        View().answer(name)


@pytest.mark.parametrize("name", sorted(templates()))
def test_a_template_shows_times_in_elements_for_scripts(name: str) -> None:
    """A time that stands elsewhere would stay in UTC."""
    source = re.sub(r"<time [^<]*data-shown=[^<]*</time>", "", templates()[name][0])
    assert not re.search(r"\|\s*(moment|day|clock|precise)\b", source)
