"""One check of an organization repairs what it finds, and leaves alone what is intact."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from appliance.hub.findings import Damage, DamagedPart
from appliance.hub.kernel import routing
from appliance.hub.kernel.events import NamespaceEvent
from appliance.hub.names import KernelNames, Names
from appliance.hub.plane.dataplane import DataPlane
from appliance.hub.wireguard import Backend, uapi
from appliance.model.desired import Desired, Peer
from appliance.model.policy import Action, Policy
from tests.appliance.hub.observed import seen, shell


def test_a_save_after_damage_is_enforced(plane: DataPlane, names: Names, state: Desired) -> None:
    """Damages a plane without healing: the save itself has to notice."""
    plane.apply(state)
    own = names.of(state.organization)
    shell(f"ip netns exec {own.namespace} nft flush ruleset; ip -n {own.namespace} link del {own.link}")
    plane.apply(replace(state, peers=state.peers[:1], policy=Policy(Action.DENY)))
    assert plane.heal(state.organization) is None
    assert "goto clear" not in shell(f"ip netns exec {own.namespace} nft list chain inet mesh judge")


def test_a_namespace_replaced_during_a_check_is_repaired(
    plane: DataPlane, names: Names, backend: Backend, state: Desired, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replaces the namespace between the steps of a check."""
    plane.apply(state)
    before = seen(names, backend, state)
    place = names.of(state.organization).namespace
    look = routing.remove_strangers

    def replaced(own: KernelNames) -> tuple[Damage, ...]:
        monkeypatch.setattr(routing, "remove_strangers", look)
        shell(f"ip netns del {place}; ip netns add {place}")
        return look(own)

    monkeypatch.setattr(routing, "remove_strangers", replaced)
    repair = plane.heal(state.organization)
    assert repair is not None
    assert seen(names, backend, state) == before
    # It is in the namespace that is the organization's still, and has its port: another one could not be made.
    assert DamagedPart.LINK not in {finding.part for finding in repair.found}


def test_a_machine_added_again_has_its_endpoint_at_once(
    plane: DataPlane, names: Names, backend: Backend, state: Desired, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sends packets meanwhile: without an endpoint, WireGuard would wait five seconds for the next handshake."""
    own = names.of(state.organization)
    plane.restore(state, {state.peers[0].public_key: "192.0.2.77:40404"})
    shell(f"ip netns exec {own.namespace} wg set {own.link} peer {state.peers[0].public_key} remove")
    monkeypatch.setattr(type(backend), "start_handshakes", lambda *_: None)
    assert plane.heal(state.organization) is not None
    assert {status.endpoint for status in backend.peers(own)} == {"192.0.2.77:40404", ""}


def test_only_handshakes_that_may_be_lost_are_begun_again(
    plane: DataPlane, backend: Backend, state: Desired, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leaves the others alone: a new handshake ends one in progress, and machines refuse two close together."""
    first, second = (peer.public_key for peer in state.peers)
    before = time.monotonic()
    plane.restore(state, {first: "192.0.2.77:40404"})
    changed: list[set[str]] = []
    change = type(backend).change

    def noted(
        self: Any, own: KernelNames, add: Iterable[Peer], remove: Iterable[str], endpoints: Mapping[str, str]
    ) -> None:
        changed.append(set(remove))
        change(self, own, add, remove, endpoints)

    monkeypatch.setattr(type(backend), "change", noted)
    plane.call_machines(state.organization, before)
    assert changed == []
    until = time.monotonic()
    for _ in range(2):
        plane.call_machines(state.organization, until)
        # Of the other one nobody knows where it is.
        assert changed == [{first}]
    assert {each.public_key: each.endpoint for each in plane.peers(state.organization)} == {
        first: "192.0.2.77:40404",
        second: "",
    }


def test_a_check_reads_the_link_once(
    plane: DataPlane, backend: Backend, state: Desired, monkeypatch: pytest.MonkeyPatch
) -> None:
    if backend.name == "kernel":
        pytest.skip("a process is asked, and takes as much time for an answer as the hub")
    plane.apply(state)
    reads: list[str] = []
    read = uapi.get_device

    def noted(link: str) -> uapi.Device:
        reads.append(link)
        return read(link)

    monkeypatch.setattr(uapi, "get_device", noted)
    assert plane.heal(state.organization) is None
    assert len(reads) == 1


def test_an_intact_organization_is_left_alone(plane: DataPlane, state: Desired) -> None:
    plane.apply(state)
    for _ in range(3):
        plane.apply(replace(state, policy=Policy(Action.DENY)))
        plane.apply(state)
        assert plane.heal(state.organization, NamespaceEvent.RULES) is None
        assert plane.heal(state.organization) is None


def test_a_restarted_hub_finds_damage_made_while_it_was_down(
    make_plane: Callable[..., DataPlane], names: Names, state: Desired
) -> None:
    make_plane().apply(state)
    own = names.of(state.organization)
    listing = shell(f"ip netns exec {own.namespace} nft list ruleset")
    shell(f"ip netns exec {own.namespace} nft insert rule inet mesh gate meta mark set 1 accept")
    make_plane().restore(state, {})
    assert shell(f"ip netns exec {own.namespace} nft list ruleset") == listing
