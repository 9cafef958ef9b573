"""Real packets beside computed fates: one for each class and state, and those that refute a policy."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from scapy.layers.inet import IP
from scapy.packet import Packet
from scapy.utils import PcapNgReader

from harness.proof import Reading, kinds, prove
from harness.proof.atoms import Fate
from harness.proof.choice import Unreachable
from harness.proof.fields import TCP, UDP, Flow, Variable
from harness.proof.replay.capturing import Sight
from harness.proof.replay.comparing import Comparison, compare, compare_wrongly
from harness.proof.replay.errors import Unreplayable
from harness.proof.replay.namespace import rebuilt
from harness.proof.replay.replaying import Replay, replay
from harness.proof.replay.showing import show
from tests.appliance.hub.ruled import Kernel
from tests.harness.proof.compiled import FIRST, SECOND, kernels, mixed, policy_of, reading_of
from tests.harness.proof.every_kind import RULESET, STATEMENTS, UNPRINTED, fields
from tests.harness.proof.ruleset_faults import (
    Edit,
    accept_all_related,
    accept_other_protocols,
    edited,
    leave_the_first_port_out,
    open_everything,
)

pytestmark = pytest.mark.long

# As many as this command's time allows; `meshwg prove --packets` sends all.
SAMPLE = 90
# The rules of these tests take packets out of tracking before it sees them, never afterwards.
STATES = set(Flow) - {Flow.UNSEEN, Flow.UNTRACKED_LATE}


@pytest.fixture(scope="module")
def kinds_reading() -> Iterator[Reading]:
    """A ruleset that has every kind of expression, read back."""
    with kernels() as kernel:
        # nft(8) itself, since only in the namespace there is a link of this name.
        command = ["ip", "netns", "exec", kernel.wire.names.namespace, "nft", "-f", "-"]
        subprocess.run(command, input=RULESET.format(link=kernel.wire.names.link), text=True, check=True)
        yield reading_of(kernel)


def agree(compared: Comparison) -> None:
    """Checks that all packets that were sent had the computed fate, and that they were enough."""
    assert not compared.wrong, "\n".join(compared.wrong)
    assert compared.agreed + sum(compared.unreached.values()) == compared.pairs
    assert compared.agreed > 0.8 * compared.pairs, compared.unreached


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.full)])
def test_packets_of_a_policy_s_classes(reading: Reading, seed: int) -> None:
    compared = compare(reading, seed, SAMPLE)
    agree(compared)
    assert {Fate.FORWARDED, Fate.DROPPED} <= {fate for _, fate in compared.fates}


def test_packets_of_every_kind_s_classes(kinds_reading: Reading) -> None:
    compared = compare(kinds_reading, 1, 3 * SAMPLE)
    agree(compared)
    assert {fate for _, fate in compared.fates} == set(Fate)
    assert {flow for flow, _ in compared.fates} == STATES


def test_every_kind_with_a_meaning_meets_the_kernel(kinds_reading: Reading) -> None:
    met = set(kinds(kinds_reading.parsed()[0]))
    assert STATEMENTS | set(fields()) - UNPRINTED == met


def test_a_wrong_computation_is_noticed(reading: Reading) -> None:
    compared = compare_wrongly(reading, 1)
    assert compared.wrong
    assert "computed dropped, but the kernel has it forwarded by mw" in compared.wrong[0]
    assert all("forwarded" in each for each in compared.wrong)


def test_a_copy_that_differs_is_refused(reading: Reading) -> None:
    with rebuilt(reading) as copy:
        copy.enforce()
        copy.check()
        copy.run("nft", "flush", "chain", "inet", "mesh", "judge")
        with pytest.raises(Unreplayable, match="other rules"):
            copy.check()
        copy.enforce()
        copy.check()
        copy.run("ip", "route", "delete", "10.100.0.0/16", "table", "100")
        with pytest.raises(Unreplayable, match="the copy's routes"):
            copy.check()


def test_a_way_out_is_captured(reading: Reading, tmp_path: Path) -> None:
    """Rules let everything pass, and a route leads out of the network by a gateway."""
    own = {"dev": "out", "protocol": "kernel", "prefsrc": "192.0.2.7", "flags": []}
    routes = [
        {"dst": "default", "gateway": "192.0.2.1", "dev": "out", "table": "100", "flags": []},
        {"dst": "192.0.2.0/24", "scope": "link", **own},
        {"dst": "192.0.2.7", "type": "local", "table": "local", "scope": "host", **own},
    ]
    of_link = {name: value for name, value in reading.settings.items() if ".default." in name}
    wrong = replace(
        edited(reading, open_everything),
        links=[*reading.links, {"ifindex": 77, "ifname": "out"}],
        routes=[*reading.routes, *routes],
        settings={**reading.settings, **{name.replace(".default.", ".out."): of_link[name] for name in of_link}},
    )
    found = prove(wrong, policy_of(mixed()), most=50).counterexamples
    out = [each for each in found if each.wanted == "dropped: no machine is there"]
    assert out
    for shown in show(wrong, out, tmp_path, "acme"):
        assert shown.says == "a real packet in a copy of the namespace is forwarded by out"


def values(flow: Flow, reading: Reading, **changed: int) -> dict[Variable, int]:
    """A packet of a connection by TCP that the policy allows."""
    link = next(index for name, index in reading.link_indexes.items() if name != "lo")
    found = {
        Variable.FLOW: int(flow),
        Variable.LINK: link,
        Variable.PROTOCOL: TCP,
        Variable.SOURCE: int(FIRST.address),
        Variable.DESTINATION: int(SECOND.address),
        Variable.SOURCE_PORT: 40000,
        Variable.DESTINATION_PORT: 22,
        Variable.TYPE: 3,
        Variable.CODE: 0,
        Variable.SENDER: int(IPv4Address("10.100.0.99")),
        Variable.QUOTED: 0x45,
    }
    return found | {Variable[name]: value for name, value in changed.items()}


def replayed(reading: Reading, *cases: dict[Variable, int]) -> list[Replay]:
    """Sends packets that can be sent."""
    outcomes = replay(reading, cases)
    assert all(isinstance(each, Replay) for each in outcomes), outcomes
    return [each for each in outcomes if isinstance(each, Replay)]


def test_each_state_is_brought_about(reading: Reading) -> None:
    """Several of them have the same connection, so that they are in different copies."""
    flows = [flow for flow in Flow if flow in STATES and flow is not Flow.UNTRACKED]
    found = replayed(reading, *(values(flow, reading) for flow in flows))
    assert [flow in each.flows for flow, each in zip(flows, found, strict=True)] == [True] * len(flows)
    dropped = {Flow.INVALID, Flow.ABOUT_ORIGINAL_BY_OTHER, Flow.ABOUT_REPLY_BY_OTHER}
    assert {flow for flow, each in zip(flows, found, strict=True) if each.fate is Fate.DROPPED} == dropped


def test_a_state_that_no_packet_has_is_named(reading: Reading) -> None:
    short, elsewhere = replay(
        reading,
        [values(Flow.ABOUT_REPLY_BY_END, reading, QUOTED=0x41), values(Flow.NEW, reading, LINK=1)],
    )
    assert isinstance(short, Unreachable)
    assert "fewer than 20 bytes" in str(short)
    assert isinstance(elsewhere, Unreachable)
    # Tracking takes no packet of this protocol for invalid.
    (other,) = replayed(reading, values(Flow.INVALID, reading, PROTOCOL=99))
    assert not other.is_in_state
    assert other.state == "new"


@pytest.mark.parametrize("fault", [accept_all_related, accept_other_protocols])
def test_the_capture_shows_what_the_policy_denies(reading: Reading, fault: Edit, tmp_path: Path) -> None:
    wrong = edited(reading, fault)
    examples = prove(wrong, policy_of(mixed()), most=2).counterexamples
    shown = show(wrong, examples, tmp_path / "new", "acme")
    assert len(shown) == len(examples) > 0
    for number, (example, each) in enumerate(zip(examples, shown, strict=True), 1):
        assert each.sight is Sight.AS_COMPUTED, each.says
        assert each.says.startswith("a real packet in a copy of the namespace is forwarded by mw")
        assert each.file == tmp_path / "new" / f"acme-{number}.pcapng"
        packets = captured(each.file)
        arrived, left = packets[-2:]
        assert (arrived.direction, left.direction) == (1, 2)
        assert arrived.sniffed_on == left.sniffed_on
        assert bytes(arrived[IP].payload) == bytes(left[IP].payload)
        assert (arrived[IP].ttl, left[IP].ttl) == (64, 63)
        assert example.packet in comment(arrived)
        assert example.trace[-1] in comment(arrived)
        assert example.wanted in comment(left)
        assert all("while everything is allowed" in comment(each) for each in packets[:-2])


def comment(packet: Packet) -> str:
    """The comment that a capture has on a packet."""
    assert packet.comment is not None
    return packet.comment.decode()


def captured(file: Path) -> list[Packet]:
    """The packets of a capture."""
    with PcapNgReader(str(file)) as reader:
        return list(reader)


def test_the_capture_of_a_dropped_packet_ends_with_it(reading: Reading, tmp_path: Path) -> None:
    """The policy allows it, and nothing leaves."""
    wrong = edited(reading, leave_the_first_port_out)
    (example,) = prove(wrong, policy_of(mixed()), most=1).counterexamples
    (shown,) = show(wrong, [example], tmp_path, "acme")
    assert shown.sight is Sight.AS_COMPUTED
    assert shown.file is not None
    last = captured(shown.file)[-1]
    assert (last.direction, last[IP].dport) == (1, 8000)


def test_a_replay_that_contradicts_says_so(reading: Reading, tmp_path: Path) -> None:
    wrong = edited(reading, accept_other_protocols)
    (example,) = prove(wrong, policy_of(mixed()), most=1).counterexamples
    # With these rules the packet is dropped.
    (shown,) = show(reading, [example], tmp_path, "acme")
    assert shown.sight is not Sight.AS_COMPUTED
    assert shown.says.endswith("so the proof or the copy is wrong; please report it: it is dropped")
    tracked = replace(example, values={**example.values, Variable.FLOW: int(Flow.INVALID), Variable.PROTOCOL: 99})
    (shown,) = show(reading, [tracked], tmp_path, "acme")
    assert shown.says.startswith("not shown by a real packet: connection tracking has it as new")


def test_a_connection_of_the_hub_itself(kernel: Kernel, reading: Reading) -> None:
    """Only the hub can open it, since what claims to come from its address is discarded."""
    kernel.load(mixed())
    hub = int(policy_of(mixed()).hub)
    (found,) = replayed(reading, values(Flow.REPLY, reading, SOURCE=hub, PROTOCOL=UDP))
    assert found.is_in_state
    assert found.fate is Fate.DROPPED
