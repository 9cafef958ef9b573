"""Exits with 1 if the verdicts in a file of results are not those of the other project's hub."""

from __future__ import annotations

import sys
from pathlib import Path

from harness.gate import results
from harness.gate.claims import CLAIMS
from reports.verdict import of_claim

outcomes = results.decode(Path(sys.argv[1]).read_bytes()).scenarios
found = {claim.id: of_claim([each for each in outcomes if each.claim == claim.id]) for claim in CLAIMS}
expected = {
    "proven": "tunnel-handshake standard-config",
    # Its rules let ICMP errors of third machines through, as usual ones do.
    "refuted": "policy-enforcement org-isolation no-egress one-hub self-healing concurrent-adds",
    "inconclusive": "keys-at-rest sign-in edge-names delete-org onboarding-burst",
    # A table that is loaded anew may lose a packet, or none.
    "refuted or proven": "live-change",
    # Errors about a connection are lost after the first rule, or, unless its tracking knows that one yet, at once.
    "refuted or inconclusive": "policy-churn",
}
wrong = [
    f"{claim} is {found[claim]}, not {verdicts}"
    for verdicts, claims in expected.items()
    for claim in claims.split()
    if found[claim] not in verdicts.split(" or ")
]
print(*wrong, sep="\n", end="\n" if wrong else "")
sys.exit(bool(wrong) or any(each.failure is None for each in outcomes if not each.is_proven))
