"""The certificate that the web process serves with: the operator's own, or one that signs itself.

Its key is root's. The web process gets it in memory, from root that it is at its start or from its service manager.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from appliance import files
from appliance.cli import trust
from appliance.cli.errors import CommandError, Exit
from appliance.cli.folder import Folder
from appliance.cli.settings import Settings
from appliance.web import tls
from appliance.web.tls import Certificate

log = structlog.get_logger()

_CERTIFICATE, _KEY = "certificate.pem", "key.pem"
# Where systemd keeps what LoadCredential= names (systemd.exec(5)).
_CREDENTIALS = "CREDENTIALS_DIRECTORY"
_LOOK_EVERY = 3600.0


def certificate(settings: Settings, folder: Folder) -> Certificate:
    """The certificate to serve with. A self-signed one is made where there is none that is right.

    Raises:
        CommandError: there is none that this user may read, the file holds no certificate, or the key is not its own.
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
    return _self_signed(folder, _names(settings))


def changes(settings: Settings, folder: Folder, clock: Callable[[], float] = time.monotonic) -> Callable[[], bool]:
    """A question to be asked now and then: whether there is another certificate to serve with since the last time.

    It looks once an hour, and makes a self-signed one anew that is about to end.

    Args:
        clock: monotonic seconds.
    """
    known, looked_at = certificate(settings, folder).certificate, clock()

    def has_changed() -> bool:
        nonlocal known, looked_at
        if clock() - looked_at < _LOOK_EVERY:
            return False
        before, looked_at = known, clock()
        try:
            known = certificate(settings, folder).certificate
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
    everywhere = ("0.0.0.0", "::")  # noqa: S104
    return tuple(dict.fromkeys(name for name in names if name and name not in everywhere))


def _self_signed(folder: Folder, names: tuple[str, ...]) -> Certificate:
    path, key = folder.certificate, folder.tls / _KEY
    try:
        found = Certificate(path.read_bytes(), key.read_bytes())
    except OSError:
        reason = None
    else:
        fault = found.fault(names, datetime.now(timezone.utc))
        if fault is None:
            return found
        reason = fault
    made = tls.self_signed(names)
    try:
        # A start that is killed between the two finds a key of another certificate, and makes both anew.
        _replace(key, made.key, 0o600)
        _replace(path, made.certificate, 0o644)
    except OSError as error:
        raise CommandError(f"The certificate can't be written: {error.strerror}.", Exit.CANNOT_CREATE) from None
    # With colons, as programs show it; without, it would look like a key.
    facts = {"sha256": made.fingerprint(), "ends": str(made.ends_at().date())}
    if reason is None:
        log.info("a self-signed certificate was made", reason="there was none yet", **facts)
    else:
        log.warning("a self-signed certificate was made", reason=reason, **facts)
    return made


def _replace(path: Path, data: bytes, mode: int) -> None:
    """Writes a file of root's folder, whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        os.fchmod(descriptor, mode)
    files.sync(new)
    new.replace(path)
    files.sync(path.parent)
