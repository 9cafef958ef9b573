"""The HTTP API's contract: what calls answer."""

from __future__ import annotations

import time

import bottle
import pytest

from appliance.model.desired import PeerStatus, RuleCount
from appliance.model.policy import Rule
from appliance.model.usage import Item, Month
from appliance.service import Context
from appliance.store.policies import SavedPolicy
from appliance.web.api import ROUTES
from appliance.web.api.policy import PolicyAnswer
from appliance.web.site import Site
from tests.appliance.fakes import FakeHub
from tests.appliance.sites import site_of
from tests.appliance.web.api.conftest import assert_problem
from tests.appliance.web.client import SIGN_UP, call


@pytest.fixture
def site(context: Context) -> Site:
    """Provides a site whose time passes, so that counters are read again."""
    return site_of(context)


def test_the_answer_to_a_sign_up_follows_the_contract(app: bottle.Bottle) -> None:
    answer = call(app, "POST", "/api/v1/signup", SIGN_UP)
    assert answer.status == 201
    assert set(answer.json) == {"token", "organization"}
    assert set(answer.json["organization"]) == {
        "id", "name", "network", "endpoint", "hub_public_key", "plan", "machine_limit", "created_at",
    }  # fmt: skip
    assert answer.json["organization"]["network"] == "10.100.0.0/16"
    assert answer.json["organization"]["machine_limit"] == 2


def test_a_new_machine_is_answered_with_its_configuration(app: bottle.Bottle, token: str) -> None:
    answer = call(app, "POST", "/api/v1/machines", {"name": "branch-mumbai"}, token=token)
    assert answer.status == 201
    machine = answer.json["machine"]
    assert set(machine) == {
        "id", "name", "file_name", "address", "public_key", "groups", "enabled", "created_at", "online",
        "last_handshake", "received_bytes", "sent_bytes",
    }  # fmt: skip
    assert machine["address"] == "10.100.0.2"
    assert machine["file_name"] == "branch-mumbai.conf"
    assert answer.json["config"].startswith('# WireGuard config for machine "branch-mumbai"\n[Interface]\n')
    assert answer.json["config"].endswith("PersistentKeepalive = 25\n")
    rotated = call(app, "POST", f"/api/v1/machines/{machine['id']}/rotate", token=token)
    assert rotated.status == 200
    assert rotated.json["config"] != answer.json["config"]
    assert call(app, "DELETE", f"/api/v1/machines/{machine['id']}", token=token).status == 204
    assert_problem(call(app, "GET", f"/api/v1/machines/{machine['id']}", token=token), 404)


def test_a_machine_is_disabled_and_enabled(app: bottle.Bottle, token: str) -> None:
    machine = call(app, "POST", "/api/v1/machines", {"name": "mumbai"}, token=token).json["machine"]
    path = f"/api/v1/machines/{machine['id']}"
    for enabled in (False, True):
        answer = call(app, "PATCH", path, {"enabled": enabled}, token=token)
        assert (answer.status, answer.json) == (200, {**machine, "enabled": enabled})
        assert call(app, "GET", path, token=token).json["enabled"] is enabled
    assert_problem(call(app, "PATCH", path, {"enabled": "no"}, token=token), 422)


def test_a_stale_version_is_a_conflict(app: bottle.Bottle, token: str) -> None:
    policy = call(app, "GET", "/api/v1/policy", token=token).json
    assert set(policy) == {"default", "rules", "version"}
    saved = call(app, "PUT", "/api/v1/policy", {**policy, "default": "deny"}, token=token).json
    assert saved["version"] == policy["version"] + 1
    assert_problem(call(app, "PUT", "/api/v1/policy", policy, token=token), 409)


def test_a_policy_can_be_saved_as_it_was_read(app: bottle.Bottle, token: str) -> None:
    rule = {"action": "deny", "source": "any", "destination": "group:red", "protocol": "tcp", "ports": "22,80-90"}
    call(app, "POST", "/api/v1/policy/rules", rule, token=token)
    policy = call(app, "GET", "/api/v1/policy", token=token).json
    again = call(app, "PUT", "/api/v1/policy", policy, token=token)
    assert again.status == 200
    assert [{**each, "id": ""} for each in again.json["rules"]] == [{**each, "id": ""} for each in policy["rules"]]


def test_parts_of_a_rule_are_changed(app: bottle.Bottle, token: str) -> None:
    rule = {"action": "deny", "source": "any", "destination": "group:red", "protocol": "tcp", "ports": "22,80-90"}
    made = call(app, "POST", "/api/v1/policy/rules", {**rule, "description": "old"}, token=token).json
    other = call(app, "POST", "/api/v1/policy/rules", {**rule, "source": "group:red"}, token=token).json
    path = f"/api/v1/policy/rules/{made['id']}"
    changed = call(app, "PATCH", path, {"action": "allow", "ports": "443"}, token=token)
    assert (changed.status, changed.json) == (200, {**made, "action": "allow", "ports": "443"})
    # The changed rule is the last one now, so that no other has to be written.
    assert call(app, "GET", "/api/v1/policy", token=token).json["rules"] == [other, changed.json]
    every = call(app, "PATCH", path, {"protocol": "icmp", "ports": "", "description": ""}, token=token)
    assert every.json == {**made, "action": "allow", "protocol": "icmp", "ports": "all", "description": ""}
    again = call(app, "PATCH", path, every.json, token=token)
    assert (again.status, again.json) == (200, every.json)
    # The trail has both rules, in words.
    trail = call(app, "GET", "/api/v1/audit", token=token).data.decode()
    assert "deny any to group:red, tcp 22,80-90" in trail
    assert "allow any to group:red, tcp 443" in trail


def test_a_rule_is_changed_only_to_one_that_is_possible(app: bottle.Bottle, token: str) -> None:
    rule = {"action": "deny", "source": "any", "destination": "any", "protocol": "tcp", "ports": "22"}
    path = f"/api/v1/policy/rules/{call(app, 'POST', '/api/v1/policy/rules', rule, token=token).json['id']}"
    before = call(app, "GET", "/api/v1/policy", token=token).json
    for body in ({"protocol": "icmp"}, {"source": "machine:nobody"}, {"action": "perhaps"}, {"port": "22"}):
        assert_problem(call(app, "PATCH", path, body, token=token), 422)
    assert_problem(call(app, "PATCH", f"{path}x", {"action": "allow"}, token=token), 404)
    assert call(app, "GET", "/api/v1/policy", token=token).json == before


def test_a_policy_check_needs_no_traffic(app: bottle.Bottle, token: str) -> None:
    one, two = (
        call(app, "POST", "/api/v1/machines", {"name": name}, token=token).json["machine"]["id"] for name in "ab"
    )
    question = {"source": f"machine:{one}", "destination": two, "protocol": "tcp", "port": 22}
    assert call(app, "POST", "/api/v1/policy/check", question, token=token).json == {"verdict": "allow", "rule": None}
    rule = {"action": "deny", "source": f"machine:{one}", "destination": "any", "protocol": "tcp", "ports": "22"}
    made = call(app, "POST", "/api/v1/policy/rules", rule, token=token)
    assert made.status == 201
    answer = call(app, "POST", "/api/v1/policy/check", question, token=token).json
    assert answer == {"verdict": "deny", "rule": made.json}


def test_each_rule_has_its_counts(app: bottle.Bottle, token: str, hub: FakeHub) -> None:
    rule = {"action": "deny", "source": "any", "destination": "any", "protocol": "tcp", "ports": "22"}
    made = call(app, "POST", "/api/v1/policy/rules", rule, token=token).json["id"]
    hub.counts = [RuleCount(made, 3, 180), RuleCount(None, 7, 420)]
    counters = {"rules": [{"rule": made, "packets": 3, "bytes": 180}], "unmatched_packets": 7, "unmatched_bytes": 420}
    assert call(app, "GET", "/api/v1/policy/counters", token=token).json == counters
    hub.refuses = True
    nothing = {"rules": [], "unmatched_packets": 0, "unmatched_bytes": 0}
    assert call(app, "GET", "/api/v1/policy/counters", token=token).json == nothing


def test_a_long_policy_is_encoded_once_for_each_version(
    app: bottle.Bottle, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    original = PolicyAnswer.of

    def counted(saved: SavedPolicy) -> PolicyAnswer:
        made.append(saved.version)
        return original(saved)

    monkeypatch.setattr(PolicyAnswer, "of", counted)
    rule = {"action": "deny", "source": "any", "destination": "any"}
    for _ in range(2):
        call(app, "POST", "/api/v1/policy/rules", rule, token=token)
        answers = [call(app, "GET", "/api/v1/policy", token=token) for _ in range(5)]
        assert len({each.data for each in answers}) == 1
        etag = answers[0].headers["Etag"]
        assert answers[0].json["version"] == int(etag.strip('"'))
        unchanged = call(app, "GET", "/api/v1/policy", token=token, headers={"If-None-Match": etag})
        assert (unchanged.status, unchanged.data) == (304, b"")
    assert len(made) == 2
    assert len(answers[0].json["rules"]) == 2


def test_rules_with_too_many_ports_are_refused_unparsed(
    app: bottle.Bottle, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Rule, "parse", lambda **_: pytest.fail("a rule was read"))
    ports = ",".join(str(2 * number) for number in range(1, 101))
    rule = {"action": "deny", "source": "any", "destination": "any", "protocol": "tcp", "ports": ports}
    answer = call(app, "PUT", "/api/v1/policy", {"default": "allow", "rules": [rule] * 401}, token=token)
    assert answer.status == 422
    assert "40100 ports" in answer.json["detail"]


def test_an_unchanged_rule_keeps_its_id(app: bottle.Bottle, token: str) -> None:
    rule = {"action": "deny", "source": "any", "destination": "group:red", "protocol": "tcp", "ports": "22,80-90"}
    other = {"action": "allow", "source": "any", "destination": "any"}
    first = call(app, "PUT", "/api/v1/policy", {"default": "deny", "rules": [rule, other, rule]}, token=token).json
    again = call(app, "PUT", "/api/v1/policy", {"default": "allow", "rules": [other, rule]}, token=token).json
    ids = [each["id"] for each in first["rules"]]
    assert len(set(ids)) == 3
    assert [each["id"] for each in again["rules"]] == [ids[1], ids[0]]
    assert call(app, "GET", "/api/v1/policy", token=token).json["rules"] == again["rules"]


def test_a_machine_is_pinged(app: bottle.Bottle, hub: FakeHub, token: str) -> None:
    made = call(app, "POST", "/api/v1/machines", {"name": "mumbai"}, token=token).json["machine"]
    path = f"/api/v1/machines/{made['id']}/ping"
    assert call(app, "POST", path, token=token).json == {"milliseconds": 12.34}
    hub.milliseconds = None
    assert call(app, "POST", path, token=token).json == {"milliseconds": None}
    hub.is_pinging = True
    refused = call(app, "POST", path, token=token)
    assert_problem(refused, 429)
    assert refused.headers["Retry-After"] == "2"
    assert_problem(call(app, "POST", "/api/v1/machines/nothing/ping", token=token), 404)
    call(app, "PATCH", f"/api/v1/machines/{made['id']}", {"enabled": False}, token=token)
    assert_problem(call(app, "POST", path, token=token), 409)


def test_machines_are_searched_by_text_group_and_state(app: bottle.Bottle, hub: FakeHub, token: str) -> None:
    keys = [
        call(app, "POST", "/api/v1/machines", {"name": name, "groups": [group]}, token=token).json["machine"][
            "public_key"
        ]
        for name, group in (("मुंबई", "db & more"), ("pune", "office"))
    ]
    hub.statuses = [PeerStatus(keys[1], int(time.time()) - 5, 1, 1, "")]
    for query, found in (
        ("query=%E0%A4%AE%E0%A5%81%E0%A4%82%E0%A4%AC%E0%A4%88", ["मुंबई"]),
        ("query=PUNE", ["pune"]),
        ("query=10.100.0", ["मुंबई", "pune"]),
        ("group=db%20%26%20more", ["मुंबई"]),
        ("state=online", ["pune"]),
        ("state=never-seen&query=pune", []),
    ):
        answer = call(app, "GET", f"/api/v1/machines?{query}", token=token)
        assert [each["name"] for each in answer.json["machines"]] == found, query
    first = call(app, "GET", "/api/v1/machines?query=10.100&limit=1", token=token).json
    rest = call(app, "GET", f"/api/v1/machines?query=10.100&limit=1&after={first['next']}", token=token).json
    assert [each["name"] for each in rest["machines"]] == ["pune"]
    assert rest["next"] is None


def test_a_deletion_answers_with_the_removed_rows(app: bottle.Bottle, token: str) -> None:
    call(app, "POST", "/api/v1/machines", {"name": "a"}, token=token)
    removed = call(app, "DELETE", "/api/v1/organization", {"confirm": "acme-networks"}, token=token)
    assert removed.status == 200
    assert {key: removed.json["removed"][key] for key in ("machines", "rules", "members", "tokens")} == {
        "machines": 1, "rules": 0, "members": 1, "tokens": 1,
    }  # fmt: skip
    assert_problem(call(app, "GET", "/api/v1/organization", token=token), 401)


def test_usage_is_in_minutes_and_paise(app: bottle.Bottle, token: str) -> None:
    call(app, "PATCH", "/api/v1/organization", {"plan": "paid"}, token=token)
    call(app, "POST", "/api/v1/machines", {"name": "a"}, token=token)
    usage = call(app, "GET", "/api/v1/usage", token=token).json
    (month,) = usage["months"]
    assert set(month) == {
        "month", "machine_minutes", "billed_minutes", "machine_months", "amount_paise", "amount", "currency",
    }  # fmt: skip
    assert (month["currency"], type(month["amount_paise"])) == ("INR", int)
    assert usage["next"] is None
    assert_problem(call(app, "GET", "/api/v1/usage/1999-01", token=token), 404)
    for query, status in (("?after=x", 422), ("?limit=x", 422), ("?limit=1", 200)):
        assert call(app, "GET", f"/api/v1/usage/{month['month']}{query}", token=token).status == status


def test_a_month_s_machines_come_in_pages(app: bottle.Bottle, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    items = [Item(f"m{number}", f"name {number}", 1, 1, number) for number in range(5)]
    monkeypatch.setattr("appliance.service.usage.month", lambda *_: (Month("2026-11", 5, 5, 10), items))
    found, after = [], ""
    while after is not None:
        page = call(app, "GET", f"/api/v1/usage/2026-11?limit=2{after}", token=token).json
        found += page["machines"]
        after = page["next"] and f"&after={page['next']}"
    assert [each["machine"] for each in found] == ["m0", "m1", "m2", "m3", "m4"]
    assert sum(each["amount_paise"] for each in found) == page["month"]["amount_paise"] == 10


def test_the_openapi_document_has_every_call(app: bottle.Bottle) -> None:
    document = call(app, "GET", "/api/v1/openapi.json").json
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert described == {(row.method, row.path) for row in ROUTES}


def test_health_readiness_and_metrics_are_served(app: bottle.Bottle) -> None:
    assert call(app, "GET", "/healthz").status == 200
    assert call(app, "GET", "/readyz").status == 200
    assert b"meshwg_hub_up 1.0" in call(app, "GET", "/metrics", address="127.0.0.1").data


def test_every_answer_has_the_security_headers(app: bottle.Bottle) -> None:
    for path in ("/api/v1/machines", "/healthz", "/api/v1/openapi.json"):
        headers = call(app, "GET", path).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
