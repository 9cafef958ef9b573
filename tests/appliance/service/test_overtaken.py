"""A change that another process overtakes is prepared again, and looks at its condition again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from appliance.hub.errors import Overtaken
from appliance.model.errors import PreconditionFailed
from appliance.model.policy import ANYONE, Action, Policy, Rule
from appliance.service import Actor, Context, machines, organizations
from appliance.service import policy as policies
from appliance.service.queues import Queues
from tests.appliance.fakes import FakeHub

RULE = Rule("r", Action.DENY, ANYONE, ANYONE)
Change = Callable[[Context, Actor, str], Any]


@dataclass
class OvertakenHub(FakeHub):
    """A hub that somebody else's change reaches first, once.

    Attributes:
        first: the other change.
    """

    first: list[Callable[[], Any]] = field(default_factory=list)

    def apply(self, *arguments: Any, **more: Any) -> None:
        if self.first:
            self.first.pop()()
            raise Overtaken("another process was faster")
        super().apply(*arguments, **more)


@pytest.fixture
def hub() -> OvertakenHub:
    return OvertakenHub()


def change_the_machine(context: Context, actor: Actor, machine: str) -> None:
    machines.change(context, actor, machine, groups=["theirs"])


def change_the_policy(context: Context, actor: Actor, machine: str) -> None:
    del machine
    policies.save(context, actor, Policy(Action.DENY))


@pytest.mark.parametrize(
    ("wish", "other"),
    [
        (lambda c, a, _: policies.save(c, a, Policy(Action.ALLOW, (RULE,)), seen=[1]), change_the_policy),
        (lambda c, a, _: policies.add_rule(c, a, RULE, seen=[1]), change_the_policy),
        (
            lambda c, a, m: machines.change(c, a, m, groups=["mine"], seen=lambda each: each.groups == ()),
            change_the_machine,
        ),
        (lambda c, a, m: machines.remove(c, a, m, seen=lambda each: each.groups == ()), change_the_machine),
        (lambda c, a, m: machines.rotate(c, a, m, seen=lambda each: each.groups == ()), change_the_machine),
    ],
    ids=["policy", "rule", "machine", "removal", "rotation"],
)
def test_a_condition_holds_when_the_change_is_prepared_again(
    context: Context, hub: OvertakenHub, owner: Actor, wish: Change, other: Change
) -> None:
    machine = machines.add(context, owner, name="mumbai").machine.id
    # Another process has queues of its own.
    theirs = replace(context, queues=Queues())
    hub.first.append(lambda: other(theirs, owner, machine))
    with pytest.raises(PreconditionFailed):
        wish(context, owner, machine)
    assert hub.first == []
    before = organizations.trail(context, owner)[0][0]
    assert before.actor == owner.email
    other_s = ("theirs",) if other is change_the_machine else ()
    assert machines.get(context, owner, machine).machine.groups == other_s
