"""Appending to the log of runs in a folder, by one process at a time."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from reports.files import make_folder, read_bounded, write_durably
from reports.keys import Signer, state_folder
from reports.log import entries, hashtree, notes, tiles
from reports.log.notes import Checkpoint, NoteError
from reports.log.proofs import Proof
from reports.log.tiles import TileError, Tiles

CHECKPOINT = "checkpoint"


class LogError(Exception):
    """The log can't be used; the message is one sentence with the reason."""


def read_checkpoint(path: Path, key: Ed25519PublicKey) -> Checkpoint | None:
    """Reads a checkpoint from a file.

    Args:
        path: the file.
        key: public key of the log.

    Returns:
        The checkpoint; None if there is no file.

    Raises:
        LogError: it can't be read, or is not signed by this key.
    """
    try:
        return Checkpoint.open(read_bounded(path, notes.LARGEST), key)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LogError(f"{path} can't be read: {error.strerror}.") from error
    except NoteError as error:
        raise LogError(f"{path} is not the checkpoint of this log: {error}") from error


def check_extends(log: Tiles, now: Checkpoint, before: Checkpoint) -> None:
    """Checks that a log begins with the entries that it had at an earlier checkpoint.

    Args:
        log: tiles of the log.
        now: its checkpoint.
        before: the earlier checkpoint.

    Raises:
        LogError: it does not; it was cut, rewritten, or is another log.
    """
    if before.origin != now.origin:
        raise LogError(f"It is another log: {now.origin}, not {before.origin}.")
    if before.size > now.size:
        raise LogError(f"It was cut: it has {now.size} entries, and had {before.size}.")
    try:
        proof = hashtree.consistency(before.size, now.size, log.hash) if before.size not in (0, now.size) else []
        hashtree.check_consistency(before.size, now.size, before.root, now.root, proof)
    except hashtree.ProofError as error:
        raise LogError(f"It was rewritten: its first {before.size} entries are others than they were.") from error
    except TileError as error:
        raise LogError(str(error)) from error


def of_signer(signer: Signer) -> RunLog | None:
    """Returns the log of a key that is kept; None for a key of one run, whose log nobody could continue."""
    if signer.file is None:
        return None
    brief = signer.fingerprint[:16]
    return RunLog(logs_folder() / brief, signer.key, f"meshwg-gate/{brief}")


def logs_folder() -> Path:
    """Returns the folder of this user's logs, one for each key."""
    return state_folder() / "logs"


def public_key_of(folder: Path) -> Path:
    """Returns the file with the public key of a log, which lies beside its folder."""
    return folder.with_name(f"{folder.name}.pub")


@dataclass(frozen=True)
class RunLog:
    """The log of one key.

    Beside the folder lie the public key, a lock, and a copy of the last checkpoint, by which a folder that was cut is
    noticed.

    Attributes:
        folder: folder of the log, which need not exist yet.
        key: key that signs its checkpoints.
        name: first part of the log's name, which is completed by a random number when the log is made.
    """

    folder: Path
    key: Ed25519PrivateKey
    name: str

    @property
    def memory(self) -> Path:
        """File with the last checkpoint that was written here."""
        return self.folder.with_name(f"{self.folder.name}.last-checkpoint")

    @contextmanager
    def opened(self, known: Checkpoint | None = None) -> Iterator[OpenLog]:
        """Locks the log, checks it, and yields it.

        As much is read as an entry more needs: the rightmost tiles and the last bundle, and one earlier bundle, another
        each time.

        Args:
            known: an earlier checkpoint that was kept elsewhere; one of another log is passed over.

        Raises:
            LogError: it can't be read or written, or was damaged, cut or rewritten.
        """
        with self._locked():
            yield self._open(known)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = self.folder.with_name(f"{self.folder.name}.lock")
        try:
            make_folder(lock.parent)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LogError(f"The log of runs {self.folder} can't be written: {error.strerror}.") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _open(self, known: Checkpoint | None) -> OpenLog:
        public = self.key.public_key()
        try:
            before = read_checkpoint(self.memory, public)
            now = read_checkpoint(self.folder / CHECKPOINT, public)
            if now is None:
                now = self._made(before)
            log = Tiles(self.folder, now.size)
            if log.root() != now.root:
                raise LogError("Its tiles are others than its checkpoint says.")
            _check_bundles(log)
            if before is not None:
                check_extends(log, now, before)
            if known is not None and known.origin == now.origin:
                check_extends(log, now, known)
        except (LogError, TileError) as error:
            raise LogError(f"The log of runs {self.folder} can't be trusted any more. {error}") from error
        return OpenLog(self, now, log)

    def _made(self, before: Checkpoint | None) -> Checkpoint:
        if before is not None or (self.folder / "tile").exists():
            raise LogError("Its checkpoint is gone.")
        made = Checkpoint(f"{self.name}/{secrets.token_hex(8)}", 0, hashtree.EMPTY)
        try:
            write_durably(public_key_of(self.folder), Signer(self.key).public_pem())
        except OSError as error:
            raise LogError(f"It can't be written: {error.strerror}.") from error
        self.write(made)
        return made

    def write(self, checkpoint: Checkpoint) -> bytes:
        """Signs and writes a checkpoint, and the copy of it; returns it as a note. The caller holds the lock.

        Raises:
            LogError: it can't be written.
        """
        note = checkpoint.sign(self.key)
        try:
            write_durably(self.folder / CHECKPOINT, note)
        except OSError as error:
            raise LogError(f"The log of runs {self.folder} can't be written: {error.strerror}.") from error
        # The entry is in the log now. An older copy is right too, and the next entry renews it.
        with suppress(OSError):
            write_durably(self.memory, note)
        return note


def _check_bundles(log: Tiles) -> None:
    """Checks the last bundle and one of the full ones, in turn with the log's size."""
    full, rest = divmod(log.size, tiles.WIDTH)
    if rest:
        log.entries(full)
    if full:
        index = log.size % full
        log.entries(index)
        if hashtree.root(tiles.WIDTH, hashtree.of_leaves(log.tile(0, index))) != log.hash(8, index):
            raise TileError(f"The tile 0/{tiles.place(index)} is another than the tile above it says.")


class OpenLog:
    """A log that is locked and was checked."""

    def __init__(self, log: RunLog, checkpoint: Checkpoint, read: Tiles) -> None:
        """Takes what was checked.

        Args:
            log: the log.
            checkpoint: its checkpoint.
            read: its tiles.
        """
        self._log = log
        self._tiles = read
        self.checkpoint = checkpoint

    def append(self, entry: entries.Entry) -> Proof:
        """Appends an entry; the checkpoint is written last.

        Returns:
            The proof that it is there.

        Raises:
            LogError: it can't be written; then the log is as it was.
        """
        content, index = entries.encode(entry), self.checkpoint.size
        if len(content) > tiles.LARGEST_ENTRY:
            raise LogError(f"An entry of the log has {tiles.LARGEST_ENTRY} bytes at most, and this one {len(content)}.")
        try:
            after = tiles.write_next(self._tiles, content)
        except OSError as error:
            raise LogError(f"The log of runs {self._log.folder} can't be written: {error.strerror}.") from error
        except TileError as error:
            raise LogError(f"The log of runs {self._log.folder} can't be trusted any more. {error}") from error
        checkpoint = Checkpoint(self.checkpoint.origin, after.size, after.root())
        note = self._log.write(checkpoint)
        tiles.drop_partials(after)
        self.checkpoint, self._tiles = checkpoint, after
        return Proof(content, index, hashtree.inclusion(index, after.size, after.hash), note)
