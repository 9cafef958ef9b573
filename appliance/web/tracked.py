"""Metrics of connection tracking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric

from appliance.web.families import counter, gauge

_BOUNDED = ("machine", "organization")


def families(figures: Mapping[str, int]) -> Iterator[Metric]:
    """Make the metrics of the hub's figures (`HubStatus.tracking`)."""
    yield gauge(
        "meshwg_tracked_connections",
        "Connections that are tracked, of all organizations and of the one with the most",
        "of",
        {"all": figures.get("connections", 0), "largest": figures.get("largest", 0)},
    )
    yield GaugeMetricFamily(
        "meshwg_tracked_connections_room", "Connections that the host tracks at most", figures.get("limit", 0)
    )
    yield gauge(
        "meshwg_connections_full",
        "Machines and organizations that open no new connection now",
        "of",
        {of: figures.get(f"full_{of}s", 0) for of in _BOUNDED},
    )
    yield counter(
        "meshwg_connection_bounds_reached",
        "Number of times that a machine or an organization reached its bound of connections",
        "of",
        {of: figures.get(f"reached_by_{of}", 0) for of in _BOUNDED},
    )
    yield counter(
        "meshwg_connections_refused",
        "Packets that opened more connections than allowed, by what refused them",
        "by",
        {by: figures.get(f"refused_by_{by}", 0) for by in ("bound", "pace")},
    )
