"""``lab``: the service and a few connected machines in an interactive lab."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Sequence
from functools import partial

from rich.console import Console

from harness.judging.record import Record
from harness.overlay.machine import Machine
from harness.overlay.mesh import Mesh
from harness.subject.inward import Inward
from harness.subject.kinds import OwnService
from harness.subject.relay import StreamRelay
from harness.subject.service import PORT
from harness.world.damage import ANYTHING
from harness.world.world import HUB, World
from netlab import LabHost
from reports.addresses import in_brackets

NAMES = ("mumbai", "pune", "chennai", "kolkata", "jaipur", "nagpur", "indore", "kochi")
EMAIL, PASSWORD = "owner@example.net", "correct horse battery"
_HELP = "Type the name of a machine for a shell in it, or quit. Ctrl-C ends the lab too."


def run(machines: int, wireguard: str, inward: Inward, console: Console) -> None:
    """Builds the lab, prints how to use it, and waits for its end: quit, end of input, or a signal.

    Args:
        machines: number of machines to connect, 2 to ``len(NAMES)``.
        wireguard: WireGuard implementation of the hub.
        inward: listener for the pages outside of the sandbox.
        console: takes the output.
    """
    # SIGTERM ends the lab like Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        console.print("Building the lab…")
        with (
            World(partial(OwnService, wireguard=wireguard)) as world,
            world.subject.without_faults(ANYTHING),
            StreamRelay(inward.listener, _to_the_service),
        ):
            api = world.subject.service.api()
            api.sign_up(EMAIL, PASSWORD, "Lab")
            api.call("PATCH", "/organization", {"plan": "paid"})
            connected = Mesh(api, world.client, Record()).machines(*NAMES[:machines])
            shells = {machine.name: machine.host for machine in connected} | {"hub": world.subject.lab_host}
            _print_welcome(inward, connected, shells, console)
            _serve(shells, console)
    except KeyboardInterrupt:
        pass
    console.print("The lab is gone.")


def _to_the_service() -> socket.socket:
    return socket.create_connection((HUB, PORT))


def _print_welcome(inward: Inward, machines: Sequence[Machine], shells: dict[str, LabHost], console: Console) -> None:
    host, port = inward.address
    console.print(f"\nURL       https://{in_brackets(host)}:{port}/  (its certificate is its own)")
    console.print(f"Sign in   {EMAIL}  {PASSWORD}\n")
    first, second = machines[:2]
    for machine in machines:
        console.print(f"{machine.name:9} {machine.address:12} connected through the hub")
    console.print(f"\nTry       ping {second.address} in {first.name}, and deny it on the page meanwhile")
    console.print("\nShells, from any terminal of this machine, as root:")
    for name, inside in shells.items():
        # Not wrapped, so that it can be copied as one line.
        console.print(f"  {name:9} {shell_from_outside(inward, inside)}", soft_wrap=True)
    console.print()


def shell_from_outside(inward: Inward, host: LabHost) -> str:
    """Returns the command that opens a shell in a host of the lab from outside of the sandbox.

    It enters the sandbox's mounts first, since process ids of the sandbox are valid only with its own ``/proc``.
    """
    return f"nsenter --target {inward.starter} --mount nsenter --target {host.pid} --net --mount --uts"


def _serve(shells: dict[str, LabHost], console: Console) -> None:
    if not sys.stdin.isatty():
        signal.pause()
        return
    _own_terminal()
    console.print(_HELP)
    while True:
        try:
            wanted = input("lab> ").strip()
        except EOFError:
            return
        if wanted in ("quit", "exit"):
            return
        if wanted in shells:
            _shell(shells[wanted])
        elif wanted:
            console.print(f"There are: {', '.join(shells)}. {_HELP}")


def _shell(host: LabHost) -> None:
    # Ctrl-C is for the shell while it runs.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        host.shell()
    finally:
        signal.signal(signal.SIGINT, before)


def _own_terminal() -> None:
    """Makes this process a process group of its own in the terminal's foreground.

    At its end, a shell gives the terminal back to the group that had it before. The group that the lab was started in
    has no id in the sandbox.
    """
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    os.setpgid(0, 0)
    os.tcsetpgrp(sys.stdin.fileno(), os.getpgrp())
