"""Values as texts for people."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from itertools import accumulate

from appliance.model.desired import RuleCount
from appliance.model.errors import Invalid
from appliance.model.expectations import Expectation
from appliance.model.matrix import Party
from appliance.model.plural import counted, plural
from appliance.model.policy import Action, Protocol, Rule, Selector, SelectorKind
from appliance.model.port_ranges import PortRange, format_ports
from appliance.model.probes import Probe
from appliance.model.services import ServiceProtocol, ServiceRange

_PROTOCOLS = {
    ServiceProtocol.ANY: "everything",
    ServiceProtocol.TCP: "TCP",
    ServiceProtocol.UDP: "UDP",
    ServiceProtocol.ICMP: "ICMP (ping)",
    ServiceProtocol.OTHER: "every other protocol",
}
_MOST_RANGES = 5
_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")
_THOUSANDS = ("k", "M", "G", "T", "P", "E")
_LIKE_OTHER_ENDS = re.compile(r"(?i)(any|group|the machine|a removed machine)\b|machine:")
_CODE = re.compile(r"(``?)(.+?)\1")
_NAME = re.compile(r"{(\w+)}")
_SPANS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def moment(at: datetime) -> str:
    """Format date and time in UTC, to the minute."""
    return at.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def day(at: datetime) -> str:
    """Format the date in UTC."""
    return at.astimezone(timezone.utc).strftime("%Y-%m-%d")


def ago(at: datetime, now: datetime) -> str:
    """Format the time since a moment: ``3 minutes ago``."""
    seconds = int((now - at).total_seconds())
    for length, unit in _SPANS:
        if seconds >= length:
            return f"{counted(seconds // length, unit)} ago"
    return "just now"


def about(at: datetime, now: datetime) -> str:
    """Format the time since a moment like `ago`, but not to the second, which would change at each look."""
    return "less than a minute ago" if (now - at).total_seconds() < 60 else ago(at, now)


def clock(at: datetime) -> str:
    """Format the time of a day in UTC, to the second."""
    return at.astimezone(timezone.utc).strftime("%H:%M:%S UTC")


def milliseconds(amount: float) -> str:
    """Format milliseconds, with a decimal below ten."""
    return f"{amount:.1f} ms" if amount < 10 else f"{amount:.0f} ms"


def size(count: int) -> str:
    """Format a number of bytes with the unit that leaves one to four digits."""
    if count < 1024:
        return f"{count} B"
    amount = float(count)
    for unit in _UNITS:
        amount /= 1024
        if amount < 1024 or unit == _UNITS[-1]:
            return f"{amount:.1f} {unit}"
    raise AssertionError("the last unit takes what is left")


def short_count(count: int) -> str:
    """Format a number in at most six characters while it is below a billion billions: ``9,999``, ``12k``, ``3.4M``."""
    if count < 10_000:
        return f"{count:,}"
    amount = float(count)
    for unit in _THOUSANDS:
        amount /= 1000
        # What would be rounded to 1000 has the next unit.
        if amount < 999.5 or unit == _THOUSANDS[-1]:
            return f"{amount:.0f}{unit}" if amount >= 9.95 else f"{amount:.1f}{unit}"
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
        return agent[:40] or "unknown"
    return f"{browser} on {system}" if system else browser


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
        return "any machine"
    if end.kind is SelectorKind.GROUP:
        return f"group {end.name}"
    return machine(end.name, names)


def machine(id_: str, names: Mapping[str, str]) -> str:
    """Name a machine, also one that is gone."""
    name = names.get(id_)
    if name is None:
        return f"a removed machine ({id_})"
    # A machine's name may look like another kind of end.
    return f"the machine “{name}”" if _LIKE_OTHER_ENDS.match(name) else name


def party(of: Party, among: Sequence[Party], names: Mapping[str, str]) -> str:
    """Name a party of a matrix.

    Args:
        among: all parties of the matrix.
    """
    if of.selector is not None:
        return selector(of.selector, names)
    return "every other machine" if len(among) > 1 else "every machine"


def protocol(of: Protocol) -> str:
    """Name a protocol."""
    return _PROTOCOLS[ServiceProtocol(of.value)]


def service(of: Protocol, ports: Sequence[PortRange]) -> str:
    """Describe a protocol and its ports; without any, all ports."""
    name = protocol(of)
    if not of.has_ports:
        return name
    if not ports:
        return f"{name}, all ports"
    count = sum(1 if each.first == each.last else 2 for each in ports)
    return f"{name}, {plural(count, 'port')} {format_ports(ports).replace(',', ', ')}"


def services(some: Sequence[ServiceRange], rest: Sequence[ServiceRange]) -> str:
    """Describe services in one line: ``everything``, ``TCP 22, 443; ICMP (ping)``, ``all but UDP 53``.

    Args:
        some: the services, by protocol.
        rest: all others.
    """
    if not some or not rest:
        return "everything" if some else "nothing"
    # Protocols that no rule can name are there only if a default or a rule for everything allows them.
    if any(each.protocol is ServiceProtocol.OTHER for each in some):
        return f"all but {'; '.join(map(service_range, rest))}"
    return "; ".join(map(service_range, some))


def service_range(of: ServiceRange) -> str:
    """Describe ports of a protocol."""
    name = _PROTOCOLS[of.protocol]
    if not of.ports:
        return name
    if len(of.ports) > _MOST_RANGES:
        return f"{name}, {len(of.ports)} ranges of ports"
    return f"{name} {format_ports(of.ports).replace(',', ', ')}"


def probe(of: Probe) -> str:
    """Describe a packet by which a policy is measured."""
    name = _PROTOCOLS[ServiceProtocol(of.kind.value)]
    return f"{name}, port {of.port}" if of.port else name


def decided(count: RuleCount | None) -> str:
    """Describe what a rule or the default decided about; None if it is unknown."""
    if count is None:
        return "unknown"
    return f"{count.packets:,} {plural(count.packets, 'packet')}, {size(count.bytes)}"


def newly_decided(packets: int | None) -> str:
    """Describe what was decided since an earlier look; empty if it is unknown or nothing."""
    return f"+{packets:,}" if packets else ""


def sentence(rule: Rule, names: Mapping[str, str]) -> str:
    """Describe a rule in one line."""
    return _sentence(rule.action, service(rule.protocol, rule.ports), rule.source, rule.destination, names)


def expectation(of: Expectation, names: Mapping[str, str]) -> str:
    """Describe an expectation in one line, like a rule."""
    return _sentence(of.verdict, service(*of.services), of.source, of.destination, names)


def _sentence(verdict: Action, what: str, source: Selector, destination: Selector, names: Mapping[str, str]) -> str:
    return f"{verdict.value} {what} from {selector(source, names)} to {selector(destination, names)}"


_ACTIONS = {
    "organization.created": "founded the organization",
    "organization.changed": "changed the organization",
    "machine.added": "added a machine",
    "machine.changed": "changed a machine",
    "machine.rotated": "gave a machine a new key",
    "machine.removed": "removed a machine",
    "policy.expected": "changed the policy's expectations",
    "policy.saved": "saved the policy",
    "hub.mended": "mended damage",
    "session.opened": "signed in",
    "session.ended": "ended sessions",
    "password.changed": "changed their password",
    "member.invited": "invited a person",
    "member.joined": "joined the organization",
    "member.changed": "gave a member another role",
    "member.removed": "removed a member",
    "member.left": "left the organization",
    "invitation.revoked": "revoked an invitation",
    "organization.transferred": "handed the organization over",
    "organization.suspended": "suspended the organization",
    "organization.resumed": "resumed the organization",
    "organization.viewed": "looked at a summary of the organization",
    "service.restored": "restored the service from a backup",
    "token.issued": "made a token",
    "token.revoked": "revoked a token",
    "password.reset": "chose another password by a link",
    "reset.sent": "asked for a link to another password",
    "reset.issued": "issued a link to another password",
    "passkey.added": "added a passkey",
    "passkey.renamed": "renamed a passkey",
    "passkey.removed": "removed a passkey",
    "second-factor.enabled": "turned on a second factor",
    "second-factor.disabled": "turned off the second factor",
    "recovery-code.used": "used a recovery code",
    "recovery-codes.made": "made new recovery codes",
    "factor-removal.begun": "began to remove a lost second factor",
    "factor-removal.stopped": "stopped the removal of a second factor",
    "factor-removal.done": "removed a lost second factor",
    "verification.issued": "issued a link that verifies an address",
    "address.verified": "verified their address",
}


def action(name: str) -> str:
    """Describe an audit entry's action; an unknown one stays as it is stored."""
    return _ACTIONS.get(name, name)


def facts(detail: Mapping[str, object]) -> list[tuple[str, str]]:
    """List the facts of an audit entry for display, each value of a list by itself."""
    return [
        (key.replace("_", " "), str(each))
        for key, value in detail.items()
        for each in (value if isinstance(value, list) else [value])
    ]


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


_BELONGINGS = {"tokens": "sessions and tokens", "members": "people", "audit": "entries of the audit trail"}


def removed(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Name what was deleted with an organization, with the counts."""
    return [(_BELONGINGS.get(what, what.replace("_", " ")), count) for what, count in counts.items()]
