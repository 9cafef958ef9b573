"""An operator's command and its entry in the log of operations are stored together, or neither is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from appliance.cli import admin, factors, operators, sign_up_links
from appliance.cli.errors import CommandError
from appliance.model.errors import Unavailable
from appliance.model.organization import Member, Role
from appliance.store import Store, passkeys, people, times
from appliance.store import operations as command_log
from appliance.store.passkeys import Passkey
from tests.appliance.rows import everything
from tests.appliance.sealed import ACME, sealed_store

EMAIL = "asha@example.net"
OTHER = "ravi@example.net"

COMMANDS: dict[str, Callable[[Path], object]] = {
    command_log.PLAN_CHANGED: lambda data: admin.change_plan(ACME, "paid", data=data),
    command_log.INVITED: lambda data: admin.invite(ACME, OTHER, data=data),
    command_log.INVITATION_REVOKED: lambda data: admin.take_invitation_back(ACME, OTHER, data=data),
    command_log.SIGN_UP_INVITED: lambda data: sign_up_links.add(data=data),
    command_log.SIGN_UP_REVOKED: lambda data: sign_up_links.revoke(everyone=True, data=data),
    command_log.RESET_LINK_ISSUED: lambda data: admin.reset_link(EMAIL, data=data),
    command_log.VERIFICATION_LINK_ISSUED: lambda data: admin.verification_link(EMAIL, data=data),
    command_log.FACTOR_REMOVAL_BEGUN: lambda data: factors.remove(EMAIL, data=data),
    command_log.FACTOR_REMOVAL_STOPPED: lambda data: factors.keep(EMAIL, data=data),
    command_log.OPERATOR_ADDED: lambda data: operators.add(EMAIL, data=data),
    command_log.OPERATOR_REMOVED: lambda data: operators.remove(EMAIL, data=data),
}
"""Commands by their entry, in an order in which each finds what it needs."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Provides a store in a data folder, with an organization whose owner has a passkey."""
    (tmp_path / "store").mkdir()
    made = sealed_store(tmp_path / "store", "meshwg.sqlite")
    with made.write() as transaction:
        people.create(transaction, Member("asha", ACME, EMAIL, "", Role.OWNER), times.now())
        passkeys.create(transaction, Passkey("p", "asha", b"p", b"", 0, "a", times.now()))
    return made


def rows(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    with store.read() as transaction:
        return everything(transaction)


def test_a_command_that_can_t_be_recorded_does_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> NoReturn:
        raise Unavailable("away")

    for action, command in COMMANDS.items():
        before = rows(store)
        with monkeypatch.context() as patch:
            patch.setattr(command_log, "record", fail)
            with pytest.raises(CommandError, match="away"):
                command(tmp_path)
        assert rows(store) == before, action
        command(tmp_path)
        with store.read() as transaction:
            assert command_log.latest(transaction, 1)[0].action == action
    assert len(rows(store)["operations"]) == len(COMMANDS)
