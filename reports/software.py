"""Names of what a run tested: files, lock files, scenarios, installed packages."""

from __future__ import annotations

import hashlib
from typing import Annotated

import msgspec
from msgspec import Meta

from reports.fields import Digest
from reports.log.entries import Subject

GitId = Annotated[str, Meta(pattern="^([0-9a-f]{40}|[0-9a-f]{64})$")]
"""Name of one of git's objects."""


class Package(msgspec.Struct, frozen=True):
    """An installed Python package.

    Attributes:
        name: its name, in lower case.
        version: its version.
        record: digest of its record; None if it has none, or is installed in place from the checkout.
    """

    name: str
    version: str
    record: Digest | None = None


class Software(msgspec.Struct, frozen=True):
    """Digests of what a run tested, in the forms that `reports/tree.py` and `reports/packages.py` describe.

    Attributes:
        scenarios: digest of the scenarios' files.
        packages: the installed packages.
        tree: digest of the checkout's files; None if it is not known.
        files: number of these files.
        commit: commit that was checked out; None without git.
        git_tree: git's tree object, if the files were exactly those of the commit.
        unknown: reason why the tree is not known; empty if it is.
        locks: SHA-256 of the lock files, by name.
        altered: packages with files that are others than their records say.
    """

    scenarios: Digest
    packages: list[Package]
    tree: Digest | None = None
    files: int = 0
    commit: GitId | None = None
    git_tree: GitId | None = None
    unknown: str = ""
    locks: dict[str, Digest] = {}
    altered: list[str] = []

    @property
    def packages_digest(self) -> str:
        """SHA-256 over a line `NAME VERSION RECORD` for each package, with a hyphen for a record that it lacks."""
        lines = (f"{each.name} {each.version} {each.record or '-'}\n" for each in self.packages)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def subject(self) -> Subject:
        """The digests that stand in the log of runs."""
        return Subject(self.tree, self.scenarios, self.packages_digest)

    def differences(self, other: Software) -> list[str]:
        """Names the parts that differ, such as "the files of the checkout"."""
        parts = (
            ("the files of the checkout", (self.tree, self.unknown), (other.tree, other.unknown)),
            ("the commit", self.commit, other.commit),
            ("the lock files", self.locks, other.locks),
            ("the scenarios", self.scenarios, other.scenarios),
            ("the installed packages", self.packages_digest, other.packages_digest),
        )
        return [name for name, mine, others in parts if mine != others]
