"""Published claims."""

from __future__ import annotations

from appliance.model.claims import BY_ID, PUBLISHED


def test_every_claim_has_an_id_and_ways_of_its_own() -> None:
    assert list(BY_ID) == [claim.id for claim in PUBLISHED]
    assert len(BY_ID) == len(PUBLISHED) == 15
    ways = [way for claim in PUBLISHED for way in claim.ways]
    assert len(set(ways)) == len(ways)
    for claim in PUBLISHED:
        assert claim.ways
        assert "; ".join(way[0].lower() + way[1:-1] for way in claim.ways).lower() == claim.shown.lower()
        assert all(way[0].isupper() and way.endswith(".") and way.count(".") == 1 for way in claim.ways)
