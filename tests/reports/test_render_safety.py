"""The page of a run loads nothing from elsewhere, and turns no text into markup."""

from __future__ import annotations

import pytest
from hypothesis import given

from reports import texts
from reports.certificates import Certificate, DoorCertificate, EngineRun
from reports.exhibits import Cell, Event, Histogram, Passed, Row, Save, Stream, Timeline, TruthTable
from reports.render import html
from reports.schema import Claim, SabotageVerdict, Scenario, Transcript
from tests import properties
from tests.reports.pages import HOSTILE, Page, flat
from tests.reports.samples import transcripts

FOREIGN = {"script", "link", "img", "iframe", "object", "embed", "base", "form", "use", "image", "foreignobject"}


FETCHING = {"src", "srcset", "action", "formaction", "poster", "data", "background", "ping", "manifest", "cite"}


def hostile_run(text: str, verdict: str = "refuted") -> Transcript:
    """Makes a run in which every free text is this one."""
    of = Scenario(
        name=text,
        verdict=verdict,
        seconds=1.0,
        measured={text: text, f"{text} 2": {"value": text, "unit": text, "limit": text}, f"{text} 3": [text]},
        title=text,
        controls=[text],
        failure=text,
        rerun=text,
        evidence=[text],
        exhibits=[
            Histogram(text, text, [0, 1], [1], 0, 1, 1),
            Timeline(
                text,
                1,
                [Save(text, 0, 0, [Passed(allowed=True, sent=1, delivered=1, wrong=0)])],
                [Stream(text, [1], [1], [])],
                1,
                1,
                [Event(text, 0, 1)],
                1,
            ),
            TruthTable(text, text, [text], [Row(text, text, [Cell(allowed=True, sent=1, arrived=1)])]),
            Certificate(text, 1, 1, "0" * 64, "f" * 64, text, [EngineRun(text, 1, text, 1.0)], [text], [text]),
            DoorCertificate(text, 1, 1, "f" * 64, text, [EngineRun(text, 1, text, 1.0)], [text], [text], [text]),
        ],
    )
    return Transcript(
        started_at=text,
        seconds=1.0,
        profile=text,
        seed=1,
        environment={text: text},
        claims=[Claim(text, verdict, [of], text, text)],
        sabotage=[SabotageVerdict(text, text, caught=False, broke=text, noticed=text)],
        verdict="fail",
        problems=[text],
    )


@given(transcripts)
@properties.examples(50)
def test_the_page_loads_nothing_from_elsewhere(made: Transcript) -> None:
    page = Page(html(made))
    assert not FOREIGN & set(page.shape)
    for _, attributes in page.tags:
        assert not FETCHING & attributes.keys()
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert (attributes.get("href") or "#").startswith("#")
        assert "xlink:href" not in attributes
        assert "refresh" not in (attributes.get("http-equiv") or "").lower()
    assert "url(" not in page.style
    assert "@import" not in page.style
    assert "//" not in page.style


@pytest.mark.parametrize("text", [HOSTILE, "--><!--", "]]>", "<plaintext>", "\x00<b>", "javascript:alert(1)"])
def test_no_text_becomes_markup(text: str) -> None:
    page = Page(html(hostile_run(text)))
    assert page.shape == Page(html(hostile_run("harmless"))).shape
    # Where it is shown it is shown as it is: title, problem, claim twice, scenario, failure, sabotage, and more.
    assert page.said.count(flat(text)) >= 25


@pytest.mark.long
@given(transcripts)
@properties.examples(50)
def test_a_page_has_no_control_characters(made: Transcript) -> None:
    page = html(made)
    assert texts.printable(page) == page
