"""Measures what etcd and PostgreSQL of this machine do with the requests that many hubs make.

Three members of etcd and one server of PostgreSQL on loopback, with their data in a new folder, and clients beside them
on the same processors: so the figures are what they do at least. For `deploy/hubs/measure`.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psycopg

_HERE = "127.0.0.1"
_CLIENTS = (23791, 23792, 23793)
_PEERS = (23801, 23802, 23803)
_DEADLINE_S = 60.0
_KEY = base64.b64encode(b"meshwg/shards/abc/owner").decode()


def main() -> None:
    """Measures, and prints one line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="time of each measurement")
    parser.add_argument("--at-once", type=int, default=8, help="clients at a time")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where the data lies")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder, prefix="engines-") as name:
        folder = Path(name)
        with etcd(folder):
            lease = _asked(HTTPConnection(_HERE, _CLIENTS[0]), "lease/grant", {"TTL": 3600})["ID"]
            _tell("etcd: reads of an owner that a majority confirms", _rate(given, _reader))
            _tell("etcd: renewals of a lease, each with such a read", _rate(given, lambda n: _renewer(n, lease)))
        with postgresql(folder) as url:
            _tell("PostgreSQL: commits of one changed row after a check of the fence", _rate(given, _committer(url)))


def _tell(what: str, rate: float) -> None:
    print(f"{what}: {rate:.0f}/s", flush=True)


def _rate(given: argparse.Namespace, make: Callable[[int], tuple[Callable[[], object], Callable[[], None]]]) -> float:
    """Calls as often as possible, in threads; returns calls a second."""
    counts, ends = [0] * given.at_once, time.monotonic() + given.seconds

    def work(number: int) -> None:
        call, close = make(number)
        while time.monotonic() < ends:
            call()
            counts[number] += 1
        close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(given.at_once)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return float(sum(counts) / given.seconds)


def _asked(connection: HTTPConnection, call: str, body: dict[str, Any]) -> Any:
    connection.request("POST", f"/v3/{call}", json.dumps(body))
    return json.loads(connection.getresponse().read())


def _reader(number: int) -> tuple[Callable[[], object], Callable[[], None]]:
    connection = HTTPConnection(_HERE, _CLIENTS[number % len(_CLIENTS)])
    return lambda: _asked(connection, "kv/range", {"key": _KEY}), connection.close


def _renewer(number: int, lease: str) -> tuple[Callable[[], object], Callable[[], None]]:
    connection = HTTPConnection(_HERE, _CLIENTS[number % len(_CLIENTS)])

    def renew() -> None:
        _asked(connection, "lease/keepalive", {"ID": lease})
        _asked(connection, "kv/range", {"key": _KEY})

    return renew, connection.close


def _committer(url: str) -> Callable[[int], tuple[Callable[[], object], Callable[[], None]]]:
    def make(number: int) -> tuple[Callable[[], object], Callable[[], None]]:
        session = psycopg.connect(url)

        def commit() -> None:
            session.execute("UPDATE organization SET revision = revision + 1 WHERE id = %s", (number,))
            session.execute("SELECT fence FROM shard WHERE id = 1 FOR SHARE")
            session.commit()

        return commit, session.close

    return make


@contextmanager
def etcd(folder: Path) -> Iterator[None]:
    """Runs three members, and waits until they answer."""
    peers = ",".join(f"m{number}=http://{_HERE}:{port}" for number, port in enumerate(_PEERS))
    with ExitStack() as stack:
        for number, (client, peer) in enumerate(zip(_CLIENTS, _PEERS, strict=True)):
            clients, own = f"http://{_HERE}:{client}", f"http://{_HERE}:{peer}"
            command = ["etcd", "--name", f"m{number}", "--data-dir", str(folder / f"m{number}"), "--log-level", "error"]
            command += ["--initial-cluster", peers, "--initial-advertise-peer-urls", own, "--listen-peer-urls", own]
            command += ["--listen-client-urls", clients, "--advertise-client-urls", clients]
            stack.enter_context(_running(command))
        _wait(lambda: "header" in _asked(HTTPConnection(_HERE, _CLIENTS[0], timeout=2), "kv/range", {"key": _KEY}))
        yield


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """Runs a server with the two tables; yields how to connect to it."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    # It does not run as root.
    ordinary = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []
    data = folder / "postgresql"
    data.mkdir()
    folder.chmod(0o755)
    if ordinary:
        shutil.chown(data, 65534, 65534)
    made = [*ordinary, str(programs / "initdb"), "--auth=trust", "--username=m", f"--pgdata={data}"]
    subprocess.run(made, check=True, stdout=subprocess.DEVNULL)
    url = f"host={data} user=m dbname=postgres"
    with _running([*ordinary, str(programs / "postgres"), "-D", str(data), "-k", str(data), "-c", "listen_addresses="]):
        _wait(partial(_answers, url))
        with closing(psycopg.connect(url, autocommit=True)) as session:
            session.execute("CREATE TABLE shard AS SELECT 1 AS id, 7 AS fence")
            session.execute("CREATE TABLE organization (id integer PRIMARY KEY, revision integer)")
            session.execute("INSERT INTO organization SELECT number, 0 FROM generate_series(0, 99) AS number")
        yield url


@contextmanager
def _running(command: list[str]) -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/") as process:
        try:
            yield
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    psycopg.connect(url).close()
    return True


def _wait(is_there: Callable[[], bool]) -> None:
    ends = time.monotonic() + _DEADLINE_S
    while True:
        try:
            if is_there():
                return
        except (OSError, ValueError, psycopg.OperationalError):
            if time.monotonic() > ends:
                raise
        time.sleep(0.1)


if __name__ == "__main__":
    main()
