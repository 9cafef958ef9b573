"""Program that sends requests from many addresses over a few connections. It needs the standard library only.

On a host that the service trusts as a proxy, each request names another address of ``network`` as its origin, in a /64
of its own. Before it stands one that the request's sender made up, as a proxy passes on a header that was there. If
``network`` is null, requests come from the host itself.

The argument is a JSON object with ``host``, ``port``, ``kind`` (a key of `KINDS`), ``token`` (bearer token of every
request, or null), ``network``, ``connections``, ``count`` (number of requests; 0 for no end), ``seconds`` and
``certificate``. After the first answer the program prints
`READY`, and at its end a JSON object: ``answers`` counts answers by status, and broken connections as ``broken``.
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

READY = "answered"
LARGE = 8 * 2**20
_WORDS = "correct horse battery"


def _log_in(number: str) -> tuple[str, dict[str, str]]:
    return "/api/v1/sessions", {"email": f"nobody-{number}@example.net", "password": _WORDS}


def _sign_up(number: str) -> tuple[str, dict[str, str]]:
    return "/api/v1/signup", {"email": f"crowd-{number}@example.net", "password": _WORDS, "organization": "crowd"}


def _try_to_sign_up(number: str) -> tuple[str, dict[str, str]]:
    """Returns a sign-up that creates nothing, because its password is too short."""
    path, body = _sign_up(number)
    return path, body | {"password": "short"}


def _reset(number: str) -> tuple[str, dict[str, str]]:
    return "/api/v1/resets", {"email": f"nobody-{number}@example.net"}


def _try_to_add(_: str) -> tuple[str, dict[str, str]]:
    """Returns a call that adds no machine, because the name is empty."""
    return "/api/v1/machines", {"name": ""}


def _try_to_change(_: str) -> tuple[str, dict[str, str]]:
    """Returns a call that adds no rule, because it has no content."""
    return "/api/v1/policy/rules", {}


KINDS: dict[str, Callable[[str], tuple[str, dict[str, str]]] | None] = {
    "log-ins": _log_in,
    "sign-ups": _sign_up,
    "invalid sign-ups": _try_to_sign_up,
    "resets": _reset,
    "invalid machines": _try_to_add,
    "invalid rules": _try_to_change,
    # A large body that is announced and never sent.
    "bodies": None,
}


@dataclass
class RequestCrowd:
    """Requests from many addresses, and counts of their answers.

    Attributes:
        addresses: origin of each request; None for the host itself.
        remaining: requests that are still to be sent.
        token: bearer token of every request; None for none.
        answers: number of answers by status; ``broken`` counts broken connections.
    """

    host: str
    port: int
    kind: str
    addresses: Iterator[str | None]
    tls: ssl.SSLContext | None
    remaining: int
    token: str | None = None
    answers: Counter[str] = field(default_factory=Counter)
    name: str = field(default_factory=lambda: secrets.token_hex(4))

    async def run_connection(self) -> None:
        """Sends requests one after another until none remain. Reconnects whenever the service closes the connection."""
        while self.remaining:
            writer = None
            try:
                reader, writer = await asyncio.open_connection(self.host, self.port, ssl=self.tls)
                while self.remaining and await self._send_one(reader, writer):
                    pass
            except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                self.answers["broken"] += 1
                await asyncio.sleep(0.05)
            finally:
                if writer is not None:
                    writer.close()

    async def _send_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Sends a request and reads the answer; returns True if the connection stays open."""
        number, self.remaining = self.remaining, self.remaining - 1
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
        path, fields = ("/api/v1/policy", None) if make is None else make(name)
        body = b"" if fields is None else json.dumps(fields).encode()
        address = next(self.addresses)
        lines = [
            f"{'PUT' if make is None else 'POST'} {path} HTTP/1.1",
            f"Host: {self.host}:{self.port}",
            f"Content-Length: {LARGE if make is None else len(body)}",
            *([] if self.token is None else [f"Authorization: Bearer {self.token}"]),
            *([] if address is None else [f"X-Forwarded-For: {_made_up()}, {address}"]),
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _made_up() -> str:
    return str(ipaddress.IPv4Address(secrets.randbits(32)))


def addresses_of(network: str | None) -> Iterator[str | None]:
    """Yields addresses of a network without end, each in another /64 where the network is large enough.

    Args:
        network: range in CIDR notation; None yields None.
    """
    if network is None:
        return itertools.repeat(None)
    parsed = ipaddress.ip_network(network)
    spacing = 2**64 if parsed.version == 6 and parsed.prefixlen < 64 else 1
    count = parsed.num_addresses // spacing
    return (str(parsed[(number % count) * spacing + (1 if spacing > 1 else 0)]) for number in itertools.count())


async def _all(callers: list[asyncio.Task[None]]) -> bool:
    await asyncio.gather(*callers)
    return True


async def main(options: dict[str, object]) -> None:
    """Sends requests until all are sent, the time is over, or SIGTERM arrives."""
    tls = None
    if options["certificate"] is not None:
        tls = ssl.create_default_context(cafile=str(options["certificate"]))
    network = None if options["network"] is None else str(options["network"])
    count = int(str(options["count"]))
    crowd = RequestCrowd(
        str(options["host"]),
        int(str(options["port"])),
        str(options["kind"]),
        addresses_of(network),
        tls,
        # No end: more requests than are ever sent.
        count or 2**62,
        None if options["token"] is None else str(options["token"]),
    )
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    callers = [asyncio.create_task(crowd.run_connection()) for _ in range(int(str(options["connections"])))]
    stopped = asyncio.create_task(ended.wait())
    everything = asyncio.create_task(_all(callers))
    await asyncio.wait(
        {everything, stopped}, timeout=float(str(options["seconds"])), return_when=asyncio.FIRST_COMPLETED
    )
    for each in (*callers, everything, stopped):
        each.cancel()
    await asyncio.gather(*callers, everything, stopped, return_exceptions=True)
    print(json.dumps({"answers": dict(crowd.answers)}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
