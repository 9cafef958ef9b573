"""Plain reasons in place of drivers' messages."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from appliance.cli import existing_service, reasons, unlocking
from appliance.cli.errors import CommandError, Exit
from appliance.cli.settings import resolve
from appliance.store import Store, migration


def refusal(url: str) -> str:
    with pytest.raises(CommandError) as refused, unlocking.database(), Store(url).read() as transaction:
        transaction.exec_driver_sql("SELECT * FROM sqlite_schema")
    assert refused.value.code is Exit.CANNOT_CREATE
    return str(refused.value)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite:////proc/none/x", "its file can't be opened"),
        ("sqlite:///{garbage}", "its file is damaged, or no SQLite database"),
        ("postgresql+psycopg://meshwg@127.0.0.1:1/meshwg", "no server answers"),
        ("postgresql+psycopg://meshwg@/meshwg?host=/nowhere", "no server answers"),
        ("postgresql+psycopg://meshwg@nowhere.invalid/meshwg", "its server's name can't be resolved"),
        ("nonsense", "--database-url takes a URL such as postgresql+psycopg://USER@HOST/NAME"),
        ("nonsense://meshwg", "--database-url takes a URL such as postgresql+psycopg://USER@HOST/NAME"),
        ("postgresql+asyncpg://meshwg@/meshwg", "its driver asyncpg is not installed"),
    ],
)
def test_errors_of_databases_have_plain_reasons(url: str, reason: str, tmp_path: Path) -> None:
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"no database" * 1000)
    assert refusal(url.format(garbage=garbage)) == f"The database can't be used: {reason}."


def test_a_store_of_a_later_version_is_refused(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'new.sqlite'}")
    migration.upgrade(store)
    with store.write() as transaction:
        transaction.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(CommandError) as refused, unlocking.database():
        migration.upgrade(store)
    store.close()
    assert refused.value.code is Exit.NOT_CONFIGURED
    assert str(refused.value) == (
        "The store was made by a later version of MeshWG: start that one, or restore a backup from before the upgrade."
    )


def test_a_missing_store_may_be_that_of_another_file_of_settings(tmp_path: Path) -> None:
    settings = resolve({"data": str(tmp_path / "data")})
    with pytest.raises(CommandError) as refused, existing_service.opened(settings):
        pass
    assert refused.value.code is Exit.NOT_CONFIGURED
    assert str(refused.value).startswith(f"There is no store in {tmp_path / 'data' / 'store'}: `meshwg up` makes one.")
    assert "name that here too (--config or MESHWG_CONFIG)" in str(refused.value)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"listen", "is no TOML; look at line 1, column 7"),
        (b'listen = "x"\nlisten = "y"', "is no TOML; look at line 2, column 13"),
        (b'listen = """', "is no TOML, or not to its end"),
        (b"x = " + b"[" * 100_000, "is no TOML, or not to its end"),
        (b'listen = "\xff"', "has to be text in UTF-8, and is not"),
    ],
)
def test_errors_of_configuration_files_have_plain_reasons(content: bytes, fault: str, tmp_path: Path) -> None:
    file = tmp_path / "meshwg.toml"
    file.write_bytes(content)
    with pytest.raises(CommandError) as refused:
        resolve({}, file)
    assert str(refused.value).startswith(f"The configuration file {file} is no TOML" if "TOML" in fault else "The c")
    assert fault.partition(";")[0] in str(refused.value)
    assert refused.value.code is Exit.NOT_CONFIGURED


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("attempt to write a readonly database", "it is read-only"),
        ("database or disk is full", "its disk is full"),
        ("database is locked", "another program holds it"),
        ('FATAL:  password authentication failed for user "meshwg"', "the server does not take this user's password"),
        ('connection failed: FATAL:  role "meshwg" does not exist', "the server has no such user"),
        ('connection failed: FATAL:  database "meshwg" does not exist', "the server has no such database"),
    ],
)
def test_known_driver_messages_have_plain_reasons(said: str, reason: str) -> None:
    assert reasons.of_database(sqlite3.OperationalError(said)) == reason
    assert reasons.of_database(OperationalError("SELECT", {}, sqlite3.OperationalError(said))) == reason


def test_unknown_driver_messages_are_quoted() -> None:
    error = OperationalError("SELECT", {}, sqlite3.OperationalError("not authorized.\nand more"))
    assert reasons.of_database(error) == "it says “not authorized”"
