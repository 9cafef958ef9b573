"""Program that pytest-xdist starts for a worker: it has one forked (`tests.workers`), and waits for its end.

Its argument is the path of the socket at which the process listens that forks.
"""

from __future__ import annotations

import socket
import sys

if __name__ == "__main__":
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(sys.argv[1])
        socket.send_fds(line, [b"1"], [0, 1, 2])
        line.recv(1)
