"""Payers: the organization or operator, or for strangers the network, whose share of the process a request uses.

Sessions of an organization's owners are a payer of their own, so that whatever others of it do, owners can stop them.

A request waits for its turn before it is authenticated, so its organization is known only from an earlier request with
the same token; on operators' pages, an operator's. A request with an unknown token counts for its network: an IPv4
address, or an IPv6 /48. So does one with a token that was refused since, or that nobody has authenticated with for
`KNOWN_S`: whoever was removed from an organization uses nothing of its share.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from appliance.model.addresses import Network
from appliance.model.errors import TooMany
from appliance.model.sentences import numbered
from appliance.service import Actor
from appliance.web.allowance import Allowance, Rate
from appliance.web.proxies import is_one_of, networks_of
from appliance.web.request import PAYER, Payer, Request
from appliance.web.turns import NOBODY, SHARE

log = structlog.get_logger()

REASONS = ("waiting", "operators", "processor")
"""Reasons to turn a request away: too many wait, for any thread or for one of operators' pages, or the share of the
processor is used up."""

PROCESSOR = (Rate(2, 8.0),)
"""Processor seconds of a payer: two in a burst, and over time a quarter of a processor."""

KNOWN_S = 600.0
"""Seconds after a request for which its token tells the organization of further ones."""

_RESERVE = 1.0

_SECONDS_A_BYTE = 1e-8
"""Processor seconds to encrypt and send a byte of an answer, which the server's own threads do."""

_MOST_TOKENS = 20_000
_A_LINE_EACH = Rate(1, 60.0)
_LINES = Rate(30, 60.0)


def owners_of(organization: str) -> str:
    """Name under which sessions of an organization's owners have an amount of their own.

    It is as large as the organization's. What they use counts for both, so that together it is no more over time.
    """
    return f"{organization} owners"


def shares_of(actor: Actor) -> tuple[str, ...]:
    """Names of the amounts that an actor's requests count for; the first is the one that they are checked against."""
    organization = actor.organization_id
    return (owners_of(organization), organization) if actor.is_owner_session else (organization,)


class Payers:
    """Payers of requests, and their use of the processor; thread-safe.

    Args:
        trusted: ranges without limits.
        clock: monotonic time in seconds.
    """

    def __init__(
        self,
        trusted: Sequence[Network] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._trusted = trusted
        self._clock = clock
        # The token's payer, with the end of `KNOWN_S`.
        self._known: OrderedDict[bytes, tuple[str, float]] = OrderedDict()
        self._lock = threading.Lock()
        self._processor = Allowance(*PROCESSOR, clock=clock)
        self._lines = Allowance(_A_LINE_EACH, clock=clock)
        self._all_lines = Allowance(_LINES, clock=clock)
        self.turned_away: Counter[str] = Counter()

    def payer_of(self, environ: Mapping[str, Any]) -> Payer:
        """Find the payer of a request."""
        address = str(environ.get("REMOTE_ADDR", ""))
        if is_one_of(address, self._trusted):
            return Payer(NOBODY)
        token = _token(environ)
        with self._lock:
            known = None if token is None else self._known.get(token)
        if known is not None and self._clock() < known[1]:
            return Payer(known[0])
        return Payer(networks_of(address)[-1])

    def check(self, payer: Payer) -> None:
        """Raise `TooMany` if the payer has used up its share of the processor."""
        wait = 0.0 if payer.name == NOBODY else self._processor.wait(payer.name)
        if wait:
            seconds = int(wait) + 1
            raise TooMany(
                numbered(
                    "Your requests took more than their share of the service's processor. Try again in {n} second.",
                    "Your requests took more than their share of the service's processor. Try again in {n} seconds.",
                    seconds,
                ),
                retry_after=seconds,
            )

    def share(self, payer: str) -> int:
        """Number of threads for a payer: only one after it has used half of its burst.

        All threads compute under one lock, so each running thread slows all others down.
        """
        return SHARE if payer == NOBODY or not self._processor.wait(payer, _RESERVE) else 1

    def used(self, environ: Mapping[str, Any], seconds: float, length: int = 0) -> None:
        """Count a request's use of the processor, and note for later requests whose its token is, if it is anybody's.

        Args:
            seconds: processor time to make the answer.
            length: bytes of the answer.
        """
        payer: Payer = environ[PAYER]
        if payer.name == NOBODY:
            return
        for share in payer.shares or (payer.name,):
            self._processor.spend(share, seconds + length * _SECONDS_A_BYTE)
        token = _token(environ)
        if token is None:
            return
        with self._lock:
            if payer.shares:
                self._known[token] = payer.shares[0], self._clock() + KNOWN_S
                self._known.move_to_end(token)
                if len(self._known) > _MOST_TOKENS:
                    self._known.popitem(last=False)
            elif payer.is_refused:
                self._known.pop(token, None)

    def note_turned_away(self, payer: Payer, reason: str) -> None:
        """Count a request that was refused before any work; logged once a minute for each payer.

        Args:
            reason: one of `REASONS`.
        """
        self.turned_away[reason] += 1
        if not self._lines.take(payer.name) and not self._all_lines.take(""):
            log.warning("requests beyond a share are turned away", payer=payer.name, reason=reason)


def _token(environ: Mapping[str, Any]) -> bytes | None:
    """Digest the token that a request is authenticated by; None if it has none."""
    token = Request.head(environ).credential
    return None if token is None else hashlib.blake2b(token.encode("utf-8", "surrogatepass"), digest_size=16).digest()
