"""Entries of the log of runs: a run began, a run ended."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from reports.fields import Digest

Text = Annotated[str, Meta(max_length=120)]


class Subject(msgspec.Struct, frozen=True):
    """Digests of what was tested, as the transcript names them.

    Attributes:
        tree: digest of the checkout's files; None if it was none.
        scenarios: digest of the scenarios' files.
        packages: digest of the installed packages.
    """

    tree: Digest | None
    scenarios: Digest
    packages: Digest


class Began(msgspec.Struct, frozen=True, tag_field="kind", tag="began"):
    """A run began. If no entry about its end follows, it was broken off.

    Attributes:
        at: time in UTC (RFC 3339).
        profile: profile of the run.
        seed: seed of its choices.
        subject: what is tested.
        hub: class of another project's hub, if one is tested.
    """

    at: Text
    profile: Text
    seed: int
    subject: Subject
    hub: Text | None = None


class Ended(msgspec.Struct, frozen=True, tag_field="kind", tag="ended"):
    """A run ended, and its transcript was signed.

    Attributes:
        began: index of the entry about its begin.
        started_at: the transcript's time in UTC (RFC 3339).
        verdict: the transcript's verdict.
        envelope: SHA-256 of the signed envelope, the file `attestation.dsse.json`.
        subject: what was tested.
    """

    began: Annotated[int, Meta(ge=0)]
    started_at: Text
    verdict: Text
    envelope: Digest
    subject: Subject


Entry = Began | Ended


class EntryError(Exception):
    """An entry is not what it has to be; the message is one sentence."""


def encode(entry: Entry) -> bytes:
    """Returns an entry as JSON."""
    return msgspec.json.encode(entry)


def decode(content: bytes) -> Entry:
    """Reads an entry.

    Raises:
        EntryError: it is none.
    """
    try:
        found: Entry = msgspec.json.decode(content, type=Entry)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EntryError("It is no entry about a run.") from error
    return found
