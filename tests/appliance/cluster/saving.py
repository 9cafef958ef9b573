"""A customer who saves without a pause while something happens to the database, with traffic through the tunnels."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from itertools import pairwise
from typing import Any

from netlab import UdpStream
from tests.appliance.cluster.up_hosts import HubHost, World
from tests.waiting import DEADLINE, wait_until

_PAUSE_S = 0.2
_FIRST_PORT = 20_000


@dataclass(frozen=True)
class Save:
    """A request for one more rule, with its answer.

    Attributes:
        text: description of the rule, which no other one has.
        asked, answered: times of `time.monotonic`.
        found: JSON of the answer.
    """

    text: str
    asked: float
    answered: float
    status: int
    headers: Message
    found: Any

    @property
    def is_done(self) -> bool:
        """True if it was answered as saved."""
        return self.status == HTTPStatus.CREATED


@dataclass
class Customer:
    """Saves, one after the other, by the pages of one host, and streams from the first machine.

    Attributes:
        allowed: to the second machine, as the policy allows.
        denied: to the third machine.
        saves: those that were answered, in order.
    """

    world: World
    hub: HubHost
    allowed: UdpStream
    denied: UdpStream
    saves: list[Save] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="customer")

    def start(self) -> None:
        """Begins to save."""
        self._thread.start()

    def end(self) -> None:
        """Makes no further save."""
        self._ended.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._ended.wait(_PAUSE_S):
            self.saves.append(self._save(len(self.saves)))

    def _save(self, number: int) -> Save:
        text, asked = f"save {number}", time.monotonic()
        rule = self._rule() | {"protocol": "tcp", "ports": str(_FIRST_PORT + number), "description": text}
        status, headers, found = self.world.call(self.hub, "POST", "/api/v1/policy/rules", rule)
        return Save(text, asked, time.monotonic(), status, headers, found)

    def _rule(self) -> dict[str, str]:
        one, other, *_ = self.world.ids
        return {"action": "allow", "source": f"machine:{one}", "destination": f"machine:{other}"}

    def confine(self) -> None:
        """Allows nothing else than the allowed stream."""
        wanted = {"default": "deny", "rules": [self._rule()]}
        assert self.world.call(self.hub, "PUT", "/api/v1/policy", wanted)[0] == HTTPStatus.OK

    def await_save(self) -> None:
        """Waits until a save is done that is asked for from now on."""
        now = time.monotonic()
        wait_until(lambda: any(each.is_done and each.asked > now for each in self.saves), self._tail)

    def _tail(self) -> str:
        return "\n".join([*(f"{each.status} {each.found}" for each in self.saves[-3:]), self.world.logs()[-4000:]])

    def tell(self, what: str) -> None:
        """Prints for how long no save was done, and what was answered meanwhile."""
        done = [each.answered for each in self.saves if each.is_done]
        gap = max(later - earlier for earlier, later in pairwise(done))
        refused, slowest = len(self.saves) - len(done), max(each.answered - each.asked for each in self.saves)
        print(f"{what}: no save is done for {gap:.1f} s, {refused} refused, the slowest answer after {slowest:.1f} s")

    def lost(self, begun: int) -> list[int]:
        """Returns the numbers of allowed packets that were sent since and never arrived; `begun` is a stream's mark."""
        ends = self.allowed.mark()
        self.allowed.wait_delivery(ends, DEADLINE)
        return self.allowed.lost_in(begun, ends)

    def judge(self) -> None:
        """Ends the saves; fails if a denied packet arrived, if a save is lost, or if one was refused improperly."""
        self.end()
        assert self.denied.sent_count > 0
        assert self.denied.received_count == 0
        for each in self.saves:
            if not each.is_done:
                assert each.status == HTTPStatus.SERVICE_UNAVAILABLE, each
                assert int(each.headers["Retry-After"]) > 0, each
        stored = {each["description"] for each in self.stored()}
        assert [each.text for each in self.saves if each.is_done and each.text not in stored] == []
        assert stored <= {"", *(each.text for each in self.saves)}
        # The stream that was judged arrives as soon as it may.
        assert self.world.call(self.hub, "PUT", "/api/v1/policy", {"default": "allow", "rules": []})[0] == HTTPStatus.OK
        self.denied.wait_delivery(self.denied.mark(), DEADLINE)

    def stored(self) -> list[Any]:
        """Returns the rules that the store has."""
        status, _, found = self.world.call(self.hub, "GET", "/api/v1/policy")
        assert status == HTTPStatus.OK, found
        rules: list[Any] = found["rules"]
        return rules


@contextmanager
def customer(world: World, hub: HubHost) -> Iterator[Customer]:
    """Signs a customer up, and has it save and send while the block runs, which begins after the first save.

    Args:
        hub: the host whose pages it uses.
    """
    world.sign_up(hub)
    wait_until(world.reaches, world.logs)
    made = Customer(world, hub, world.stream(), world.stream(2))
    made.confine()
    with made.allowed as allowed, made.denied:
        allowed.wait_delivery(allowed.mark(), DEADLINE)
        made.start()
        try:
            made.await_save()
            yield made
        finally:
            made.end()


@contextmanager
def undisturbed(world: World, hub: HubHost, what: str) -> Iterator[Customer]:
    """Has a customer whom the block disturbs: saves go on, no allowed packet is lost, and all else is judged, too.

    Args:
        hub: the host whose pages the customer uses.
        what: what the block does, in words.
    """
    with customer(world, hub) as made:
        begun = made.allowed.mark()
        yield made
        made.await_save()
        assert made.lost(begun) == []
        made.judge()
        made.tell(what)
