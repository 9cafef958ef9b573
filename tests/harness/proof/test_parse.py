"""The parser: every expression that a compiled policy has, and refusals of those that have no meaning."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from harness.proof import Reading, Unmodelled
from harness.proof.listing import KernelSets
from harness.proof.parse import parse
from harness.proof.ruleset import (
    And,
    Assign,
    Concat,
    Decide,
    Dispatch,
    Element,
    Field,
    Hash,
    Limited,
    Literal,
    MapLookup,
    Match,
    NoTrack,
    Or,
    Raw,
    Verdict,
)
from tests.harness.proof.listings import (
    ACCEPT,
    DROP,
    LINKS,
    MARK,
    ct,
    header,
    listing,
    match,
    meta,
    parsed,
    parsed_rule,
)

FIRST = int.from_bytes(bytes([10, 100, 0, 1]), "big")
GOTO = Verdict("goto", "other")

STATEMENTS: dict[str, tuple[Any, Any]] = {
    "an address": (
        match(header("ip", "daddr"), "10.100.0.1"),
        Match(Field("ip daddr"), (Element(((FIRST, FIRST),)),)),
    ),
    "a prefix": (
        match(header("ip", "saddr"), {"prefix": {"addr": "10.100.0.0", "len": 16}}),
        Match(Field("ip saddr"), (Element(((FIRST - 1, FIRST + 65534),)),)),
    ),
    "a kind of ICMP": (
        match(header("icmp", "type"), {"set": ["destination-unreachable", "time-exceeded", 12]}),
        Match(Field("icmp type"), (Element(((3, 3),)), Element(((11, 11),)), Element(((12, 12),)))),
    ),
    "not a link": (
        match(meta("iifname"), "wg", "!="),
        Match(Field("meta iifname"), (Element(((2, 2),)),), negated=True),
    ),
    "a link that is not there": (
        match(meta("oifname"), "eth0"),
        Match(Field("meta oifname"), (Element(((-1, -1),)),)),
    ),
    "states": (
        match(ct("state"), ["established", "new"], "in"),
        Match(Field("ct state"), (Element(((10, 10),)),), any_bit=True),
    ),
    "a status": (
        match(ct("status"), "confirmed", "in"),
        Match(Field("ct status"), (Element(((8, 8),)),), any_bit=True),
    ),
    "a masked mark": (
        match({"&": [meta("mark"), 255]}, 254),
        Match(And(Field("meta mark"), 255), (Element(((254, 254),)),)),
    ),
    "bits of the packet": (
        match({"&": [{"payload": {"base": "th", "offset": 64, "len": 8}}, 240]}, 64),
        Match(And(Raw("th", 64, 8), 240), (Element(((64, 64),)),)),
    ),
    "greater": (
        match(header("tcp", "dport"), 1023, ">"),
        Match(Field("tcp dport"), (Element(((1024, 2**32 - 1),)),)),
    ),
    "a mark that is set": (
        {"mangle": {"key": meta("mark"), "value": {"|": [{"&": [meta("mark"), 4294967041]}, 1]}}},
        Assign(Field("meta mark"), Or(And(Field("meta mark"), 4294967041), 1)),
    ),
    "a class that is set": (
        {"mangle": {"key": meta("priority"), "value": "1c:ad28"}},
        Assign(Field("meta priority"), Literal(0x1CAD28)),
    ),
    "a class by a map": (
        {
            "mangle": {
                "key": meta("priority"),
                "value": {
                    "map": {
                        "key": ct("ip saddr", "original"),
                        "data": {"set": [["10.100.0.1", "1c:ad28"], ["*", "0:2"]]},
                    }
                },
            }
        },
        Assign(
            Field("meta priority"),
            MapLookup(Field("ct original saddr"), (Element(((FIRST, FIRST),), 0x1CAD28), Element(None, 2))),
        ),
    ),
    "a verdict map": (
        {
            "vmap": {
                "key": {"concat": [meta("priority"), ct("proto-dst", "original")]},
                "data": {
                    "set": [
                        [{"concat": ["0:5", {"range": [9, 10]}]}, {"continue": None}],
                        ["*", {"goto": {"target": "other"}}],
                    ]
                },
            }
        },
        Dispatch(
            Concat((Field("meta priority"), Field("ct original proto-dst"))),
            (Element(((5, 5), (9, 10)), Verdict("continue")), Element(None, GOTO)),
        ),
    ),
    "a hash": (
        {
            "vmap": {
                "key": {"jhash": {"mod": 4, "seed": 7, "expr": ct("ip saddr", "original")}},
                "data": {"set": [[0, {"goto": {"target": "other"}}]]},
            }
        },
        Dispatch(Hash(Field("ct original saddr"), 4, 7, 0), (Element(((0, 0),), GOTO),)),
    ),
    "a map of counters": (
        {"counter": {"map": {"key": ct("protocol"), "data": {"set": [["udp", "r_1"]]}}}},
        Match(Field("ct protocol"), (Element(((17, 17),)),)),
    ),
    "a rate": ({"limit": {"rate": 10, "per": "second", "inv": True}}, Limited(over=True)),
    "a rate for each address": (
        {"meter": {"key": header("ip", "saddr"), "stmt": {"limit": {"rate": 10, "per": "second"}}, "name": "m"}},
        Limited(over=False),
    ),
    "a rate for each address, as newer versions print it": (
        {
            "set": {
                "op": "update",
                "elem": header("ip", "saddr"),
                "set": "@m",
                "stmt": [{"limit": {"rate": 10, "per": "second", "inv": True}}],
            }
        },
        Limited(over=True),
    ),
    "no tracking": ({"notrack": None}, NoTrack()),
    "a jump": ({"jump": {"target": "other"}}, Decide(Verdict("jump", "other"))),
    "drop": (DROP, Decide(Verdict("drop"))),
}


@pytest.mark.parametrize(("written", "meant"), STATEMENTS.values(), ids=STATEMENTS)
def test_statements(written: Any, meant: Any) -> None:
    (rule,) = parsed([written], chains={"other": []}).tables[0].chains["base"].rules
    assert rule.statements == (meant,)


@pytest.mark.parametrize("counter", ["name", {"packets": 1, "bytes": 40}, None])
def test_a_counter_has_no_effect(counter: Any) -> None:
    assert parsed_rule({"counter": counter}, ACCEPT).statements == (Decide(Verdict("accept")),)


REFUSED: dict[str, Any] = {
    "numgen": {
        "vmap": {"key": {"numgen": {"mode": "inc", "mod": 2}}, "data": {"set": [[0, {"accept": None}]]}},
    },
    "tproxy": {"tproxy": {"port": 80}},
    "queue": {"queue": {"num": 0}},
    "ct helper": {"ct helper": "ftp"},
    "ct count": {"ct count": {"val": 5}},
    "reject": {"reject": None},
    "dnat": {"dnat": {"addr": "10.0.0.1"}},
    "set": {"set": {"op": "add", "elem": meta("mark"), "set": "@seen"}},
    "a meter of ct count": {"meter": {"key": meta("mark"), "stmt": {"ct count": {"val": 9}}, "name": "m"}},
    "fib": match({"fib": {"result": "type", "flags": ["daddr"]}}, "local"),
    "xt": {"xt": None},
    "@gone": match(header("ip", "saddr"), "@gone"),
    "ct mark": {"mangle": {"key": ct("mark"), "value": 1}},
    "10.100.0.x": match(header("ip", "saddr"), "10.100.0.x"),
    "a test of bits": match(meta("mark"), 1, "in"),
    "three operands": match({"|": [meta("mark"), 1, 2]}, 3),
    "a limit by its name": {"limit": "slow"},
    "an IPv6 prefix": match(header("ip6", "saddr"), {"prefix": {"addr": "fe80::", "len": 10}}),
    "a chain nowhere": {"jump": {"target": "nowhere"}},
}


@pytest.mark.parametrize("written", REFUSED.values(), ids=REFUSED)
def test_what_has_no_meaning_is_refused(written: Any) -> None:
    """The refusal names table, chain and handle."""
    with pytest.raises(Unmodelled) as refused:
        parsed([written])
    assert refused.value.where == "table inet t, chain base, handle 11"


@pytest.mark.parametrize(
    "more", [{"type": "nat"}, {"type": "route", "hook": "output"}, {"hook": "ingress"}], ids=["nat", "route", "ingress"]
)
def test_other_base_chains_are_refused(more: Any) -> None:
    with pytest.raises(Unmodelled, match="chain base"):
        parsed([ACCEPT], **more)


@pytest.mark.parametrize("kind", ["flowtable", "ct helper", "synproxy"])
def test_other_objects_are_refused(kind: str) -> None:
    with pytest.raises(Unmodelled, match=kind):
        parse({"nftables": [{kind: {"family": "inet", "table": "t", "name": "x"}}]}, LINKS)


@pytest.mark.parametrize("family", ["bridge", "netdev"])
def test_families_below_the_network_are_refused(family: str) -> None:
    with pytest.raises(Unmodelled, match=family):
        parse({"nftables": [{"table": {"family": family, "name": "t"}}]}, LINKS)


def test_other_protocols_tables_are_none_of_ipv4() -> None:
    assert parse({"nftables": [{"table": {"family": "ip6", "name": "t"}}]}, LINKS).tables == ()


def test_a_named_set_is_read() -> None:
    listed = listing([match(header("ip", "saddr"), "@machines"), DROP])
    listed["nftables"].append(
        {"set": {"family": "inet", "table": "t", "name": "machines", "type": "ipv4_addr", "elem": ["10.100.0.1"]}}
    )
    rule = parse(listed, LINKS).tables[0].chains["base"].rules[0]
    assert rule.statements[0] == Match(Field("ip saddr"), (Element(((FIRST, FIRST),)),))


@pytest.mark.parametrize("more", [{"flags": ["dynamic"]}, {"flags": ["timeout"]}, {"timeout": 30}])
def test_a_set_whose_elements_come_and_go_is_refused(more: Any) -> None:
    listed = listing([match(header("ip", "saddr"), "@machines"), DROP])
    listed["nftables"].append({"set": {"family": "inet", "table": "t", "name": "machines", "elem": [], **more}})
    with pytest.raises(Unmodelled, match="machines"):
        parse(listed, LINKS)


IN_PART: dict[str, Any] = {
    "vmap": {
        "key": {"concat": [meta("priority"), ct("proto-dst", "original")]},
        "data": {"set": [[{"concat": ["0:5"]}, {"continue": None}], ["*", {"goto": {"target": "other"}}]]},
    }
}
OF_KERNEL = """inet t @__set0
\telement 00000006  : 0 [end]
inet t @__map0
\telement {words}  : continue 0 [end]
\telement  : goto -> other 2 [end]
inet t base 11
  [ meta load l4proto => reg 1 ]
  [ lookup reg 1 set __set0 0x0 ]
  [ lookup reg 1 set __map0 dreg 0 0x0 ]
"""


@pytest.mark.parametrize(
    ("words", "key"),
    [
        ("00000005 00000900", ((5, 5), (9, 9))),
        ("05000000 00000900  - 05000000 00000b00", ((5, 5), (9, 11))),
    ],
    ids=["values", "ranges"],
)
def test_keys_that_nft_prints_in_part_are_the_kernel_s(words: str, key: Any) -> None:
    """The kernel compares the keys of a set with ranges in network byte order."""
    listed = listing([match(meta("l4proto"), {"set": ["tcp"]}), IN_PART], chains={"other": []})
    rule = parse(listed, LINKS, KernelSets(OF_KERNEL.format(words=words))).tables[0].chains["base"].rules[0]
    assert rule.statements[1] == Dispatch(
        Concat((Field("meta priority"), Field("ct original proto-dst"))),
        (Element(key, Verdict("continue")), Element(None, GOTO)),
    )


@pytest.mark.parametrize(
    "elements",
    [
        "\telement {words}  : continue 0 [end]\n",
        "\telement 00000006 00000900  : continue 0 [end]\n\telement  : goto -> other 2 [end]\n",
        "",
    ],
    ids=["one fewer", "another", "none"],
)
def test_the_kernel_s_listing_has_to_have_what_nft_prints(elements: str) -> None:
    listed = listing([match(meta("l4proto"), {"set": ["tcp"]}), IN_PART], chains={"other": []})
    begin, end = OF_KERNEL.index("inet t @__map0\n") + len("inet t @__map0\n"), OF_KERNEL.index("inet t base")
    text = (OF_KERNEL[:begin] + elements + OF_KERNEL[end:]).format(words="00000005 00000900")
    with pytest.raises(Unmodelled, match="tell differently"):
        parse(listed, LINKS, KernelSets(text))


def test_short_fields_of_the_kernel_s_listing_are_refused() -> None:
    """A protocol is one byte of a word."""
    in_part = deepcopy(IN_PART)
    in_part["vmap"]["key"]["concat"][0] = meta("l4proto")
    in_part["vmap"]["data"]["set"][0][0]["concat"] = ["tcp"]
    listed = listing([match(meta("l4proto"), {"set": ["tcp"]}), in_part], chains={"other": []})
    with pytest.raises(Unmodelled, match="the key"):
        parse(listed, LINKS, KernelSets(OF_KERNEL.format(words="00000006 00000900")))


def two_tables(*rules: list[Any], prio: int = -150) -> dict[str, Any]:
    """A table with one rule that drops, and another one with these rules at some priority."""
    one, other = listing([DROP]), listing(*rules, prio=prio)
    for entry in other["nftables"]:
        ((kind, each),) = entry.items()
        each["name" if kind == "table" else "table"] = "u"
    return {"nftables": [*one["nftables"], *other["nftables"]]}


@pytest.mark.parametrize("rule", [[MARK], [{"notrack": None}]], ids=["mark", "notrack"])
def test_chains_whose_order_is_not_known_are_refused(rule: list[Any]) -> None:
    """The kernel calls one of them first, and what it writes is there for the other."""
    with pytest.raises(Unmodelled, match="the priority -150"):
        parse(two_tables(rule), LINKS)
    parse(two_tables(rule, prio=-149), LINKS)
    parse(two_tables([DROP]), LINKS)


def test_without_the_kernel_s_listing_they_are_refused() -> None:
    with pytest.raises(Unmodelled, match="a part only"):
        parsed([IN_PART], chains={"other": []})


def test_another_order_of_bytes_is_refused(reading: Reading) -> None:
    with pytest.raises(Unmodelled, match="s390x"):
        replace(reading, kernel=(reading.kernel[0], "s390x")).parsed()
