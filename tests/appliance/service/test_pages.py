"""Pages of lists, put together again."""

from __future__ import annotations

import pytest

from appliance.service import pages


@pytest.mark.parametrize("limit", [1, 2, 3, pages.LONGEST - 1, pages.LONGEST, pages.LONGEST + 1])
@pytest.mark.parametrize("length", [0, 1, 2, 3, 7, pages.LONGEST, pages.LONGEST + 1, 2 * pages.LONGEST])
def test_pages_of_every_length_are_the_whole_list(length: int, limit: int) -> None:
    rest: list[int] = list(range(length))
    found: list[int] = []
    for _ in range(length + 1):
        page, mark = pages.cut(lambda count, rest=rest: rest[:count], limit, lambda each: each)  # type: ignore[misc]
        assert len(page) <= min(limit, pages.LONGEST)
        found += page
        if mark is None:
            break
        assert mark == page[-1]
        rest = rest[len(page) :]
    assert found == list(range(length))
