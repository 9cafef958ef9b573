"""A store whose server is gone without a word, and a server whose client is."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text

from appliance.cli.child import GRACE_S
from appliance.model.errors import Unavailable
from appliance.store import Store
from netlab import Lab, LabHost
from tests.appliance.postgres import ordinary, program
from tests.waiting import DEADLINE, wait_until

pytestmark = pytest.mark.full

_SERVER, _CLIENT = "198.51.100.61", "198.51.100.1"


@dataclass(frozen=True)
class Pair:
    """A host with PostgreSQL, and one with a store in it."""

    server: LabHost
    client: LabHost
    store: Store

    def read(self, statement: str = "SELECT 1") -> None:
        """Reads at the client."""

        def once() -> None:
            with self.store.read() as transaction:
                transaction.execute(text(statement))

        self.client.in_network(once)

    def refused_after(self, call: Callable[[], None]) -> float:
        """Returns the seconds that a call takes which is refused for now."""
        begun = time.monotonic()
        with pytest.raises(Unavailable):
            call()
        return time.monotonic() - begun

    def statements(self) -> list[str]:
        """Returns the last statement of each session that the server has of the client."""
        query = "SELECT host(client_addr), query FROM pg_stat_activity"
        command = (
            "psql",
            "--tuples-only",
            "--no-align",
            "--host",
            _SERVER,
            "--user",
            "m",
            "--command",
            query,
            "postgres",
        )
        lines = self.server.run(*command).stdout.splitlines()
        return [line.removeprefix(f"{_CLIENT}|") for line in lines if line.startswith(f"{_CLIENT}|")]


def vanish(host: LabHost) -> None:
    """Has a host hear and send no TCP any more, as if its power were lost; its address at the link stays known."""
    for hook, way in (("input", "iifname"), ("output", "oifname")):
        host.run("nft", f"add table inet gone; add chain inet gone {hook} {{ type filter hook {hook} priority 0; }}")
        host.run("nft", f'add rule inet gone {hook} {way} != "lo" meta l4proto tcp drop')


@contextmanager
def running(server: LabHost) -> Iterator[None]:
    """Runs PostgreSQL on a host."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="pg-") as folder:
        data = Path(folder) / "data"
        made = [*ordinary(), program("initdb"), "--no-sync", "--auth=trust", "--username=m", f"--pgdata={data}"]
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL)
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all 198.51.100.0/24 trust\n")
        words = ("-D", data, "-k", folder, "-c", f"listen_addresses={_SERVER}", "-c", "fsync=off")
        process = server.start(*ordinary(), program("postgres"), *words, log="postgres")
        wait_until(lambda: server.run("pg_isready", "--host", _SERVER, check=False).returncode == 0, process.log_text)
        yield
        process.stop()


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Provides a server, and a store at another host that has a connection to it."""
    with Lab() as lab:
        server, client, switch = lab.host("server"), lab.host("client"), lab.switch("inner")
        lab.connect(server, switch, f"{_SERVER}/24")
        lab.connect(client, switch, f"{_CLIENT}/24")
        with running(server):
            made = Pair(server, client, Store(f"postgresql+psycopg://m@{_SERVER}/postgres"))
            made.read()
            yield made
            made.store.close()


def test_a_process_gives_a_vanished_server_up_in_time(pair: Pair) -> None:
    vanish(pair.server)
    stale = pair.refused_after(pair.read)
    new = pair.refused_after(pair.read)
    print(f"a connection that was there is given up after {stale:.1f} s, a new one after {new:.1f} s")
    # A process that ends is killed after this time.
    assert stale < GRACE_S


def test_a_statement_under_way_ends_with_its_server(pair: Pair) -> None:
    with ThreadPoolExecutor(1) as pool:
        refusal = pool.submit(pair.refused_after, lambda: pair.read(f"SELECT pg_sleep({10 * DEADLINE})"))
        wait_until(lambda: any("pg_sleep" in each for each in pair.statements()))
        begun = time.monotonic()
        vanish(pair.server)
        refusal.result(DEADLINE)
        seconds = time.monotonic() - begun
    print(f"a statement whose server is gone fails after {seconds:.1f} s")
    assert seconds < GRACE_S


def test_a_server_forgets_a_vanished_client(pair: Pair) -> None:
    assert len(pair.statements()) == 1
    begun = time.monotonic()
    vanish(pair.client)
    wait_until(lambda: pair.statements() == [])
    print(f"a session of a client that is gone ends after {time.monotonic() - begun:.1f} s")
