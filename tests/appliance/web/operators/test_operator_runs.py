"""Operators' page of runs: what is in the folder, shown to everybody or not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import bottle
import msgspec
import pytest

from appliance.languages import loaded
from appliance.service import Context, gate_progress, operators
from appliance.service.transcripts import PublishedRuns
from appliance.store import hidden_runs, operations
from appliance.web.operators.visits import COOKIE
from appliance.web.site import Site
from reports.events.format import AnyEvent, RunEnded
from reports.events.state import StateFile, state_of
from tests.appliance.clocks import WallClock
from tests.appliance.published import ALL, written
from tests.appliance.web.client import call
from tests.appliance.web.operators.conftest import EMAIL, Operator
from tests.browser.pseudo import Pseudo, untranslated
from tests.reports.events.samples import BEGUN, FIGURES, RUN, after, view_of


@pytest.fixture
def published(tmp_path: Path) -> PublishedRuns:
    return PublishedRuns(tmp_path / "runs")


@pytest.fixture
def site(site: Site, published: PublishedRuns) -> Site:
    return replace(site, published=published)


@pytest.fixture
def run(published: PublishedRuns, tmp_path: Path) -> str:
    """Provides the id of a run in the folder of runs."""
    return published.publish(written(tmp_path / "out", "2026-03-01T12:00:00Z")).id


@pytest.fixture
def state(published: PublishedRuns) -> StateFile:
    """Provides the file in which a run on this host tells what it does."""
    published.folder.mkdir()
    return StateFile(published.folder / gate_progress.NAME, after(RUN[: RUN.index(FIGURES) + 1]))


def log(context: Context) -> list[tuple[str, str, object]]:
    """Lists what was done with runs, newest first."""
    with context.store.read() as transaction:
        found = operations.latest(transaction, 10)
    return [(each.user, each.action, each.detail) for each in found if each.action.startswith("transcript.")]


def test_runs_are_listed_with_the_digest_of_the_log(operator: Operator, published: PublishedRuns, run: str) -> None:
    page = operator.get("/operator/runs").page
    digest = hashlib.sha256(published.file(run, "attestation.dsse.json")).hexdigest()
    for text in ("2026-03-01T12:00:00Z", "pass", "2 of 2", "1 of 2", digest[:16], "published"):
        assert text in page.text
    assert operator.get(f"/operator/runs/{run}").body == published.file(run, "transcript.html")


@pytest.mark.long
def test_a_withdrawn_run_is_nowhere_until_it_is_published(
    operator: Operator, app: bottle.Bottle, context: Context, run: str
) -> None:
    places = (f"/transcripts/{run}/transcript.html", f"/transcripts/{run}/card.svg")
    operator.get("/operator/runs")
    answer = operator.send(f"/operator/runs/{run}/withdraw")
    assert (answer.status, answer.headers["location"]) == (303, "/operator/runs")
    assert [call(app, "GET", place).status for place in places] == [404, 404]
    for path in ("/", "/claims", f"/claims/{ALL[0]}", "/transcripts"):
        assert run not in call(app, "GET", path).data.decode(), path
    page = operator.get("/operator/runs").page
    assert "hidden" in page.text
    # Operators see it before they publish it.
    assert operator.get(f"/operator/runs/{run}").status == 200
    operator.get("/operator/runs")
    assert operator.send(f"/operator/runs/{run}/publish").status == 303
    assert [call(app, "GET", place).status for place in places] == [200, 200]
    for path in ("/", "/claims", f"/claims/{ALL[0]}", "/transcripts"):
        assert run in call(app, "GET", path).data.decode(), path
    detail = {"run": run}
    assert log(context) == [(EMAIL, operations.PUBLISHED, detail), (EMAIL, operations.WITHDRAWN, detail)]


@pytest.mark.long
def test_a_run_whose_signature_does_not_hold_stays_hidden(
    operator: Operator, app: bottle.Bottle, context: Context, published: PublishedRuns, run: str
) -> None:
    with context.store.write() as transaction:
        hidden_runs.hide(transaction, run)
    file = published.folder / run / "transcript.json"
    file.write_bytes(file.read_bytes().replace(b'"pass"', b'"fail"'))
    operator.get("/operator/runs")
    answer = operator.send(f"/operator/runs/{run}/publish")
    assert answer.status == 409
    assert f"The run {run} is not published. Its file transcript.json is not what was signed." in answer.page.text
    assert call(app, "GET", f"/transcripts/{run}/transcript.json").status == 404
    assert log(context) == []


def test_a_decision_that_changes_nothing_is_not_noted(operator: Operator, context: Context, run: str) -> None:
    operator.get("/operator/runs")
    assert operator.send(f"/operator/runs/{run}/withdraw", to=f"/operator/runs/{run}/publish").status == 303
    assert log(context) == []


@pytest.mark.long
def test_runs_take_an_operator_a_token_and_a_run(
    operator: Operator, app: bottle.Bottle, new_operator: Callable[[], Operator], context: Context, run: str
) -> None:
    for path in ("/operator/runs", f"/operator/runs/{run}"):
        assert new_operator().get(path).headers["location"] == "/operator/login"
    operator.get("/operator/runs")
    unknown = "20260301T120000Z-unknown"
    for act in ("publish", "withdraw"):
        operator.get("/operator/runs")
        assert operator.send(f"/operator/runs/{run}/withdraw", to=f"/operator/runs/{unknown}/{act}").status == 404
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in operator.cookies.items())}
        assert call(app, "POST", f"/operator/runs/{run}/{act}", headers=headers).status == 403
    assert operator.get(f"/operator/runs/{unknown}").status == 404
    assert log(context) == []


def test_a_removed_operator_decides_nothing(operator: Operator, context: Context, run: str) -> None:
    operator.get("/operator/runs")
    operators.remove(context, EMAIL)
    operators.add(context, "other@example.net")
    assert operator.send(f"/operator/runs/{run}/withdraw").status in (303, 403)
    assert log(context) == []


def test_the_page_without_runs_says_so(operator: Operator) -> None:
    assert "There is none." in operator.get("/operator/runs").page.text


def test_a_run_that_goes_on_is_shown_with_its_streams(operator: Operator, state: StateFile) -> None:
    with state:
        answer = operator.get("/operator/runs/live")
        for text in (
            "The gate is running.",
            "It works.",
            "1,500 sent, 1,234 delivered, 266 denied",
            BEGUN.sabotages[0].broke,
        ):
            assert text in answer.page.text
        # In the reader's zone.
        assert f'Begun <time datetime="{BEGUN.started_at}" data-shown="moment">' in answer.text
        assert "The gate is running." in operator.get("/operator/runs").page.text
        unchanged = call(
            operator.app,
            "GET",
            "/operator/runs/live",
            headers={"Cookie": f"{COOKIE}={operator.cookies[COOKIE]}", "If-None-Match": answer.headers["etag"]},
        )
        assert unchanged.status == 304
    assert "ended early" in operator.get("/operator/runs/live").page.text


def test_a_killed_run_is_told_from_one_that_goes_on(
    operator: Operator, published: PublishedRuns, clock: WallClock
) -> None:
    published.folder.mkdir()
    told = msgspec.json.encode(state_of(view_of([BEGUN]), clock.now.timestamp()))
    (published.folder / gate_progress.NAME).write_bytes(told)
    assert "ended from outside" not in operator.get("/operator/runs/live").page.text
    clock.wait(2 * gate_progress.SILENT_AFTER)
    assert "ended from outside" in operator.get("/operator/runs/live").page.text


def test_asking_by_itself_keeps_no_session_alive(
    operator: Operator, new_operator: Callable[[], Operator], clock: WallClock
) -> None:
    for _ in range(4):
        clock.wait(timedelta(minutes=9))
        answer = operator.get("/operator/runs/live")
    assert (answer.status, "Your session has ended" in answer.text) == (401, True)
    assert new_operator().get("/operator/runs/live").status == 401


@pytest.mark.parametrize(
    ("told", "stage"),
    [
        (RUN, "The gate has passed: every claim is proven."),
        (RUN[:-1], "The gate has ended early, without a verdict."),
        ((*RUN[:-1], RunEnded(verdict="fail", seconds=4.1, at=4.1)), "The gate has not passed."),
    ],
)
def test_every_word_of_the_gate_s_own_is_translated(
    operator: Operator,
    published: PublishedRuns,
    state: StateFile,
    monkeypatch: pytest.MonkeyPatch,
    told: Sequence[AnyEvent],
    stage: str,
) -> None:
    """Names of scenarios, what a sabotage broke and reasons are marked as English instead."""
    monkeypatch.setitem(loaded(), "hi", replace(loaded()["hi"], translations=Pseudo()))
    operator.get("/language?language=hi")
    with state:
        page = operator.get("/operator/runs/live")
        assert "⟦running⟧" in page.text
        assert untranslated(page.text) == []
    with StateFile(published.folder / gate_progress.NAME, after(told)):
        pass
    page = operator.get("/operator/runs/live")
    assert f"⟦{stage}⟧" in page.text
    assert "⟦proven⟧" in page.text
    assert "⟦noticed⟧" in page.text
    assert untranslated(page.text) == []
