"""Digests of the files of a checkout, in a form that another checkout, a tarball or another machine has too.

The files are those that the `.gitignore` files among them do not leave out, and those in git's index. A `.gitignore`
file is among them whatever one says. Settings of one user are not asked: only what everybody who gets these files would
ignore is left out.

The canonical form has `MODE SHA256 PATH` and a zero byte for each file, in the order of the paths' bytes. The mode is
git's: 100644, 100755 for a program, 120000 for a link, whose content is where it leads. The digest of a tree is the
SHA-256 of this text.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 2**20
# A `.gitignore` file can't hide itself or another. This goes before all that such files say; those in a folder that is
# left out are left out with it, and decide nothing.
_SHOWN = ("--exclude-standard", "--exclude=!.gitignore")
_UNCONFIGURED = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM")


class TreeError(Exception):
    """The files of a folder can't be listed or read; the message is one sentence."""


@dataclass(frozen=True)
class File:
    """A file of a tree.

    Attributes:
        path: path below the tree, as bytes.
        mode: mode as git has it.
        digest: SHA-256 of the content.
        blob: name of the content as git's object.
    """

    path: bytes
    mode: str
    digest: str
    blob: str


@dataclass(frozen=True)
class Tree:
    """The files of a checkout.

    Attributes:
        digest: digest of all files.
        files: number of files.
        commit: commit that is checked out; None without git.
        git_tree: git's tree object, if the files are exactly those of the commit.
    """

    digest: str
    files: int
    commit: str | None = None
    git_tree: str | None = None


def look(folder: Path) -> Tree:
    """Computes the digest of a checkout, a worktree, or an unpacked tarball.

    Raises:
        TreeError: a file can't be read, or git is not installed.
    """
    if shutil.which("git") is None:
        raise TreeError("git is not installed, which tells the files from those that are ignored.")
    head = _head(folder)
    kind = "sha256" if head is not None and len(head[0]) == 64 else "sha1"
    found = list(_files(folder, kind))
    tree = Tree(digest_of(found), len(found))
    if head is None:
        return tree
    commit, git_tree, committed = head
    same = committed == {(each.mode, each.blob, each.path) for each in found}
    return Tree(tree.digest, tree.files, commit, git_tree if same else None)


def folder_digest(folder: Path) -> str:
    """Computes the digest of all files of a folder but those that Python compiled.

    Raises:
        TreeError: a file can't be read.
    """
    names = []
    for place, folders, files in os.walk(os.fsencode(folder)):
        folders[:] = [each for each in folders if each != b"__pycache__"]
        names += [os.path.relpath(os.path.join(place, each), os.fsencode(folder)) for each in files]  # noqa: PTH118
    return digest_of(_read(folder, names, "sha1"))


def digest_of(files: Iterable[File]) -> str:
    """Returns the digest of files in the canonical form."""
    ordered = sorted(files, key=lambda each: each.path)
    return hashlib.sha256(
        b"".join(b"%b %b %b\0" % (each.mode.encode(), each.digest.encode(), each.path) for each in ordered)
    ).hexdigest()


def _files(folder: Path, kind: str) -> Iterator[File]:
    names = {*_not_ignored(folder), *_in_index(folder)}
    # A repository within the folder is listed by its name alone.
    nested = {name for name in names if (path := _below(folder, name)).is_dir() and not path.is_symlink()}
    yield from _read(folder, names - nested, kind)
    for name in {each.rstrip(b"/") for each in nested}:
        for file in _files(_below(folder, name), kind):
            yield File(name + b"/" + file.path, file.mode, file.digest, file.blob)


def _read(folder: Path, names: Iterable[bytes], kind: str) -> Iterator[File]:
    for name in names:
        path = _below(folder, name)
        try:
            status = path.lstat()
            if stat.S_ISLNK(status.st_mode):
                content = os.fsencode(path.readlink())
                yield File(name, "120000", hashlib.sha256(content).hexdigest(), _blob(kind, content))
            elif stat.S_ISREG(status.st_mode):
                mode = "100755" if status.st_mode & 0o100 else "100644"
                yield File(name, mode, *_digests(path, status.st_size, kind))
        except FileNotFoundError:
            # Deleted, and still in the index.
            continue
        except OSError as error:
            # Below the tree: the sentence may stand in a transcript, which names no folder of this machine.
            raise TreeError(f"{os.fsdecode(name)} can't be read: {error.strerror}.") from error


def _digests(path: Path, size: int, kind: str) -> tuple[str, str]:
    content, blob = hashlib.sha256(), hashlib.new(kind, b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            content.update(chunk)
            blob.update(chunk)
    return content.hexdigest(), blob.hexdigest()


def _blob(kind: str, content: bytes) -> str:
    return hashlib.new(kind, b"blob %d\0%b" % (len(content), content), usedforsecurity=False).hexdigest()


def _below(folder: Path, name: bytes) -> Path:
    return folder / os.fsdecode(name)


def _not_ignored(folder: Path) -> set[bytes]:
    """Names of the files that `.gitignore` files do not leave out, by a repository that has nothing in its index."""
    with tempfile.TemporaryDirectory(prefix="meshwg-tree-") as place:
        _git(folder, "init", "--quiet", "--bare", "--template=", place)
        listed = _git(folder, f"--git-dir={place}", "--work-tree=.", "ls-files", "-z", "--others", *_SHOWN)
    return set(filter(None, listed.split(b"\0")))


def _in_index(folder: Path) -> set[bytes]:
    if not (folder / ".git").exists():
        return set()
    return set(filter(None, _git(folder, "ls-files", "-z", "--cached").split(b"\0")))


def _head(folder: Path) -> tuple[str, str, set[tuple[str, str, bytes]]] | None:
    """Commit, its tree, and mode, blob and path of its files; None without a repository or a commit."""
    # A folder below another project's checkout is no checkout.
    if not (folder / ".git").exists():
        return None
    try:
        commit, tree = _git(folder, "rev-parse", "HEAD", "HEAD^{tree}").decode().split()
    except TreeError:
        return None
    found = set()
    for line in filter(None, _git(folder, "ls-tree", "-r", "-z", "--full-tree", "HEAD").split(b"\0")):
        about, _, path = line.partition(b"\t")
        mode, _, blob = about.decode().split(" ")
        found.add((mode, blob, path))
    return commit, tree, found


def _git(folder: Path, *arguments: str) -> bytes:
    """Output of git, without settings of this user and machine, and without programs that a repository names."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment |= dict.fromkeys(_UNCONFIGURED, os.devnull)
    # By default, git refuses a checkout that belongs to another user.
    settings = {"safe.directory": "*", "core.fsmonitor": "false", "core.excludesFile": os.devnull}
    environment["GIT_CONFIG_COUNT"] = str(len(settings))
    for number, (key, value) in enumerate(settings.items()):
        environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, env=environment, capture_output=True, check=False)
    except OSError as error:
        raise TreeError(f"git can't be run: {error.strerror}.") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise TreeError(f"git can't list the files: {said.replace(str(folder), '.')}.")
    return done.stdout
