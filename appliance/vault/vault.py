"""Two layers: the unlock secret's key seals one data key for each organization, which seals what belongs to it.

Destroying an organization's data key makes everything sealed under it unreadable, wherever copies may lie. The
organization's id is associated data of both seals, so a sealed key can't be passed off as another organization's.

What is sealed begins with the version of its format, so that another cipher can be taken one day and what lies in a
store still opens: version 1 is a nonce and what ChaCha20-Poly1305 made, with version and context as associated data.

Source: scrypt is RFC 7914, ChaCha20-Poly1305 is RFC 8439; what passphrases cost is twice what OWASP's password storage
cheat sheet has.
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
"""Characters. The secret guards every key of every customer, and machines remember it, not people."""

_KEY_BYTES = 32
_NONCE_BYTES = 12
_SALT_BYTES = 16
_PROOF = b"meshwg unlock secret"
_VERSION = b"\x01"
# What this program makes costs 128 MiB at most; what it reads may be anybody's. scrypt takes 128 N r bytes.
_MOST_MEMORY, _MOST_PARALLELISM = 256 * 2**20, 4


@dataclass(frozen=True)
class Work:
    """What scrypt does to turn a secret into a key: its N, r and p. It takes 128 N r bytes of memory."""

    cost: int
    block_size: int
    parallelism: int


FOR_SECRETS = Work(2**15, 8, 1)
"""For what a machine made and remembers: nobody guesses it, whatever a guess costs."""
FOR_PASSPHRASES = Work(2**17, 8, 2)
"""For what a person chose: each guess takes 128 MiB and a second or so."""


class WrongSecret(Exception):
    """This unlock secret does not open this store, or a sealed key is damaged."""


@dataclass(frozen=True)
class Lock:
    """How the unlock secret became a key, kept in the store.

    Attributes:
        cost, block_size, parallelism: scrypt's N, r and p.
        proof: a known text sealed under the key, to tell a wrong secret at once.
    """

    salt: bytes
    cost: int
    block_size: int
    parallelism: int
    proof: bytes

    @property
    def is_affordable(self) -> bool:
        """Whether to turn a secret into its key takes no more than what this program ever makes a lock to take."""
        return 128 * self.cost * self.block_size <= _MOST_MEMORY and self.parallelism <= _MOST_PARALLELISM


@dataclass(frozen=True)
class SealedKeys:
    """An organization's hub keys, as the store keeps them."""

    public_key: str
    sealed_data_key: bytes
    sealed_private_key: bytes


class Vault:
    """Seals and opens; exists only where the unlock secret was known."""

    def __init__(self, key: bytes) -> None:
        self._seal = ChaCha20Poly1305(key)

    @classmethod
    def make(cls, secret: str, work: Work = FOR_SECRETS) -> tuple[Vault, Lock]:
        """A vault for a new store, and the lock to store beside what it seals."""
        salt = secrets.token_bytes(_SALT_BYTES)
        lock = Lock(salt, work.cost, work.block_size, work.parallelism, proof=b"")
        vault = cls(_derive(secret, lock))
        return vault, replace(lock, proof=vault.sealed(_PROOF, _PROOF))

    @classmethod
    def open(cls, secret: str, lock: Lock) -> Vault:
        """The vault of an existing store.

        Raises:
            WrongSecret: this is not the secret that the lock was made with, or the lock asks for more work than any
                that was made: it lies where others may write.
        """
        if not lock.is_affordable:
            raise WrongSecret("the lock asks for more work than any does")
        vault = cls(_derive(secret, lock))
        vault.opened(lock.proof, _PROOF)
        return vault

    def new_organization_keys(self, organization: str) -> SealedKeys:
        """A fresh hub key pair for an organization, sealed under a fresh data key."""
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
            WrongSecret: damaged, or sealed for another organization or under another secret.
        """
        data_key = self.data_key(organization, sealed_data_key)
        return Vault(data_key).opened(sealed_private_key, organization.encode()).decode()

    def new_data_key(self, owner: str) -> tuple[bytes, bytes]:
        """A fresh key of 32 bytes, plain and sealed for this owner."""
        data_key = secrets.token_bytes(_KEY_BYTES)
        return data_key, self.sealed(data_key, owner.encode())

    def data_key(self, owner: str, sealed_data_key: bytes) -> bytes:
        """The inverse of `new_data_key`.

        Raises:
            WrongSecret: damaged, or sealed for another owner or under another secret.
        """
        return self.opened(sealed_data_key, owner.encode())

    def resealed_for(self, successor: Vault, organization: str, sealed_data_key: bytes) -> bytes:
        """The same data key, sealed under another unlock secret.

        Raises:
            WrongSecret: it was not sealed by this vault.
        """
        return successor.sealed(self.data_key(organization, sealed_data_key), organization.encode())

    def sealed(self, plain: bytes, context: bytes) -> bytes:
        """Sealed under this vault's key; only together with the same context it opens again."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _VERSION + nonce + self._seal.encrypt(nonce, plain, _VERSION + context)

    def opened(self, sealed: bytes, context: bytes) -> bytes:
        """The inverse of `sealed`.

        Raises:
            WrongSecret: damaged, or sealed under another key or with another context.
        """
        if sealed.startswith(_VERSION):
            with suppress(InvalidTag, ValueError):
                return self._unsealed(sealed[len(_VERSION) :], _VERSION + context)
        # Stores of before there were versions: a nonce, which may begin with any byte, and no version in the context.
        try:
            return self._unsealed(sealed, context)
        except (InvalidTag, ValueError) as error:
            raise WrongSecret("the unlock secret does not open this store") from error

    def _unsealed(self, sealed: bytes, context: bytes) -> bytes:
        return self._seal.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context)


def _derive(secret: str, lock: Lock) -> bytes:
    kdf = Scrypt(salt=lock.salt, length=_KEY_BYTES, n=lock.cost, r=lock.block_size, p=lock.parallelism)
    return kdf.derive(secret.encode())
