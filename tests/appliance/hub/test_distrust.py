"""Calls with arbitrary content, made to a running hub: a refused call changes nothing on the host."""

from __future__ import annotations

import re
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from appliance.hub.front_door import FrontDoor
from appliance.hub.names import Names
from appliance.hub.rpc import codec, messages
from appliance.hub.rpc.server import Server
from appliance.hub.service import Hub
from appliance.hub.wireguard import Backend
from appliance.model.desired import Desired
from appliance.model.keys import new_key_pair
from appliance.model.organization import Machine
from appliance.store import Store, machines, organizations, times
from tests.appliance.sealed import ACME, OLD, opens
from tests.properties import sharing_fixtures
from tests.waiting import DEADLINE, wait_until

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.sampled_from([0, 53, 51820, 19_999, 32_768, -1, 2**32]),
    st.floats(),
    st.text(max_size=40),
    st.sampled_from(["", "a\n", "../../../x", 'r" drop; include "/etc/shadow', "0.0.0.0/0", "10.100.0.1", "a" * 5000]),
    st.binary(max_size=40),
    st.lists(st.integers(-(2**40), 2**40), max_size=3),
)


@dataclass
class Running:
    """A hub at work, and a way to send it bytes.

    Attributes:
        desired: the state of its one organization.
        revision: of the organization in the store.
    """

    hub: Hub
    names: Names
    path: Path
    desired: Desired
    revision: int

    def apply(self, desired: Any, **others: Any) -> messages.Done | messages.Failed:
        """Asks for a state as the web process would; returns the answer."""
        fields = {"organization": ACME, "base": self.revision, "revision": self.revision, **others}
        return self.ask(call_of(messages.Apply, desired=desired, **fields))

    def amend(self, difference: Any, **others: Any) -> messages.Done | messages.Failed:
        """Asks for a state by its difference from the one before; returns the answer."""
        fields = {"organization": ACME, "base": self.revision, "revision": self.revision, **others}
        return self.ask(call_of(messages.Amend, difference=difference, **fields))

    def ask(self, data: bytes) -> messages.Done | messages.Failed:
        """Sends a message as the web process would; returns the answer."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(DEADLINE)
            connection.connect(str(self.path))
            connection.sendall(struct.pack("!I", len(data)) + data)
            answer = codec.receive(connection)
        assert answer is not None
        found = codec.decode(answer, messages.Done | messages.Failed)
        assert isinstance(found, messages.Done | messages.Failed)
        return found

    def enforced(self) -> str:
        """Shows everything on the host that a call could change."""
        name = self.names.of(ACME).namespace
        looks = (
            ["nft", "--stateless", "list", "chain", "inet", self.names.door, "enter"],
            ["nft", "list", "set", "inet", self.names.door, "inner"],
            ["ip", "netns", "list"],
            ["ls", "/run/wireguard"],
        )
        # A new boringtun has its first sockets at a port that the kernel draws, where nothing is sent to.
        ports = "( sport < :32768 or sport = :51820 )"
        sockets = sorted(shown(["ss", "--udp", "--listening", "--numeric", "--no-header", ports]).splitlines())
        host = "".join((*map(shown, looks), *sockets))
        return host + in_force(shown(["ip", "netns", "exec", name, "nft", "--stateless", "list", "ruleset"]))


def shown(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def in_force(ruleset: str) -> str:
    """Lists the chains that packets can reach; unreachable ones are removed later."""
    chains = dict(re.findall(r"^\tchain (\S+) \{\n(.*?)^\t\}", ruleset, re.MULTILINE | re.DOTALL))
    met = [name for name, text in chains.items() if "type filter hook" in text]
    assert met
    for name in met:
        led_to = re.findall(r"(?:jump|goto) ([a-z0-9_]+)", chains[name])
        met += [each for each in dict.fromkeys(led_to) if each not in met]
    return "".join(f"{name}: {chains[name]}" for name in met)


def call_of(kind: type, **fields: Any) -> bytes:
    return msgspec.msgpack.encode({"call": {"type": kind.__name__, **fields}, "patience_s": 20.0})


@pytest.fixture
def running(sealed: Store, names: Names, backend: Backend, tmp_path: Path) -> Iterator[Running]:
    """Provides a hub that has restored its one organization."""
    hub = Hub(names, backend, FrontDoor(names, 51820), sealed, opens(sealed, OLD), tmp_path / "rules")
    hub.upkeep.open()
    hub.upkeep.restore()
    # It would put back what the store has, which these states are not.
    hub.upkeep.agreement.stop()
    server = Server(tmp_path / "sock", None, hub.answer)
    thread = threading.Thread(target=server.serve)
    thread.start()
    with sealed.read() as transaction:
        desired = organizations.desired(transaction, ACME)
        revision = organizations.revision(transaction, ACME)
    assert desired is not None
    assert revision is not None
    yield Running(hub, names, tmp_path / "sock", desired, revision)
    hub.answer(messages.TearDown())
    server.close()
    thread.join()
    hub.upkeep.close()


def places_in(value: Any) -> list[tuple[Any, ...]]:
    """Lists the paths to every value inside a nested one."""
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    else:
        return [()]
    return [()] + [(key, *rest) for key, each in inner for rest in places_in(each)]


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    head, *rest = path
    if isinstance(value, dict):
        return {**value, head: replaced(value[head], tuple(rest), by)}
    return [replaced(each, tuple(rest), by) if number == head else each for number, each in enumerate(value)]


def full_state(desired: Desired) -> Any:
    """Provides the state as it is sent, with a machine and a rule in it."""
    state = msgspec.msgpack.decode(codec.encode(desired))
    peer = {"id": "m2", "public_key": "A" * 42 + "E=", "address": "10.100.0.2", "groups": ["red"]}
    ends = {"source": {"kind": "any", "name": ""}, "destination": {"kind": "machine", "name": "m2"}}
    rule = {"id": "r2", "action": "deny", **ends, "protocol": "tcp", "ports": [{"first": 22, "last": 80}]}
    return {**state, "peers": [peer], "policy": {"default": "allow", "rules": [{**rule, "description": ""}]}}


def test_valid_states_are_enforced_and_invalid_ones_refused(running: Running) -> None:
    good = full_state(running.desired)
    assert isinstance(running.apply(good), messages.Done)
    before = running.enforced()
    places = places_in(good)

    @sharing_fixtures(60)
    @given(st.sampled_from(places), ODD)
    def try_one(place: tuple[Any, ...], odd: Any) -> None:
        # No state at all is a suspension's, which makes everything anew afterwards.
        assume(place or odd is not None)
        with capture_logs() as logs:
            answer = running.apply(replaced(good, place, odd))
        assert not [each for each in logs if each.get("exc_info")]
        if isinstance(answer, messages.Failed):
            assert running.enforced() == before
        else:
            # It was no other state than one that an organization can have.
            assert isinstance(running.apply(good), messages.Done)

    try_one()
    for field in ("organization", "base", "revision"):
        for odd in (None, -1, 2**63, "", "bcdfghjkm2", "../x", 7.5):
            assert isinstance(running.apply(good, **{field: odd}), messages.Failed)
    assert running.enforced() == before


def test_valid_differences_are_enforced_invalid_ones_refused(running: Running) -> None:
    state = full_state(running.desired)
    (rule,), (peer,) = state["policy"]["rules"], state["peers"]
    good = {"default": "deny", "rules_gone": [], "rules": [rule], "peers_gone": [], "peers": [peer]}
    assert msgspec.msgpack.decode(running.amend(good).answer) is True  # type: ignore[union-attr]
    back = {"default": "allow", "rules_gone": ["r2"], "rules": [], "peers_gone": ["m2"], "peers": []}
    places = places_in(good)

    @sharing_fixtures(40)
    @given(st.sampled_from(places), ODD)
    def try_one(place: tuple[Any, ...], odd: Any) -> None:
        assert isinstance(running.amend(back), messages.Done)
        # What it left behind may be tidied away meanwhile, so the kernel's rules are no measure here.
        before = running.hub.upkeep.plane.state(ACME)
        with capture_logs() as logs:
            answer = running.amend(replaced(good, place, odd))
        assert not [each for each in logs if each.get("exc_info")]
        if isinstance(answer, messages.Failed):
            assert running.hub.upkeep.plane.state(ACME) == before

    try_one()
    before = running.hub.upkeep.plane.state(ACME)
    # Of a state that the hub does not have, nothing is made.
    assert msgspec.msgpack.decode(running.amend(good, base=running.revision + 1).answer) is False  # type: ignore[union-attr]
    assert running.hub.upkeep.plane.state(ACME) == before


def test_a_policy_that_costs_too_much_is_refused(running: Running) -> None:
    state = full_state(running.desired)
    (rule,) = state["policy"]["rules"]
    ports = [{"first": 2 * port + 1, "last": 2 * port + 1} for port in range(500)]
    rules = [{**rule, "id": f"r{number}", "ports": ports} for number in range(41)]
    before = running.enforced()
    answer = running.apply({**state, "policy": {"default": "allow", "rules": rules}})
    assert isinstance(answer, messages.Failed)
    assert "needs 41000 look-ups of ends and ports; the limit is 40000" in answer.reason
    assert running.enforced() == before


def test_machines_and_rules_are_counted_before_they_cost(running: Running) -> None:
    """Sends more rules than any state has, which would cost too much as well, and more machines."""
    state, before = full_state(running.desired), running.enforced()
    (rule,), (peer,) = state["policy"]["rules"], state["peers"]
    rules = [{**rule, "id": f"r{number}"} for number in range(50_001)]
    for change, said in (
        ({"policy": {"default": "allow", "rules": rules}}, "50001 rules"),
        ({"peers": [{**peer, "id": f"m{number}"} for number in range(70_001)]}, "70001 machines"),
    ):
        answer = running.apply({**state, **change})
        assert isinstance(answer, messages.Failed)
        assert said in answer.reason
    assert running.enforced() == before


def test_other_calls_with_any_content_change_nothing(running: Running) -> None:
    before = running.enforced()
    kinds: dict[type, dict[str, Any]] = {
        messages.CreateKeys: {"organization": ACME},
        messages.CreateCodeSecret: {"organization": ACME, "member": "asha"},
        messages.MatchCode: {"organization": ACME, "member": "asha", "sealed": b"", "code": "123456", "at": 0.0},
        messages.FreePorts: {"candidates": [20_000], "most": 1},
        messages.Withdraw: {"organization": ACME, "revision": 2**40},
        messages.Confirm: {"organization": ACME, "revision": running.revision},
        messages.Remove: {"organization": "bcdfghjkm2"},
        messages.Peers: {"organization": ACME},
        messages.Counters: {"organization": ACME},
        messages.Census: {},
        messages.Status: {},
    }

    @sharing_fixtures(60)
    @given(st.sampled_from([(kind, field) for kind, fields in kinds.items() for field in (None, *fields)]), ODD)
    def try_one(chosen: tuple[type, str | None], odd: Any) -> None:
        kind, field = chosen
        fields = kinds[kind] if field is None else {**kinds[kind], field: odd}
        with capture_logs() as logs:
            running.ask(call_of(kind, **fields))
        assert not [each for each in logs if each.get("exc_info")]

    try_one()
    assert running.enforced() == before


@sharing_fixtures(60)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_call_are_refused(running: Running, data: bytes) -> None:
    with capture_logs() as logs:
        assert isinstance(running.ask(data), messages.Failed)
    assert not [each for each in logs if each.get("exc_info")]


def test_a_port_of_another_program_stays_usable(running: Running) -> None:
    good = full_state(running.desired)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
        resolver.bind(("", 20_123))
        before = running.enforced()
        for port in (53, 20_123):
            answer = running.apply({**good, "port": port})
            assert isinstance(answer, messages.Failed)
            assert running.enforced() == before


@pytest.mark.parametrize("where", ["nonsense", "192.0.2.1:99999", "192.0.2.1:1\nprivate_key=00"])
def test_an_invalid_endpoint_prevents_no_link_s_repair(
    sealed: Store, names: Names, backend: Backend, tmp_path: Path, where: str
) -> None:
    key = new_key_pair().public
    with sealed.write() as transaction:
        machines.create(
            transaction, ACME, Machine("m2", "mumbai", "mumbai", IPv4Address("10.100.0.2"), key, (), times.now())
        )
        machines.note_endpoints(transaction, ACME, {key: where})
    hub = Hub(names, backend, FrontDoor(names, 51820), sealed, opens(sealed, OLD), tmp_path / "rules")
    hub.upkeep.open()
    hub.upkeep.restore()
    try:
        for _ in range(2):
            assert hub.answer(messages.Peers(ACME))
            own = names.of(ACME)
            subprocess.run(["ip", "-netns", own.namespace, "link", "delete", own.link], check=True)
            wait_until(lambda: bool(hub.answer(messages.Status()).repairs.get("link")))  # type: ignore[attr-defined]
            hub.upkeep.repairs.clear()
    finally:
        hub.answer(messages.TearDown())
        hub.upkeep.close()
