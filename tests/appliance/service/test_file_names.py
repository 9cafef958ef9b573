"""File names of an organization's machines: all different, and kept for as long as the machine's name."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from itertools import islice

import pytest
from sqlalchemy import text

from appliance.model.errors import Conflict
from appliance.model.file_names import interface_names
from appliance.model.organization import Machine
from appliance.service import Actor, Context, machines, organizations
from appliance.store import Store, migration, times
from appliance.store import machines as stored
from tests.appliance import valid_files
from tests.appliance.conftest import sign_up
from tests.appliance.databases import on_sqlite
from tests.appliance.postgres import Cluster

ALIKE = (
    "branch-office-mumbai",
    "branch-office-mumbai-1",
    "branch-office-mumbai-2",
    "Branch-Office-Mumbai-2",
    "branch_office_mumbai",
    "x" * 254,
    "x" * 255,
    "X" * 255,
    "zurich",
    "Zürich",
    "ZURICH",
    "zurich-2",
    "मुंबई-1",
    "पुणे-1",
    "con",
    "wg-con",
    "Con",
)


@pytest.fixture
def paying(context: Context, owner: Actor) -> Actor:
    organizations.change(context, owner, plan="paid")
    return owner


def files(context: Context, actor: Actor) -> dict[str, str]:
    """Returns the file names by the ids of their machines."""
    return {each.machine.id: each.machine.file_name for each in machines.page(context, actor)[0]}


def assert_different(found: dict[str, str]) -> None:
    for file in found.values():
        valid_files.check(file.removesuffix(".conf"))
    assert len({file.lower() for file in found.values()}) == len(found)


def test_machines_named_alike_have_different_files(context: Context, paying: Actor) -> None:
    made = {name: machines.add(context, paying, name=name).machine for name in ALIKE}
    found = files(context, paying)
    assert_different(found)
    assert found == {machine.id: machine.file_name for machine in made.values()}
    assert [made[name].file_name for name in ("zurich", "Zürich", "ZURICH")] == [
        "zurich.conf", "zurich-2.conf", "zurich-3.conf",
    ]  # fmt: skip


def test_a_file_name_stays_while_other_machines_change(context: Context, paying: Actor) -> None:
    first, second, third = (machines.add(context, paying, name=name).machine for name in ("Mumbai", "mumbai", "MUMBAI"))
    before = files(context, paying)
    machines.remove(context, paying, first.id)
    machines.rotate(context, paying, second.id)
    machines.change(context, paying, third.id, groups=["office"])
    machines.change(context, paying, third.id, name="MUMBAI")
    machines.add(context, paying, name="Mumbai")
    after = files(context, paying)
    assert after[second.id] == before[second.id] == "mumbai-2.conf"
    assert after[third.id] == before[third.id] == "mumbai-3.conf"
    assert_different(after)


def test_a_renamed_machine_gets_another_file_name(context: Context, paying: Actor) -> None:
    machines.add(context, paying, name="pune")
    machine = machines.add(context, paying, name="mumbai").machine
    assert machines.change(context, paying, machine.id, name="PUNE").machine.file_name == "pune-2.conf"
    assert machines.change(context, paying, machine.id, name="Delhi").machine.file_name == "delhi.conf"
    # Its own present one is not in its way.
    assert machines.change(context, paying, machine.id, name="DELHI").machine.file_name == "delhi.conf"


def test_file_names_of_two_organizations_may_be_equal(context: Context, owner: Actor) -> None:
    other = sign_up(context, "other@example.net")
    for actor in (owner, other):
        assert machines.add(context, actor, name="mumbai").machine.file_name == "mumbai.conf"


def test_file_names_remain_once_every_readable_one_is_taken(context: Context, paying: Actor) -> None:
    for name in islice(interface_names("mumbai"), 40):
        machines.add(context, paying, name=name)
    machines.add(context, paying, name="Mumbai")
    assert_different(files(context, paying))


def test_machines_added_at_once_have_different_files(context: Context, paying: Actor) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: machines.add(context, paying, name="mumbai" + "." * number), range(24)))
    found = files(context, paying)
    assert len(found) == 24
    assert_different(found)


def test_the_database_refuses_two_equal_file_names(context: Context, owner: Actor) -> None:
    present = machines.add(context, owner, name="mumbai").machine
    other = Machine("m2", "MUMBAI", present.interface, IPv4Address("10.100.0.9"), "k", (), times.now())
    with pytest.raises(Conflict, match=r"has the file mumbai\.conf"), context.store.write() as transaction:
        stored.create(transaction, owner.organization_id, other)


_ORGANIZATION = (
    "INSERT INTO organizations (id, name, network, port, hub_public_key, sealed_data_key, sealed_private_key, plan, "
    "policy_default, policy_version, active, created_at) "
    "VALUES (:id, 'o', '10.0.0.0/8', :port, :id, 'k', 'k', 'free', 'allow', 1, true, 0)"
)
_MACHINE = (
    "INSERT INTO machines (id, organization_id, name, address, public_key, groups, created_at) "
    "VALUES (:id, :organization, :name, :number, :id, '[]', :number)"
)


@on_sqlite
def test_a_migration_names_the_files_in_order_of_creation(database: str) -> None:
    assert_upgraded(database)


def test_a_migration_of_postgresql_names_the_files_too(cluster: Cluster) -> None:
    name = cluster.create()
    assert_upgraded(cluster.url(name))
    cluster.drop(name)


def assert_upgraded(url: str) -> None:
    store = Store(url)
    migration.upgrade(store, "0022")
    with store.write() as transaction:
        for port, organization in enumerate(("o1", "o2")):
            transaction.execute(text(_ORGANIZATION), {"id": organization, "port": port})
            for number, name in enumerate(ALIKE):
                values = {"id": f"{organization}{number:02}", "organization": organization, "name": name}
                transaction.execute(text(_MACHINE), {**values, "number": number})
    migration.upgrade(store)
    with store.read() as transaction:
        found = [stored.page_of(transaction, each, after=None, limit=len(ALIKE)) for each in ("o1", "o2")]
    store.close()
    for each in found:
        assert len(each) == len(ALIKE)
        assert_different({machine.id: machine.file_name for machine in each})
        by_name = {machine.name: machine.file_name for machine in each}
        assert (by_name["zurich"], by_name["Zürich"]) == ("zurich.conf", "zurich-2.conf")
