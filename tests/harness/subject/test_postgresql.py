"""PostgreSQL in a lab, and the words about a machine that can't run it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import create_engine, text

from harness.subject import postgresql
from harness.subject.kinds import OwnService
from harness.subject.postgresql import PostgreSql, why_not
from harness.subject.subject import Site
from netlab import Lab, LabHost
from netlab.process import Completed


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as made:
        yield made


def test_a_server_stores_dumps_and_loads(lab: Lab) -> None:
    host = lab.host("hub")
    if (missing := why_not(host)) is not None:
        pytest.skip(missing)
    server = PostgreSql(host)
    engine = create_engine(server.url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE kept (word text)"))
        connection.execute(text("INSERT INTO kept VALUES ('zzyzx')"))
    engine.dispose()
    dump = server.dump()
    assert "zzyzx" in dump
    with engine.begin() as connection:
        connection.execute(text("UPDATE kept SET word = 'later'"))
    engine.dispose()
    server.load(dump)
    assert "zzyzx" in (again := server.dump())
    assert "later" not in again


@pytest.mark.long
def test_a_second_server_begins_as_empty_as_the_first(lab: Lab, tmp_path: Path) -> None:
    hosts = lab.host("first"), lab.host("second")
    if (missing := why_not(hosts[0])) is not None:
        pytest.skip(missing)
    first = PostgreSql(hosts[0], tmp_path / "cache")
    empty = _stored(first)
    (kept,) = (tmp_path / "cache").iterdir()
    made = kept.stat().st_ino
    engine = create_engine(first.url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE kept (word text)"))
    engine.dispose()
    assert _stored(PostgreSql(hosts[1], tmp_path / "cache")) == empty != _stored(first)
    assert [each.stat().st_ino for each in (tmp_path / "cache").iterdir()] == [made]


def test_a_cache_that_can_t_be_written_is_done_without(lab: Lab, tmp_path: Path) -> None:
    host = lab.host("hub")
    if (missing := why_not(host)) is not None:
        pytest.skip(missing)
    (tmp_path / "file").write_text("")
    assert "PostgreSQL database dump" in PostgreSql(host, tmp_path / "file" / "cache").dump()


def _stored(server: PostgreSql) -> str:
    # Newer versions fence their dumps in with a random word.
    return "\n".join(line for line in server.dump().splitlines() if "restrict " not in line)


def test_a_service_without_postgresql_takes_sqlite_and_says_so(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "why_not", lambda _: "it is not installed")
    own = OwnService(Site(lab, lab.host("hub"), "192.0.2.1", "", ""), has_postgresql=True)
    assert own.store == "SQLite, because PostgreSQL, which was chosen, is not possible here: it is not installed"
    assert own.service.database_url.startswith("sqlite:///")


def test_a_machine_without_user_namespaces_can_t_run_it() -> None:
    class Host:
        """A host that has each program, and lets none make a user namespace."""

        def which(self, program: str) -> str:
            return f"/usr/bin/{program}"

        def run(self, *argv: str, check: bool) -> Completed:
            del check
            return Completed(argv, 1, "", "unshare failed", 0.0)

    assert why_not(cast("LabHost", Host())) == "there are no user namespaces, and it does not run as root"
