"""The service with somebody in its web process, who makes the attempts of the catalogue from there.

A program: the path of a socket that the attempts are asked for on, then the appliance's command line. The worker of the
web process, which is what the internet talks to, forks once it has loaded: its fork has the same user, limits, open
files, environment and memory.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from appliance import cli
from appliance.cli import launching
from appliance.hub.rpc import codec
from appliance.web import process, server
from tests.appliance.inside.attempts import Targets
from tests.appliance.inside.catalogue import ROWS


def main() -> None:
    """Runs a command of the appliance."""
    asked_on = Path(sys.argv.pop(1))
    launching.PROGRAM = (sys.executable, __file__, str(asked_on))
    make_server = server.make_server

    def make_visited_server(*arguments: Any) -> Any:
        made: Any = make_server(*arguments)
        serve = made.serve

        def serve_visited(target_loader: Callable[[str], Any]) -> None:
            def load(name: str) -> Any:
                if os.fork() == 0:
                    _answer(asked_on)
                return target_loader(name)

            serve(target_loader=load)

        made.serve = serve_visited
        return made

    vars(process)["make_server"] = make_visited_server
    cli.main()


def _answer(asked_on: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(asked_on))
        while (data := codec.receive(connection)) is not None:
            name, targets = codec.decode(data, tuple[str, Targets])
            codec.send(connection, outcome(name, targets))
    os._exit(0)


def outcome(name: str, targets: Targets) -> str:
    """Finds the error that stopped an attempt; empty if it succeeded."""
    try:
        ROWS[name](targets)
    except OSError as error:
        return error.strerror or str(error) or type(error).__name__
    return ""


if __name__ == "__main__":
    main()
