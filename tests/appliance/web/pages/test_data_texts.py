"""Texts in the package's data: extracted for translation, and shown translated."""

from __future__ import annotations

from dataclasses import replace
from gettext import NullTranslations

import pytest
from babel.messages.catalog import Catalog

from appliance.languages import loaded
from appliance.model.claims import PUBLISHED
from appliance.web.pages.platforms import PLATFORMS
from tests.appliance.web.pages.visitor import Visitor


class Guillemets(NullTranslations):
    """Catalogue in which each message is its English text in guillemets."""

    def gettext(self, message: str) -> str:
        return f"«{message}»"


@pytest.fixture
def translated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Provides a language of such a catalogue, in place of English.

    It is another object, since pages keep the labels of each language.
    """
    monkeypatch.setitem(loaded(), "en", replace(loaded()["en"], translations=Guillemets()))


def test_texts_of_platforms_and_claims_are_extracted(code: Catalog) -> None:
    for platform in PLATFORMS:
        assert all(text in code for text in (platform.name, *platform.steps, *platform.limits))
    for claim in PUBLISHED:
        assert all(text in code for text in (claim.sentence, *claim.ways))


@pytest.mark.usefixtures("translated")
def test_a_claim_is_shown_in_the_language_of_the_reader(stranger: Visitor) -> None:
    claim = PUBLISHED[0]
    page = stranger.get(f"/claims/{claim.id}").page
    assert all(f"«{text}»" in page.text for text in (claim.sentence, *claim.ways))
    assert f"«{claim.sentence}»" in stranger.get("/claims").page.text


@pytest.mark.usefixtures("translated")
def test_instructions_are_in_the_language_of_the_reader(owner: Visitor) -> None:
    page = owner.add_machine("one").page
    texts = [text for each in PLATFORMS for text in (each.name, *each.steps, *each.limits)]
    plain = [text for text in texts if not set("`*{") & set(text)]
    assert plain
    assert all(f"«{text}»" in page.text for text in plain)
    assert page.text.count("«") >= len(texts)
