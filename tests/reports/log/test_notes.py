"""Signed notes and checkpoints: the form that others write, and refusal of everything else."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from reports.log import hashtree, notes
from reports.log.notes import Checkpoint, NoteError, NoteKey
from tests.properties import sharing_fixtures
from tests.reports.log.samples import KEY, STRANGER

# Note and key of the documentation of Go's package sumdb/note.
FOREIGN_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
FOREIGN = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()
ORIGIN = "meshwg-gate/0123/4567"
CHECKPOINT = Checkpoint(ORIGIN, 12, hashtree.leaf_hash(b"x"))


def foreign_key() -> NoteKey:
    name, _, key = FOREIGN_KEY.split("+", 2)
    return NoteKey(name, Ed25519PublicKey.from_public_bytes(base64.b64decode(key)[1:]))


def test_a_note_of_another_program_is_opened() -> None:
    assert str(foreign_key()) == FOREIGN_KEY
    assert notes.open_note(FOREIGN, foreign_key()).endswith("what your problem is.\n")


def test_a_checkpoint_is_what_was_signed() -> None:
    note = CHECKPOINT.sign(KEY)
    assert note.decode().startswith(f"{ORIGIN}\n12\n{base64.b64encode(CHECKPOINT.root).decode()}\n\n— {ORIGIN} ")
    assert Checkpoint.open(note, KEY.public_key()) == CHECKPOINT
    assert Checkpoint.open(note, KEY.public_key(), ORIGIN) == CHECKPOINT


def test_a_line_of_another_key_is_passed_over() -> None:
    line = notes.sign(str(CHECKPOINT), "witness.example", STRANGER).decode().splitlines()[-1]
    assert Checkpoint.open(CHECKPOINT.sign(KEY) + f"{line}\n".encode(), KEY.public_key()) == CHECKPOINT


def test_a_forged_line_of_the_key_refuses_the_note() -> None:
    note = CHECKPOINT.sign(KEY)
    signed = NoteKey(ORIGIN, KEY.public_key()).id + STRANGER.sign(str(CHECKPOINT).encode())
    forged = f"— {ORIGIN} {base64.b64encode(signed).decode()}\n".encode()
    with pytest.raises(NoteError, match="not made by this key"):
        Checkpoint.open(note + forged, KEY.public_key())


@pytest.mark.parametrize(
    "change",
    [
        lambda note: note.replace(b"\n12\n", b"\n13\n"),
        lambda note: note.replace(b"\n12\n", b"\n012\n"),
        lambda note: note.replace(b"\n12\n", b"\n12\n\n"),
        lambda note: note.replace(b"0123", b"0124"),
        lambda note: note.replace(b"\n\n", b"\n"),
        lambda note: note.replace("—".encode(), b"-"),
        lambda note: note[:-1],
        lambda note: note + b"\n",
        lambda note: note + b"x",
        lambda note: b"\xff" + note,
        lambda note: b"\0" + note,
        lambda note: note.replace(b"\n", b"\r\n"),
        lambda note: note.partition(b"\n\n")[0] + b"\n\n",
        lambda _: b"",
        lambda note: note + note,
        lambda note: note + b"a" * notes.LARGEST,
    ],
)
def test_a_changed_checkpoint_is_refused(change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(NoteError):
        Checkpoint.open(change(CHECKPOINT.sign(KEY)), KEY.public_key())


def test_a_checkpoint_of_another_key_or_log_is_refused() -> None:
    note = CHECKPOINT.sign(KEY)
    with pytest.raises(NoteError, match="not signed by this key"):
        Checkpoint.open(note, STRANGER.public_key())
    with pytest.raises(NoteError, match="of the log"):
        Checkpoint.open(note, KEY.public_key(), "meshwg-gate/else")


@pytest.mark.parametrize(
    "text", [f"{ORIGIN}\n", f"{ORIGIN}\n1\n", f"{ORIGIN}\n-1\nAAAA\n", f"{ORIGIN}\n1\nAAAA\n", f"{ORIGIN}\n1\n!\n"]
)
def test_a_signed_text_that_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        Checkpoint.open(notes.sign(text, ORIGIN, KEY), KEY.public_key())


@given(data=st.data())
@sharing_fixtures(300)
def test_no_changed_byte_of_a_checkpoint_goes_unnoticed(data: st.DataObject) -> None:
    note = CHECKPOINT.sign(KEY)
    place = data.draw(st.integers(0, len(note) - 1))
    mutant = note[:place] + bytes([data.draw(st.integers(0, 255))]) + note[place + 1 :]
    if mutant != note:
        with pytest.raises(NoteError):
            Checkpoint.open(mutant, KEY.public_key())


@given(note=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_refused_in_one_sentence(note: bytes) -> None:
    with pytest.raises(NoteError):
        Checkpoint.open(note, KEY.public_key())
