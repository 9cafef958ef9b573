"""What a failed scenario leaves for whoever looks into it: state of every host and link, rules, logs."""

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
    """A new folder for it beside the transcripts; a sandbox has memory for temporary files, and this may be large."""
    out.mkdir(parents=True, exist_ok=True)
    for other in out.glob(f"{_PREFIX}*"):
        # Of a run that was killed: no other is as old. One that ends meanwhile removes its own.
        with suppress(FileNotFoundError):
            if time.time() - other.stat().st_mtime > _WEEK_S:
                shutil.rmtree(other, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=out))


def collect(folder: Path, error: str, world: World | None) -> list[str]:
    """Writes what there is into the folder; returns the files' names, relative to the folder's parent.

    Args:
        error: what ended the scenario, in full.
        world: None if it ended before there was one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "error.txt").write_text(error)
    if world is not None:
        _state(world, folder)
    return sorted(str(path.relative_to(folder.parent)) for path in folder.iterdir())


def _state(world: World, folder: Path) -> None:
    for host in world.lab.hosts.values():
        for name, command in _HOST_COMMANDS.items():
            (folder / f"{host.name}.{name}.txt").write_text(_output(host, command))
    # Of a service that others run, there is nothing more to be seen.
    with suppress(Inconclusive):
        _namespaces_of_hub(world.subject.host, folder)
        (folder / "service.log").write_text(world.subject.installed.log_text())
    for capture in world.lab.folder.rglob("*.pcap"):
        shutil.copyfile(capture, folder / f"{capture.parent.name}.{capture.name}")


def _namespaces_of_hub(hub: Host, folder: Path) -> None:
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
