"""Programs that the hub, the gate and the tests start, and their versions."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from concurrent.futures import Executor, Future
from pathlib import Path

from appliance.host.facts import WIREGUARD_PROGRAMS

# Options that print the version.
_VERSION_OPTIONS: Mapping[str, str] = {
    **dict.fromkeys(WIREGUARD_PROGRAMS.values(), "--version"),
    "wg": "--version",
    "ip": "-V",
    "nft": "--version",
    "tcpdump": "--version",
    "iperf3": "--version",
    "git": "--version",
    "ping": "-V",
}
_WITHOUT_VERSION = ("wg-quick", "tc")
MORE_FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Folders that labs search too, because an ordinary user's PATH often lacks some of them."""

_VERSION = re.compile(r"(?<!\w)v?(\d[\w.+~-]*)")
_DEADLINE = 5.0
_BROWSERS = ("chromium-headless-shell", "chromium")
_BROWSER_VARIABLE = "MESHWG_CHROMIUM"
_BROWSERS_VARIABLE = "PLAYWRIGHT_BROWSERS_PATH"


def find(pool: Executor) -> dict[str, str]:
    """Versions of the installed programs; "" for an unknown version.

    Args:
        pool: runs the programs in parallel.
    """
    versions: dict[str, Future[str]] = {}
    for name, option in _VERSION_OPTIONS.items():
        path = _find(name)
        if path is not None:
            versions[name] = pool.submit(_version, path, option)
    found = dict.fromkeys((name for name in _WITHOUT_VERSION if _find(name)), "")
    return found | {name: future.result() for name, future in versions.items()}


def browser() -> str:
    """Description of the Chromium that the browser tests would use; "" for none."""
    configured = os.environ.get(_BROWSER_VARIABLE)
    if configured and Path(configured).exists():
        return f"from {_BROWSER_VARIABLE}"
    for name in _BROWSERS:
        if shutil.which(name):
            return name
    folder = os.environ.get(_BROWSERS_VARIABLE)
    if folder and any(Path(folder).glob("chromium*")):
        return "from Playwright"
    return ""


def _find(name: str) -> str | None:
    # The hub searches its userspace WireGuard in PATH alone.
    path = os.environ.get("PATH", os.defpath)
    return shutil.which(name, path=path if name in WIREGUARD_PROGRAMS.values() else f"{path}:{MORE_FOLDERS}")


def _version(path: str, option: str) -> str:
    try:
        done = subprocess.run(
            [path, option],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_DEADLINE,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return version_in(done.stdout)


def version_in(text: str) -> str:
    """The first version in a program's output, without a leading ``v``; "" if there is none."""
    match = _VERSION.search(text)
    return match[1].rstrip(".-") if match else ""
