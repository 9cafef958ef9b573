"""The product's front door, or a changed one, loaded into a namespace and read back from there."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

from appliance.hub.front_door import transactions
from appliance.hub.front_door.rules import Layout
from harness.proof.front_door import DoorReading, read_door
from tests.sandboxes import need_sandbox

PORT, DESK, LINKS = 51820, 40001, (20000, 20001)
ADDRESS = ip_address("192.0.2.100")
LAYOUT = Layout("mwtestdoor", PORT, DESK)
OF_A_SHARD = Layout("mwtestdoor", PORT, DESK, ADDRESS)
"""Door of one of many hubs, which has one address."""
ADDRESS6 = ip_address("2001:db8::100")
OF_A_SHARD6 = Layout("mwtestdoor", PORT, DESK, ADDRESS6)
"""Door of one of many hubs over IPv6."""
_NAMESPACE = "front-door"


class Doorway:
    """A namespace that has a front door."""

    def load(self, *changes: tuple[str, str], more: str = "", layout: Layout = LAYOUT) -> None:
        """Loads the product's rules in place of what is there.

        Args:
            changes: a text of the rules each, and what stands there instead; each has to be met.
            more: further rules, in nft's language.
            layout: of the door.
        """
        text = transactions.in_place(layout) + transactions.admitted(layout.table, LINKS) + more
        for old, new in changes:
            assert old in text, f"the rules have no {old!r}"
            text = text.replace(old, new)
        _run("nft", "-f", "-", given=f"flush ruleset\n{text}")

    def read(self) -> DoorReading:
        """Reads the front door back."""
        return read_door(self.run)

    def run(self, *words: str) -> str:
        """Runs a program in the namespace."""
        return _run(*words)


@contextmanager
def doorways() -> Iterator[Doorway]:
    """A namespace for front doors."""
    need_sandbox()
    subprocess.run(["ip", "netns", "add", _NAMESPACE], check=True)
    try:
        yield Doorway()
    finally:
        subprocess.run(["ip", "netns", "delete", _NAMESPACE], check=True)


def _run(*words: str, given: str | None = None) -> str:
    command = ["ip", "netns", "exec", _NAMESPACE, *words]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
