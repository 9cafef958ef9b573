"""Property tests don't fail on a busy machine."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from tests.properties import DEFAULT, sharing_fixtures


@given(st.none())
def test_no_property_of_this_run_is_judged_by_the_clock(request: pytest.FixtureRequest, example: None) -> None:
    """Checks every property that was collected, this one included; a whole run collects all."""
    del example
    judged = []
    for item in request.session.items:
        test = getattr(item, "obj", None)
        if not getattr(test, "is_hypothesis_test", False):
            continue
        own = getattr(test, "_hypothesis_internal_use_settings", DEFAULT)
        if own.deadline is not None or HealthCheck.too_slow not in own.suppress_health_check:
            judged.append(item.nodeid)
    assert judged == []


def test_a_property_s_failure_can_be_repeated() -> None:
    assert DEFAULT.print_blob
    assert sharing_fixtures(1).print_blob
