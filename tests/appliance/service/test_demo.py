"""The demonstration's organization, and the state of its lab."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from appliance.model import demo as model
from appliance.model.errors import Invalid, NotEnforced, NotFound
from appliance.model.ids import new_organization_id
from appliance.model.policy import Action
from appliance.service import Context, accounts, demo
from appliance.service.demo_lab import FRESH_S, DemoLab, StreamReading
from appliance.store import organizations, overview
from tests.appliance.clocks import Clock
from tests.appliance.fakes import FakeHub
from tests.appliance.members import PASSWORD

FIRST = model.STREAMS[0].rule


def test_it_has_machines_rules_and_no_member(context: Context, hub: FakeHub) -> None:
    issued = demo.found(context)
    assert tuple(each.machine.name for each in issued) == model.MACHINES
    enforced = hub.enforced[model.ORGANIZATION]
    assert {peer.id for peer in enforced.peers} == {each.machine.id for each in issued}
    assert enforced.policy.default is Action.DENY
    assert [rule.id for rule in enforced.policy.rules] == [stream.rule for stream in model.STREAMS]
    with context.store.read() as transaction:
        assert [line.members for line in overview.summaries(transaction)] == [0]


def test_no_drawn_id_can_be_its_id() -> None:
    drawn = {letter for _ in range(200) for letter in new_organization_id()}
    assert not set(model.ORGANIZATION) <= drawn
    assert len(new_organization_id()) == len(model.ORGANIZATION)


def test_a_flip_changes_one_rule_s_action_and_no_more(context: Context, hub: FakeHub) -> None:
    demo.found(context)
    before = {rule.id: rule for rule in hub.enforced[model.ORGANIZATION].policy.rules}
    assert demo.flip(context, FIRST, "deny") is not None
    after = {rule.id: rule for rule in hub.enforced[model.ORGANIZATION].policy.rules}
    assert after == before | {FIRST: replace(before[FIRST], action=Action.DENY)}
    assert demo.actions(context)[FIRST] is Action.DENY


def test_a_flip_to_what_is_already_so_writes_nothing(context: Context, hub: FakeHub) -> None:
    demo.found(context)
    applied = hub.applications
    assert demo.flip(context, FIRST, "allow") is None
    assert hub.applications == applied


def test_only_listed_rules_and_actions_can_be_flipped(context: Context) -> None:
    with pytest.raises(NotFound):
        demo.flip(context, FIRST, "deny")
    demo.found(context)
    with pytest.raises(NotFound):
        demo.flip(context, "someone-elses", "deny")
    with pytest.raises(Invalid):
        demo.flip(context, FIRST, "remove")


def test_founding_replaces_what_an_earlier_one_has_left(context: Context, hub: FakeHub) -> None:
    demo.found(context)
    demo.flip(context, FIRST, "deny")
    demo.found(context)
    assert set(demo.actions(context).values()) == {Action.ALLOW}
    assert list(hub.enforced) == [model.ORGANIZATION]


def test_a_founding_that_fails_leaves_nothing(context: Context, hub: FakeHub) -> None:
    hub.refuses = True
    with pytest.raises(NotEnforced):
        demo.found(context)
    hub.refuses = False
    with context.store.read() as transaction:
        assert organizations.names(transaction) == {}


def test_removal_leaves_others_and_can_be_repeated(context: Context, hub: FakeHub) -> None:
    demo.found(context)
    _, other = accounts.sign_up(context, email="a@example.net", password=PASSWORD, organization="acme")
    demo.remove(context)
    demo.remove(context)
    assert list(hub.enforced) == [other.id]
    with context.store.read() as transaction:
        assert list(organizations.names(transaction)) == [other.id]


def test_a_start_forgets_what_a_killed_service_has_left(context: Context) -> None:
    demo.found(context)
    demo.forget(context.store)
    with context.store.read() as transaction:
        assert organizations.names(transaction) == {}


def test_a_lab_s_state_is_believed_only_while_fresh(tmp_path: Path) -> None:
    clock = Clock(10**12)
    lab = DemoLab(tmp_path / "demo.json", clock)
    assert lab.look() is None
    lab.publish({"database": "10.100.0.4"}, [StreamReading(10, clock.now)])
    state = lab.look()
    assert state is not None
    assert (state.addresses, state.streams) == ({"database": "10.100.0.4"}, [StreamReading(10, clock.now)])
    clock.now += int(FRESH_S * 1e9)
    assert lab.look() is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"at_ns": 1, "addresses": {}, "streams": "x"}'])
def test_a_damaged_state_is_no_state(tmp_path: Path, content: bytes) -> None:
    lab = DemoLab(tmp_path / "demo.json", Clock(10**12))
    assert lab.path is not None
    lab.path.write_bytes(content)
    assert lab.look() is None
    lab.withdraw()
    assert not lab.path.exists()


def test_a_stream_goes_while_packets_arrive() -> None:
    reading = StreamReading(10, 5 * 10**9)
    assert reading.is_going(5 * 10**9)
    assert not reading.is_going(6 * 10**9)
