"""Builds the lab, and prints what arrives in it."""

from __future__ import annotations

import json
import select
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from harness.demo.streams import SteadyStream
from harness.subject.outward import Outward
from harness.subject.relay import DatagramRelay
from netlab import Host, Lab, wg_quick

_PRINT_S = 0.25
_FIRST_HOST = 11
_LINK = "demo"


def run(plan: Mapping[str, Any], outward: Outward) -> None:
    """Runs the lab until standard input ends, and prints a line of readings again and again.

    Args:
        plan: ``hub`` (host and port outside), ``endpoint`` (host and port in the configurations), ``machines`` (name,
            address and configuration of each) and ``streams`` (source, destination, protocol and port of each).
        outward: way to the hub.
    """
    with Lab() as lab, _connected(lab, plan, outward) as hosts, ExitStack() as stack:
        addresses = {each["name"]: each["address"] for each in plan["machines"]}
        streams = [stack.enter_context(_stream(each, hosts, addresses)) for each in plan["streams"]]
        _print_readings(streams)


def _stream(wanted: Mapping[str, Any], hosts: Mapping[str, Host], addresses: Mapping[str, str]) -> SteadyStream:
    source, destination = wanted["source"], wanted["destination"]
    address = addresses[destination]
    return SteadyStream(hosts[source], hosts[destination], wanted["protocol"], address, wanted["port"])


@contextmanager
def _connected(lab: Lab, plan: Mapping[str, Any], outward: Outward) -> Iterator[dict[str, Host]]:
    """Connects the machines through a gateway that has the hub's address and relays to it."""
    internet, gateway = lab.switch("internet"), lab.host("gateway")
    address, port = plan["endpoint"]
    lab.connect(gateway, internet, f"{address}/24")
    near = gateway.socket(socket.AF_INET, socket.SOCK_DGRAM)
    near.bind((address, port))
    with DatagramRelay(near, lambda: outward.connect(socket.SOCK_DGRAM, *plan["hub"])):
        hosts: dict[str, Host] = {}
        for number, machine in enumerate(plan["machines"], _FIRST_HOST):
            host = lab.host(machine["name"])
            lab.connect(host, internet, f"{address.rpartition('.')[0]}.{number}/24")
            wg_quick(host, machine["config"], f"{_LINK}.conf")
            hosts[machine["name"]] = host
        yield hosts


def _print_readings(streams: Sequence[SteadyStream]) -> None:
    end = select.poll()
    end.register(sys.stdin, select.POLLIN)
    while not end.poll(_PRINT_S * 1000):
        print(json.dumps([each.arrivals.reading() for each in streams]), flush=True)
