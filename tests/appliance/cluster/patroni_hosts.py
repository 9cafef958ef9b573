"""PostgreSQL under Patroni in a lab, and HAProxy before it, by the files of `deploy/hubs/example`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance.cli.settings import resolve
from netlab import LabHost, Link, Process
from tests.appliance.cluster.etcd_members import EtcdMembers
from tests.appliance.cluster.example import EXAMPLE, installed
from tests.appliance.cluster.up_hosts import World, end_all
from tests.appliance.postgres import ordinary, program
from tests.waiting import wait_until

_NETWORK = "198.51.100"
_SUPERUSER = {"PGUSER": "postgres", "PGPASSWORD": "change-me", "PGCONNECT_TIMEOUT": "2"}
_OWN_FILES = "unix_socket_directories: {}, dynamic_shared_memory_type: mmap"


@dataclass
class DatabaseHost:
    """A host with PostgreSQL under Patroni.

    Attributes:
        address: for the other hosts.
        file: Patroni's configuration.
        processes: the runs of Patroni so far, the latest last.
    """

    host: LabHost
    link: Link
    address: str
    file: Path
    processes: list[Process]

    @property
    def name(self) -> str:
        return self.host.name

    def start(self) -> None:
        """Has the host in the network, with Patroni running, which starts PostgreSQL."""
        self.link.up()
        home = {"HOME": str(self.file.parent)}
        self.processes.append(self.host.start(*ordinary(), installed("patroni"), self.file, env=home, log="patroni"))

    def lose_power(self) -> None:
        """Ends every program at once, with the link down; nobody is told."""
        self.link.down()
        end_all(self.host)


@dataclass
class Databases:
    """Hosts with PostgreSQL, of which one leads."""

    hosts: list[DatabaseHost]

    def roles(self) -> dict[str, str]:
        """Returns the roles of the members that are up, by name, as any host tells them."""
        for each in self.hosts:
            done = self._patronictl(each, "list", "--format", "json")
            if done is not None:
                return {
                    member["Member"]: member["Role"]
                    for member in json.loads(done)
                    if member["State"] in {"running", "streaming"}
                }
        return {}

    def standing(self) -> tuple[DatabaseHost, DatabaseHost]:
        """Waits until one host leads and the other one confirms what it writes; returns them in this order."""
        wait_until(lambda: sorted(self.roles().values()) == ["Leader", "Sync Standby"], self.log)
        roles = self.roles()
        leader, standby = sorted(self.hosts, key=lambda each: roles[each.name])
        return leader, standby

    def switch_over(self) -> None:
        """Has the other host lead, as operators do it."""
        leader, standby = self.standing()
        words = ("switchover", "meshwg", "--leader", leader.name, "--candidate", standby.name, "--force")
        assert self._patronictl(leader, *words) is not None

    def ask(self, at: DatabaseHost, *statements: str, database: str = "postgres") -> str:
        """Has the server of a host execute statements as superuser; returns what it prints."""
        words = [word for each in statements for word in ("--command", each)]
        command = (
            "psql",
            "--no-psqlrc",
            "--tuples-only",
            "--no-align",
            "--host",
            at.address,
            "--dbname",
            database,
            *words,
        )
        return at.host.run(*command, env=_SUPERUSER).stdout.strip()

    def log(self) -> str:
        """Returns what Patroni and PostgreSQL have written."""
        return "\n".join(each.processes[-1].log_text() for each in self.hosts)

    @staticmethod
    def _patronictl(at: DatabaseHost, *words: str) -> str | None:
        """Runs a command on a host; returns its output, or None if it fails, as on a host without power."""
        home = {"HOME": str(at.file.parent)}
        done = at.host.run(installed("patronictl"), "--config-file", at.file, *words, check=False, env=home)
        return done.stdout if done.returncode == 0 else None


@contextmanager
def databases(world: World) -> Iterator[Databases]:
    """Starts two hosts with PostgreSQL, and HAProxy on each host of hubs; the database is there, and empty."""
    program("postgres")
    # In memory, as other tests wait for the disk.
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="patroni-") as folder:
        made = Databases([_host(world, Path(folder), number) for number in (1, 2)])
        # The first one that starts makes the cluster, and the other one copies it.
        for each in made.hosts:
            each.start()
        leader, _ = made.standing()
        made.ask(leader, "CREATE ROLE meshwg LOGIN PASSWORD 'change-me'", "CREATE DATABASE meshwg OWNER meshwg")
        for hub in world.hubs:
            _start_proxy(world, Path(folder), hub.host, made)
        yield made


def by_proxy(_: Databases) -> str:
    """Returns the database's URL as the example has it: HAProxy knows who leads."""
    found = resolve({}, EXAMPLE / "meshwg.toml").database_url
    assert found is not None
    return found


def by_list(made: Databases) -> str:
    """Returns a URL that names each host, of which the client finds the one that takes writes."""
    hosts = "&".join(f"host={each.address}:5432" for each in made.hosts)
    user = by_proxy(made).partition("@")[0]
    return f"{user}@/meshwg?{hosts}&target_session_attrs=read-write"


def _host(world: World, folder: Path, number: int) -> DatabaseHost:
    name, address = f"db{number}", f"{_NETWORK}.{60 + number}"
    host = world.lab.host(name)
    link = world.lab.connect(host, world.inner, f"{address}/24")
    own = folder / name
    (own / "sockets").mkdir(parents=True)
    identity = world.authority.identity(name, address)
    told = {
        "name: hub1": f"name: {name}",
        "[10.0.0.1:2379, 10.0.0.2:2379, 10.0.0.3:2379]": _list(world.etcd),
        "/etc/etcd/ca.pem": identity.authority,
        "/etc/etcd/host.pem": identity.certificate,
        "/etc/etcd/host.key": identity.key,
        "10.0.0.1:8008": f"{address}:8008",
        "10.0.0.1:5432": f"{address}:5432",
        "10.0.0.0/24": f"{_NETWORK}.0/24",
        "/usr/lib/postgresql/15/bin": Path(program("postgres")).parent,
        # Both hosts have the same files; and what a killed server leaves in shared memory would outlive the test.
        "data_dir: /var/lib/postgresql/meshwg": f"data_dir: {own / 'data'}",
        "  authentication:\n": f"  parameters: {{{_OWN_FILES.format(own / 'sockets')}}}\n  authentication:\n",
    }
    file = own / "patroni.yml"
    file.write_text(_replaced("patroni.yml", told))
    return DatabaseHost(host, link, address, file, [])


def _list(etcd: EtcdMembers) -> str:
    return f"[{', '.join(f'{each.host}:{each.port}' for each in etcd.endpoints)}]"


def _start_proxy(world: World, folder: Path, host: LabHost, made: Databases) -> None:
    own, identity = folder / host.name, world.authority.identity(f"pages-{host.name}")
    own.mkdir()
    both = own / "pages.pem"
    both.write_bytes(identity.certificate.read_bytes() + identity.key.read_bytes())
    told: dict[str, object] = {"/etc/haproxy/pages.pem": both}
    told |= {f"10.0.0.{number}:5432": f"{each.address}:5432" for number, each in enumerate(made.hosts, 1)}
    file = own / "haproxy.cfg"
    file.write_text(_replaced("haproxy.cfg", told))
    host.start(installed("haproxy"), "-db", "-f", file, log="haproxy")


def _replaced(name: str, told: dict[str, object]) -> str:
    text = (EXAMPLE / name).read_text()
    for example, here in told.items():
        assert example in text, example
        text = text.replace(example, str(here))
    return text
