"""Metrics of connection tracking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric


def families(figures: Mapping[str, int]) -> Iterator[Metric]:
    """Make the metrics of the hub's figures (`HubStatus.tracking`)."""
    entries = GaugeMetricFamily(
        "meshwg_tracked_connections",
        "Connections that are tracked, of all organizations and of the one with the most",
        labels=["of"],
    )
    for label, name in (("all", "connections"), ("largest", "largest")):
        entries.add_metric([label], figures.get(name, 0))
    yield entries
    room = GaugeMetricFamily("meshwg_tracked_connections_room", "Connections that the host tracks at most")
    room.add_metric([], figures.get("limit", 0))
    yield room
    full = GaugeMetricFamily(
        "meshwg_connections_full", "Machines and organizations that open no new connection now", labels=["of"]
    )
    reached = CounterMetricFamily(
        "meshwg_connection_bounds_reached",
        "Number of times that a machine or an organization reached its bound of connections",
        labels=["of"],
    )
    for label in ("machine", "organization"):
        full.add_metric([label], figures.get(f"full_{label}s", 0))
        reached.add_metric([label], figures.get(f"reached_by_{label}", 0))
    yield full
    yield reached
    refused = CounterMetricFamily(
        "meshwg_connections_refused",
        "Packets that opened more connections than allowed, by what refused them",
        labels=["by"],
    )
    for label in ("bound", "pace"):
        refused.add_metric([label], figures.get(f"refused_by_{label}", 0))
    yield refused
