"""Notices that a page shows after a form. A cookie carries only the notice's key."""

from __future__ import annotations

import re

from appliance.languages import say
from appliance.model.sentences import sentence
from appliance.web.pages import words as texts

COOKIE = "__Host-meshwg-done"
SECONDS = 60

_NOTICES = {
    "not-kept": sentence("The input from before you signed in is not shown: it was not yours, or is too old."),
    "changed": sentence("The machine is changed; rules about its groups hold for it already."),
    "undone": sentence("It is as it was before."),
    "disabled": sentence("The machine is disabled, and its tunnel is dead."),
    "enabled": sentence("The machine is enabled, and can connect."),
    "removed": sentence("The machine is removed, and its tunnel is dead."),
    "saved": sentence("The policy is saved, and the hub enforces it."),
    "restored": sentence("The earlier version of the policy is saved again, and the hub enforces it."),
    "expected": sentence("The expectation is added."),
    "expected-no-more": sentence("The expectation is removed. No rule has changed."),
    "renamed": sentence("The organization has its new name."),
    "plan": sentence("The plan is switched."),
    "plan-for-machine": sentence("The plan is switched. The machine that you typed is below and not added yet."),
    "password": sentence(
        "Your password is changed. Every other session has ended, and so has each token and passkey not kept."
    ),
    "verification": sentence("A letter with a link is on its way to your address."),
    "second-factor-off": sentence("Your second factor is turned off, and every other session of yours has ended."),
    "passkey-added": sentence("The passkey is added, and every other session of yours has ended."),
    "passkey-renamed": sentence("The passkey has its new name."),
    "passkey-removed": sentence("The passkey is removed, and every other session of yours has ended."),
    "session-ended": sentence("The session has ended."),
    "sessions-ended": sentence("Every other session of yours has ended."),
    "invited": sentence("A letter with a link is on its way."),
    "revoked": sentence("The invitation is revoked, and its link leads nowhere."),
    "link-revoked": sentence("The link is revoked, and leads nowhere."),
    "role": sentence("The role is changed, and holds at once."),
    "factors-kept": sentence("The removal is stopped; the account keeps its second factor and passkeys."),
    "member": sentence("The member is removed, and signed out everywhere."),
    "transferred": sentence("The organization has its new owner, and you are an admin."),
    "token": sentence("The token is revoked, and refused at once."),
    "signed-up": sentence("Your organization is signed up."),
    "joined": sentence("You have joined the organization."),
    "left": sentence("Your account is deleted."),
    "deleted": sentence("The organization is deleted, with everything that it had."),
    "suspended": sentence("The organization is suspended: no packet of it passes, and nobody of it signs in."),
    "resumed": sentence("The organization is resumed, and enforced."),
    "run-published": sentence("The run is published: everybody can see it now."),
    "run-withdrawn": sentence("The run is withdrawn. Its files stay here, and nobody else sees them."),
    "lost": sentence("It was done, and its answer got lost on the way."),
    # In place of secrets that were shown once.
    "key-shown": sentence(
        "The key was made. Its configuration was shown once, with the first answer, and nobody stores it. If it "
        "is lost, make a new key below; the lost one stops working then."
    ),
    "token-shown": sentence(
        "The token was made. It was shown once, with the first answer, and nobody stores it. If it is lost, "
        "revoke it and make another."
    ),
    "link-shown": sentence(
        "The invitation was made. Its link was shown once, with the first answer. If it is lost, revoke the "
        "invitation and make another."
    ),
    "operator-link": sentence(
        "The link was made. It was shown once, with the first answer. If it is lost, make another one."
    ),
    "operator-secret": sentence(
        "The secret for your authenticator was made. It was shown once, with the first answer. If it is lost, "
        "choose your password below again, and you get another one."
    ),
    "operator-codes": sentence(
        "You are set up. Your recovery codes were shown once, with the first answer. If they are lost, have "
        "yourself removed and added again."
    ),
    "secret-shown": sentence(
        "The secret for your authenticator was made. It was shown once, with the first answer. If it is lost, set "
        "up a second factor again below."
    ),
    "codes-shown": sentence(
        "Your recovery codes were made. They were shown once, with the first answer. If they are lost, make new "
        "ones below."
    ),
}
_AGAIN = "-again"
_TIMED = re.compile(r"([a-z-]+)-([0-9]{1,9})us", re.ASCII)
_MOST_MICROSECONDS = 10**9 - 1
_ONCE = sentence("This form came twice, and was done once.")


def again(key: str) -> str:
    """Make the key of a notice for a repeated form."""
    return key + _AGAIN


def timed(key: str, seconds: float | None) -> str:
    """Make the key of a notice that also tells how long the hub took to enforce a change.

    Args:
        seconds: None if there was nothing to enforce.
    """
    return key if seconds is None else f"{key}-{min(round(seconds * 1e6), _MOST_MICROSECONDS)}us"


def words(key: str) -> str | None:
    """Find the notice of a key in the reader's language; None if there is none."""
    is_again = key.endswith(_AGAIN)
    key = key.removesuffix(_AGAIN)
    time = _TIMED.fullmatch(key)
    known = _NOTICES.get(key if time is None else time[1])
    told = [_ONCE] if is_again else []
    if known is not None:
        told.append(known)
        if time is not None:
            told.append(sentence("Enforcing it took {time}.", time=texts.milliseconds(int(time[2]) / 1000)))
    return " ".join(map(say, told)) or None
