"""Rulesets with one fault each, made from a listing of a right one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

from harness.proof import Reading

Rule = dict[str, Any]


Edit = Callable[[list[Rule]], None]


def rules_of(reading: Reading) -> list[Rule]:
    """All rules of a listing."""
    return [entry["rule"] for entry in reading.listing["nftables"] if "rule" in entry]


def edited(reading: Reading, edit: Edit) -> Reading:
    """A copy of a reading whose rules were edited."""
    copy = replace(reading, listing=deepcopy(reading.listing))
    before = deepcopy(rules_of(copy))
    edit(rules_of(copy))
    assert rules_of(copy) != before
    return copy


def parts(value: Any) -> Iterator[dict[str, Any]]:
    """All JSON objects inside a value."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from parts(each)


def in_chain(rules: list[Rule], beginning: str) -> list[Rule]:
    """Rules of the chains whose names begin so."""
    found = [rule for rule in rules if rule["chain"].startswith(beginning)]
    assert found
    return found


def accept_all_related(rules: list[Rule]) -> None:
    """Errors pass whoever sends them."""
    accept = [{"mangle": {"key": {"meta": {"key": "mark"}}, "value": 1}}, {"accept": None}]
    for rule in in_chain(rules, "belonging"):
        if "related" in json.dumps(rule):
            rule["expr"][-1:] = accept


def judge_by_the_packet(rules: list[Rule]) -> None:
    """Replies are judged as if they opened a connection."""
    for each in parts(in_chain(rules, "allow_tcp_mm")):
        if isinstance(ct := each.get("ct"), dict) and ct.get("key") in ("ip saddr", "ip daddr"):
            del each["ct"]
            each["payload"] = {"protocol": "ip", "field": ct["key"].removeprefix("ip ")}


def take_the_source_port(rules: list[Rule]) -> None:
    """An allowance looks at the port that the opener chose."""
    for each in parts(in_chain(rules, "allow_tcp_mm")):
        if each.get("key") == "proto-dst":
            each["key"] = "proto-src"


def leave_the_first_port_out(rules: list[Rule]) -> None:
    """A range begins one port late."""
    for each in parts(in_chain(rules, "allow_tcp_mm")):
        if each.get("range") == [8000, 8100]:
            each["range"] = [8001, 8100]


def accept_other_protocols(rules: list[Rule]) -> None:
    """All protocols but TCP, UDP and ICMP pass."""
    for rule in in_chain(rules, "denials_other"):
        rule["expr"] = [{"mangle": {"key": {"meta": {"key": "mark"}}, "value": 1}}, {"accept": None}]


def confuse_link_and_loopback(rules: list[Rule]) -> None:
    """Packets of the link are told apart by a name that it does not have."""
    for each in parts(in_chain(rules, "gate")):
        if each.get("op") == "!=":
            each["right"] = "lo"


def let_redirects_pass(rules: list[Rule]) -> None:
    """One kind of error too many."""
    for each in parts(in_chain(rules, "errors_")):
        if "parameter-problem" in each.get("set", ()):
            each["set"].append("redirect")


def forget_the_quoted_version(rules: list[Rule]) -> None:
    """Errors that quote another protocol than IPv4 pass."""
    for rule in in_chain(rules, "errors_"):
        rule["expr"] = [each for each in rule["expr"] if '64, "len": 8' not in json.dumps(each)]


def let_untracked_pings_through(rules: list[Rule]) -> None:
    """Pings of everybody, not of the hub alone, are neither tracked nor judged."""
    for name in ("apart", "gate"):
        for rule in in_chain(rules, name):
            if "echo-request" in json.dumps(rule):
                rule["expr"] = [each for each in rule["expr"] if "daddr" not in json.dumps(each)]


def open_the_hub(rules: list[Rule]) -> None:
    """The hub answers everything that reaches it."""
    for rule in rules:
        if rule["chain"] in ("gate", "hub") and "10.100.0.1" in json.dumps(rule):
            rule["expr"] = [{"mangle": {"key": {"meta": {"key": "mark"}}, "value": 1}}, {"accept": None}]


def open_everything(rules: list[Rule]) -> None:
    """Every packet gets the mark, and passes."""
    for rule in [*in_chain(rules, "gate"), *in_chain(rules, "transit")]:
        rule["expr"] = [{"mangle": {"key": {"meta": {"key": "mark"}}, "value": 1}}, {"accept": None}]


def skip_a_denial(rules: list[Rule]) -> None:
    """Packets go past one lookup for denials whatever it says."""
    for rule in in_chain(rules, "denials_icmp"):
        if "jump" in rule["expr"][0]:
            rule["expr"][0]["jump"]["target"] = "deny_icmp_mm_past"


UNTRACKED = {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": "untracked"}}


def accept_late_untracked(rules: list[Rule]) -> None:
    """Packets without a connection pass, which ``notrack`` marks after connection tracking."""
    accept = [{"mangle": {"key": {"meta": {"key": "mark"}}, "value": 1}}, {"accept": None}]
    in_chain(rules, "gate")[1]["expr"] = [{"notrack": None}, UNTRACKED, *accept]


FAULTS: Mapping[str, Edit] = {
    edit.__name__: edit
    for edit in (
        accept_all_related,
        judge_by_the_packet,
        take_the_source_port,
        leave_the_first_port_out,
        accept_other_protocols,
        confuse_link_and_loopback,
        let_redirects_pass,
        forget_the_quoted_version,
        let_untracked_pings_through,
        open_the_hub,
        skip_a_denial,
        accept_late_untracked,
    )
}


def take_the_next_bucket(rules: list[Rule]) -> None:
    """Buckets of a hash are off by one."""
    for each in parts(in_chain(rules, "allow_tcp_mm_ports")):
        if "jhash" in str(each.get("key")):
            elements = each["data"]["set"]
            numbers = [number for number, _ in elements]
            targets = [target for _, target in elements]
            elements[:] = map(list, zip(numbers, [*targets[1:], targets[0]], strict=True))


def take_another_seed(rules: list[Rule]) -> None:
    """A hash has another seed than the buckets were made with."""
    for each in parts(rules):
        if "seed" in each:
            each["seed"] += 1


FAULTS_OF_HASHES: Mapping[str, Edit] = {edit.__name__: edit for edit in (take_the_next_bucket, take_another_seed)}
