"""Looks at what is tested, and comparison of a folder with it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from reports import looking, packages
from reports.software import Package, Software
from reports.tree import TreeError
from tests.reports.checkouts import checkout, git


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return checkout(tmp_path / "project")


def look(project: Path) -> Software:
    return looking.look(project, project / "scenarios")


@pytest.mark.long
def test_a_checkout_is_known_by_all_its_parts(project: Path) -> None:
    found = look(project)
    assert found.git_tree == git(project, "rev-parse", "HEAD^{tree}")
    assert set(found.locks) == {"requirements.lock", "requirements-test.lock"}
    assert {each.name for each in found.packages} >= {"pytest", "cryptography"}
    assert found.unknown == ""
    assert found.subject.tree == found.tree
    assert look(project) == found


def test_of_an_installed_package_is_said_what_is_known(tmp_path: Path, project: Path) -> None:
    installed = tmp_path / "site-packages"
    shutil.copytree(project / "scenarios", installed / "scenarios")
    found = look(installed)
    assert (found.tree, found.files, found.locks) == (None, 0, {})
    assert found.scenarios == look(project).scenarios
    assert "installed package" in found.unknown
    same, sentence = looking.compare(found, project)
    assert not same
    assert sentence.startswith(f"It is not known whether {project} was tested. It ran from an installed package")


def test_without_git_is_said_what_is_missing(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    found = look(project)
    assert found.tree is None
    assert found.unknown.startswith("git is not installed")


def test_the_same_files_are_the_ones_that_were_tested(project: Path, tmp_path: Path) -> None:
    tested = look(project)
    copy = tmp_path / "copy"
    shutil.copytree(project, copy, symlinks=True)
    shutil.rmtree(copy / ".git")
    assert looking.compare(tested, copy) == (True, f"{copy} holds the 8 files that were tested.")


def lock(project: Path) -> None:
    (project / "requirements.lock").write_text("one==2\n")


def scenario(project: Path) -> None:
    (project / "scenarios" / "test_one.py").write_text("def test(): assert True\n")


def unlock(project: Path) -> None:
    (project / "requirements-test.lock").unlink()


def commit(project: Path) -> None:
    (project / "run").write_text("other")
    git(project, "commit", "--quiet", "--all", "--message=second")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lock, "other files, among them requirements.lock. The commit is the same, and the folder has changes."),
        (unlock, "other files, among them requirements-test.lock. The commit is the same"),
        (scenario, "other files, among them scenarios. The commit is the same"),
        (commit, "other files. The run was of the commit "),
    ],
)
def test_another_folder_is_told_apart(project: Path, change: Callable[[Path], None], why: str) -> None:
    tested = look(project)
    change(project)
    same, sentence = looking.compare(tested, project)
    assert not same
    assert sentence.startswith(f"{project} is not what was tested: it has ")
    assert why in sentence


def test_a_missing_folder_is_named(project: Path, tmp_path: Path) -> None:
    with pytest.raises(TreeError, match="There is no folder"):
        looking.compare(look(project), tmp_path / "nowhere")


def test_differences_are_named_by_part() -> None:
    one = Software("a" * 64, [Package("x", "1")], tree="b" * 64)
    assert one.differences(one) == []
    for changes, name in (
        ({"tree": "c" * 64}, "the files of the checkout"),
        ({"commit": "c" * 40}, "the commit"),
        ({"locks": {"x": "c" * 64}}, "the lock files"),
        ({"scenarios": "c" * 64}, "the scenarios"),
        ({"packages": [Package("x", "2")]}, "the installed packages"),
        ({"packages": [Package("x", "1", "c" * 64)]}, "the installed packages"),
    ):
        assert one.differences(msgspec.structs.replace(one, **changes)) == [name]


def test_altered_packages_are_added(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "altered", lambda: ["a-b"])
    found = look(project)
    assert looking.with_altered(found) == msgspec.structs.replace(found, altered=["a-b"])
