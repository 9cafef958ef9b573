"""Tests that a number draws, and the order of a run."""

from __future__ import annotations

from collections import Counter

import pytest

from tests import draws

PAGES, LOOKS = ("front", "price"), ("light", "dark", "narrow", "wide")


@pytest.mark.drawn("look")
@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("page", PAGES)
def test_a_case_is_one_of_those_that_were_drawn(request: pytest.FixtureRequest, page: str, look: str) -> None:
    number = request.config.getoption("--draw")
    chosen = _cases(request) if number is None else draws.draw(_cases(request), number)
    assert {"page": page, "look": look} in [case.callspec.params for case in chosen]


def test_each_combination_of_the_others_keeps_one_value(request: pytest.FixtureRequest) -> None:
    found = Counter[str]()
    for number in range(60):
        chosen = draws.draw(_cases(request), number)
        assert [case.callspec.params["page"] for case in chosen] == list(PAGES)
        found.update(str(case.callspec.params["look"]) for case in chosen)
    assert set(found) == set(LOOKS)


def test_a_number_draws_the_same_cases_again(request: pytest.FixtureRequest) -> None:
    one, again = (draws.draw(_cases(request), 7) for _ in range(2))
    assert [case.name for case in one] == [case.name for case in again]


def test_each_long_test_is_kept_by_one_of_so_many_numbers(request: pytest.FixtureRequest) -> None:
    short, *long = [each for each in _collected(request) if each.get_closest_marker(draws.MARK) is None]
    for each in long:
        each.add_marker(draws.LONG)
    kept = [draws.draw([short, *long], number) for number in range(draws.SHARE)]
    assert all(each[0] == short for each in kept)
    assert Counter(case for _, *each in kept for case in each) == Counter(long)


def test_cases_without_the_mark_are_all_kept(request: pytest.FixtureRequest) -> None:
    others = [each for each in _collected(request) if each.get_closest_marker(draws.MARK) is None]
    assert draws.draw(others, 1) == others


def test_a_parameter_that_a_test_does_not_have_is_refused(request: pytest.FixtureRequest) -> None:
    (case, *_) = _cases(request)
    case.add_marker(pytest.mark.drawn("lock"), append=False)
    with pytest.raises(pytest.UsageError, match="a parameter that it does not have: lock"):
        draws.draw([case], 1)


def test_the_tests_of_this_folder_run_first(request: pytest.FixtureRequest) -> None:
    """Compares all tests of the run, which are of several folders if it is a whole one."""
    are_elsewhere = [item.path.parent != request.path.parent for item in request.session.items]
    assert are_elsewhere == sorted(are_elsewhere)


def _cases(request: pytest.FixtureRequest) -> list[pytest.Function]:
    return [each for each in _collected(request) if each.get_closest_marker(draws.MARK) is not None]


def _collected(request: pytest.FixtureRequest) -> list[pytest.Function]:
    """Collects this module anew, with the cases that the run's profile leaves out."""
    module = request.node.getparent(pytest.Module)
    return [each for each in module.collect() if isinstance(each, pytest.Function)]
