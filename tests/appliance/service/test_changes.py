"""A change is both stored and enforced, or neither."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest
from sqlalchemy import Connection, func, select
from structlog.testing import capture_logs

from appliance.hub.errors import Crowded, HubError
from appliance.model.errors import Invalid, NotEnforced, Refused, TooMany, Unavailable
from appliance.model.organization import Plan
from appliance.model.policy import ANYONE, Action, Policy, Protocol, Rule, Selector, SelectorKind
from appliance.model.port_ranges import parse_ports
from appliance.service import Actor, Context, accounts, deletion, invitations, machines, organizations
from appliance.service import policy as policies
from appliance.service.states import States
from appliance.store import audit, schema, shards
from appliance.store import organizations as stored
from appliance.store.shards import Fence, Fenced, Shard
from tests.appliance.fakes import FakeHub
from tests.appliance.members import PASSWORD

RULE = Rule("r", Action.DENY, ANYONE, ANYONE)


def everything(context: Context) -> dict[str, int]:
    """Counts the rows of each table."""
    with context.store.read() as transaction:
        return {
            table.name: transaction.execute(select(func.count()).select_from(table)).scalar_one()
            for table in schema.metadata.sorted_tables
        }


@dataclass
class Wish:
    """A requested change."""

    name: str
    ask: Callable[[Context, Actor, str], Any]

    def __str__(self) -> str:
        return self.name


WISHES = [
    Wish("add", lambda w, a, _: machines.add(w, a, name="another")),
    Wish("regroup", lambda w, a, m: machines.change(w, a, m, groups=["red"])),
    Wish("rotate", lambda w, a, m: machines.rotate(w, a, m)),
    Wish("remove", lambda w, a, m: machines.remove(w, a, m)),
    Wish("save", lambda w, a, _: policies.save(w, a, Policy(Action.DENY, (RULE,)))),
    Wish("add rule", lambda w, a, _: policies.add_rule(w, a, RULE)),
    Wish("delete", lambda w, a, _: deletion.delete(w, a, confirm="acme-networks")),
    Wish(
        "sign up",
        lambda w, *_: accounts.sign_up(w, email="b@example.net", password=PASSWORD, organization="bolt"),
    ),
]

INVITE = Wish("invite", lambda w, a, _: invitations.invite(w, a, email="ravi@example.net", role="viewer"))


@pytest.mark.parametrize("wish", WISHES, ids=str)
def test_a_refusal_by_the_data_plane_leaves_the_store_unchanged(
    wish: Wish, context: Context, hub: FakeHub, owner: Actor
) -> None:
    machine = machines.add(context, owner, name="first").machine.id
    before, enforced = everything(context), dict(hub.enforced)
    hub.refuses = True
    with pytest.raises(NotEnforced):
        wish.ask(context, owner, machine)
    assert everything(context) == before
    assert hub.enforced == enforced


@pytest.mark.parametrize("wish", WISHES[:-1], ids=str)
def test_a_refusal_by_the_store_is_undone_in_the_data_plane(
    wish: Wish, context: Context, hub: FakeHub, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = machines.add(context, owner, name="first").machine.id
    before, enforced = everything(context), dict(hub.enforced)
    _break_commit(context, monkeypatch)
    with pytest.raises(OSError, match="disk full"):
        wish.ask(context, owner, machine)
    monkeypatch.undo()
    assert everything(context) == before
    assert hub.enforced == enforced


@pytest.mark.parametrize("wish", [*WISHES[:-2], INVITE], ids=str)
def test_a_change_whose_entry_is_refused_is_not_made(
    wish: Wish, context: Context, hub: FakeHub, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry in the audit trail belongs to the transaction of its change."""
    machine = machines.add(context, owner, name="first").machine.id
    before, enforced = everything(context), dict(hub.enforced)

    def record(*_: object) -> int:
        raise OSError("disk full")

    monkeypatch.setattr(audit, "record", record)
    with pytest.raises(OSError, match="disk full"):
        wish.ask(context, owner, machine)
    assert everything(context) == before
    assert hub.enforced == enforced


@pytest.mark.parametrize("wish", WISHES[:-2], ids=str)
def test_an_answered_change_is_in_force_and_in_the_trail(
    wish: Wish, context: Context, hub: FakeHub, owner: Actor
) -> None:
    machine = machines.add(context, owner, name="first").machine.id
    entries = len(organizations.trail(context, owner)[0])
    wish.ask(context, owner, machine)
    with context.store.read() as transaction:
        assert hub.enforced[owner.organization_id] == stored.desired(transaction, owner.organization_id)
    assert len(organizations.trail(context, owner)[0]) == entries + 1


def test_groups_that_overlap_in_too_many_ways_are_refused(
    context: Context, hub: FakeHub, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    organizations.change(context, owner, plan="paid")
    for number in range(8):
        machines.add(
            context, owner, name=f"m{number}", groups=["all", *(f"g{bit}" for bit in range(3) if number >> bit & 1)]
        )
    ends = [Selector(SelectorKind.GROUP, name) for name in ("all", "g0", "g1", "g2")]
    many = tuple(Rule(f"r{at}", Action.DENY, ends[0], end) for at, end in enumerate(ends))
    # Eight machines at both ends; eight classes in all, four in each of the others: 8 x 8 and three times 8 x 4.
    set_most(monkeypatch, 16 + 159)
    before = everything(context), dict(hub.enforced)
    with pytest.raises(
        Invalid, match=r"needs 176 look-ups .* limit is 175\. The rule to deny group:all.* needs the most of them, 64"
    ):
        policies.save(context, owner, Policy(Action.ALLOW, many))
    assert (everything(context), hub.enforced) == before
    set_most(monkeypatch, 176)
    policies.save(context, owner, Policy(Action.ALLOW, many))
    with pytest.raises(Invalid, match="needs 178 look-ups"):
        machines.add(context, owner, name="m8", groups=["all", "g0"])
    set_most(monkeypatch, 178)
    added = machines.add(context, owner, name="m8", groups=["all", "g0"]).machine.id
    with pytest.raises(Invalid, match="needs 186 look-ups"):
        machines.change(context, owner, added, groups=["g0"])


def test_the_free_plan_allows_smaller_policies_only(context: Context, hub: FakeHub, owner: Actor) -> None:
    """Refuses a switch to a plan that is too small, and additions to a policy that is too large; accepts less."""
    ports = parse_ports(",".join(str(2 * port + 1) for port in range(100)))
    large = Policy(
        Action.ALLOW, tuple(Rule(f"r{at}", Action.DENY, ANYONE, ANYONE, Protocol.TCP, ports) for at in range(21))
    )
    with pytest.raises(Invalid, match="needs 4200 look-ups of ends and ports; the limit is 4000"):
        policies.save(context, owner, large)
    organizations.change(context, owner, plan="paid")
    policies.save(context, owner, large)
    with pytest.raises(Invalid, match="limit is 4000"):
        organizations.change(context, owner, plan="free")
    organizations.change(context, owner, name="still on the paid plan")
    with context.store.write() as transaction:
        stored.change(transaction, owner.organization_id, name="a", plan=Plan.FREE)
    machines.add(context, owner, name="another")
    with pytest.raises(Invalid, match="limit is 4000"):
        policies.add_rule(context, owner, Rule("more", Action.DENY, ANYONE, ANYONE))
    policies.remove_rule(context, owner, policies.get(context, owner).policy.rules[0].id)
    assert hub.enforced[owner.organization_id].elements == 4000


def test_a_policy_is_cached_where_saved_and_read_elsewhere(context: Context, owner: Actor) -> None:
    policies.add_rule(context, owner, Rule("r", Action.DENY, ANYONE, ANYONE))
    saved = policies.get(context, owner)
    assert policies.latest(context, owner) == (saved.version, saved.policy)
    elsewhere = replace(context, states=States())
    assert policies.latest(elsewhere, owner) == (saved.version, None)
    assert policies.get(elsewhere, owner) == saved


def set_most(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Sets another bound for the paid plan."""
    monkeypatch.setattr(Plan, "element_limit", property(lambda _: most))


def test_a_change_beyond_the_hub_s_share_is_refused_as_a_whole(
    context: Context, hub: FakeHub, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise Crowded("That is more than your share.", retry_after=7)

    before = everything(context)
    monkeypatch.setattr(hub, "apply", refuse)
    with pytest.raises(TooMany, match="your share") as refused:
        policies.save(context, owner, Policy(Action.DENY))
    assert refused.value.retry_after == 7
    assert everything(context) == before


def test_changes_are_refused_while_the_hub_is_gone(
    context: Context, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: str) -> None:
        raise HubError("gone")

    monkeypatch.setattr(hub, "create_keys", gone)
    with pytest.raises(NotEnforced):
        accounts.sign_up(context, email="b@example.net", password=PASSWORD, organization="b")
    assert not any(everything(context).values())


def test_a_change_enforced_by_a_former_owner_is_taken_back(context: Context, hub: FakeHub, owner: Actor) -> None:
    shard, former = Shard("xyz", "192.0.2.1", 51820), Fence("xyz", 7)
    with context.store.write() as transaction:
        shards.create(transaction, shard)
        shards.begin(transaction, former)
    hub.writes_for = former
    policies.save(context, owner, Policy(Action.DENY, ()))
    before, enforced = everything(context), dict(hub.enforced)
    with context.store.write() as transaction:
        shards.begin(transaction, Fence("xyz", 8))
    with capture_logs() as logged, pytest.raises(Fenced) as refusal:
        policies.save(context, owner, Policy(Action.ALLOW, ()))
    # What became of the shard is another host's doing.
    assert [(each["log_level"], each["event"]) for each in logged] == [("warning", "a change is taken back")]
    assert refusal.value.retry_after
    assert (everything(context), hub.enforced) == (before, enforced)
    # A change that no hub has to enforce needs no owner.
    organizations.change(context, owner, name="another name")
    hub.writes_for = Fence("xyz", 8)
    policies.save(context, owner, Policy(Action.ALLOW, ()))


def test_an_interrupted_sign_up_is_forgotten(context: Context, owner: Actor) -> None:
    before = everything(context)
    with context.store.write() as transaction:
        transaction.execute(schema.organizations.update().values(active=False))
    accounts.forget_unfinished(context)
    assert before["organizations"] == 1
    assert not any(everything(context).values())
    with pytest.raises(Refused):
        organizations.get(context, owner)


def _break_commit(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    write = context.store.write

    class Broken:
        def __init__(self) -> None:
            self._inner = write()

        def __enter__(self) -> Connection:
            return self._inner.__enter__()

        def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
            if error is None:
                full = OSError("disk full")
                self._inner.__exit__(OSError, full, None)
                raise full
            self._inner.__exit__(kind, error, trace)

    monkeypatch.setattr(context.store, "write", Broken)


class LostHub(FakeHub):
    """Stand-in for a hub whose owner can't be found any more."""

    def withdraw(self, organization: str, revision: int) -> None:
        """Takes nothing back."""
        del organization, revision
        raise Unavailable("The store can't be asked who owns the hub.")


def test_a_commit_of_unknown_outcome_is_told_as_such(
    context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = LostHub(enforced=dict(cast(FakeHub, context.hub).enforced), writes_for=Fence("xyz", 7))

    def check(*_: object) -> None:
        raise Unavailable("Look whether it was done.")

    monkeypatch.setattr(shards, "check", check)
    with capture_logs() as logged, pytest.raises(Unavailable, match="Look whether it was done"):
        policies.save(replace(context, hub=lost), owner, Policy(Action.DENY, (RULE,)))
    assert [(each["log_level"], each["event"]) for each in logged] == [
        ("error", "a change is taken back"),
        ("error", "a change can't be taken back yet"),
    ]
