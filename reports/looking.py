"""Looks at what a run tests, and whether a folder holds it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from reports import packages, tree
from reports.software import Software
from reports.tree import Tree, TreeError

_LOCKS = "requirements*.lock"
_PROJECT = "pyproject.toml"


def look(root: Path, scenarios: Path) -> Software:
    """Computes the digests of what is tested, without those of the packages' own files.

    Args:
        root: folder of the checkout, or the folder that the package is installed in.
        scenarios: folder of the scenarios.

    Raises:
        TreeError: a scenario can't be read.
    """
    found: Tree | None = None
    unknown = ""
    if (root / _PROJECT).is_file():
        try:
            found = tree.look(root)
        except TreeError as error:
            unknown = str(error)
    else:
        unknown = "It ran from an installed package, which the digests of packages are about."
    return Software(
        scenarios=tree.folder_digest(scenarios),
        packages=packages.installed(),
        tree=found.digest if found else None,
        files=found.files if found else 0,
        commit=found.commit if found else None,
        git_tree=found.git_tree if found else None,
        unknown=unknown,
        locks={} if found is None else _locks(root),
    )


def with_altered(tested: Software) -> Software:
    """Adds the packages of which a file is another than its record says, for which it reads all of them."""
    return msgspec.structs.replace(tested, altered=packages.altered())


def compare(tested: Software, folder: Path) -> tuple[bool, str]:
    """Compares a folder with what was tested.

    Args:
        tested: what was tested.
        folder: a checkout, or an unpacked tarball.

    Returns:
        True if all files are those that were tested, and a sentence about it.

    Raises:
        TreeError: the folder can't be read.
    """
    if not folder.is_dir():
        raise TreeError(f"There is no folder {folder}.")
    if tested.tree is None:
        return False, f"It is not known whether {folder} was tested. {tested.unknown}"
    found = tree.look(folder)
    if found.digest == tested.tree:
        return True, f"{folder} holds the {found.files} files that were tested."
    others = [name for name, digest in _locks(folder).items() if tested.locks.get(name) != digest]
    others += [name for name in tested.locks if not (folder / name).is_file()]
    if not (folder / "scenarios").is_dir() or tree.folder_digest(folder / "scenarios") != tested.scenarios:
        others.append("scenarios")
    which = f", among them {', '.join(others)}" if others else ""
    return False, f"{folder} is not what was tested: it has other files{which}.{_hint(tested, found)}"


def _hint(tested: Software, found: Tree) -> str:
    if tested.commit is None:
        return ""
    if tested.commit != found.commit:
        return f" The run was of the commit {tested.commit}{'' if tested.git_tree else ' with changes'}."
    return " The commit is the same, and " + (
        "the folder has changes." if tested.git_tree else "the run was of other changes to it."
    )


def _locks(root: Path) -> dict[str, str]:
    return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in sorted(root.glob(_LOCKS))}
