"""Recording of a run: bounded, complete or absent, read however it was cut, and not to be swapped."""

from __future__ import annotations

import gzip
import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from reports import publish, schema
from reports.events import recording
from reports.events.format import VERSION, AnyEvent, Event, encode
from reports.events.recording import Recorder, RecordingError, Unreadable
from reports.keys import Signer
from tests.properties import sharing_fixtures
from tests.reports.events.samples import BEGUN, FIGURES, PASSES, PROVEN, RUN
from tests.reports.samples import run


def recorded(out: Path, *told: AnyEvent) -> bytes | None:
    """Returns the recording of these events, and leaves no file."""
    recorder = Recorder(out)
    for event in told:
        recorder.add(event, encode(event))
    content = recorder.compressed()
    recorder.discard()
    assert not list(out.glob(".events-*"))
    return content


def test_a_recording_can_be_read_again(tmp_path: Path) -> None:
    content = recorded(tmp_path, *RUN)
    assert content is not None
    (tmp_path / recording.NAME).write_bytes(content)
    assert tuple(recording.read(tmp_path)) == RUN
    assert tuple(recording.read(tmp_path / recording.NAME)) == RUN


def test_the_file_of_a_killed_run_has_what_happened_so_far(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    for event in RUN[:4]:
        recorder.add(event, encode(event))
    (file,) = tmp_path.glob(".events-*.jsonl")
    with file.open("ab") as cut:
        cut.write(encode(RUN[4])[:20])
    assert tuple(recording.read(file)) == RUN[:4]
    recorder.discard()
    recorder.discard()


def test_old_files_of_killed_runs_go_and_newer_ones_stay(tmp_path: Path) -> None:
    old, new = tmp_path / ".events-old.jsonl", tmp_path / ".events-new.jsonl"
    for file in (old, new):
        file.write_bytes(encode(BEGUN))
    os.utime(old, (0, 0))
    Recorder(tmp_path).discard()
    assert (old.exists(), new.exists()) == (False, True)


def test_verdicts_have_room_however_many_figures_there_were(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, most_bytes=4000, reserved=1000)
    recorder.add(BEGUN, encode(BEGUN))
    for _ in range(100):
        recorder.add(FIGURES, encode(FIGURES))
    for event in (PROVEN, PASSES):
        recorder.add(event, encode(event))
    (file,) = tmp_path.glob(".events-*.jsonl")
    assert file.stat().st_size <= 4000
    found = list(recording.read(file))
    assert found[0] == BEGUN
    assert found[-2:] == [PROVEN, PASSES]
    assert recorder.left_out == 100 + 3 - len(found) > 0
    recorder.discard()


@pytest.mark.parametrize("out", ["absent", "/dev/null"])
def test_a_folder_that_can_t_be_written_ends_the_recording_only(tmp_path: Path, out: str) -> None:
    recorder = Recorder(tmp_path / out)
    recorder.add(BEGUN, encode(BEGUN))
    assert recorder.compressed() is None
    recorder.discard()


def test_a_full_disk_ends_the_recording_only(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.add(BEGUN, encode(BEGUN))
    (file,) = tmp_path.glob(".events-*.jsonl")
    (descriptor,) = (
        int(each.name) for each in Path("/proc/self/fd").iterdir() if each.exists() and each.samefile(file)
    )
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, descriptor)
    os.close(full)
    for event in RUN[1:]:
        recorder.add(event, encode(event))
    assert recorder.compressed() is None
    assert not file.exists()


@given(st.data())
@sharing_fixtures(60)
def test_a_damaged_recording_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(gzip.compress(b"".join(map(encode, RUN)), mtime=0))
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[place:]
    else:
        content[place] ^= data.draw(st.integers(1, 255))
    file = tmp_path / "damaged"
    file.write_bytes(content)
    with suppress(Unreadable):
        assert all(isinstance(each, Event) for each in recording.read(file))


def test_a_cut_recording_is_shown_up_to_the_cut(tmp_path: Path) -> None:
    file = tmp_path / "cut"
    noise = [replace(FIGURES, sent=int.from_bytes(os.urandom(7), "big")) for _ in range(2000)]
    content = gzip.compress(b"".join(map(encode, [*RUN, *noise])))
    file.write_bytes(content[: len(content) // 2])
    assert tuple(recording.read(file))[: len(RUN)] == RUN


@pytest.mark.long
def test_a_compressed_file_without_an_end_is_read_up_to_a_bound(tmp_path: Path) -> None:
    file = tmp_path / "bomb"
    with gzip.open(file, "wb") as written:
        written.write(encode(BEGUN))
        for _ in range(100):
            written.write(b" " * (1 << 20))
        written.write(b"\n" + encode(PASSES))
    assert tuple(recording.read(file)) == (BEGUN,)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file"),
        (b"", "is no recording of a run."),
        (b"tea\n", "is no recording of a run."),
        (encode(replace(BEGUN, version=VERSION + 1)), f"is of version {VERSION + 1}, and this program reads up to"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, content: bytes | None, says: str) -> None:
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(Unreadable, match=says):
        list(recording.read(file))


def test_a_transcript_names_the_recording_beside_it(tmp_path: Path, signer: Signer) -> None:
    content = recorded(tmp_path, *RUN) or b""
    folder = publish.write(run(), tmp_path, signer=signer, events=content)
    made = schema.load(folder)
    assert made.events == recording.digest(content)
    recording.check(folder, made)
    (folder / recording.NAME).write_bytes(recorded(tmp_path, *RUN[:-1]) or b"")
    with pytest.raises(RecordingError, match="is not the recording that the transcript names"):
        recording.check(folder, made)
    (folder / recording.NAME).unlink()
    recording.check(folder, made)


def test_a_recording_beside_a_transcript_without_one_is_refused(tmp_path: Path, signer: Signer) -> None:
    folder = publish.write(run(), tmp_path, signer=signer)
    (folder / recording.NAME).write_bytes(recorded(tmp_path, *RUN) or b"")
    with pytest.raises(RecordingError):
        recording.check(folder, schema.load(folder))
