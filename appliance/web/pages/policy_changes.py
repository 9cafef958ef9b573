"""Connections that a save of the policy would open and close, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from appliance.languages import formats, ngettext
from appliance.languages import gettext as _
from appliance.model.policy import Policy
from appliance.model.preview import Preview, PreviewEntry, PreviewList
from appliance.service import policy as policies
from appliance.service import policy_preview
from appliance.web.pages import words
from appliance.web.pages.routes import Visit

MOST_ENTRIES = 30
"""Entries of each list that a page shows."""
_MOST_NAMED = 4


@dataclass(frozen=True)
class Changes:
    """Connections that a save would open and close.

    Attributes:
        opens, closes: one line for machines with the same change.
        opens_left_out, closes_left_out: number of further lines.
        not_compared: number of pairs of machines that were not compared.
    """

    opens: list[str]
    closes: list[str]
    opens_left_out: int
    closes_left_out: int
    not_compared: int

    @property
    def is_nothing(self) -> bool:
        """True if no connection would be opened or closed."""
        return not (self.opens or self.closes or self.not_compared)


def describe(visit: Visit, policy: Policy, version: int | None) -> Changes:
    """Compare a policy with the present one.

    Args:
        version: the version that the visitor has seen; None for any.

    Raises:
        Invalid, Conflict: a save would be refused too.
    """
    found = policy_preview.preview(visit.context, visit.actor, policy, version=version)
    names = policies.names_of(visit.context, visit.actor, _named(found))
    return Changes(
        _lines(found.opens, names),
        _lines(found.closes, names),
        _left_out(found.opens),
        _left_out(found.closes),
        found.not_compared,
    )


def _named(preview: Preview) -> set[str]:
    return {
        machine
        for each in (preview.opens, preview.closes)
        for entry in each.entries[:MOST_ENTRIES]
        for side in (entry.sources, entry.destinations)
        for machine in side[:_MOST_NAMED]
    }


def _left_out(of: PreviewList) -> int:
    return of.left_out + max(len(of.entries) - MOST_ENTRIES, 0)


def _lines(of: PreviewList, names: Mapping[str, str]) -> list[str]:
    return [_line(entry, names) for entry in of.entries[:MOST_ENTRIES]]


def _line(entry: PreviewEntry, names: Mapping[str, str]) -> str:
    ends = [_listed(side, names) for side in (entry.sources, entry.destinations)]
    services = words.service_range(entry.services)
    return _("{services} from {source} to {destination}", services=services, source=ends[0], destination=ends[1])


def _listed(ids: Sequence[str], names: Mapping[str, str]) -> str:
    told = [words.machine(each, names) for each in ids[:_MOST_NAMED]]
    if len(ids) > len(told):
        left = len(ids) - len(told)
        return ngettext("{machines} and {n} other", "{machines} and {n} others", left, machines=", ".join(told))
    return formats.listed(told)
