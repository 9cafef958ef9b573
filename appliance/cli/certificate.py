"""Certificate of the web process: the operator's own, or a self-signed one.

Its key is root's. The web process reads it before it gives up root, or gets it from its service manager.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from appliance import files
from appliance.cli import trust
from appliance.cli.errors import CommandError, Exit
from appliance.cli.folder import Folder
from appliance.cli.settings import Settings
from appliance.cli.values import EVERYWHERE
from appliance.host.clocks import HOST, HostClocks
from appliance.web import tls
from appliance.web.tls import Certificate

log = structlog.get_logger()

_CERTIFICATE, _KEY = "certificate.pem", "key.pem"
# Folder with the files of LoadCredential= (systemd.exec(5)).
_CREDENTIALS = "CREDENTIALS_DIRECTORY"
_LOOK_EVERY = 3600.0
# Seconds by which a clock that is set can make a certificate begin too late or end too early.
_CLOCK_SET = 60.0


def certificate(settings: Settings, folder: Folder, clocks: HostClocks = HOST) -> Certificate:
    """Load the certificate; a self-signed one is made if none fits.

    Args:
        clocks: clocks of the host.

    Raises:
        CommandError: this user may not read it, the file has no certificate, or the key belongs to another one.
    """
    handed = os.environ.get(_CREDENTIALS)
    if os.geteuid() != 0 and handed and (Path(handed) / _KEY).exists():
        return _read(Path(handed) / _CERTIFICATE, Path(handed) / _KEY)
    if settings.tls_cert is not None and settings.tls_key is not None:
        return _read(settings.tls_cert, settings.tls_key)
    if os.geteuid() != 0:
        raise CommandError(
            f"The key in {folder.tls} is root's; have the service manager hand it over, as LoadCredential= in "
            "deploy/systemd/meshwg-web.service does.",
            Exit.NOT_CONFIGURED,
        )
    return _self_signed(folder, _names(settings), clocks.now())


def changes(settings: Settings, folder: Folder, clocks: HostClocks = HOST) -> Callable[[], bool]:
    """Make a function that returns True if the certificate has changed since its last call.

    The function looks once an hour, and when the wall clock was set. It renews a self-signed certificate that is about
    to end, or that is not valid yet because the clock was ahead when it was made.

    Args:
        clocks: clocks of the host.
    """
    known, looked_at, ahead = certificate(settings, folder, clocks).certificate, clocks.steady(), clocks.ahead()

    def has_changed() -> bool:
        nonlocal known, looked_at, ahead
        if clocks.steady() - looked_at < _LOOK_EVERY and abs(clocks.ahead() - ahead) < _CLOCK_SET:
            return False
        before, looked_at, ahead = known, clocks.steady(), clocks.ahead()
        try:
            known = certificate(settings, folder, clocks).certificate
        except CommandError as error:
            log.error("the certificate can't be looked at", error=str(error))
        return known != before

    return has_changed


def _read(path: Path, key: Path) -> Certificate:
    found = Certificate(trust.read(path, "certificate"), trust.read(key, "certificate's key", hidden_from=0o007))
    try:
        found.ends_at()
    except ValueError:
        raise CommandError(f"{path} holds no certificate (PEM).", Exit.NOT_CONFIGURED) from None
    try:
        fits = found.has_its_key()
    except ValueError:
        raise CommandError(
            f"{key} holds no private key (PEM) that opens without a password.", Exit.NOT_CONFIGURED
        ) from None
    if not fits:
        raise CommandError(f"The key in {key} is not the one of the certificate in {path}.", Exit.NOT_CONFIGURED)
    return found


def _names(settings: Settings) -> tuple[str, ...]:
    names = (
        settings.endpoint.host,
        settings.host,
        urlsplit(settings.public_url).hostname,
        "localhost",
        "127.0.0.1",
        "::1",
    )
    return tuple(dict.fromkeys(name for name in names if name and name not in EVERYWHERE))


def _self_signed(folder: Folder, names: tuple[str, ...], now: datetime) -> Certificate:
    path, key = folder.certificate, folder.tls / _KEY
    try:
        found = Certificate(path.read_bytes(), key.read_bytes())
    except OSError:
        reason = None
    else:
        fault = found.fault(names, now)
        if fault is None:
            return found
        reason = fault
    made = tls.self_signed(names, now=now)
    try:
        # If this is killed in between, the next start finds a mismatch and makes both again.
        _replace(key, made.key, 0o600)
        _replace(path, made.certificate, 0o644)
    except OSError as error:
        raise CommandError(f"The certificate can't be written: {error.strerror}.", Exit.CANNOT_CREATE) from None
    # With colons; without them, it would look like a key, and the log would remove it.
    facts = {"sha256": made.fingerprint(), "ends": str(made.ends_at().date())}
    if reason is None:
        log.info("a self-signed certificate was made", reason="there was none yet", **facts)
    else:
        log.warning("a self-signed certificate was made", reason=reason, **facts)
    return made


def _replace(path: Path, data: bytes, mode: int) -> None:
    """Write a file in root's folder, as a whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        os.fchmod(descriptor, mode)
    files.sync(new)
    new.replace(path)
    files.sync(path.parent)
