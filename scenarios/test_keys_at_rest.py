"""Keys that the service holds for customers are encrypted at rest, and only the unlock secret opens them."""

from __future__ import annotations

import re
import secrets
import shutil
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from harness.client import authenticator
from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive, Refuted
from harness.overlay.mesh import Mesh
from harness.subject import exposure
from harness.subject.service import Service
from harness.world.damage import REPORTED
from harness.world.person import Person, invitation, new_member, new_token
from harness.world.world import PASSWORD, World
from netlab import genkey, pubkey, wait_until

pytestmark = pytest.mark.claim("keys-at-rest")

NOT_CONFIGURED, BUSY = 78, 75
DEADLINE = 60.0
_READ = text("SELECT sealed_data_key, sealed_private_key FROM organizations WHERE id = :id")
_WRITE = text(
    "UPDATE organizations SET sealed_data_key = :sealed_data_key, sealed_private_key = :sealed_private_key"
    " WHERE id = :id"
)


def test_no_start_without_the_secret(world: World, record: Record) -> None:
    """No service starts on the data of a running one without its unlock secret, or with another secret; it says one
    sentence.

    The same start with the right secret opens the keys, and is refused only because the service is running.
    """
    service = world.subject.service
    copy = service.host.folder / "copy"
    shutil.copytree(service.data, copy)
    right = service.unlock_secret
    with record.control("with its secret it opens the keys"):
        code, output = service.try_start(copy, right, is_forked=True)
        assert code == BUSY, output
    wrong = {"no secret": None, "another secret": right[::-1], "the secret and one letter": right + "x"}
    for what, secret in wrong.items():
        # An operator starts a program; forks of it show that no secret but the right one opens.
        code, output = service.try_start(copy, secret, is_forked=secret is not None)
        if code != NOT_CONFIGURED:
            raise Refuted(f"a start with {what} was not refused: it ended with {code} and printed {output!r}")
        if len(output.splitlines()) != 1:
            raise Refuted(f"a start with {what} prints more than a sentence: {output!r}")
        if exposure.in_bytes(output.encode(), {"the unlock secret": right}):
            raise Refuted(f"a start with {what} prints the unlock secret: {output!r}")
    record.measure("starts refused", len(wrong))
    shutil.rmtree(copy)


def test_private_keys_are_in_no_file_log_or_answer(world: World, record: Record) -> None:
    """Every byte of the service's files, its log, and its later answers are searched: no private key is there, in any
    form.

    A key is made anew by a request with an ``Idempotency-Key``, whose answer the service must not keep; its repetition
    is one of the later answers.

    The search covers the keys that machines got with their configurations, and the hub's own key of the organization,
    as root reads it from the hub's link. It finds the public keys.
    """
    mesh = world.organization(record)
    added = [mesh.add("kolkata"), mesh.add("delhi")]
    rotation: tuple[str, str, dict[str, str]] = ("POST", f"/machines/{added[0]['machine']['id']}/rotate", {})
    once = {"Idempotency-Key": secrets.token_hex(16)}
    rotated = mesh.api.send(*rotation, headers=once).body
    keys = {f"machine key {number}": _key(each["config"]) for number, each in enumerate([*added, rotated])}
    public = {name: pubkey(key) for name, key in keys.items() if key != _key(added[0]["config"])}
    public["hub key"] = mesh.organization["hub_public_key"]
    link_key = _hub_key(world.subject.service, mesh)
    record.measure("the search includes the hub's own key", link_key is not None)
    if link_key is not None:
        keys["hub key"] = link_key
        if pubkey(link_key) != public["hub key"]:
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
    record.none_of("in files", exposure.in_files(files, keys), "secrets are in the service's files")
    answered = [mesh.api.send("GET", path).body for path in _paths(mesh)]
    answered.append(mesh.api.send(*rotation, headers=once).body)
    pages = [mesh.api.page(path).body for path in ("/machines", "/audit", "/settings")]
    record.measure("answers", len(answered) + len(pages))
    answers = "\n".join(map(str, [*answered, *pages])).encode()
    with record.control("the answers are about these machines"):
        assert set(public.values()) <= {each["public_key"] for each in answered[0]["machines"]} | {public["hub key"]}
    record.none_of("in answers", exposure.in_bytes(answers, keys), "later answers have secrets")
    log = world.subject.service.log_text().encode()
    record.none_of("in the log", exposure.in_bytes(log, keys), "the service's log has secrets")


def test_other_secrets_are_in_no_file_or_log(world: World, person: Person, record: Record) -> None:
    """Nothing that is shown once, or typed, is in a file or in the log in any form: passwords, tokens of sessions, API
    tokens, links, the secret of a second factor and its recovery codes. Nobody but the service may read its files.
    """
    api, service = person.api, world.subject.service
    member = new_member(api, "viewer")
    secret = member.api.call("POST", "/account/second-factor", {"password": PASSWORD}).body["secret"]
    enabled = member.api.call("PUT", "/account/second-factor", {"code": authenticator.code(secret)}).body
    known = {
        "a password": PASSWORD,
        "a session": api.token,
        "a session that has ended": member.api.token,
        "an API token": new_token(api, "token", "write").token,
        "an invitation": invitation(api, f"{secrets.token_hex(6)}@example.net", "viewer"),
        "a link for another password": service.reset_link(member.email),
        "the secret of a second factor": secret,
        "the session after it": enabled["token"],
        **{f"recovery code {number}": code for number, code in enumerate(enabled["recovery_codes"], 1)},
    }
    keys = {name: str(value) for name, value in known.items()}
    keys |= {name: value.replace("-", "") for name, value in keys.items() if name.startswith("recovery code")}
    files = list(exposure.files_of(service))
    with record.control("the search finds what is there"):
        assert exposure.in_files(files, {"the address of the owner": person.email})
        assert _finds_every_form(service.host.folder / "planted", keys)
    record.measure("secrets", len(keys))
    record.none_of("in files", exposure.in_files(files, keys), "secrets are in the service's files")
    record.none_of("in the log", exposure.in_bytes(service.log_text().encode(), keys), "the service's log has secrets")
    readable = sorted(str(file.relative_to(service.data)) for file in files if _is_for_all(file, service.data))
    record.none_of("files for everybody", readable, "other users of the host may read the service's files")


@pytest.mark.restarts
@pytest.mark.announces("an organization could not be restored", *REPORTED)
def test_sealed_keys_open_for_their_own_organization_only(world: World, record: Record) -> None:
    """The sealed keys of two organizations are exchanged in the database: the hub opens neither for the other.

    When they are exchanged back, the hub enforces both again by itself.
    """
    one, two = world.organization(record), world.organization(record)
    ids = [mesh.organization["id"] for mesh in (one, two)]
    with record.control("with their own keys both are enforced, before"):
        assert world.subject.service.is_ready()
    # A hub that finds its links in order opens no key; after a stop it has to make the links again.
    world.subject.service.stop()
    _exchange(world.subject.service, *ids)
    world.subject.service.start()
    try:
        refused = _refused_keys(world.subject.service, ids)
        record.none_of("opened for another", sorted({*ids} - refused), "the hub took another organization's keys")
        if world.subject.service.is_ready():
            raise Refuted("the service reports ready although two organizations' keys can't be opened")
    finally:
        _exchange(world.subject.service, *ids)
    start = time.monotonic()
    with record.control("with their own keys both are enforced, after"):
        assert wait_until(world.subject.service.is_ready, DEADLINE)
    record.measure("exchanged back to enforced", time.monotonic() - start, "s")


def _is_for_all(file: Path, data: Path) -> bool:
    """Returns True if every user of the host can open a file of the data folder; the certificate is public."""
    if data not in file.parents or file == data / "tls" / "certificate.pem":
        return False
    folders = [each for each in file.parents if each == data or data in each.parents]
    return bool(file.stat().st_mode & stat.S_IROTH) and all(each.stat().st_mode & stat.S_IXOTH for each in folders)


def _key(config: str) -> str:
    found = re.search(r"^PrivateKey +=\s(\S+)$", config, re.MULTILINE)
    if found is None:
        raise Inconclusive(f"a configuration has no private key: {config!r}")
    return found[1]


def _hub_key(service: Service, mesh: Mesh) -> str | None:
    """Reads the hub's private key from its link, as root; None if the implementation shows none (boringtun)."""
    host = service.census()[mesh.organization["id"]]["host"]
    shown = service.host.run(
        *("ip", "netns", "exec", host["namespace"], "wg", "show", host["links"][0], "private-key")
    ).stdout.strip()
    return None if shown == "(none)" else shown


def _paths(mesh: Mesh) -> list[str]:
    machines: list[dict[str, Any]] = mesh.api.call("GET", "/machines").body["machines"]
    return ["/machines", *(f"/machines/{each['id']}" for each in machines), "/organization", "/audit", "/metrics"]


def _finds_every_form(planted: Path, keys: dict[str, str]) -> bool:
    """Returns True if the search finds each form of each secret in a file."""
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


def _exchange(service: Service, one: str, two: str) -> None:
    with service.stored() as transaction:
        rows = {each: transaction.execute(_READ, {"id": each}).one()._asdict() for each in (one, two)}
        for each, other in ((one, two), (two, one)):
            transaction.execute(_WRITE, {"id": each, **rows[other]})


def _refused_keys(service: Service, organizations: list[str]) -> set[str]:
    """Returns the organizations whose keys the hub could not open; the hub is up only once it has tried all."""
    log = service.log_text()
    return {each for each in organizations if f"the keys of organization {each} can't be opened" in log}
