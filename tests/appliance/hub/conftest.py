"""A data plane on the real kernel, in the sandbox that the tests run in."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

import pytest

from appliance.hub.names import Names
from appliance.hub.plane import DataPlane
from appliance.hub.wireguard import Backend, choose
from appliance.model.desired import Desired
from appliance.model.ids import new_instance_id, new_organization_id
from appliance.model.keys import new_key_pair
from netlab import sandbox


@pytest.fixture(scope="session")
def backend() -> Backend:
    """What `--wireguard auto` finds on this host."""
    if not sandbox.inside():
        pytest.fail("tests of the data plane run in a sandbox: use `./meshwg test --only unit`")
    return choose("auto")


@pytest.fixture
def names() -> Names:
    """A new instance."""
    return Names(new_instance_id())


@pytest.fixture
def keys() -> dict[str, str]:
    """Private keys by organization."""
    return {}


@pytest.fixture
def plane(names: Names, backend: Backend, keys: dict[str, str]) -> Iterator[DataPlane]:
    """An empty data plane; whatever is in it at the end is removed."""
    made = DataPlane(names, backend, lambda desired: keys[desired.organization])
    yield made
    for footprint in made.census():
        made.remove(footprint.organization)


@pytest.fixture
def desired(keys: dict[str, str]) -> Desired:
    """An organization without machines."""
    pair, organization = new_key_pair(), new_organization_id()
    keys[organization] = pair.private
    return Desired(organization, IPv4Network("10.100.0.0/16"), 51820, pair.public, b"", b"")
