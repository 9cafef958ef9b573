"""Whose share of the process a request takes: its organization's, or its network's before anybody signed in.

A request has to wait for its turn before it is authenticated, so its organization is known only from an earlier request
with the same token. A token that nobody has shown to be good counts for its network: an IPv4 address, or an IPv6 /48.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from appliance.model.addresses import Network
from appliance.model.errors import TooMany
from appliance.web.allowance import Allowance, Rate
from appliance.web.proxies import is_one_of, networks_of
from appliance.web.request import COOKIE, PAYER, Payer
from appliance.web.turns import NOBODY, SHARE

log = structlog.get_logger()

REASONS = ("waiting", "processor")
"""What a payer may have run out of: places to wait for a thread, or time of the processor."""

PROCESSOR = (Rate(2, 8.0),)
"""Seconds of a processor: two at once, and over time a quarter of one."""

_RESERVE = 1.0

_SECONDS_A_BYTE = 1e-8
"""What it takes to encrypt and send an answer, which no thread of ours is seen to do."""

_SESSION = re.compile(rf"(?:^|;)\s*{COOKIE}=([^;]+)")
_MOST_TOKENS = 20_000
_A_LINE_EACH = Rate(1, 60.0)
_LINES = Rate(30, 60.0)


class Payers:
    """Tells payers apart, and what each has used of the processor; safe to share between threads.

    Args:
        trusted: ranges without limits.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        trusted: Sequence[Network] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._trusted = trusted
        self._organizations: OrderedDict[bytes, str] = OrderedDict()
        self._lock = threading.Lock()
        self._processor = Allowance(*PROCESSOR, clock=clock)
        self._lines = Allowance(_A_LINE_EACH, clock=clock)
        self._all_lines = Allowance(_LINES, clock=clock)
        self.turned_away: Counter[str] = Counter()

    def payer_of(self, environ: Mapping[str, Any]) -> Payer:
        """Whom this request is to be counted for."""
        address = str(environ.get("REMOTE_ADDR", ""))
        if is_one_of(address, self._trusted):
            return Payer(NOBODY)
        token = _token(environ)
        with self._lock:
            known = None if token is None else self._organizations.get(token)
        return Payer(known or networks_of(address)[-1])

    def check(self, payer: Payer) -> None:
        """Raises `TooMany` where the caller's payer has used up its share of the processor."""
        wait = 0.0 if payer.name == NOBODY else self._processor.wait(payer.name)
        if wait:
            seconds = int(wait) + 1
            raise TooMany(
                f"Your requests took more than their share of the service's processor. Try again in {seconds} seconds.",
                retry_after=seconds,
            )

    def share(self, payer: str) -> int:
        """Threads that the payer may have: one alone when it has used half of what the processor gives it at once.

        All threads compute under one lock, so each that a payer has at work is felt by every other one.
        """
        return SHARE if payer == NOBODY or not self._processor.wait(payer, _RESERVE) else 1

    def used(self, environ: Mapping[str, Any], seconds: float, length: int = 0) -> None:
        """Notes what a request has used, and the organization that it turned out to be of.

        Args:
            seconds: of the processor, until the answer was there.
            length: bytes of the answer.
        """
        payer: Payer = environ[PAYER]
        if payer.name == NOBODY:
            return
        self._processor.spend(payer.organization or payer.name, seconds + length * _SECONDS_A_BYTE)
        token = _token(environ)
        if payer.organization and token is not None:
            with self._lock:
                self._organizations[token] = payer.organization
                self._organizations.move_to_end(token)
                if len(self._organizations) > _MOST_TOKENS:
                    self._organizations.popitem(last=False)

    def note_turned_away(self, payer: Payer, reason: str) -> None:
        """Counts a request that was refused before anything was done for it; tells the log once a minute of each payer.

        Args:
            reason: one of `REASONS`.
        """
        self.turned_away[reason] += 1
        if not self._lines.take(payer.name) and not self._all_lines.take(""):
            log.warning("requests beyond a share are turned away", payer=payer.name, reason=reason)


def _token(environ: Mapping[str, Any]) -> bytes | None:
    """A digest of the token that the request carries."""
    scheme, _, credentials = str(environ.get("HTTP_AUTHORIZATION", "")).partition(" ")
    shown = credentials.strip() if scheme.lower() == "bearer" else ""
    if not shown:
        cookie = _SESSION.search(str(environ.get("HTTP_COOKIE", "")))
        if cookie is None:
            return None
        shown = cookie[1].strip()
    return hashlib.blake2b(shown.encode("utf-8", "surrogatepass"), digest_size=16).digest()
