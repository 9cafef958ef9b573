"""Metrics of many hubs: their shards, and calls between hosts. Where there is one hub, there are none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from appliance.hub.rpc.messages import HubStatus, ShardStatus
from appliance.web.families import by_value, chosen, counter, gauge


def families(status: HubStatus) -> Iterator[Metric]:
    """Make the metrics of a status that has shards."""
    if not status.shards:
        return
    yield GaugeMetricFamily("meshwg_shards", "Shards in the store", len(status.shards))
    yield GaugeMetricFamily("meshwg_shards_lost", "Shards whose owner does not answer, or is none", len(status.lost))
    owners = Counter(each.host for each in status.shards if each.host is not None)
    yield gauge("meshwg_shards_owned", "Shards that a host owns", "host", by_value(owners))
    yield from _of_each([each for each in status.shards if each.host is not None])
    yield counter(
        "meshwg_hub_calls_unanswered",
        "Calls of this process that no hub answered, by the reason",
        "reason",
        chosen(status.unanswered, ("etcd", "unowned", "unreached")),
    )


def _of_each(owned: list[ShardStatus]) -> Iterator[Metric]:
    for name, text, attribute in (
        ("meshwg_shard_token", "Number of the time of ownership; every taking of the shard raises it", "token"),
        ("meshwg_shard_owned_seconds", "Seconds since the owner's process took the shard", "owned_s"),
        ("meshwg_shard_lease_age_seconds", "Seconds since the owner last renewed its lease", "lease_age_s"),
        ("meshwg_shard_prepared", "1 if a host is prepared to take the shard", "is_prepared"),
    ):
        yield gauge(name, text, "shard", {each.endpoint: getattr(each, attribute) for each in owned})
    yield counter(
        "meshwg_shard_shut_out_packets",
        "Packets that found the front door shut by the lease's gate",
        "shard",
        {each.endpoint: each.shut_out for each in owned},
    )
    yield counter(
        "meshwg_shard_connections_refused",
        "Connections of other hosts that the owner refused, by the reason",
        ("shard", "reason"),
        {(each.endpoint, reason): count for each in owned for reason, count in sorted(each.refused.items())},
    )
