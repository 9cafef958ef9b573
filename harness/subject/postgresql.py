"""PostgreSQL on a host of the lab, as the store of the lab's own service."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from harness.judging.verdicts import Inconclusive
from harness.paths import CACHE
from netlab import LabHost, Process, wait_until

_DEADLINE_S = 120.0
_USER, _NAME = "meshwg", "meshwg"
# PostgreSQL refuses to run as root, and looks up the name of its user. Every machine has this one.
_NOBODY = pwd.getpwnam("nobody")
_ORDINARY = ("unshare", "--user", f"--map-user={_NOBODY.pw_uid}", f"--map-group={_NOBODY.pw_gid}", "--")
# The lab outlives no crash of the machine, so nothing waits for a disk.
_SETTINGS = ("fsync=off", "full_page_writes=off", "listen_addresses=")


def why_not(host: LabHost) -> str | None:
    """Returns the reason why a host can't run PostgreSQL; None if it can."""
    if any(_find(host, program) is None for program in ("initdb", "postgres", "pg_dump", "psql")):
        return "it is not installed"
    if host.run(*_ORDINARY, "true", check=False).returncode != 0:
        return "there are no user namespaces, and it does not run as root"
    return None


class PostgreSql:
    """A server with one empty database, reached by a Unix socket. It runs until the lab closes.

    Its data folder is a copy of one that an earlier server of the same programs was made with, if there is one:
    making it anew takes most of a start.

    Args:
        host: host on which it runs.
        cache: folder for such data folders.

    Raises:
        Inconclusive: it does not start.

    Attributes:
        url: URL of the database, as the service's ``--database-url`` takes it.
    """

    def __init__(self, host: LabHost, cache: Path = CACHE / "postgresql") -> None:
        self._host = host
        # A path of a socket is short (unix(7)).
        self._folder = host.folder / "pg"
        self._folder.mkdir(mode=0o755)
        self.url = f"postgresql+psycopg://{_USER}@/{_NAME}?host={self._folder}"
        self._make_data(cache / _version(self._program("postgres")))
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        server = host.start(
            *(*_ORDINARY, self._program("postgres"), "-D", "data", "-k", str(self._folder), *settings),
            log="postgresql",
            cwd=self._folder,
        )
        self._wait(server)

    def dump(self) -> str:
        """Returns everything that is stored, as SQL."""
        return self._run("pg_dump", f"--host={self._folder}", f"--username={_USER}", _NAME)

    def load(self, dump: str) -> None:
        """Puts a dump in place of everything that is stored.

        Args:
            dump: result of `dump`.
        """
        for command in (f"DROP DATABASE {_NAME} WITH (FORCE)", f"CREATE DATABASE {_NAME}"):
            self._sql("postgres", "--command", command)
        self._sql(_NAME, "--single-transaction", input=dump)

    def _sql(self, database: str, *words: str, input: str | None = None) -> None:
        place = (f"--host={self._folder}", f"--username={_USER}", f"--dbname={database}")
        self._run("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", *place, *words, input=input)

    def _make_data(self, kept: Path) -> None:
        data = self._folder / "data"
        if _is_own(kept):
            shutil.copytree(kept, data, symlinks=True)
            return
        self._run("initdb", "--no-sync", "--auth=trust", f"--username={_USER}", f"--pgdata={data.name}")
        # Without a server, and so before the first one looks at the folder.
        self._run("postgres", "--single", "-D", data.name, "postgres", input=f"CREATE DATABASE {_NAME}\n")
        with suppress(OSError):
            _keep(data, kept)

    def _wait(self, server: Process) -> None:
        socket = self._folder / ".s.PGSQL.5432"

        def is_decided() -> bool:
            return server.poll() is not None or (socket.exists() and "ready to accept" in server.log_text())

        if not wait_until(is_decided, _DEADLINE_S) or server.poll() is not None:
            raise Inconclusive(f"PostgreSQL did not start: {server.log_text()[-2000:]}")

    def _run(self, program: str, *words: str, input: str | None = None) -> str:
        done = self._host.run(
            *(*_ORDINARY, self._program(program), *words),
            input=input,
            cwd=self._folder,
            env={"LC_ALL": "C.UTF-8"},
            timeout=_DEADLINE_S,
            check=False,
        )
        if done.returncode != 0:
            raise Inconclusive(f"PostgreSQL's {program} failed: {done.stderr[-2000:]}")
        return done.stdout

    def _program(self, name: str) -> str:
        found = _find(self._host, name)
        if found is None:
            raise Inconclusive(f"there is no {name}, which PostgreSQL needs")
        return found


def _find(host: LabHost, program: str) -> str | None:
    """Returns the path of a program of PostgreSQL; Debian has a folder of them for each version, outside of PATH."""
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    return str(installed[-1]) if installed else host.which(program)


def _version(program: str) -> str:
    """Returns a name for this program as it is now: an upgrade may change the form of its data."""
    found = Path(program).stat()
    return hashlib.sha256(f"{program} {found.st_size} {found.st_mtime_ns}".encode()).hexdigest()[:16]


def _is_own(folder: Path) -> bool:
    # PostgreSQL reads no folder of another user, and neither can this process.
    return folder.is_dir() and folder.stat().st_uid == os.geteuid()


def _keep(data: Path, kept: Path) -> None:
    """Keeps a copy of a data folder. It appears as a whole; of two at once, one is kept.

    Raises:
        OSError: it can't be written, or is kept already.
    """
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        shutil.copytree(data, Path(folder) / "data", symlinks=True).rename(kept)
