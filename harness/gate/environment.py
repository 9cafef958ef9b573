"""Versions and machine of a run, for its transcript."""

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
    """Returns versions and properties of the machine, without names of machine or users.

    Args:
        hub_wireguard: WireGuard implementation of the hub; if no hub came up, the one that was asked for.
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
    """Returns the commit of the checkout, with a plus sign if files differ; "unknown" without a checkout."""
    # An installed package may lie in a checkout of another project.
    if not (ROOT / ".git").exists():
        return "unknown"
    commit = _first_line("git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD")
    changed = _first_line("git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no")
    return f"{commit}+" if commit != "unknown" and changed != "unknown" else commit


class _OwnNetwork:
    """Runs programs in the network of this process, in place of a lab's host."""

    def run(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PATH": self._path}
        return subprocess.run(argv, capture_output=True, text=True, check=check, env=environment)

    def which(self, program: str) -> str | None:
        return shutil.which(program, path=self._path)

    @property
    def _path(self) -> str:
        # An ordinary user's PATH lacks the folders of the administrator's programs.
        return f"{os.environ.get('PATH', '')}:{FOLDERS}"


def _first_line(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return "unknown"
    # By default, git refuses a checkout that belongs to another user.
    environment = {
        **os.environ,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    lines = done.stdout.strip().splitlines()
    return lines[0].strip() if done.returncode == 0 and lines else "unknown"
