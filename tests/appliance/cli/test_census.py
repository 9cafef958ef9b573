"""`census`: equal with the service up or down, and removal of orphans only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.cli import census
from appliance.cli.errors import CommandError, Exit
from appliance.hub.host_objects import HostObjects
from appliance.hub.kernel import namespace
from appliance.hub.names import Names
from appliance.model.ids import new_organization_id
from appliance.service.census import Holding
from appliance.store import Store, organizations
from tests.appliance.cli.started import Run, answer, assert_refused, call, children, meshwg, sign_up, start
from tests.waiting import DEADLINE, wait_until

pytestmark = pytest.mark.long


def by_id(found: Any) -> dict[str, Any]:
    return {each["id"]: each for each in found["organizations"]}


@pytest.fixture
def strangers_namespace() -> Iterator[str]:
    """Provides a namespace of another instance."""
    name = Names("zzz").of(new_organization_id()).namespace
    namespace.create(name)
    yield name
    namespace.remove(name)


def test_the_census_finds_and_removes_orphans_up_and_down(
    data: Path, runs: list[Run], strangers_namespace: str
) -> None:
    run = start(runs, data)
    run.wait_until_ready()
    acme, token = sign_up("acme")
    bolt, _ = sign_up("bolt")
    assert call("POST", "/api/v1/machines", {"name": "mumbai"}, token)[0] == 201
    up = answer(data, "census")
    assert set(by_id(up)) == {acme, bolt}
    host, rows = by_id(up)[acme]["host"], by_id(up)[acme]["rows"]
    assert host["namespace"] in host["links"]
    assert host["tables"] == ["inet mesh"]
    assert host["port"]
    assert host["front_door"] is True
    assert (rows["organizations"], rows["machines"]) == (1, 1)
    assert set(by_id(answer(data, "census", "--organization=bolt"))) == {bolt}
    assert set(by_id(answer(data, "census", f"--organization={acme}"))) == {acme}
    assert answer(data, "census", "--orphans")["organizations"] == []
    assert answer(data, "census", "--orphans", "--organization=acme")["organizations"] == []
    for more in ([], ["--json"], ["--orphans", "--remove"]):
        done = meshwg(data, "census", "--organization=nope", *more)
        assert_refused(done, Exit.NO_INPUT)
        assert "There is no organization 'nope'" in done.stderr

    orphan = new_organization_id()
    name = Names(up["instance"]).of(orphan).namespace
    namespace.create(name)
    found = answer(data, "census", "--orphans")
    assert set(by_id(found)) == {orphan}
    assert by_id(found)[orphan]["host"]["namespace"] == name
    assert set(by_id(answer(data, "census", "--orphans", "--remove"))) == {orphan}
    assert answer(data, "census") == up

    # Killed, it leaves the data plane as it is; the census reads the host itself then.
    hub = children(run.process.pid)["hub"]
    run.process.kill()
    run.process.communicate(timeout=DEADLINE)
    wait_until(lambda: not Path(f"/proc/{hub}").exists())
    assert answer(data, "census") == up
    store = Store(f"sqlite:///{data / 'store' / 'meshwg.sqlite'}")
    with store.write() as transaction:
        organizations.remove(transaction, bolt)
    store.close()
    assert set(by_id(answer(data, "census", "--orphans"))) == {bolt}
    assert set(by_id(answer(data, "census", "--orphans", "--remove"))) == {bolt}
    assert by_id(answer(data, "census")) == {acme: by_id(up)[acme]}
    assert namespace.exists(strangers_namespace)
    done = meshwg(data, "census")
    assert done.stdout.splitlines()[-1] == f"Instance {up['instance']}: 1 organization, 0 orphans."


def test_an_owned_object_is_not_removed() -> None:
    with pytest.raises(CommandError) as refused:
        census.census(remove=True)
    assert refused.value.code is Exit.REFUSED


def test_the_census_in_words_names_everything() -> None:
    owned = Holding(
        "o1",
        "acme",
        HostObjects("o1", "mwo1", ("mwo1",), ("inet mesh",), 7, "/s", 51820, front_door=True),
        {"machines": 2, "audit": 3},
    )
    orphan = Holding("o2", None, HostObjects("o2", "mwo2"), {})
    text = census.words("abc", [owned, orphan], removed=False)
    for word in (
        "acme",
        "mwo1",
        "inet mesh",
        "7",
        "/s",
        "51820",
        "2 machines, 3 audit",
        "front door  open",
        "(orphan)",
        "mwo2",
    ):
        assert word in text
    assert text.splitlines()[-1] == "Instance abc: 1 organization, 1 orphan."
    assert census.words("abc", [orphan], removed=True).splitlines()[-1] == "1 orphan of instance abc removed."
