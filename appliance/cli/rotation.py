"""``rotate-unlock-secret``: replace the unlock secret, without losing a packet."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from appliance.cli import existing_service, operations, unlocking
from appliance.cli import secret as secrets
from appliance.cli.errors import CommandError, Exit
from appliance.cli.existing_service import ExistingService
from appliance.cli.option_table import PATH, Given, name_of, value_of
from appliance.cli.options import with_settings
from appliance.cli.settings import SECRET_FILE_VARIABLE, Settings
from appliance.hub.errors import HubError
from appliance.store import operations as command_log
from appliance.store import rotation, shards
from appliance.vault import WrongSecret


@with_settings("data", "database_url")
def rotate_unlock_secret(
    new_secret_file: Annotated[Path, typer.Option(help="File of the new secret; made where there is none.")],
    *,
    settings: Settings,
) -> None:
    """Seal every key anew, so that another unlock secret opens the store. The present one is supplied as `up` takes it.

    Traffic goes on, and so does a running service of one hub. Many hubs have to be stopped on every host.

    Exit codes: 69 the store is as it was, 73 something can't be written, 75 a service is just starting, or one of many
    hubs runs, 77 not root, 78 settings that make no sense, no unlock secret or a wrong one, or no store yet.
    """
    new_secret_file = value_of(PATH, Given(name_of("new_secret_file"), new_secret_file))
    with existing_service.opened(settings) as found:
        if settings.has_many_hubs:
            # Each seals with the secret that it was started with.
            if hosts := _running_hosts(found):
                raise CommandError(
                    f"Hubs keep the unlock secret in memory. Stop `up` on {hosts} first, and start it with the new "
                    "secret afterwards; the networks are silent meanwhile.",
                    Exit.BUSY,
                )
            is_running = False
        else:
            unlocking.check_one_hub(found.store)
            is_running = found.hub_status() is not None
        if not _is_done(found, new_secret_file):
            old = found.secret()
            _rotate(found, old, secrets.successor(new_secret_file, found.folder.path), is_running=is_running)
            operations.note(found.store, command_log.ROTATED)
        if settings.has_many_hubs and (hosts := _running_hosts(found)):
            raise CommandError(
                f"Only the unlock secret in {new_secret_file} opens the store now, but {hosts} started meanwhile: "
                "start `up` there again, with this secret.",
                Exit.BUSY,
            )
    start = f"with {SECRET_FILE_VARIABLE}={new_secret_file}"
    print(
        f"Only the unlock secret in {new_secret_file} opens the store now. "
        + (f"The running service knows it; start the next one {start}" if is_running else f"Start the service {start}")
    )


def _running_hosts(found: ExistingService) -> str:
    """Names of the hosts of many hubs that run, or own a shard, in a sentence; empty without any.

    Raises:
        CommandError: etcd does not answer.
    """
    from appliance.cli import many_hubs
    from appliance.cluster.errors import EtcdUnreachable

    with found.store.read() as transaction:
        ids = [each.id for each in shards.find_all(transaction)]
    try:
        guidance = many_hubs.guidance(found.settings)
        there = {each.name for each in guidance.hosts() if each.is_there}
        return ", ".join(sorted(there | {each.name for each in guidance.owners(ids).values()}))
    except EtcdUnreachable as error:
        raise CommandError(
            f"etcd does not answer, so hubs may be running and the secret stays: {error}.", Exit.UNAVAILABLE
        ) from None


def _is_done(found: ExistingService, new_secret_file: Path) -> bool:
    """True if an earlier, interrupted command has rotated to this file's secret already."""
    try:
        if not new_secret_file.exists():
            return False
    except OSError as error:
        raise CommandError(
            f"The unlock secret {new_secret_file} can't be written: {error.strerror}.", Exit.CANNOT_CREATE
        ) from None
    new = secrets.successor(new_secret_file, found.folder.path)
    if new in secrets.given(found.settings):
        raise CommandError(f"{new_secret_file} has the present unlock secret in it.", Exit.NOT_CONFIGURED)
    return found.opens(new)


def _rotate(found: ExistingService, old: str, new: str, *, is_running: bool) -> None:
    try:
        if is_running:
            found.client().rotate_secret(old, new)
            return
        with found.at_rest(), rotation.rotated(found.store, old, new, nullcontext()):
            return
    except (HubError, WrongSecret) as error:
        # A hub that was killed before its answer may have rotated.
        if not found.opens(new):
            raise CommandError(f"The unlock secret is the one before: {error}.", Exit.UNAVAILABLE) from None
