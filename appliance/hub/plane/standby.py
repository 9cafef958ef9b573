"""Preparation of a hub that may own a shard next, so that little is left to do when it does.

It has everything of the organizations but a lease, so its gate is shut, and no packet passes to or from the front door.
Its links know no machine's endpoint and send nothing. Whatever the store has by the time it owns the shard is enforced
before the gate opens.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from appliance.hub.errors import HubError, log_error
from appliance.hub.plane.state_checks import usable_endpoints
from appliance.hub.plane.upkeep import Upkeep
from appliance.model.errors import Unavailable
from appliance.store import Store, machines, organizations

log = structlog.get_logger()

LOOK_S = 1.0
"""Seconds between two looks at the store."""
REST = 4
"""Rest after an organization in multiples of the time that it took: the host may have shards of its own to serve."""
_AT_ONCE = 4


class Standby:
    """Keeps the data plane of a hub that owns nothing as the store has it, in a thread of its own.

    Args:
        upkeep: of a hub that is not open yet.
        put_up_gate: makes the hub's gate, shut, before anything else; in the thread that calls `start`.
    """

    def __init__(self, store: Store, upkeep: Upkeep, put_up_gate: Callable[[], None]) -> None:
        self._store = store
        self._upkeep = upkeep
        self._put_up_gate = put_up_gate
        self._has_begun = self._is_failing = False
        self._complained: set[str] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="hub-standby", daemon=True)

    def start(self) -> None:
        """Remove what an earlier hub has left, prepare all organizations one after the other, and repair damage.

        Raises:
            RulesetError: the kernel refused the gate.
        """
        self._put_up_gate()
        self._thread.start()

    def is_working(self) -> bool:
        """Tell whether it prepares: its thread runs, and has met nothing that keeps it from going on."""
        return self._thread.is_alive() and not self._is_failing

    def stop(self) -> None:
        """Stop after the present organization."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def catch_up(self) -> None:
        """Have nothing in force that the store does not have; what is missing is denied, and is left to be restored.

        To be called after `stop` and the beginning in the store, and before the gate opens.

        Raises:
            Unavailable: the store can't be read.
            HubError: something older is in force, and can't be removed.
        """
        began = time.monotonic()
        if not self._has_begun:
            # What an earlier time of ownership left may allow what others have denied since.
            self._upkeep.clear()
        behind = [each for each in self._behind() if self._upkeep.plane.state(each) is not None]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._correct, behind))
        log.info("what was prepared is as stored", behind=len(behind), seconds=round(time.monotonic() - began, 3))

    def turn_to_machines(self) -> None:
        """Begin handshakes with all machines, those of the organizations first that were heard from lately.

        Raises:
            Unavailable: the store can't be read.
        """
        with self._store.read() as transaction:
            order = organizations.enforced_ids(transaction, self._store.shard)
            endpoints = machines.endpoints_by_organization(transaction, self._store.shard)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for organization in order:
                pool.submit(self._turn_to, organization, usable_endpoints(endpoints.get(organization, {})))
        self._upkeep.door.renew()

    def _turn_to(self, organization: str, endpoints: dict[str, str]) -> None:
        if self._upkeep.ending.is_set():
            return
        try:
            self._upkeep.plane.turn_to_machines(organization, endpoints)
        except HubError as error:
            log_error("machines can't be turned to", error, organization=organization)

    def _behind(self) -> Sequence[str]:
        """Organizations whose state is not the stored one."""
        with self._store.read() as transaction:
            stored = organizations.revisions(transaction, self._store.shard)
        known = self._upkeep.arbiter.revisions()
        gone = [each for each in self._upkeep.plane.wanted() if each not in stored]
        return [*gone, *(each for each, revision in stored.items() if known.get(each) != revision)]

    def _correct(self, organization: str) -> None:
        if (error := self._fault_of(organization)) is not None:
            log_error("an organization is behind, and is removed", error, (HubError,), organization=organization)
            self._upkeep.arbiter.remove(organization)

    def _work(self) -> None:
        while not self._ended.is_set():
            try:
                if not self._has_begun:
                    self._begin()
                self._follow()
                self._is_failing = False
            except Exception as error:  # noqa: BLE001 - it is logged, and tried again
                if not self._is_failing:
                    log_error("this host can't prepare for now", error, (HubError, Unavailable))
                self._is_failing = True
            self._ended.wait(LOOK_S)

    def _begin(self) -> None:
        self._upkeep.clear()
        self._upkeep.stand_by()
        self._has_begun = True

    def _follow(self) -> None:
        """Prepare what differs from the store, until that is done or `stop` is called."""
        behind = self._behind()
        for organization in behind:
            began = time.monotonic()
            self._prepare(organization)
            if self._ended.wait(REST * (time.monotonic() - began)):
                return
        if behind:
            log.info("organizations are prepared as stored", count=len(behind))

    def _prepare(self, organization: str) -> None:
        error = self._fault_of(organization)
        if error is None:
            self._complained.discard(organization)
        elif organization not in self._complained:
            log_error("an organization could not be prepared", error, (HubError,), organization=organization)
            self._complained.add(organization)

    def _fault_of(self, organization: str) -> Exception | None:
        """Prepare an organization; return what is wrong with it.

        Raises:
            Unavailable: the store can't be read.
        """
        try:
            self._upkeep.arbiter.prepare(organization)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - broken rows of one organization must not keep the others waiting
            return error
        return None
