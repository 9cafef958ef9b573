"""Keys that sign transcripts: the operator's own, which is made once and kept, or one for a single run."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from reports.errors import AttestationError, NotKept, Unreadable
from reports.files import read_bounded, sync_folder

KEY_VARIABLE = "MESHWG_SIGNING_KEY_FILE"
"""Environment variable with the path of a key, which has to exist."""

_LARGEST = 64 * 2**10
_REMEDY = "name another folder in XDG_STATE_HOME, or use --throwaway-key."
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def state_folder() -> Path:
    """Returns the folder of this user's key and log of runs, as the XDG Base Directory Specification places it.

    Raises:
        NotKept: this user has no home.
    """
    base = os.environ.get("XDG_STATE_HOME", "")
    # The specification says to pass over a relative path.
    if base.startswith("/"):
        return Path(base) / "meshwg"
    try:
        return Path.home() / ".local" / "state" / "meshwg"
    except RuntimeError as error:
        raise NotKept(f"No signing key can be kept, as this user has no home: {_REMEDY}") from error


def export_state() -> None:
    """Keeps the place of the state folder in the environment, for programs in a sandbox, where this user is another."""
    with suppress(NotKept):
        os.environ["XDG_STATE_HOME"] = str(state_folder().parent)


def fingerprint(key: Ed25519PublicKey) -> str:
    """Returns the SHA-256 of a public key in DER, in hexadecimal."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(key.public_bytes(serialization.Encoding.DER, form)).hexdigest()


@dataclass(frozen=True)
class Signer:
    """A key that signs transcripts.

    Attributes:
        key: the private key.
        file: file in which it is kept; None for a key of one run.
        is_new: True if it was just made.
    """

    key: Ed25519PrivateKey
    file: Path | None = None
    is_new: bool = False

    @classmethod
    def find(cls) -> Signer:
        """Reads the key that `KEY_VARIABLE` names, or else this user's key, which is made if there is none.

        Raises:
            NotKept: a key was made, and can't be written.
            AttestationError: the file can't be read, others can read it, or it holds no Ed25519 key in PEM without a
                passphrase.
        """
        named = os.environ.get(KEY_VARIABLE)
        if named:
            return cls(_read(Path(named)), Path(named))
        file = state_folder() / "signing-key.pem"
        is_new = not os.path.lexists(file) and _make(file)
        return cls(_read(file), file, is_new)

    @classmethod
    def for_one_run(cls) -> Signer:
        """Makes a key that nobody keeps."""
        return cls(Ed25519PrivateKey.generate())

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the public key in DER, in hexadecimal."""
        return fingerprint(self.key.public_key())

    def public_pem(self) -> bytes:
        """Returns the public key in PEM (RFC 7468), for those who verify."""
        return self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


def public_key(path: Path) -> Ed25519PublicKey:
    """Reads a public key in PEM.

    Raises:
        Unreadable: the file can't be read.
        AttestationError: it holds no Ed25519 key.
    """
    try:
        key = serialization.load_pem_public_key(read_bounded(path, _LARGEST))
    except OSError as error:
        raise Unreadable(f"{path} can't be read: {error.strerror}.") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise AttestationError(f"{path} is no public key.") from error
    if not isinstance(key, Ed25519PublicKey):
        raise AttestationError(f"{path} is not an Ed25519 key.")
    return key


def _read(file: Path) -> Ed25519PrivateKey:
    try:
        # Before the content, so that a pipe or a device is not asked for any.
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "It is no file")
        if status.st_mode & _OTHERS:
            raise AttestationError(f"The signing key {file} can be read or changed by others: chmod 600 {file}")
        if not _is_ours(status.st_uid):
            raise AttestationError(f"The signing key {file} belongs to another user.")
        key = serialization.load_pem_private_key(read_bounded(file, _LARGEST), password=None)
    except OSError as error:
        raise AttestationError(f"The signing key {file} can't be read: {error.strerror}.") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise AttestationError(
            f"The signing key {file} can't be read: it is no private key in PEM without a passphrase."
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise AttestationError(f"The signing key {file} is not an Ed25519 key.")
    return key


def _is_ours(owner: int) -> bool:
    # A program that sudo starts may use the files of the person who called it.
    return owner in (os.geteuid(), 0) or (os.geteuid() == 0 and str(owner) == os.environ.get("SUDO_UID"))


def _make(file: Path) -> bool:
    """Makes a key of mode 0600, unless another process does so at the same moment; returns True if it made one."""
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    made: str | None = None
    try:
        missing = [each for each in (file.parent, *file.parent.parents) if not each.is_dir()]
        if missing:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.parent.chmod(0o700)
        for each in missing:
            sync_folder(each.parent)
        # The file gets its name once it is complete.
        descriptor, made = tempfile.mkstemp(prefix=".new-", dir=file.parent)
        with os.fdopen(descriptor, "wb") as new:
            os.fchmod(descriptor, 0o600)
            new.write(pem)
            new.flush()
            os.fsync(descriptor)
        os.link(made, file)
        sync_folder(file.parent)
    except FileExistsError:
        return False
    except OSError as error:
        raise NotKept(f"No signing key can be kept in {file.parent} ({error.strerror}): {_REMEDY}") from error
    finally:
        if made is not None:
            with suppress(OSError):
                Path(made).unlink()
    return True
