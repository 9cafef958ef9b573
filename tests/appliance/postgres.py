"""PostgreSQL server for tests, without a TCP port and without a user of its own on the host.

pytest-postgresql does much of this, but not as root, not without a TCP port, and not on the oldest supported Python.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import TupleRow

_DEADLINE = 60.0
_USER = "meshwg"
# PostgreSQL refuses to run as root, so it runs in a user namespace that maps this user to "nobody". It looks the user's
# name up, and every machine has that one.
_NOBODY = pwd.getpwnam("nobody")
_ORDINARY = ("unshare", "--user", f"--map-user={_NOBODY.pw_uid}", f"--map-group={_NOBODY.pw_gid}", "--")
# Tests need no durability.
_SETTINGS = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "listen_addresses=", "max_connections=64")


class Cluster:
    """A PostgreSQL cluster in a folder with its Unix socket; skips the test if the machine can't have one.

    Args:
        folder: created by this class; its path has to be short enough for a socket (unix(7)).
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = (f"meshwg_{number}" for number in count())
        self._process: subprocess.Popen[bytes] | None = None
        self._session: psycopg.Connection[TupleRow] | None = None
        self._log = folder / "log"
        folder.mkdir(mode=0o755)
        subprocess.run(
            [*ordinary(), program("initdb"), "--no-sync", "--auth=trust", f"--username={_USER}", "--pgdata=data"],
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
            env=os.environ | {"LC_ALL": "C.UTF-8"},
        )

    @property
    def folder(self) -> Path:
        """Returns the folder of the socket."""
        return self._folder

    def start(self) -> None:
        """Starts the server and waits until it accepts connections."""
        assert self._process is None
        options = [word for setting in _SETTINGS for word in ("-c", setting)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*_ORDINARY, program("postgres"), "-D", "data", "-k", str(self._folder), *options],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _DEADLINE
        while True:
            try:
                psycopg.connect(self._address("postgres")).close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, self._log.read_text()
                assert time.monotonic() < deadline, self._log.read_text()
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Stops the server and ends all connections."""
        if self._session is not None:
            self._session.close()
            self._session = None
        if self._process is not None:
            # "Fast shutdown" in the server's manual.
            self._process.send_signal(signal.SIGINT)
            self._process.wait(_DEADLINE)
            self._process = None

    def create(self, template: str = "template1") -> str:
        """Creates a database; returns its name."""
        name = next(self._names)
        self._execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        return name

    def move(self, name: str, folder: Path) -> None:
        """Moves a database without connections into an empty folder of this user."""
        space = sql.Identifier(f"{name}_space")
        self._execute(sql.SQL("CREATE TABLESPACE {} LOCATION {}").format(space, sql.Literal(str(folder))))
        self._execute(sql.SQL("ALTER DATABASE {} SET TABLESPACE {}").format(sql.Identifier(name), space))

    def drop_moved(self, name: str) -> None:
        """Removes a moved database with its tablespace."""
        self.drop(name)
        self._execute(sql.SQL("DROP TABLESPACE {}").format(sql.Identifier(f"{name}_space")))

    def drop(self, name: str) -> None:
        """Removes a database and ends its connections."""
        self._execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def url(self, name: str) -> str:
        """Returns the URL of this database for `Store`."""
        return f"postgresql+psycopg://{_USER}@/{name}?host={self._folder}"

    def _execute(self, statement: sql.Composed) -> None:
        # One session for all: the server forks a process for each and fills its caches, which takes longer than most
        # of these statements.
        if self._session is None:
            self._session = psycopg.connect(self._address("postgres"), autocommit=True)
        self._session.execute(statement)

    def _address(self, name: str) -> str:
        return f"host={self._folder} user={_USER} dbname={name}"


def program(name: str) -> str:
    """Returns the path of a program of PostgreSQL; skips the test if the machine has none."""
    # Debian has one folder for each version, and only some of its programs in PATH.
    found = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))]
    file = found[-1] if found else shutil.which(name)
    if file is None:
        pytest.skip(f"no {name} is installed: ./meshwg setup installs PostgreSQL")
    return file


def ordinary() -> tuple[str, ...]:
    """Returns the words before a command that make it run as no root; skips the test if the machine can't."""
    if subprocess.run([*_ORDINARY, "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("this machine makes no user namespaces, and PostgreSQL does not run as root")
    return _ORDINARY
