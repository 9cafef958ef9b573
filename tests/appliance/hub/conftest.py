"""Fixtures of a data plane on the real kernel, in the sandbox that the tests run in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from appliance.hub.kernel.events import OnEvent, Watcher
from appliance.hub.kernel.generation import Ledger
from appliance.hub.names import Names
from appliance.hub.plane.dataplane import DataPlane
from appliance.hub.wireguard import Backend, choose
from appliance.model.desired import Desired
from appliance.model.ids import new_organization_id
from appliance.model.keys import new_key_pair
from appliance.store import Store
from tests.appliance.hub.ruled import Kernel
from tests.appliance.hub.wire import Wire
from tests.appliance.sealed import sealed_store
from tests.sandboxes import need_sandbox


@pytest.fixture(scope="session")
def backend(pytestconfig: pytest.Config) -> Backend:
    """The implementation that `--hub-wireguard` names; if it names none, the first that this host has."""
    need_sandbox()
    return choose(pytestconfig.getoption("--hub-wireguard"))


@pytest.fixture
def sealed(tmp_path: Path) -> Store:
    """Provides a store that the old secret opens, with an organization in it."""
    return sealed_store(tmp_path)


@pytest.fixture
def keys() -> dict[str, str]:
    """Provides private keys by organization."""
    return {}


@pytest.fixture
def make_plane(
    names: Names, backend: Backend, keys: dict[str, str], ledger: Ledger
) -> Iterator[Callable[..., DataPlane]]:
    """Makes data planes of this instance, one for each simulated process, and removes all of them at the end."""
    with ExitStack() as stack:

        def make(name: str = names.instance, on_event: OnEvent = lambda _organization, _change: None) -> DataPlane:
            watcher = stack.enter_context(closing(Watcher(on_event)))
            made = DataPlane(Names(name), backend, lambda desired: keys[desired.organization], ledger, watcher)
            stack.callback(_end, made)
            return made

        yield make


def _end(plane: DataPlane) -> None:
    for found in plane.census():
        plane.remove(found.organization)


@pytest.fixture
def plane(make_plane: Callable[..., DataPlane]) -> DataPlane:
    """An empty data plane."""
    return make_plane()


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Ledger that later hubs of the same boot read."""
    return Ledger(tmp_path / "rules")


@pytest.fixture
def desired(keys: dict[str, str]) -> Desired:
    """An organization without machines."""
    pair, organization = new_key_pair(), new_organization_id()
    keys[organization] = pair.private
    return Desired(organization, IPv4Network("10.100.0.0/16"), 51820, pair.public, b"", b"")


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    """Watcher that ignores all events."""
    with closing(Watcher(lambda _organization, _change: None)) as made:
        yield made


@pytest.fixture
def wire(backend: Backend, names: Names) -> Iterator[Wire]:
    """A namespace with a link and no rules yet."""
    del backend
    with closing(Wire(names.of("bbbbbbbbbb"))) as made:
        yield made


@pytest.fixture
def kernel(wire: Wire) -> Iterator[Kernel]:
    """Rules in a namespace with a link."""
    with closing(Kernel(wire)) as made:
        yield made
