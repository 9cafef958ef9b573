"""Reading a namespace back, by programs that answer as they are told to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from itertools import cycle
from typing import Any

import pytest

from harness.proof import Unmodelled, read
from tests.harness.proof.listings import DROP, ct, listing, match

LINK = {"ifindex": 2, "ifname": "wg", "mtu": 1420}
SETTINGS = "/proc/sys/net/ipv4/ip_forward 1\n/proc/sys/net/ipv4/conf/wg/rp_filter 0\n"


def discipline(kind: str, handle: str = "0:") -> dict[str, Any]:
    return {"kind": kind, "handle": handle, "dev": "wg", "root": True, "refcnt": 2, "options": {}}


class Host:
    """A host whose programs print what they are told to.

    Args:
        changes: other output, by the first words of a command.
    """

    def __init__(self, **changes: Any) -> None:
        self._links = changes.get("links", [LINK])
        self._disciplines = changes.get("disciplines", [discipline("noqueue")])
        self._filters = changes.get("filters", {})
        self._tables: str = changes.get("tables", "")
        self._settings: Iterator[str] = cycle(changes.get("settings", [SETTINGS]))
        self._listings = list(changes.get("listings", [listing([DROP])] * 20))

    def run(self, *words: str) -> str:
        """Answer one command."""
        if words[:2] == ("nft", "-j"):
            return json.dumps(self._listings.pop(0))
        if words[:3] == ("tc", "-j", "filter"):
            return json.dumps(self._filters.get(words[3:], []))
        if words[0] == "tc":
            return json.dumps(self._disciplines)
        if words[-1] == "link":
            return json.dumps(self._links)
        if words[0] == "sh":
            return self._tables if "ip_tables" in words[-1] else next(self._settings)
        return {
            "nft": "",
            "ip": "[]",
            "uname": "6.1.0 x86_64\n",
        }[words[0]]


def test_what_programs_print_is_kept() -> None:
    found = read(Host().run)
    assert found.links == [{"ifindex": 2, "ifname": "wg"}]
    assert found.settings == {"net.ipv4.ip_forward": "1", "net.ipv4.conf.wg.rp_filter": "0"}
    assert found.kernel == ("6.1.0", "x86_64")


def test_rules_are_parsed_once_and_kept_as_printed() -> None:
    found = read(Host(listings=[listing([match(ct("state"), "new", "in"), DROP])] * 2).run)
    printed = deepcopy(found)
    assert found.parsed() is found.parsed()
    assert found == printed


@pytest.mark.parametrize("kind", ["ingress", "clsact", "prio", "htb", "netem"])
def test_queues_that_may_change_packets_are_refused(kind: str) -> None:
    with pytest.raises(Unmodelled, match=kind):
        read(Host(disciplines=[discipline("noqueue"), discipline(kind)]).run)


@pytest.mark.parametrize("kind", ["noqueue", "pfifo_fast", "pfifo", "fq", "fq_codel", "mq"])
def test_queues_of_a_kernel_s_defaults_are_read(kind: str) -> None:
    assert read(Host(disciplines=[discipline(kind)]).run).links


@pytest.mark.parametrize(("handle", "place"), [("0:", ()), ("8001:", ("parent", "8001:"))])
def test_a_filter_at_a_default_queue_is_refused(handle: str, place: tuple[str, ...]) -> None:
    """One of the default has no number, and its filters are those of the link."""
    filters = {("show", "dev", "wg", *place): [{"kind": "matchall", "protocol": "ip"}]}
    with pytest.raises(Unmodelled, match="a filter"):
        read(Host(disciplines=[discipline("fq_codel", handle)], filters=filters).run)


def test_programs_on_a_link_are_refused() -> None:
    with pytest.raises(Unmodelled, match="XDP"):
        read(Host(links=[{**LINK, "xdp": {"mode": 2}}]).run)


def test_a_ruleset_that_changes_meanwhile_is_refused() -> None:
    with pytest.raises(Unmodelled, match="changes"):
        read(Host(listings=[listing([DROP]), listing([DROP], [DROP])] * 5).run)


def test_a_ruleset_that_was_tidied_meanwhile_is_read_again() -> None:
    tidied = listing([DROP])
    assert read(Host(listings=[listing([DROP], [DROP]), tidied, tidied, tidied]).run).listing == tidied


def test_a_setting_that_changes_meanwhile_is_refused() -> None:
    with pytest.raises(Unmodelled, match="a setting that changes"):
        read(Host(settings=[SETTINGS, SETTINGS.replace("rp_filter 0", "rp_filter 1")]).run)


def test_tables_of_iptables_are_refused() -> None:
    """They can rewrite what nftables has judged."""
    with pytest.raises(Unmodelled, match="the table nat of iptables"):
        read(Host(tables="nat\nfilter\n").run)


def test_counters_may_go_on_meanwhile() -> None:
    listings = [listing([DROP]), listing([DROP])]
    for packets, each in enumerate(listings):
        each["nftables"].append({"counter": {"family": "inet", "table": "t", "name": "c", "packets": packets}})
    assert read(Host(listings=listings).run).listing == listings[0]


def test_rules_that_are_loaded_anew_have_the_same_digest() -> None:
    """Handles are others then."""
    first, second = (listing([DROP]) for _ in range(2))
    for entry in second["nftables"]:
        next(iter(entry.values()))["handle"] += 100
    digests = {read(Host(listings=[each] * 2).run).digest for each in (first, second)}
    assert len(digests) == 1
    assert read(Host(listings=[listing([DROP], [DROP])] * 2).run).digest not in digests
