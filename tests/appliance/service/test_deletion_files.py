"""The store's files keep nothing of a deleted organization."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from appliance.model.errors import Unavailable
from appliance.service import Context, deletion, machines, organizations
from appliance.store import organizations as stored
from appliance.store import times
from tests.appliance.conftest import sign_up
from tests.appliance.fakes import FakeHub
from tests.appliance.rows import everything
from tests.appliance.sites import make_store


@pytest.fixture
def filed(tmp_path: Path, hub: FakeHub) -> tuple[Context, Path]:
    """Provides a context on SQLite, and the folder of its files."""
    folder = tmp_path / "files"
    folder.mkdir()
    return Context(make_store(folder / "store.sqlite"), hub, "vpn.example.net:51820"), folder


def test_the_store_s_files_keep_nothing_of_an_organization(filed: tuple[Context, Path]) -> None:
    context, folder = filed
    kept = sign_up(context, "kept@example.net")
    owner = sign_up(context, "gone@example.net")
    organizations.change(context, owner, name="zebra-crossing", plan="paid")
    # Enough to fill pages, so that some become free.
    for number in range(60):
        issued = machines.add(context, owner, name=f"yak-{number}-" + "x" * 200, groups=["wombats"])
    machines.add(context, kept, name="stays")
    with context.store.read() as transaction:
        state = stored.desired(transaction, owner.organization_id)
    assert state is not None
    traces = [
        b"zebra-crossing",
        b"yak-",
        b"wombats",
        b"gone@example.net",
        issued.machine.public_key.encode(),
        owner.organization_id.encode(),
        owner.member_id.encode(),
        state.hub_public_key.encode(),
        state.sealed_data_key,
        state.sealed_private_key,
    ]
    assert all(found_in(folder, trace) for trace in traces)
    deletion.delete(context, owner, confirm="zebra-crossing")
    assert [trace for trace in traces if found_in(folder, trace)] == []
    assert found_in(folder, b"stays")
    context.store.close()


def test_files_that_are_being_read_are_scrubbed_later(filed: tuple[Context, Path]) -> None:
    context, folder = filed
    owner = sign_up(context, "gone@example.net")
    with context.store.read() as reader:
        everything(reader)
        deletion.delete(context, owner, confirm="acme-networks")
        assert found_in(folder, b"gone@example.net")
    deletion.resume(context, times.now())
    assert not found_in(folder, b"gone@example.net")
    context.store.close()


def test_files_that_can_t_be_written_are_scrubbed_later(
    filed: tuple[Context, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Makes SQLite raise its own errors, which must not end the loop that tries again."""
    context, folder = filed
    owner = sign_up(context, "gone@example.net")

    def refuse(*_: Any, **__: Any) -> sqlite3.Connection:
        raise sqlite3.OperationalError("unable to open database file")

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", refuse)
        assert deletion.delete(context, owner, confirm="acme-networks")["machines"] == 0
        with pytest.raises(Unavailable):
            deletion.resume(context, times.now())
    deletion.resume(context, times.now())
    assert not found_in(folder, b"gone@example.net")
    context.store.close()


def found_in(folder: Path, trace: bytes) -> bool:
    return any(trace in file.read_bytes() for file in folder.iterdir())
