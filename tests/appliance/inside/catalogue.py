"""Attempts of an attacker who runs code in the web process.

Each row is one attempt. It returns where it got through, and raises `OSError` where something stopped it; the same
attempt, made by root, shows that it can get through. Nothing is damaged by one that does: a file is opened and not
written, a process is asked whether it may be signalled.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.appliance.inside import of_files, of_networks, of_processes, of_rights, of_the_hub
from tests.appliance.inside.attempts import Attempt
from tests.appliance.inside.of_networks import share_port

ROWS: Mapping[str, Attempt] = {
    **of_processes.ROWS,
    **of_files.ROWS,
    **of_rights.ROWS,
    **of_networks.ROWS,
    **of_the_hub.ROWS,
}
CONTROLS: Mapping[str, Attempt] = {
    **dict.fromkeys(of_the_hub.EXCESSIVE, of_the_hub.CONTROL),
    "take the service's ports": lambda _: share_port("0.0.0.0", 20_997),
    "take them on one address": lambda _: share_port("127.0.0.1", 20_997),
}
"""Attempts that must succeed as root, in place of rows that are refused to everybody or to nobody."""
