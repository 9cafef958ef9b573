"""Gate's plugin: selection and order of scenarios, progress, results, bad usage."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from harness.gate import results
from harness.gate.plugin import SCENARIO_NUMBER
from reports.events.format import AnyEvent, OfScenario, ScenarioBegun, ScenarioEnded, ScenarioPlanned, decode

if TYPE_CHECKING:
    # Imported by pytest, which rewrites its assertions.
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
    assert "test_y names a claim that is not published: free-lunch" in run.output
    # The other scenario does not run either.
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


def test_only_scenarios_of_the_claim_run(gate: Gate) -> None:
    run = gate(TWO_CLAIMS, "--claim=live-change")
    assert run.verdicts == {"test_y": "proven"}
    assert run.counts == {"passed": 1, "deselected": 2}


def test_only_the_named_scenario_runs_with_all_its_parameters(gate: Gate) -> None:
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


def test_modules_without_the_named_scenario_are_not_imported(gate: Gate) -> None:
    run = gate(TWO_CLAIMS, "--scenario=test_x", test_other="def test_xy(): pass\nraise RuntimeError('loaded')")
    assert run.code == 0
    assert run.verdicts == {"test_x": "proven"}


LEAVING = """
    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(items):
        items.pop(0)
"""


@pytest.mark.parametrize(("options", "others"), [(["-k", "test_y or test_z"], {}), ([], {"conftest": LEAVING})])
def test_what_the_gate_s_own_options_keep_is_reported(gate: Gate, options: list[str], others: dict[str, str]) -> None:
    run = gate(TWO_CLAIMS, *options, **others)
    assert run.verdicts == {"test_x": "inconclusive", "test_y": "proven"}
    left = run.outcomes["test_x"]
    assert (left.was_run, left.failure) == (False, "It was left out, and by no option of the gate.")


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


def told(reader: int) -> list[AnyEvent | None]:
    """Returns the events in a pipe."""
    return [decode(line) for line in os.read(reader, 1 << 16).splitlines()]


def test_only_the_scenarios_drawn_from_the_pipe_run(gate: Gate) -> None:
    read, write = os.pipe()
    reader, events = os.pipe()
    # Another process has drawn the second.
    os.write(
        write, SCENARIO_NUMBER.pack(2) + SCENARIO_NUMBER.pack(0) + SCENARIO_NUMBER.pack(3) + SCENARIO_NUMBER.pack(4)
    )
    run = gate(THREE_SCENARIOS, f"--numbers={read}", f"--events={events}")
    assert run.verdicts == {"test_a": "proven", "test_b": "inconclusive", "test_c": "proven"}
    assert not run.outcomes["test_b"].was_run
    assert [(type(each), each.scenario) for each in told(reader) if isinstance(each, OfScenario)] == [
        *((ScenarioPlanned, name) for name in ("test_a", "test_b", "test_c")),
        (ScenarioBegun, "test_c"),
        (ScenarioEnded, "test_c"),
        (ScenarioBegun, "test_a"),
        (ScenarioEnded, "test_a"),
    ]
    for descriptor in (read, write, reader, events):
        os.close(descriptor)


WITH_ONE_EXCLUSIVE = THREE_SCENARIOS.replace("def test_b", "@pytest.mark.exclusive\n    def test_b")


@pytest.mark.parametrize(("exclusive", "left"), [("skip", {"test_b"}), ("only", {"test_a", "test_c"})])
def test_exclusive_scenarios_are_skipped_or_run_alone(gate: Gate, exclusive: str, left: set[str]) -> None:
    run = gate(WITH_ONE_EXCLUSIVE, f"--exclusive={exclusive}")
    assert {name for name, each in run.outcomes.items() if not each.was_run} == left
    # The order is always the same, since the gate merges the results.
    assert list(run.verdicts) == ["test_a", "test_b", "test_c"]


@pytest.mark.parametrize(
    ("profile", "run"), [("quick", ["test_a", "test_c"]), ("full", ["test_a", "test_b", "test_c"])]
)
def test_some_scenarios_are_of_the_full_profile_alone(gate: Gate, profile: str, run: list[str]) -> None:
    marked = THREE_SCENARIOS.replace("def test_b", "@pytest.mark.full\n    def test_b")
    assert list(gate(marked, f"--profile={profile}").verdicts) == run


def test_exclusive_scenarios_take_no_number(gate: Gate) -> None:
    read, write = os.pipe()
    os.write(write, b"".join(map(SCENARIO_NUMBER.pack, range(5))))
    run = gate(WITH_ONE_EXCLUSIVE, f"--numbers={read}", "--exclusive=skip")
    assert [name for name, each in run.outcomes.items() if not each.was_run] == ["test_b"]
    for descriptor in (read, write):
        os.close(descriptor)


def test_scenarios_that_restart_the_service_come_first(gate: Gate) -> None:
    run = gate(THREE_SCENARIOS.replace("def test_c", "@pytest.mark.restarts\n    def test_c"))
    assert list(run.verdicts) == ["test_c", "test_a", "test_b"]


def test_an_event_has_the_reason_of_a_failure(gate: Gate) -> None:
    reader, events = os.pipe()
    gate(THREE_SCENARIOS, "--scenario=test_b", f"--events={events}")
    (ended,) = (each for each in told(reader) if isinstance(each, ScenarioEnded))
    assert (ended.scenario, ended.claim, ended.verdict, ended.why) == (
        "test_b",
        "live-change",
        "refuted",
        "5 packets lost",
    )
    for descriptor in (reader, events):
        os.close(descriptor)


def test_a_run_without_a_number_left_runs_nothing(gate: Gate) -> None:
    read, write = os.pipe()
    os.close(write)
    run = gate(THREE_SCENARIOS, f"--numbers={read}")
    os.close(read)
    assert {each.was_run for each in run.outcomes.values()} == {False}


def test_without_a_claim_all_runs_and_scenarios_have_results(gate: Gate) -> None:
    run = gate(TWO_CLAIMS)
    assert run.verdicts == {"test_x": "proven", "test_y": "proven"}
    assert run.counts == {"passed": 3}


def test_a_module_can_be_marked_with_a_claim(gate: Gate) -> None:
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


@pytest.mark.long
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
    assert [(each.name, each.verdict, each.failure) for each in results.decode(file.read_bytes()).scenarios] == [
        ("test_x", "proven", None),
        ("test_y", "inconclusive", "The run ended before it."),
    ]


def test_without_the_option_no_results_are_written(pytester: pytest.Pytester, gate: Gate) -> None:
    del gate
    pytester.makepyfile("def test_x(record, profile):\n    assert profile == 'quick'\n")
    done = pytester.runpytest_inprocess("-p", "harness.gate.plugin", "-p", "no:cacheprovider")
    assert done.ret == 0
    assert not (pytester.path / "results.json").exists()


def test_a_module_with_a_syntax_error_proves_nothing(gate: Gate) -> None:
    run = gate(TWO_CLAIMS, test_broken="import nowhere")
    assert run.code == pytest.ExitCode.INTERRUPTED
    assert "proven" not in run.verdicts.values()


@pytest.mark.parametrize("options", [(), ("--exclusive=skip",)])
def test_the_run_ends_when_the_sabotage_was_noticed(gate: Gate, options: tuple[str, ...]) -> None:
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


def test_without_a_sabotage_the_run_goes_on(gate: Gate) -> None:
    run = gate("""
        pytestmark = claim("live-change")

        def test_b():
            raise Refuted("5 packets lost")

        def test_c():
            pass
    """)
    assert run.verdicts == {"test_b": "refuted", "test_c": "proven"}


@pytest.mark.long
def test_scenarios_run_only_in_a_sandbox(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_invalid_values_of_options_are_bad_usage(gate: Gate, option: str) -> None:
    assert gate(TWO_CLAIMS, option).code == pytest.ExitCode.USAGE_ERROR


@pytest.mark.parametrize("hub", ["plain", "nowhere:Hub", "pathlib:Nobody", "os:sep"])
def test_a_hub_that_is_not_a_class_is_bad_usage(gate: Gate, hub: str) -> None:
    run = gate(TWO_CLAIMS, "-p", "harness.entry", f"--hub={hub}")
    assert run.code == pytest.ExitCode.USAGE_ERROR
    assert hub in run.output


def test_a_sabotage_or_live_service_of_another_hub_is_bad_usage(gate: Gate) -> None:
    run = gate(TWO_CLAIMS, "-p", "harness.entry", "--hub=pathlib:Path", "--sabotage=flush-then-load")
    assert run.code == pytest.ExitCode.USAGE_ERROR
