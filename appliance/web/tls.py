"""The certificate that pages and API are served under."""

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
"""Some systems take no certificate of a server for longer than 825 days."""
_RENEWED_BEFORE = timedelta(days=100)


@dataclass(frozen=True)
class Certificate:
    """A certificate, with what it was issued by where there is something, and its key; all of it PEM."""

    certificate: bytes
    key: bytes = field(repr=False)

    @cached_property
    def parsed(self) -> x509.Certificate:
        """The certificate itself.

        Raises:
            ValueError: there is none.
        """
        return x509.load_pem_x509_certificate(self.certificate)

    def ends_at(self) -> datetime:
        """Until when it is good. Raises as `parsed`."""
        return self.parsed.not_valid_after_utc

    def fingerprint(self) -> str:
        """SHA-256 of it, as ``openssl x509 -fingerprint`` and browsers show it. Raises as `parsed`."""
        return self.parsed.fingerprint(hashes.SHA256()).hex(":").upper()

    def has_its_key(self) -> bool:
        """True if the key belongs to the certificate.

        Raises:
            ValueError: there is no certificate, or no key that opens without a password.
        """
        try:
            key = serialization.load_pem_private_key(self.key, None)
        except (TypeError, UnsupportedAlgorithm) as error:
            raise ValueError("no key that could be used") from error
        return key.public_key() == self.parsed.public_key()

    def fault(self, names: Collection[str], now: datetime) -> str | None:
        """The reason to make a self-signed one anew, part of a sentence; None where it is as `self_signed` makes it.

        Args:
            names: host names and addresses that it has to be good for.
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
        return None

    def as_files(self) -> tuple[Path, Path]:
        """Certificate and key as paths that this process and its forks can read, and nobody else.

        They lie in memory for as long as the process lives. The key of a service is no file of its user's.
        """
        return _in_memory("meshwg-certificate", self.certificate), _in_memory("meshwg-key", self.key)


class _Descriptor(PosixPath):
    """A path in /proc/self/fd, which leads to no other path: a server that resolves its paths gets this one."""

    def resolve(self, strict: bool = False) -> _Descriptor:
        del strict
        return self


def _in_memory(name: str, data: bytes) -> Path:
    descriptor = os.memfd_create(name)
    os.write(descriptor, data)
    return _Descriptor(f"/proc/self/fd/{descriptor}")


def self_signed(names: Iterable[str], lifetime: timedelta = _LIFETIME) -> Certificate:
    """A new key, and a certificate for these names that vouches for nothing else.

    Args:
        names: host names and addresses that it is good for.
        lifetime: time from now on in which it is good.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    return Certificate(
        _certificate(key, names, lifetime).public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def _certificate(key: ec.EllipticCurvePrivateKey, names: Iterable[str], lifetime: timedelta) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "MeshWG")])
    now = datetime.now(timezone.utc)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # A machine whose clock is a little behind ours would refuse a certificate of this second.
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + lifetime)
        .add_extension(
            x509.SubjectAlternativeName([_alternative(each) for each in dict.fromkeys(names)]), critical=False
        )
        # No key usage: OpenSSL of before 3.0 takes one that may not sign certificates for none that signed itself.
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
