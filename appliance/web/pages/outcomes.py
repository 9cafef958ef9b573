"""Outcomes of forms, as their repetitions are told of them."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.web.response import Response


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


@dataclass(frozen=True)
class Reply(Response):
    """An answer to a form.

    Attributes:
        outcome: what a repetition of the form is told; None where nothing was done.
    """

    outcome: Outcome | None = None


def reply(answer: Response, outcome: Outcome | None) -> Reply:
    """This answer, with what a repetition of the form is told."""
    return Reply(answer.body, answer.status, answer.headers, answer.cookies, outcome)
