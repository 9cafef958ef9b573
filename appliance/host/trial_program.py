"""Program that tries kernel features in temporary namespaces; `appliance.host.trial` starts it.

Python gets its text through standard input, because an ordinary user may not be able to read this package, and it
uses the standard library alone. It prints a JSON object with the kernel's error by tried step, ``""`` for a step that
worked. Everything that it creates ends with its namespaces.

Source of formats: rtnetlink(7), <linux/if_link.h>, <linux/pkt_sched.h>, <linux/if_tun.h>.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import socket
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path

NAMESPACES = "namespaces"
MOUNTS = "mounts"
TUN = "tun"
WIREGUARD = "wireguard"
BRIDGE = "bridge"
VETH = "veth"
NETEM = "netem"
RULES = "rules"
SETTINGS = "settings"
PROCESSES = "processes"

_CLONE_NEWNS, _CLONE_NEWUTS, _CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
_CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x2, 0x4, 0x8, 0x1000, 0x4000, 0x40000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x1, 0x1000
_NEWLINK, _NEWQDISC = 16, 36
_REQUEST, _ACK, _EXCL, _CREATE = 0x1, 0x4, 0x200, 0x400
_IFNAME, _LINKINFO, _INFO_KIND, _TCA_KIND, _TCA_OPTIONS = 3, 18, 1, 1, 2
_LOOPBACK, _TC_ROOT = 1, 0xFFFFFFFF

# Every kind of statement in the hub's rulesets and its front door.
_RULESET = b"""
table inet mwtrial {
    map flows { type ipv4_addr . inet_service : inet_service; timeout 5m; }
    chain judge {
        meta priority set ct original ip saddr map { 192.0.2.1 : 0:1 }
        ct state != related meta l4proto != { tcp, udp, icmp } drop
        ct direction original ct original ip saddr . meta mark . tcp dport { 192.0.2.1 . 0x1 . 80-90 } drop
        meta mark set 0x1 accept
    }
    chain gate {
        type filter hook prerouting priority mangle; policy drop;
        iifname != "lo" drop
        jump judge
    }
    chain front {
        type filter hook prerouting priority raw; policy accept;
        udp dport 9 notrack
        udp dport 9 @th,64,8 1 accept
        udp dport 9 udp dport set ip saddr . udp sport map @flows
    }
}
"""

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Try every step, and print the errors."""
    errors: dict[str, str] = {}

    def works(step: str, action: Callable[[], None]) -> bool:
        try:
            action()
        except OSError as error:
            errors[step] = error.strerror or str(error)
        else:
            errors[step] = ""
        return errors[step] == ""

    # All further steps need namespaces for the network and mounts.
    if works(NAMESPACES, _enter_namespaces) and works(MOUNTS, _name_network_namespace):
        works(TUN, _make_tun)
        for kind in (WIREGUARD, BRIDGE, VETH):
            works(kind, partial(_make_link, kind))
        works(NETEM, _delay_loopback)
        works(RULES, _load_rules)
        works(SETTINGS, _write_setting)
        works(PROCESSES, _start_process_namespace)
    print(json.dumps(errors))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _enter_namespaces() -> None:
    user, group = os.geteuid(), os.getegid()
    flags = _CLONE_NEWNS | _CLONE_NEWNET
    if user == 0 and _libc.unshare(flags) == 0:
        return
    _check(_libc.unshare(_CLONE_NEWUSER | flags))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def _name_network_namespace() -> None:
    _check(_libc.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None))
    _check(_libc.mount(b"tmpfs", b"/run", b"tmpfs", ctypes.c_ulong(_MS_NOSUID | _MS_NODEV), None))
    Path("/run/name").touch()
    _check(_libc.mount(b"/proc/self/ns/net", b"/run/name", None, ctypes.c_ulong(_MS_BIND), None))


def _make_tun() -> None:
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", b"mwtun", _IFF_TUN | _IFF_NO_PI))
    finally:
        os.close(device)


def _make_link(kind: str) -> None:
    info = _attribute(_INFO_KIND, kind.encode())
    _request(
        _NEWLINK,
        struct.pack("=BxHiII", socket.AF_UNSPEC, 0, 0, 0, 0)
        + _attribute(_IFNAME, b"mw" + kind.encode() + b"\0")
        + _attribute(_LINKINFO, info),
    )


def _delay_loopback() -> None:
    # struct tc_netem_qopt: latency, limit, loss, gap, duplicate, jitter.
    options = struct.pack("=6I", 1000, 1000, 0, 0, 0, 0)
    _request(
        _NEWQDISC,
        struct.pack("=BxxxiIII", socket.AF_UNSPEC, _LOOPBACK, 0, _TC_ROOT, 0)
        + _attribute(_TCA_KIND, b"netem\0")
        + _attribute(_TCA_OPTIONS, options),
    )


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _request(kind: int, body: bytes) -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.bind((0, 0))
        flags = _REQUEST | _ACK | _CREATE | _EXCL
        netlink.sendall(struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body)
        # The acknowledgement has the negative error number.
        (code,) = struct.unpack_from("=i", netlink.recv(65536), 16)
    if code != 0:
        raise OSError(-code, os.strerror(-code))


def _load_rules() -> None:
    library = ctypes.CDLL("libnftables.so.1")
    library.nft_ctx_new.restype = ctypes.c_void_p
    library.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
    context = ctypes.c_void_p(library.nft_ctx_new(0))
    library.nft_ctx_buffer_error(context)
    if library.nft_run_cmd_from_buffer(context, _RULESET) != 0:
        lines = library.nft_ctx_get_error_buffer(context).decode(errors="replace").strip().splitlines()
        raise OSError(lines[0] if lines else "refused without a reason")


def _write_setting() -> None:
    # The file belongs to the network namespace of the thread that opens it, not to the host's.
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def _start_process_namespace() -> None:
    _check(_libc.unshare(_CLONE_NEWPID | _CLONE_NEWUTS | _CLONE_NEWIPC))
    first = os.fork()
    if first == 0:
        flags = ctypes.c_ulong(_MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
        refused = _libc.mount(b"proc", b"/proc", b"proc", flags, None) != 0
        os._exit(ctypes.get_errno() if refused else 0)
    number = os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])
    if number != 0:
        raise OSError(number, os.strerror(number) if number > 0 else "killed")


if __name__ == "__main__":
    main()
