"""Published gate runs for tests."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reports import publish
from reports.exhibits import Cell, Exhibit, Histogram, Passed, Row, Save, Stream, Timeline, TruthTable
from reports.keys import Signer
from reports.log.entries import Began
from reports.log.folder import RunLog
from reports.schema import Claim, SabotageVerdict, Scenario, Transcript
from reports.software import Package, Software

ALL = ("no-egress", "one-hub")
SIGNER = Signer(Ed25519PrivateKey.generate())
SOFTWARE = Software("b" * 64, [Package("pytest", "9.2.0", "d" * 64)], tree="a" * 64, files=1292, commit="c" * 40)
BOUND = "leaked: 0 of 6000: fewer than 1 in 2000"
EXHIBITS: list[Exhibit] = [
    Timeline(
        "saves and packets",
        0.5,
        [Save("default deny", 0.9, 1.0, [Passed(allowed=False, sent=40, delivered=0, wrong=0)])],
        [Stream("mumbai→pune", [40, 40, 40], [40, 40, 0], [(1.0, 1.5)])],
    ),
    TruthTable("table 1", "default deny", ["icmp"], [Row("mumbai", "pune", [Cell(allowed=False, sent=1, arrived=0)])]),
    Histogram("pings", "s", [0.001, 0.002, 0.003], [7, 3], 0.0011, 0.0015, 0.0028),
]
"""An exhibit of each kind."""


def written(
    out: Path, started_at: str, verdict: str = "proven", claims: tuple[str, ...] = ALL, hub: str | None = None
) -> Path:
    """Writes a run of these claims, with a caught sabotage and secret evidence; returns its folder."""
    evidence = out.parent / "evidence"
    evidence.mkdir(parents=True, exist_ok=True)
    (evidence / "hub.pcap").write_bytes(b"packets")
    scenario = Scenario(
        "test_it", verdict, 1.0, {"<script>": 1}, "It `holds`.", ["held: it is <seen> before"], exhibits=EXHIBITS
    )
    transcript = Transcript(
        started_at=started_at,
        seconds=60.0,
        profile="quick",
        seed=1,
        environment={},
        claims=[Claim(each, verdict, [scenario], bound=BOUND) for each in claims],
        sabotage=[
            SabotageVerdict("broken", claims[0], caught=True, broke="the door is open"),
            SabotageVerdict("unseen", claims[0], caught=False, broke="nobody looks"),
        ],
        verdict="pass" if verdict == "proven" else "fail",
        hub=hub,
        tested=SOFTWARE,
    )
    log = RunLog(out.parent / "log", SIGNER.key, "meshwg-gate/test")
    with log.opened() as opened:
        began = opened.append(Began(started_at, "quick", 1, SOFTWARE.subject)).index
    return publish.write(transcript, out, signer=SIGNER, log=log, began=began, evidence=evidence)
