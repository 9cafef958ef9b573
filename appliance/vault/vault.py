"""Sealing in two layers: the unlock secret's key seals a data key for each organization, which seals its secrets.

Destroying an organization's data key makes everything sealed under it unreadable, including copies. The organization's
id is associated data of both layers, so that a sealed key can't be used for another organization.

Sealed data begins with the version of its format, so that the cipher can be replaced and older data still opens.
Version 1 is a nonce and the output of ChaCha20-Poly1305, with version and context as associated data.

Source: scrypt is RFC 7914, ChaCha20-Poly1305 is RFC 8439; the cost for passphrases is twice that of OWASP's password
storage cheat sheet.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass, replace

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from appliance.model.keys import new_key_pair

SHORTEST_SECRET = 16
"""Shortest unlock secret, in characters. It protects the keys of all organizations, and people needn't remember it."""

KEY_BYTES = 32
"""Length of a vault's key."""
_NONCE_BYTES = 12
_SALT_BYTES = 16
_PROOF = b"meshwg unlock secret"
_VERSION = b"\x01"
# Locks of this program need 128 MiB at most, but a lock that it reads may be forged.
_MOST_MEMORY, _MOST_PARALLELISM = 256 * 2**20, 4


@dataclass(frozen=True)
class WorkFactor:
    """Parameters of scrypt (N, r and p), which takes 128 N r bytes of memory."""

    cost: int
    block_size: int
    parallelism: int


FOR_SECRETS = WorkFactor(2**15, 8, 1)
"""For random secrets, which can't be guessed even if a guess costs little."""
FOR_PASSPHRASES = WorkFactor(2**17, 8, 2)
"""For passphrases that a person chose: each guess takes 128 MiB and about a second."""


class WrongSecret(Exception):
    """The unlock secret does not belong to this store, or sealed data is damaged."""


@dataclass(frozen=True)
class Lock:
    """Stored parameters that turn the unlock secret into a key.

    Attributes:
        cost, block_size, parallelism: scrypt's N, r and p.
        proof: a known text sealed under the key, which reveals a wrong secret.
    """

    salt: bytes
    cost: int
    block_size: int
    parallelism: int
    proof: bytes

    @property
    def is_affordable(self) -> bool:
        """True if deriving the key needs no more memory and threads than a lock of this program may need."""
        return 128 * self.cost * self.block_size <= _MOST_MEMORY and self.parallelism <= _MOST_PARALLELISM


@dataclass(frozen=True)
class SealedKeys:
    """The hub's keys for an organization, as they are stored."""

    public_key: str
    sealed_data_key: bytes
    sealed_private_key: bytes


class Vault:
    """Seals and opens data under one key.

    Attributes:
        key: derived from the unlock secret, and as secret.
    """

    def __init__(self, key: bytes) -> None:
        self.key = key
        self._seal = ChaCha20Poly1305(key)

    @classmethod
    def make(cls, secret: str, work: WorkFactor = FOR_SECRETS) -> tuple[Vault, Lock]:
        """Make a vault for a new store, and the lock to keep in the store."""
        salt = secrets.token_bytes(_SALT_BYTES)
        lock = Lock(salt, work.cost, work.block_size, work.parallelism, proof=b"")
        vault = cls(derive_key(secret, lock))
        return vault, replace(lock, proof=vault.sealed(_PROOF, _PROOF))

    @classmethod
    def open(cls, secret: str, lock: Lock) -> Vault:
        """Open the vault of an existing store.

        Raises:
            WrongSecret: the secret is not the lock's, or the lock is not affordable, because it was forged.
        """
        if not lock.is_affordable:
            raise WrongSecret("the lock asks for more work than any lock needs")
        return cls.of_key(derive_key(secret, lock), lock)

    @classmethod
    def of_key(cls, key: bytes, lock: Lock) -> Vault:
        """Open the vault of an existing store by the key of its vault, which takes no work.

        Raises:
            WrongSecret: the key is not the lock's.
        """
        vault = cls(key)
        vault.opened(lock.proof, _PROOF)
        return vault

    def new_organization_keys(self, organization: str) -> SealedKeys:
        """Make a hub key pair for an organization, sealed under a new data key."""
        pair = new_key_pair()
        data_key, sealed_data_key = self.new_data_key(organization)
        return SealedKeys(
            public_key=pair.public,
            sealed_data_key=sealed_data_key,
            sealed_private_key=Vault(data_key).sealed(pair.private.encode(), organization.encode()),
        )

    def private_key(self, organization: str, sealed_data_key: bytes, sealed_private_key: bytes) -> str:
        """The hub's private key for an organization, in base64.

        Raises:
            WrongSecret: a key is damaged, or was sealed for another organization or under another secret.
        """
        data_key = self.data_key(organization, sealed_data_key)
        return Vault(data_key).opened(sealed_private_key, organization.encode()).decode()

    def new_data_key(self, owner: str) -> tuple[bytes, bytes]:
        """Make a key of 32 bytes; returned in plain and sealed for the owner."""
        data_key = secrets.token_bytes(KEY_BYTES)
        return data_key, self.sealed(data_key, owner.encode())

    def data_key(self, owner: str, sealed_data_key: bytes) -> bytes:
        """Open a data key of `new_data_key`.

        Raises:
            WrongSecret: the key is damaged, or was sealed for another owner or under another secret.
        """
        return self.opened(sealed_data_key, owner.encode())

    def resealed_for(self, successor: Vault, owner: str, sealed_data_key: bytes) -> bytes:
        """Seal an owner's data key again, under another vault's key.

        Raises:
            WrongSecret: the data key was not sealed by this vault.
        """
        return successor.sealed(self.data_key(owner, sealed_data_key), owner.encode())

    def sealed(self, plain: bytes, context: bytes) -> bytes:
        """Seal data with a context, which is needed again to open it."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _VERSION + nonce + self._seal.encrypt(nonce, plain, _VERSION + context)

    def opened(self, sealed: bytes, context: bytes) -> bytes:
        """Open data of `sealed`.

        Raises:
            WrongSecret: the data is damaged, or was sealed under another key or with another context.
        """
        if sealed.startswith(_VERSION):
            with suppress(InvalidTag, ValueError):
                return self._unsealed(sealed[len(_VERSION) :], _VERSION + context)
        # Format of older stores, without a version: the nonce comes first and may begin with any byte.
        try:
            return self._unsealed(sealed, context)
        except (InvalidTag, ValueError) as error:
            raise WrongSecret("the unlock secret does not open this store") from error

    def _unsealed(self, sealed: bytes, context: bytes) -> bytes:
        return self._seal.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context)


def derive_key(secret: str, lock: Lock) -> bytes:
    """Derive the sealing key from the unlock secret."""
    kdf = Scrypt(salt=lock.salt, length=KEY_BYTES, n=lock.cost, r=lock.block_size, p=lock.parallelism)
    return kdf.derive(secret.encode())
