"""Proofs as files: the form of the specification, and refusal of everything that was changed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.log import entries
from reports.log.hashtree import ProofError
from reports.log.notes import NoteError
from reports.log.proofs import Proof
from tests.properties import sharing_fixtures
from tests.reports.log.samples import KEY, STRANGER, began, filled


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Provides the proof of the fifth entry of a log."""
    with filled(tmp_path_factory.mktemp("log"), 2).opened() as log:
        return log.append(began()).encode()


def test_a_proof_has_the_form_of_the_specification(proof: bytes) -> None:
    head, checkpoint = proof.decode().split("\n\n", 1)
    first, extra, index, *hashes = head.split("\n")
    assert (first, index, len(hashes)) == ("c2sp.org/tlog-proof@v1", "index 4", 1)
    assert extra.startswith("extra ")
    assert checkpoint.split("\n")[1] == "5"


def test_a_proof_shows_its_entry(proof: bytes) -> None:
    found = Proof.decode(proof)
    checkpoint = found.check(KEY.public_key())
    assert (found.index, checkpoint.size) == (4, 5)
    assert entries.decode(found.entry) == began()
    assert found.encode() == proof
    with pytest.raises(NoteError):
        found.check(STRANGER.public_key())


@pytest.mark.parametrize(
    "change",
    [
        lambda proof: proof.replace(b"@v1", b"@v2"),
        lambda proof: proof.replace(b"index 4", b"index 3"),
        lambda proof: proof.replace(b"index 4", b"index 04"),
        lambda proof: proof.replace(b"extra ", b"extra  "),
        lambda proof: proof.replace(b"\n\n", b"\nAAAA\n\n", 1),
        lambda proof: proof.partition(b"\n\n")[0],
        lambda _: b"",
        lambda _: b"\xff",
    ],
)
def test_a_changed_proof_is_refused(proof: bytes, change: Callable[[bytes], bytes]) -> None:
    with pytest.raises((ProofError, NoteError)):
        Proof.decode(change(proof)).check(KEY.public_key())


@given(data=st.data())
@sharing_fixtures(300)
def test_no_changed_byte_of_a_proof_goes_unnoticed(proof: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(proof) - 1))
    mutant = proof[:place] + bytes([data.draw(st.integers(0, 255))]) + proof[place + 1 :]
    if mutant != proof:
        with pytest.raises((ProofError, NoteError)):
            Proof.decode(mutant).check(KEY.public_key())
