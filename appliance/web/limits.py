"""Rate limits: how often one address, account or organization may do what costs, or try what can be guessed.

They hold for one web process and are forgotten with it.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from appliance.model.addresses import Network
from appliance.model.errors import TooMany, Unauthenticated, WrongProof
from appliance.web.allowance import Allowance, Rate
from appliance.web.proxies import is_one_of, neighbourhood

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0

SIGN_UPS_PER_ADDRESS = (Rate(20, _HOUR),)
# Five at once, then one in 12 seconds, after fifteen one in a minute, after fifty one in half an hour: the waits grow,
# and in no day are there more than a hundred (NIST SP 800-63B, 3.2.2).
GUESSES_PER_ACCOUNT = (Rate(5, _MINUTE), Rate(15, 15 * _MINUTE), Rate(50, _DAY))
GUESSES_PER_ADDRESS = (Rate(30, _MINUTE), Rate(200, _HOUR))
STRANGERS_PER_ADDRESS = (Rate(600, _MINUTE),)
READS_PER_ORGANIZATION = (Rate(3000, _MINUTE),)
LETTERS_PER_ADDRESS = (Rate(20, _HOUR),)
LETTERS_PER_RECIPIENT = (Rate(3, _HOUR), Rate(10, _DAY))
WRITES_PER_ORGANIZATION = (Rate(300, _MINUTE),)
CONFIGURATIONS_PER_ORGANIZATION = (Rate(60, _MINUTE),)
INVITATIONS_PER_ORGANIZATION = (Rate(30, _HOUR), Rate(100, _DAY))

_MOST_KNOWN = 20_000


@dataclass
class RateLimits:
    """What was used up so far.

    Attributes:
        trusted: addresses in these ranges have no limit but on guessing, which everybody has.
        clock: seconds that only grow.
    """

    trusted: Sequence[Network] = ()
    clock: Callable[[], float] = time.monotonic
    _known: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self._sign_ups = Allowance(*SIGN_UPS_PER_ADDRESS, clock=self.clock)
        self._by_account = Allowance(*GUESSES_PER_ACCOUNT, clock=self.clock)
        self._by_address = Allowance(*GUESSES_PER_ADDRESS, clock=self.clock)
        self._strangers = Allowance(*STRANGERS_PER_ADDRESS, clock=self.clock)
        self._letters = Allowance(*LETTERS_PER_ADDRESS, clock=self.clock)
        self._letters_to = Allowance(*LETTERS_PER_RECIPIENT, clock=self.clock)
        self._reads = Allowance(*READS_PER_ORGANIZATION, clock=self.clock)
        self._writes = Allowance(*WRITES_PER_ORGANIZATION, clock=self.clock)
        self._configurations = Allowance(*CONFIGURATIONS_PER_ORGANIZATION, clock=self.clock)
        self._invitations = Allowance(*INVITATIONS_PER_ORGANIZATION, clock=self.clock)

    def is_trusted(self, address: str) -> bool:
        """Whether the operator exempted this address."""
        return is_one_of(address, self.trusted)

    def stranger(self, address: str) -> None:
        """Counts a request of somebody who is not signed in; raises `TooMany` where it is one too many."""
        self._count(self._strangers, address, neighbourhood(address))

    def sign_up(self, address: str) -> None:
        """Counts a sign-up; raises `TooMany` where it is one too many."""
        self._count(self._sign_ups, address, neighbourhood(address))

    def read(self, address: str, organization_id: str) -> None:
        """Counts a look at something; raises `TooMany` where it is one too many."""
        self._count(self._reads, address, organization_id)

    def write(self, address: str, organization_id: str) -> None:
        """Counts a change; raises `TooMany` where it is one too many."""
        self._count(self._writes, address, organization_id)

    def configuration(self, address: str, organization_id: str) -> None:
        """Counts a configuration that is made; raises `TooMany` where it is one too many."""
        self._count(self._configurations, address, organization_id)

    def invitation(self, address: str, organization_id: str) -> None:
        """Counts an invitation, which may be a letter to a stranger; raises `TooMany` where it is one too many."""
        self._count(self._invitations, address, organization_id)

    def letter(self, address: str, email: str) -> None:
        """Counts a letter that somebody asks for; raises `TooMany` where it is one too many.

        It is counted alike whether there is such a recipient or not, and a trusted address is no exception.
        """
        source = neighbourhood(address)
        _take(self._letters, source)
        try:
            _take(self._letters_to, email.strip().lower())
        except TooMany:
            self._letters.give_back(source)
            raise

    @contextmanager
    def guessing(self, address: str, email: str) -> Iterator[None]:
        """For a block that says whether a password or a code is right; a wrong one counts.

        It counts from the beginning, so that many at once are no more than many in a row. A trusted address is no
        exception: who guesses may sit anywhere. An address that the account was opened from before has an allowance of
        its own, so that nobody locks an account's people out by guessing wrong from elsewhere.

        Raises:
            TooMany: there were too many wrong ones from this address, or for this account.
        """
        source, account = neighbourhood(address), email.strip().lower()
        pair = f"{account} {source}"
        counted = ((self._by_address, source), (self._by_account, pair if pair in self._known else account))
        taken: list[tuple[Allowance, str]] = []
        try:
            for allowance, who in counted:
                _take(allowance, who)
                taken.append((allowance, who))
            yield
        except (Unauthenticated, WrongProof):
            raise
        except BaseException:
            _give_back(taken)
            raise
        _give_back(taken)
        self._known[pair] = None
        self._known.move_to_end(pair)
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)

    def _count(self, allowance: Allowance, address: str, who: str) -> None:
        if not self.is_trusted(address):
            _take(allowance, who)


def _take(allowance: Allowance, who: str) -> None:
    wait = allowance.take(who)
    if wait:
        seconds = math.ceil(wait)
        raise TooMany(f"Too many tries. Try again in {seconds} seconds.", retry_after=seconds)


def _give_back(taken: Sequence[tuple[Allowance, str]]) -> None:
    for allowance, who in taken:
        allowance.give_back(who)
