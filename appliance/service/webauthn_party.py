"""This service as passkeys know it, and what it asks of authenticators.

The authenticator shows that somebody is there and that it is the right person (a PIN, a finger), so a passkey alone
lets in, and no second factor is asked for.

Source: W3C Web Authentication, Level 3, by way of the library `webauthn`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

import webauthn
from webauthn.authentication.verify_authentication_response import VerifiedAuthentication
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

_NAME = "MeshWG"
_HTTPS = 443

NotValid = (WebAuthnException, ValueError, LookupError, TypeError, RecursionError)
"""What the library raises for what no honest browser sends."""


@dataclass(frozen=True)
class Party:
    """Where passkeys of this service are good.

    Attributes:
        id: the host's name.
        origin: what a browser says that it is at.
    """

    id: str
    origin: str

    @classmethod
    def of(cls, site: str) -> Party | None:
        """The party of this URL; None where its host has no name, as passkeys are for names alone."""
        parts = urlsplit(site)
        host = parts.hostname or ""
        try:
            ip_address(host)
        except ValueError:
            port = "" if parts.port in (None, _HTTPS) else f":{parts.port}"
            return cls(host, f"https://{host}{port}")
        return None

    def creation_options(self, challenge: bytes, member_id: str, email: str, present: Sequence[bytes]) -> str:
        """What a browser needs to make a passkey, in JSON; not on an authenticator that has one of ``present``."""
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
        """What a browser needs to use any passkey that it has for this service, in JSON."""
        options = webauthn.generate_authentication_options(
            rp_id=self.id, challenge=challenge, user_verification=UserVerificationRequirement.REQUIRED
        )
        return webauthn.options_to_json(options)

    def registered(self, credential: RegistrationCredential, challenge: bytes) -> VerifiedRegistration:
        """The new passkey; raises one of `NotValid`."""
        return webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=self.id,
            expected_origin=self.origin,
            require_user_verification=True,
        )

    def used(
        self, credential: AuthenticationCredential, challenge: bytes, public_key: bytes, sign_count: int
    ) -> VerifiedAuthentication:
        """What the authenticator says; raises one of `NotValid`, also where it has counted backwards: it is a copy."""
        return webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=self.id,
            expected_origin=self.origin,
            credential_public_key=public_key,
            credential_current_sign_count=sign_count,
            require_user_verification=True,
        )
