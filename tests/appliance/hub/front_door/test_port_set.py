"""Ports of the front door's table, changed in a namespace of the test."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from appliance.hub.errors import RulesetError
from appliance.hub.front_door.netfilter import PortSet, TableReader
from appliance.hub.kernel import namespace

TABLE = "add table inet door; add set inet door inner { type inet_service; }"


def in_scratch(work: Callable[[PortSet, Callable[[], set[int]]], None]) -> None:
    """Runs the work with a set of ports in an empty namespace, and with what lists it."""

    def body() -> None:
        subprocess.run(["nft", TABLE], check=True)
        ports, reader = PortSet("door", "inner"), TableReader("door")
        work(ports, lambda: set(reader.ports("inner")))
        ports.close()
        reader.close()

    namespace.in_scratch(body)


def test_all_ports_of_a_store_are_admitted_at_once() -> None:
    def work(ports: PortSet, listed: Callable[[], set[int]]) -> None:
        many = set(range(20_000, 32_768))
        ports.change(many, ())
        assert listed() == many
        ports.change({5}, many - {20_000})
        assert listed() == {5, 20_000}

    in_scratch(work)


def test_a_port_that_is_there_is_admitted_again() -> None:
    def work(ports: PortSet, listed: Callable[[], set[int]]) -> None:
        for _ in range(2):
            ports.change({20_000}, ())
        ports.change((), ())
        assert listed() == {20_000}

    in_scratch(work)


def test_a_refused_change_of_ports_changes_nothing() -> None:
    def work(ports: PortSet, listed: Callable[[], set[int]]) -> None:
        ports.change({20_000, 20_001}, ())
        with pytest.raises(RulesetError, match="No such file or directory"):
            ports.change({20_002}, {20_001, 20_003})
        assert listed() == {20_000, 20_001}
        ports.change({20_002}, {20_001})
        assert listed() == {20_000, 20_002}

    in_scratch(work)
