"""Writes the packets of an interface to a pcap file: a program of its own, started in a host by `netlab.capture`.

Not tcpdump, since that wants to change its user when it runs as root, which a sandbox made without root forbids. Run as
`python -I -S recorder.py INTERFACE LINK_TYPE FILE FILTER_INSTRUCTION…`, each instruction as `code,jt,jf,k`. SIGTERM
ends it, after all that the kernel holds for it is written. Standard library only: it is started for each capture.
"""

from __future__ import annotations

import contextlib
import ctypes
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


def _attach_filter(sock: socket.socket, instructions: list[str]) -> None:
    program = b"".join(struct.pack("=HBBI", *map(int, words.split(","))) for words in instructions)
    buffer = ctypes.create_string_buffer(program, len(program))
    sock.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(instructions), ctypes.addressof(buffer))
    )


def _open(interface: str, instructions: list[str]) -> socket.socket:
    # Protocol 0 receives nothing until it is bound, so that no packet slips in before the filter is there.
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    _attach_filter(sock, instructions)
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
    except PermissionError:
        # Only root of the machine may exceed net.core.rmem_max.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    sock.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
    sock.setblocking(False)
    sock.bind((interface, _ETH_P_ALL))
    return sock


def _drain(sock: socket.socket, buffer: bytearray, skip_outgoing: bool) -> list[bytes]:
    """Takes packets that wait in the socket, as pcap records; an empty list if there are none."""
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
                # What was on the wire; the filter may have cut it.
                (length,) = struct.unpack_from("=4xI", data)
        records.append(struct.pack("=IIII", seconds, nanos // 1000, size, length) + buffer[:size])
    return records


def main(interface: str, link_type: str, path: str, *instructions: str) -> int:
    """Records until SIGTERM; returns the exit status."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        sock = _open(interface, list(instructions))
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    except OSError as error:
        print(f"{interface}: {error.strerror}", flush=True)
        return 1
    os.write(file, struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, int(link_type)))
    print("listening", flush=True)
    buffer = bytearray(1 << 18)
    # The loopback shows each packet twice, leaving and arriving.
    skip_outgoing = interface == "lo"
    # A link that goes down or away is an error of one read, not the end of the recording.
    ended = False
    while not ended:
        ended = woken in select.select([sock.fileno(), woken], [], [])[0]
        with contextlib.suppress(OSError):
            while records := _drain(sock, buffer, skip_outgoing):
                os.write(file, b"".join(records))
    _, dropped = struct.unpack("=II", sock.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
    print(f"dropped {dropped}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
