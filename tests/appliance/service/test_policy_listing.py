"""Oversized policies, which are refused before they are parsed."""

from __future__ import annotations

import pytest

from appliance.model.errors import Invalid
from appliance.service.policy_saves import MOST_LISTED_PORTS, MOST_RULES, check_listing


def test_as_many_ports_as_allowed_are_accepted() -> None:
    check_listing(["22", None, "", "1-5,80"] * 10)
    check_listing(["1,2"] * (MOST_LISTED_PORTS // 2))
    check_listing([None] * MOST_RULES)


@pytest.mark.parametrize(
    ("ports", "says"),
    [
        (["1,2,3"] * 13_334, "list 40002 ports"),
        ([None] * (MOST_RULES + 1), "at most 20000 rules"),
    ],
)
def test_too_many_ports_are_refused_with_their_number(ports: list[str | None], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        check_listing(ports)
