"""The data plane on a real kernel: applied states exist, removed ones are gone, failed changes are undone."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from appliance.hub.errors import GivenUp, HubError, Occupied, RulesetError
from appliance.hub.kernel import namespace, nft
from appliance.hub.kernel.events import NamespaceEvent
from appliance.hub.kernel.netlink import Message
from appliance.hub.kernel.nft import Rulesets
from appliance.hub.kernel.sockets import NetfilterSockets
from appliance.hub.names import Names
from appliance.hub.plane import enforcement
from appliance.hub.plane.dataplane import DataPlane
from appliance.hub.plane.reconcile import Reconciler
from appliance.hub.ruleset import Compiler, Count, Ruleset
from appliance.hub.wireguard import Backend
from appliance.model.desired import Desired, Peer
from appliance.model.keys import new_key_pair
from appliance.model.policy import ANYONE, Action, Policy, Rule, Selector, SelectorKind
from tests.appliance.hub.ruled import compile_ruleset, listing
from tests.appliance.strategies import desired_states
from tests.properties import sharing_fixtures

KEYS = [new_key_pair().public for _ in range(5)]
DENY_ALL = Rule("x", Action.DENY, ANYONE, ANYONE)


def peer(number: int) -> Peer:
    return Peer(f"m{number}", new_key_pair().public, IPv4Address("10.100.0.2") + number)


def with_real_key(machine: Peer) -> Peer:
    """Returns a desired state with a real key, which a link accepts."""
    return replace(machine, public_key=KEYS[int(machine.id.removeprefix("m"))])


def in_force(names: Names, backend: Backend, desired: Desired) -> tuple[set[str], str]:
    """Returns the peers of the link, and the rules as the kernel lists them."""
    own = names.of(desired.organization)
    return set(backend.allowed(own, desired.hub_public_key, desired.port) or ()), listing(own.namespace)


def test_an_organization_exists_from_apply_to_remove(
    plane: DataPlane, names: Names, backend: Backend, desired: Desired
) -> None:
    machines = (peer(0), peer(1))
    plane.apply(replace(desired, peers=machines))
    peers, listing = in_force(names, backend, desired)
    assert peers == {machine.public_key for machine in machines}
    assert "policy drop" in listing
    assert plane.present() == (desired.organization,)
    plane.remove(desired.organization)
    assert plane.present() == ()
    assert plane.census() == ()
    assert names.of(desired.organization).namespace not in set(namespace.names())
    plane.remove(desired.organization)


def test_peers_are_added_and_removed_one_by_one(
    plane: DataPlane, names: Names, backend: Backend, desired: Desired
) -> None:
    one, two, three = peer(0), peer(1), peer(2)
    moved = replace(two, address=three.address)
    rotated = replace(moved, public_key=new_key_pair().public)
    for machines in ((one,), (one, two), (one, two, three), (two,), (moved,), (rotated,), ()):
        plane.apply(replace(desired, peers=machines))
        allowed = backend.allowed(names.of(desired.organization), desired.hub_public_key, desired.port)
        assert allowed == {machine.public_key: (f"{machine.address}/32",) for machine in machines}


@sharing_fixtures(25)
@given(
    histories=st.lists(desired_states(), min_size=2, max_size=4).map(lambda states: states * 3),
    # At once, never, and between two and three saves later.
    out_by_then_s=st.sampled_from([0.0, 1e9, 0.003]),
    waits_s=st.sampled_from([0.0, 0.01]),
)
def test_any_history_of_saves_is_made_of_small_changes(
    plane: DataPlane,
    names: Names,
    desired: Desired,
    monkeypatch: pytest.MonkeyPatch,
    histories: list[Desired],
    out_by_then_s: float,
    waits_s: float,
) -> None:
    """Runs random histories: no change meets an unexpected object, and nothing of an earlier state is left."""
    monkeypatch.setattr(enforcement, "OUT_BY_THEN_S", out_by_then_s)
    monkeypatch.setattr(enforcement, "WAITS_S", waits_s)
    own = names.of(desired.organization)
    states = [replace(desired, policy=each.policy, peers=tuple(map(with_real_key, each.peers))) for each in histories]
    plane.apply(states[0])
    loaded: list[str] = []
    load = Rulesets.load

    def spied(self: Rulesets, name: str, text: str) -> None:
        loaded.append(text)
        load(self, name, text)

    with monkeypatch.context() as patch:
        patch.setattr(Rulesets, "load", spied)
        for state in states:
            plane.apply(state)
            assert plane.heal(desired.organization, NamespaceEvent.RULES) is None
    assert not any(text.startswith("flush ruleset") for text in loaded)
    monkeypatch.setattr(enforcement, "OUT_BY_THEN_S", 0.0)
    monkeypatch.setattr(enforcement, "WAITS_S", 0.0)
    plane.heal(desired.organization, NamespaceEvent.RULES)
    assert nft.present(own.namespace).names == compile_ruleset(states[-1], own.link).names


def test_remains_of_some_saves_are_removed_together(
    plane: DataPlane, names: Names, desired: Desired, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten saves leave fewer removals than saves; the check after a pause leaves no remains."""
    monkeypatch.setattr(enforcement, "OUT_BY_THEN_S", 0.0)
    plane.apply(desired)
    removals: list[int] = []
    change = NetfilterSockets.change

    def spied(self: NetfilterSockets, name: str, messages: Sequence[Message]) -> None:
        removals.append(len(messages))
        change(self, name, messages)

    monkeypatch.setattr(NetfilterSockets, "change", spied)
    for number in range(10):
        rule = Rule(f"r{number}", Action.DENY, ANYONE, ANYONE, description=str(number))
        plane.apply(replace(desired, policy=Policy(Action.ALLOW, (rule,))))
    assert len(removals) <= 3
    monkeypatch.setattr(enforcement, "WAITS_S", 0.0)
    plane.apply(desired)
    plane.heal(desired.organization, NamespaceEvent.RULES)
    own = names.of(desired.organization)
    assert nft.present(own.namespace).names == compile_ruleset(desired, own.link).names


def test_a_lookup_added_again_before_its_cleanup_is_complete(
    plane: DataPlane, desired: Desired, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adds and removes a rule again and again, faster and slower than its remains are removed."""
    machines = (peer(0), peer(1))
    state = replace(desired, peers=machines)
    plane.apply(state)
    monkeypatch.setattr(Reconciler, "make_whole", lambda *_: pytest.fail("a change met something unexpected"))
    for out_by_then_s in (1e9, 0.0, 0.002):
        monkeypatch.setattr(enforcement, "OUT_BY_THEN_S", out_by_then_s)
        for number in range(12):
            rule = Rule(
                f"r{number}", Action.DENY, Selector(SelectorKind.MACHINE, "m0"), Selector(SelectorKind.MACHINE, "m1")
            )
            plane.apply(replace(state, policy=Policy(Action.ALLOW, (rule,))))
            plane.apply(state)


def test_a_refused_ruleset_leaves_the_one_before(
    plane: DataPlane, names: Names, backend: Backend, desired: Desired, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = replace(desired, peers=(peer(0),))
    plane.apply(old)
    before = in_force(names, backend, desired)

    compile_good = Compiler.compile

    def bad(self: Compiler, state: Desired, link: str) -> Ruleset:
        good = compile_good(self, state, link)
        return replace(good, chains={**good.chains, "more": ("goto nowhere",)}) if state.policy.rules else good

    monkeypatch.setattr(Compiler, "compile", bad)
    with pytest.raises(RulesetError), capture_logs() as logged:
        plane.apply(replace(old, peers=(*old.peers, peer(1)), policy=Policy(Action.ALLOW, (DENY_ALL,))))
    assert [(each["log_level"], each["event"]) for each in logged] == [
        ("error", "a change failed; the namespace is made whole")
    ]
    assert in_force(names, backend, desired) == before
    assert plane.organizations() == (desired.organization,)


def test_a_change_cancelled_at_the_last_moment_changes_nothing(
    plane: DataPlane, names: Names, backend: Backend, desired: Desired
) -> None:
    """Cancels the removal of a machine, which keeps its session, too."""
    old = replace(desired, peers=(peer(0), peer(1)))
    plane.apply(old)
    before = in_force(names, backend, desired)
    others = (
        replace(old, peers=(old.peers[0], peer(2)), policy=Policy(Action.DENY, (DENY_ALL,))),
        replace(old, policy=Policy(Action.DENY)),
        replace(old, peers=old.peers[:1]),
    )
    for after in others:
        met: list[set[str]] = []

        def give_up(met: list[set[str]] = met) -> None:
            met.append(in_force(names, backend, desired)[0])
            raise GivenUp("the caller is gone")

        with pytest.raises(GivenUp):
            plane.apply(after, give_up)
        assert met == [before[0]]
        assert in_force(names, backend, desired) == before
        assert plane.state(desired.organization) == old
        assert plane.organizations() == (desired.organization,)
    assert plane.heal(desired.organization) is None
    plane.apply(others[0])
    assert in_force(names, backend, desired)[0] == {each.public_key for each in others[0].peers}


def test_an_organization_cancelled_while_new_leaves_nothing(plane: DataPlane, desired: Desired) -> None:
    def give_up() -> None:
        raise GivenUp("the caller is gone")

    with pytest.raises(GivenUp):
        plane.apply(desired, give_up)
    assert plane.census() == ()
    assert plane.state(desired.organization) is None


def test_healing_does_not_wait_for_a_change(plane: DataPlane, desired: Desired) -> None:
    """Reports the organization as busy to the thread, which heals others, too."""
    plane.apply(desired)

    def look() -> None:
        with pytest.raises(Occupied):
            plane.heal(desired.organization)
        with pytest.raises(Occupied):
            plane.note_endpoints(desired.organization)

    plane.apply(replace(desired, peers=(peer(0),)), look)
    assert plane.heal(desired.organization) is None


def test_a_check_that_fails_unforeseen_tells_of_damage(
    plane: DataPlane, backend: Backend, desired: Desired, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise IndexError

    plane.apply(desired)
    with monkeypatch.context() as broken:
        broken.setattr(backend, "allowed", fail)
        with pytest.raises(IndexError):
            plane.heal(desired.organization)
    assert plane.organizations() == ()
    assert plane.heal(desired.organization) is None
    assert plane.organizations() == (desired.organization,)


def test_a_failed_build_leaves_nothing(plane: DataPlane, desired: Desired) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("", desired.port))
        with pytest.raises(HubError):
            plane.apply(desired)
    assert plane.census() == ()
    assert plane.organizations() == ()
    plane.apply(desired)


def test_a_new_process_adopts_the_old_one_s_organizations(
    plane: DataPlane, make_plane: Callable[..., DataPlane], names: Names, backend: Backend, desired: Desired
) -> None:
    state = replace(desired, peers=(peer(0), peer(1)), policy=Policy(Action.DENY))
    plane.apply(state)
    (before,) = plane.census()
    successor = make_plane()
    changed = replace(state, peers=(state.peers[0], peer(3)))
    successor.apply(changed)
    (after,) = successor.census()
    assert after == before
    assert in_force(names, backend, desired)[0] == {each.public_key for each in changed.peers}


def test_rules_of_a_release_with_other_hooks_are_replaced(
    plane: DataPlane,
    make_plane: Callable[..., DataPlane],
    names: Names,
    desired: Desired,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = compile_ruleset(desired, names.of(desired.organization).link)
    other = {**wanted.hooks, "transit": "type filter hook forward priority 10; policy accept;"}
    with monkeypatch.context() as patch:
        patch.setattr(Compiler, "compile", lambda *_: replace(wanted, hooks=other))
        plane.apply(desired)
    make_plane().apply(desired)
    assert nft.present(names.of(desired.organization).namespace).hooks == wanted.hooks


def test_tables_of_another_release_are_removed(
    plane: DataPlane,
    make_plane: Callable[..., DataPlane],
    names: Names,
    desired: Desired,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loading, own = Ruleset.loading, names.of(desired.organization)

    def with_a_second_table(self: Ruleset, counted: Mapping[str, Count] | None = None) -> tuple[str, ...]:
        *parts, last = loading(self, counted)
        return *parts, f"{last}add table ip older\n"

    with monkeypatch.context() as patch:
        patch.setattr(Ruleset, "loading", with_a_second_table)
        plane.apply(desired)
    assert len(nft.tables(own.namespace)) == 2
    make_plane().apply(desired)
    assert nft.tables(own.namespace) == ("inet mesh",)


def test_a_damaged_namespace_is_built_again(
    plane: DataPlane, make_plane: Callable[..., DataPlane], names: Names, backend: Backend, desired: Desired
) -> None:
    state = replace(desired, peers=(peer(0),))
    plane.apply(state)
    backend.remove(names.of(desired.organization))
    successor = make_plane()
    successor.apply(state)
    (found,) = successor.census()
    assert (found.links, found.port) == ((names.of(desired.organization).link,), desired.port)
    assert in_force(names, backend, desired)[0] == {state.peers[0].public_key}


def test_two_instances_share_a_host(make_plane: Callable[..., DataPlane], desired: Desired) -> None:
    planes = [make_plane(name) for name in ("aaa", "bbb")]
    for number, plane in enumerate(planes):
        plane.apply(replace(desired, port=desired.port + number))
    planes[0].remove(desired.organization)
    assert [len(plane.census()) for plane in planes] == [0, 1]


def test_rotations_do_not_fill_the_memory_of_disabled_machines(plane: DataPlane, desired: Desired) -> None:
    """Rotates many keys, which look like disabled machines; the latest thousand are kept."""
    machine = replace(desired, peers=(Peer("m2", new_key_pair().public, IPv4Address("10.100.0.2")),))
    earlier = {f"key-{number}": f"192.0.2.1:{number + 1}" for number in range(1_200)}
    plane.restore(machine, {machine.peers[0].public_key: "192.0.2.1:5", **earlier})
    for _ in range(2):
        assert plane.note_endpoints(desired.organization) == {machine.peers[0].public_key: "192.0.2.1:5"}
        kept = plane.endpoints()[desired.organization]
        assert set(kept) == {machine.peers[0].public_key, *list(earlier)[200:]}
