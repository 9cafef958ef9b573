"""Outcomes of forms, which repetitions of a form get."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.web.response import Response


@dataclass(frozen=True)
class Outcome:
    """Page that a form led to, without secrets.

    Attributes:
        where: path of the page to redirect to.
        notice: key of the notice that the page shows (`notices`).
        template: template to render in place of a redirect; it gets no data, so that nothing of the form is kept.
    """

    where: str = ""
    notice: str = ""
    template: str = ""


@dataclass(frozen=True)
class Reply(Response):
    """An answer to a form.

    Attributes:
        outcome: result for a repetition of the form; None if nothing was done.
    """

    outcome: Outcome | None = None


def reply(answer: Response, outcome: Outcome | None) -> Reply:
    """Add the outcome for a repetition of the form to an answer."""
    return Reply(answer.body, answer.status, answer.headers, answer.cookies, outcome)
