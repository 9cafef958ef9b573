"""Rate limits for expensive requests and for guesses, by address, account or organization.

They apply to one web process, and are lost when it ends.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from appliance.model import emails
from appliance.model.addresses import Network
from appliance.model.errors import TooMany, Unauthenticated, WrongProof
from appliance.model.sentences import numbered
from appliance.web import rates
from appliance.web.allowance import Allowance
from appliance.web.known_networks import KnownNetworks
from appliance.web.network_allowance import NetworkAllowance, Wait
from appliance.web.proxies import is_one_of, neighbourhood

_MOST_KNOWN_ACCOUNTS = 20_000
_LOGGED_EVERY_S = 60.0

log = structlog.get_logger()


@dataclass
class RateLimits:
    """Counters of all limits; thread-safe.

    Attributes:
        trusted: ranges whose addresses are limited only in log-ins and guessing, in asking for letters, in flips of
            the demonstration's rules, and in what operators do.
        clock: monotonic time in seconds.
        refused: number of refusals by the limit's name and level.
        most_known: most accounts whose sources are remembered.
    """

    trusted: Sequence[Network] = ()
    clock: Callable[[], float] = time.monotonic
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    most_known: int = _MOST_KNOWN_ACCOUNTS
    _logged_at: dict[tuple[str, str], float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._known = KnownNetworks(self.most_known)
        self._sign_ups = NetworkAllowance(rates.SIGN_UPS, self.clock)
        self._sign_ups_by_link = Allowance(*rates.SIGN_UPS_PER_LINK, clock=self.clock)
        self._by_account = Allowance(*rates.GUESSES_PER_ACCOUNT, clock=self.clock)
        self._guesses = NetworkAllowance(rates.GUESSES, self.clock)
        self._log_ins = NetworkAllowance(rates.LOG_INS, self.clock)
        self._operator_log_ins = NetworkAllowance(rates.OPERATOR_LOG_INS, self.clock)
        self._operator_changes = Allowance(*rates.OPERATOR_CHANGES, clock=self.clock)
        self._operator_links = Allowance(*rates.OPERATOR_LINKS, clock=self.clock)
        self._strangers = NetworkAllowance(rates.STRANGERS, self.clock)
        self._operator_strangers = NetworkAllowance(rates.OPERATOR_STRANGERS, self.clock)
        self._public_polls = NetworkAllowance(rates.PUBLIC_POLLS, self.clock)
        self._demo_flips = NetworkAllowance(rates.DEMO_FLIPS, self.clock)
        self._challenges = NetworkAllowance(rates.CHALLENGES, self.clock)
        self._letters = NetworkAllowance(rates.LETTERS, self.clock)
        self._sign_up_letters = NetworkAllowance(rates.SIGN_UP_LETTERS, self.clock)
        self._letters_to = Allowance(*rates.LETTERS_PER_RECIPIENT, clock=self.clock)
        self._sign_up_letters_to = Allowance(*rates.LETTERS_PER_RECIPIENT, clock=self.clock)
        self._received = Allowance(*rates.LETTERS_RECEIVED, clock=self.clock)
        self._invitations_received = Allowance(*rates.INVITATIONS_RECEIVED, clock=self.clock)
        self._sent = Allowance(*rates.LETTERS_PER_ORGANIZATION, clock=self.clock)
        self._reads = Allowance(*rates.READS_PER_ORGANIZATION, clock=self.clock)
        self._polls = Allowance(*rates.POLLS_PER_ORGANIZATION, clock=self.clock)
        self._writes = Allowance(*rates.WRITES_PER_ORGANIZATION, clock=self.clock)
        self._revocations = Allowance(*rates.REVOCATIONS, clock=self.clock)
        self._configurations = Allowance(*rates.CONFIGURATIONS_PER_ORGANIZATION, clock=self.clock)
        self._pings = Allowance(*rates.PINGS_PER_ORGANIZATION, clock=self.clock)
        self._measurements = Allowance(*rates.MEASUREMENTS_PER_ORGANIZATION, clock=self.clock)
        self._enablings = Allowance(*rates.ENABLINGS_PER_ORGANIZATION, clock=self.clock)
        self._invitations = Allowance(*rates.INVITATIONS_PER_ORGANIZATION, clock=self.clock)

    def is_trusted(self, address: str) -> bool:
        """True if the operator exempted this address."""
        return is_one_of(address, self.trusted)

    def stranger(self, address: str) -> None:
        """Count a request of a caller that is not signed in; raises `TooMany` beyond the limit."""
        self._join("strangers", self._strangers, address, as_everybody=not self.is_known(address))

    def operator_stranger(self, address: str) -> None:
        """Count a request to operators' pages without a session; raises `TooMany` beyond the limit."""
        self._join("operator-strangers", self._operator_strangers, address, as_everybody=not self.is_known(address))

    def public_poll(self, address: str) -> None:
        """Count a read that a public page makes by itself; raises `TooMany` beyond the limit."""
        self._join("public-polls", self._public_polls, address, as_everybody=not self.is_known(address))

    def demo_flip(self, address: str) -> None:
        """Count a flip of a rule of the demonstration; raises `TooMany` beyond the limit.

        Trusted addresses are no exception.
        """
        self._refuse("demo-flips", self._demo_flips.take(address))

    def sign_up(self, address: str, *, as_everybody: bool = True, link: str | None = None) -> None:
        """Count a sign-up, or an invitation that somebody accepts; raises `TooMany` beyond the limit.

        Args:
            as_everybody: False for invitations, whose number is limited otherwise, and links that do not hold.
            link: id of a letter's link: what is tried with it counts once for everybody, and then for networks only.
        """
        if link is not None:
            as_everybody = not self._sign_ups_by_link.wait(link, 1)
        self._join("sign-ups", self._sign_ups, address, as_everybody=as_everybody)
        # Not before: what everybody's limit refused was not counted.
        if link is not None and as_everybody:
            self._sign_ups_by_link.take(link)

    def log_in(self, address: str, email: str | None) -> None:
        """Count a log-in, successful or not, as work; raises `TooMany` beyond the limit.

        Trusted addresses are no exception.

        Args:
            email: the account's; None for a passkey, which tells its account only when it has been checked.
        """
        as_everybody = not self.is_known(address, email)
        self._refuse("log-ins", self._log_ins.take(address, as_everybody=as_everybody))

    def operator_log_in(self, address: str, account: str) -> None:
        """Count an operator's log-in, successful or not; raises `TooMany` beyond the limit.

        Trusted addresses are no exception.
        """
        as_everybody = not self.is_known(address, account)
        self._refuse("operator-log-ins", self._operator_log_ins.take(address, as_everybody=as_everybody))

    def operator_change(self, operator_id: str) -> None:
        """Count a change by an operator; raises `TooMany` beyond the limit. Trusted addresses are no exception."""
        self._take("operator-changes", self._operator_changes, operator_id)

    def operator_link(self, operator_id: str) -> None:
        """Count a link of an operator; raises `TooMany` beyond the limit. Trusted addresses are no exception."""
        self._take("operator-links", self._operator_links, operator_id)

    def challenge(self, address: str) -> None:
        """Count a challenge of a log-in by passkey; raises `TooMany` beyond the limit.

        Trusted addresses are no exception.
        """
        as_everybody = not self.is_known(address)
        self._refuse("challenges", self._challenges.take(address, as_everybody=as_everybody))

    def read(self, address: str, *payers: str) -> None:
        """Count a request; raises `TooMany` beyond the limit.

        Args:
            payers: names of those that it counts for, the first one as the limit of it (`payers.shares_of`).
        """
        self._count("reads", self._reads, address, *payers)

    def poll(self, address: str, *payers: str) -> None:
        """Count a read that a page makes by itself, as such and as a read; raises `TooMany` beyond either limit."""
        self._count("polls", self._polls, address, *payers)
        self.read(address, *payers)

    def write(self, address: str, *payers: str) -> None:
        """Count a change; raises `TooMany` beyond the limit."""
        self._count("writes", self._writes, address, *payers)

    def revocation(self, address: str, member_id: str) -> None:
        """Count a change that takes access away, instead of a read and a write; raises `TooMany` beyond the limit."""
        self._count("revocations", self._revocations, address, member_id)

    def configuration(self, address: str, organization_id: str) -> None:
        """Count a new configuration; raises `TooMany` beyond the limit."""
        self._count("configurations", self._configurations, address, organization_id)

    def enabling(self, address: str, organization_id: str) -> None:
        """Count a machine that is enabled again; raises `TooMany` beyond the limit."""
        self._count("enablings", self._enablings, address, organization_id)

    def ping(self, address: str, organization_id: str) -> None:
        """Count a ping of a machine; raises `TooMany` beyond the limit."""
        self._count("pings", self._pings, address, organization_id)

    def measurement(self, address: str, organization_id: str) -> None:
        """Count a measurement of the policy; raises `TooMany` beyond the limit."""
        self._count("measurements", self._measurements, address, organization_id)

    def invitation(self, address: str, organization_id: str) -> None:
        """Count an invitation, which may be a letter to a stranger; raises `TooMany` beyond the limit."""
        self._count("invitations", self._invitations, address, organization_id)

    def letter(self, address: str, email: str, *, is_member: bool = False) -> None:
        """Count a request for a letter; raises `TooMany` beyond the limit.

        Requests for addresses without an account count too, and trusted addresses are no exception.

        Args:
            is_member: True if the caller has a session of the account.
        """
        as_everybody = not (is_member or self.is_known(address, email))
        self._ask("letters", self._letters, self._letters_to, address, email, as_everybody=as_everybody)

    def sign_up_letter(self, address: str, email: str) -> None:
        """Count a request for a sign-up link as `letter` does, apart from other letters."""
        self._ask("sign-up-letters", self._sign_up_letters, self._sign_up_letters_to, address, email)

    def is_letter_admitted(
        self,
        organization_id: str | None,
        recipient: str,
        *,
        is_invitation: bool = False,
        is_of_sign_up: bool = False,
    ) -> bool:
        """Count a letter for its recipient and its organization; False if either has reached its limit.

        Args:
            organization_id: the one whose members caused the letter; None if a stranger may have.
            is_of_sign_up: True if somebody causes it by signing up with the address; it counts with sign-up links.
        """
        sender, who = organization_id or "", emails.mailbox(recipient)
        try:
            if sender:
                self._take("letters-sent", self._sent, sender)
            if is_invitation:
                self._take("invitations-received", self._invitations_received, who)
            if is_of_sign_up:
                self._take("sign-up-letters-to-one", self._sign_up_letters_to, who)
            self._take("letters-received", self._received, who)
        except TooMany:
            return False
        return True

    def is_known(self, address: str, email: str | None = None) -> bool:
        """True if this account was opened from this address before.

        Args:
            email: the account's; None for any account.
        """
        return self._known.has(address, email)

    def remember(self, address: str, email: str) -> None:
        """Note that an account was opened from an address: strangers can't use up what it needs from there."""
        self._known.add(address, email)

    @contextmanager
    def guessing(self, address: str, email: str) -> Iterator[None]:
        """Count a wrong password or code in the block, which raises `Unauthenticated` or `WrongProof` for one.

        It counts from the beginning of the block, so that parallel guesses are limited too. Trusted addresses are no
        exception. An address from which the account was opened before has an own amount for it, so that nobody can lock
        a person out with wrong guesses from elsewhere.

        Raises:
            TooMany: too many were wrong from this address, or for this account.
        """
        source, account = neighbourhood(address), emails.canonical(email)
        known = self.is_known(address, email)
        whose = f"{account} {source}" if known else account
        self._refuse("guesses", self._guesses.take(address, as_everybody=not known))
        try:
            self._take("guesses-at-one", self._by_account, whose)
        except TooMany:
            self._guesses.give_back(address, as_everybody=not known)
            raise
        try:
            yield
        except (Unauthenticated, WrongProof):
            raise
        except BaseException:
            self._forgive(address, whose, known=known)
            raise
        self._forgive(address, whose, known=known)
        self.remember(address, email)

    def _forgive(self, address: str, whose: str, *, known: bool) -> None:
        self._guesses.give_back(address, as_everybody=not known)
        self._by_account.give_back(whose)

    def _ask(
        self,
        limit: str,
        by_network: NetworkAllowance,
        by_recipient: Allowance,
        address: str,
        email: str,
        *,
        as_everybody: bool = True,
    ) -> None:
        self._refuse(limit, by_network.take(address, as_everybody=as_everybody))
        try:
            self._take(f"{limit}-to-one", by_recipient, emails.mailbox(email))
        except TooMany:
            by_network.give_back(address, as_everybody=as_everybody)
            raise

    def _join(self, limit: str, allowance: NetworkAllowance, address: str, *, as_everybody: bool = True) -> None:
        if not self.is_trusted(address):
            self._refuse(limit, allowance.take(address, as_everybody=as_everybody))

    def _count(self, limit: str, allowance: Allowance, address: str, payer: str, *others: str) -> None:
        """Count a request for all of these payers, and limit it by the first one's amount."""
        if self.is_trusted(address):
            return
        self._take(limit, allowance, payer)
        for each in others:
            allowance.spend(each, 1)

    def _take(self, limit: str, allowance: Allowance, who: str) -> None:
        seconds = allowance.take(who)
        # The caller may be an e-mail address, which must not be logged.
        self._refuse(limit, Wait(seconds, "one", "") if seconds else None)

    def _refuse(self, limit: str, wait: Wait | None) -> None:
        """Note a reached limit, and raise `TooMany`; does nothing without a wait."""
        if wait is None:
            return
        self.note(limit, wait.level, wait.network)
        seconds = math.ceil(wait.seconds)
        raise TooMany(
            numbered("Too many tries. Try again in {n} second.", "Too many tries. Try again in {n} seconds.", seconds),
            retry_after=seconds,
        )

    def note(self, limit: str, level: str, network: str) -> None:
        """Count a reached limit, and log it at most once a minute."""
        reached, now = (limit, level), self.clock()
        with self._lock:
            self.refused[reached] += 1
            is_new = now - self._logged_at.get(reached, -_LOGGED_EVERY_S) >= _LOGGED_EVERY_S
            if is_new:
                self._logged_at[reached] = now
        if is_new:
            log.warning("a limit was reached", limit=limit, of=level, network=network)
