"""Keys held for a customer are encrypted at rest, and only the unlock secret opens them."""

from __future__ import annotations

import re
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive, Refuted
from harness.overlay.mesh import Mesh
from harness.subject import exposure
from harness.subject.service import Service
from harness.world.world import World
from netlab import genkey, pubkey, wait_until

pytestmark = pytest.mark.claim("keys-at-rest")

NOT_CONFIGURED, BUSY = 78, 75
DEADLINE = 60.0
SEALED = "sealed_data_key, sealed_private_key"


def test_no_start_without_the_secret(world: World, record: Record) -> None:
    """On what a running service keeps, none starts without its unlock secret or with another: it says one sentence.

    The same start with the right secret opens the keys, and is turned away only because the service is running.
    """
    service = world.subject.service
    copy = service.host.folder / "copy"
    shutil.copytree(service.data, copy)
    right = service.unlock_secret
    with record.control("with its secret it opens the keys"):
        code, said = service.another_start(copy, right)
        assert code == BUSY, said
    wrong = {"no secret": None, "another secret": right[::-1], "the secret and one letter": right + "x"}
    for what, secret in wrong.items():
        code, said = service.another_start(copy, secret)
        if code != NOT_CONFIGURED:
            raise Refuted(f"a start with {what} was not refused: it ended with {code}, saying {said!r}")
        if len(said.splitlines()) != 1:
            raise Refuted(f"a start with {what} says more than a sentence: {said!r}")
        if exposure.in_bytes(said.encode(), {"the unlock secret": right}):
            raise Refuted(f"a start with {what} tells the unlock secret: {said!r}")
    record.measure("starts refused", len(wrong))
    shutil.rmtree(copy)


def test_private_keys_are_nowhere(world: World, record: Record) -> None:
    """Every byte of the service's files, its log, and what it tells later: no private key is there, in any form.

    That is the keys that machines got with their configurations, and the hub's own key of the organization, as the
    hub's link tells it. The public halves are found by the same search.
    """
    mesh = world.organization(record)
    added = [mesh.add("kolkata"), mesh.add("delhi")]
    rotated = mesh.api.call("POST", f"/machines/{added[0]['machine']['id']}/rotate", {}).body
    keys = {f"machine key {number}": _key(each["config"]) for number, each in enumerate([*added, rotated])}
    public = {name: pubkey(key) for name, key in keys.items() if key != _key(added[0]["config"])}
    public["hub key"] = mesh.organization["hub_public_key"]
    told_key = _hub_key(world.subject.service, mesh)
    record.measure("the hub's own key is looked for", told_key is not None)
    if told_key is not None:
        keys["hub key"] = told_key
        if pubkey(told_key) != public["hub key"]:
            raise Inconclusive("the hub's link has another key than the organization")
    own = genkey()
    mesh.api.call("POST", "/machines", {"name": "own-key", "public_key": pubkey(own)})
    keys |= {"a key that was never sent": own, "the unlock secret": world.subject.service.unlock_secret}

    with record.control("the search finds what is there, in each form"):
        files = list(exposure.files_of(world.subject.service))
        assert {found.partition(" (")[0] for found in exposure.in_files(files, public)} == set(public)
        assert _finds_every_form(world.subject.service.host.folder / "planted", keys)
    record.measure("secrets", len(keys))
    record.measure("files", len(files))
    record.none_of("in files", exposure.in_files(files, keys), "secrets lie in the service's files")
    told = [mesh.api.send("GET", path).body for path in _paths(mesh)]
    pages = [mesh.api.page(path).body for path in ("/machines", "/audit", "/settings")]
    record.measure("answers", len(told) + len(pages))
    answers = "\n".join(map(str, [*told, *pages])).encode()
    with record.control("the answers are about these machines"):
        assert set(public.values()) <= {each["public_key"] for each in told[0]["machines"]} | {public["hub key"]}
    record.none_of("in answers", exposure.in_bytes(answers, keys), "the service tells secrets later")
    log = world.subject.service.log_text().encode()
    record.none_of("in the log", exposure.in_bytes(log, keys), "the service's log has secrets")


@pytest.mark.restarts
def test_sealed_keys_are_their_organization_s(world: World, record: Record) -> None:
    """Two organizations' sealed keys, exchanged in the database by force: the hub opens neither for the other.

    Exchanged back, both are enforced again by themselves.
    """
    one, two = world.organization(record), world.organization(record)
    ids = [mesh.organization["id"] for mesh in (one, two)]
    database = world.subject.service.data / "store" / "meshwg.sqlite"
    with record.control("with their own keys both are enforced, before"):
        assert world.subject.service.is_ready()
    # A hub that finds its links as they should be opens no key; after this it has to make them.
    world.subject.service.stop()
    _exchange(database, *ids)
    world.subject.service.start()
    try:
        refused = _refused_keys(world.subject.service, ids)
        record.none_of("opened for another", sorted({*ids} - refused), "the hub took another organization's keys")
        if world.subject.service.is_ready():
            raise Refuted("the service says that it is ready, and two organizations' keys can't be opened")
    finally:
        _exchange(database, *ids)
    start = time.monotonic()
    with record.control("with their own keys both are enforced, after"):
        assert wait_until(world.subject.service.is_ready, DEADLINE)
    record.measure("exchanged back to enforced", time.monotonic() - start, "s")


def _key(config: str) -> str:
    found = re.search(r"^PrivateKey +=\s(\S+)$", config, re.MULTILINE)
    if found is None:
        raise Inconclusive(f"a configuration has no private key: {config!r}")
    return found[1]


def _hub_key(service: Service, mesh: Mesh) -> str | None:
    """What only root of the hub's host can ask the link; None where not even root is told (boringtun)."""
    host = service.census()[mesh.organization["id"]]["host"]
    shown = service.host.run(
        *("ip", "netns", "exec", host["namespace"], "wg", "show", host["links"][0], "private-key")
    ).stdout.strip()
    return None if shown == "(none)" else shown


def _paths(mesh: Mesh) -> list[str]:
    machines: list[dict[str, Any]] = mesh.api.call("GET", "/machines").body["machines"]
    return ["/machines", *(f"/machines/{each['id']}" for each in machines), "/organization", "/audit", "/metrics"]


def _finds_every_form(planted: Path, keys: dict[str, str]) -> bool:
    """Whether the search notices each form of each secret in a file."""
    expected = set()
    with planted.open("wb") as file:
        for name, key in keys.items():
            for form, data in exposure.forms(key).items():
                file.write(b"\0" + data)
                expected.add(f"{name} ({form}) in {planted.name}")
    try:
        return set(exposure.in_files([planted], keys)) == expected
    finally:
        planted.unlink()


def _exchange(database: Path, one: str, two: str) -> None:
    with closing(sqlite3.connect(database, timeout=DEADLINE)) as connection, connection:
        rows = {each: _sealed(connection, each) for each in (one, two)}
        for each, other in ((one, two), (two, one)):
            connection.execute(f"UPDATE organizations SET ({SEALED}) = (?, ?) WHERE id = ?", (*rows[other], each))  # noqa: S608


def _sealed(connection: sqlite3.Connection, organization: str) -> tuple[bytes, bytes]:
    query = f"SELECT {SEALED} FROM organizations WHERE id = ?"  # noqa: S608 - a constant
    (row,) = connection.execute(query, (organization,)).fetchall()
    return row[0], row[1]


def _refused_keys(service: Service, organizations: list[str]) -> set[str]:
    """Those whose keys the hub could not open, once it has tried all of them: it says that it is up only then."""
    said = service.log_text()
    return {each for each in organizations if f"the keys of organization {each} can't be opened" in said}
