"""The example installation of three hosts: its authority, and its files as the programs they are for take them."""

from __future__ import annotations

import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from appliance.cli.settings import resolve
from appliance.cluster.etcd import Identity, SocketAddress
from appliance.cluster.relay import Listener, connect
from netlab import Lab, LabHost, Process
from tests.appliance.cluster.example import EXAMPLE, installed
from tests.waiting import DEADLINE, wait_until

_HERE = "127.0.0.1"
_VISITOR = "192.0.2.200"

_WEB = """
import ssl, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        # As MeshWG does it.
        self.send_response(200 if self.headers["Host"] else 400)
        self.end_headers()
        self.wfile.write(f"{sys.argv[1]} {self.headers['X-Forwarded-For']}".encode())

server = ThreadingHTTPServer((sys.argv[4], 8443), Answers)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
server.socket = context.wrap_socket(server.socket, server_side=True)
print("ready", flush=True)
server.serve_forever()
"""


@pytest.fixture
def issued(tmp_path: Path) -> Path:
    """Provides the folder of an authority and two hosts."""
    made = tmp_path / "made"
    subprocess.run([EXAMPLE / "authority", f"hub1={_HERE}", "hub2=10.0.0.2", "--into", made], check=True)
    return made


def identity(issued: Path, name: str) -> Identity:
    """Returns the files of a host."""
    return Identity(issued / name / "ca.pem", issued / name / "host.pem", issued / name / "host.key")


def test_hosts_of_the_example_s_authority_call_each_other(issued: Path) -> None:
    def greet(connection: socket.socket, _: str) -> None:
        with connection:
            connection.sendall(b"hello")

    with closing(Listener(SocketAddress(_HERE, 0), identity(issued, "hub1"), greet)) as listener:
        where, context = SocketAddress(_HERE, listener.port), identity(issued, "hub2").context(ssl.PROTOCOL_TLS_CLIENT)
        with connect(where, "hub1", context) as connection:
            connection.settimeout(DEADLINE)
            assert connection.recv(16) == b"hello"
    for private in issued.rglob("*.key"):
        assert private.stat().st_mode & 0o077 == 0


def test_an_authority_renews_a_host_and_stays_itself(issued: Path) -> None:
    authority, before = (issued / "authority.pem").read_bytes(), (issued / "hub2" / "host.pem").read_bytes()
    subprocess.run([EXAMPLE / "authority", "hub2=10.0.0.2", "--into", issued], check=True)
    assert (issued / "authority.pem").read_bytes() == authority
    assert (issued / "hub2" / "host.pem").read_bytes() != before


def test_up_takes_the_example_s_configuration() -> None:
    settings = resolve({}, EXAMPLE / "meshwg.toml")
    assert settings.has_many_hubs
    assert settings.host_name == "hub1"
    assert len(settings.etcd) == 3


def test_the_container_has_the_settings_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    told = dict(re.findall(r"^      (MESHWG_\w+): (.+)$", (EXAMPLE / "compose.yaml").read_text(), re.MULTILINE))
    for name, value in told.items():
        monkeypatch.setenv(name, value.replace("${HOST:?}", "hub1").replace("${ADDRESS:?}", "10.0.0.1"))
    by_file = resolve({}, EXAMPLE / "meshwg.toml")
    by_variables = resolve({})
    for name in (
        "etcd",
        "host_name",
        "host_address",
        "host_ca",
        "host_cert",
        "host_key",
        "announce",
        "trusted_proxy",
        "port",
    ):
        assert getattr(by_variables, name) == getattr(by_file, name), name


def test_etcd_takes_every_variable_of_the_example() -> None:
    program = installed("etcd")
    options = subprocess.run([program, "--help"], check=False, capture_output=True, text=True)
    known = set(re.findall(r"--([a-z-]+)", options.stdout + options.stderr))
    for name in re.findall(r"^ETCD_(\w+)=", (EXAMPLE / "etcd.env").read_text(), re.MULTILINE):
        assert name.lower().replace("_", "-") in known, name


_NOT_HERE = re.compile(r"etcd3\.(hosts|cacert|cert|key)|\w+\.(listen|connect_address)|postgresql\.(data|bin)_dir")
_OPTIONAL = {"bootstrap.pg_hba", "postgresql.authentication.rewind"}


def complaints(program: str, file: Path) -> set[str]:
    """Returns the keys that Patroni complains of, but for what is on another machine, and what may be left out."""
    done = subprocess.run([program, "--validate-config", file], check=False, capture_output=True, text=True)
    keys = {line.split()[0] for line in (done.stdout + done.stderr).splitlines() if line.strip()}
    return {key for key in keys if not _NOT_HERE.match(key)} - _OPTIONAL


@pytest.mark.full
def test_patroni_takes_the_example_s_file(tmp_path: Path) -> None:
    program = installed("patroni")
    text, file = (EXAMPLE / "patroni.yml").read_text(), tmp_path / "patroni.yml"
    file.write_text(text)
    assert complaints(program, file) == set()
    # It does complain of a file that lacks something.
    file.write_text(text.replace("scope: meshwg", ""))
    assert complaints(program, file) == {"scope"}


@contextmanager
def pages(lab: Lab, issued: Path) -> Iterator[tuple[LabHost, dict[str, Process]]]:
    """Runs HAProxy with the example's file before three hosts that say who asks; yields a visitor, and their pages."""
    program = installed("haproxy")
    internet, inner, own = lab.switch("internet"), lab.switch("inner"), issued / "hub1"
    started = dict[str, Process]()
    for number in (1, 2, 3):
        host, address = lab.host(f"hub{number}"), f"10.0.0.{number}"
        lab.connect(host, inner, f"{address}/24")
        files = (own / "host.pem", own / "host.key")
        started[host.name] = host.start(sys.executable, "-c", _WEB, host.name, *files, address, log="web")
        started[host.name].wait_for_log("ready", DEADLINE)
    front, visitor = lab.host("front"), lab.host("visitor")
    lab.connect(front, inner, "10.0.0.9/24")
    lab.connect(front, internet, "192.0.2.90/24")
    lab.connect(visitor, internet, f"{_VISITOR}/24")
    both = issued / "pages.pem"
    both.write_bytes((own / "host.pem").read_bytes() + (own / "host.key").read_bytes())
    file = issued / "haproxy.cfg"
    file.write_text((EXAMPLE / "haproxy.cfg").read_text().replace("/etc/haproxy/pages.pem", str(both)))
    front.start(program, "-db", "-f", file, log="haproxy")
    yield visitor, started


@pytest.mark.full
def test_visitors_are_led_past_a_host_that_is_gone(issued: Path) -> None:
    cookies = ("--cookie", issued / "cookies", "--cookie-jar", issued / "cookies")
    with Lab() as lab, pages(lab, issued) as (visitor, started):

        def asked() -> str:
            command = ("curl", "--silent", "--fail", "--insecure", "--max-time", "2", *cookies, "https://192.0.2.90/")
            return visitor.run(*command, check=False).stdout

        wait_until(lambda: asked() != "")
        first, _, address = asked().partition(" ")
        assert address == _VISITOR
        # A visitor stays with one host.
        assert {asked() for _ in range(5)} == {f"{first} {_VISITOR}"}
        started[first].signal(signal.SIGKILL)
        wait_until(lambda: asked().partition(" ")[0] in started.keys() - {first})
