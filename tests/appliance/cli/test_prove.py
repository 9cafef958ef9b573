"""``prove``: run on a service by its operator, and its refusals."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from scapy.utils import PcapNgReader

from tests.appliance import forks
from tests.appliance.cli.started import Run, call, children, meshwg, sign_up, start
from tests.appliance.sealed import OLD


def prove(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command to its end."""
    return forks.run(["prove", *options], {**os.environ, **environment})


def told(*options: str) -> tuple[int, str]:
    """Returns exit code and standard error of the command that refuses."""
    done = prove(*options)
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.mark.long
@pytest.mark.parametrize("packets", [(), pytest.param(("--packets",), marks=pytest.mark.full)], ids=["", "packets"])
def test_the_operator_proves_every_organization(data: Path, runs: list[Run], packets: tuple[str, ...]) -> None:
    """Proves without a token, and again after one namespace lets through what its policy denies."""
    start(runs, data, MESHWG_UNLOCK_SECRET=OLD).wait_until_ready()
    ids, policies = {}, {}
    for name in ("acme", "bolt", "corp"):
        ids[name], token = sign_up(name)
        first, second = (
            call("POST", "/api/v1/machines", {"name": each}, token)[1]["machine"] for each in ("one", "two")
        )
        rule = {"action": "deny", "source": f"machine:{first['id']}", "destination": f"machine:{second['id']}"}
        assert call("PUT", "/api/v1/policy", {"default": "allow", "rules": [rule]}, token)[0] == 200
        policies[ids[name]] = call("GET", "/api/v1/policy", token=token)[1]
    assert meshwg(data, "admin", "suspend", "corp").returncode == 0
    listed = json.loads(meshwg(data, "admin", "policies").stdout)["organizations"]
    assert [each["id"] for each in listed] == list(ids.values())
    assert {each["id"]: each["policy"] for each in listed} == policies
    assert [len(each["machines"]) for each in listed] == [2, 2, 2]
    where = {"MESHWG_DATA": str(data)}

    done = prove(**where)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "proven: 2 of 2" in done.stdout
    assert "proven: the front door leads each datagram to its own link or to none" in done.stdout
    assert ids["corp"] not in done.stdout
    done = prove("--organization", "bolt", **where)
    assert done.returncode == 0
    assert ids["bolt"] in done.stdout
    assert ids["acme"] not in done.stdout
    for name in ("corp", "nobody"):
        done = prove("--organization", name, **where)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (69, "", 1)
        assert name in done.stderr

    token_file = data.parent / "token"
    token_file.write_text(token)
    assert prove("--organization", "acme", "--token-file", str(token_file)).returncode == 64

    with stopped_hub(runs[0]):
        namespace = next(name for name in namespaces() if name.endswith(ids["acme"]))
        opened = ["nft", "insert", "rule", "inet", "mesh", "gate", "meta", "mark", "set", "1", "accept"]
        subprocess.run(["ip", "netns", "exec", namespace, *opened], check=True)
        folder = data.parent / "wrong"
        done = prove("--organization", "acme", "--pcap", str(folder), *packets, **where)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "a real packet in a copy of the namespace is forwarded by" in done.stdout
    assert ("each has the fate that was computed" in done.stdout) == bool(packets)
    file = folder / f"{ids['acme']}-1.pcapng"
    assert f"capture: {file}" in done.stdout
    with PcapNgReader(str(file)) as reader:
        arrived, left = list(reader)[-2:]
    assert (arrived.direction, left.direction) == (1, 2)
    assert bytes(arrived)[12:] == bytes(left)[12:]


@contextmanager
def stopped_hub(run: Run) -> Iterator[None]:
    """The hub's process does nothing meanwhile, so it repairs nothing."""
    hub = children(run.process.pid)["hub"]
    os.kill(hub, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(hub, signal.SIGCONT)


def namespaces() -> list[str]:
    """Names of the network namespaces."""
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in listed.splitlines()]


def test_the_command_refuses_in_one_sentence(tmp_path: Path) -> None:
    token = tmp_path / "token"
    assert told("--token-file", str(token)) == (66, f"meshwg: {token} can't be read: No such file or directory.\n")
    token.write_text("mwt_x\n")
    code, said = told("--token-file", str(token), "--target", "nowhere")
    assert (code, said.count("\n")) == (64, 1)
    with closing(socket.socket()) as taken:
        # Nobody listens there.
        taken.bind(("127.0.0.1", 0))
        code, said = told("--token-file", str(token), "--target", f"https://127.0.0.1:{taken.getsockname()[1]}")
    assert (code, said) == (69, "meshwg: Nothing was proven: [Errno 111] Connection refused\n")
