"""Drafts of forms, which only their person can open, for a limited time."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.organization import Member, Role
from appliance.service.drafts import LIFETIME, LONGEST, Draft, mark_of, opened, sealed
from appliance.vault import Vault

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
ASHA = Member("m1", "o1", "asha@example.net", "$argon2id$one", Role.OWNER)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
DRAFTS = st.builds(Draft, TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=8))


@given(DRAFTS, st.integers(0, int(LIFETIME.total_seconds())))
def test_a_draft_keeps_what_was_typed(draft: Draft, seconds: int) -> None:
    kept = sealed(draft, mark_of(ASHA), NOW)
    assert kept is not None
    assert opened(kept, mark_of(ASHA), NOW + timedelta(seconds=seconds)) == draft


@given(DRAFTS)
def test_a_draft_opens_for_its_person_only_and_expires(draft: Draft) -> None:
    kept = sealed(draft, mark_of(ASHA), NOW)
    assert kept is not None
    assert opened(kept, mark_of(ASHA), NOW + LIFETIME + timedelta(seconds=2)) is None
    for other in (replace(ASHA, id="m2"), replace(ASHA, password_hash="$argon2id$two")):
        assert opened(kept, mark_of(other), NOW) is None


@given(DRAFTS, TEXTS)
def test_a_draft_sealed_without_the_person_s_mark_never_opens(draft: Draft, guess: str) -> None:
    kept = sealed(draft, guess, NOW)
    assert kept is not None
    assert opened(kept, mark_of(ASHA), NOW) is None


@given(DRAFTS, st.data())
def test_a_damaged_or_forged_draft_does_not_open(draft: Draft, data: st.DataObject) -> None:
    kept = sealed(draft, mark_of(ASHA), NOW)
    assert kept is not None
    at = data.draw(st.integers(0, len(kept) - 5))
    other = data.draw(st.sampled_from("AZaz09-_=!é"))
    damaged = kept[:at] + other + kept[at + 1 :]
    assert opened(damaged, mark_of(ASHA), NOW) in (None, draft if damaged == kept else None)
    assert opened(data.draw(TEXTS), mark_of(ASHA), NOW) is None


def test_a_draft_is_bounded_in_size_and_encrypted() -> None:
    kept = sealed(Draft("/machines", {"name": "a" * (LONGEST // 2)}), mark_of(ASHA), NOW)
    assert kept is not None
    assert len(kept) <= LONGEST
    assert "aaaa" not in kept
    assert sealed(Draft("/machines", {"name": "a" * LONGEST}), mark_of(ASHA), NOW) is None
    assert opened("a" * (LONGEST + 4), mark_of(ASHA), NOW) is None


@pytest.mark.parametrize(
    "content",
    [
        "1",
        "[]",
        '["now", "/machines", {}]',
        "[1, 2, {}]",
        '[1, "/machines", []]',
        '[1, "/machines", {"name": 1}]',
        "[" * 9000,
    ],
    ids=["number", "empty", "time", "path", "fields", "field", "nested"],
)
def test_a_draft_of_another_shape_does_not_open(content: str) -> None:
    """Seals what the service would not, as a person can with their own mark, which their forms contain."""
    vault = Vault(hashlib.sha256(b"drafts\0" + mark_of(ASHA).encode()).digest())

    def kept(text: str) -> str:
        return base64.urlsafe_b64encode(vault.sealed(text.encode(), b"draft of a form")).decode()

    assert opened(kept(json.dumps([int(NOW.timestamp()), "/machines", {}])), mark_of(ASHA), NOW) == Draft(
        "/machines", {}
    )
    assert opened(kept(content), mark_of(ASHA), NOW) is None
