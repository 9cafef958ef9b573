"""Words about what comes back with the store of an earlier day, for the person who decides about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from appliance.model.organization import Machine
from appliance.service.restoration import Settled
from appliance.store.api_tokens import ApiToken
from appliance.store.revival import RestoredMember, RestoredOrganization


def listing(organizations: Iterable[RestoredOrganization], newest: datetime | None) -> Iterator[str]:
    """The lines that list what works again, organization by organization, and what to know about it."""
    when = "nothing yet" if newest is None else f"nothing after {newest:%Y-%m-%d %H:%M:%S} UTC"
    yield f"This store tells of {when}. What was removed, rotated or changed later is as it was then, and works again:"
    count = machines = people = tokens = 0
    for each in organizations:
        yield ""
        yield from _organization(each)
        count, machines = count + 1, machines + len(each.machines)
        people, tokens = people + len(each.people), tokens + len(each.tokens)
    yield ""
    yield (
        f"In all: {_some(count, 'organization')}, {_some(machines, 'machine')}, {_some(people, 'member')}, "
        f"{_some(tokens, 'API token')}. Passwords, second factors and recovery codes are those of then."
    )
    yield "Sessions, invitations and other links, and half-way log-ins end."


def told(settled: Settled) -> str:
    """Sentence that sums a restore up."""
    disabled = f" {_some(settled.disabled, 'machine')} disabled." if settled.disabled else ""
    return (
        f"{_some(settled.organizations, 'organization')} restored; {settled.ended} sessions, links and tickets ended."
        f"{disabled}"
    )


def _organization(each: RestoredOrganization) -> Iterator[str]:
    line = each.line
    suspended = ", suspended" if line.suspended_at is not None else ""
    yield f"{_plain(line.name)} ({line.id}), {line.plan.value}{suspended}"
    for title, lines in (
        ("machines and their keys", map(_machine, each.machines)),
        ("people", map(_person, each.people)),
        ("API tokens", map(_token, each.tokens)),
    ):
        found = list(lines)
        yield f"  {title}:{'' if found else ' none'}"
        yield from (f"    {text}" for text in found)


def _machine(machine: Machine) -> str:
    disabled = "" if machine.enabled else " (disabled)"
    return f"{machine.address!s:15}  {machine.public_key}  {_plain(machine.name)}{disabled}"


def _person(person: RestoredMember) -> str:
    ways = [person.role.value]
    if person.has_second_factor:
        ways.append(f"second factor with {_some(person.recovery_codes, 'recovery code')}")
    if person.passkeys:
        ways.append(f"passkeys {', '.join(map(_plain, person.passkeys))}")
    return f"{_plain(person.email)}: {'; '.join(ways)}"


def _token(token: ApiToken) -> str:
    return f"{_plain(token.name)} of {_plain(token.email)}: {token.scope.value}, until {token.expires_at:%Y-%m-%d}"


def _some(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _plain(text: str) -> str:
    """The text without what a terminal takes for an order, which the store's owner may have written there."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)
