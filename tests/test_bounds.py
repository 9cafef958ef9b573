"""The documented tables of bounds agree with the code."""

from __future__ import annotations

import re

from appliance.host import resources
from appliance.hub.kernel import routing
from appliance.hub.plane import bounds, wanted_states
from appliance.hub.ruleset import compilers
from appliance.hub.ruleset.openings import MACHINE_PACE, ORGANIZATION_PACE
from appliance.model import emails, entries, names, policy, ports, probes, retention
from appliance.model.organization import Plan
from appliance.model.port_ranges import MOST_PORT_RANGES
from appliance.model.retention import MEGABYTE, Retention
from appliance.service import (
    api_tokens,
    expectations,
    invitations,
    machine_bounds,
    machine_search,
    passkeys,
    passwords,
    policy_saves,
    readings,
    recording,
    relying_party,
    repeats,
    room,
    states,
)
from appliance.store import policy_history
from appliance.web import answer_cache, rates
from harness.paths import ROOT
from tests.rates_in_words import told


def _told_pace(pace: str) -> str:
    """Puts a pace of nftables into words."""
    found = re.fullmatch(r"(\d+)/second burst (\d+) packets", pace)
    assert found is not None
    return f"{int(found[1]):,} a second, and {int(found[2]):,} at once"


def _bounds() -> dict[str, str]:
    (enablings,), kept = rates.ENABLINGS_PER_ORGANIZATION, Retention()
    a_day = f"{retention.MOST_A_DAY // MEGABYTE} MB"
    of_accounts = f"{retention.MOST_A_DAY_OF_ACCOUNTS // MEGABYTE} MB"
    history = f"{policy_history.MOST_VERSIONS:,} saves and {policy_history.MOST_BYTES // MEGABYTE} MB"
    rules = f"{policy_saves.MOST_RULES:,}, of {policy_saves.MOST_BYTES // MEGABYTE} MB"
    measured = f"{probes.MOST_PROBES:,} packets and rules of {probes.MOST_RULE_BYTES >> 20} MiB"
    return {
        "names of organizations, machines, groups and passkeys": f"1 to {names.LONGEST_NAME} characters",
        "names of API tokens": f"1 to {api_tokens.LONGEST_NAME} characters",
        "descriptions of rules": f"{policy.LONGEST_DESCRIPTION} characters",
        "e-mail addresses": f"{emails.LONGEST_EMAIL} characters",
        "passwords": f"{passwords.SHORTEST} to {passwords.LONGEST:,} characters",
        "searched texts of machines": f"{machine_search.LONGEST_QUERY} characters",
        "machines": f"{machine_bounds.MOST_MACHINES:,}; on the free plan {Plan.FREE.machine_limit}",
        "groups of a machine": (
            f"{machine_bounds.MOST_GROUPS}, of {machine_bounds.MOST_GROUP_CHARACTERS:,} characters together"
        ),
        "new configurations": told(rates.CONFIGURATIONS_PER_ORGANIZATION),
        "machines that are enabled again": (
            f"{enablings.amount:,} at once, {round(86400 / enablings.interval):,} a day"
        ),
        "rules of a policy": f"{rules} with names, ports and descriptions",
        "elements of a policy": f"{Plan.PAID.element_limit:,}; on the free plan {Plan.FREE.element_limit:,}",
        "ports and ranges of a rule": f"{MOST_PORT_RANGES}",
        "expectations of a policy": f"{expectations.MOST}",
        "audit trail": f"{kept.days} days and {kept.megabytes} MB, unless the operator chose others",
        "history of a policy": f"{history}, and the days of the trail",
        "an entry of the audit trail": f"{entries.LONGEST // 1024} kB",
        "entries of a day (UTC)": f"{a_day}, of which those of viewers and about signing in take {of_accounts}",
        f"entries of a member about signing in, once {of_accounts} of the day are full": (
            f"{recording.MOST_OF_ACCOUNT} within {recording.LATELY.total_seconds() / 60:.0f} minutes"
        ),
        "connections that a machine has opened": f"{bounds.MACHINE:,}",
        "new connections of a machine": _told_pace(MACHINE_PACE),
        "connections of all machines": f"{bounds.ORGANIZATION:,}",
        "new connections of all machines": _told_pace(ORGANIZATION_PACE),
        "fragments that wait for the rest of their packet": (
            f"{routing.FRAGMENT_BYTES >> 20} MB, for {routing.FRAGMENTS_S} seconds"
        ),
        "requests": told(rates.READS_PER_ORGANIZATION),
        "those of pages that keep themselves up to date": told(rates.POLLS_PER_ORGANIZATION),
        "changes": told(rates.WRITES_PER_ORGANIZATION),
        "revocations of access by a member": told(rates.REVOCATIONS),
        "pings of machines": told(rates.PINGS_PER_ORGANIZATION),
        "measurements of the policy": f"{told(rates.MEASUREMENTS_PER_ORGANIZATION)}, of {measured}",
        "invitations": f"{told(rates.INVITATIONS_PER_ORGANIZATION)}; {invitations.MOST_PENDING} pending",
        "letters but resets and notices": told(rates.LETTERS_PER_ORGANIZATION),
        "idempotency keys": (
            f"{repeats.MOST_OF_ONE:,} a day, of which those who may only look use up "
            f"{repeats.MOST_OF_ONE // repeats.READERS_PART:,}"
        ),
        "answers to them that are kept": (
            f"{repeats.LARGEST_ANSWER // 1000} kB, and {repeats.LATER_ANSWER // 1000} kB after the first "
            f"{repeats.MOST_LARGE} of a day"
        ),
        "forms of a member": f"{repeats.MOST_FORMS:,} a day",
        "API tokens of a member": (f"{api_tokens.MOST_PER_MEMBER}, each for {api_tokens.LONGEST_DAYS} days at most"),
        "passkeys of a member": (
            f"{passkeys.MOST}, each with an id of {relying_party.LARGEST_ID:,} "
            f"and a key of {relying_party.LARGEST_KEY:,} bytes"
        ),
    }


def _bounds_of_all() -> dict[str, str]:
    states_kept = f"{states.MOST}, and {states.MOST_BYTES >> 20} MB"
    compilers_kept = f"{compilers.MOST} organizations, and {compilers.MOST_BYTES >> 20} MB"
    return {
        "states of organizations, kept in the web process": (
            f"{states_kept} by an estimate from machines, groups, rules and ports"
        ),
        "readings of machines, and of counters": (
            f"{readings.MOST} each, and {readings.MOST_ENTRIES:,} machines or rules each"
        ),
        "encoded answers": f"{answer_cache.MOST_BYTES >> 20} MB",
        "the store's disk (SQLite)": (
            f"all but {100 // room.RESERVED_PART}%, and at most {room.MOST_RESERVE // MEGABYTE} MB"
        ),
        "organizations, each with a UDP port of its own": f"{ports.COUNT:,}, with many hubs too",
        "machines and policies in the hub": f"1/{wanted_states.PART} of the host's memory by the same estimate",
        "files, threads and memory of the hub's host": f"all but {100 // resources.RESERVED_PART}%",
        "what the hub keeps to compile a change": f"{compilers_kept} by an estimate from elements and rules",
    }


def _documented(page: str, heading: str) -> dict[str, str]:
    """Reads the bounds of the table below a heading."""
    section = (ROOT / "docs" / page).read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [row.strip("| ").split(" | ") for row in section.splitlines() if row.startswith("| ")]
    return {what: bound for what, bound, _ in rows[2:]}


def test_the_table_of_bounds_agrees_with_the_code() -> None:
    assert _documented("organizations.md", "Bounds") == _bounds()


def test_the_bounds_of_all_together_agree_with_the_code() -> None:
    assert _documented("operating.md", "What all organizations can take together") == _bounds_of_all()


def test_the_documented_inner_ports_are_those_of_the_code() -> None:
    page = (ROOT / "docs" / "operating.md").read_text()
    assert f"UDP ports {ports.FIRST_PORT} to {ports.LAST_PORT} for" in page
    assert f"a service has {ports.LAST_PORT - ports.FIRST_PORT + 1:,} organizations at most" in page


def test_pages_name_the_most_machines() -> None:
    pages = (ROOT / "appliance" / "web" / "pages" / "templates").glob("*.html")
    told = re.findall(r"has addresses,? ([^.<]*?[\d,]+\d)", "".join(page.read_text() for page in pages))
    # One page says it for a plan of one machine, and for one of several.
    assert told == [f"up to {machine_bounds.MOST_MACHINES:,}"] * 5
