"""Refusals of use cases become exit codes of the operator's commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.cli.at_work import at_work
from appliance.cli.errors import CommandError, Exit
from appliance.cli.settings import resolve
from appliance.model.errors import Conflict, NotEnforced, NotFound, Refused, Unavailable
from tests.appliance.sites import make_data


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (Unavailable("The store can't be used for now."), Exit.CANNOT_CREATE),
        (NotEnforced("The hub could not take it."), Exit.UNAVAILABLE),
        (NotFound("There is no such person."), Exit.NO_INPUT),
        (Conflict("It is suspended already."), Exit.REFUSED),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_refusal_ends_a_command_with_its_code(tmp_path: Path, refusal: Refused, code: Exit) -> None:
    make_data(tmp_path).close()
    with pytest.raises(CommandError) as ended, at_work(resolve({"data": tmp_path})):
        raise refusal
    assert (ended.value.code, str(ended.value)) == (code, refusal.detail)
