"""Small measurements of the bench on a live service."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.bench import changes, density, load, onboarding, population, recovery, restarts, starts, sustained
from harness.bench.beside import Measured
from harness.client.api import ApiError
from harness.world.world import World

# What they measure is measured by a bench itself; the plan, its ratios and targets are tested without a service.
pytestmark = pytest.mark.full


def quiet(text: str) -> None:
    """Ignores messages about progress."""
    del text


def namespaces(world: World) -> int:
    """Returns the number of organizations that the hub's host carries."""
    return len(world.subject.lab_host.run("ip", "netns", "list").stdout.splitlines())


def figures(found: Measured) -> tuple[float, float]:
    """Returns both figures of a row: the service's, and what stands beside it."""
    mine, beside = found.baseline.split(" beside ")[:2]
    return float(mine.split()[0]), float(beside.split()[0])


# The first test: it needs the only organization.
def test_repairing_a_link_takes_longer_than_repairing_rules(world: World) -> None:
    found = recovery.measure(world, 1, quiet)
    assert figures(found["recovery-rules"])[0] < figures(found["recovery-link"])[0]
    # No link is created again and completes a handshake in less, and none is made by wg-quick in less.
    assert min(figures(found["recovery-link"])) > 10.0


def test_a_population_is_signed_up_and_removed(world: World) -> None:
    before = namespaces(world)
    tenants = population.sign_up(world.subject.service, "few", 3, 3)
    assert namespaces(world) == before + 3
    assert [len(tenant.machines) for tenant in tenants] == [3, 3, 3]
    with pytest.raises(ApiError):
        population.sign_up(world.subject.service, "few", 1, 0)
    population.remove(world.subject.service, tenants)
    assert namespaces(world) == before


def test_density_measures_throughput_and_memory(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(density, "SETTLED_S", 0.0)
    before = namespaces(world)
    found = density.measure(world, 4, 1, 1, quiet)
    assert found["throughput-1000-organizations"].value > 0.2
    assert "4 organizations" in found["throughput-1000-organizations"].baseline
    # Hub and web may give back more than three organizations take, but their WireGuard processes are there.
    told = re.search(r"3 WireGuard processes ([\d.]+) MB each", found["idle-organization"].baseline)
    assert told is not None
    assert min(float(told[1]), figures(found["idle-organization"])[1]) > 1.0
    assert namespaces(world) == before + 1


def test_organizations_get_a_working_mesh_and_leave_no_client(world: World) -> None:
    found = sustained.measure(world, 4, quiet)
    with_clients, without = figures(found["onboarding-rate"])
    assert 0 < with_clients < without
    assert found["signup-rate"].value > 0
    assert figures(found["onboarding-p95"])[0] < 10.0
    assert "4 organizations, 0 errors" in found["onboarding-rate"].baseline
    clients = [host for name, host in world.lab.hosts.items() if name.startswith(("first-", "second-"))]
    assert clients
    for host in clients:
        assert [link for link in host.addresses() if link.startswith("10.100.")] == []


def test_saves_at_a_fixed_rate_are_all_answered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "RATE", 10)
    found = load.measure(world, 3, 2, quiet)
    assert "20 saves over 3 organizations" in found["save-p99-loaded"].baseline


def test_both_processes_are_started_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restarts, "STEADY_S", 1.0)
    before = world.subject.service.children()
    found = restarts.measure(world, 2, 1, quiet)
    assert before.isdisjoint(world.subject.service.children())
    assert found["restart-loss"].spread is not None
    assert "SIGKILL" in found["restart-loss"].baseline
    away, bare = figures(found["save-again"])
    assert away > bare > 0


def test_changes_stand_beside_reads_of_the_policy(world: World) -> None:
    found = changes.measure(world, 20, 20, 5, quiet)
    assert len(found["save-median"].turns) == 10
    assert found["save-p99"].value > 0
    assert found["late-packets"].value == 0
    assert len(found["machine-add"].turns) == 5


def test_a_first_ping_stands_beside_that_of_a_bare_hub(world: World) -> None:
    found = onboarding.measure(world, 1, quiet)["first-ping"]
    assert min(figures(found)) > 1.0


# The last tests: they stop the service.
def test_starts_stand_beside_a_bare_python(world: World) -> None:
    found = starts.measure(world, 1, quiet)
    # A command loads a Python, too.
    assert all(each.value > 1 for each in found.values())
    assert list(found) == ["start-help", "start-status", "start-census", "start-up"]


def test_a_crash_leaves_the_data_plane_and_a_start_adopts_it(world: World) -> None:
    there = namespaces(world)
    assert there > 0
    world.subject.service.crash()
    assert namespaces(world) == there
    assert world.subject.service.children() == set()
    world.subject.service.start()
    assert namespaces(world) == there
    assert "MeshWG is up" in world.subject.service.log_text()
    assert Path(world.subject.service.certificate).exists()


def test_a_service_left_stopped_is_started_for_the_next_scenario(world: World) -> None:
    processes = world.subject.service.children()
    world.subject.ensure_running()
    assert world.subject.service.children() == processes
    world.subject.service.crash()
    world.subject.ensure_running()
    assert world.subject.service.is_ready()
    world.subject.service.stop()
    world.subject.ensure_running()
    assert world.subject.service.is_ready()
