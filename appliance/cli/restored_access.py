"""Lists of everything that works again after a restore, for the person who decides about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from appliance.model.organization import Machine
from appliance.model.plural import counted
from appliance.service.restoration import Settled
from appliance.store.api_tokens import ApiToken
from appliance.store.operators import OperatorStanding
from appliance.store.restored_access import RestoredMember, RestoredOrganization


def listing(
    organizations: Iterable[RestoredOrganization], operators: Sequence[OperatorStanding], newest: datetime | None
) -> Iterator[str]:
    """Make the lines of the list: by organization, then the operators of the service.

    Args:
        newest: time of the store's latest record.
    """
    when = "nothing yet" if newest is None else f"nothing after {newest:%Y-%m-%d %H:%M:%S} UTC"
    yield f"This store tells of {when}. Later removals, rotations and changes are undone, and this works again:"
    count = machines = people = tokens = 0
    for each in organizations:
        yield ""
        yield from _organization(each)
        count, machines = count + 1, machines + len(each.machines)
        people, tokens = people + len(each.people), tokens + len(each.tokens)
    if operators:
        yield ""
        yield "operators of this service:"
        yield from (f"    {_operator(each)}" for each in operators)
    yield ""
    yield (
        f"In all: {counted(count, 'organization')}, {counted(machines, 'machine')}, {counted(people, 'member')}, "
        f"{counted(tokens, 'API token')}. Passwords, second factors and recovery codes are those of then."
    )
    yield "Sessions, invitations, other links and unfinished log-ins end."


def told(settled: Settled) -> str:
    """Sum a restore up in a sentence."""
    disabled = f" {counted(settled.disabled, 'machine')} disabled." if settled.disabled else ""
    return (
        f"{counted(settled.organizations, 'organization')} restored; {settled.ended} sessions, links and tickets ended."
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
        ways.append(f"second factor with {counted(person.recovery_codes, 'recovery code')}")
    if person.passkeys:
        ways.append(f"passkeys {', '.join(map(_plain, person.passkeys))}")
    return f"{_plain(person.email)}: {'; '.join(ways)}"


def _operator(each: OperatorStanding) -> str:
    codes = counted(each.recovery_codes, "recovery code")
    way = f"second factor with {codes}" if each.is_enrolled else "not set up, and their link ends"
    return f"{_plain(each.operator.email)}: {way}"


def _token(token: ApiToken) -> str:
    return f"{_plain(token.name)} of {_plain(token.email)}: {token.scope.value}, until {token.expires_at:%Y-%m-%d}"


def _plain(text: str) -> str:
    """Escape control characters, which a store from elsewhere may contain."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)
