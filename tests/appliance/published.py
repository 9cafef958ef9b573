"""Runs of the gate to publish, as the gate writes them."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reports import publish
from reports.attest import Signer
from reports.schema import Claim, Sabotage, Scenario, Transcript

ALL = ("no-egress", "one-hub")


def written(out: Path, started_at: str, verdict: str = "proven", claims: tuple[str, ...] = ALL) -> Path:
    """The folder of a run of these claims, with a break that was noticed and evidence that is nobody's business."""
    evidence = out.parent / "evidence"
    evidence.mkdir(parents=True, exist_ok=True)
    (evidence / "hub.pcap").write_bytes(b"packets")
    scenario = Scenario("test_it", verdict, 1.0, {"<script>": 1})
    transcript = Transcript(
        started_at=started_at,
        seconds=60.0,
        profile="quick",
        seed=1,
        environment={},
        claims=[Claim(each, verdict, [scenario]) for each in claims],
        sabotage=[Sabotage("broken", claims[0], caught=True), Sabotage("unseen", claims[0], caught=False)],
        verdict="pass" if verdict == "proven" else "fail",
    )
    signer = Signer(Ed25519PrivateKey.generate(), kept=False)
    return publish.write(transcript, out, signer=signer, evidence=evidence)
