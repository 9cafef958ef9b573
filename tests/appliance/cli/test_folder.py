"""The data folder: root's except for the store, and never opened by a path that another user may have changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.cli import ownership as module
from appliance.cli import trust
from appliance.cli.errors import CommandError, Exit
from appliance.cli.folder import Folder
from appliance.cli.ownership import STORE_FILE
from appliance.users import User, owner_of

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="root alone gives folders away")

WEB, OTHER, NAMELESS = User(990, 991), 1234, module.NAMELESS


@pytest.fixture(autouse=True)
def web(monkeypatch: pytest.MonkeyPatch) -> User:
    """Provides the web user, whose group has another number."""
    monkeypatch.setattr(module, "web_user", lambda: WEB)
    return WEB


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_mode & 0o011 != 0o011 and parent != Path("/"):
            parent.chmod(0o755)
    return Folder(tmp_path / "data")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Provides a file of root that nothing may touch."""
    file = tmp_path / "outside"
    file.touch(0o600)
    file.write_text("untouched")
    return file


def state(file: Path) -> tuple[str, int, int, int]:
    found = file.stat()
    return file.read_text(), found.st_uid, found.st_gid, found.st_mode


def refusal(folder: Folder) -> str:
    with pytest.raises(CommandError) as refused:
        folder.prepare(WEB)
    assert refused.value.code is Exit.CANNOT_CREATE
    return str(refused.value)


def test_a_new_folder_is_root_s_and_its_store_the_web_user_s(folder: Folder) -> None:
    before = os.umask(0o077)
    folder.prepare(WEB)
    os.umask(before)
    found = {path.name: (owner_of(path), stat.S_IMODE(path.stat().st_mode)) for path in folder.path.iterdir()}
    assert found == {"store": (WEB, 0o700), "tls": (User(0, 0), 0o755)}
    assert (owner_of(folder.path), stat.S_IMODE(folder.path.stat().st_mode)) == (User(0, 0), 0o755)
    folder.prepare(WEB)


@pytest.mark.parametrize("owner", [0, NAMELESS.uid])
def test_a_store_of_root_or_nobody_becomes_the_web_user_s(folder: Folder, owner: int) -> None:
    folder.store.mkdir(parents=True)
    for name in (STORE_FILE, f"{STORE_FILE}-wal", "notes"):
        (folder.store / name).touch()
        os.chown(folder.store / name, owner, owner)
    os.chown(folder.store, owner, owner)
    folder.prepare(WEB)
    assert owner_of(folder.store) == WEB
    assert {path.name: path.stat().st_uid for path in folder.store.iterdir()} == {
        STORE_FILE: WEB.uid,
        f"{STORE_FILE}-wal": WEB.uid,
        "notes": owner,
    }


def test_another_user_s_store_is_refused_with_a_remedy(folder: Folder) -> None:
    folder.store.mkdir(parents=True)
    os.chown(folder.store, OTHER, OTHER)
    assert f"chown --recursive --no-dereference 990:991 {folder.store}" in refusal(folder)
    assert owner_of(folder.store) == User(OTHER, OTHER)


@pytest.mark.parametrize("owner", [WEB.uid, NAMELESS.uid])
@pytest.mark.parametrize("name", [STORE_FILE, f"{STORE_FILE}-wal", f"{STORE_FILE}-shm", f"{STORE_FILE}-journal"])
@pytest.mark.parametrize(
    "put",
    [
        lambda path, outside: path.symlink_to(outside),
        lambda path, outside: os.link(outside, path),
        lambda path, _: os.mkfifo(path),
        lambda path, _: path.mkdir(),
        lambda path, _: path.touch(),
    ],
    ids=["symbolic link", "hard link", "pipe", "folder", "file of root's"],
)
def test_a_foreign_file_in_the_store_is_not_touched(
    folder: Folder, outside: Path, owner: int, name: str, put: Callable[[Path, Path], None]
) -> None:
    folder.store.mkdir(parents=True)
    put(folder.store / name, outside)
    os.chown(folder.store, owner, owner)
    before = state(outside)
    assert name in refusal(folder)
    assert state(outside) == before
    assert owner_of(folder.store / name) == User(0, 0)


@pytest.mark.parametrize("name", ["store", "tls"])
def test_a_symbolic_link_instead_of_a_folder_is_refused(folder: Folder, tmp_path: Path, name: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder.path.mkdir()
    (folder.path / name).symlink_to(elsewhere)
    refusal(folder)
    assert owner_of(elsewhere) == User(0, 0)


@pytest.mark.parametrize(("owner", "mode"), [(WEB.uid, 0o755), (OTHER, 0o755), (0, 0o775), (0, 0o777)])
def test_a_data_folder_writable_by_others_is_refused(folder: Folder, owner: int, mode: int) -> None:
    folder.path.mkdir()
    folder.path.chmod(mode)
    os.chown(folder.path, owner, 0)
    assert f"chown root {folder.path} && chmod go-w {folder.path}" in refusal(folder)
    with pytest.raises(CommandError), folder.locked():
        pass
    assert list(folder.path.iterdir()) == []


@pytest.mark.parametrize(("owner", "mode", "is_taken"), [(0, 0o777, False), (WEB.uid, 0o755, False), (0, 0o1777, True)])
def test_a_parent_folder_writable_by_others_is_refused(folder: Folder, owner: int, mode: int, is_taken: bool) -> None:
    above = folder.path.with_name("above")
    above.mkdir()
    above.chmod(mode)
    os.chown(above, owner, 0)
    inner = Folder(above / "data")
    if is_taken:
        inner.prepare(WEB)
    else:
        assert str(above) in refusal(inner)


def test_a_symbolic_link_instead_of_the_lock_is_refused(folder: Folder, outside: Path) -> None:
    folder.path.mkdir()
    (folder.path / "lock").symlink_to(outside)
    before = state(outside)
    with pytest.raises(CommandError), folder.locked():
        pass
    assert state(outside) == before


@pytest.mark.parametrize(
    ("owner", "mode", "hidden_from", "is_read"),
    [
        (0, 0o600, 0o077, True),
        (0, 0o640, 0o077, False),
        (0, 0o640, 0o007, True),
        (0, 0o644, 0, True),
        (0, 0o664, 0, False),
        (0, 0o646, 0, False),
        (WEB.uid, 0o600, 0o077, False),
        (WEB.uid, 0o644, 0, False),
        (OTHER, 0o600, 0o077, True),
    ],
)
def test_a_file_that_others_could_have_written_is_refused(
    outside: Path, monkeypatch: pytest.MonkeyPatch, owner: int, mode: int, hidden_from: int, is_read: bool
) -> None:
    monkeypatch.setenv("SUDO_UID", str(OTHER))
    outside.chmod(mode)
    os.chown(outside, owner, owner)
    if is_read:
        assert trust.read(outside, "file", hidden_from=hidden_from) == b"untouched"
    else:
        with pytest.raises(CommandError) as refused:
            trust.read(outside, "file", hidden_from=hidden_from)
        assert refused.value.code is Exit.NOT_CONFIGURED


def test_another_user_s_pipe_blocks_nothing(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    os.chown(pipe, OTHER, OTHER)
    with pytest.raises(CommandError):
        trust.read(pipe, "unlock secret")


def test_programs_are_not_searched_in_folders_of_other_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = {name: tmp_path / name for name in ("roots", "everybodys", "webs", "missing")}
    for name in ("roots", "everybodys", "webs"):
        folders[name].mkdir(mode=0o755)
    folders["everybodys"].chmod(0o1777)
    os.chown(folders["webs"], WEB.uid, WEB.gid)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", os.pathsep.join(["", ".", "roots", *map(str, folders.values()), "/usr/bin"]))
    trust.clean_path(WEB)
    assert os.environ["PATH"] == f"{folders['roots']}:/usr/bin"
