"""Which scenarios a run has, what it tells, and how it ends."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from harness.gate.plugin import TURN
from harness.gate.results import NOT_RUN, read

if TYPE_CHECKING:
    # Loaded by pytest, which has to see its assertions first.
    from tests.harness.gate.written import Gate

pytest_plugins = ("pytester", "tests.harness.gate.written")


def test_a_claim_that_is_not_published_is_bad_usage(gate: Gate) -> None:
    run = gate(
        """
        @claim("tunnel-handshake")
        def test_x():
            pass

        @claim("free-lunch")
        def test_y():
            pass
    """
    )
    assert run.code == pytest.ExitCode.USAGE_ERROR
    assert "test_y speaks of a claim that is not published: free-lunch" in run.output
    # Not even the others count.
    assert "proven" not in run.verdicts.values()


TWO_CLAIMS = """
    @claim("tunnel-handshake")
    def test_x():
        pass

    @claim("live-change")
    def test_y():
        pass

    def test_z():
        pass
"""


def test_one_claim_can_be_asked_for(gate: Gate) -> None:
    run = gate(TWO_CLAIMS, "--claim=live-change")
    assert run.verdicts == {"test_y": "proven"}
    assert run.counts == {"passed": 1, "deselected": 2}


def test_one_scenario_can_be_asked_for(gate: Gate) -> None:
    run = gate(
        """
        pytestmark = claim("live-change")

        @pytest.mark.parametrize("kind", ["a", "b"])
        def test_x(kind):
            pass

        def test_xy():
            pass
    """,
        "--scenario=test_x",
    )
    assert run.verdicts == {"test_x[a]": "proven", "test_x[b]": "proven"}


def test_modules_without_the_scenario_that_is_asked_for_are_not_loaded(gate: Gate) -> None:
    run = gate(TWO_CLAIMS, "--scenario=test_x", test_other="def test_xy(): pass\nraise RuntimeError('loaded')")
    assert run.code == 0
    assert run.verdicts == {"test_x": "proven"}


THREE_SCENARIOS = """
    pytestmark = claim("live-change")

    @pytest.fixture(scope="session")
    def place():
        yield "a place"

    def test_a(place):
        pass

    def test_b(place):
        raise Refuted("5 packets lost")

    def test_c(place):
        pass
"""


def test_scenarios_are_run_in_the_turns_that_are_drawn(gate: Gate) -> None:
    read, write = os.pipe()
    told, progress = os.pipe()
    # Another process has drawn the second.
    os.write(write, TURN.pack(2) + TURN.pack(0) + TURN.pack(3) + TURN.pack(4))
    run = gate(THREE_SCENARIOS, f"--turns={read}", f"--progress={progress}")
    assert run.verdicts == {"test_a": "proven", "test_b": "inconclusive", "test_c": "proven"}
    assert run.outcomes["test_b"].failure == NOT_RUN
    assert os.read(told, 4096).decode().splitlines() == [
        "runs test_c (live-change)",
        "proven test_c (live-change)",
        "runs test_a (live-change)",
        "proven test_a (live-change)",
    ]
    for descriptor in (read, write, told, progress):
        os.close(descriptor)


WITH_ONE_EXCLUSIVE = THREE_SCENARIOS.replace("def test_b", "@pytest.mark.exclusive\n    def test_b")


@pytest.mark.parametrize(("exclusive", "left"), [("skip", {"test_b"}), ("only", {"test_a", "test_c"})])
def test_what_needs_the_machine_for_itself_is_run_apart(gate: Gate, exclusive: str, left: set[str]) -> None:
    run = gate(WITH_ONE_EXCLUSIVE, f"--exclusive={exclusive}")
    assert {name for name, each in run.outcomes.items() if each.failure == NOT_RUN} == left
    # In one order, whatever is left: the gate merges them.
    assert list(run.verdicts) == ["test_a", "test_b", "test_c"]


def test_no_turn_is_spent_on_what_is_run_apart(gate: Gate) -> None:
    read, write = os.pipe()
    os.write(write, b"".join(map(TURN.pack, range(5))))
    run = gate(WITH_ONE_EXCLUSIVE, f"--turns={read}", "--exclusive=skip")
    assert [name for name, each in run.outcomes.items() if each.failure == NOT_RUN] == ["test_b"]
    for descriptor in (read, write):
        os.close(descriptor)


def test_what_restarts_the_service_comes_first(gate: Gate) -> None:
    run = gate(THREE_SCENARIOS.replace("def test_c", "@pytest.mark.restarts\n    def test_c"))
    assert list(run.verdicts) == ["test_c", "test_a", "test_b"]


def test_why_a_scenario_failed_is_told_at_once(gate: Gate) -> None:
    told, progress = os.pipe()
    gate(THREE_SCENARIOS, "--scenario=test_b", f"--progress={progress}")
    assert os.read(told, 4096).decode().splitlines()[1] == "refuted test_b (live-change): 5 packets lost"
    for descriptor in (told, progress):
        os.close(descriptor)


def test_a_run_without_a_turn_left_runs_nothing(gate: Gate) -> None:
    read, write = os.pipe()
    os.close(write)
    run = gate(THREE_SCENARIOS, f"--turns={read}")
    os.close(read)
    assert {each.failure for each in run.outcomes.values()} == {NOT_RUN}


def test_without_a_claim_everything_runs_and_only_scenarios_are_told(gate: Gate) -> None:
    run = gate(TWO_CLAIMS)
    assert run.verdicts == {"test_x": "proven", "test_y": "proven"}
    assert run.counts == {"passed": 3}


def test_a_module_can_speak_of_one_claim(gate: Gate) -> None:
    run = gate("""
        pytestmark = claim("live-change")

        @pytest.mark.parametrize("kind", ["a/b", "[c]"])
        def test_x(kind):
            pass
    """)
    assert {name: each.claim for name, each in run.outcomes.items()} == {
        "test_x[a/b]": "live-change",
        "test_x[[c]]": "live-change",
    }


def test_a_crash_keeps_the_results_of_the_scenarios_before_it(pytester: pytest.Pytester, gate: Gate) -> None:
    del gate
    pytester.makepyfile("""
        import os, signal
        import pytest

        pytestmark = pytest.mark.claim("live-change")

        def test_x():
            pass

        def test_y():
            os.kill(os.getpid(), signal.SIGKILL)
    """)
    file = pytester.path / "results.json"
    pytester.runpytest_subprocess("-p", "harness.gate.plugin", "-p", "no:cacheprovider", f"--results={file}")
    assert [(each.name, each.verdict, each.failure) for each in read(file).scenarios] == [
        ("test_x", "proven", None),
        ("test_y", "inconclusive", NOT_RUN),
    ]


def test_without_a_place_for_them_no_results_are_written(pytester: pytest.Pytester, gate: Gate) -> None:
    del gate
    pytester.makepyfile("def test_x(record, profile):\n    assert profile == 'quick'\n")
    done = pytester.runpytest_inprocess("-p", "harness.gate.plugin", "-p", "no:cacheprovider")
    assert done.ret == 0
    assert not (pytester.path / "results.json").exists()


def test_a_module_that_can_t_be_read_proves_nothing(gate: Gate) -> None:
    run = gate(TWO_CLAIMS, test_broken="import nowhere")
    assert run.code == pytest.ExitCode.INTERRUPTED
    assert "proven" not in run.verdicts.values()


@pytest.mark.parametrize("options", [(), ("--exclusive=skip",)])
def test_the_run_ends_when_the_break_was_noticed(gate: Gate, options: tuple[str, ...]) -> None:
    run = gate(
        """
        pytestmark = claim("live-change")

        def test_a():
            raise Inconclusive("the lab")

        def test_b():
            raise Refuted("5 packets lost")

        def test_c():
            pytest.fail("it went on")
    """,
        "--sabotage=flush-then-load",
        *options,
    )
    assert (run.verdicts["test_a"], run.verdicts["test_b"]) == ("inconclusive", "refuted")
    assert "it went on" not in run.output


def test_without_a_break_it_goes_on(gate: Gate) -> None:
    run = gate("""
        pytestmark = claim("live-change")

        def test_b():
            raise Refuted("5 packets lost")

        def test_c():
            pass
    """)
    assert run.verdicts == {"test_b": "refuted", "test_c": "proven"}


def test_scenarios_run_in_a_sandbox_or_not_at_all(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NETLAB_SANDBOX", raising=False)
    run = gate("""
        @claim("tunnel-handshake")
        def test_x(world):
            pass
    """)
    assert run.code == 4
    assert "use `./meshwg gate`" in run.output
    assert "proven" not in run.verdicts.values()


@pytest.mark.parametrize("option", ["--profile=endless", "--seed=x"])
def test_options_that_make_no_sense_are_bad_usage(gate: Gate, option: str) -> None:
    assert gate(TWO_CLAIMS, option).code == pytest.ExitCode.USAGE_ERROR


@pytest.mark.parametrize("hub", ["plain", "nowhere:Hub", "pathlib:Nobody", "os:sep"])
def test_a_hub_that_is_no_class_is_bad_usage(gate: Gate, hub: str) -> None:
    run = gate(TWO_CLAIMS, "-p", "harness.entry", f"--hub={hub}")
    assert run.code == pytest.ExitCode.USAGE_ERROR
    assert hub in run.output


def test_another_hub_is_neither_broken_nor_somebody_s(gate: Gate) -> None:
    run = gate(TWO_CLAIMS, "-p", "harness.entry", "--hub=pathlib:Path", "--sabotage=flush-then-load")
    assert run.code == pytest.ExitCode.USAGE_ERROR
