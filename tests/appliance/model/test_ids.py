from __future__ import annotations

from itertools import chain

from appliance.model.ids import new_id


def test_ids_use_every_character_at_every_position() -> None:
    ids = [new_id(3) for _ in range(2_000)]
    characters = set(chain.from_iterable(ids))
    assert characters == set("bcdfghjkmnpqrstvwxz23456789")
    assert {frozenset(place) for place in zip(*ids, strict=True)} == {frozenset(characters)}
