"""Metrics of the hub's status."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from appliance.hub.rpc.messages import HubStatus
from appliance.web import sharded, tracked
from appliance.web.families import by_value, chosen, counter, gauge


def families(status: HubStatus) -> Iterator[Metric]:
    """Make the metrics of a status, subject by subject."""
    yield from _enforcement(status)
    yield from _front_door(status)
    yield from tracked.families(status.tracking)
    yield from sharded.families(status)
    yield from _calls_and_measurements(status)
    yield from _work(status.work)


def _enforcement(status: HubStatus) -> Iterator[Metric]:
    yield GaugeMetricFamily("meshwg_organizations", "Organizations in the store", status.expected)
    yield GaugeMetricFamily(
        "meshwg_organizations_enforced", "Organizations enforced in the data plane", status.enforcing
    )
    yield gauge(
        "meshwg_wireguard",
        "The WireGuard implementation in use",
        ("implementation", "version"),
        {(status.wireguard, status.version): 1},
    )
    yield counter(
        "meshwg_repairs", "Repairs since the hub's start, by the damaged part", "part", by_value(status.repairs)
    )


def _front_door(status: HubStatus) -> Iterator[Metric]:
    yield counter(
        "meshwg_front_door_packets",
        "Packets to the public UDP port by what became of them, but for those of sessions",
        "fate",
        by_value(status.door),
    )
    yield gauge(
        "meshwg_front_door_entries",
        "Elements in the front door's memories",
        "memory",
        by_value(status.door_entries),
    )
    yield gauge(
        "meshwg_front_door_room",
        "Room for elements in the front door's memories",
        "memory",
        by_value(status.door_room),
    )
    yield gauge("meshwg_shared_used", "What all organizations share of the host, in use", "of", by_value(status.used))
    yield gauge("meshwg_shared_room", "What all organizations share of the host", "of", by_value(status.room))


def _calls_and_measurements(status: HubStatus) -> Iterator[Metric]:
    yield counter(
        "meshwg_machine_calls",
        "Organizations whose machines were called after damage to the front door, by the outcome",
        "outcome",
        chosen(status.machine_calls, ("made", "failed")),
    )
    yield counter("meshwg_pings", "Pings of machines from the hub, by the outcome", "outcome", by_value(status.pings))
    yield counter(
        "meshwg_measurements",
        "Measurements of organizations' rules, by the outcome",
        "outcome",
        by_value(status.measurements),
    )
    yield GaugeMetricFamily(
        "meshwg_machine_calls_due",
        "Organizations whose machines are to be called",
        status.machine_calls.get("due", 0),
    )


def _work(figures: Mapping[str, float]) -> Iterator[Metric]:
    yield CounterMetricFamily(
        "meshwg_hub_work_seconds",
        "Seconds of a processor that changes took in the hub",
        figures.get("seconds", 0),
    )
    yield counter(
        "meshwg_hub_refused",
        "Changes that the hub refused, by what there was too much of, or too little left of",
        "of",
        {of: figures.get(f"refused_{of}", 0) for of in ("waiting", "share", "memory", "host")},
    )
    yield GaugeMetricFamily(
        "meshwg_hub_longest_wait_seconds",
        "The longest that a change waited for its turn since the hub's start",
        figures.get("longest_wait_seconds", 0),
    )
