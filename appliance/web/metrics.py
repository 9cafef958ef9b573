"""Metrics for Prometheus: counts of this process, and the state of hub and store at the scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from appliance import release
from appliance.hub.errors import HubError, HubUnreachable
from appliance.hub.rpc.messages import HubStatus
from appliance.model import ports
from appliance.model.errors import Unavailable
from appliance.service import passwords
from appliance.service.unused import MOST as MOST_UNUSED
from appliance.store import Store, machines, organizations, size, unused
from appliance.web import hub_families
from appliance.web.families import by_value, chosen, counter
from appliance.web.handler import Handler
from appliance.web.limits import RateLimits
from appliance.web.payers import REASONS
from appliance.web.recent import Recent
from appliance.web.request import Request
from appliance.web.response import Response
from appliance.web.watchers import Watchers

_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


@dataclass(frozen=True)
class RefusalCounts:
    """Counts of refused and repeated requests.

    Attributes:
        turned_away: requests beyond a share of the process, by reason (`payers.Payers`).
        refusals: changes, by the bound that was reached (`Context`).
        repeated: repeated forms and strangers' calls, by outcome (`posts.Posts`).
    """

    turned_away: Mapping[str, int]
    refusals: Mapping[str, int]
    repeated: Sequence[Mapping[str, int]] = ()


class Metrics:
    """Counts of requests, and collectors that ask hub and store at each scrape.

    Args:
        status: asks the hub.
        certificate_ends: when the served certificate ends; None if a proxy serves another one.
        refusals: counts of refused and repeated requests.
    """

    def __init__(
        self,
        status: Callable[[], HubStatus],
        store: Store,
        limits: RateLimits,
        certificate_ends: datetime | None,
        refusals: RefusalCounts,
    ) -> None:
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "meshwg_http_request_seconds",
            "Time to answer",
            ["method", "route"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._answers = Counter("meshwg_http_answers", "Answers by status", ["status"], registry=self.registry)
        build = Gauge("meshwg_build", "The version that runs", ["version"], registry=self.registry)
        build.labels(release.version()).set(1)
        if certificate_ends is not None:
            ends = Gauge(
                "meshwg_certificate_ends_timestamp_seconds", "When the certificate does", registry=self.registry
            )
            ends.set(certificate_ends.timestamp())
        ProcessCollector(registry=self.registry)
        self.registry.register(_StoreCollector(store))
        self.registry.register(_HubCollector(status))
        self.registry.register(_LimitsCollector(limits))
        self.registry.register(_RefusalsCollector(refusals))

    def timed(self, method: str, path: str) -> AbstractContextManager[object]:
        """Time a block that answers a request.

        Args:
            path: rule of the route, which is the same for every value of its parameters.
        """
        return self._seconds.labels(method, path).time()

    def count(self, status: int) -> None:
        """Count an answer by its HTTP status."""
        self._answers.labels(str(status)).inc()


class _HubCollector(Collector):
    def __init__(self, status: Callable[[], HubStatus]) -> None:
        self._status = status

    def collect(self) -> Iterable[Metric]:
        try:
            status = self._status()
        except HubError as error:
            # A hub that answers with an error is up.
            yield _hub_up(is_up=not isinstance(error, HubUnreachable))
            return
        yield _hub_up(is_up=True)
        yield from hub_families.families(status)


def _hub_up(*, is_up: bool) -> Metric:
    return GaugeMetricFamily("meshwg_hub_up", "1 if the hub's process answers, else 0", int(is_up))


class _LimitsCollector(Collector):
    def __init__(self, limits: RateLimits) -> None:
        self._limits = limits

    def collect(self) -> Iterable[Metric]:
        yield counter(
            "meshwg_limits_reached",
            "Requests that a limit refused, and connections that one ended, by the limit and its level",
            ("limit", "level"),
            by_value(self._limits.refused),
        )
        yield GaugeMetricFamily("meshwg_hashes_waiting", "Passwords that wait to be hashed", passwords.slots.waiting)
        yield CounterMetricFamily(
            "meshwg_hashes_refused", "Passwords that were not hashed, as too many waited", passwords.slots.refused
        )


class _StoreCollector(Collector):
    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterable[Metric]:
        try:
            with self._store.read() as transaction:
                count = machines.count(transaction)
                unused_count = unused.count(transaction, MOST_UNUSED)
                taken = organizations.count_ports(transaction)
            disk = size.disk_use(self._store)
        except Unavailable:
            yield _store_up(is_up=False)
            return
        yield _store_up(is_up=True)
        yield GaugeMetricFamily("meshwg_store_bytes", "Size of the store, with SQLite's write-ahead log", disk.bytes)
        if disk.free is not None:
            yield GaugeMetricFamily("meshwg_store_free_bytes", "Bytes that are free on the store's disk", disk.free)
        yield GaugeMetricFamily("meshwg_link_ports", "UDP ports of the host that organizations have", taken)
        yield GaugeMetricFamily("meshwg_link_ports_room", "UDP ports that there are for organizations", ports.COUNT)
        yield GaugeMetricFamily("meshwg_machines", "Machines in the store", count)
        yield GaugeMetricFamily(
            "meshwg_organizations_unused", "Organizations that were signed up and never used", unused_count
        )


def _store_up(*, is_up: bool) -> Metric:
    return GaugeMetricFamily("meshwg_store_up", "1 if the store can be read, else 0", int(is_up))


class _RefusalsCollector(Collector):
    def __init__(self, refusals: RefusalCounts) -> None:
        self._refusals = refusals

    def collect(self) -> Iterable[Metric]:
        yield counter(
            "meshwg_requests_turned_away",
            "Requests beyond the share of their organization or address, by the reason",
            "reason",
            chosen(self._refusals.turned_away, REASONS),
        )
        yield CounterMetricFamily(
            "meshwg_trail_full",
            "Changes that were refused because a day of the audit trail was full",
            self._refusals.refusals.get("trail", 0),
        )
        yield CounterMetricFamily(
            "meshwg_no_room",
            "Changes that were refused because the store's disk is nearly full",
            self._refusals.refusals.get("room", 0),
        )
        yield counter(
            "meshwg_repeats_full",
            "Changes that were refused because too many keys of programs, or forms of a person, are remembered",
            "of",
            chosen(self._refusals.refusals, ("keys", "forms")),
        )
        yield counter(
            "meshwg_repeated_posts",
            "Forms and strangers' calls with a key that were repeated while the first was in progress (joined) or "
            "later (told), and notes of them dropped for lack of memory (forgotten)",
            "fate",
            {
                fate: sum(counts.get(fate, 0) for counts in self._refusals.repeated)
                for fate in ("joined", "told", "forgotten")
            },
        )


def handler(metrics: Metrics, watchers: Watchers) -> Handler:
    """Make the handler of the metrics; all scrapes within a second share one result, as each asks hub and store."""
    recent = Recent(lambda: generate_latest(metrics.registry))

    def scrape(request: Request) -> Response:
        watchers.check(request)
        return Response(recent.get(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    return Handler("GET", "/metrics", scrape)
