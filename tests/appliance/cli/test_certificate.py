"""The certificate of the web process: made by the service, or the operator's own."""

from __future__ import annotations

import os
import ssl
import stat
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from structlog.testing import capture_logs

from appliance.cli.certificate import certificate, changes
from appliance.cli.errors import CommandError, Exit
from appliance.cli.folder import Folder
from appliance.cli.ownership import web_user
from appliance.cli.settings import Settings, resolve
from appliance.host.clocks import HostClocks
from appliance.users import User
from appliance.web import tls
from appliance.web.tls import Certificate

NAMES = ("vpn.example.net", "localhost", "127.0.0.1", "::1")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path / "data")
    made.tls.mkdir(parents=True)
    return made


def settings_of(folder: Folder, **more: str) -> Settings:
    return resolve({"data": folder.path, "endpoint": "vpn.example.net", **more})


class SetClocks:
    """Clocks that a test sets; the wall clock is right at first."""

    def __init__(self) -> None:
        self.wall, self.steady = datetime.now(timezone.utc).timestamp(), 50.0

    @property
    def clocks(self) -> HostClocks:
        return HostClocks(lambda: self.wall, lambda: self.steady)


def authority() -> Certificate:
    """Makes a certificate as earlier versions did, which can sign for any name."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "MeshWG")])
    now = datetime.now(timezone.utc) - timedelta(hours=1)
    names = [x509.DNSName("vpn.example.net"), x509.DNSName("localhost")]
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Certificate(made.public_bytes(pem), private)


def write(folder: Path, served: Certificate) -> dict[str, str]:
    file, key = folder / "certificate.pem", folder / "key.pem"
    file.write_bytes(served.certificate)
    key.touch(0o600)
    key.write_bytes(served.key)
    return {"tls_cert": str(file), "tls_key": str(key)}


def own(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "own").mkdir()
    return write(tmp_path / "own", tls.self_signed(["vpn.example.net"]))


def test_a_made_certificate_is_for_the_service_s_names_only(folder: Folder) -> None:
    served = certificate(settings_of(folder), folder)
    assert timedelta(days=700) < served.ends_at() - datetime.now(timezone.utc) < timedelta(days=825)
    found = served.parsed.extensions
    assert not found.get_extension_for_class(x509.BasicConstraints).value.ca
    names = found.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {str(each.value) for each in names} == set(NAMES)
    assert stat.S_IMODE((folder.tls / "key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder.tls / "certificate.pem").stat().st_mode) == 0o644
    # The next start has the same.
    assert certificate(settings_of(folder), folder) == served


@pytest.mark.parametrize("strict", [False, True])
def test_a_client_that_trusts_the_certificate_accepts_its_names(strict: bool) -> None:
    served = tls.self_signed(NAMES)
    file, key = served.as_files()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file, key)
    client = ssl.create_default_context(cadata=served.certificate.decode())
    client.verify_flags |= ssl.VERIFY_X509_STRICT if strict else 0
    for name in NAMES:
        shake_hands(server, client, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(server, client, "example.net")


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> None:
    """Completes a TLS handshake in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(to_client, to_server, server_hostname=name), server.wrap_bio(to_server, to_client, True)]
    for _ in range(3):
        for end in list(ends):
            try:
                end.do_handshake()
                ends.remove(end)
            except ssl.SSLWantReadError:
                pass
    assert not ends


def test_a_certificate_signed_with_the_made_one_is_rejected() -> None:
    """Signs a certificate for another name with the served certificate's key: clients reject it."""
    served, forged = tls.self_signed(NAMES), {}
    for kind, issuer in (("leaf", served), ("authority", authority())):
        key = ec.generate_private_key(ec.SECP256R1())
        signer = serialization.load_pem_private_key(issuer.key, None)
        assert isinstance(signer, ec.EllipticCurvePrivateKey)
        # A clock that is set back a little makes it no certificate of the future.
        now = datetime.now(timezone.utc) - timedelta(hours=1)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bank")])
        made = (
            x509.CertificateBuilder(issuer.parsed.subject, name, key.public_key(), 2, now, now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("bank.example")]), critical=False)
            .sign(signer, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        file, own_key = Certificate(made.public_bytes(pem) + issuer.certificate, private).as_files()
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(file, own_key)
        client = ssl.create_default_context(cadata=issuer.certificate.decode())
        try:
            shake_hands(server, client, "bank.example")
            forged[kind] = True
        except ssl.SSLCertVerificationError:
            forged[kind] = False
    assert forged == {"leaf": False, "authority": True}


def test_an_earlier_version_s_certificate_is_replaced_and_logged(folder: Folder) -> None:
    before = authority()
    write(folder.tls, before)
    with capture_logs() as logged:
        served = certificate(settings_of(folder), folder)
    assert served.key != before.key
    (line,) = logged
    assert line["sha256"] == served.fingerprint()
    assert "vouch" in line["reason"]


@pytest.mark.parametrize(("days", "is_kept"), [(99, False), (101, True)])
def test_an_expiring_or_misnamed_certificate_is_replaced(folder: Folder, days: int, is_kept: bool) -> None:
    alternatives = certificate(settings_of(folder), folder).parsed.extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    before = tls.self_signed([str(each.value) for each in alternatives.value], timedelta(days=days))
    write(folder.tls, before)
    served = certificate(settings_of(folder), folder)
    assert (served == before) is is_kept
    assert certificate(settings_of(folder), folder) == served
    assert certificate(settings_of(folder, endpoint="hub.example.net"), folder) != served


def test_a_running_service_loads_a_new_certificate_hourly(folder: Folder, tmp_path: Path) -> None:
    host = SetClocks()
    given = own(tmp_path)
    has_changed = changes(settings_of(folder, **given), folder, host.clocks)
    write(tmp_path / "own", tls.self_signed(["vpn.example.net"]))
    host.steady += 10.0
    assert not has_changed()
    host.steady += 3600.0
    assert has_changed()
    host.steady += 3700.0
    assert not has_changed()


@pytest.mark.parametrize("days", [-1000, 1000])
def test_a_certificate_by_a_wrong_clock_is_made_anew(folder: Folder, days: int) -> None:
    """The clock is years behind or ahead while a certificate is made, and set right a moment later."""
    host = SetClocks()
    right, host.wall = host.wall, host.wall + timedelta(days=days).total_seconds()
    has_changed = changes(settings_of(folder), folder, host.clocks)
    assert not has_changed()
    host.wall = right
    assert has_changed()
    found = certificate(settings_of(folder), folder).parsed
    assert found.not_valid_before_utc < host.clocks.now() < found.not_valid_after_utc
    assert not has_changed()


def test_a_clock_that_is_set_a_little_replaces_no_certificate(folder: Folder) -> None:
    host = SetClocks()
    has_changed = changes(settings_of(folder), folder, host.clocks)
    for seconds in (-3000.0, 50.0, 86400.0):
        host.wall += seconds
        assert not has_changed()


def test_the_operator_s_certificate_is_read_in_place(folder: Folder, tmp_path: Path) -> None:
    given = own(tmp_path)
    served = certificate(settings_of(folder, **given), folder)
    assert served.certificate == Path(given["tls_cert"]).read_bytes()
    assert list(folder.tls.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone gives files away")
@pytest.mark.parametrize(
    ("which", "mode", "owner"), [("tls_key", 0o644, 0), ("tls_cert", 0o644, 1), ("tls_key", 0o600, 1)]
)
def test_a_certificate_readable_or_writable_by_others_is_refused(
    folder: Folder, tmp_path: Path, which: str, mode: int, owner: int
) -> None:
    given = own(tmp_path)
    Path(given[which]).chmod(mode)
    os.chown(given[which], owner, owner)
    with pytest.raises(CommandError) as refused:
        certificate(settings_of(folder, **given), folder)
    assert refused.value.code is Exit.NOT_CONFIGURED


def test_a_file_without_a_certificate_is_refused_in_one_sentence(folder: Folder, tmp_path: Path) -> None:
    given = own(tmp_path)
    Path(given["tls_cert"]).write_text("no certificate", encoding="utf-8")
    with pytest.raises(CommandError, match="holds no certificate") as refused:
        certificate(settings_of(folder, **given), folder)
    assert refused.value.code is Exit.NOT_CONFIGURED


def of_another_key() -> bytes:
    return tls.self_signed(["vpn.example.net"]).key


def behind_a_password() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    locked = serialization.BestAvailableEncryption(b"password")
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (of_another_key(), "is not the one of the certificate"),
        (behind_a_password(), "holds no private key"),
        (b"no key", "holds no private key"),
        (b"", "holds no private key"),
    ],
    ids=["another", "locked", "text", "nothing"],
)
def test_a_key_that_does_not_fit_is_refused_in_one_sentence(
    folder: Folder, tmp_path: Path, content: bytes, sentence: str
) -> None:
    given = own(tmp_path)
    Path(given["tls_key"]).write_bytes(content)
    with pytest.raises(CommandError, match=sentence) as refused:
        certificate(settings_of(folder, **given), folder)
    assert refused.value.code is Exit.NOT_CONFIGURED


def test_a_service_manager_passes_the_certificate_without_root(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() or 1000)
    settings = settings_of(folder)
    with pytest.raises(CommandError, match="LoadCredential"):
        certificate(settings, folder)
    own(tmp_path)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "own"))
    assert certificate(settings, folder).certificate == (tmp_path / "own" / "certificate.pem").read_bytes()


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone gives files away")
def test_the_web_user_s_old_certificate_folder_becomes_root_s(folder: Folder, tmp_path: Path) -> None:
    user, outside = User(64217, 64217), tmp_path / "outside"
    outside.write_text("untouched")
    write(folder.tls, authority())
    (folder.tls / "link").symlink_to(outside)
    os.link(outside, folder.tls / "own-key.pem")
    os.mkfifo(folder.tls / "pipe")
    os.chown(folder.tls, user.uid, user.gid)
    for parent in (tmp_path, *tmp_path.parents):
        if parent != Path("/") and parent.stat().st_mode & 0o011 != 0o011:
            parent.chmod(0o755)
    folder.prepare(web_user())
    assert (folder.tls.stat().st_uid, list(folder.tls.iterdir())) == (0, [])
    assert (outside.read_text(), outside.stat().st_uid) == ("untouched", os.geteuid())
