"""Audit trails, and what is deleted with an organization, as texts in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone

from appliance.languages import say
from appliance.model.sentences import Sentence, sentence
from appliance.service.factor_removals import DUE_FORMAT

_DUE = "due"
"""Key of the one fact that is a moment."""
_WORDS = frozenset({"default", "plan", "previous_default", "previous_plan", "previous_role", "role", "scope"})
"""Keys of facts that are words of the service's own, which pages translate."""

_ACTIONS = {
    "organization.created": sentence("founded the organization"),
    "organization.changed": sentence("changed the organization"),
    "machine.added": sentence("added a machine"),
    "machine.changed": sentence("changed a machine"),
    "machine.rotated": sentence("gave a machine a new key"),
    "machine.removed": sentence("removed a machine"),
    "policy.expected": sentence("changed the policy's expectations"),
    "policy.saved": sentence("saved the policy"),
    "hub.mended": sentence("mended damage"),
    "session.opened": sentence("signed in"),
    "session.ended": sentence("ended sessions"),
    "password.changed": sentence("changed their password"),
    "member.invited": sentence("invited a person"),
    "member.joined": sentence("joined the organization"),
    "member.changed": sentence("gave a member another role"),
    "member.removed": sentence("removed a member"),
    "member.left": sentence("left the organization"),
    "invitation.revoked": sentence("revoked an invitation"),
    "organization.transferred": sentence("handed the organization over"),
    "organization.suspended": sentence("suspended the organization"),
    "organization.resumed": sentence("resumed the organization"),
    "organization.viewed": sentence("looked at a summary of the organization"),
    "service.restored": sentence("restored the service from a backup"),
    "token.issued": sentence("made a token"),
    "token.revoked": sentence("revoked a token"),
    "password.reset": sentence("chose another password by a link"),
    "reset.sent": sentence("asked for a link to another password"),
    "reset.issued": sentence("issued a link to another password"),
    "passkey.added": sentence("added a passkey"),
    "passkey.renamed": sentence("renamed a passkey"),
    "passkey.removed": sentence("removed a passkey"),
    "second-factor.enabled": sentence("turned on a second factor"),
    "second-factor.disabled": sentence("turned off the second factor"),
    "recovery-code.used": sentence("used a recovery code"),
    "recovery-codes.made": sentence("made new recovery codes"),
    "factor-removal.begun": sentence("began to remove a lost second factor"),
    "factor-removal.stopped": sentence("stopped the removal of a second factor"),
    "factor-removal.done": sentence("removed a lost second factor"),
    "verification.issued": sentence("issued a link that verifies an address"),
    "address.verified": sentence("verified their address"),
}


def action(name: str) -> str:
    """Describe an audit entry's action; an unknown one stays as it is stored."""
    known = _ACTIONS.get(name)
    return name if known is None else say(known)


# By key; one that is not here is shown as it is stored.
_FACTS = {
    str(each).replace(" ", "_"): each
    for each in (
        sentence("added"),
        sentence("added left out"),
        sentence("address"),
        sentence("code"),
        sentence("count"),
        sentence("days"),
        sentence("default"),
        sentence("device"),
        sentence("due"),
        sentence("email"),
        sentence("enabled"),
        sentence("expectations removed"),
        sentence("force"),
        sentence("found"),
        sentence("groups"),
        sentence("hours"),
        sentence("invitations revoked"),
        sentence("invited by"),
        sentence("joined"),
        sentence("left"),
        sentence("link"),
        sentence("machine"),
        sentence("member"),
        sentence("name"),
        sentence("network"),
        sentence("operator"),
        sentence("passkey"),
        sentence("person"),
        sentence("plan"),
        sentence("previous address"),
        sentence("previous default"),
        sentence("previous name"),
        sentence("previous plan"),
        sentence("previous public key"),
        sentence("previous role"),
        sentence("public key"),
        sentence("reason"),
        sentence("removed"),
        sentence("removed left out"),
        sentence("role"),
        sentence("rules"),
        sentence("rules moved"),
        sentence("rules removed"),
        sentence("scope"),
        sentence("seconds"),
        sentence("sessions"),
        sentence("to"),
        sentence("token"),
        sentence("version"),
    )
}


def facts(detail: Mapping[str, object]) -> list[tuple[str, str | datetime]]:
    """List the facts of an audit entry for display, each value of a list by itself."""
    return [
        (say(_FACTS.get(key) or Sentence(key.replace("_", " "))), _value(key, each))
        for key, value in detail.items()
        for each in (value if isinstance(value, list) else [value])
    ]


def _value(key: str, stored: object) -> str | datetime:
    if key in _WORDS:
        return say(Sentence(str(stored)))
    if key != _DUE:
        return str(stored)
    try:
        return datetime.strptime(str(stored), DUE_FORMAT).replace(tzinfo=timezone.utc)
    except ValueError:
        return str(stored)


# By table; one that is not here is named by its own name.
_BELONGINGS = {
    "machines": sentence("machines"),
    "rules": sentence("rules"),
    "policies": sentence("policies"),
    "expectations": sentence("expectations"),
    "invitations": sentence("invitations"),
    "passkeys": sentence("passkeys"),
    "tokens": sentence("sessions and tokens"),
    "members": sentence("people"),
    "audit": sentence("entries of the audit trail"),
}


def removed(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Name what was deleted with an organization, with the counts."""
    return [(say(_BELONGINGS.get(what) or Sentence(what.replace("_", " "))), count) for what, count in counts.items()]
