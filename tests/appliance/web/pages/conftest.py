"""A site with a fake hub, and its visitors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import bottle
import pytest

from appliance.model.ids import new_id
from appliance.model.keys import new_key_pair
from appliance.model.organization import Machine, Member, Plan, Role
from appliance.service import Actor, accounts, machines, organizations, passwords
from appliance.service import policy as policies
from appliance.service.observed import ObservedMachine
from appliance.store import machines as store_machines
from appliance.store import people, times
from appliance.store.policies import SavedPolicy
from appliance.web.request import COOKIE
from appliance.web.site import Site
from tests.appliance.members import PASSWORD
from tests.appliance.web.pages.visitor import Visitor


@pytest.fixture
def stranger(app: bottle.Bottle) -> Visitor:
    return Visitor(app)


@pytest.fixture
def owner(app: bottle.Bottle) -> Visitor:
    visitor = Visitor(app)
    visitor.sign_up()
    return visitor


@pytest.fixture
def actor(site: Site, owner: Visitor) -> Actor:
    """Signs the owner in as a caller of use cases, on the paid plan."""
    found = accounts.actor_of(site.context, owner.cookies[COOKIE])
    organizations.change(site.context, found, plan=Plan.PAID.value)
    return found


@pytest.fixture
def saved(site: Site, owner: Visitor) -> Callable[[], SavedPolicy]:
    """Returns a function that loads the policy as the store has it."""
    actor = accounts.actor_of(site.context, owner.cookies[COOKIE])
    return lambda: policies.get(site.context, actor)


@pytest.fixture
def add(site: Site, actor: Actor) -> Callable[..., str]:
    """Returns a function that adds a machine, and returns its id."""
    return lambda name, *groups: machines.add(site.context, actor, name=name, groups=groups).machine.id


@pytest.fixture
def pair(site: Site, owner: Visitor) -> tuple[str, str]:
    """Provides the ids of two machines, mumbai and pune."""
    owner.add_machine("mumbai", groups="office")
    owner.add_machine("pune")
    actor = accounts.actor_of(site.context, owner.cookies[COOKIE])
    first, second = (each.machine.id for each in machines.page(site.context, actor)[0])
    return first, second


@pytest.fixture
def add_many(site: Site, actor: Actor, add: Callable[..., str]) -> Callable[[Mapping[str, str]], list[str]]:
    """Returns a function that adds machines by their names and groups, and returns their ids.

    Only the last one is added by the use case, which takes ten times as long as storing them.
    """

    def add_all(group_of: Mapping[str, str]) -> list[str]:
        *most, last = group_of
        first = organizations.get(site.context, actor).network.network_address + 256
        made = [
            Machine(new_id(), name, f"stored-{n}", first + n, new_key_pair().public, (group_of[name],), times.now())
            for n, name in enumerate(most)
        ]
        with site.context.store.write() as transaction:
            for machine in made:
                store_machines.create(transaction, actor.organization_id, machine)
        site.context.states.forget(actor.organization_id)
        return [*(machine.id for machine in made), add(last, group_of[last])]

    return add_all


@pytest.fixture
def colleague(app: bottle.Bottle, site: Site, owner: Visitor) -> Callable[[Role], Visitor]:
    """Returns a function that signs in another member of the owner's organization, in a given role."""

    def join(role: Role) -> Visitor:
        organization = accounts.actor_of(site.context, owner.cookies[COOKIE]).organization_id
        email = f"{role.value}@example.net"
        with site.context.store.write() as transaction:
            member = Member(new_id(), organization, email, passwords.hash_password(PASSWORD), role)
            people.create(transaction, member, times.now())
        visitor = Visitor(app)
        assert visitor.log_in(email).status == 303
        return visitor

    return join


@pytest.fixture
def seen(site: Site, actor: Actor) -> Callable[[], Sequence[ObservedMachine]]:
    """Lists the organization's machines."""
    return lambda: machines.page(site.context, actor)[0]
