"""A hub starts over rules that are not those of its store: of an earlier or a later policy, or of an older release."""

from __future__ import annotations

import json
import random
import secrets
from functools import partial

import httpx
import pytest

from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.overlay.drawn import defaults, draw_rules, groups_of
from harness.overlay.machine import Machine
from harness.overlay.mesh import Mesh, rule_between
from harness.overlay.tables import Tables
from harness.overlay.truth import PortProtocol
from harness.proof.replay.restoring import replacing, restored
from harness.subject.backups import back_up, restore
from harness.subject.service import Service
from harness.world.damage import REPORTED
from harness.world.organizations import Unavailable, of_operator, of_token
from harness.world.person import accept, invitation
from harness.world.proving import Failure, namespace_of, prove_policies, prove_policy, run_there
from harness.world.startingover import (
    DIFFER,
    compiled_afresh,
    contents,
    crash_without_rules,
    require_like,
    rules_of,
)
from harness.world.world import PASSWORD, World
from netlab import wg_quick

pytestmark = [
    pytest.mark.claim("self-healing"),
    pytest.mark.conditions(loss="none"),
    pytest.mark.restarts,
    pytest.mark.announces(*REPORTED),
]

NAMES = ("asha", "bela", "chand", "dev")
SILENCE_S = 2.0
SERVICES = (PortProtocol("tcp", 22), PortProtocol("udp", 53))
RELEASES = {"quick": ("other-frame", "open-port"), "full": ("other-frame", "open-port", "other-layout", "open-port")}


def test_a_hub_that_starts_over_older_rules_replaces_them(world: World, record: Record) -> None:
    """All processes are killed. Before they start again, the kernel gets the rules of an earlier policy, as if root had
    loaded them. What is then in force is the policy that the store has: for all packets by proof, and by real ones.
    """
    service, chance = world.subject.service, random.Random(f"older rules {world.seed}")
    mesh, machines = _organization(world, record)
    identity = mesh.organization["id"]
    # Half of the earlier policy's rules stay, so that its counters do, and look like the newer policy's.
    rules, kept = draw_rules(chance, [each.id for each in machines]), []
    for default, number in zip(defaults(chance, 2), (len(rules), len(rules) // 2), strict=True):
        mesh.save(default, rules[:number])
        kept.append(rules_of(service, identity))
    older, newer = kept
    fresh = compiled_afresh(service, [identity])
    service.crash()
    commands = replacing(restored(older.listing, older.parsed()[0]))
    run = ("ip", "netns", "exec", namespace_of(identity, run_there(service)), "nft", "--json", "--file", "-")
    service.host.run(*run, input=json.dumps(commands))
    with record.control("the kernel has the older rules before the start"):
        found, *both = (contents(each) for each in (rules_of(service, identity), older, newer))
        assert found == both[0] != both[1]
    service.start()
    _judge(service, mesh, record)
    require_like(service, fresh, world.patience)
    _probe(record, mesh, machines, chance)


def test_a_restored_store_is_in_force_as_it_was(world: World, record: Record) -> None:
    """The store is backed up. Then a policy changes, a machine is removed, another gets a new key, an organization is
    deleted, and one signs up. All processes are killed, the backup is restored, and the hub starts over later rules.

    In force is what the backup has, in every organization: for all packets by proof, rule by rule as a fresh compile
    makes it, and by real packets of machines with their old configurations. What came later is gone. A machine that was
    disabled still is, and links of the backup's day open nothing.
    """
    service, chance = world.subject.service, random.Random(f"restore {world.seed}")
    owners = [f"{secrets.token_hex(6)}@example.net" for _ in range(3)]
    mesh, machines = _organization(world, record, owners[0])
    other, deleted = (world.organization(record, email=each) for each in owners[1:])
    meshes = {mesh: machines, other: other.machines("esha", "firoz"), deleted: deleted.machines("gita", "hari")}
    rules, (default, later) = draw_rules(chance, [each.id for each in machines]), defaults(chance, 2)
    mesh.save(default, rules)
    for each in (other, deleted):
        each.save("deny", [rule_between("allow", *meshes[each])])
    identity = mesh.organization["id"]
    idle = other.machine("idle")
    other.api.call("PATCH", f"/machines/{idle.id}", {"enabled": False})
    link = invitation(other.api, f"{secrets.token_hex(6)}@example.net", "owner")
    fresh = compiled_afresh(service, [each.organization["id"] for each in meshes])
    said = [of_token(each.api) for each in meshes]
    backup = back_up(service)
    # The later policy has all rules of the earlier one, and so has its counters.
    mesh.save(later, [*rules, rule_between("deny", *machines[:2], protocol="tcp")])
    removed, rotated = meshes[other]
    _change_keys(other, removed, rotated, record)
    deleted.api.call("DELETE", "/organization", {"confirm": deleted.organization["name"]})
    latecomer = world.organization(record)
    service.crash()
    with record.control("the kernel has later rules before the start"):
        assert contents(rules_of(service, identity)) != fresh[identity]
    listed = restore(service, backup)
    unnamed = [each.name for each in meshes[other] if each.name not in listed]
    record.none_of("machines that the restore does not name", unnamed, "machines come back, and nobody is told")
    service.start()
    for each, owner in zip(meshes, owners, strict=True):
        _sign_in_again(each, owner)
    if (found := [of_token(each.api) for each in meshes]) != said:
        raise Refuted(f"the restored store says something else than the backup: {found}, not {said}")
    # Its former tunnel would be silent until it notices that its session has ended.
    idle.tunnel.down()
    with wg_quick(idle.host, idle.config, "mesh.conf"):
        if idle.host.ping(other.hub_address, timeout=SILENCE_S):
            raise Refuted("a machine that was disabled has a tunnel after the restore of the store")
    _judge_all(service, record)
    require_like(service, fresh, world.patience)
    if accept(other.api, link).status == httpx.codes.CREATED:
        raise Refuted("an invitation's link outlived the restore of the store")
    if _is_there(service, latecomer):
        raise Refuted("an organization that signed up after the backup is still on the hub's host")
    mesh.default, mesh.rules = default, tuple(rules)
    for each, members in meshes.items():
        _probe(record, each, members if each is mesh else [_reconnected(each, one) for one in members], chance)


def test_an_older_compiler_s_rules_are_replaced_at_a_start(world: World, record: Record, profile: str) -> None:
    """An older release of the hub starts, whose compiler lays rules out in another way, hooks them elsewhere, or has an
    error. It is killed, and today's release starts over the rules that it loaded and noted.

    In force is the policy: for all packets by proof, rule by rule as a fresh compile makes it, and by real packets.
    """
    service, chance = world.subject.service, random.Random(f"older compiler {world.seed}")
    mesh, machines = _organization(world, record)
    identity = mesh.organization["id"]
    # Under a denying default, each error of an older release that lets packets pass shows.
    mesh.save("deny", draw_rules(chance, [each.id for each in machines]))
    fresh = compiled_afresh(service, [identity])
    for number, release in enumerate(RELEASES[profile], 1):
        # The older release finds no rules, like after a boot, and makes its own.
        crash_without_rules(service, [identity])
        service.start(release=release)
        with record.control("the kernel has the older release's rules before the start"):
            assert contents(rules_of(service, identity)) != fresh[identity]
        service.crash()
        # Of the last start, other scenarios meet the service.
        service.start(is_forked=number < len(RELEASES[profile]))
        _judge(service, mesh, record)
        require_like(service, fresh, world.patience)
        _probe(record, mesh, machines, chance)
    record.measure("older releases", len(RELEASES[profile]))


def _change_keys(mesh: Mesh, removed: Machine, rotated: Machine, record: Record) -> None:
    """Removes a machine, and gives another one a new key."""
    mesh.api.call("DELETE", f"/machines/{removed.id}")
    renewed = mesh.api.call("POST", f"/machines/{rotated.id}/rotate", {}).body
    rotated.tunnel.down()
    with record.control("a machine with a new key connects by it, before the restore"):
        mesh.bring_up(rotated.name, renewed, host=rotated.host)


def _organization(world: World, record: Record, owner: str | None = None) -> tuple[Mesh, list[Machine]]:
    mesh = world.organization(record, email=owner)
    return mesh, mesh.machines(*NAMES, groups=map(groups_of, range(len(NAMES))))


def _judge(service: Service, mesh: Mesh, record: Record) -> None:
    record.proved(prove_policy(partial(of_token, mesh.api), run_there(service)).certificate)


def _judge_all(service: Service, record: Record) -> None:
    """Proves the policy of each organization that the operator's command names, those of other scenarios too."""

    def operate(words: list[str]) -> str:
        _, _, _, *command = words
        return service.operate(*command, failure="there are no policies")

    proven = 0
    for found in prove_policies(partial(of_operator, operate), run_there(service)):
        if isinstance(found, Failure):
            raise Refuted(f"{DIFFER}: {found.organization.name}: {found.reason}")
        record.proved(found.certificate)
        proven += 1
    record.measure("organizations", proven)


def _probe(record: Record, mesh: Mesh, machines: list[Machine], chance: random.Random) -> None:
    counted = Tables(mesh, SERVICES, chance).check(machines)
    record.none_of("probes without their fate in the end", (), "", of=counted.allowed + counted.denied)


def _sign_in_again(mesh: Mesh, owner: str) -> None:
    """Logs in with the password of the backup's day; earlier sessions have ended."""
    if mesh.api.send("GET", "/organization").status != 401:
        raise Refuted("a session outlived the restore of the store")
    mesh.api.token = None
    mesh.api.token = mesh.api.call("POST", "/sessions", {"email": owner, "password": PASSWORD}).body["token"]


def _reconnected(mesh: Mesh, machine: Machine) -> Machine:
    """Brings a machine's tunnel up again, with the configuration that it got before the backup."""
    machine.tunnel.down()
    answer = {"machine": {"id": machine.id, "address": machine.address}, "config": machine.config}
    return mesh.bring_up(machine.name, answer, machine.groups, host=machine.host)


def _is_there(service: Service, mesh: Mesh) -> bool:
    try:
        return bool(namespace_of(mesh.organization["id"], run_there(service)))
    except Unavailable:
        return False
