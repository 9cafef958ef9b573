"""A change whose caller gave up is not enforced, however late the hub finishes the call."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from appliance.hub.front_door import FrontDoor
from appliance.hub.names import Names
from appliance.hub.plane.change_scheduler import ChangeScheduler
from appliance.hub.rpc.callers import LOCAL
from appliance.hub.rpc.client import HubClient
from appliance.hub.rpc.messages import Status
from appliance.hub.rpc.server import Server
from appliance.hub.ruleset import Compiler, Ruleset
from appliance.hub.service import Hub
from appliance.hub.wireguard import Backend
from appliance.model.desired import Desired
from appliance.model.errors import NotEnforced
from appliance.model.policy import ANYONE, Action, Policy, Rule
from appliance.service import Actor, Context
from appliance.service import policy as policies
from appliance.store import Store, organizations
from tests.appliance.hub.plane.test_plane import in_force
from tests.appliance.sealed import ACME, OLD, opens

OWNER = Actor.operator(ACME)
compile_ruleset = Compiler.compile
DENIED = Policy(Action.DENY, (Rule("r1", Action.DENY, ANYONE, ANYONE),))


@dataclass
class Place:
    """A running hub on the real kernel, and a web process's side of it."""

    hub: Hub
    socket: Path
    context: Context
    names: Names
    backend: Backend

    def stored(self) -> Desired:
        with self.context.store.read() as transaction:
            found = organizations.desired(transaction, ACME)
        assert found is not None
        return found

    def in_force(self) -> tuple[set[str], str]:
        return in_force(self.names, self.backend, self.stored())

    def is_done(self) -> None:
        """Waits until the hub works at nothing of the organization any more."""
        with self.hub.turns.turn(ACME, LOCAL):
            pass


@pytest.fixture
def place(sealed: Store, names: Names, backend: Backend, tmp_path: Path) -> Iterator[Place]:
    hub = Hub(names, backend, FrontDoor(names, 51820), sealed, opens(sealed, OLD), tmp_path / "rules")
    hub.turns = ChangeScheduler(look_s=0.01)
    hub.upkeep.open()
    hub.upkeep.restore()
    server = Server(tmp_path / "sock", None, hub.answer, hub.upkeep.agreement.hurry)
    thread = threading.Thread(target=server.serve)
    thread.start()
    context = Context(sealed, HubClient(tmp_path / "sock"), "vpn.example.net:51820")
    yield Place(hub, tmp_path / "sock", context, names, backend)
    HubClient(tmp_path / "sock").tear_down()
    server.close()
    thread.join()
    hub.upkeep.close()


@pytest.mark.parametrize("moment", ["it waits for its turn", "its rules are compiled"])
def test_a_change_its_caller_gave_up_never_takes_effect(
    place: Place, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    before, stored = place.in_force(), place.stored()
    impatient = replace(place.context, hub=HubClient(place.socket, timeout_s=0.2))
    goes_on, compiled = threading.Event(), threading.Event()

    def compile_slowly(self: Compiler, desired: Desired, link: str) -> Ruleset:
        compiled.set()
        assert goes_on.wait(20)
        return compile_ruleset(self, desired, link)

    with monkeypatch.context() as patched, ExitStack() as held:
        if moment == "it waits for its turn":
            held.enter_context(place.hub.turns.turn(ACME, LOCAL))
        else:
            patched.setattr(Compiler, "compile", compile_slowly)
        with pytest.raises(NotEnforced):
            policies.save(impatient, OWNER, DENIED)
        assert compiled.is_set() == (moment == "its rules are compiled")
        goes_on.set()
    place.is_done()
    assert (place.in_force(), place.stored()) == (before, stored)
    # There was never a difference from the store that somebody had to settle.
    assert place.hub.answer(Status()).repairs == {}  # type: ignore[attr-defined]
    policies.save(place.context, OWNER, DENIED)
    assert place.stored().policy == DENIED
    assert place.in_force() != before
