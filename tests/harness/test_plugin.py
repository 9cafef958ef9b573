"""From outcomes of tests to verdicts: scenarios that are written here and run under the gate's plugin."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import results
from harness.plugin import TURN
from harness.results import NOT_RUN, ScenarioResult
from netlab import genkey

pytest_plugins = ("pytester",)

Gate = Callable[..., "Run"]

HEAD = """
import pytest
from harness.record import Record
from harness.verdicts import Inconclusive, Refuted
from netlab import NothingArrived
claim = pytest.mark.claim
"""


class Run:
    """One run of scenarios."""

    def __init__(self, done: pytest.RunResult, target: Path) -> None:
        self.code = int(done.ret)
        self.output = done.stdout.str() + done.stderr.str()
        self.counts = done.parseoutcomes() if self.code <= 1 else {}
        self.outcomes = {each.name: each for each in results.read(target).scenarios}

    @property
    def verdicts(self) -> dict[str, str]:
        """By scenario."""
        return {name: each.verdict for name, each in self.outcomes.items()}

    @property
    def only(self) -> ScenarioResult:
        """The one outcome that there is."""
        (found,) = self.outcomes.values()
        return found


@pytest.fixture
def gate(pytester: pytest.Pytester) -> Gate:
    """Runs a module of scenarios."""
    pytester.makeini("[pytest]\naddopts = --strict-markers\nmarkers = claim(id): what it proves or refutes\n")

    def run(module: str, *options: str, **others: str) -> Run:
        pytester.makepyfile(
            **{name: HEAD + textwrap.dedent(text) for name, text in {"test_it": module, **others}.items()}
        )
        target = pytester.path / "results.json"
        done = pytester.runpytest_inprocess(
            "-p",
            "harness.plugin",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            f"--results={target}",
            *options,
            no_reraise_ctrlc=True,
        )
        return Run(done, target)

    return run


def test_a_scenario_that_ends_well_is_proven(gate: Gate) -> None:
    run = gate('''
        @claim("tunnel-handshake")
        def test_x(record):
            """Two machines shake hands,
            and more.

            Not this."""
            record.measure("pings", 20, "packets")
            with record.control("the probe works"):
                pass
    ''')
    assert run.code == 0
    only = run.only
    assert (only.name, only.claim, only.verdict) == ("test_x", "tunnel-handshake", "proven")
    assert only.title == "Two machines shake hands, and more."
    assert only.measured == {"pings": {"value": 20, "unit": "packets"}}
    assert only.controls == ["held: the probe works"]
    assert (only.failure, only.evidence) == (None, [])
    assert only.seconds >= 0


def test_refuted_is_a_verdict_with_its_own_words(gate: Gate) -> None:
    run = gate("""
        @claim("tunnel-handshake")
        def test_x(record):
            record.none_of("leaks", [1, 2], "packets leaked")
    """)
    assert run.code == 1
    assert (run.only.verdict, run.only.failure) == ("refuted", "packets leaked: 2 (1, 2)")
    assert run.only.measured == {"leaks": {"value": 2, "unit": "", "limit": 0}}


@pytest.mark.parametrize("raised", ["Refuted", "Inconclusive", "AssertionError"])
def test_no_key_and_no_token_is_in_what_is_said(gate: Gate, raised: str) -> None:
    key, token = genkey(), "mws_" + "x7_-" * 10
    run = gate(f"""
        @claim("tunnel-handshake")
        def test_x():
            raise {raised}("answered {{'config': 'PrivateKey = {key}', 'token': '{token}'}} to POST /machines")
    """)
    said = run.only.failure or ""
    assert "answered {'config': 'PrivateKey = [removed]', 'token': '[removed]'} to POST /machines" in said


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("raise Inconclusive('the lab is slow')", "the lab is slow"),
        ("assert 1 == 2, 'not equal'", "not equal"),
        ("raise NothingArrived('a packet', 2.0)", "a packet: nothing within 2.000 s"),
        ("raise OSError(28, 'No space left')", "OSError: [Errno 28] No space left"),
        ("pytest.skip('not today')", "not today"),
        ("pytest.fail('no')", "no"),
        ("pytest.xfail('known')", "known"),
        ("raise BaseException('worse')", "BaseException: worse"),
    ],
)
def test_every_other_error_shows_nothing(gate: Gate, statement: str, words: str) -> None:
    run = gate(f"""
        @claim("tunnel-handshake")
        def test_x():
            {statement}
    """)
    assert run.only.verdict == "inconclusive"
    assert words in (run.only.failure or "")


@pytest.mark.parametrize(("error", "verdict"), [("Refuted", "refuted"), ("OSError", "inconclusive")])
def test_an_error_before_the_scenario_is_its_outcome_too(gate: Gate, error: str, verdict: str) -> None:
    run = gate(f"""
        @pytest.fixture
        def mesh():
            raise {error}("no tunnel comes up")

        @claim("tunnel-handshake")
        def test_x(mesh):
            pass
    """)
    assert run.only.verdict == verdict
    assert "no tunnel comes up" in (run.only.failure or "")


@pytest.mark.parametrize("mark", ["skip", "xfail(run=False)", "skipif(True, reason='x')"])
def test_a_scenario_that_is_marked_not_to_run_is_not_proven(gate: Gate, mark: str) -> None:
    run = gate(f"""
        @pytest.mark.{mark}
        @claim("tunnel-handshake")
        def test_x():
            pass
    """)
    assert run.verdicts == {"test_x": "inconclusive"}


def test_a_failure_that_was_expected_is_none_the_better(gate: Gate) -> None:
    run = gate("""
        @pytest.mark.xfail
        @claim("tunnel-handshake")
        def test_x():
            raise Refuted("it does not work")
    """)
    assert (run.only.verdict, run.only.failure) == ("refuted", "it does not work")


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


def test_without_a_place_for_them_no_results_are_written(pytester: pytest.Pytester, gate: Gate) -> None:
    del gate
    pytester.makepyfile("def test_x(record, profile):\n    assert profile == 'quick'\n")
    done = pytester.runpytest_inprocess("-p", "harness.plugin", "-p", "no:cacheprovider")
    assert done.ret == 0
    assert not (pytester.path / "results.json").exists()


def test_a_scenario_that_is_cut_off_leaves_what_was_found_before(gate: Gate) -> None:
    run = gate("""
        @claim("tunnel-handshake")
        def test_x():
            pass

        @claim("tunnel-handshake")
        def test_y():
            raise KeyboardInterrupt
    """)
    assert run.verdicts["test_x"] == "proven"
    assert run.verdicts.get("test_y") != "proven"


def test_a_module_that_can_t_be_read_proves_nothing(gate: Gate) -> None:
    run = gate(TWO_CLAIMS, test_broken="import nowhere")
    assert run.code == pytest.ExitCode.INTERRUPTED
    assert "proven" not in run.verdicts.values()


def test_the_run_ends_when_the_break_was_noticed(gate: Gate) -> None:
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


def test_what_a_failed_scenario_leaves_is_told(gate: Gate, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
        from pathlib import Path

        import pytest

        from harness import evidence, plugin


        @pytest.fixture(scope="session", autouse=True)
        def lab(request):
            request.config.stash[plugin._WORLD] = "the world"
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(evidence, "collect", lambda world, folder: [world, str(folder)])
                yield
    """)
    folder = pytester.path / "evidence"
    run = gate(
        """
        pytestmark = claim("live-change")

        def test_b():
            raise Refuted("5 packets lost")

        def test_c():
            pass
    """,
        f"--evidence={folder}",
    )
    assert run.outcomes["test_b"].evidence == ["the world", str(folder / "test_b")]
    assert run.outcomes["test_c"].evidence == []


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


def test_a_failure_while_cleaning_up_is_not_proven(gate: Gate) -> None:
    run = gate("""
        @pytest.fixture
        def mesh():
            yield
            raise Refuted("something was left behind")

        @claim("tunnel-handshake")
        def test_x(mesh):
            pass
    """)
    assert run.code == 1
    assert (run.only.verdict, run.only.failure) == ("refuted", "something was left behind")


def test_a_scenario_that_never_ran_is_not_proven_by_another(gate: Gate) -> None:
    run = gate("""
        pytestmark = claim("tunnel-handshake")

        def test_x():
            pass

        def test_y():
            pytest.exit("the lab is gone")

        def test_z():
            pass
    """)
    assert run.verdicts["test_x"] == "proven"
    assert {run.verdicts.get("test_y"), run.verdicts.get("test_z")} == {"inconclusive"}
