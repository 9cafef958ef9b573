"""Each refusal has its HTTP status and title."""

from __future__ import annotations

from appliance.model import errors
from appliance.model.errors import Refused
from appliance.model.expectations import ExpectationBroken
from appliance.web.refusals import status_of, title_of


def test_every_refusal_has_its_own_status_and_title() -> None:
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Refused)]
    kinds.remove(Refused)
    kinds.append(ExpectationBroken)
    assert (status_of(errors.NotOpen), str(title_of(errors.NotOpen))) == (403, "Sign-up is not open")
    assert all(400 <= status_of(kind) < 600 for kind in kinds)
    assert len({title_of(kind) for kind in kinds}) == len(kinds)


def test_a_refusal_without_a_row_uses_its_base_class_s_row() -> None:
    class Taken(errors.Conflict):
        """A name is taken."""

    assert status_of(Taken) == 409
    assert title_of(Taken) == title_of(errors.Conflict)
