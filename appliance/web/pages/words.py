"""Values as texts for people, in the reader's language."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import accumulate

from appliance.languages import Language, formats, ngettext, reader, say
from appliance.languages import gettext as _
from appliance.model.desired import RuleCount
from appliance.model.errors import Invalid
from appliance.model.expectations import Expectation
from appliance.model.matrix import Party
from appliance.model.policy import Action, Protocol, Rule, Selector, SelectorKind
from appliance.model.port_ranges import PortRange, format_ports
from appliance.model.probes import Probe
from appliance.model.sentences import sentence
from appliance.model.services import ServiceProtocol, ServiceRange

_PROTOCOLS = {
    ServiceProtocol.ANY: sentence("everything"),
    ServiceProtocol.TCP: sentence("TCP"),
    ServiceProtocol.UDP: sentence("UDP"),
    ServiceProtocol.ICMP: sentence("ICMP (ping)"),
    ServiceProtocol.OTHER: sentence("every other protocol"),
}
_MOST_RANGES = 5
_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")
_THOUSANDS = ("k", "M", "G", "T", "P", "E")
_LIKE_ENGLISH_ENDS = r"(any|group|the machine|a removed machine)\b|machine:"
_ENDS = (
    sentence("any machine"),
    sentence("group {name}"),
    sentence("the machine “{name}”"),
    sentence("a removed machine ({id})"),
)
_CODE = re.compile(r"(``?)(.+?)\1")
_NAME = re.compile(r"{(\w+)}")
_DAY_S, _HOUR_S, _MINUTE_S = 86400, 3600, 60


def ago(at: datetime, now: datetime) -> str:
    """Format the time since a moment: ``3 minutes ago``."""
    seconds = int((now - at).total_seconds())
    if seconds >= _DAY_S:
        return ngettext("{n} day ago", "{n} days ago", seconds // _DAY_S)
    if seconds >= _HOUR_S:
        return ngettext("{n} hour ago", "{n} hours ago", seconds // _HOUR_S)
    if seconds >= _MINUTE_S:
        return ngettext("{n} minute ago", "{n} minutes ago", seconds // _MINUTE_S)
    return ngettext("{n} second ago", "{n} seconds ago", seconds) if seconds >= 1 else _("just now")


def about(at: datetime, now: datetime) -> str:
    """Format the time since a moment like `ago`, but not to the second, which would change at each look."""
    return _("less than a minute ago") if (now - at).total_seconds() < 60 else ago(at, now)


def milliseconds(amount: float) -> str:
    """Format milliseconds, with a decimal below ten."""
    return _("{amount} ms", amount=formats.number(amount, decimals=1 if amount < 10 else 0))


def size(count: int) -> str:
    """Format a number of bytes with the unit that leaves one to four digits."""
    if count < 1024:
        return f"{formats.number(count)} B"
    amount = float(count)
    for unit in _UNITS:
        amount /= 1024
        if amount < 1024 or unit == _UNITS[-1]:
            return f"{formats.number(amount, decimals=1)} {unit}"
    raise AssertionError("the last unit takes what is left")


def short_count(count: int) -> str:
    """Format a number in at most six characters while it is below a billion billions: ``9,999``, ``12k``, ``3.4M``."""
    if count < 10_000:
        return formats.number(count)
    amount = float(count)
    for unit in _THOUSANDS:
        amount /= 1000
        # What would be rounded to 1000 has the next unit.
        if amount < 999.5 or unit == _THOUSANDS[-1]:
            return formats.number(amount, decimals=0 if amount >= 9.95 else 1) + unit
    raise AssertionError("the last unit takes what is left")


def fitted(text: str, columns: int) -> str:
    """Cut a text to a number of columns, with "…" at its end if it was longer; letters of East Asia take two."""
    if sum(map(_columns, text)) <= columns:
        return text
    left = accumulate(map(_columns, text), initial=1)
    return (
        "".join(letter for letter, before in zip(text, left, strict=False) if before + _columns(letter) <= columns)
        + "…"
    )


def _columns(letter: str) -> int:
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


# The first mark in a User-Agent counts, as browsers also name their ancestors.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def program(agent: str) -> str:
    """Name the program of a User-Agent: ``Firefox on Linux``, ``curl/8.5.0``."""
    browser = next((name for mark, name in _BROWSERS if mark in agent), None)
    system = next((name for mark, name in _SYSTEMS if mark in agent), None)
    if browser is None:
        return agent[:40] or _("unknown")
    return _("{browser} on {system}", browser=browser, system=system) if system else browser


def group_list(groups: Iterable[str]) -> str:
    """Format groups as one line; names with a comma are quoted."""
    return ", ".join(map(_quoted, groups))


def _quoted(group: str) -> str:
    if "," in group or group.startswith('"'):
        return '"' + group.replace('"', '""') + '"'
    return group


def parse_groups(text: str) -> list[str]:
    """Parse a line of groups as people type it, ignoring spaces around names and empty names.

    Raises:
        Invalid: it is not one line.
    """
    try:
        return [name.strip() for row in csv.reader([text], skipinitialspace=True) for name in row if name.strip()]
    except csv.Error:
        raise Invalid("The groups are not names on one line, with commas between them.", field="groups") from None


def selector(end: Selector, names: Mapping[str, str]) -> str:
    """Describe an end of a rule, with machines by name."""
    if end.kind is SelectorKind.ANY:
        return _("any machine")
    if end.kind is SelectorKind.GROUP:
        return _("group {name}", name=end.name)
    return machine(end.name, names)


def machine(id_: str, names: Mapping[str, str]) -> str:
    """Name a machine, also one that is gone."""
    name = names.get(id_)
    if name is None:
        return _("a removed machine ({id})", id=id_)
    return _("the machine “{name}”", name=name) if _is_like_another_end(name) else name


def _is_like_another_end(name: str) -> bool:
    """True if a machine's name may be taken for another kind of end, in English or in the reader's language."""
    return _like_other_ends(reader().language).match(name.casefold()) is not None


@lru_cache(maxsize=16)
def _like_other_ends(language: Language) -> re.Pattern[str]:
    """Compile a pattern for names that begin and end as the text of an end does around its value."""
    texts = (language.message(each.message).casefold().partition("{") for each in _ENDS)
    around = ((before.strip(), rest.partition("}")[2].strip()) for before, _, rest in texts)
    translated = (f"{re.escape(before)}(?s:.*){re.escape(after)}$" for before, after in around)
    return re.compile("|".join([_LIKE_ENGLISH_ENDS, *translated]))


def party(of: Party, among: Sequence[Party], names: Mapping[str, str]) -> str:
    """Name a party of a matrix.

    Args:
        among: all parties of the matrix.
    """
    if of.selector is not None:
        return selector(of.selector, names)
    return _("every other machine") if len(among) > 1 else _("every machine")


def protocol(of: Protocol) -> str:
    """Name a protocol."""
    return say(_PROTOCOLS[ServiceProtocol(of.value)])


def service(of: Protocol, ports: Sequence[PortRange]) -> str:
    """Describe a protocol and its ports; without any, all ports."""
    name = protocol(of)
    if not of.has_ports:
        return name
    if not ports:
        return _("{protocol}, all ports", protocol=name)
    count = sum(1 if each.first == each.last else 2 for each in ports)
    told = format_ports(ports).replace(",", ", ")
    return ngettext("{protocol}, port {ports}", "{protocol}, ports {ports}", count, protocol=name, ports=told)


def services(some: Sequence[ServiceRange], rest: Sequence[ServiceRange]) -> str:
    """Describe services in one line: ``everything``, ``TCP 22, 443; ICMP (ping)``, ``all but UDP 53``.

    Args:
        some: the services, by protocol.
        rest: all others.
    """
    if not some or not rest:
        return _("everything") if some else _("nothing")
    # Protocols that no rule can name are there only if a default or a rule for everything allows them.
    if any(each.protocol is ServiceProtocol.OTHER for each in some):
        return _("all but {services}", services="; ".join(map(service_range, rest)))
    return "; ".join(map(service_range, some))


def service_range(of: ServiceRange) -> str:
    """Describe ports of a protocol."""
    name = say(_PROTOCOLS[of.protocol])
    if not of.ports:
        return name
    if len(of.ports) > _MOST_RANGES:
        return _("{protocol}, {count} ranges of ports", protocol=name, count=len(of.ports))
    return f"{name} {format_ports(of.ports).replace(',', ', ')}"


def probe(of: Probe) -> str:
    """Describe a packet by which a policy is measured."""
    name = say(_PROTOCOLS[ServiceProtocol(of.kind.value)])
    return _("{protocol}, port {port}", protocol=name, port=of.port) if of.port else name


def decided(count: RuleCount | None) -> str:
    """Describe what a rule or the default decided about; None if it is unknown."""
    if count is None:
        return _("unknown")
    return ngettext(
        "{packets} packet, {size}",
        "{packets} packets, {size}",
        count.packets,
        packets=formats.number(count.packets),
        size=size(count.bytes),
    )


def newly_decided(packets: int | None) -> str:
    """Describe what was decided since an earlier look; empty if it is unknown or nothing."""
    return f"+{formats.number(packets)}" if packets else ""


def rule_sentence(rule: Rule, names: Mapping[str, str]) -> str:
    """Describe a rule in one line."""
    return _sentence(rule.action, service(rule.protocol, rule.ports), rule.source, rule.destination, names)


def expectation(of: Expectation, names: Mapping[str, str]) -> str:
    """Describe an expectation in one line, like a rule."""
    return _sentence(of.verdict, service(*of.services), of.source, of.destination, names)


def _sentence(verdict: Action, what: str, source: Selector, destination: Selector, names: Mapping[str, str]) -> str:
    ends = {"source": selector(source, names), "destination": selector(destination, names)}
    if verdict is Action.ALLOW:
        return _("allow {services} from {source} to {destination}", services=what, **ends)
    return _("deny {services} from {source} to {destination}", services=what, **ends)


def code_parts(text: str) -> list[tuple[bool, str]]:
    """Split a description at its code, which is between one or two backticks.

    Returns:
        Pairs of whether a part is code, and its text.
    """
    parts = _CODE.split(text)
    return [(number % 3 == 2, part) for number, part in enumerate(parts) if number % 3 != 1 and part]


def emphasis_parts(text: str) -> list[tuple[bool, str]]:
    """Split a text at its emphasis, which is between asterisks.

    Returns:
        Pairs of whether a part is emphasized, and its text.
    """
    return [(number % 2 == 1, part) for number, part in enumerate(text.split("*")) if part]


def filled(text: str, values: Mapping[str, str]) -> str:
    """Replace the names in braces with their values."""
    return _NAME.sub(lambda found: values[found[1]], text)
