"""Metrics of a scrape, and their use in alerts and dashboard."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import bottle
import pytest
from prometheus_client.parser import text_string_to_metric_families

from appliance import release
from appliance.hub.errors import HubUnreachable
from appliance.hub.rpc.messages import HubStatus, ShardStatus
from appliance.service import Context
from appliance.web.app import make_app
from appliance.web.limits import RateLimits
from appliance.web.payers import Payers
from appliance.web.request import Payer
from tests.appliance.fakes import FakeHub
from tests.appliance.sites import site_of
from tests.appliance.web.client import SIGN_UP, call

MONITORING = Path(__file__).parents[3] / "deploy" / "monitoring"
ENDS = datetime(2030, 1, 1, tzinfo=timezone.utc)


def scraped(app: bottle.Bottle) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
    """Returns the samples of a scrape, by name and labels."""
    found: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
    for family in text_string_to_metric_families(call(app, "GET", "/metrics", address="127.0.0.1").data.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
    return found


def value(samples: dict[str, dict[frozenset[tuple[str, str]], float]], name: str, **labels: str) -> float:
    return samples[name][frozenset(labels.items())]


def make(context: Context, status: HubStatus | None) -> bottle.Bottle:
    def ask() -> HubStatus:
        if status is None:
            raise HubUnreachable("nobody there")
        return status

    limits = RateLimits()
    limits.refused["sign-ups", "/48"] = 5
    return make_app(site_of(context, limits), ask, ENDS)


def busy(hub: FakeHub) -> HubStatus:
    work = {"seconds": 1.5, "refused_share": 4, "refused_host": 2, "longest_wait_seconds": 0.25}
    told = replace(hub.status(), expected=2, repairs={"rules": 3}, door={"malformed": 7})
    calls = {"due": 3, "made": 8, "failed": 1}
    tracking = {"connections": 30, "largest": 20, "limit": 100, "full_machines": 2, "refused_by_pace": 6}
    return replace(
        told,
        door_entries={"known4": 3},
        door_room={"known4": 9},
        work=work,
        tracking=tracking,
        machine_calls=calls,
        pings={"answered": 6},
        measurements={"made": 8},
        used={"files": 70},
        room={"files": 1024},
    )


def stored_bytes(context: Context) -> int:
    """Counts the bytes of all files of the store."""
    assert context.store.file is not None
    return sum(each.stat().st_size for each in context.store.file.parent.glob(f"{context.store.file.name}*"))


def shared_out(hub: FakeHub) -> HubStatus:
    shards = (
        ShardStatus("192.0.2.1:1", "hub1", 7, 60.0, 0.25, 5, {"crowded": 2, "stranger": 3}, "hub2"),
        ShardStatus("192.0.2.1:2", "hub1", 9, 61.0, 0.5, 6, {"crowded": 0, "stranger": 0}),
        ShardStatus("192.0.2.1:3", None),
    )
    return replace(busy(hub), shards=shards, unanswered={"unowned": 4})


def test_a_scrape_tells_of_each_shard_and_its_owner(context: Context, hub: FakeHub) -> None:
    samples = scraped(make(context, shared_out(hub)))
    assert value(samples, "meshwg_shards") == 3
    assert value(samples, "meshwg_shards_lost") == 1
    assert samples["meshwg_shards_owned"] == {frozenset({("host", "hub1")}): 2}
    of_first = {"shard": "192.0.2.1:1"}
    assert value(samples, "meshwg_shard_token", **of_first) == 7
    assert value(samples, "meshwg_shard_prepared", **of_first) == 1
    assert value(samples, "meshwg_shard_prepared", shard="192.0.2.1:2") == 0
    assert value(samples, "meshwg_shard_owned_seconds", **of_first) == 60
    assert value(samples, "meshwg_shard_lease_age_seconds", **of_first) == 0.25
    assert value(samples, "meshwg_shard_shut_out_packets_total", **of_first) == 5
    assert value(samples, "meshwg_shard_connections_refused_total", **of_first, reason="stranger") == 3
    assert value(samples, "meshwg_hub_calls_unanswered_total", reason="unowned") == 4
    assert value(samples, "meshwg_hub_calls_unanswered_total", reason="etcd") == 0


def test_a_service_of_one_hub_tells_of_no_shards(context: Context, hub: FakeHub) -> None:
    assert not [name for name in scraped(make(context, busy(hub))) if "shard" in name]


def test_every_alert_of_many_hubs_has_a_runbook() -> None:
    of_hubs, of_one = (
        re.findall(r"- alert: (\w+)", (MONITORING / name).read_text(encoding="utf-8"))
        for name in ("alerts-hubs.yml", "alerts.yml")
    )
    runbooks = re.findall(r"^- `(MeshWG\w+)`: ", (MONITORING.parents[1] / "docs" / "operating.md").read_text(), re.M)
    assert len(runbooks) == len(set(runbooks))
    # Of one hub, an alert's own description is enough for most.
    assert set(of_hubs) <= set(runbooks) <= {*of_hubs, *of_one}


def test_a_scrape_counts_refusals_beyond_a_share(context: Context, hub: FakeHub) -> None:
    payers = Payers()
    app = make_app(site_of(context), lambda: busy(hub), turned_away=payers.turned_away)
    payers.note_turned_away(Payer("acme"), "waiting")
    context.refusals["trail"] += 2
    context.refusals["room"] += 3
    found = scraped(app)
    assert value(found, "meshwg_requests_turned_away_total", reason="waiting") == 1
    assert value(found, "meshwg_requests_turned_away_total", reason="processor") == 0
    assert value(found, "meshwg_trail_full_total") == 2
    assert value(found, "meshwg_no_room_total") == 3


def test_a_scrape_reports_the_state_of_every_part(context: Context, hub: FakeHub) -> None:
    app = make(context, busy(hub))
    token = call(app, "POST", "/api/v1/signup", SIGN_UP).json["token"]
    call(app, "POST", "/api/v1/machines", {"name": "mumbai"}, token=token)
    samples = scraped(app)
    assert value(samples, "meshwg_hub_up") == value(samples, "meshwg_store_up") == 1
    assert value(samples, "meshwg_link_ports") == 1
    assert value(samples, "meshwg_link_ports_room") == 12_768
    assert value(samples, "meshwg_store_bytes") == stored_bytes(context)
    assert value(samples, "meshwg_store_free_bytes") > 0
    assert value(samples, "meshwg_organizations") == 2
    assert value(samples, "meshwg_machines") == 1
    assert value(samples, "meshwg_repairs_total", part="rules") == 3
    assert value(samples, "meshwg_front_door_packets_total", fate="malformed") == 7
    assert value(samples, "meshwg_hub_work_seconds_total") == 1.5
    assert value(samples, "meshwg_tracked_connections", of="all") == 30
    assert value(samples, "meshwg_tracked_connections", of="largest") == 20
    assert value(samples, "meshwg_tracked_connections_room") == 100
    assert value(samples, "meshwg_connections_full", of="machine") == 2
    assert value(samples, "meshwg_connections_refused_total", by="pace") == 6
    assert value(samples, "meshwg_connection_bounds_reached_total", of="organization") == 0
    assert value(samples, "meshwg_hub_refused_total", of="share") == 4
    assert value(samples, "meshwg_hub_refused_total", of="waiting") == 0
    assert value(samples, "meshwg_hub_refused_total", of="host") == 2
    assert value(samples, "meshwg_hub_longest_wait_seconds") == 0.25
    assert value(samples, "meshwg_limits_reached_total", limit="sign-ups", level="/48") == 5
    assert value(samples, "meshwg_hashes_waiting") == 0
    assert value(samples, "meshwg_hashes_refused_total") >= 0
    assert value(samples, "meshwg_front_door_entries", memory="known4") == 3
    assert value(samples, "meshwg_front_door_room", memory="known4") == 9
    assert value(samples, "meshwg_machine_calls_total", outcome="made") == 8
    assert value(samples, "meshwg_machine_calls_total", outcome="failed") == 1
    assert value(samples, "meshwg_machine_calls_due") == 3
    assert value(samples, "meshwg_pings_total", outcome="answered") == 6
    assert value(samples, "meshwg_measurements_total", outcome="made") == 8
    assert value(samples, "meshwg_shared_used", of="files") == 70
    assert value(samples, "meshwg_shared_room", of="files") == 1024
    assert value(samples, "meshwg_build", version=release.version()) == 1
    assert value(samples, "meshwg_certificate_ends_timestamp_seconds") == ENDS.timestamp()
    assert value(samples, "meshwg_http_answers_total", status="201") == 2
    assert value(samples, "meshwg_http_request_seconds_count", method="POST", route="/api/v1/machines") == 1


def test_a_scrape_reports_a_hub_that_does_not_answer(context: Context) -> None:
    samples = scraped(make(context, None))
    assert value(samples, "meshwg_hub_up") == 0
    assert "meshwg_organizations" not in samples


def test_a_scrape_reports_a_store_that_can_not_be_read(context: Context, hub: FakeHub, tmp_path: Path) -> None:
    for file in tmp_path.iterdir():
        file.unlink()
    context.store.close()
    assert value(scraped(make(context, busy(hub))), "meshwg_store_up") == 0


@pytest.mark.parametrize("name", ["alerts-hubs.yml", "alerts-hubs.test.yml"])
def test_alerts_of_many_hubs_use_existing_metrics(context: Context, hub: FakeHub, name: str) -> None:
    spoken = set(re.findall(r"\bmeshwg_[a-z_]+", (MONITORING / name).read_text(encoding="utf-8")))
    assert len(spoken) > 5
    assert spoken <= set(scraped(make(context, shared_out(hub))))


@pytest.mark.parametrize("name", ["alerts.yml", "alerts.test.yml", "dashboard.json"])
def test_alerts_and_dashboard_use_existing_metrics(context: Context, hub: FakeHub, name: str) -> None:
    app = make(context, busy(hub))
    call(app, "GET", "/healthz")
    spoken = set(re.findall(r"\b(?:meshwg|process)_[a-z_]+", (MONITORING / name).read_text(encoding="utf-8")))
    assert len(spoken) > 5
    assert spoken <= set(scraped(app))
