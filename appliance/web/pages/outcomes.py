"""Outcomes of forms, as their repetitions are told of them."""

from __future__ import annotations

from dataclasses import dataclass

import bottle


@dataclass(frozen=True)
class Outcome:
    """Page that a form led to. Nothing in it is secret.

    Attributes:
        where: the path of a page.
        notice: what that page says (`notices`).
        template: a page that is shown in place of leading anywhere. It says the same to everybody, so that nothing of
            what was sent is kept.
    """

    where: str = ""
    notice: str = ""
    template: str = ""


class Reply(bottle.HTTPResponse):  # type: ignore[misc]  # bottle has no types
    """An answer to a form.

    Attributes:
        outcome: what a repetition of the form is told; None where nothing was done.
    """

    outcome: Outcome | None = None


def reply(answer: bottle.HTTPResponse, outcome: Outcome | None) -> Reply:
    """This answer, with what a repetition of the form is told."""
    made = copied(answer)
    made.outcome = outcome
    return made


def copied(answer: bottle.HTTPResponse) -> Reply:
    """Another object of the same content: each thread adds headers to the one that it sends."""
    made = Reply(answer.body, status=answer.status_line, headers=list(answer.headerlist))
    made.outcome = answer.outcome if isinstance(answer, Reply) else None
    return made
