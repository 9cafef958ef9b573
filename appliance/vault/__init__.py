"""Keys at rest: what the hub holds for a customer is stored sealed, and only the unlock secret opens it."""

from appliance.vault.codes import CodeSecret
from appliance.vault.vault import FOR_PASSPHRASES, FOR_SECRETS, Lock, SealedKeys, Vault, Work, WrongSecret

__all__ = [
    "FOR_PASSPHRASES",
    "FOR_SECRETS",
    "CodeSecret",
    "Lock",
    "SealedKeys",
    "Vault",
    "Work",
    "WrongSecret",
]
