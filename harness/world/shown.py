"""An organization as the service shows it, compared with what its admin has made of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.judging.verdicts import Refuted
from harness.overlay.machine import Machine
from harness.overlay.mesh import Mesh, Rule
from netlab import pubkey

_KEY = re.compile(r"^PrivateKey += ?(\S+)$", re.MULTILINE)
_UNLIMITED = {"protocol": "any", "ports": "all", "description": ""}
_ACTS = ("machine.", "policy.saved")
"""Beginnings of the actions in the audit trail that are about machines and rules."""


def check_machines(mesh: Mesh, enabled: Iterable[Machine], disabled: Iterable[Machine]) -> None:
    """Compares the machines with those that the service lists.

    Raises:
        Refuted: one is missing, is there too many, or has another name, address, group, key or state.
    """
    wanted = {
        each.id: {
            "name": each.name,
            "address": each.address,
            "groups": sorted(each.groups),
            "enabled": is_enabled,
            "public_key": _public_key(each.config),
        }
        for is_enabled, those in ((True, enabled), (False, disabled))
        for each in those
    }
    _compare("machines", wanted, mesh.listed())


def check_policy(mesh: Mesh) -> None:
    """Compares default and rules with those that the service shows; raises `Refuted` if one differs in any part."""
    shown = mesh.api.call("GET", "/policy").body
    if shown["default"] != mesh.default:
        raise Refuted(f"the policy's default is shown as {shown['default']}, and is {mesh.default}")
    rules, wanted = (sorted(map(_whole, those), key=str) for those in (shown["rules"], mesh.rules))
    if rules != wanted:
        raise Refuted(f"these rules are shown: {rules}; and these were made: {wanted}")


def check_trail(mesh: Mesh, acts: Sequence[str]) -> None:
    """Compares the audit trail's entries about machines and rules with what was done.

    Args:
        acts: actions since the organization's begin, as the trail names them.

    Raises:
        Refuted: an entry is missing, or there is one too many.
    """
    entries = mesh.api.call("GET", "/audit?limit=1000").body["entries"]
    told = [each["action"] for each in reversed(entries) if each["action"].startswith(_ACTS)]
    if told != list(acts):
        raise Refuted(f"the audit trail tells of {told}, and this was done: {list(acts)}")


def _compare(what: str, wanted: Mapping[str, Mapping[str, Any]], shown: Mapping[str, Mapping[str, Any]]) -> None:
    if wanted.keys() != shown.keys():
        raise Refuted(f"these {what} are shown or missing: {sorted(wanted.keys() ^ shown.keys())}")
    other = [
        f"{facts['name']}: {field} {shown[key].get(field)!r}, not {value!r}"
        for key, facts in wanted.items()
        for field, value in facts.items()
        if shown[key].get(field) != value
    ]
    if other:
        raise Refuted(f"{what} are shown otherwise than they were made: {'; '.join(other)}")


def _whole(rule: Rule) -> dict[str, Any]:
    """Returns a rule without its id, with the parts that may be left out."""
    parts = {**_UNLIMITED, **rule}
    return {name: parts[name] for name in ("action", "source", "destination", *_UNLIMITED)}


def _public_key(config: str) -> str:
    found = _KEY.search(config)
    return "" if found is None else pubkey(found[1])
