"""Last endpoints of machines, in the store."""

from __future__ import annotations

from ipaddress import IPv4Address

from appliance.model.keys import new_key_pair
from appliance.model.organization import Machine
from appliance.service import Actor, Context
from appliance.store import Store, machines, times
from tests.appliance.conftest import sign_up

_KEY = new_key_pair().public


def test_a_key_in_two_organizations_has_an_endpoint_in_each(context: Context, store: Store, owner: Actor) -> None:
    """Adds a machine with another organization's public key, which is no secret: its endpoint stays unknown."""
    first, second = owner.organization_id, sign_up(context, "other@example.net").organization_id
    with store.write() as transaction:
        for organization, name in ((first, "m2"), (second, "m3")):
            machine = Machine(name, "mumbai", "mumbai", IPv4Address("10.100.0.2"), _KEY, (), times.now())
            machines.create(transaction, organization, machine)
        machines.note_endpoints(transaction, first, {_KEY: "192.0.2.1:40000"})
    with store.read() as transaction:
        assert machines.endpoints(transaction, first) == {_KEY: "192.0.2.1:40000"}
        assert machines.endpoints(transaction, second) == {}
    with store.write() as transaction:
        machines.note_endpoints(transaction, second, {_KEY: "192.0.2.2:40000"})
    with store.read() as transaction:
        assert machines.endpoints(transaction, first) == {_KEY: "192.0.2.1:40000"}
        assert machines.endpoints(transaction, second) == {_KEY: "192.0.2.2:40000"}
