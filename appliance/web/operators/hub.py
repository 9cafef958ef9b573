"""Page about the health of the service: hub, bounds and how full they are, certificate and store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from appliance.hub.rpc.messages import HubStatus, ShardStatus
from appliance.languages import formats
from appliance.languages import gettext as _
from appliance.service import oversight
from appliance.service.oversight import StoreFacts
from appliance.web import health
from appliance.web.operators.visits import HOME, OperatorPage, OperatorVisit
from appliance.web.pages import words
from appliance.web.response import Response

_SOON_DAYS = 14
# A lease is renewed 0.4 s after the last time, and trusted for 1.7 s.
_LATE_S = 1.0


@dataclass(frozen=True)
class Figure:
    """A named value.

    Attributes:
        value: its text, or a moment, which is shown in the reader's zone.
        is_high: True if it is close to its bound, or needs attention.
        is_code: True if the name is that of a label in the metrics, which is the same in every language.
    """

    name: str
    value: str | datetime
    is_high: bool = False
    is_code: bool = False


@dataclass(frozen=True)
class Section:
    """Figures with one subject.

    Attributes:
        metric: name of the metric with the same figures; empty if there is none.
    """

    title: str
    figures: list[Figure]
    metric: str = ""


def _show(visit: OperatorVisit) -> Response:
    now = health.look(visit.facts.status)
    return visit.page("operator_hub.html", reason=health.reason_of(now), sections=list(_sections(visit, now)))


def _sections(visit: OperatorVisit, now: health.Readiness) -> Iterator[Section]:
    store = oversight.store_facts(visit.context)
    yield Section(_("Versions"), _versions(visit.facts.version, now, store))
    yield Section(_("Capacity"), list(_capacity(now, store)))
    yield Section(_("Store"), list(_store(store)))
    yield Section(_("Certificate"), list(_certificate(visit.facts.certificate_ends, visit.context.clock())))
    if isinstance(now, HubStatus) and now.shards:
        yield Section(_("Shards"), [_shard(each) for each in now.shards])
        yield Section(_("Calls that no hub answered"), _counts(now.unanswered))
    if isinstance(now, HubStatus):
        yield Section(_("Repairs since the start of the hub"), _counts(now.repairs), "meshwg_repairs_total")
        yield Section(
            _("Packets to the front door, without those of sessions"),
            _counts(now.door),
            "meshwg_front_door_packets_total",
        )
        yield Section(_("Memories of the front door"), list(_memories(now)), "meshwg_front_door_entries")
        yield Section(_("Changes in the hub"), list(_work(now)))
    reached = {f"{limit}, {level}": count for (limit, level), count in visit.site.limits.refused.items()}
    yield Section(
        _("Requests that a limit refused, since the start of the web process"),
        _counts(reached),
        "meshwg_limits_reached_total",
    )
    yield Section(_("Requests beyond a share"), _counts(visit.facts.turned_away), "meshwg_requests_turned_away_total")
    yield Section(_("Changes that a bound refused"), _counts(visit.context.refusals))


def _versions(version: str, now: health.Readiness, store: StoreFacts) -> list[Figure]:
    wireguard = f"{now.wireguard} {now.version}" if isinstance(now, HubStatus) else _("unknown")
    return [
        Figure("MeshWG", version),
        Figure("WireGuard", wireguard),
        Figure(_("Schema of the store"), f"{store.revision}", is_high=not store.is_newest),
    ]


def _capacity(now: health.Readiness, store: StoreFacts) -> Iterator[Figure]:
    if isinstance(now, HubStatus):
        yield Figure(
            _("Organizations enforced"),
            _("{count} of {most}", count=formats.number(now.enforcing), most=formats.number(now.expected)),
            is_high=now.enforcing < now.expected,
        )
        tracking = now.tracking
        yield _filled(_("Tracked connections"), tracking.get("connections", 0), tracking.get("limit", 0))
        yield _filled(_("Open files of the hub"), now.used.get("files", 0), now.room.get("files", 0))
        yield _filled(_("Threads on the host"), now.used.get("threads", 0), now.room.get("threads", 0))
        memory = (each.get("memory", 0) // 2**20 for each in (now.used, now.room))
        yield _filled(_("Memory of the host in use, in MiB"), *memory)
        states = (each.get("states", 0) // 2**20 for each in (now.used, now.room))
        yield _filled(_("Memory for machines and policies, in MiB"), *states)
    yield Figure(_("Machines"), formats.number(store.machines))
    yield _filled(_("Unused organizations"), store.unused, store.most_unused)
    yield _filled(_("Ports of organizations"), store.ports, store.most_ports)


def _shard(shard: ShardStatus) -> Figure:
    """Tell where a shard is; it is high if nobody has it, or its lease was not renewed in time."""
    if shard.host is None:
        return Figure(shard.endpoint, _("no hub answers"), is_high=True)
    text = _(
        "{host}, for {minutes} min; lease renewed {seconds} s ago; {packets} packets found the door shut; "
        "{refused} connections of hosts refused",
        host=shard.host,
        minutes=formats.number(shard.owned_s // 60),
        seconds=formats.number(shard.lease_age_s, decimals=1),
        packets=formats.number(shard.shut_out),
        refused=formats.number(sum(shard.refused.values())),
    )
    if shard.prepared is not None:
        text = _("{text}; {host} is prepared for it", text=text, host=shard.prepared)
    return Figure(shard.endpoint, text, is_high=shard.lease_age_s > _LATE_S or shard.refused.get("stranger", 0) > 0)


def _memories(now: HubStatus) -> Iterator[Figure]:
    for memory, entries in sorted(now.door_entries.items()):
        yield replace(_filled(memory, entries, now.door_room.get(memory, 0)), is_code=True)


def _filled(name: str, value: int, most: int) -> Figure:
    if not most:
        return Figure(name, formats.number(value))
    share = formats.number(100 * value / most)
    text = _("{count} of {most} ({share}%)", count=formats.number(value), most=formats.number(most), share=share)
    return Figure(name, text, is_high=value > 0.8 * most)


def _store(store: StoreFacts) -> Iterator[Figure]:
    yield Figure(_("Kind"), store.kind)
    yield Figure(_("Size"), words.size(store.bytes))
    if store.free is not None:
        yield Figure(_("Free on its disk"), words.size(store.free))
    yield Figure(_("Letters that wait"), formats.number(store.letters))


def _certificate(ends: datetime | None, now: datetime) -> Iterator[Figure]:
    if ends is None:
        yield Figure(_("Ends"), _("a proxy serves another one"))
        return
    yield Figure(_("Ends"), ends)
    days = (ends - now).days
    yield Figure(_("Days until then"), formats.number(days), is_high=days < _SOON_DAYS)


def _work(now: HubStatus) -> Iterator[Figure]:
    yield Figure(_("Processor time"), _("{seconds} s", seconds=formats.number(now.work.get("seconds", 0), decimals=1)))
    yield Figure(
        _("Longest wait"), _("{seconds} s", seconds=formats.number(now.work.get("longest_wait_seconds", 0), decimals=3))
    )
    yield Figure(_("Refused, too many waited"), formats.number(now.work.get("refused_waiting", 0)))
    yield Figure(_("Refused, share used up"), formats.number(now.work.get("refused_share", 0)))
    yield Figure(_("Refused, memory full"), formats.number(now.work.get("refused_memory", 0)))
    yield Figure(_("Refused, host full"), formats.number(now.work.get("refused_host", 0)))


def _counts(counts: Mapping[str, int]) -> list[Figure]:
    return [Figure(name, formats.number(count), is_code=True) for name, count in sorted(counts.items())]


PAGES = (OperatorPage("GET", f"{HOME}/hub", _show),)
