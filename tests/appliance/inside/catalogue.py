"""Attempts of an attacker who runs code in the web process.

Each row is one attempt. It returns where it got through, and raises `OSError` where something stopped it; the same
attempt, made by root, shows that it can get through. Nothing is damaged by one that does: a file is opened and not
written, a process is asked whether it may be signalled.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import resource
import secrets
import socket
import stat
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import IPv4Network
from pathlib import Path

from appliance.hub.errors import HubError
from appliance.hub.rpc import codec
from appliance.hub.rpc.client import HubClient
from appliance.model.desired import Desired

_PTRACE_ATTACH, _PTRACE_DETACH = 16, 17
_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_PR_GET_NO_NEW_PRIVS = 39
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x1, 0x1000
_SO_MARK = 36
_IS_X86 = platform.machine() == "x86_64"
_ADD_KEY, _KEYCTL = (248, 250) if _IS_X86 else (217, 219)
_PIDFD_OPEN, _PIDFD_GETFD = 434, 438
_KEYCTL_SEARCH, _SESSION_KEYRING = 10, ctypes.c_long(-3)
_KEY_NAME = b"meshwg-inside"

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Targets:
    """Targets of the attempts.

    Attributes:
        processes: ids of root's and WireGuard's processes, by what they are.
        data: the data folder.
        secret: the file of the unlock secret.
        hub: the hub's socket.
        organization: an organization's id, whose namespace and link have this ``place`` for a name.
        state: the organization's desired state, encoded.
        revision: the state's.
        ports: UDP ports of the service.
        words: what nobody but root may know, backwards, so that this alone brings none of them into a memory.
    """

    processes: Mapping[str, int]
    data: str
    secret: str
    hub: str
    organization: str
    place: str
    state: bytes
    revision: int
    ports: tuple[int, ...]
    words: tuple[str, ...]


Attempt = Callable[[Targets], object]


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _stopped(reason: str) -> OSError:
    return OSError(errno.EACCES, reason)


# --- processes


def _each(what: Callable[[int], object]) -> Attempt:
    """Makes the attempt on every process; one success is enough."""

    def attempt(targets: Targets) -> None:
        complaints: list[OSError] = []
        for pid in targets.processes.values():
            try:
                what(pid)
            except OSError as error:
                complaints.append(error)
            else:
                return
        raise complaints[0]

    return attempt


def _open(flags: int, name: str) -> Callable[[int], None]:
    def attempt(pid: int) -> None:
        os.close(os.open(f"/proc/{pid}/{name}", flags))

    return attempt


def _trace(pid: int) -> None:
    _check(_libc.ptrace(_PTRACE_ATTACH, pid, None, None))
    os.waitpid(pid, 0x40000000)
    _check(_libc.ptrace(_PTRACE_DETACH, pid, None, None))


def _read_memory(pid: int) -> None:
    # Where the first mapping is takes a look at /proc; an address that is none tells as well whether it was allowed.
    data = ctypes.create_string_buffer(8)
    local = (ctypes.c_void_p * 2)(ctypes.addressof(data), 8)
    remote = (ctypes.c_void_p * 2)(4096, 8)
    try:
        _check(_libc.process_vm_readv(pid, local, 1, remote, 1, 0))
    except OSError as error:
        if error.errno != errno.EFAULT:
            raise


def _take_descriptor(pid: int) -> None:
    process = _check(_libc.syscall(_PIDFD_OPEN, pid, 0))
    try:
        os.close(_check(_libc.syscall(_PIDFD_GETFD, process, 0, 0)))
    finally:
        os.close(process)


def _limit(pid: int) -> None:
    resource.prlimit(pid, resource.RLIMIT_NOFILE, resource.prlimit(pid, resource.RLIMIT_NOFILE))


def _hurry(pid: int) -> None:
    os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, pid))


def _find_others_of_this_user(targets: Targets) -> None:
    """Looks for a process of this user that the web process did not start, as WireGuard's."""
    del targets
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "status").read_text()
            is_ours = os.getsid(int(folder.name)) == os.getsid(0)
        except OSError:
            continue
        uids = next(line for line in words.splitlines() if line.startswith("Uid:")).split()[1:]
        if str(os.getuid()) in uids and not is_ours:
            return
    raise ProcessLookupError(errno.ESRCH, "no other process has this user")


# --- files


def _read(name: Callable[[Targets], str]) -> Attempt:
    def attempt(targets: Targets) -> None:
        os.close(os.open(name(targets), os.O_RDONLY))

    return attempt


def _write(name: Callable[[Targets], str]) -> Attempt:
    """Opens a file for writing; for a folder, asks whether entries may be made."""

    def attempt(targets: Targets) -> None:
        path = name(targets)
        if not os.path.isdir(path):  # noqa: PTH112 - as for the others here
            os.close(os.open(path, os.O_WRONLY))
        elif not os.access(path, os.W_OK | os.X_OK):
            raise _stopped("the folder is not writable")

    return attempt


def _rename_store(targets: Targets) -> None:
    path = Path(targets.data, "store")
    path.rename(path.with_name("gone"))
    path.with_name("gone").rename(path)


def _code(*parts: str) -> str:
    import appliance

    return str(Path(appliance.__file__).parent.joinpath(*parts))


def _leave_working_folder(targets: Targets) -> None:
    """Enters the operator's working folder, which other users may not enter."""
    del targets
    if str(Path("/proc/self/cwd").readlink()) == "/":
        raise _stopped("the working folder is /")


# --- what was handed over


def _find_descriptor(targets: Targets) -> None:
    """Looks for an open descriptor of a file, folder, socket or memory outside of the web process."""
    del targets
    for descriptor in range(3, 1024):
        try:
            found = os.fstat(descriptor)
            path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        except OSError:
            continue
        if "secret" in path or (stat.S_ISREG(found.st_mode) and not path.startswith("/memfd:meshwg-")):
            return
        if stat.S_ISDIR(found.st_mode) and not path.startswith("/proc"):
            return
        if stat.S_ISSOCK(found.st_mode) and _is_udp(descriptor):
            return
    raise _stopped("nothing is open that leads out")


def _is_udp(descriptor: int) -> bool:
    with socket.socket(fileno=os.dup(descriptor)) as found:
        return found.type == socket.SOCK_DGRAM and found.family in (socket.AF_INET, socket.AF_INET6)


def _hold_the_log(targets: Targets) -> None:
    """Opens the log's file for writing, or the operator's terminal for reading."""
    del targets
    for descriptor in (0, 1, 2):
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISREG(mode) or os.isatty(descriptor):
            return
    raise _stopped("standard streams are pipes and /dev/null")


def _find_words(targets: Targets) -> None:
    """Looks for root's secrets in the environment."""
    known = " ".join(f"{key}={value}" for key, value in os.environ.items())
    if not any(word in known[::-1] for word in targets.words):
        raise _stopped("the environment has none of it")


def _find_words_in_memory(targets: Targets) -> None:
    """Looks for root's secrets in all the memory that this process can read of itself."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, rights, *rest = line.split(maxsplit=5)
        # Readable, but for what the kernel maps and doesn't let anybody read.
        if not rights.startswith("rw") or rest[-1].startswith("[v"):
            continue
        first, last = (int(each, 16) for each in span.split("-"))
        content = ctypes.string_at(first, last - first)[::-1]
        if any(word.encode() in content for word in targets.words):
            return
    raise _stopped("the memory has none of it")


# --- rights


def _become_root(_: Targets) -> None:
    _check(_libc.setresuid(0, 0, 0))


def _join_group(_: Targets) -> None:
    os.setgroups([0])


def _gain_by_program(_: Targets) -> None:
    if _check(_libc.prctl(_PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)):
        raise OSError(errno.EPERM, "no program gives it more rights (no_new_privs)")


def _dump_core(_: Targets) -> None:
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except ValueError as error:
        raise OSError(errno.EPERM, str(error)) from None


def _have_namespaces(flags: int, _: Targets) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0 if _libc.unshare(flags) == 0 else ctypes.get_errno())
    number = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if number:
        raise OSError(number, os.strerror(number))


def _enter_network(targets: Targets) -> None:
    descriptor = os.open(f"/run/netns/{targets.place}", os.O_RDONLY)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if _libc.setns(descriptor, 0) == 0 else ctypes.get_errno())
    os.close(descriptor)
    number = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if number:
        raise OSError(number, os.strerror(number))


def _make_device(_: Targets) -> None:
    # Process ids are a sandbox's own, and the folder is everybody's.
    path = Path(f"/tmp/meshwg-inside-{secrets.token_hex(8)}")
    os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 1))
    path.unlink()


def _use_roots_keys(_: Targets) -> None:
    _check(_libc.syscall(_KEYCTL, _KEYCTL_SEARCH, _SESSION_KEYRING, b"user", _KEY_NAME, 0))


def keep_key() -> None:
    """Puts a key into the session keyring of this process, as a log-in of root does."""
    _check(_libc.syscall(_ADD_KEY, b"user", _KEY_NAME, b"x", 1, _SESSION_KEYRING))


# --- the network


def _run(*command: str) -> Attempt:
    def attempt(_: Targets) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20, cwd="/")
        if done.returncode:
            raise _stopped(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else str(done.returncode))

    return attempt


def _sniff(_: Targets) -> None:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()


def _forge(_: Targets) -> None:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP).close()


def _mark(_: Targets) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, _SO_MARK, 1)


def _take_link(name: Callable[[Targets], str]) -> Attempt:
    def attempt(targets: Targets) -> None:
        device = os.open("/dev/net/tun", os.O_RDWR)
        try:
            fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name(targets).encode(), _IFF_TUN | _IFF_NO_PI))
        finally:
            os.close(device)

    return attempt


def share_port(address: str, port: int) -> None:
    """Binds a UDP port that another process may have, with every option for sharing it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        thief.bind((address, port))


def _take_port(address: str, targets: Targets) -> None:
    complaints = []
    for port in targets.ports:
        try:
            share_port(address, port)
        except OSError as error:
            complaints.append(error)
        else:
            return
    raise complaints[0]


def _talk_to_wireguard(targets: Targets) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
        control.connect(f"/var/run/wireguard/{targets.place}.sock")


def _find_abstract_socket(_: Targets) -> None:
    """Looks for an abstract Unix socket of root, which has no file and so no mode."""
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        name = line.split()[-1]
        if not name.startswith("@"):
            continue
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
            try:
                caller.connect("\0" + name[1:])
            except OSError:
                continue
            return
    raise _stopped("there is none")


# --- the hub's calls


def _rotate(targets: Targets) -> None:
    try:
        HubClient(Path(targets.hub)).rotate_secret("not the secret, but long enough", "another one, long enough")
    except HubError as error:
        if "not for user" in str(error):
            raise _stopped(str(error)) from None


def _tear_down(targets: Targets) -> None:
    """Ends the service; as root it works, so it comes last."""
    with _hub(targets) as hub:
        hub.tear_down()


def _apply(change: Mapping[str, object], targets: Targets) -> None:
    state = replace(codec.decode(targets.state, Desired), **change)
    with _hub(targets) as hub:
        hub.apply(state.organization, state, base=targets.revision, revision=targets.revision)


@contextmanager
def _hub(targets: Targets) -> Iterator[HubClient]:
    try:
        yield HubClient(Path(targets.hub))
    except HubError as error:
        raise _stopped(str(error)) from None


ROWS: Mapping[str, Attempt] = {
    "signal root's and WireGuard's processes": _each(lambda pid: os.kill(pid, 0)),
    "read their memory by /proc": _each(_open(os.O_RDONLY, "mem")),
    "read their memory by a call": _each(_read_memory),
    "read their environment": _each(_open(os.O_RDONLY, "environ")),
    "read where their memory lies": _each(_open(os.O_RDONLY, "maps")),
    "list their open files": _each(lambda pid: list(Path(f"/proc/{pid}/fd").iterdir())),
    "take one of their open files": _each(_take_descriptor),
    "go through their root": _each(lambda pid: Path(f"/proc/{pid}/root/etc").stat()),
    "go through their working folder": _each(lambda pid: Path(f"/proc/{pid}/cwd/.").stat()),
    "trace them": _each(_trace),
    "change their limits": _each(_limit),
    "change their priority": _each(_hurry),
    "have them killed first when memory is short": _each(_open(os.O_WRONLY, "oom_score_adj")),
    "find another process of this user": _find_others_of_this_user,
    "read the unlock secret": _read(lambda targets: targets.secret),
    "read the certificate's key": _read(lambda targets: f"{targets.data}/tls/key.pem"),
    "replace the certificate": _write(lambda targets: f"{targets.data}/tls"),
    "take the lock": _read(lambda targets: f"{targets.data}/lock"),
    "make entries in the data folder": _write(lambda targets: targets.data),
    "put another folder in the store's place": _rename_store,
    "change the hub's folder": _write(lambda targets: str(Path(targets.hub).parent)),
    "change what one hub leaves to the next": _write(lambda targets: str(Path(targets.hub).with_name("rules"))),
    "change the names of networks": _write(lambda _: "/run/netns"),
    "change WireGuard's sockets": _write(lambda _: "/var/run/wireguard"),
    "change the program": _write(lambda _: _code("cli", "hub.py")),
    "add to the program": _write(lambda _: _code("cli")),
    "add to its libraries": _write(lambda _: os.path.dirname(sys.modules["structlog"].__path__[0])),  # noqa: PTH120
    "change Python itself": _write(lambda _: str(Path(sys.executable).resolve().parent)),
    "have root run something later": _write(lambda _: "/etc/cron.d"),
    "have all programs load something": _write(lambda _: "/etc/ld.so.cache"),
    "say what runs when a program fails": _write(lambda _: "/proc/sys/kernel/core_pattern"),
    "change the kernel's settings": _write(lambda _: "/proc/sys/net/ipv4/ip_forward"),
    "use the operator's working folder": _leave_working_folder,
    "use what root left open": _find_descriptor,
    "empty the log or read the terminal": _hold_the_log,
    "find root's words in the environment": _find_words,
    "find root's words in its memory": _find_words_in_memory,
    "use the keys of root's log-in": _use_roots_keys,
    "become root": _become_root,
    "join root's group": _join_group,
    "gain rights by a program": _gain_by_program,
    "leave a core dump": _dump_core,
    "have mounts of its own": partial(_have_namespaces, _CLONE_NEWNS),
    "be root in a namespace of its own": partial(_have_namespaces, _CLONE_NEWUSER),
    "enter an organization's network": _enter_network,
    "make a device": _make_device,
    "see the rules": _run("nft", "list", "ruleset"),
    "change a link": _run("ip", "link", "set", "lo", "mtu", "65536"),
    "run a program in an organization's network": lambda targets: _run("ip", "netns", "exec", targets.place, "true")(
        targets
    ),
    "see packets": _sniff,
    "forge packets": _forge,
    "send with the mark that has a route": _mark,
    "make a TUN link": _take_link(lambda _: "mwinside"),
    "take the service's ports": partial(_take_port, "0.0.0.0"),
    "take them on one address": partial(_take_port, "127.0.0.1"),
    "talk to WireGuard": _talk_to_wireguard,
    "talk to root by a socket without a file": _find_abstract_socket,
    "rotate the unlock secret": _rotate,
    "end the service": _tear_down,
    "have the hub take a port of the host": partial(_apply, {"port": 53}),
    "have the hub take its own port twice": lambda targets: _apply({"port": targets.ports[0]}, targets),
    "have the hub name a path": partial(_apply, {"organization": "../../etc/x"}),
    "have the hub keep no organization": partial(_apply, {"organization": ""}),
    "have the hub route everything": partial(_apply, {"network": IPv4Network("0.0.0.0/0")}),
}

OF_THE_HUB = [name for name in ROWS if name.startswith("have the hub ")]
CONTROLS: Mapping[str, Attempt] = {
    **dict.fromkeys(OF_THE_HUB, partial(_apply, {})),
    "take the service's ports": lambda _: share_port("0.0.0.0", 20_997),
    "take them on one address": lambda _: share_port("127.0.0.1", 20_997),
}
"""Attempts that must succeed as root, in place of rows that are refused to everybody or to nobody."""
