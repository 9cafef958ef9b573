"""Proofs that an entry is in a log, as files that need nothing else (https://c2sp.org/tlog-proof)."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reports.log import hashtree
from reports.log.hashtree import ProofError
from reports.log.notes import Checkpoint, NoteError, unbase64

FIRST = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True)
class Proof:
    """A proof that an entry is in a log.

    Attributes:
        entry: the entry, which the format carries as extra data.
        index: its number in the log.
        hashes: hashes beside it, from the leaf up.
        checkpoint: checkpoint of the log, as a signed note.
    """

    entry: bytes
    index: int
    hashes: Sequence[bytes]
    checkpoint: bytes

    def encode(self) -> bytes:
        """Returns the content of the file."""
        lines = [FIRST, f"extra {_base64(self.entry)}", f"index {self.index}", *map(_base64, self.hashes), "", ""]
        return "\n".join(lines).encode() + self.checkpoint

    @classmethod
    def decode(cls, content: bytes) -> Proof:
        """Reads a proof, and checks nothing of it.

        Raises:
            ProofError: it is none.
        """
        head, blank, checkpoint = content.partition(b"\n\n")
        try:
            first, extra, index, *hashes = head.decode().split("\n")
            found = _INDEX.fullmatch(index)
            if not blank or first != FIRST or not extra.startswith("extra ") or found is None:
                raise ProofError("It is no proof of an entry.")
            return cls(
                unbase64(extra.removeprefix("extra ")),
                int(found[1]),
                tuple(unbase64(each) for each in hashes),
                checkpoint,
            )
        except (ValueError, NoteError) as error:
            raise ProofError("It is no proof of an entry.") from error

    def check(self, key: Ed25519PublicKey) -> Checkpoint:
        """Checks that a log with this key has the entry.

        Args:
            key: public key of the log.

        Returns:
            The log's checkpoint.

        Raises:
            NoteError: the checkpoint is not signed by this key.
            ProofError: the entry is not shown to be in the log.
        """
        checkpoint = Checkpoint.open(self.checkpoint, key)
        leaf = hashtree.leaf_hash(self.entry)
        hashtree.check_inclusion(self.index, checkpoint.size, leaf, self.hashes, checkpoint.root)
        return checkpoint


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
