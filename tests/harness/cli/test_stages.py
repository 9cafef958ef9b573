"""Results of the stages of `test`, skipped tests included."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest
import typer

from harness.cli import stages
from harness.cli.commands import everything
from harness.cli.stages import StageResult
from tests.waiting import DEADLINE

pytestmark = pytest.mark.long

SOME = """
import pytest

@pytest.fixture(scope="session")
def browser():
    pytest.skip("no browser [here]: it's 1 failed")

@pytest.mark.parametrize("number", range(3))
def test_page(browser, number): ...

@pytest.mark.skipif(True, reason="no daemon is named: tox -e docker-lab has one")
def test_container(): ...

def test_host():
    pytest.skip()

def test_passes(): ...
"""
ALL_LEFT_OUT = """
import pytest
pytest.importorskip("no_such_module")
"""


@pytest.mark.parametrize("colors", ["", "1"])
def test_every_skipped_test_is_counted_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, colors: str
) -> None:
    monkeypatch.setenv("FORCE_COLOR", colors)
    (tmp_path / "test_some.py").write_text(SOME)
    (tmp_path / "test_all.py").write_text(ALL_LEFT_OUT)
    outcome = stages.run_pytest("unit", str(tmp_path))
    assert (outcome.passed, outcome.failed) == (1, 0)
    missing = "could not import 'no_such_module': No module named 'no_such_module'"
    assert outcome.skipped == {
        "no browser [here]: it's 1 failed": 3,
        "no daemon is named: tox -e docker-lab has one": 1,
        "Skipped": 1,
        missing: 1,
    }


def test_a_run_with_skipped_tests_only_does_not_fail(tmp_path: Path) -> None:
    (tmp_path / "test_all.py").write_text("import pytest\n\ndef test_one():\n    pytest.skip('not here')\n")
    outcome = stages.run_pytest("unit", str(tmp_path))
    assert (outcome.passed, outcome.failed, outcome.skipped) == (0, 0, {"not here": 1})


def test_what_a_profile_left_out_is_in_the_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = "7 tests, and 3 of 4 examples of 9 properties"
    hook = "def pytest_terminal_summary(terminalreporter):\n    terminalreporter.write_line({!r})"
    (tmp_path / "conftest.py").write_text(hook.format(f"left to --profile full: {told}"))
    (tmp_path / "test_one.py").write_text("def test_one(): ...\n")
    outcome = stages.run_pytest("unit", str(tmp_path))
    assert (outcome.passed, outcome.left) == (1, told)
    monkeypatch.setattr(stages, "unit", lambda profile: outcome if profile == "quick" else None)
    monkeypatch.setattr("harness.cli.entering.enter_sandbox", lambda: None)
    with pytest.raises(typer.Exit):
        everything.run("unit", "quick", None, throwaway_key=False)
    assert f"left to --profile full by unit: {told}" in capsys.readouterr().out


def test_variables_leave_no_test_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONOPTIMIZE", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-k passes")
    monkeypatch.setenv("PYTEST_PLUGINS", "no_such_plugin")
    (tmp_path / "test_two.py").write_text("def test_passes(): ...\n\ndef test_fails():\n    assert False\n")
    outcome = stages.run_pytest("unit", str(tmp_path))
    assert (outcome.passed, outcome.failed) == (1, 1)


def test_a_run_without_a_test_fails(tmp_path: Path) -> None:
    assert stages.run_pytest("unit", str(tmp_path)).failed == 1


def test_the_summary_names_what_was_skipped_and_counts_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = StageResult("unit", 7, 0, 1.0, {"no browser [bold]": 2, "no daemon": 13})
    monkeypatch.setattr(stages, "unit", lambda profile: outcome if profile == "quick" else None)
    monkeypatch.setattr("harness.cli.entering.enter_sandbox", lambda: None)
    with pytest.raises(typer.Exit) as ended:
        everything.run("unit", "quick", None, throwaway_key=False)
    assert ended.value.exit_code == 0
    output = capsys.readouterr().out.splitlines()
    assert output[-1] == "7 passed, 0 failed, 15 skipped"
    assert "unit     passed  7 passed, 0 failed, 15 skipped, 1 s" in output
    assert output.index("   13  no daemon") < output.index("    2  no browser [bold]")


def test_types_are_checked_beside_tests_and_shown_after_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tests_run, types_begun = Event(), Event()

    def types() -> StageResult:
        types_begun.set()
        assert tests_run.wait(DEADLINE)
        return StageResult("types", 0, 1, 1.0, said="a.py:1: error\n")

    def unit(_profile: str) -> StageResult:
        assert types_begun.wait(DEADLINE)
        tests_run.set()
        return StageResult("unit", 7, 0, 1.0)

    def gate(*_: object, **__: object) -> tuple[None, int, int]:
        print("gate runs")
        return None, 5, 0

    monkeypatch.setattr(stages, "types", types)
    monkeypatch.setattr(stages, "unit", unit)
    monkeypatch.setattr(stages, "CHECKS", dict.fromkeys(stages.CHECKS, lambda: StageResult("check", 1, 0, 1.0)))
    monkeypatch.setattr(everything, "run_and_publish", gate)
    monkeypatch.setattr("harness.cli.entering.enter_sandbox", lambda: None)
    with pytest.raises(typer.Exit) as ended:
        everything.run(None, "quick", None, throwaway_key=True)
    assert ended.value.exit_code == 1
    output = capsys.readouterr().out.splitlines()
    places = [output.index(line) for line in ("a.py:1: error", "gate runs", "14 passed, 1 failed")]
    assert output[places[0] - 1].startswith("types ")
    assert places == sorted(places)


def test_without_skipped_tests_the_summary_does_not_mention_them() -> None:
    assert stages.counts([StageResult("lint", 2, 0, 1.0), StageResult("types", 1, 1, 1.0)]) == "3 passed, 1 failed"
