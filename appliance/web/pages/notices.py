"""Notices that a page shows after a form. A cookie carries only the notice's key."""

from __future__ import annotations

import re

COOKIE = "__Host-meshwg-done"
SECONDS = 60

_NOTICES = {
    "not-kept": "The input from before you signed in is not shown: it was not yours, or is too old.",
    "changed": "The machine is changed; rules about its groups hold for it already.",
    "disabled": "The machine is disabled, and its tunnel is dead.",
    "enabled": "The machine is enabled, and can connect.",
    "removed": "The machine is removed, and its tunnel is dead.",
    "saved": "The policy is saved, and the hub enforces it.",
    "restored": "The earlier version of the policy is saved again, and the hub enforces it.",
    "expected": "The expectation is added.",
    "expected-no-more": "The expectation is removed. No rule has changed.",
    "renamed": "The organization has its new name.",
    "plan": "The plan is switched.",
    "plan-for-machine": "The plan is switched. The machine that you typed is below and not added yet.",
    "password": "Your password is changed. Every other session has ended, and so has each token and passkey not kept.",
    "verification": "A letter with a link is on its way to your address.",
    "second-factor-off": "Your second factor is turned off, and every other session of yours has ended.",
    "passkey-added": "The passkey is added, and every other session of yours has ended.",
    "passkey-renamed": "The passkey has its new name.",
    "passkey-removed": "The passkey is removed, and every other session of yours has ended.",
    "session-ended": "The session has ended.",
    "sessions-ended": "Every other session of yours has ended.",
    "invited": "A letter with a link is on its way.",
    "revoked": "The invitation is revoked, and its link leads nowhere.",
    "role": "The role is changed, and holds at once.",
    "factors-kept": "The removal is stopped; the account keeps its second factor and passkeys.",
    "member": "The member is removed, and signed out everywhere.",
    "transferred": "The organization has its new owner, and you are an admin.",
    "token": "The token is revoked, and refused at once.",
    "signed-up": "Your organization is signed up.",
    "joined": "You have joined the organization.",
    "left": "Your account is deleted.",
    "deleted": "The organization is deleted, with everything that it had.",
    "suspended": "The organization is suspended: no packet of it passes, and nobody of it signs in.",
    "resumed": "The organization is resumed, and enforced.",
    "run-published": "The run is published: everybody can see it now.",
    "run-withdrawn": "The run is withdrawn. Its files stay here, and nobody else sees them.",
    "lost": "It was done, and its answer got lost on the way.",
    # In place of secrets that were shown once.
    "key-shown": "The key was made. Its configuration was shown once, with the first answer, and nobody stores it. If "
    "it is lost, make a new key below; the lost one stops working then.",
    "token-shown": "The token was made. It was shown once, with the first answer, and nobody stores it. If it is "
    "lost, revoke it and make another.",
    "link-shown": "The invitation was made. Its link was shown once, with the first answer. If it is lost, revoke "
    "the invitation and make another.",
    "operator-link": "The link was made. It was shown once, with the first answer. If it is lost, make another one.",
    "operator-secret": "The secret for your authenticator was made. It was shown once, with the first answer. If it is "
    "lost, choose your password below again, and you get another one.",
    "operator-codes": "You are set up. Your recovery codes were shown once, with the first answer. If they are lost, "
    "have yourself removed and added again.",
    "secret-shown": "The secret for your authenticator was made. It was shown once, with the first answer. If it is "
    "lost, set up a second factor again below.",
    "codes-shown": "Your recovery codes were made. They were shown once, with the first answer. If they are lost, "
    "make new ones below.",
}
_AGAIN = "-again"
_TIMED = re.compile(r"([a-z-]+)-([0-9]{1,9})us", re.ASCII)
_MOST_MICROSECONDS = 10**9 - 1
_ONCE = "This form came twice, and was done once."


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
    """Find the notice of a key; None if there is none."""
    is_again = key.endswith(_AGAIN)
    key = key.removesuffix(_AGAIN)
    time = _TIMED.fullmatch(key)
    known = _NOTICES.get(key if time is None else time[1])
    if known is not None and time is not None:
        known = f"{known} Enforcing it took {_milliseconds(int(time[2]))} ms."
    if is_again:
        return _ONCE if known is None else f"{_ONCE} {known}"
    return known


def _milliseconds(microseconds: int) -> str:
    """Format a time with one decimal below ten milliseconds."""
    return f"{microseconds / 1000:.1f}" if microseconds < 10_000 else f"{microseconds / 1000:,.0f}"
