"""Gate's plugin: evidence of failed scenarios."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from netlab import genkey
from reports.events.format import Note, ScenarioEnded, decode

if TYPE_CHECKING:
    # Imported by pytest, which rewrites its assertions.
    from tests.harness.gate.written import Gate

pytest_plugins = ("pytester", "tests.harness.gate.written")


@pytest.mark.parametrize("raised", ["Refuted", "Inconclusive", "AssertionError"])
def test_no_key_and_no_token_is_in_failure_or_evidence(gate: Gate, pytester: pytest.Pytester, raised: str) -> None:
    key, token = genkey(), "mws_" + "x7_-" * 10
    run = gate(
        f"""
        @claim("tunnel-handshake")
        def test_x():
            raise {raised}("answered {{'config': 'PrivateKey = {key}', 'token': '{token}'}} to POST /machines")
    """,
        f"--evidence={pytester.path}/evidence",
    )
    said = run.only.failure or ""
    assert key not in (kept := (pytester.path / "evidence/test_x/error.txt").read_text())
    assert token not in kept
    assert "answered {'config': 'PrivateKey = [removed]', 'token': '[removed]'} to POST /machines" in said


def test_a_failure_leaves_evidence_and_the_service_running(gate: Gate, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
        from contextlib import nullcontext

        import pytest

        from harness.world import evidence
        from harness.gate import plugin


        class World:
            up = True

            def delete_organizations(self):
                pass

            @property
            def subject(self):
                return self

            def ensure_running(self):
                self.up = True

            def without_faults(self, announced):
                return nullcontext()

            def __str__(self):
                return "the world"


        @pytest.fixture(scope="session")
        def lab(request):
            made = request.config.stash[plugin._WORLD] = World()
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(evidence, "collect", lambda folder, error, world: [error[-17:], str(world), str(folder)])
                yield made
            # The lab has ended: nothing may start the service from here on.
            made.ensure_running = None
    """)
    folder = pytester.path / "evidence"
    run = gate(
        """
        pytestmark = claim("live-change")

        def test_b(lab):
            lab.up = False
            raise Refuted("5 packets lost")

        def test_c(lab):
            assert lab.up
    """,
        f"--evidence={folder}",
    )
    assert run.code == 1
    assert run.verdicts == {"test_b": "refuted", "test_c": "proven"}
    assert run.outcomes["test_b"].evidence == [
        ": 5 packets lost\n",
        "the world",
        str(folder / "test_b"),
    ]
    assert run.outcomes["test_c"].evidence == []


def test_a_verdict_stays_if_its_evidence_can_t_be_written(gate: Gate, pytester: pytest.Pytester) -> None:
    (pytester.path / "full").write_text("no folder")
    told = (pytester.path / "events").open("wb+")
    run = gate(
        """
        pytestmark = claim("live-change")

        def test_b():
            raise Refuted("5 packets lost")

        def test_c():
            pass
    """,
        f"--evidence={pytester.path}/full",
        f"--events={told.fileno()}",
    )
    assert run.code == 1
    assert run.verdicts == {"test_b": "refuted", "test_c": "proven"}
    assert run.outcomes["test_b"].evidence == []
    told.seek(0)
    events = [decode(line) for line in told]
    told.close()
    assert [each.text.partition(" ")[0] for each in events if isinstance(each, Note)] == ["test_b"]
    assert [(each.scenario, each.verdict, each.why) for each in events if isinstance(each, ScenarioEnded)] == [
        ("test_b", "refuted", "5 packets lost"),
        ("test_c", "proven", ""),
    ]
