"""What a run ran on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import version

from harness.paths import ROOT
from netlab import wireguard_implementation
from netlab.programs import FOLDERS


def facts(hub_wireguard: str) -> dict[str, str | int]:
    """Versions and host, without a name of the machine or of anyone.

    Args:
        hub_wireguard: the implementation that the hub used, or where it never came up, was told to use.
    """
    return {
        "meshwg": version("meshwg"),
        "revision": revision(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpus": os.cpu_count() or 1,
        "distribution": platform.freedesktop_os_release()["PRETTY_NAME"],
        "python": platform.python_version(),
        "nftables": _first_line("nft", "--version"),
        "wireguard-tools": _first_line("wg", "--version"),
        "wireguard of the clients": wireguard_implementation(_OwnNetwork()),
        "wireguard of the hub": hub_wireguard,
    }


def revision() -> str:
    """The commit of the checkout, with a plus sign where files differ from it; "unknown" outside of one."""
    # Installed elsewhere, it may well lie in a checkout of somebody else's.
    if not (ROOT / ".git").exists():
        return "unknown"
    commit = _first_line("git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD")
    changed = _first_line("git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no")
    return f"{commit}+" if commit != "unknown" and changed != "unknown" else commit


class _OwnNetwork:
    """Programs in the network of this process, which is a sandbox's."""

    def run(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PATH": self._path}
        return subprocess.run(argv, capture_output=True, text=True, check=check, env=environment)

    def which(self, program: str) -> str | None:
        return shutil.which(program, path=self._path)

    @property
    def _path(self) -> str:
        # As in a lab's hosts: an ordinary user's lacks the folders of the administrator's programs.
        return f"{os.environ.get('PATH', '')}:{FOLDERS}"


def _first_line(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return "unknown"
    # A checkout that belongs to someone else is no reason for git to say nothing about it.
    environment = {
        **os.environ,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    lines = done.stdout.strip().splitlines()
    return lines[0].strip() if done.returncode == 0 and lines else "unknown"
