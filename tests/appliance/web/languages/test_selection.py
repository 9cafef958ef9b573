"""Selection of a language by the cookie and Accept-Language."""

from __future__ import annotations

import pytest

from appliance.web.languages.selection import select

OFFERED = ("en", "en-IN", "hi", "pt-BR")


@pytest.mark.parametrize(
    ("accepted", "tag"),
    [
        ("", "en"),
        ("hi", "hi"),
        ("HI-in", "hi"),
        ("en-GB, hi;q=0.9", "en"),
        ("en-in", "en-IN"),
        ("mr-IN, hi;q=0.8, en;q=0.7", "hi"),
        ("en;q=0.5, hi;q=0.8", "hi"),
        ("hi;q=0, en", "en"),
        ("hi ; q=0.3 , fr", "hi"),
        ("pt-BR-x-private", "pt-BR"),
        ("pt", "en"),
        ("*", "en"),
        ("hi;q=2, en-IN;q=x, ,;", "en"),
        ("x" * 9 + ",hi", "hi"),
        ("../../etc/passwd, hi_IN", "en"),
        (",".join(["fr"] * 20) + ",hi", "en"),
        ("hi" + "-x" * 15, "hi"),
        ("hi" + "-x" * 30_000, "en"),
    ],
)
def test_the_most_wanted_language_is_selected(accepted: str, tag: str) -> None:
    assert select(OFFERED, "", accepted) == tag


@pytest.mark.parametrize(("chosen", "tag"), [("hi", "hi"), ("fr", "en-IN"), ("../hi", "en-IN")])
def test_the_reader_s_choice_comes_first(chosen: str, tag: str) -> None:
    assert select(OFFERED, chosen, "en-IN") == tag
