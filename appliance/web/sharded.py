"""Metrics of many hubs: their shards, and calls between hosts. Where there is one hub, there are none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from appliance.hub.rpc.messages import HubStatus, ShardStatus


def families(status: HubStatus) -> Iterator[Metric]:
    """Make the metrics of a status that has shards."""
    if not status.shards:
        return
    yield GaugeMetricFamily("meshwg_shards", "Shards in the store", len(status.shards))
    yield GaugeMetricFamily("meshwg_shards_lost", "Shards whose owner does not answer, or is none", len(status.lost))
    held = GaugeMetricFamily("meshwg_shards_owned", "Shards that a host owns", labels=["host"])
    for host, count in sorted(Counter(each.host for each in status.shards if each.host is not None).items()):
        held.add_metric([host], count)
    yield held
    yield from _of_each([each for each in status.shards if each.host is not None])
    calls = CounterMetricFamily(
        "meshwg_hub_calls_unanswered", "Calls of this process that no hub answered, by the reason", labels=["reason"]
    )
    for reason in ("etcd", "unowned", "unreached"):
        calls.add_metric([reason], status.unanswered.get(reason, 0))
    yield calls


def _of_each(owned: list[ShardStatus]) -> Iterator[Metric]:
    for name, text, attribute in (
        ("meshwg_shard_token", "Number of the time of ownership; every taking of the shard raises it", "token"),
        ("meshwg_shard_owned_seconds", "Seconds since the owner's process took the shard", "owned_s"),
        ("meshwg_shard_lease_age_seconds", "Seconds since the owner last renewed its lease", "lease_age_s"),
        ("meshwg_shard_prepared", "1 if a host is prepared to take the shard", "is_prepared"),
    ):
        family = GaugeMetricFamily(name, text, labels=["shard"])
        for each in owned:
            family.add_metric([each.endpoint], getattr(each, attribute))
        yield family
    shut_out = CounterMetricFamily(
        "meshwg_shard_shut_out_packets", "Packets that found the front door shut by the lease's gate", labels=["shard"]
    )
    refused = CounterMetricFamily(
        "meshwg_shard_connections_refused",
        "Connections of other hosts that the owner refused, by the reason",
        labels=["shard", "reason"],
    )
    for each in owned:
        shut_out.add_metric([each.endpoint], each.shut_out)
        for reason, count in sorted(each.refused.items()):
            refused.add_metric([each.endpoint, reason], count)
    yield shut_out
    yield refused
