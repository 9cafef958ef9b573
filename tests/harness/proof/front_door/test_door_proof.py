"""The product's front door is proven, and doors with one fault; test_door_replay.py has their refutations."""

from __future__ import annotations

import pytest

from harness.proof import Unmodelled
from harness.proof.front_door import Claim, prove_door, wrong_links
from tests.harness.proof.front_door.doors import DESK, LINKS, PORT, Doorway

TABLE = "add rule inet mwtestdoor"
BEGIN = f"{TABLE} begin add @sessions {{ @th,128,32 : udp dport }}"
TAKEN = f"{TABLE} learn udp sport set @th,96,32 map @sessions counter name taken drop"
OFFERED = f"{TABLE} offer udp sport set @th,96,32 map @offers counter name taken drop"
LEARN = f"{TABLE} learn add @sessions {{ @th,96,32 : udp sport }}"
UNASKED = f"{TABLE} introduce counter name unasked drop"
REPLIED = "ip daddr . udp dport . udp sport . @th,128,32 @replied4"
NOTED = f"{TABLE} hand_over update @handed4 {{ ip saddr . udp sport . udp dport . @th,96,32 }}"
SESSION = f"{TABLE} session udp dport set @th,96,32 map @sessions"
KNOW = "udp sport set ip daddr . udp dport map @known4 goto sign"
ANOTHER = (
    "table inet x { map sessions { type mark : mark; }; map offers { type mark : mark; }; "
    "set inner { type mark; }; set desk { type mark; }; }"
)
RESUME4 = f"{TABLE} resume udp dport set ip saddr . udp sport map @resumed4 goto deliver"
RESUME6 = f"{TABLE} resume udp dport set ip6 saddr . udp sport map @resumed6 goto deliver"
GIVEN = "resumed4 { type ipv4_addr . inet_service : inet_service; timeout 200s; "
UNKNOWN = f"{TABLE} resume counter name sessionless drop"


FAULTS = [
    (BEGIN, f"{TABLE} begin add @sessions {{ @th,96,32 : udp dport }}", Claim.ENTRIES),
    (BEGIN, f"{TABLE} begin update @sessions {{ @th,128,32 : udp dport }}", Claim.KEPT),
    (LEARN, f"{TABLE} learn add @sessions {{ @th,96,32 : udp dport }}", Claim.OWNER),
    (LEARN, f"{TABLE} learn add @sessions {{ @th,104,32 : udp sport }}", Claim.ENTRIES),
    (TAKEN, "", Claim.NEWEST),
    (TAKEN, f"{TABLE} learn delete @sessions {{ @th,96,32 : udp sport }}", Claim.KEPT),
    (OFFERED, f"{TABLE} offer delete @offers {{ @th,96,32 : udp sport }}", Claim.KEPT),
    (UNASKED, f"{TABLE} introduce goto learn", Claim.ASKED),
    (f"{TABLE} introduce {REPLIED} counter name unasked drop", "", Claim.ASKED),
    (f"add @replied4 {{ {REPLIED.removesuffix(' @replied4')} }} goto learn", "goto learn", Claim.ASKED),
    (NOTED, f"{TABLE} hand_over update @handed4 {{ ip saddr . udp sport . udp dport . @th,128,32 }}", Claim.HANDED),
    ("hand_on meta skuid 0 goto hand_over", "hand_on goto hand_over", Claim.HANDED),
    (UNKNOWN, f"{TABLE} resume udp dport set {LINKS[0]} accept", Claim.DATA),
    (UNKNOWN, f"{TABLE} resume udp dport set ip saddr . udp sport map @known4 goto deliver", Claim.DATA),
    (SESSION, f"{TABLE} session udp dport set @th,104,32 map @sessions", Claim.DATA),
    (SESSION, f"{TABLE} session udp dport set ip saddr . udp sport map @known4", Claim.DATA),
    ("@th,64,32 67108864 goto session", "@th,64,32 4 goto session", Claim.ARRIVES),
    (RESUME4, "", Claim.RESUMES),
    (RESUME6, "", Claim.RESUMES),
    (RESUME6, RESUME6.replace("goto deliver", "drop"), Claim.RESUMES),
    (f"{TABLE} response goto resume", f"{TABLE} response counter name sessionless drop", Claim.RESUMES),
    ("set @th,128,32 map @offers", "set @th,96,32 map @offers", Claim.ANSWERS),
    (
        "response udp dport set @th,128,32 map @sessions goto",
        "response udp dport set @th,128,32 map @sessions update @sessions { @th,128,32 : udp dport } goto",
        Claim.ENTRIES,
    ),
    (f"{TABLE} begin delete @offers {{ @th,128,32 : udp dport }}", "", Claim.ENTRIES),
    (
        f"{TABLE} cookie goto session",
        f"{TABLE} cookie delete @sessions {{ @th,96,32 : udp dport }}\n{TABLE} cookie goto session",
        Claim.ENTRIES,
    ),
    (KNOW, "delete @known4 { ip daddr . udp dport : udp sport }", Claim.SOURCES),
    (f"answer @th,64,32 67108864 udp sport set {PORT} accept", "answer @th,64,32 67108864 accept", Claim.LEAVING),
    (f"{TABLE} offer udp sport set {PORT}", "", Claim.LEAVING),
    ("hand_on udp sport @inner fib saddr type local", "hand_on meta mark 7", Claim.LEAVING),
    ("enter udp dport @inner fib daddr type != unicast", "enter meta mark 7", Claim.CLOSED),
    ("enter udp dport @desk fib daddr type != unicast", "enter meta mark 7", Claim.CLOSED),
    ("public counter name malformed drop", "public udp dport set 20000 accept", Claim.CLOSED),
    (f"regulars udp dport set {DESK} accept", f"regulars udp dport set {LINKS[0]} accept", Claim.FIRST),
    (f"{TABLE} public notrack", "", Claim.UNTRACKED),
]  # fmt: skip
"""Rules of the front door, what stands there instead, and the claim that it refutes."""


@pytest.mark.long
def test_the_product_s_front_door_is_proven(doorway: Doorway) -> None:
    doorway.load()
    reading = doorway.read()
    by_classes, by_z3 = prove_door(reading)
    assert (by_classes.counterexamples, by_z3.counterexamples) == ((), ())
    assert by_classes.counted > len(Claim)
    assert (reading.inner, reading.desk) == (frozenset(LINKS), frozenset([DESK]))


@pytest.mark.parametrize(
    ("changes", "more", "said"),
    [
        ([], f"{TABLE} leave ct mark 7 drop", "the expression ct"),
        ([], f"{TABLE} public udp dport vmap {{ 7 : drop }}", "the statement vmap"),
        ([], f"{TABLE} public add @inner {{ udp sport }}", "a rule that writes to inner"),
        ([], f"{TABLE} begin add @sessions {{ @th,96,32 timeout 3d : udp dport }}", "@th,96,32 timeout 3d"),
        ([], f"{TABLE} public @nh,64,32 7 drop", "the expression @nh,64,32"),
        ([("timeout 200s; size 524288", "size 524288")], "", "the map sessions, whose entries never end,"),
        ([("timeout 200s; size 524288", "timeout 180s; size 524288")], "", "sessions, which forgets one after 180 s"),
        ([(GIVEN, GIVEN.replace("200", "100"))], "", "resumed4, which forgets one after 100 s"),
        ([(GIVEN, GIVEN.replace("timeout 200s", "flags timeout"))], "", "the map resumed4, whose entries never end,"),
        ([], "table ip x { chain y { type filter hook input priority 0; udp dport set 7; }; }", "table ip x, chain y"),
        (
            [],
            ANOTHER,
            "a host with 2 front doors",
        ),
        ([], "add element inet mwtestdoor inner { 51820 }", "the public port 51820, which has another use too,"),
        ([], "add element inet mwtestdoor inner { 40001 }", "a port of a link that is another one's too"),
    ],
)  # fmt: skip
def test_what_has_no_meaning_is_refused(doorway: Doorway, changes: list[tuple[str, str]], more: str, said: str) -> None:
    doorway.load(*changes, more=more)
    with pytest.raises(Unmodelled) as refused:
        prove_door(doorway.read())
    assert said in str(refused.value)


def test_nat_of_others_and_their_drops_are_no_matter(doorway: Doorway) -> None:
    doorway.load()
    alone = doorway.read()
    doorway.load(
        more="table ip x { chain y { type nat hook prerouting priority -100; udp dport 53 dnat to 192.0.2.1; }; "
        "chain z { type filter hook input priority 0; policy drop; ct state established accept; }; }"
    )
    beside = doorway.read()
    assert beside.parsed() == alone.parsed()
    assert beside.digest != alone.digest


def test_a_front_door_leads_to_the_links_alone(doorway: Doorway) -> None:
    doorway.load()
    reading = doorway.read()
    assert not [*wrong_links(reading, {"acme": 20000, "bolt": 20001}, are_all=True)]
    assert not [*wrong_links(reading, {"acme": 20000}, are_all=False)]
    said = " and ".join(wrong_links(reading, {"acme": 20000, "bolt": 20000, "core": 7}, are_all=True))
    assert "the links of acme and bolt have one port, 20000" in said
    assert "the front door does not lead to port 7 of core" in said
    assert "the front door leads to port 20001, which is no organization's" in said
