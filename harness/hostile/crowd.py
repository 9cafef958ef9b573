"""A crowd of strangers: requests that come from many addresses, one after another on each of some connections.

A program for a host of a lab; it needs the standard library only. Where the host is a proxy that the service trusts,
each request is said to come from another address of ``network``, in a /64 of its own; where ``network`` is null, it
comes from the host's own. Its argument is a JSON object with ``host``, ``port``, ``kind`` (a key of `KINDS`),
``network``, ``connections``, ``count`` (requests altogether, 0: without end), ``seconds`` and ``certificate``. With the
first answer it prints `READY`, and at the end a JSON object: ``answers`` by status, ``broken`` for connections that
were ended.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import json
import secrets
import signal
import ssl
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

READY = "at the door"
LARGE = 8 * 2**20
_WORDS = "correct horse battery"


def _log_in(number: str) -> tuple[str, dict[str, str]]:
    return "/api/v1/sessions", {"email": f"nobody-{number}@example.net", "password": _WORDS}


def _sign_up(number: str) -> tuple[str, dict[str, str]]:
    return "/api/v1/signup", {"email": f"crowd-{number}@example.net", "password": _WORDS, "organization": "crowd"}


def _try_to_sign_up(number: str) -> tuple[str, dict[str, str]]:
    """One that makes nothing: its password is too short."""
    path, body = _sign_up(number)
    return path, body | {"password": "short"}


def _reset(number: str) -> tuple[str, dict[str, str]]:
    return "/api/v1/resets", {"email": f"nobody-{number}@example.net"}


KINDS: dict[str, Callable[[str], tuple[str, dict[str, str]]] | None] = {
    "log-ins": _log_in,
    "sign-ups": _sign_up,
    "tries": _try_to_sign_up,
    "resets": _reset,
    # A large body that is announced and never sent.
    "bodies": None,
}


@dataclass
class Crowd:
    """The crowd's requests, and the answers to them.

    Attributes:
        left: how many requests are still to be made.
    """

    host: str
    port: int
    kind: str
    addresses: Iterator[str | None]
    tls: ssl.SSLContext | None
    left: int
    answers: Counter[str] = field(default_factory=Counter)
    name: str = field(default_factory=lambda: secrets.token_hex(4))

    async def come(self) -> None:
        """One connection, opened anew whenever the service ends it, until enough was asked."""
        while self.left:
            writer = None
            try:
                reader, writer = await asyncio.open_connection(self.host, self.port, ssl=self.tls)
                while self.left and await self._ask(reader, writer):
                    pass
            except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                self.answers["broken"] += 1
                await asyncio.sleep(0.05)
            finally:
                if writer is not None:
                    writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Makes one request; whether the connection is good for another."""
        number, self.left = self.left, self.left - 1
        writer.write(self._request(f"{self.name}-{number}"))
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        await reader.readexactly(int(fields.get("content-length", "0")))
        if not self.answers:
            print(READY, flush=True)
        self.answers[head.split(" ", 2)[1]] += 1
        return fields.get("connection") != "close"

    def _request(self, name: str) -> bytes:
        make = KINDS[self.kind]
        path, wish = ("/api/v1/policy", None) if make is None else make(name)
        body = b"" if wish is None else json.dumps(wish).encode()
        address = next(self.addresses)
        lines = [
            f"{'PUT' if make is None else 'POST'} {path} HTTP/1.1",
            f"Host: {self.host}:{self.port}",
            f"Content-Length: {LARGE if make is None else len(body)}",
            *([] if address is None else [f"X-Forwarded-For: {address}"]),
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def addresses_of(network: str | None) -> Iterator[str | None]:
    """Addresses of a network, as far apart as it has room for; the host's own without one."""
    if network is None:
        return itertools.repeat(None)
    parsed = ipaddress.ip_network(network)
    apart = 2**64 if parsed.version == 6 and parsed.prefixlen < 64 else 1
    places = parsed.num_addresses // apart
    return (str(parsed[(number % places) * apart + (1 if apart > 1 else 0)]) for number in itertools.count())


async def _all(callers: list[asyncio.Task[None]]) -> bool:
    await asyncio.gather(*callers)
    return True


async def main(wish: dict[str, object]) -> None:
    """Asks until it has asked enough, the time is over, or somebody ends it with SIGTERM."""
    tls = None
    if wish["certificate"] is not None:
        tls = ssl.create_default_context(cafile=str(wish["certificate"]))
    network = None if wish["network"] is None else str(wish["network"])
    count = int(str(wish["count"]))
    crowd = Crowd(
        str(wish["host"]),
        int(str(wish["port"])),
        str(wish["kind"]),
        addresses_of(network),
        tls,
        # Without end: more than anybody ever asks.
        count or 2**62,
    )
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    callers = [asyncio.create_task(crowd.come()) for _ in range(int(str(wish["connections"])))]
    stopped = asyncio.create_task(ended.wait())
    everything = asyncio.create_task(_all(callers))
    await asyncio.wait({everything, stopped}, timeout=float(str(wish["seconds"])), return_when=asyncio.FIRST_COMPLETED)
    for each in (*callers, everything, stopped):
        each.cancel()
    await asyncio.gather(*callers, everything, stopped, return_exceptions=True)
    print(json.dumps({"answers": dict(crowd.answers)}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
