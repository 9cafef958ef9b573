"""Connection of a machine: it is noticed by itself, and a ping is offered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

import bottle
import pytest

from appliance.model.desired import PeerStatus
from appliance.model.organization import Role
from appliance.store import machines
from appliance.web.rates import PINGS_PER_ORGANIZATION
from appliance.web.request import COOKIE
from appliance.web.site import Site
from tests.appliance.fakes import FakeHub
from tests.appliance.web.pages.visitor import Answer, Visitor


@pytest.fixture
def machine(owner: Visitor) -> str:
    """Adds a machine, whose configuration is the last answer; returns its id."""
    action = next(each for each in owner.add_machine("one").page.forms if each.endswith("/ping"))
    return action.split("/")[2]


def live_path(answer: Answer) -> str | None:
    return next((each["data-hx-get"] for _, each in answer.page.elements if "data-live" in each), None)


def hear(hub: FakeHub, seconds_ago: int) -> int:
    """Makes the organization's machine known to the hub; returns the second of its handshake."""
    at = int(datetime.now(timezone.utc).timestamp()) - seconds_ago
    hub.statuses = [PeerStatus(next(iter(hub.enforced.values())).peers[0].public_key, at, 1, 1, "")]
    return at


def send_as_script(visitor: Visitor, path: str, csrf: str) -> Answer:
    return visitor.ask("POST", path, f"csrf={csrf}".encode(), {"HX-Request": "true"})


def test_the_page_of_a_new_key_notices_the_first_handshake(owner: Visitor, machine: str, hub: FakeHub) -> None:
    path = live_path(owner.answer)
    assert path is not None
    assert path.startswith(f"/machines/{machine}/connection/live?since=")
    waiting = owner.get(path)
    assert "None has come yet" in waiting.page.text
    at = hear(hub, 0)
    connected = owner.get(path)
    told = datetime.fromtimestamp(at, timezone.utc).strftime("%H:%M:%S UTC")
    assert f"Connected since {told}" in " ".join(connected.page.text.split())
    assert live_path(connected) is None, "there is nothing more to wait for"
    assert "PrivateKey" not in connected.text


def test_a_later_handshake_is_not_called_the_first(owner: Visitor, machine: str, hub: FakeHub) -> None:
    at = hear(hub, 10)
    answer = owner.get(f"/machines/{machine}/connection/live?since={at - 120}")
    assert "Connected since" not in answer.page.text
    assert "Last handshake: less than a minute ago" in " ".join(answer.page.text.split())
    for odd in ("x", "-1", "9" * 30, ""):
        assert owner.get(f"/machines/{machine}/connection/live?since={odd}").status == 200


def test_a_lost_connection_is_waited_for(owner: Visitor, machine: str, hub: FakeHub) -> None:
    hear(hub, 7200)
    answer = owner.get(f"/machines/{machine}/connection")
    assert "Not connected now. Last handshake: 2 hours ago" in " ".join(answer.page.text.split())
    assert live_path(answer) == f"/machines/{machine}/connection/live"


def test_a_machine_of_before_the_hub_s_start_is_not_new(owner: Visitor, site: Site, machine: str, hub: FakeHub) -> None:
    """Shows what the store knows while a hub that was started just now knows nothing of the machine."""
    (organization,) = hub.enforced
    key = hub.enforced[organization].peers[0].public_key
    with site.context.store.write() as transaction:
        machines.note_endpoints(transaction, organization, {key: "192.0.2.1:51820"})
    words = " ".join(owner.get(f"/machines/{machine}/connection").page.text.split())
    assert "Not connected now. It has connected before." in words
    assert "first handshake" not in words
    words = " ".join(owner.get(f"/machines/{machine}").page.text.split())
    assert "silent" in words
    assert "never seen" not in words


def test_without_scripts_the_connection_has_a_page(owner: Visitor, machine: str) -> None:
    links = {each["href"]: each for each in owner.answer.page.all("a")}
    assert links[f"/machines/{machine}/connection"]["target"] == "_blank", "the key stays on the screen"
    forms = [each for name, each in owner.answer.page.elements if name == "form"]
    assert {each["action"]: each.get("target") for each in forms}[f"/machines/{machine}/ping"] == "_blank"
    owner.get(f"/machines/{machine}/connection")
    answer = owner.send(f"/machines/{machine}/ping")
    assert answer.status == 200
    assert "It answered after 12 ms" in " ".join(answer.page.text.split())
    assert "Look again" in answer.page.text


def test_a_script_gets_the_ping_s_result_alone(owner: Visitor, machine: str, hub: FakeHub) -> None:
    path, csrf = f"/machines/{machine}/ping", owner.answer.page.forms[f"/machines/{machine}/ping"]["csrf"]
    hub.milliseconds = 3.21
    for _ in range(2):
        answer = send_as_script(owner, path, csrf)
        assert answer.page.text.strip() == "It answered after 3.2 ms."
    hub.milliseconds = None
    assert "Many machines" in send_as_script(owner, path, csrf).page.text
    hub.is_pinging = True
    refused = send_as_script(owner, path, csrf)
    assert refused.status == 429
    assert refused.headers["retry-after"] == "2"
    assert "<html" not in refused.text
    hub.refuses = True
    assert send_as_script(owner, path, csrf).status == 503
    forged = send_as_script(owner, path, "forged")
    assert forged.status == 403
    assert "<html" not in forged.text
    del owner.cookies[COOKIE]
    ended = send_as_script(owner, path, csrf)
    assert ended.status == 401
    assert "Your session has ended" in ended.page.text
    assert ended.page.all("a")[0]["href"] == "/login?next=/machines"


def test_pings_are_limited(owner: Visitor, machine: str) -> None:
    for _ in range(PINGS_PER_ORGANIZATION[0].amount):
        owner.get(f"/machines/{machine}/connection")
        assert owner.send(f"/machines/{machine}/ping").status == 200
    owner.get(f"/machines/{machine}/connection")
    refused = owner.send(f"/machines/{machine}/ping")
    assert refused.status == 429
    assert "Connection of one" in refused.page.text


def test_a_disabled_machine_is_not_pinged(owner: Visitor, machine: str) -> None:
    ours = owner.get(f"/machines/{machine}/connection").page.forms[f"/machines/{machine}/ping"]
    owner.get(f"/machines/{machine}/disable")
    owner.send(f"/machines/{machine}/disable")
    answer = owner.post(f"/machines/{machine}/ping", ours)
    assert answer.status == 409
    assert "is disabled" in answer.page.text
    assert f"/machines/{machine}/ping" not in answer.page.forms


def test_only_members_who_may_change_ping(
    app: bottle.Bottle, machine: str, colleague: Callable[[Role], Visitor]
) -> None:
    viewer = colleague(Role.VIEWER)
    page = viewer.get(f"/machines/{machine}/connection").page
    assert f"/machines/{machine}/ping" not in page.forms
    assert viewer.post(f"/machines/{machine}/ping", page.forms["/logout"]).status == 403
    other = Visitor(app)
    other.sign_up("eve@example.net", "Eve")
    ours = other.get("/machines").page.forms["/logout"]
    assert other.post(f"/machines/{machine}/ping", ours).status == 404
    assert other.get(f"/machines/{machine}/connection").status == 404
