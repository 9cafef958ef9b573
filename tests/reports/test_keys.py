"""Keys: one is made and kept, and what is no key of one's own is refused in one sentence."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness.subject.disk import Disk
from harness.subject.syncs import watched
from reports import keys, publish
from reports.attest import verify
from reports.errors import AttestationError, NotKept
from reports.keys import Signer
from tests.reports.recorded import public_pem_of
from tests.reports.samples import run

NAMED = "MESHWG_SIGNING_KEY_FILE"


def private_pem_of(key: Any, password: bytes | None = None) -> bytes:
    """Returns the private key's PEM."""
    cipher = serialization.NoEncryption() if password is None else serialization.BestAvailableEncryption(password)
    return bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, cipher))


def written(file: Path, content: bytes, mode: int = 0o600) -> Path:
    file.write_bytes(content)
    file.chmod(mode)
    return file


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Provides the folder of a user without a key."""
    monkeypatch.delenv(NAMED, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "meshwg"


def test_a_key_is_made_once_and_kept(state: Path) -> None:
    first, second = Signer.find(), Signer.find()
    assert (first.is_new, second.is_new) == (True, False)
    assert first.file == second.file == state / "signing-key.pem"
    assert first.fingerprint == second.fingerprint
    assert [each.name for each in state.iterdir()] == ["signing-key.pem"]


def test_a_key_that_was_made_outlasts_a_power_cut(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    made = watched(Signer.find, disk.on_sync)
    disk.cut()
    assert Signer.find().fingerprint == made.fingerprint


@pytest.mark.parametrize("umask", [0, 0o077, 0o777])
def test_a_key_is_its_owner_s_alone_with_any_umask(state: Path, umask: int) -> None:
    state.parent.mkdir()
    before = os.umask(umask)
    try:
        made = Signer.find()
    finally:
        os.umask(before)
    assert made.file is not None
    assert made.file.stat().st_mode & 0o7777 == 0o600
    assert state.stat().st_mode & 0o077 == 0


def found_elsewhere(_: int) -> str:
    return Signer.find().fingerprint


def test_two_first_runs_at_once_have_one_key() -> None:
    with multiprocessing.get_context("fork").Pool(6) as pool:
        assert len(set(pool.map(found_elsewhere, range(24), chunksize=1))) == 1


def test_a_key_of_one_run_is_not_kept(state: Path) -> None:
    one, other = Signer.for_one_run(), Signer.for_one_run()
    assert one.fingerprint != other.fingerprint
    assert one.file is None
    assert not state.exists()


def test_without_a_state_folder_s_name_it_is_in_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("", "relative/path"):
        monkeypatch.setenv("XDG_STATE_HOME", value)
        assert keys.state_folder() == tmp_path / ".local" / "state" / "meshwg"


def test_the_place_is_the_same_in_a_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME")
    keys.export_state()
    monkeypatch.setenv("HOME", "/root")
    keys.export_state()
    assert keys.state_folder() == tmp_path / ".local" / "state" / "meshwg"


def test_a_fingerprint_is_the_one_that_openssl_computes(tmp_path: Path) -> None:
    signer = Signer.find()
    pem = written(tmp_path / "key.pub", signer.public_pem())
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", str(pem), "-outform", "DER"], check=True, capture_output=True
    ).stdout
    assert hashlib.sha256(der).hexdigest() == signer.fingerprint == keys.fingerprint(keys.public_key(pem))


def test_the_named_key_signs(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = Ed25519PrivateKey.generate()
    file = written(tmp_path / "key.pem", private_pem_of(key))
    (tmp_path / "key.pub").write_bytes(public_pem_of(key))
    monkeypatch.setenv(NAMED, str(file))
    signer = Signer.find()
    assert (signer.file, signer.is_new, signer.public_pem()) == (file, False, public_pem_of(key))
    folder = publish.write(run(), tmp_path / "out", signer=signer)
    assert verify(folder, tmp_path / "key.pub") is True
    # The private half stays where it was.
    assert not [each for each in folder.rglob("*") if b"PRIVATE" in each.read_bytes()]
    assert not state.exists()


BROKEN = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
UNKNOWN = b"-----BEGIN PRIVATE KEY-----\nMA4CAQAwBQYDKgMEBAIAAA==\n-----END PRIVATE KEY-----\n"
"""The unknown algorithm 1.2.3.4."""


@pytest.mark.parametrize("named", [False, True], ids=["kept", "named"])
@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        (b"", 0o600, "can't be read: it is no private key in PEM without a passphrase."),
        (b"garbage", 0o600, "can't be read"),
        (BROKEN, 0o600, "can't be read"),
        (UNKNOWN, 0o600, "can't be read"),
        (private_pem_of(Ed25519PrivateKey.generate(), b"secret"), 0o600, "can't be read"),
        (private_pem_of(ec.generate_private_key(ec.SECP256R1())), 0o600, "is not an Ed25519 key."),
        (public_pem_of(Ed25519PrivateKey.generate()), 0o600, "can't be read"),
        (private_pem_of(Ed25519PrivateKey.generate()) + b" " * 70_000, 0o600, "It is larger than"),
        (private_pem_of(Ed25519PrivateKey.generate()), 0o640, "can be read or changed by others: chmod 600 "),
        (private_pem_of(Ed25519PrivateKey.generate()), 0o602, "can be read or changed by others: chmod 600 "),
    ],
    # Without names, two workers of a parallel run would have different ones: keys are new in each.
    ids=["empty", "garbage", "broken", "unknown", "encrypted", "elliptic", "public", "large", "readable", "writable"],
)
def test_another_file_is_refused_and_never_replaced(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch, named: bool, content: bytes, mode: int, why: str
) -> None:
    file = tmp_path / "key.pem" if named else state / "signing-key.pem"
    state.mkdir(parents=True)
    written(file, content, mode)
    if named:
        monkeypatch.setenv(NAMED, str(file))
    with pytest.raises(AttestationError) as refused:
        Signer.find()
    assert str(refused.value).startswith(f"The signing key {file} ")
    assert why in str(refused.value)
    assert file.read_bytes() == content


@pytest.mark.skipif(os.geteuid() != 0, reason="files are given to another user")
def test_another_user_s_key_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path / "key.pem", private_pem_of(Ed25519PrivateKey.generate()))
    os.chown(file, 12345, 12345)
    monkeypatch.setenv(NAMED, str(file))
    with pytest.raises(AttestationError, match="belongs to another user"):
        Signer.find()
    # Of the person who called sudo, it is fine.
    monkeypatch.setenv("SUDO_UID", "12345")
    assert Signer.find().file == file


def test_what_is_no_file_is_refused_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "loop").symlink_to("loop")
    for name in ("pipe", "loop", "missing", "."):
        monkeypatch.setenv(NAMED, str(tmp_path / name))
        with pytest.raises(AttestationError, match=r"^The signing key .* can't be read: "):
            Signer.find()


def test_a_dangling_link_is_no_reason_for_a_new_key(state: Path) -> None:
    state.mkdir(parents=True)
    (state / "signing-key.pem").symlink_to("elsewhere")
    with pytest.raises(AttestationError, match="No such file"):
        Signer.find()
    assert not (state / "elsewhere").exists()


def test_a_state_folder_that_can_t_be_made_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(NotKept, match=r"^No signing key can be kept in .*/file/meshwg \(Not a directory\): name "):
        Signer.find()


def test_a_user_without_a_home_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(Path, "home", refuse)
    with pytest.raises(NotKept, match="this user has no home: name another folder in XDG_STATE_HOME, or use"):
        Signer.find()
    keys.export_state()
    assert "XDG_STATE_HOME" not in os.environ


@pytest.mark.parametrize(
    "content", [b"", b"garbage", public_pem_of(ec.generate_private_key(ec.SECP256R1()))], ids=["empty", "text", "other"]
)
def test_another_public_key_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(AttestationError, match=r"is no public key|is not an Ed25519 key"):
        keys.public_key(written(tmp_path / "key.pub", content))
