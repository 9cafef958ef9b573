"""Backup and restore of a service's store, with the commands that docs/operating.md names for them."""

from __future__ import annotations

from pathlib import Path

from harness.subject.service import Service


def back_up(service: Service) -> Path:
    """Writes everything that a running service stores into a file outside of its data folder.

    Returns:
        The file, for `restore`.

    Raises:
        Inconclusive: a command fails.
    """
    file = service.host.folder / "backup"
    if service.postgresql is not None:
        file.write_text(service.postgresql.dump())
    else:
        service.operate("backup", "--force", str(file), failure="there is no backup")
    return file


def restore(service: Service, file: Path) -> str:
    """Puts what a backup has in place of what a stopped service stores.

    Args:
        file: result of `back_up`.

    Returns:
        The list of what works again, and what was done, as the operator's command prints them.

    Raises:
        Inconclusive: a command fails.
    """
    failure = "nothing was restored"
    if service.postgresql is not None:
        service.postgresql.load(file.read_text())
        return service.operate("restore", "--yes", failure=failure)
    # A backup is restored into a new folder. What remains of the data folder is the certificate that clients know.
    lost = service.host.folder / "lost"
    lost.mkdir(exist_ok=True)
    store = service.data / "store"
    store.rename(lost / str(len(list(lost.iterdir()))))
    return service.operate("restore", "--yes", str(file), failure=failure)
