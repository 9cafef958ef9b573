"""Certificate of the pages and the API."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import cached_property
from pathlib import Path, PosixPath

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = timedelta(days=800)
"""Lifetime of self-signed certificates; some systems reject more than 825 days."""
_RENEWED_BEFORE = timedelta(days=100)


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key in PEM.

    Attributes:
        certificate: the certificate, followed by intermediate ones if there are any.
    """

    certificate: bytes
    key: bytes = field(repr=False)

    @cached_property
    def parsed(self) -> x509.Certificate:
        """The first certificate.

        Raises:
            ValueError: there is none.
        """
        return x509.load_pem_x509_certificate(self.certificate)

    def ends_at(self) -> datetime:
        """Get the end of its validity. Raises as `parsed`."""
        return self.parsed.not_valid_after_utc

    def fingerprint(self) -> str:
        """Compute its SHA-256, as ``openssl x509 -fingerprint`` and browsers show it. Raises as `parsed`."""
        return self.parsed.fingerprint(hashes.SHA256()).hex(":").upper()

    def has_its_key(self) -> bool:
        """True if the key belongs to the certificate.

        Raises:
            ValueError: there is no certificate, or no key without a password.
        """
        try:
            key = serialization.load_pem_private_key(self.key, None)
        except (TypeError, UnsupportedAlgorithm) as error:
            raise ValueError("no key that could be used") from error
        return key.public_key() == self.parsed.public_key()

    def fault(self, names: Collection[str], now: datetime) -> str | None:
        """Find a reason to replace a self-signed certificate, as a part of a sentence; None if there is none.

        Args:
            names: host names and addresses that it must be valid for.
        """
        try:
            if not self.has_its_key():
                return "its key is another one's"
            if self.parsed.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
                return "it could vouch for any other name"
            found = self.parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (ValueError, x509.ExtensionNotFound):
            return "it can't be read"
        if set(found) != {_alternative(name) for name in names}:
            return "the service's names are others"
        if self.ends_at() - now < _RENEWED_BEFORE:
            return f"it ends on {self.ends_at():%Y-%m-%d}"
        # It was made while the clock was ahead.
        if now < self.parsed.not_valid_before_utc:
            return f"it is not valid before {self.parsed.not_valid_before_utc:%Y-%m-%d}"
        return None

    def as_files(self) -> tuple[Path, Path]:
        """Make paths of certificate and key that only this process and its forks can read.

        The files lie in memory, so that the service's user has no file with the key.
        """
        return _in_memory("meshwg-certificate", self.certificate), _in_memory("meshwg-key", self.key)


class _Descriptor(PosixPath):
    """A path in /proc/self/fd that does not resolve to another path, for a server that resolves its paths."""

    def resolve(self, strict: bool = False) -> _Descriptor:
        del strict
        return self


def _in_memory(name: str, data: bytes) -> Path:
    descriptor = os.memfd_create(name)
    os.write(descriptor, data)
    return _Descriptor(f"/proc/self/fd/{descriptor}")


def self_signed(names: Iterable[str], lifetime: timedelta = _LIFETIME, now: datetime | None = None) -> Certificate:
    """Make a new key and a self-signed certificate, which is no certificate authority.

    Args:
        names: host names and addresses that it is valid for.
        lifetime: time from now until it ends.
        now: the present time; None to read the host's clock.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    return Certificate(
        _certificate(key, names, lifetime, now or datetime.now(timezone.utc)).public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def _certificate(
    key: ec.EllipticCurvePrivateKey, names: Iterable[str], lifetime: timedelta, now: datetime
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "MeshWG")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # The client's clock may be a little behind ours.
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + lifetime)
        .add_extension(
            x509.SubjectAlternativeName([_alternative(each) for each in dict.fromkeys(names)]), critical=False
        )
        # No key usage: OpenSSL before 3.0 does not accept one without keyCertSign as self-signed.
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
