"""Keys at rest: what the hub holds for a customer is stored sealed, and only the unlock secret opens it."""

from appliance.vault.codes import CodeSecret
from appliance.vault.vault import Lock, SealedKeys, Vault, WrongSecret

__all__ = ["CodeSecret", "Lock", "SealedKeys", "Vault", "WrongSecret"]
