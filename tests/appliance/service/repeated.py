"""Work that is repeated, by a key or by a form."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from appliance.service import Actor, Context, repeats
from appliance.service.recording import recording
from appliance.store.repeats import StoredAnswer

ANSWER = StoredAnswer(201, "/machines/x", b"{}")
LOST = StoredAnswer(None, "/machines/x", None)


class Work:
    """Counts in the store how often the work was done.

    Args:
        before: errors before anything is stored, one for each time.
        after: errors after it is stored, one for each time.
    """

    def __init__(self, context: Context, *before: BaseException, after: BaseException | None = None) -> None:
        self.done = 0
        self._context = context
        self._before = list(before)
        self._after = after

    def __call__(self, actor: Actor) -> StoredAnswer:
        if self._before:
            raise self._before.pop(0)
        with recording(self._context, actor) as record:
            record.made = "/machines/x"
            record.leave_no_entry()
        self.done += 1
        if self._after is not None:
            raise self._after
        return ANSWER


def once(
    context: Context, actor: Actor, work: repeats.Work, key: str = "k", request: bytes = b"r"
) -> StoredAnswer | None:
    return repeats.idempotent(context, actor, key=key, request=request, work=work)


def by_form(context: Context, actor: Actor, work: repeats.Work, form: bytes = b"f") -> StoredAnswer | None:
    return repeats.idempotent_form(context, actor, form=form, work=work)


Way = Callable[[Context, Actor, repeats.Work], StoredAnswer | None]


WAYS = pytest.mark.parametrize("way", [once, by_form], ids=["key", "form"])
