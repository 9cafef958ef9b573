"""The census finds every object of its instance by name, in whatever state, and none of another instance."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.hub.host_objects import HostObjects
from appliance.hub.kernel import namespace
from appliance.hub.kernel.events import Watcher
from appliance.hub.kernel.generation import Ledger
from appliance.hub.names import Names
from appliance.hub.plane.dataplane import DataPlane
from appliance.hub.rpc.codec import decode, encode
from appliance.hub.wireguard import Backend, processes, uapi
from appliance.hub.wireguard.kernel import Kernel
from appliance.model.desired import Desired
from appliance.model.ids import new_organization_id
from tests.waiting import wait_until


@pytest.fixture
def userspace_only(backend: Backend) -> None:
    """Skips the test if the kernel has WireGuard: these cases do not exist there."""
    if backend.name == "kernel":
        pytest.skip("the kernel's WireGuard has no process")


def test_the_census_lists_all_parts_of_an_organization(
    plane: DataPlane, names: Names, backend: Backend, desired: Desired
) -> None:
    plane.apply(desired)
    place = names.of(desired.organization)
    (found,) = plane.census()
    assert (found.organization, found.namespace, found.links) == (desired.organization, place.namespace, (place.link,))
    assert found.tables == ("inet mesh",)
    assert found.port == desired.port
    if backend.name == "kernel":
        assert (found.process, found.socket) == (None, None)
    else:
        assert found.process is not None
        assert place.link in Path(f"/proc/{found.process}/cmdline").read_text()
        assert found.socket == str(uapi.path_of(place.link))
    assert decode(encode([found]), list[HostObjects]) == [found]


@pytest.mark.usefixtures("userspace_only")
def test_the_census_finds_what_a_killed_process_left(plane: DataPlane, names: Names, desired: Desired) -> None:
    plane.apply(desired)
    (before,) = plane.census()
    assert before.process is not None
    os.kill(before.process, signal.SIGKILL)
    place = names.of(desired.organization)
    # The link goes with the process's last file descriptor.
    while plane.census()[0].links:
        os.sched_yield()
    (found,) = plane.census()
    assert found == replace(before, links=(), process=None, port=None)
    plane.remove(desired.organization)
    assert plane.census() == ()
    assert not uapi.path_of(place.link).exists()


def test_a_name_without_a_namespace_is_found_and_removed(plane: DataPlane, names: Names, backend: Backend) -> None:
    """Leaves a plain file, as a failed mount does."""
    del backend
    organization = new_organization_id()
    place = names.of(organization)
    namespace.create(place.namespace)
    namespace.remove(place.namespace)
    (namespace.FOLDER / place.namespace).touch()
    assert plane.census() == (HostObjects(organization, namespace=place.namespace),)
    plane.remove(organization)
    assert plane.census() == ()


@pytest.fixture
def stray_socket(names: Names) -> Iterator[str]:
    """Provides a control socket without a process, and its organization."""
    organization = new_organization_id()
    path = uapi.path_of(names.of(organization).link)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    yield organization
    path.unlink(missing_ok=True)


@pytest.mark.parametrize("implementation", ["chosen", "kernel"])
def test_a_stray_socket_is_found_and_removed_by_any_backend(
    names: Names, backend: Backend, ledger: Ledger, watcher: Watcher, stray_socket: str, implementation: str
) -> None:
    """Removes the socket of one implementation with another, as after a change of `--wireguard`."""
    plane = DataPlane(names, Kernel() if implementation == "kernel" else backend, lambda _: "", ledger, watcher)
    (found,) = plane.census()
    assert (found.organization, found.socket) == (stray_socket, str(uapi.path_of(names.of(stray_socket).link)))
    plane.remove(stray_socket)
    assert plane.census() == ()


@pytest.mark.usefixtures("userspace_only")
def test_the_kernel_s_backend_ends_userspace_processes(
    plane: DataPlane, names: Names, desired: Desired, ledger: Ledger, watcher: Watcher
) -> None:
    plane.apply(desired)
    (before,) = plane.census()
    DataPlane(names, Kernel(), lambda _: "", ledger, watcher).remove(desired.organization)
    # A process whose link is gone ends by itself.
    wait_until(lambda: plane.census() == ())
    assert before.process not in processes.by_link().values()


def test_another_instance_s_objects_are_not_listed(
    backend: Backend, desired: Desired, keys: dict[str, str], ledger: Ledger, watcher: Watcher
) -> None:
    theirs = DataPlane(Names("bbb"), backend, lambda each: keys[each.organization], ledger, watcher)
    ours = DataPlane(Names("aaa"), backend, lambda _: "", ledger, watcher)
    try:
        theirs.apply(desired)
        assert ours.census() == ()
        assert ours.present() == ()
        assert len(theirs.census()) == 1
    finally:
        theirs.remove(desired.organization)
