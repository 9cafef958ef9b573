"""Gate's plugin: verdicts and conditions of scenarios."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    # Imported by pytest, which rewrites its assertions.
    from tests.harness.gate.written import Gate

pytest_plugins = ("pytester", "tests.harness.gate.written")


def test_a_scenario_that_passes_is_proven(gate: Gate) -> None:
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


def test_a_refuted_scenario_has_its_message(gate: Gate) -> None:
    run = gate("""
        @claim("tunnel-handshake")
        def test_x(record):
            record.none_of("leaks", [1, 2], "packets leaked")
    """)
    assert run.code == 1
    assert (run.only.verdict, run.only.failure) == ("refuted", "packets leaked: 2 (1, 2)")
    assert run.only.measured == {"leaks": {"value": 2, "unit": "", "limit": 0}}


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
def test_any_other_error_is_inconclusive(gate: Gate, statement: str, words: str) -> None:
    run = gate(f"""
        @claim("tunnel-handshake")
        def test_x():
            {statement}
    """)
    assert run.only.verdict == "inconclusive"
    assert words in (run.only.failure or "")


def test_an_error_names_the_innermost_line_of_our_code(gate: Gate, pytester: pytest.Pytester) -> None:
    folder = pytester.path / "evidence"
    run = gate(
        """
        from netlab import pubkey

        @claim("tunnel-handshake")
        def test_x():
            pubkey("not a key")

        @claim("tunnel-handshake")
        def test_y():
            [][3]
    """,
        f"--evidence={folder}",
    )
    assert re.search(r" \(netlab\.keys, line \d+\)$", run.outcomes["test_x"].failure or "")
    assert run.outcomes["test_y"].failure == "IndexError: list index out of range (test_it, line 15)"
    assert run.outcomes["test_y"].evidence == ["test_y/error.txt"]
    assert "    [][3]\n" in (folder / "test_y" / "error.txt").read_text()


@pytest.mark.parametrize(("error", "verdict"), [("Refuted", "refuted"), ("OSError", "inconclusive")])
def test_an_error_in_a_fixture_is_the_scenario_s_verdict(gate: Gate, error: str, verdict: str) -> None:
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
def test_a_skipped_scenario_is_not_proven(gate: Gate, mark: str) -> None:
    run = gate(f"""
        @pytest.mark.{mark}
        @claim("tunnel-handshake")
        def test_x():
            pass
    """)
    assert run.verdicts == {"test_x": "inconclusive"}


def test_an_expected_failure_is_not_proven(gate: Gate) -> None:
    run = gate("""
        @pytest.mark.xfail
        @claim("tunnel-handshake")
        def test_x():
            raise Refuted("it does not work")
    """)
    assert (run.only.verdict, run.only.failure) == ("refuted", "it does not work")


def test_an_interrupted_run_keeps_the_results_before(gate: Gate) -> None:
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


def test_a_fault_at_the_service_s_end_refutes_the_last_scenario(gate: Gate) -> None:
    run = gate("""
        pytestmark = claim("live-change")

        @pytest.fixture(scope="session")
        def lab():
            yield
            raise Refuted("it had to be killed")

        def test_b(lab):
            pass

        def test_c(lab):
            pass
    """)
    assert run.code == 1
    assert run.verdicts == {"test_b": "proven", "test_c": "refuted"}
    assert run.outcomes["test_c"].failure == "it had to be killed"


def test_a_scenario_meets_its_conditions_and_reports_them(gate: Gate, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
        from contextlib import nullcontext

        import pytest

        from harness.gate import plugin
        from harness.subject.kinds import OwnService


        class Service(OwnService):
            store = "SQLite"

            def __init__(self):
                pass

            def ensure_running(self):
                pass

            def without_faults(self, announced):
                return nullcontext()


        class World:
            subject = Service()
            met = []

            def meet(self, conditions):
                self.met.append((conditions.outside, conditions.loss, conditions.reorder))
                return conditions.in_words()

            def part(self):
                return {"reordered": "7 of 8"}

            def delete_organizations(self):
                pass


        @pytest.fixture(scope="session")
        def lab(request):
            request.config.stash[plugin._WORLD] = made = World()
            return made
    """)
    run = gate(
        """
        pytestmark = claim("live-change")

        def test_b(lab):
            assert lab.met == [("IPv6", "responses", "messages")]

        @pytest.mark.conditions(outside="IPv4")
        def test_c(lab):
            assert lab.met[1:] == [("IPv4", "responses", "messages")]
    """,
        *("--outside=IPv6", "--loss=responses", "--reorder=messages", "--store=SQLite"),
    )
    assert run.verdicts == {"test_b": "proven", "test_c": "proven"}
    assert [each.conditions["outside"] for each in run.outcomes.values()] == ["IPv6", "IPv4"]
    assert {each.conditions["reordered"] for each in run.outcomes.values()} == {"7 of 8"}
    assert {each.conditions["store"] for each in run.outcomes.values()} == {"SQLite"}


def test_a_scenario_whose_teardown_fails_is_not_proven(gate: Gate) -> None:
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


def test_a_scenario_that_was_not_run_is_inconclusive(gate: Gate) -> None:
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
