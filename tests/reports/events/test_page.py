"""Page of a run: states in words, and no text of the run that becomes markup."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from reports.events import page
from reports.events.board import Board
from reports.events.format import AnyEvent, EventsLost, MutantJudged, MutantsDrawn, Note, ScenarioRepeated
from tests.reports.events import samples
from tests.reports.events.samples import BEGUN, FIGURES, NOTICED, PASSES, PROVEN, RUN, RUNS, view_of
from tests.reports.pages import HOSTILE


class Markup(HTMLParser):
    """Tags and attributes of a page, as a browser would read them, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def text_of(*told: AnyEvent) -> str:
    return Markup(page.whole(view_of(told), "/events")).text


def test_the_page_before_during_and_after_a_run() -> None:
    assert "The gate has not begun yet." in text_of()
    running = text_of(*RUN[: RUN.index(FIGURES) + 1])
    assert "The gate is running: 0 of 1 scenario proven, 1 running; 0 of 1 sabotage noticed." in running
    assert "mumbai→pune: 1 500 sent, 1 234 delivered, 266 sent while denied" in running
    assert "4 saves, the last answered in 3.1 ms, the slowest in 8.5 ms: default deny" in running
    assert "Running: test_x, flush-then-load." in running
    ended = text_of(*RUN)
    assert "The gate passes: 1 of 1 scenario proven; 1 of 1 sabotage noticed." in ended
    assert "3.5 s 3 packets lost" in ended


def test_what_went_wrong_is_said_in_words() -> None:
    refuted = replace(PROVEN, verdict="refuted", why="3 packets lost")
    missed = replace(NOTICED, outcome="missed")
    fails = replace(PASSES, verdict="fail", problems=["live-change is refuted."], left_out=2)
    unkept = Note(word="unkept", text="its evidence")
    wrong = replace(samples.STREAMED, late=2, lost=1)
    text = text_of(BEGUN, RUNS, samples.FLOWS, wrong, refuted, missed, EventsLost(count=3), unkept, fails)
    for part in (
        "The gate does not pass: 0 of 1 scenario proven, 1 refuted; 0 of 1 sabotage noticed, 1 MISSED.",
        "live-change is refuted.",
        "3 packets lost",
        "3 WRONG",
        "5 events missing",
        "unkept its evidence",
    ):
        assert part in text


def test_mutants_are_counted_beside_the_sabotages() -> None:
    survived = MutantJudged(mutant="store/a.py:3:number:1", verdict="survived")
    assert "0 of 1 sabotage noticed; 1 of 40 mutants judged, 1 SURVIVED." in text_of(
        BEGUN, MutantsDrawn(count=40), survived
    )


def test_a_scenario_that_is_run_again_is_said_to_run() -> None:
    again = ScenarioRepeated(claim=RUNS.claim, scenario=RUNS.scenario)
    refuted = replace(PROVEN, verdict="refuted")
    running = text_of(BEGUN, RUNS, refuted, again)
    assert "Running: test_x." in running
    assert "Run once more alike: running." in running
    assert "Between two runs." in text_of(BEGUN, RUNS, refuted, again, replace(again, verdict="proven"))


def test_a_cut_run_has_no_verdict() -> None:
    board = Board()
    for event in RUN[:-1]:
        board.apply(event)
    board.cut()
    text = Markup(page.whole(board.wait(-1, 0), "/events", replayed=True)).text
    assert "The events end before the run has a verdict" in text
    assert "passes" not in text


@pytest.mark.parametrize(("told", "files", "reloads"), [(RUN[:3], (), True), (RUN, (), True), (RUN, ("a",), False)])
def test_without_scripts_the_page_reloads_until_it_is_over(
    told: tuple[AnyEvent, ...], files: tuple[str, ...], reloads: bool
) -> None:
    made = page.whole(replace(view_of(told), files=files), "/events")
    assert ('<noscript><meta http-equiv="refresh" content="3"></noscript>' in made) is reloads


def test_only_what_changed_is_sent() -> None:
    board = Board()
    for event in RUN[:4]:
        board.apply(event)
    known = board.wait(-1, 0).change
    board.apply(PROVEN)
    parts = page.parts(board.wait(-1, 0), known)
    assert parts.keys() == {"result", "now", "s0"}
    for name, part in parts.items():
        assert f'id="{name}"' in part
        assert part in page.whole(board.wait(-1, 0), "/events")


def _hostile(event: AnyEvent) -> AnyEvent:
    texts = {
        name: HOSTILE
        for name in event.__struct_fields__
        if isinstance(getattr(event, name), str) and name not in ("claim", "scenario", "stream", "sabotage")
    }
    return replace(event, **texts)


def test_no_text_of_a_run_becomes_markup() -> None:
    plain = Markup(page.whole(view_of(RUN[:-1]), "/events"))
    hostile = Markup(page.whole(view_of([_hostile(each) for each in RUN[:-1]]), "/events"))
    assert [tag for tag in hostile.tags if tag[0] in ("script", "img", "style")] == [
        tag for tag in plain.tags if tag[0] in ("script", "img", "style")
    ]
    assert {name for _, names in hostile.tags for name in names} == {name for _, names in plain.tags for name in names}
    assert "onerror=alert(1)" in hostile.text
    assert "\x1b" not in hostile.text


@pytest.mark.long
@given(st.lists(samples.events, max_size=8), st.text())
def test_any_run_is_shown(told: list[AnyEvent], name: str) -> None:
    view = view_of([*told, replace(RUNS, claim=name, scenario=name)])
    tags = Markup(page.whole(view, "/events")).tags
    assert [names for tag, names in tags if tag == "script"] == [("src", "defer")]
    assert page.parts(view, -1).keys() >= {*(row.id for row in view.scenarios), *(row.id for row in view.sabotages)}
