"""``restore``: bring back the store of an earlier day, after a list of everything that works again."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from appliance import privileges
from appliance.cli import backup, existing_service, operations, restored_access, unlocking
from appliance.cli import secret as secrets
from appliance.cli.backup import Passphrase
from appliance.cli.errors import CommandError, Exit
from appliance.cli.folder import Folder
from appliance.cli.options import with_settings
from appliance.cli.ownership import web_user
from appliance.cli.settings import SECRET_FILE_VARIABLE, SECRET_VARIABLE, Settings
from appliance.service import backup as service
from appliance.service import restoration
from appliance.store import Store, migration, times
from appliance.store import operations as command_log
from appliance.vault import WrongSecret
from appliance.vault.archive import InvalidArchive

_YES, _DISABLE = "--yes", "--disable-machines"


@dataclass(frozen=True)
class _Answers:
    """Answers from the command line.

    Attributes:
        yes: True to restore without a question.
        disable_machines: True to disable all machines.
    """

    yes: bool
    disable_machines: bool


@with_settings("data", "database_url")
def restore(
    file: Annotated[
        Path | None,
        typer.Argument(help="The file that `backup` wrote; without, the store that is there already, from elsewhere."),
    ] = None,
    yes: Annotated[bool, typer.Option(_YES, help="Restore what is listed, without asking.")] = False,
    disable_machines: Annotated[
        bool, typer.Option(_DISABLE, help="Bring all machines back disabled; each can be enabled again.")
    ] = False,
    passphrase_file: Passphrase = None,
    *,
    settings: Settings,
) -> None:
    """Make a new data folder from a backup, with the unlock secret of its day; `up` then goes on where it was made.

    Lists machines, keys, people and tokens that work again, and asks. Sessions, links and tickets end, and every
    organization's audit trail tells of it. Machines need no new configuration.

    Exit codes: 0 done, 64 refused, or nobody there to ask, 66 no backup or a damaged one, 69 the store is to be no
    SQLite file, 73 there is a store already or the folder can't be written, 75 a service runs on it, 77 not root, 78
    settings that make no sense, no unlock secret or a wrong one, or no store yet.
    """
    answers = _Answers(yes, disable_machines)
    if file is None:
        _settle_present(settings, answers)
        return
    existing_service.must_be_root()
    privileges.leave_groups()
    folder, store_file = Folder(settings.data), backup.store_file(settings, "pg_restore")
    secret = _secret(settings, passphrase_file)
    if not folder.is_new or store_file.parent.exists():
        raise _exists(store_file)
    with (
        unlocking.database(),
        _one_sentence(file, store_file, passphrase_file),
        file.open("rb") as sealed,
        folder.founding(),
        _restored(folder, store_file, sealed, secret) as store,
    ):
        instance = service.identity(store)
        done = _settle(store, answers)
    print(done)
    print(f"Instance {instance} is in {folder.path}; `meshwg up` with the unlock secret of its day goes on with it.")


@contextmanager
def _restored(folder: Folder, store_file: Path, sealed: BinaryIO, secret: str) -> Iterator[Store]:
    user = web_user()
    folder.check_reach(user)
    with service.restored(sealed, store_file, secret, user) as store:
        yield store


def _settle_present(settings: Settings, answers: _Answers) -> None:
    """Settle a store that PostgreSQL's tools or a disk snapshot brought back."""
    with existing_service.opened(settings) as found, found.at_rest():
        migration.upgrade(found.store)
        print(_settle(found.store, answers))


def _settle(store: Store, answers: _Answers) -> str:
    now = times.now()
    _show(
        restored_access.listing(
            restoration.revived(store, now), restoration.revived_operators(store), restoration.newest(store)
        )
    )
    disable_machines = answers.disable_machines
    if not answers.yes:
        if not sys.stdin.isatty():
            raise CommandError(
                f"Nobody is there to ask, and nothing was restored; {_YES} restores what is listed, and {_DISABLE} "
                "brings all machines back disabled.",
                Exit.REFUSED,
            )
        _ask("Does all of this come back?", otherwise="Nothing was restored.")
        disable_machines = disable_machines or _says_yes(
            "Do all machines come back disabled, each to be enabled again?"
        )
    settled = restoration.settle(store, now, disable_machines=disable_machines)
    operations.note(store, command_log.RESTORED, machines_disabled=settled.disabled)
    return restored_access.told(settled)


def _show(lines: Iterable[str]) -> None:
    try:
        print(*lines, sep="\n", flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandError(
            f"The list of what comes back can't be written ({error.strerror}), and nothing was restored.",
            Exit.CANNOT_CREATE,
        ) from None


def _ask(question: str, otherwise: str) -> None:
    if not _says_yes(question):
        raise CommandError(otherwise, Exit.REFUSED)


def _says_yes(question: str) -> bool:
    try:
        return typer.confirm(question)
    except typer.Abort:
        print()
        raise CommandError("Nothing was restored.", Exit.REFUSED) from None


def _secret(settings: Settings, passphrase_file: Path | None) -> str:
    given = (secrets.passphrase(passphrase_file),) if passphrase_file is not None else secrets.given(settings)
    for secret in given:
        return secret
    raise CommandError(
        f"A backup opens with its unlock secret; set {SECRET_FILE_VARIABLE} or {SECRET_VARIABLE}.",
        Exit.NOT_CONFIGURED,
    )


@contextmanager
def _one_sentence(file: Path, store_file: Path, passphrase_file: Path | None) -> Iterator[None]:
    try:
        yield
    except WrongSecret:
        raise CommandError(
            f"This {'unlock secret' if passphrase_file is None else 'passphrase'} does not open the backup {file}.",
            Exit.NOT_CONFIGURED,
        ) from None
    except InvalidArchive as error:
        raise CommandError(f"{file} {error}; nothing was restored.", Exit.NO_INPUT) from None
    except FileExistsError:
        raise _exists(store_file) from None
    except BrokenPipeError:
        # The reader of the list has ended.
        raise
    except OSError as error:
        opened = error.filename == str(file)
        what = f"{file} can't be read" if opened else f"The store in {store_file.parent} can't be written"
        raise CommandError(f"{what}: {error.strerror}.", Exit.NO_INPUT if opened else Exit.CANNOT_CREATE) from None


def _exists(store_file: Path) -> CommandError:
    return CommandError(
        f"There is a store in {store_file.parent} already; a backup is restored into a new data folder.",
        Exit.CANNOT_CREATE,
    )
