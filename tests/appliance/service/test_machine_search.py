"""Search in the list of machines."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.desired import PeerStatus
from appliance.model.errors import Invalid
from appliance.service import Actor, Context, machine_search, machines, organizations, pages
from appliance.service.machine_search import EVERYTHING, LONGEST_QUERY, Order, Search, Seen, matches
from appliance.service.observed import MachineState
from appliance.store import machine_outlines
from appliance.store.machine_outlines import Outline
from tests.appliance.conftest import sign_up
from tests.appliance.fakes import FakeHub

NOW = 1_800_000_000
FIRST = int(IPv4Address("10.100.0.2"))
GROUPS = ("db", "office", "straße")
STATUSES = st.builds(
    PeerStatus,
    st.just(""),
    st.sampled_from([0, NOW - 1, NOW - 179, NOW - 180, NOW - 9000]),
    st.integers(0, 3),
    st.integers(0, 3),
    st.just(""),
)


@st.composite
def networks(draw: st.DrawFn) -> tuple[list[Outline], Mapping[str, PeerStatus]]:
    """Outlines by address, and the WireGuard status of some of them by public key."""
    outlines, known = [], {}
    for number in range(draw(st.integers(0, 12))):
        key = f"KEY{number:02d}="
        name = draw(st.sampled_from(["Mumbai", "mumbai-2", "Straße", "STRASSE", "pune", "İzmir"])) + str(number)
        groups = json.dumps(draw(st.lists(st.sampled_from(GROUPS), unique=True)))
        enabled, has_connected = draw(st.booleans()), draw(st.booleans())
        outlines.append(Outline(f"id{number}", name, FIRST + number, key, groups, enabled, has_connected))
        status = draw(st.none() | STATUSES)
        if status is not None:
            known[key] = PeerStatus(key, status.last_handshake, status.received_bytes, status.sent_bytes, "")
    return outlines, known


SEARCHES = st.builds(
    Search,
    st.sampled_from(["", "mumbai", "MUMBAI", "strasse", "10.100.0.3", "KEY0", "key0", "none such"]),
    st.sampled_from(["", *GROUPS, "none such"]),
    st.none() | st.sampled_from(MachineState),
    st.sampled_from(Order),
)


@given(networks(), SEARCHES)
def test_a_search_finds_what_meets_all_conditions(
    network: tuple[list[Outline], Mapping[str, PeerStatus]], search: Search
) -> None:
    outlines, known = network
    found = matches(search, outlines, known, NOW)
    ids = [each.outline.id for each in found]
    assert len(ids) == len(set(ids))
    for outline in outlines:
        status = known.get(outline.public_key)
        handshake = status.last_handshake if status else 0
        was_seen = handshake or outline.has_connected
        state = "disabled" if not outline.enabled else "silent" if was_seen else "never-seen"
        if outline.enabled and handshake > NOW - 180:
            state = "online"
        text = search.query.casefold()
        meets = (
            text in outline.name.casefold()
            or text in str(IPv4Address(outline.address))
            or search.query in outline.public_key
        )
        meets &= not search.group or search.group in json.loads(outline.groups)
        meets &= search.state is None or search.state.value == state
        assert (outline.id in ids) is meets


@given(networks(), SEARCHES)
def test_an_order_sorts_and_keeps_ties_by_address(
    network: tuple[list[Outline], Mapping[str, PeerStatus]], search: Search
) -> None:
    found = matches(search, *network, NOW)
    statuses = {each.outline.id: each.status or PeerStatus("", 0, 0, 0, "") for each in found}
    keys: dict[Order, Callable[[Seen], Any]] = {
        Order.ADDRESS: lambda each: each.outline.address,
        Order.NAME: lambda each: each.outline.name.casefold(),
        Order.STATE: lambda each: ["online", "silent", "never-seen", "disabled"].index(each.state.value),
        Order.HANDSHAKE: lambda each: -statuses[each.outline.id].last_handshake,
        Order.RECEIVED: lambda each: -statuses[each.outline.id].received_bytes,
        Order.SENT: lambda each: -statuses[each.outline.id].sent_bytes,
    }
    ranks = [(keys[search.order](each), each.outline.address) for each in found]
    assert ranks == sorted(ranks)


@pytest.mark.long
@pytest.mark.parametrize("order", Order)
def test_pages_of_a_search_are_the_whole_list(context: Context, owner: Actor, hub: FakeHub, order: Order) -> None:
    organizations.change(context, owner, plan="paid")
    made = [machines.add(context, owner, name=f"machine {9 - number}", groups=["db"]).machine for number in range(7)]
    machines.add(context, owner, name="another", groups=["office"])
    now = int(context.clock().timestamp())
    hub.statuses = [PeerStatus(each.public_key, now - 5, place % 3, 0, "") for place, each in enumerate(made)]
    found, after = [], None
    while True:
        page, after = machine_search.page(context, owner, Search(group="db", order=order), after=after, limit=2)
        assert len(page) <= 2
        found += [each.machine for each in page]
        if after is None:
            break
    assert sorted(found, key=lambda each: each.address) == made
    if order is Order.NAME:
        assert [each.name for each in found] == sorted(each.name for each in made)


def test_a_page_of_a_search_is_bounded_in_bytes(
    context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MOST_BYTES", 3_000)
    organizations.change(context, owner, plan="paid")
    for number in range(6):
        machines.add(context, owner, name=f"m{number}" + "x" * 200)
    page, after = machine_search.page(context, owner, Search(query="m"))
    assert 0 < len(page) < 6
    assert after is not None


def test_a_search_sees_its_own_organization_alone(context: Context, owner: Actor) -> None:
    machines.add(context, owner, name="ours", groups=["ours"])
    other = sign_up(context, "eve@example.net")
    machines.add(context, other, name="ours too", groups=["theirs"])
    page, _ = machine_search.page(context, other, Search(query="ours"))
    assert [each.machine.name for each in page] == ["ours too"]
    assert machine_search.overview(context, other) == (1, ["theirs"])


def test_each_query_of_outlines_is_about_one_organization(context: Context, owner: Actor) -> None:
    """One of them would hide the mistake of another, which shows as pages with gaps."""
    ours = machines.add(context, owner, name="ours", groups=["ours"]).machine
    other = sign_up(context, "eve@example.net")
    theirs = machines.add(context, other, name="theirs", groups=["theirs"]).machine
    with context.store.read() as transaction:
        assert [each.id for each in machine_outlines.all_of(transaction, other.organization_id)] == [theirs.id]
        assert list(machine_outlines.whole(transaction, other.organization_id, [ours.id, theirs.id])) == [theirs.id]
        assert machine_outlines.count(transaction, other.organization_id) == 1
        assert list(machine_outlines.group_texts(transaction, other.organization_id)) == ['["theirs"]']


@pytest.mark.parametrize(
    ("texts", "field"),
    [
        (("x" * (LONGEST_QUERY + 1), "", ""), "query"),
        (("", "", "asleep"), "state"),
        (("", "", "", "size"), "order"),
    ],
)
def test_an_impossible_search_is_refused(texts: tuple[str, ...], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        Search.parse(*texts)
    assert refused.value.field == field


@pytest.mark.parametrize("search", [Search(query="m"), Search(order=Order.NAME), EVERYTHING])
def test_an_unknown_position_is_refused(context: Context, owner: Actor, search: Search) -> None:
    machines.add(context, owner, name="m")
    with pytest.raises(Invalid):
        machine_search.page(context, owner, search, after="nowhere")
