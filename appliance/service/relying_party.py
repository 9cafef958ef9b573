"""Relying party of WebAuthn: the service's side of passkeys.

The authenticator verifies presence and identity of the person (a PIN, a finger), so a passkey suffices to log in, and
no second factor is asked for.

Source: W3C Web Authentication, Level 3, by way of the library `webauthn`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

import webauthn
from webauthn.authentication.verify_authentication_response import VerifiedAuthentication
from webauthn.helpers import parse_cbor
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    RegistrationCredential,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from webauthn.registration.verify_registration_response import VerifiedRegistration

from appliance.service import plain_cbor

LARGEST_ID = 1023
"""Most bytes of a passkey's id (Web Authentication, Level 3, 4)."""
LARGEST_KEY = 4096
"""Most bytes of a passkey's public key: a quantum-safe one has under 3 kB."""
_NAME = "MeshWG"
_HTTPS = 443
# Of authenticator data (Web Authentication, Level 3, 6.1): its flags, and what comes before its first CBOR.
_FLAGS_AT, _HAS_KEY, _HEAD, _ID_SIZE = 32, 0x40, 37, slice(53, 55)

NotValid = (WebAuthnException, ValueError, LookupError, TypeError, RecursionError)
"""Errors of the library about input that no honest browser sends."""


@dataclass(frozen=True)
class RelyingParty:
    """Relying party of WebAuthn: the site that passkeys are valid for.

    Attributes:
        id: the site's host name.
        origin: the site's origin, as a browser reports it.
    """

    id: str
    origin: str

    @classmethod
    def of(cls, site: str) -> RelyingParty | None:
        """Make the relying party of a URL; None if its host is an IP address, for which passkeys don't work."""
        parts = urlsplit(site)
        host = parts.hostname or ""
        try:
            ip_address(host)
        except ValueError:
            port = "" if parts.port in (None, _HTTPS) else f":{parts.port}"
            return cls(host, f"https://{host}{port}")
        return None

    def creation_options(self, challenge: bytes, member_id: str, email: str, present: Sequence[bytes]) -> str:
        """Make the options with which a browser creates a passkey, in JSON.

        Args:
            present: ids of the member's passkeys, whose authenticators are excluded.
        """
        options = webauthn.generate_registration_options(
            rp_id=self.id,
            rp_name=_NAME,
            user_id=member_id.encode(),
            user_name=email,
            challenge=challenge,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=each) for each in present],
        )
        return webauthn.options_to_json(options)

    def request_options(self, challenge: bytes) -> str:
        """Make the options with which a browser uses any passkey of this service, in JSON."""
        options = webauthn.generate_authentication_options(
            rp_id=self.id, challenge=challenge, user_verification=UserVerificationRequirement.REQUIRED
        )
        return webauthn.options_to_json(options)

    def registered(self, credential: RegistrationCredential, challenge: bytes) -> VerifiedRegistration:
        """Verify a new passkey; raises one of `NotValid`."""
        attestation = credential.response.attestation_object
        plain_cbor.check(attestation)
        _check_authenticator_data(parse_cbor(attestation)["authData"])
        made = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=self.id,
            expected_origin=self.origin,
            require_user_verification=True,
        )
        if len(made.credential_id) > LARGEST_ID or len(made.credential_public_key) > LARGEST_KEY:
            raise ValueError("the id or the public key is too large")
        return made

    def used(
        self, credential: AuthenticationCredential, challenge: bytes, public_key: bytes, sign_count: int
    ) -> VerifiedAuthentication:
        """Verify the use of a passkey.

        Args:
            sign_count: the authenticator's last known counter.

        Raises:
            NotValid: one of these errors; also if the counter went backwards, which means that the passkey was copied.
        """
        _check_authenticator_data(credential.response.authenticator_data)
        return webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=self.id,
            expected_origin=self.origin,
            credential_public_key=public_key,
            credential_current_sign_count=sign_count,
            require_user_verification=True,
        )


def _check_authenticator_data(data: bytes) -> None:
    """Check the CBOR in authenticator data, which the library would decode and write out again; raises ValueError."""
    has_key = len(data) > _HEAD and data[_FLAGS_AT] & _HAS_KEY
    plain_cbor.check(data[_ID_SIZE.stop + int.from_bytes(data[_ID_SIZE], "big") if has_key else _HEAD :])
