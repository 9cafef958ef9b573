"""The certificate that pages and API are served under."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = timedelta(days=3650)


@dataclass(frozen=True)
class Certificate:
    """Where certificate and key lie, both PEM."""

    certificate: Path
    key: Path

    def ends_at(self) -> datetime:
        """Until when it is good.

        Raises:
            ValueError: the file holds no certificate.
        """
        return x509.load_pem_x509_certificate(self.certificate.read_bytes()).not_valid_after_utc


def self_signed(folder: Path, names: Iterable[str]) -> Certificate:
    """The self-signed certificate of this folder, made if it isn't there yet.

    Args:
        folder: where it is kept.
        names: host names and addresses that it is good for.
    """
    files = Certificate(folder / "certificate.pem", folder / "key.pem")
    if not (files.certificate.exists() and files.key.exists()):
        key = ec.generate_private_key(ec.SECP256R1())
        write_private(
            files.key,
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )
        files.certificate.write_bytes(_certificate(key, names).public_bytes(serialization.Encoding.PEM))
    return files


def write_private(path: Path, data: bytes) -> None:
    """Writes a file that only its owner ever could read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def _certificate(key: ec.EllipticCurvePrivateKey, names: Iterable[str]) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "MeshWG")])
    now = datetime.now(timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # A machine whose clock is a little behind ours would refuse a certificate of this second.
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _LIFETIME)
        .add_extension(
            x509.SubjectAlternativeName([_alternative(each) for each in dict.fromkeys(names)]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
