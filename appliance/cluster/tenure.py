"""Tenure: a hub's time as the owner of a shard: how it begins, is renewed, and ends.

The owner is who made the shard's key in etcd, and the key lasts as long as its lease. The revision at which it was made
is the token of this time: every later owner has a greater one.

The hub believes in its lease for less long than etcd does: it counts from before it asked, and up to a margin before
the end. What lets packets through is a `Gate`, in which the kernel counts the same time, so that it also ends for a
process that is stopped. See docs/decisions/0062.

A hub that can't renew is silent, and keeps what it has built. Its time goes on when etcd answers, by a majority, that
the key is still the one of this time, which is then bound to a new lease.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from appliance.cluster.errors import EtcdUnreachable, Lost
from appliance.cluster.etcd import Etcd, LeasedKey
from appliance.cluster.owner import Owner
from appliance.host.clocks import boottime

log = structlog.get_logger()


class Gate(Protocol):
    """Passage for packets of the shard, open while its time counts."""

    def offer(self, seconds: float) -> None:
        """Begin to count a time that does not let anything through yet."""

    def accept(self) -> None:
        """Let packets through for what is left of the time that was offered last."""

    def shut(self) -> None:
        """Let nothing through."""


@dataclass(frozen=True)
class LeaseTiming:
    """Length of a lease and rhythm of its renewal; all in seconds.

    Attributes:
        ttl_s: length of the lease as etcd counts it.
        margin_s: time before its end at which the hub stops. It covers what the two hosts' clocks differ in speed.
        period_s: time between two renewals.
    """

    ttl_s: int = 2
    margin_s: float = 0.3
    period_s: float = 0.4

    @property
    def trusted_s(self) -> float:
        """Time that the hub relies on a renewal, from before it asked for it."""
        return self.ttl_s - self.margin_s


class Tenure:
    """One time of ownership; a hub that loses the shard needs another object to own it again.

    Args:
        etcd: the cluster's members, asked by this object alone.
        key: key of the shard.
        owner: this hub.
        gate: its front door's.
        timing: the same for all hubs of a cluster.
    """

    def __init__(self, etcd: Etcd, key: str, owner: Owner, gate: Gate, timing: LeaseTiming) -> None:
        self._etcd = etcd
        self._key = key
        self._owner = owner
        self._gate = gate
        self._timing = timing
        self._claim: LeasedKey | None = None
        self._trusted_until = 0.0
        # Leases that `acquire` was given; a key with another one is an earlier process's.
        self._granted: set[int] = set()
        self._opens = False
        # Renewals, and the change from shut to open.
        self._turn = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def token(self) -> int:
        """Number of this time of ownership; a later owner's is greater.

        Raises:
            Lost: the shard was not acquired.
        """
        if self._claim is None:
            raise Lost("the shard was not acquired")
        return self._claim.token

    def acquire(self, is_admitted: Callable[[], bool] = lambda: True) -> bool:
        """Become the owner if there is none; the gate stays as it is.

        Args:
            is_admitted: tells whether this hub may; asked only if there is no owner.

        Returns:
            False if another hub is the owner, or this one may not be.

        Raises:
            EtcdUnreachable: no majority of etcd answers.
        """
        found = self._etcd.holder(self._key)
        if found is not None:
            # An earlier call may have made the key without hearing of it.
            return found.lease in self._granted and self._taken_up(found)
        if not is_admitted():
            return False
        asked = boottime()
        lease = self._etcd.grant(self._timing.ttl_s)
        self._granted.add(lease)
        self._claim = self._etcd.claim(self._key, self._owner.text(), lease)
        if self._claim is None:
            self._etcd.revoke(lease)
            return False
        self._trusted_until = asked + self._timing.trusted_s
        log.info("the shard is ours", key=self._key, token=self._claim.token)
        return True

    def resume(self) -> bool:
        """Go on as the owner that an earlier process of this host was, since its boot, whose lease has not ended.

        Returns:
            False if the shard has another owner or none.

        Raises:
            EtcdUnreachable: no majority of etcd answers.
        """
        found = self._etcd.holder(self._key)
        if found is None or found.lease in self._granted or not self._owner.follows(Owner.parse(found.value)):
            return False
        return self._taken_up(found)

    def open(self) -> None:
        """Open the gate, and keep it open with each renewal; returns when it is open.

        Raises:
            Lost: the time has ended.
            EtcdUnreachable: no majority of etcd answers; the next renewal opens it.
        """
        with self._turn:
            self._opens = True
        if not self._renewed():
            raise EtcdUnreachable("etcd answered too late")

    def keep(self, on_end: Callable[[], None]) -> None:
        """Renew the lease in a thread of its own until `release`, or until the shard is another hub's to take.

        While etcd does not answer, nobody can have taken it: the gate shuts in time, and opens again when etcd answers
        that the key is still the one of this time.

        Args:
            on_end: called by that thread when the shard is lost.
        """
        self._thread = threading.Thread(target=self._keep, args=(on_end,), name="lease", daemon=True)
        self._thread.start()

    def release(self) -> None:
        """Shut the gate and give the shard up, so that another hub need not wait for the lease's end.

        Raises:
            EtcdUnreachable: no majority of etcd answers; the lease ends by itself.
        """
        self._stop()
        self._gate.shut()
        claim, self._claim = self._claim, None
        if claim is not None:
            self._etcd.revoke(claim.lease)

    def leave(self) -> None:
        """Stop renewing, and leave gate and lease to a later process of this hub."""
        self._stop()

    def _taken_up(self, found: LeasedKey) -> bool:
        """Have this time's key be ours, if it still exists."""
        self._claim = found
        try:
            is_ours = self._renewed()
        except Lost:
            return False
        log.info("the shard is ours", key=self._key, token=found.token)
        return is_ours

    def _stop(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _keep(self, on_end: Callable[[], None]) -> None:
        is_silent = has_lapsed = False
        while not self._ended.wait(self._timing.period_s):
            try:
                if self._renewed():
                    if has_lapsed:
                        log.info("the shard is still ours; the front door is open again", key=self._key)
                    is_silent = has_lapsed = False
                    continue
                self._note_silence("etcd answers too late", is_silent=is_silent)
            except EtcdUnreachable as error:
                self._note_silence(str(error), is_silent=is_silent)
            except Exception as error:  # noqa: BLE001 - it is logged, and the shard is lost
                self._lose(on_end, str(error))
                return
            is_silent = True
            if not has_lapsed and boottime() >= self._trusted_until:
                has_lapsed = True
                log.error("the front door is shut until etcd says whose the shard is", key=self._key)
                self._shut()

    def _note_silence(self, reason: str, *, is_silent: bool) -> None:
        """Log the first of several renewals that etcd does not answer."""
        if not is_silent:
            left = round(self._trusted_until - boottime(), 3)
            log.warning("the lease could not be renewed", key=self._key, left_s=left, error=reason)

    def _lose(self, on_end: Callable[[], None], reason: str) -> None:
        if self._ended.is_set():
            return
        self._ended.set()
        log.error("the shard is lost", key=self._key, reason=reason)
        self._shut()
        on_end()

    def _shut(self) -> None:
        with self._turn:
            try:
                self._gate.shut()
            except Exception as error:  # noqa: BLE001 - it is logged, and the kernel shuts it in time
                log.error("the front door can't be shut", key=self._key, error=str(error))

    def _renewed(self) -> bool:
        """Renew the lease; returns False if that took so long that it does not count.

        Raises:
            Lost: the shard is another hub's, or nobody's.
            EtcdUnreachable: no majority of etcd answers, so nobody knows.
        """
        with self._turn:
            claim, asked = self._claim, boottime()
            if claim is None:
                raise Lost("the shard was not acquired")
            if self._opens:
                self._gate.offer(self._timing.trusted_s)
            if asked < self._trusted_until:
                renewed = self._extended(claim)
                is_in_time = boottime() < self._trusted_until
            else:
                # Late renewals are not believed: see the decision on members that lag behind.
                renewed = self._leased_anew(claim)
                is_in_time = boottime() < asked + self._timing.trusted_s
            if renewed is None or not is_in_time:
                return False
            self._claim, self._trusted_until = renewed, asked + self._timing.trusted_s
            if self._opens:
                self._gate.accept()
            return True

    def _extended(self, claim: LeasedKey) -> LeasedKey | None:
        """Let the lease last longer; returns None if the key has another one by now."""
        found = _checked(claim, self._etcd.renew_holder(self._key, claim.lease))
        return found if found.lease == claim.lease else None

    def _leased_anew(self, claim: LeasedKey) -> LeasedKey | None:
        """Bind the key to a new lease, which takes a majority of etcd; returns None if that was done just now."""
        found = _checked(claim, self._etcd.holder(self._key))
        return self._etcd.rewrite(self._key, found, self._owner.text(), self._etcd.grant(self._timing.ttl_s))


def _checked(claim: LeasedKey, found: LeasedKey | None) -> LeasedKey:
    """Raise `Lost` unless the key that was found is of this time of ownership."""
    if found is None:
        raise Lost("the lease has ended")
    if found.token != claim.token:
        raise Lost("another hub has the shard")
    return found
