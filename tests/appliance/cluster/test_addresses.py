"""A shard's address leads to its owner, and leaves a host that is silent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from appliance.cluster.addresses import AddressUnavailable, CommandAddress, HostAddress, LanAddress
from netlab import Lab, LabHost, UdpEcho, udp_probe
from tests.waiting import wait_until

_ADDRESSES = ("192.0.2.100", "2001:db8::100")
_LONG_S = 600.0
_PORT = 51820


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Two hubs and a machine on one LAN."""
    with Lab() as made:
        lan = made.switch("lan")
        for number, name in enumerate(("hub1", "hub2", "machine"), 1):
            made.connect(made.host(name), lan, f"192.0.2.{number}/24", f"2001:db8::{number}/64")
        yield made


def has(host: LabHost, address: str, interface: str = "eth0") -> bool:
    return address in {each.partition("/")[0] for each in host.addresses(interface)}


@pytest.mark.parametrize("address", _ADDRESSES)
def test_a_lan_learns_at_once_where_an_address_is(lab: Lab, address: str) -> None:
    first, second, machine = (lab.hosts[name] for name in ("hub1", "hub2", "machine"))
    here, there = (each.in_network(lambda: LanAddress(ip_address(address), "eth0")) for each in (first, second))
    everywhere = "::" if ":" in address else "0.0.0.0"
    with UdpEcho(first, _PORT, everywhere) as one, UdpEcho(second, _PORT, everywhere) as two:
        first.in_network(lambda: here.take(_LONG_S))
        wait_until(lambda: udp_probe(machine, address, _PORT) is not None)
        assert (one.heard > 0, two.heard) == (True, 0)
        # The first one stays silent, and has the address still.
        before = one.heard
        second.in_network(lambda: there.take(_LONG_S))
        assert udp_probe(machine, address, _PORT) is not None
        assert (one.heard, two.heard) == (before, 1)
        assert has(first, address)
        second.in_network(there.drop)
        assert not has(second, address)
        second.in_network(there.drop)


@pytest.mark.parametrize("address", _ADDRESSES)
def test_an_address_that_is_not_taken_again_ends(lab: Lab, address: str) -> None:
    host = lab.hosts["hub1"]
    holder = host.in_network(lambda: HostAddress(ip_address(address), "lo"))
    host.in_network(lambda: holder.take(_LONG_S))
    assert has(host, address, "lo")
    host.in_network(lambda: holder.take(1.0))
    assert has(host, address, "lo")
    wait_until(lambda: not has(host, address, "lo"))


@pytest.mark.parametrize(("seconds", "whole"), [(0.01, 1), (1.0, 1), (1.7, 2)])
def test_an_address_stays_for_its_time_in_whole_seconds(lab: Lab, seconds: float, whole: int) -> None:
    host = lab.hosts["hub1"]
    holder = host.in_network(lambda: HostAddress(ip_address(_ADDRESSES[0]), "lo"))
    host.in_network(lambda: holder.take(_LONG_S))
    host.in_network(lambda: holder.take(seconds))
    (link,) = json.loads(host.run("ip", "-json", "address", "show", "dev", "lo").stdout)
    left = [each["valid_life_time"] for each in link["addr_info"] if each["local"] == _ADDRESSES[0]]
    # It may have ended by now.
    assert all(each <= whole for each in left)


def test_a_link_that_is_missing_is_said(lab: Lab) -> None:
    with pytest.raises(AddressUnavailable, match="no link nowhere0"):
        lab.hosts["hub1"].in_network(lambda: HostAddress(ip_address(_ADDRESSES[0]), "nowhere0"))


def test_a_command_is_run_until_it_succeeds(tmp_path: Path) -> None:
    log, open_, done = tmp_path / "log", tmp_path / "open", tmp_path / "done"
    command = tmp_path / "command"
    command.write_text(f'#!/bin/sh\necho "$@" >>{log}\ntest -e {open_} && touch {done}\n')
    command.chmod(0o755)
    holder = CommandAddress(ip_address(_ADDRESSES[0]), [str(command), "--zone", "1"])

    def is_called(times: int) -> bool:
        holder.take(1.0)
        return log.exists() and len(log.read_text().splitlines()) >= times

    wait_until(lambda: is_called(2))
    open_.touch()
    # The call that is in progress may be the one that succeeds.
    wait_until(lambda: is_called(2) and done.exists())
    holder.drop()
    lines = log.read_text().splitlines()
    assert set(lines[:-1]) == {"--zone 1 take 192.0.2.100"}
    assert lines[-1] == "--zone 1 drop 192.0.2.100"
    log.unlink()
    holder.take(1.0)
    wait_until(log.exists)
    open_.unlink()
    with pytest.raises(AddressUnavailable, match="ended with 1"):
        holder.drop()


def test_a_command_drops_once_and_only_what_is_ours(tmp_path: Path) -> None:
    log, command = tmp_path / "log", tmp_path / "command"
    command.write_text(f'#!/bin/sh\necho "$1" >>{log}\n')
    command.chmod(0o755)

    def called() -> list[str]:
        return log.read_text().split() if log.exists() else []

    holder = CommandAddress(ip_address(_ADDRESSES[0]), [str(command)])
    # Nothing was taken here yet.
    holder.drop()
    assert called() == []
    holder.take(1.0)
    wait_until(lambda: called() == ["take"])
    # The lease has ended, so the address may be another host's.
    holder.drop(is_ours=False)
    assert called() == ["take"]
    holder.drop()
    holder.drop()
    assert called() == ["take", "drop"]
