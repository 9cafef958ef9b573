"""Program that writes the packets of an interface to a pcap file. `netlab.capture` starts it in a host.

tcpdump only compiles filters here: it wants to change its user when it runs as root, which a sandbox made without root
forbids. Run as `python -I -S recorder.py INTERFACE FILE SNAPLEN FILTER`. It prints `listening` once it records; `B
bytes, answer N` for the Nth SIGUSR1, when all packets from before that are in the first B bytes of the file; and
`dropped N` after SIGTERM, which ends it. It needs the standard library only, since it is started for each capture and
copied to other hosts.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import select
import signal
import socket
import struct
import sys

_ETH_P_ALL = 3
_SO_ATTACH_FILTER, _SO_RCVBUFFORCE, _SO_TIMESTAMPNS = 26, 33, 35
_SOL_PACKET, _PACKET_STATISTICS, _PACKET_AUXDATA = 263, 6, 8
_PACKET_OUTGOING = 4
_BUFFER = 32 << 20
_SIOCGIFHWADDR = 0x8927
# pcap link types by kind of interface (ARPHRD_… of linux/if_arp.h).
_LINK_TYPES = {1: (1, "EN10MB"), 772: (1, "EN10MB"), 65534: (101, "RAW")}


class CaptureRefused(Exception):
    """An interface or a filter can't be recorded; the message is the reason."""


def link_type(interface: str) -> tuple[int, str]:
    """Finds the pcap link type of an interface in the calling thread's network.

    Args:
        interface: name of the interface.

    Returns:
        Number of the link type (https://www.tcpdump.org/linktypes.html), and tcpdump's name for it.

    Raises:
        OSError: there is no such interface.
        CaptureRefused: no link type is known here for it.
    """
    request = struct.pack("16s24x", interface.encode())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        (kind,) = struct.unpack_from("H", fcntl.ioctl(sock, _SIOCGIFHWADDR, request), 16)
    if kind not in _LINK_TYPES:
        raise CaptureRefused(f"{interface} is a link of kind {kind}, unknown here")
    return _LINK_TYPES[kind]


def compile_filter(type_name: str, expression: str, snaplen: str) -> list[str]:
    """Compiles a capture filter for the kernel; opens no interface.

    Args:
        type_name: tcpdump's name of the link type.
        expression: a pcap-filter(7) expression; an empty one takes every packet.
        snaplen: most bytes to keep of each packet, in decimal.

    Returns:
        Instructions of the classic packet filter, each as `code,jt,jf,k`.

    Raises:
        CaptureRefused: tcpdump is not installed, or the expression has an error.
    """
    if not expression:
        return [f"6,0,0,{snaplen}"]
    import subprocess  # half of this program's start otherwise

    argv = ["tcpdump", "-ddd", "-s", snaplen, "-y", type_name, expression]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise CaptureRefused("filters of captures need tcpdump, which is not installed") from None
    if done.returncode != 0:
        raise CaptureRefused(f"filter {expression!r}: {done.stderr.strip()}")
    # The first line is the number of instructions.
    return [line.replace(" ", ",") for line in done.stdout.splitlines()[1:]]


def attach_filter(sock: socket.socket, instructions: list[str]) -> None:
    """Makes a packet socket drop the packets that a filter does not take; see SO_ATTACH_FILTER in socket(7).

    Args:
        sock: the socket.
        instructions: the filter, as `compile_filter` returns it.
    """
    program = b"".join(struct.pack("=HBBI", *map(int, words.split(","))) for words in instructions)
    buffer = ctypes.create_string_buffer(program, len(program))
    sock.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(instructions), ctypes.addressof(buffer))
    )


def enlarge_buffer(sock: socket.socket, size: int) -> None:
    """Sets a socket's receive buffer; that of an ordinary user gets net.core.rmem_max at most.

    Args:
        sock: the socket.
        size: bytes.
    """
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def _open(interface: str, instructions: list[str]) -> socket.socket:
    # Protocol 0 receives nothing until it is bound, so that no packet slips in before the filter is there.
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    attach_filter(sock, instructions)
    enlarge_buffer(sock, _BUFFER)
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    sock.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
    sock.setblocking(False)
    sock.bind((interface, _ETH_P_ALL))
    return sock


def _drain(sock: socket.socket, buffer: bytearray, skip_outgoing: bool) -> list[bytes]:
    """Takes waiting packets from the socket, as pcap records; an empty list if there are none."""
    records: list[bytes] = []
    while len(records) < 2000:
        try:
            size, ancillary, _, address = sock.recvmsg_into([buffer], 256)
        except BlockingIOError:
            break
        if skip_outgoing and address[2] == _PACKET_OUTGOING:
            continue
        seconds = nanos = 0
        length = size
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
                seconds, nanos = struct.unpack("@ll", data[: struct.calcsize("@ll")])
            elif (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA):
                # Length on the wire; the filter may have cut the packet.
                (length,) = struct.unpack_from("=4xI", data)
        records.append(struct.pack("=IIII", seconds, nanos // 1000, size, length) + buffer[:size])
    return records


def main(interface: str, path: str, snaplen: str, expression: str) -> int:
    """Records until SIGTERM.

    Args:
        interface: name of the interface.
        path: the file, which is overwritten.
        snaplen: most bytes to keep of each packet, in decimal.
        expression: a pcap-filter(7) expression; an empty one takes every packet.

    Returns:
        Exit status.
    """
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake)
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda *_: None)
    try:
        pcap_type, type_name = link_type(interface)
        sock = _open(interface, compile_filter(type_name, expression, snaplen))
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    except OSError as error:
        print(f"{interface}: {error.strerror}", flush=True)
        return 1
    except CaptureRefused as error:
        print(error, flush=True)
        return 1
    os.write(file, struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, pcap_type))
    print("listening", flush=True)
    buffer = bytearray(1 << 18)
    # The loopback shows each packet twice, leaving and arriving.
    skip_outgoing = interface == "lo"
    # A link that goes down or away is an error of one read, not the end of the recording.
    asked, told, ended = 0, 0, False
    waiting = select.poll()
    for each in (sock.fileno(), woken):
        waiting.register(each, select.POLLIN)
    while not ended:
        if (woken, select.POLLIN) in waiting.poll():
            signals = os.read(woken, 4096)
            asked += signals.count(signal.SIGUSR1)
            ended = signal.SIGTERM in signals
        with contextlib.suppress(OSError):
            while records := _drain(sock, buffer, skip_outgoing):
                os.write(file, b"".join(records))
        while told < asked:
            told += 1
            print(f"{os.lseek(file, 0, os.SEEK_CUR)} bytes, answer {told}", flush=True)
    _, dropped = struct.unpack("=II", sock.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
    print(f"dropped {dropped}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
