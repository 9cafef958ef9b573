"""Processes are killed and power is cut at random times, and no answered change is lost."""

from __future__ import annotations

import random
from contextlib import nullcontext
from functools import partial

import pytest

from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive, Refuted
from harness.overlay.drawn import GROUPS, draw_rules, groups_of
from harness.overlay.tables import Tables
from harness.overlay.truth import PortProtocol
from harness.subject.disk import Disk
from harness.subject.service import Service
from harness.subject.syncs import watched
from harness.world.crashes import CrashCounts, KilledService, kill_idle_hub, kills, survive
from harness.world.customer import DEADLINE_S
from harness.world.damage import KILLED, REFUSED, REPORTED, WORKER_KILLED
from harness.world.organizations import of_token
from harness.world.policysaver import PolicySaver
from harness.world.proving import prove_policy, run_there
from harness.world.world import World

pytestmark = [pytest.mark.claim("self-healing"), pytest.mark.conditions(loss="none")]

KILLS = {"quick": 3, "full": 20}
CUTS = {"quick": 2, "full": 10}
NAMES = ("asha", "bela", "chand", "dev")
BETWEEN_GROUPS = {"action": "allow", "source": f"group:{GROUPS[0]}", "destination": f"group:{GROUPS[1]}"}
SERVICES = (PortProtocol("tcp", 22), PortProtocol("udp", 53))


@pytest.mark.announces(*REFUSED, *REPORTED, *KILLED, WORKER_KILLED)
def test_no_answered_change_is_lost(world: World, record: Record, profile: str) -> None:
    """Hub and web processes are killed under random changes of two customers, while a third saves policies with
    rules of every kind, and others sign up and leave. In the end, a hub is killed while nobody changes anything.

    Every answered change holds, and a refused one left the state before. A change without an answer was made as a whole
    or not at all, and made once when it is repeated with its key. Links and store agree in the end, and so do rules and
    policy: for all packets by proof, and by real ones.
    """
    service, deadline_s = world.subject.service, DEADLINE_S * world.patience
    chance = random.Random(f"saves {world.seed}")
    mesh = world.organization(record)
    machines = mesh.machines(*NAMES, groups=map(groups_of, range(len(NAMES))))
    saver = PolicySaver(mesh, machines, chance, deadline_s)
    killed = killed_service(service, deadline_s)
    counts = survive(killed, kills(killed, KILLS[profile], world.seed), world.seed, [saver.step])
    saver.conclude()
    record.proved(prove_policy(partial(of_token, mesh.api), run_there(service)).certificate)
    # What a chance's last policy has, a hub may leave out unseen; here no rule denies all that the first one allows.
    mesh.save("deny", [BETWEEN_GROUPS, *draw_rules(chance, [each.id for each in machines])])
    kill_idle_hub(killed)
    record.proved(prove_policy(partial(of_token, mesh.api), run_there(service)).certificate)
    counted = Tables(mesh, SERVICES, chance).check(machines)
    record.measure("policies saved", saver.done)
    record.measure("saves refused for the moment", saver.refused)
    record.measure("saves cut off", saver.cut_off)
    record.measure("probes in the end", counted.allowed + counted.denied)
    record.measure("processes killed", KILLS[profile] + 1)
    _measure(record, counts)


@pytest.mark.restarts
@pytest.mark.announces(*REFUSED, *REPORTED)
def test_a_power_cut_loses_no_answered_change(world: World, record: Record, profile: str) -> None:
    """All processes are killed at random times under random changes of customers, and writes without a sync are lost.

    At the first cut all of them are lost. The others come while a file is being synced, and each of its sectors is lost
    by chance. The service starts with what is left. Every answered change is there as a whole, a refused one left the
    state before, and one without an answer was made as a whole or not at all.

    A PostgreSQL has a disk of its own, whose power is not cut: then any moment will do for the others.
    """
    service, deadline_s = world.subject.service, DEADLINE_S * world.patience
    chance, cuts, lost = random.Random(f"sectors {world.seed}"), CUTS[profile], []
    service.crash()
    disk = Disk(service.data)
    watched(service.start, disk.on_sync)

    def cut(number: int) -> None:
        # With its store elsewhere, the service syncs nothing after its start.
        with disk.in_a_sync(deadline_s) if number and not service.options.has_postgresql else nullcontext():
            service.crash()
        with record.control("the service synced files before its power was cut"):
            assert disk.syncs
        lost.append(disk.cut(chance if number else None))
        try:
            if number + 1 < cuts:
                watched(service.start, disk.on_sync)
            else:
                # Not watched, because it goes on for other scenarios.
                service.start()
        except Inconclusive as error:
            raise Refuted(str(error)) from error

    killed = killed_service(service, deadline_s)
    try:
        counts = survive(killed, [partial(cut, number) for number in range(cuts)], world.seed, name="power")
    except Refuted as error:
        if not lost:
            raise
        raise Refuted(f"after a power cut: {error}") from error
    record.measure("power cuts", cuts)
    record.measure("files with lost writes", sum(lost))
    record.measure("syncs of files", disk.syncs)
    _measure(record, counts)


def _measure(record: Record, counts: CrashCounts) -> None:
    record.measure("changes answered", counts.done)
    record.measure("changes refused for the moment", counts.refused)
    record.measure("changes cut off", counts.cut_off)
    record.measure("reported as done when repeated", counts.confirmed)


def killed_service(service: Service, deadline_s: float) -> KilledService:
    """Returns access to the service's own host."""

    def peers(namespace: str, link: str) -> frozenset[str]:
        shown = service.host.run("ip", "netns", "exec", namespace, "wg", "show", link, "peers")
        return frozenset(shown.stdout.split())

    return KilledService(service.api, service.children, lambda: service.census().values(), peers, deadline_s)
