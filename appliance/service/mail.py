"""Letters to people: queued in the transaction of their cause, and written when they are sent.

A valid link is as good as a password, and the store keeps such secrets as hashes only. So the queue has only a letter's
subject, and a `Composer` makes the link right before sending; each further attempt makes a new link and ends the one
before.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from appliance.languages import Reader, loaded, reading, say, translated
from appliance.model.errors import NotPossible
from appliance.model.letters import Letter
from appliance.model.sentences import Sentence
from appliance.service.context import Context
from appliance.store import mail

Composer = Callable[[Context, Connection, str], "Letter | None"]
"""Writes the letter about an id, within a transaction; None if the letter is outdated."""


Part = Sentence | Sequence[Sentence | str]
"""Part of a letter: a paragraph, or indented lines of facts and links, which are never broken."""

_WIDTH = 78


def written(recipient: str, language: str | None, subject: Sentence, *parts: Part) -> Letter:
    """Write a letter in its recipient's language, whoever caused it.

    Args:
        language: its tag; English is written for None, and for a language that is not offered any more.
    """
    offered = loaded()
    with reading(Reader(offered.get(language or "") or next(iter(offered.values())))):
        return Letter(recipient, say(subject), "\n\n".join(map(_text, parts)) + "\n")


def _text(part: Part) -> str:
    if isinstance(part, Sentence):
        return textwrap.fill(say(part), _WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join(f"    {translated(line)}" for line in part)


def require(context: Context) -> None:
    """Check that this service sends mail.

    Raises:
        NotPossible: it does not.
    """
    if not context.sends_mail:
        raise NotPossible("This service sends no mail. Its operator can give you a link.")


def queue(context: Context, transaction: Connection, organization_id: str | None, kind: str, about: str) -> bool:
    """Queue a letter; it is sent only after the transaction has committed.

    Args:
        kind: a key of `letters.COMPOSERS`.
        about: the id that the composer of this kind gets.

    Returns:
        False without a relay: nothing is queued then.
    """
    if not context.sends_mail:
        return False
    mail.queue(transaction, organization_id, kind, about, context.clock())
    return True
