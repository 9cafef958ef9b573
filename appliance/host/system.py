"""Facts from files of /proc, /sys and /etc, the TUN device, and a library."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterable
from pathlib import Path

from appliance.host.facts import SYS_ADMIN, Privileges

TUN = "/dev/net/tun"
SETTINGS = "/proc/sys"
USERNS_CLONE = "kernel.unprivileged_userns_clone"
MAX_USERNS = "user.max_user_namespaces"
APPARMOR_USERNS = "kernel.apparmor_restrict_unprivileged_userns"

# <linux/capability.h>: the hub creates namespaces with links and rules.
_NEEDED_CAPABILITIES = {"CAP_NET_ADMIN": 12, SYS_ADMIN: 21}


def privileges() -> Privileges:
    """Privileges of this process, as far as the hub needs them."""
    status = _text("/proc/self/status").splitlines()
    effective = next((int(line.split()[1], 16) for line in status if line.startswith("CapEff:")), 0)
    lacking = tuple(name for name, bit in _NEEDED_CAPABILITIES.items() if not effective >> bit & 1)
    return Privileges(os.geteuid() == 0, lacking)


def tun_error() -> OSError | None:
    """Error of opening the TUN device, or None."""
    try:
        os.close(os.open(TUN, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return error
    return None


def settings_error() -> OSError | None:
    """Error of opening a network setting for writing, or None."""
    try:
        os.close(os.open(f"{SETTINGS}/net/ipv4/ip_forward", os.O_WRONLY | os.O_CLOEXEC))
    except OSError as error:
        return error
    return None


def distribution() -> str:
    """Name and version of the distribution (os-release(5)), or "unknown"."""
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return "unknown"


def settings() -> dict[str, str]:
    """Kernel settings about user namespaces, as far as this kernel has them."""
    found = {
        name: _text(Path(SETTINGS, name.replace(".", "/"))).strip()
        for name in (USERNS_CLONE, MAX_USERNS, APPARMOR_USERNS)
    }
    return {name: value for name, value in found.items() if value}


def connections() -> int:
    """Most connections that the kernel tracks, in all network namespaces together; 0 for unknown."""
    text = _text(f"{SETTINGS}/net/netfilter/nf_conntrack_max").strip()
    return int(text) if text.isdigit() else 0


def wireguard_module() -> str:
    """State of the kernel's WireGuard module: "loaded", "built in", "on disk", or "" for unknown."""
    if Path("/sys/module/wireguard").exists():
        return "loaded"
    folder = Path("/lib/modules", platform.release())
    for index, where in (("modules.builtin", "built in"), ("modules.dep", "on disk")):
        if "/wireguard.ko" in _text(folder / index):
            return where
    return ""


def nftables_library() -> str:
    """File name of libnftables with its version; "" if it can't be loaded."""
    try:
        ctypes.CDLL("libnftables.so.1")
    except OSError:
        return ""
    return _loaded(_text("/proc/self/maps").splitlines()) or "libnftables.so.1"


def _loaded(maps: Iterable[str]) -> str:
    names = (Path(line.split()[-1]).name for line in maps if "/" in line)
    return next((name for name in names if name.startswith("libnftables.so")), "")


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
