"""Evidence of a failed scenario: state of every host and link, rules, captures, logs."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from harness.judging.verdicts import Inconclusive
from harness.world.world import World
from netlab import Host, NetlabError

_PREFIX = ".evidence-"
_WEEK_S = 7 * 24 * 3600.0
_HOST_COMMANDS = {
    "addresses": ("ip", "-details", "address"),
    "routes": ("ip", "route", "show", "table", "all"),
    "sockets": ("ss", "-tuanp"),
    "wireguard": ("wg", "show", "all"),
}


def new_folder(out: Path) -> Path:
    """Makes a folder for evidence in the transcripts' folder ``out``, and removes those that killed runs left there.

    Evidence may be large, and temporary files of a sandbox are in memory.
    """
    out.mkdir(parents=True, exist_ok=True)
    for other in out.glob(f"{_PREFIX}*"):
        # A folder this old belongs to a killed run. A run that ends meanwhile removes its own.
        with suppress(FileNotFoundError):
            if time.time() - other.stat().st_mtime > _WEEK_S:
                shutil.rmtree(other, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=out))


def collect(folder: Path, error: str, world: World | None) -> list[str]:
    """Writes evidence into a folder.

    Args:
        folder: folder of the scenario; made if it is missing.
        error: the scenario's error with its traceback.
        world: the scenario's lab; None if the scenario ended before there was one.

    Returns:
        The files' names, relative to the folder's parent.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "error.txt").write_text(error)
    if world is not None:
        _write_state(world, folder)
    return sorted(str(path.relative_to(folder.parent)) for path in folder.iterdir())


def _write_state(world: World, folder: Path) -> None:
    for host in world.lab.hosts.values():
        for name, command in _HOST_COMMANDS.items():
            (folder / f"{host.name}.{name}.txt").write_text(_output(host, command))
    # A service that others run may not show its host, or no longer.
    with suppress(Inconclusive, NetlabError):
        _write_namespaces(world.subject.host, folder)
        (folder / "service.log").write_text(world.subject.installed.log_text())
    for capture in world.lab.folder.rglob("*.pcap*"):
        shutil.copyfile(capture, folder / f"{capture.parent.name}.{capture.name}")


def _write_namespaces(hub: Host, folder: Path) -> None:
    for line in _output(hub, ("ip", "netns", "list")).splitlines():
        name = line.split()[0] if line.split() else ""
        if not name.startswith("mw"):
            continue
        text = "\n".join(
            f"# {' '.join(command)}\n" + _output(hub, ("ip", "netns", "exec", name, *command))
            for command in (
                ("nft", "list", "ruleset"),
                ("ip", "address"),
                ("ip", "rule"),
                ("ip", "route", "show", "table", "all"),
            )
        )
        (folder / f"hub.{name}.txt").write_text(text)


def _output(host: Host, command: tuple[str, ...]) -> str:
    try:
        done = host.run(*command, check=False)
    except NetlabError as error:
        return f"{error}\n"
    return done.stdout + done.stderr
