"""Sets of names are sets, and compare only what a change made different."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.hub.ruleset.name_set import NameSet

_NAMES = st.frozensets(st.integers(0, 150).map(str), max_size=80)


@given(_NAMES, _NAMES)
def test_a_set_of_names_is_like_any_set(one: frozenset[str], other: frozenset[str]) -> None:
    mine, its = NameSet.of(one), NameSet.of(other)
    assert set(mine) == one
    assert len(mine) == len(one)
    for second in (its, other):
        assert set(mine | second) == one | other
        assert mine - second == one - other
    assert set(mine.with_names(other)) == one | other
    assert set(mine.without_names(other)) == one - other
    assert (mine <= its, mine == its) == (one <= other, one == other)
    assert all(name in mine for name in one)
    assert not any(name in mine for name in other - one)


def test_a_changed_set_is_compared_where_it_changed() -> None:
    hashed: list[str] = []

    class Name(str):
        __slots__ = ()

        def __hash__(self) -> int:
            hashed.append(self)
            return hash(str(self))

    before = NameSet.of(map(Name, range(10_000)))
    hashed.clear()
    after = before.with_names(["more"]).without_names(["7"])
    gone, new, both = before - after, after - before, before | after
    assert len(hashed) < 1_000
    assert (set(gone), set(new)) == ({"7"}, {"more"})
    assert set(both) == {*map(str, range(10_000)), "more"}
    joined = NameSet.of(map(Name, range(5_000))) | before
    hashed.clear()
    assert not joined - before
    assert hashed == []
