"""Permits to sign up, for services where sign-up is not open to everybody: sign-up links, which work once.

If addresses are verified first, a stranger asks for the link, and a letter brings it to the future account's address.
Nothing else is stored of a stranger, and the answer is the same if the address has an account. If the operator invites,
`meshwg admin` or an operator's page shows the link, and each of them can be revoked until it is used.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection

from appliance.model.emails import check_email
from appliance.model.errors import Invalid, NotFound, NotOpen, TooMany
from appliance.model.ids import new_id
from appliance.model.letters import Letter
from appliance.model.sentences import sentence
from appliance.model.sign_up import SignUpMode
from appliance.service import mail, tokens
from appliance.service.context import Context
from appliance.service.recording import Also, nothing_more
from appliance.service.room import NOBODY_NEW
from appliance.store import people, permits
from appliance.store.permits import Permit

LETTER = "sign-up"
LIFETIME = timedelta(days=1)
INVITED_FOR = timedelta(days=7)
MOST = 10_000
"""Most unused permits."""

_OVER = sentence(
    "This link does not hold: somebody signed up with it already, or its time is over. Ask for another one."
)

_ASKED = sentence("Somebody, hopefully you, wants to sign an organization up at MeshWG with this address.")
_NOT_YOU = sentence("If you did not ask, you need not do anything.")


def ask(context: Context, email: str, language: str | None = None) -> None:
    """Queue a letter with a sign-up link for this address.

    Args:
        language: tag of the language of the letter, unless the address has an account already; None for English.

    Raises:
        Invalid: this is no e-mail address.
        NotOpen: sign-up does not work by letter here.
        TooMany: `MOST` permits are unused.
        NoRoom: the store's disk is nearly full.
    """
    context.room.check(NOBODY_NEW)
    address = check_email(email)
    if context.sign_up is not SignUpMode.VERIFIED:
        raise NotOpen("{explanation} No letter helps here.", explanation=context.sign_up.explanation)
    now = context.clock()
    new = Permit(new_id(), address, by_letter=True, expires_at=now + LIFETIME, language=language)
    with context.store.write() as transaction:
        permits.forget(transaction, now, letter_to=address)
        if permits.count(transaction) >= MOST:
            raise TooMany("Too many people are about to sign up. Try again in an hour.", retry_after=3600)
        permits.create(transaction, new, None, now)
        mail.queue(context, transaction, None, LETTER, new.id)


def invite(
    context: Context,
    email: str | None = None,
    *,
    made_by: str = "",
    also: Also = nothing_more,
) -> str:
    """Make a sign-up link, for the operator to hand over.

    Args:
        email: the only address that may sign up with it; None for any.
        made_by: user of the host, or e-mail address of the operator on the pages.
        also: done in the same transaction.
    """
    with context.store.write() as transaction:
        also(transaction)
        return invite_within(context, transaction, email, made_by)


def invite_within(context: Context, transaction: Connection, email: str | None, made_by: str) -> str:
    """Make a link as `invite` does; it is valid once the transaction has committed."""
    now = context.clock()
    address = None if email is None else check_email(email)
    new = Permit(new_id(), address, by_letter=False, expires_at=now + INVITED_FOR, made_by=made_by)
    token = tokens.new_token(tokens.INVITATION)
    permits.forget(transaction, now)
    permits.create(transaction, new, tokens.hash_of(token), now)
    return _link(context, token)


def revoke_within(context: Context, transaction: Connection, permit_id: str) -> None:
    """Revoke a link that `invite` made, once the transaction has committed.

    Raises:
        NotFound: there is no such link.
    """
    # Ids are ASCII; a database can't even be asked about a lone surrogate, which a command line may hold.
    if not (permit_id.isascii() and permits.revoke(transaction, permit_id, context.clock())):
        raise NotFound("There is no sign-up link with the id {id}; it may have been used.", id=permit_id)


def revoke_all_within(context: Context, transaction: Connection) -> int:
    """Revoke every link that `invite` made, once the transaction has committed; returns their number."""
    return permits.revoke_all(transaction, context.clock())


def find(context: Context, token: str | None) -> Permit | None:
    """Find the permit of a sign-up; None if none is needed.

    Args:
        token: of the link, if there is one.

    Raises:
        NotOpen: a link is needed, or sign-up is closed.
        NotFound: the link is not valid.
    """
    if context.sign_up is SignUpMode.CLOSED:
        raise NotOpen(context.sign_up.explanation)
    if not token:
        if context.sign_up is not SignUpMode.OPEN:
            raise NotOpen(context.sign_up.explanation)
        return None
    with context.store.read() as transaction:
        permit = permits.by_link(transaction, tokens.hash_of(token), context.clock())
    if permit is None:
        raise NotFound(_OVER)
    return permit


def check_address(permit: Permit | None, address: str) -> None:
    """Raise `Invalid` if the permit is for another address."""
    if permit is not None and permit.email not in (None, address):
        raise Invalid("This link is for another e-mail address.", field="email")


def take(transaction: Connection, permit: Permit | None) -> None:
    """Use a permit up, in the transaction of its sign-up.

    Raises:
        NotFound: another sign-up used it meanwhile.
    """
    if permit is not None and not permits.use(transaction, permit.id):
        raise NotFound(_OVER)


def compose(context: Context, transaction: Connection, permit_id: str) -> Letter | None:
    """Write the letter with a new link (`mail.Composer`)."""
    permit = permits.by_id(transaction, permit_id, context.clock())
    if permit is None or permit.email is None:
        return None
    member = people.by_email(transaction, permit.email)
    if member is not None:
        return mail.written(
            permit.email,
            member.language,
            sentence("Your account at MeshWG"),
            _ASKED,
            sentence(
                "It has an account already, and an account belongs to one organization. This is where you sign in, or "
                "choose another password:"
            ),
            (f"{context.site}/login", f"{context.site}/forgotten"),
            _NOT_YOU,
        )
    token = tokens.new_token(tokens.INVITATION)
    permits.replace_link(transaction, permit.id, tokens.hash_of(token))
    return mail.written(
        permit.email,
        permit.language,
        sentence("Signing up at MeshWG"),
        _ASKED,
        sentence("With this link you do it. It is good once, and for a day:"),
        (_link(context, token),),
        _NOT_YOU,
    )


def _link(context: Context, token: str) -> str:
    return f"{context.site}/signup?link={token}"
