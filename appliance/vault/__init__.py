"""Encryption at rest: an organization's keys are stored sealed, and only the unlock secret opens them."""

from appliance.vault.codes import CodeSecret
from appliance.vault.vault import FOR_PASSPHRASES, FOR_SECRETS, Lock, SealedKeys, Vault, WorkFactor, WrongSecret

__all__ = [
    "FOR_PASSPHRASES",
    "FOR_SECRETS",
    "CodeSecret",
    "Lock",
    "SealedKeys",
    "Vault",
    "WorkFactor",
    "WrongSecret",
]
