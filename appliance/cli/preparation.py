"""What has to be right before a service starts; whatever is not ends the command with one sentence."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from appliance import host
from appliance.cli import secret as secrets
from appliance.cli.errors import CommandError, Exit
from appliance.cli.folder import Folder
from appliance.cli.settings import Settings
from appliance.hub.errors import HubError, NoBackend
from appliance.hub.wireguard import choose
from appliance.model.ids import new_instance_id
from appliance.store import Store, instance
from appliance.store.instance import Instance
from appliance.vault import Vault, WrongSecret
from appliance.web import tls
from appliance.web.tls import Certificate


@dataclass(frozen=True)
class Unlocked:
    """A store that is up to date and whose secret is known.

    Attributes:
        secret: the unlock secret, for the hub's process alone.
        made: the file of a secret that was made just now.
    """

    store: Store
    instance: Instance
    vault: Vault
    secret: str
    made: Path | None = None

    def __repr__(self) -> str:
        return f"Unlocked(instance={self.instance.id!r})"


def check_host(settings: Settings) -> str:
    """The WireGuard implementation that the hub will use.

    Raises:
        CommandError: no root, or root without its capabilities, no TUN device, no WireGuard.
    """
    privileges = host.privileges()
    if not privileges.root:
        raise CommandError(
            "The hub makes network namespaces and WireGuard links, which takes root: run it with sudo.",
            Exit.NOT_PERMITTED,
        )
    if privileges.lacking:
        raise CommandError(
            f"This root, as in a container, lacks {' and '.join(privileges.lacking)}. `meshwg doctor` tells more.",
            Exit.UNAVAILABLE,
        )
    try:
        backend = choose(settings.wireguard)
    except (NoBackend, HubError) as error:
        raise CommandError(f"This host has {error}. `meshwg doctor` tells more.", Exit.UNAVAILABLE) from None
    if backend.name != "kernel":
        _check_tun(backend.name)
    return f"{backend.name} {backend.version}"


def _check_tun(backend: str) -> None:
    error = host.tun_error()
    if error is not None:
        raise CommandError(
            f"{backend} needs the TUN device, and {error.filename} can't be opened: {error.strerror}. "
            "`meshwg doctor` tells more.",
            Exit.UNAVAILABLE,
        )


def check_address(settings: Settings) -> None:
    """Raises `CommandError` where the address to listen on is taken or not this machine's."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
            probe.listen()
        except OSError as error:
            where = f"{settings.host}:{settings.port}"
            if error.errno == errno.EADDRINUSE:
                sentence = f"Another program listens on {where} already; choose another with --listen."
            else:
                sentence = f"The service can't listen on {where}: {error.strerror}."
            raise CommandError(sentence, Exit.ADDRESS_IN_USE) from None


def unlock(settings: Settings, folder: Folder, uid: int, supplied: Sequence[str], *, make_secret: bool) -> Unlocked:
    """Opens the store with an unlock secret; a new one gets its identity, and where allowed a secret.

    Args:
        supplied: the secrets that may be the right one, the most likely first.

    Raises:
        CommandError: no secret for an existing store, none that opens it, or a database that can't be used.
    """
    secret = next(iter(supplied), None)
    own_database = settings.database_url.startswith("sqlite")
    if secret is None and not (make_secret and (folder.is_new or not own_database)):
        raise secrets.missing(folder.path)
    folder.prepare(uid)
    with database():
        store = Store(settings.database_url)
        store.upgrade()
        with store.read() as transaction:
            found = instance.find(transaction)
        if own_database:
            _hand_over(folder.store, uid)
        if found is None:
            return _new_instance(store, folder, secret)
    if secret is None:
        raise secrets.missing(folder.path)
    for each in supplied:
        with suppress(WrongSecret):
            return Unlocked(store, found, Vault.open(each, found.lock), each)
    raise secrets.wrong(folder.path)


def _new_instance(store: Store, folder: Folder, secret: str | None) -> Unlocked:
    made = None
    if secret is None:
        secret, made = secrets.make(folder.path)
    vault, lock = Vault.make(secret)
    new = Instance(new_instance_id(), lock)
    with store.write() as transaction:
        instance.create(transaction, new)
    return Unlocked(store, new, vault, secret, made)


def _hand_over(folder: Path, uid: int) -> None:
    for path in folder.iterdir():
        os.chown(path, uid, uid)


def certificate(settings: Settings, folder: Folder, uid: int) -> Certificate:
    """Certificate and key where the web user can read them.

    Raises:
        CommandError: the operator's own can't be read.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        names = [settings.endpoint, settings.host, "localhost", "127.0.0.1", "::1"]
        files = tls.self_signed(folder.tls, [name for name in names if name not in ("0.0.0.0", "::")])  # noqa: S104
    else:
        files = Certificate(folder.tls / "own-certificate.pem", folder.tls / "own-key.pem")
        try:
            shutil.copyfile(settings.tls_cert, files.certificate)
            tls.write_private(files.key, settings.tls_key.read_bytes())
        except OSError as error:
            raise CommandError(f"The certificate can't be read: {error}.", Exit.NOT_CONFIGURED) from None
    for path in (files.certificate, files.key):
        os.chown(path, uid, uid)
    return files


@contextmanager
def database() -> Iterator[None]:
    """What the database refuses in the block, or that there is no such one, is one sentence.

    Raises:
        CommandError: it refused something.
    """
    try:
        yield
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        raise CommandError(f"The database can't be used: {str(error).splitlines()[0]}.", Exit.CANNOT_CREATE) from None
