"""Page with the name of every scenario, by claim, and the sabotages that each has to notice.

``python -m tests.harness.gate.listing`` writes it anew.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Sequence

import pytest

from harness.gate.claims import CLAIMS
from harness.gate.plugin import function_name
from harness.paths import ROOT, SCENARIOS
from harness.sabotage.catalogue import SABOTAGES
from harness.sabotage.entry import Sabotage

PAGE = ROOT / "docs" / "scenarios.md"

_HEAD = """# Scenarios

A scenario is a test of one [claim](claims.md), and a sabotage is a known break that it has to notice. These are all of
them. `python -m tests.harness.gate.listing` writes this page, and a test compares it with the checkout: no scenario and
no sabotage comes or goes without a change here.

{own} of {all} scenarios have a sabotage of their own. The other {none} have none. Their controls show that their probes
can see both outcomes; nothing shows that they would fail if the service broke the claim in the way that they look at.
Each claim has other scenarios, which have to notice its sabotages. Runs against a sabotage are quick ones, so that a
scenario of the full profile alone can have none.
"""


def page(scenarios: Iterable[pytest.Item], sabotages: Sequence[Sabotage] = SABOTAGES) -> str:
    """Writes the page.

    Args:
        scenarios: collected scenarios, of all profiles.
        sabotages: catalogue of sabotages.
    """
    named: dict[tuple[str, str], bool] = {}
    for item in scenarios:
        marker = item.get_closest_marker("claim")
        if marker is not None:
            named[str(marker.args[0]), function_name(item)] = item.get_closest_marker("full") is not None
    noticed = {key: [each.id for each in sabotages if (each.claim, each.scenario) == key] for key in named}
    own = sum(map(bool, noticed.values()))
    parts = [_HEAD.format(own=own, all=len(named), none=len(named) - own)]
    for claim in CLAIMS:
        rows = [
            f"| `{name}`{', full profile' if is_full else ''} | {_listed(noticed[of, name])} |\n"
            for (of, name), is_full in sorted(named.items())
            if of == claim.id
        ]
        parts.append(
            f"## {claim.id}\n\n{claim.sentence}\n\n| scenario | has to notice |\n| --- | --- |\n{''.join(rows)}"
        )
    return "\n".join(parts)


def _listed(sabotages: Sequence[str]) -> str:
    return ", ".join(f"`{each}`" for each in sabotages) or "no sabotage of its own"


class _Collected:
    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        self.items.append(item)


def _collect() -> Sequence[pytest.Item]:
    found = _Collected()
    with contextlib.redirect_stdout(io.StringIO()) as output:
        status = pytest.main(["--collect-only", "-p", "no:cacheprovider", "-n0", str(SCENARIOS)], plugins=[found])
    if status != pytest.ExitCode.OK:
        raise SystemExit(output.getvalue())
    return found.items


if __name__ == "__main__":
    PAGE.write_text(page(_collect()))
