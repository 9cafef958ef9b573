"""Program that reads the same paths in a loop over many connections. It needs the standard library only.

The argument is a JSON object with ``host``, ``port``, ``token``, ``paths``, ``connections``, ``seconds`` and
``certificate``. After the first answer the program prints `READY`, and at its end a JSON object: ``answers`` by status,
and ``bytes`` of their bodies.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import ssl
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

READY = "reading"
_CHUNK = 1 << 18


@dataclass
class AnswerTally:
    """Number of answers by status, and bytes of their bodies."""

    answers: Counter[str] = field(default_factory=Counter)
    bytes: int = 0

    def text(self) -> str:
        """Returns the tally as the program prints it."""
        return json.dumps({"answers": dict(self.answers), "bytes": self.bytes})


async def run_connection(
    host: str, port: int, token: str, paths: list[str], tls: ssl.SSLContext | None, tally: AnswerTally, first: int
) -> None:
    """Reads paths one after another until cancelled. Reconnects whenever the service closes the connection.

    Args:
        first: index of the path to begin with.
    """
    wanted = itertools.cycle(paths[first % len(paths) :] + paths[: first % len(paths)])
    while True:
        writer = None
        try:
            reader, writer = await asyncio.open_connection(host, port, ssl=tls, limit=_CHUNK)
            for path in wanted:
                head = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
                writer.write(head.encode())
                if not await _answer(reader, tally):
                    break
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            tally.answers["broken"] += 1
            await asyncio.sleep(0.05)
        finally:
            if writer is not None:
                writer.close()


async def _answer(reader: asyncio.StreamReader, tally: AnswerTally) -> bool:
    """Reads an answer; returns True if the connection stays open."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    left = int(fields.get("content-length", "0"))
    while left:
        data = await reader.read(min(left, _CHUNK))
        if not data:
            raise asyncio.IncompleteReadError(b"", left)
        left -= len(data)
        tally.bytes += len(data)
    if not tally.answers:
        print(READY, flush=True)
    tally.answers[head.split(" ", 2)[1]] += 1
    return fields.get("connection") != "close"


async def main(options: dict[str, object]) -> None:
    """Reads until the time is over or SIGTERM arrives."""
    tls = None
    if options["certificate"] is not None:
        tls = ssl.create_default_context(cafile=str(options["certificate"]))
    tally, ended = AnswerTally(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    paths = [str(path) for path in list(options["paths"])]  # type: ignore[call-overload]
    readers = [
        asyncio.create_task(
            run_connection(
                str(options["host"]), int(str(options["port"])), str(options["token"]), paths, tls, tally, number
            )
        )
        for number in range(int(str(options["connections"])))
    ]
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(ended.wait(), float(str(options["seconds"])))
    for each in readers:
        each.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    print(tally.text(), flush=True)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
