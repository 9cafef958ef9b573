"""Every text of a page comes from a catalogue, unless it is data."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from appliance import languages
from tests.browser import example, gallery
from tests.browser.pseudo import Pseudo, untranslated

pytestmark = pytest.mark.long

_ENGLISH_ALONE = {"api", "run", "operator-run"}
"""Pages that are described by documents in English: of the API, and of a run of the gate."""

_DATA = re.compile(
    r"""
    [\w.-]+@example\.(net|org|com)[,.]? | [\w.-]+\.example\.net | https?://\S+ | python-httpx/\S+ | \S*Chrom\S*
    | Acme\ Networks | Demonstration | (tcp|udp)\ \d+ | (Bolt|Cedar|Delta|Ember)\ \w+ | monitoring | deploy
    | (laptop|branch|web|printer)-\w* | database | till-\d | pune | asha
    | staff | contractors | branches | servers | databases | group\ \w+
    | :?\ ?(Staff\ use\ the\ servers|Contractors\ never\ reach\ data|Applications\ query\ the\ database)\.?
    | (allow|deny)\ .* | allow | deny | read | write | free | paid | admin | viewer | owner | true | false
    | [\d.,]+\ [KMG]?i?B | [\d.,]+[kM] | [+\d.,\ ]+ | \d{4}-\d\d(-\d\dT.*)? | [\w+/=]{43,44} | [a-z0-9]{12}
    | TCP | UDP | ICMP | WireGuard | wireguard-go | fake | SQLite | MeshWG
    | tunnel-handshake | quick | website | ([\w.-]+\.(html|json|xml|pub|svg|png|dsse|tlog-proof))+
    | fake\ 1 | operator | [a-z-]+\.[a-z-]+
    | leaked:.* | :?\ ?It | held:.* | the\ door\ is\ open | nobody\ looks
    """,
    re.VERBOSE,
)


def test_a_text_outside_of_the_catalogue_is_found() -> None:
    page = '<p title="⟦Here⟧">⟦One <b>two</b> three⟧ four</p><code>five</code><img alt="six"> <i>1 ⟦x⟧</i>'
    assert untranslated(page) == ["four", "six"]


def test_texts_of_pages_come_from_catalogues(browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pseudo = replace(languages.loaded()["hi"], translations=Pseudo())
    monkeypatch.setitem(languages.loaded(), "hi", pseudo)
    found: list[str] = []
    chosen = [each for each in gallery.PICTURES if each.work is None and each.name not in _ENGLISH_ALONE]
    with example.running(tmp_path) as shown:
        for picture, page in gallery.opened(browser, shown, chosen, "hi"):
            html = page.content()
            assert "⟦" in html, picture.name
            texts = [text.removesuffix(" · MeshWG").strip(" ·;") for text in untranslated(html)]
            found += [f"{picture.name}: {text}" for text in texts if not _DATA.fullmatch(text)]
    assert not found, "\n".join(dict.fromkeys(found))
