"""Liveness, readiness and metrics, at the root."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import bottle
import msgspec
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from appliance.hub.errors import HubError
from appliance.hub.messages import HubStatus
from appliance.web import problems

_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Metrics:
    """Counts requests as a plugin of bottle, and asks the hub how it is when somebody looks."""

    name = "metrics"
    api = 2

    def __init__(self, status: Callable[[], HubStatus]) -> None:
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "meshwg_http_request_seconds",
            "Time to answer",
            ["method", "route"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._answers = Counter("meshwg_http_answers", "Answers by status", ["status"], registry=self.registry)
        self.registry.register(_HubCollector(status))

    def apply(self, callback: Callable[..., Any], route: bottle.Route) -> Callable[..., Any]:
        """Wraps a route's callback (bottle's plugin protocol)."""
        seconds = self._seconds.labels(route.method, route.rule)

        def timed(*arguments: Any, **parameters: Any) -> Any:
            start = time.perf_counter()
            try:
                return callback(*arguments, **parameters)
            finally:
                seconds.observe(time.perf_counter() - start)

        return timed

    def count(self, status: int) -> None:
        """Notes an answer."""
        self._answers.labels(str(status)).inc()


class _HubCollector(Collector):
    def __init__(self, status: Callable[[], HubStatus]) -> None:
        self._status = status

    def collect(self) -> Iterable[Metric]:
        up = GaugeMetricFamily("meshwg_hub_up", "Whether the hub's process answers")
        try:
            status = self._status()
        except HubError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        for name, text, value in (
            ("meshwg_organizations", "Organizations in the store", status.expected),
            ("meshwg_organizations_enforced", "Organizations enforced in the data plane", status.enforcing),
        ):
            family = GaugeMetricFamily(name, text)
            family.add_metric([], value)
            yield family
        implementation = GaugeMetricFamily(
            "meshwg_wireguard", "The WireGuard implementation in use", labels=["implementation", "version"]
        )
        implementation.add_metric([status.wireguard, status.version], 1)
        yield implementation
        repairs = CounterMetricFamily(
            "meshwg_repairs", "Damage that was mended since the hub's start, by what was damaged", labels=["part"]
        )
        for part, count in sorted(status.repairs.items()):
            repairs.add_metric([part], count)
        yield repairs
        door = CounterMetricFamily(
            "meshwg_front_door_packets",
            "Packets to the public UDP port by what became of them, but for those of sessions",
            labels=["fate"],
        )
        for fate, count in sorted(status.door.items()):
            door.add_metric([fate], count)
        yield door


def install(app: bottle.Bottle, status: Callable[[], HubStatus], metrics: Metrics) -> None:
    """Adds the three paths."""

    def ready() -> Any:
        try:
            now = status()
        except HubError as error:
            return problems.respond(problems.unexpected(503, "Not ready", f"The hub does not answer: {error}."))
        if now.enforcing < now.expected:
            return problems.respond(
                problems.unexpected(503, "Not ready", f"{now.enforcing} of {now.expected} organizations are enforced.")
            )
        return _json({"status": "ready", "wireguard": now.wireguard, "organizations": now.expected})

    app.route("/healthz", callback=lambda: _json({"status": "alive"}))
    app.route("/readyz", callback=ready)
    app.route(
        "/metrics",
        callback=lambda: bottle.HTTPResponse(
            generate_latest(metrics.registry), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        ),
    )


def _json(value: Any) -> bottle.HTTPResponse:
    return bottle.HTTPResponse(msgspec.json.encode(value), headers={"Content-Type": "application/json"})
