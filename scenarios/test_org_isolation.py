"""No organization sees, reaches or observes another's machines or traffic, even with identical address ranges."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack

import pytest

from harness.client.visitor import Visitor
from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive, Refuted
from harness.overlay.machine import Machine
from harness.overlay.mesh import Mesh
from harness.wire.witness import Witness
from harness.world import holdings
from harness.world.world import PASSWORD, World
from reports.exhibits import Cell

pytestmark = pytest.mark.claim("org-isolation")

PORT = 4000
_HEADERS = 28
"""Bytes of the headers of IPv4 and UDP."""
_SECRET = "secret-server"
_PINGS = 100
_AIMED = {"one": 1.0, "two": 1.0, "three": 2 / 4}
"""Packets of the other organization to a machine's address, for each of `PACKETS`."""
_MOST_PAGES = 100
_BODIES = {
    ("patch", "/machines/{id}"): {"name": "renamed"},
    ("post", "/machines/{id}/rotate"): {},
    ("patch", "/members/{id}"): {"role": "viewer"},
}
# A passkey needs an authenticator, and belongs to a person: not even the same organization sees it. A month is
# nobody's.
_EXCLUDED = ("/account/passkeys/{id}", "/usage/{month}")
_OF_THE_OPERATOR = ("/tokens/{id}", "/factor-removals/{id}")
"""Paths of what can't be made on every service that others run: an address is verified by mail, and a removal of a
second factor is begun by the operator."""
PACKETS = {"quick": 2400, "full": 8000}
"""Packets to an address that both organizations have; a quarter of them to one that only one has."""
_AT_ONCE = 40
"""Packets that are sent in a row: no more than fit into a tunnel's smallest buffer."""


def test_organizations_with_equal_addresses_stay_apart(world: World, record: Record, profile: str) -> None:
    """Two organizations have the same range and the same addresses; each receives all of its own packets and no other.

    Every packet names its organization, and a witness on each machine's tunnel shows what arrived there, whatever its
    destination.
    """
    acme, bolt = world.organization(record, "acme"), world.organization(record, "bolt")
    a1, a2 = acme.machines("one", "two")
    b1, b2, b3 = bolt.machines("one", "two", "three")
    if (a1.address, a2.address) != (b1.address, b2.address):
        raise Refuted("two new organizations with the default range got different addresses")
    machines_of = {"acme": (a1, a2), "bolt": (b1, b2, b3)}
    with ExitStack() as stack:
        witnesses = {
            (name, machine.name): stack.enter_context(
                Witness(machine.host, machine.tunnel.interface, f"udp port {PORT}")
            )
            for name, machines in machines_of.items()
            for machine in machines
        }
        for name, (first, second, *_) in machines_of.items():
            for source, destination in ((first, second), (second, first)):
                _send(source, destination.address, f"{name} {source.name}", PACKETS[profile], destination)
                # An address that only one of them has.
                _send(source, b3.address, f"{name} {source.name}", PACKETS[profile] // 4, b3)
        fenced = [_fence(mesh, machines_of[name]) for name, mesh in (("acme", acme), ("bolt", bolt))]
        heard = {
            machine: [frame.data[_HEADERS:] for frame in witness.frames()] for machine, witness in witnesses.items()
        }
    table = _table(heard, PACKETS[profile])
    record.table("within an organization everything, between two nothing; both have the same addresses", table)
    for (name, machine_name), payloads in heard.items():
        record.none_of(
            f"{name}/{machine_name}: packets of the other organization",
            [payload for payload in payloads if not payload.startswith(name.encode())],
            f"{name}'s machine {machine_name} saw another organization's packets",
            of=int(_AIMED[machine_name] * PACKETS[profile]),
        )
    own = sum(cell.arrived for cell in table.values() if cell.allowed)
    if not all(fenced):
        raise Refuted("a machine lost its hub while another organization used the same addresses")
    # One and two hear each other, and three hears both.
    record.at_least("own packets that were seen", own, 4 * PACKETS[profile] + PACKETS[profile] // 2, "packets")


def test_an_address_leads_to_the_own_organization_s_machine(world: World, record: Record) -> None:
    """An address that both organizations have leads to the own machine; one that only the other has leads nowhere."""
    acme, bolt = world.organization(record, "acme"), world.organization(record, "bolt")
    a1, a2 = acme.machines("one", "two")
    *_, b3 = bolt.machines("one", "two", "three")
    with record.control("the third machine is up in its own organization"):
        assert b3.host.ping(bolt.hub_address, timeout=5.0)
    with record.control("an address that both have answers"):
        assert a1.reaches(a2)
    answered = a1.host.ping(b3.address, count=_PINGS, timeout=1.0, interval=0.002).received
    record.none_of(
        "pings to the other organization's machine answered",
        range(answered),
        f"a machine of acme reached {b3.address}, which only bolt has",
        of=_PINGS,
    )
    bolt.save("deny", [])
    if not a1.reaches(a2):
        raise Refuted("one organization's deny stopped another's traffic")


def test_no_call_tells_of_another_organization(world: World, record: Record) -> None:
    """Every call that takes an id gets an id of another organization and answers as if it did not exist. No list shows
    things of another organization, at once or page by page, and no rule can name them.
    """
    acme, bolt = world.organization(record), world.organization(record)
    own, theirs = (
        holdings.make(mesh, name) | holdings.removal(world, mesh) for mesh, name in ((acme, "server"), (bolt, _SECRET))
    )
    # Lists go on after the first page, beyond which the other organization has things, too.
    acme.add("another")
    for number in range(2):
        bolt.add(f"{_SECRET} {number}")
    document = acme.api.call("GET", "/openapi.json").body["paths"]
    excluded = [
        *_EXCLUDED,
        *(path for path in _OF_THE_OPERATOR if world.subject.is_borrowed and _kind(path) not in theirs),
    ]
    calls = [
        (method, path)
        # Deletions come last.
        for method in ("get", "patch", "post", "put", "delete")
        for path in document
        if "{" in path and method in document[path] and path not in excluded
    ]
    record.measure("excluded", excluded)
    record.at_least("calls that name something by its id", len(calls), 10)
    _check_are_held([path for _, path in calls], own, theirs)
    known = [
        f"{method.upper()} {path} was answered {status}"
        for method, path in calls
        if (status := _status(acme, method, path, theirs)) != 404
    ]
    record.none_of("calls that knew another organization's ids", known, "a call knew another organization's id")
    refused = acme.api.send("PUT", "/policy", {"default": "allow", "rules": [_rule_about(theirs["/machines"])]})
    if refused.status != 422:
        raise Refuted(f"a rule about another organization's machine was answered {refused.status}")
    lists = [path for path in document if "{" not in path and "security" in document[path].get("get", {})]
    paged = [path for path in lists if any(each["name"] == "after" for each in document[path]["get"]["parameters"])]
    record.at_least("lists with pages", len(paged), 5)
    strange = [path for path in paged if _page_by_page(acme, path) != _shown_at(acme, path)[0]]
    record.none_of("lists whose pages showed something else", strange, "pages of a list showed something else")
    leaks = [path for path in lists if _mentions(str(acme.api.call("GET", path).body), theirs)]
    record.none_of(
        "lists that showed another organization's things", leaks, "a list showed another organization's things"
    )
    with record.control("the other organization's own lists show them"):
        assert _mentions(str(bolt.api.call("GET", "/machines").body), theirs)
    with record.control("the same calls know the own ids"):
        assert all(_status(acme, method, path, own) != 404 for method, path in calls)


def test_no_page_tells_of_another_organization(world: World, record: Record) -> None:
    """Every page and form with another organization's id in its address is not found; no page shows things of it."""
    acme, bolt = world.organization(record), world.organization(record)
    holdings.make(acme, "server")
    theirs = holdings.make(bolt, _SECRET) | holdings.removal(world, bolt)
    ours, other = _browser(acme), _browser(bolt)
    fields = ours.forms("/machines")["/logout"]
    # A name in an address is that of a group to look for.
    with_id = sorted(
        each for each in other.walk("/machines") if any(identity in each[1] for identity in theirs.values())
    )
    record.at_least("pages and forms with an id in their address", len(with_id), 8)
    opened = [
        f"{method} {path} was answered {status}"
        for method, path in with_id
        if (status := ours.send(method, path, fields if method == "POST" else None).status_code) != 404
    ]
    record.none_of("pages that knew another organization's ids", opened, "a page knew another organization's id")
    seen = [path for method, path in sorted(ours.walk("/machines")) if method == "GET"]
    leaks = [path for path in seen if _mentions(ours.open(path).text, theirs)]
    record.measure("pages that were read", len(seen))
    record.none_of(
        "pages that showed another organization's things", leaks, "a page showed another organization's things"
    )
    with record.control("the other organization's own pages show them"):
        assert all(other.open(path).status_code == 200 for method, path in with_id if method == "GET")
        assert _mentions(other.open("/machines").text, theirs)
    for browser in (ours, other):
        browser.close()


def _check_are_held(paths: Iterable[str], *everybody: Mapping[str, str]) -> None:
    """Checks that there is something for each path to name.

    Raises:
        Inconclusive: a path would not be tried.
    """
    lacking = sorted({path for path in paths for held in everybody if _kind(path) not in held})
    if lacking:
        raise Inconclusive(f"nothing was made that these calls could name: {', '.join(lacking)}")


def _status(mesh: Mesh, method: str, path: str, held: Mapping[str, str]) -> int:
    address = path.format(id=held[_kind(path)])
    return mesh.api.send(method.upper(), address, _BODIES.get((method, path))).status


def _shown_at(mesh: Mesh, path: str) -> tuple[list[str], str | None]:
    """Returns what a page of a list shows, and the position after it; None if it is the last page.

    Counts of traffic, which change by themselves, are no part of it.
    """
    answer = mesh.api.send("GET", path)
    if answer.status != 200:
        return [f"{path} was answered {answer.status}"], None
    body = answer.body
    (shown,) = (value for value in body.values() if isinstance(value, list))
    return [str(each.get("id") or each.get("version") or each.get("month") or each) for each in shown], body["next"]


def _page_by_page(mesh: Mesh, path: str) -> list[str]:
    """Returns what a list shows in pages of one thing each."""
    shown, after = _shown_at(mesh, f"{path}?limit=1")
    while after is not None and len(shown) < _MOST_PAGES:
        more, after = _shown_at(mesh, f"{path}?limit=1&after={after}")
        shown += more
    return shown


def _kind(path: str) -> str:
    """Returns the path of the list that a path belongs to."""
    return path.partition("/{")[0]


def _mentions(text: str, held: Mapping[str, str]) -> bool:
    return any(each in text for each in (_SECRET, *held.values()))


def _browser(mesh: Mesh) -> Visitor:
    visitor = mesh.api.visitor()
    visitor.log_in(mesh.api.call("GET", "/account").body["email"], PASSWORD)
    return visitor


def _send(source: Machine, address: str, text: str, count: int, receiver: Machine) -> None:
    """Sends packets, few enough at a time for the queues of sender and receiver; ends where one has lost its hub."""
    with source.host.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(count):
            sender.sendto(f"{text} {number}".encode(), (address, PORT))
            if number % _AT_ONCE == 0 and not all(each.host.ping(each.hub, timeout=5.0) for each in (source, receiver)):
                return


def _table(heard: Mapping[tuple[str, str], Sequence[bytes]], sent: int) -> dict[tuple[str, str, str], Cell]:
    """Returns the packets that each machine received of each other; only those of its own organization are allowed."""
    return {
        (f"{name} {source}", f"{other} {destination}", f"udp/{PORT}"): Cell(
            name == other,
            sent // 4 if destination == "three" else sent,
            sum(payload.startswith(f"{name} {source} ".encode()) for payload in payloads),
        )
        for (other, destination), payloads in heard.items()
        for name, source in heard
        if source not in (destination, "three")
    }


def _fence(mesh: Mesh, machines: Sequence[Machine]) -> bool:
    """Waits until all that the hub passed on has arrived; returns False if a machine has lost its hub."""
    try:
        mesh.fence(*machines)
    except Refuted:
        return False
    return True


def _rule_about(machine_id: str) -> dict[str, str]:
    return {"action": "deny", "source": f"machine:{machine_id}", "destination": "any"}
