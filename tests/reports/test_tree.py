"""Digests of checkouts: every change of a file counts, and nothing that everybody ignores."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from reports import tree
from reports.tree import TreeError
from tests.reports.checkouts import checkout, git


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return checkout(tmp_path / "project")


def test_a_clean_checkout_is_git_s_tree(project: Path) -> None:
    found = tree.look(project)
    assert found.commit == git(project, "rev-parse", "HEAD")
    assert found.git_tree == git(project, "rev-parse", "HEAD^{tree}")
    assert found.files == 8


def test_the_digest_is_the_documented_one(project: Path) -> None:
    lines = []
    for path in sorted(git(project, "ls-files", "-z").rstrip("\0").split("\0"), key=os.fsencode):
        file = project / path
        content = os.fsencode(file.readlink()) if file.is_symlink() else file.read_bytes()
        mode = "120000" if file.is_symlink() else "100755" if path == "run" else "100644"
        lines.append(f"{mode} {hashlib.sha256(content).hexdigest()} {path}\0")
    assert tree.look(project).digest == hashlib.sha256("".join(lines).encode()).hexdigest()


def append(path: str) -> Callable[[Path], None]:
    def change(project: Path) -> None:
        with (project / path).open("a") as file:
            file.write("x")

    return change


def new_file(project: Path) -> None:
    (project / "new.py").write_text("")


def hidden_by_a_user(project: Path) -> None:
    (project / ".git" / "info").mkdir(exist_ok=True)
    (project / ".git" / "info" / "exclude").write_text("sitecustomize.py\n")
    (project / "sitecustomize.py").write_text("")


def hidden_by_a_file_that_hides_itself(project: Path) -> None:
    """A package is imported in place of the module beside it."""
    package = project / "scenarios" / "test_one"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (project / "scenarios" / ".gitignore").write_text("*\n")


def hidden_by_a_file_in_its_folder(project: Path) -> None:
    package = project / "package" / "within"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / ".gitignore").write_text("*\n")


def hidden_by_a_file_that_another_hides(project: Path) -> None:
    hidden_by_a_file_in_its_folder(project)
    (project / "package" / ".gitignore").write_text(".gitignore\n")


def hidden_in_the_index(project: Path) -> None:
    git(project, "update-index", "--assume-unchanged", "run")
    append("run")(project)


def ignored_and_in_the_index(project: Path) -> None:
    (project / "kept.log").write_text("")
    git(project, "add", "--force", "kept.log")


def deleted(project: Path) -> None:
    (project / "run").unlink()


def renamed(project: Path) -> None:
    (project / "run").rename(project / "runs")


def mode(project: Path) -> None:
    (project / "run").chmod(0o644)


def link_elsewhere(project: Path) -> None:
    (project / "link").unlink()
    (project / "link").symlink_to("runs")


def link_replaced(project: Path) -> None:
    (project / "link").unlink()
    (project / "link").write_text("run")


def nested(project: Path) -> None:
    checkout(project / "nested")


@pytest.mark.parametrize(
    "change",
    [
        append("requirements.lock"),
        append("scenarios/test_one.py"),
        append("with space é"),
        append(".gitignore"),
        new_file,
        hidden_by_a_user,
        hidden_by_a_file_that_hides_itself,
        hidden_by_a_file_in_its_folder,
        hidden_by_a_file_that_another_hides,
        hidden_in_the_index,
        ignored_and_in_the_index,
        deleted,
        renamed,
        mode,
        link_elsewhere,
        link_replaced,
        nested,
    ],
)
def test_every_change_counts(project: Path, change: Callable[[Path], None]) -> None:
    before = tree.look(project)
    change(project)
    after = tree.look(project)
    assert after.digest != before.digest
    assert (after.commit, after.git_tree) == (before.commit, None)


def test_a_change_in_a_repository_within_counts(project: Path) -> None:
    nested(project)
    before = tree.look(project)
    append("nested/run")(project)
    assert tree.look(project).digest != before.digest


def test_a_change_that_is_staged_or_committed_is_the_same_tree(project: Path) -> None:
    new_file(project)
    changed = tree.look(project)
    git(project, "add", "--all")
    assert tree.look(project) == changed
    git(project, "commit", "--quiet", "--message=second")
    committed = tree.look(project)
    assert committed.digest == changed.digest
    assert committed.git_tree == git(project, "rev-parse", "HEAD^{tree}")


def test_what_everybody_ignores_does_not_count(project: Path) -> None:
    before = tree.look(project)
    for name in ("a.log", "out/transcript.json", "out/.gitignore", "scenarios/__pycache__/x.pyc"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("x")
    assert tree.look(project) == before


def test_the_user_s_own_settings_of_git_don_t_count(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_file(project)
    before = tree.look(project)
    (tmp_path / "ignore").write_text("new.py\n")
    (tmp_path / "config").write_text(f"[core]\n\texcludesFile = {tmp_path / 'ignore'}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    assert git(project, "status", "--porcelain") == ""
    assert tree.look(project) == before


def test_programs_that_a_repository_names_don_t_run(project: Path) -> None:
    trap = project.parent / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {project.parent}/sprung\n")
    trap.chmod(0o755)
    for setting in ("core.fsmonitor", "diff.external", "core.sshCommand", "filter.x.clean"):
        git(project, "config", setting, str(trap))
    (project / ".gitattributes").write_text("* filter=x\n")
    tree.look(project)
    assert not (project.parent / "sprung").exists()


def test_a_tarball_has_the_digest_of_its_commit(project: Path, tmp_path: Path) -> None:
    archive = tmp_path / "project.tar"
    git(project, "archive", f"--output={archive}", "HEAD")
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    subprocess.run(["tar", "-C", str(unpacked), "-xf", str(archive)], check=True)
    (unpacked / "out").mkdir()
    (unpacked / "out" / "x").touch()
    found = tree.look(unpacked)
    assert (found.digest, found.commit, found.git_tree) == (tree.look(project).digest, None, None)


def test_a_worktree_has_the_digest_of_its_commit(project: Path, tmp_path: Path) -> None:
    git(project, "worktree", "add", "--quiet", str(tmp_path / "other"))
    assert tree.look(tmp_path / "other") == tree.look(project)


def test_a_repository_without_a_commit_has_a_digest(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "new")
    before = tree.look(folder)
    shutil.rmtree(folder / ".git")
    git(folder, "init", "--quiet")
    assert (tree.look(folder).digest, tree.look(folder).commit) == (before.digest, None)


def test_a_file_that_can_t_be_read_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Path.open

    def refuse(path: Path, mode: str) -> object:
        if path.name == "run":
            raise PermissionError(13, "Permission denied")
        return original(path, mode)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(TreeError, match=r"^run can't be read: Permission denied\.$"):
        tree.look(project)


def test_without_git_nothing_is_claimed(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TreeError, match="git is not installed"):
        tree.look(project)


def test_the_digest_of_a_folder_leaves_compiled_files_out(project: Path) -> None:
    before = tree.folder_digest(project / "scenarios")
    (project / "scenarios" / "__pycache__").mkdir()
    (project / "scenarios" / "__pycache__" / "x.pyc").touch()
    assert tree.folder_digest(project / "scenarios") == before
    append("scenarios/test_one.py")(project)
    assert tree.folder_digest(project / "scenarios") != before


def test_no_reason_names_a_folder_of_the_machine(project: Path) -> None:
    (project / ".git" / "index").write_bytes(b"broken")
    with pytest.raises(TreeError, match="git can't list the files: ") as refused:
        tree.look(project)
    assert str(project) not in str(refused.value)
