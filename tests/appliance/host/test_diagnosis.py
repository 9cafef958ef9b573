"""What facts come to: each lacking thing has its advice, and keeps those commands from running that need it."""

from __future__ import annotations

import errno
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from appliance.host import Chosen, Diagnosis, Facts, Finding, Privileges, State, diagnose, inside, parts, system
from appliance.hub.plane.bounds import ENOUGH_FOR_THE_HOST
from appliance.hub.wireguard import boringtun, wireguard_go
from tests.appliance.host.made_up import hopeless, host, hosts, trial, without

NO_KERNEL_WIREGUARD = trial(wireguard="Operation not supported")
IDS = [each.id for each in diagnose(host()).findings]


def test_the_host_has_enough_connections_where_no_bound_is_smaller() -> None:
    assert parts.ENOUGH_CONNECTIONS == ENOUGH_FOR_THE_HOST


def finding(diagnosis: Diagnosis, name: str) -> Finding:
    return next(each for each in diagnosis.findings if each.id == name)


def test_a_host_that_has_everything_needs_no_advice() -> None:
    found = diagnose(host())
    assert (found.up, found.gate, found.rootless) == (True, True, True)
    assert found.chosen == Chosen("kernel", "6.1.0-13-amd64")
    assert {each.state for each in found.findings} == {State.OK}
    assert {each.advice for each in found.findings} == {""}


@pytest.mark.parametrize(
    ("name", "changes", "up", "gate", "advice"),
    [
        ("privileges", {"privileges": Privileges(root=False)}, False, True, "run as root or with sudo"),
        (
            "privileges",
            {"privileges": Privileges(root=True, lacking=("CAP_NET_ADMIN",))},
            False,
            True,
            "run outside of a container, or start it with --cap-add NET_ADMIN",
        ),
        ("network-namespaces", {"own": hopeless()}, False, False, "run outside of a container"),
        (
            "kernel-settings",
            {"own": trial(settings="Read-only file system")},
            False,
            True,
            "--security-opt systempaths=unconfined",
        ),
        ("sandbox", {"own": trial(processes="Operation not permitted")}, True, False, "run outside of a container"),
        (
            "wireguard",
            {"own": NO_KERNEL_WIREGUARD, "programs": without("wireguard-go", "boringtun-cli")},
            False,
            False,
            "apt-get install wireguard-go",
        ),
        ("tun", {"own": NO_KERNEL_WIREGUARD, "tun_errno": errno.ENOENT}, False, False, "modprobe tun"),
        ("tun", {"own": NO_KERNEL_WIREGUARD, "tun_errno": errno.EPERM}, False, False, "--device /dev/net/tun"),
        ("tun", {"own": NO_KERNEL_WIREGUARD, "tun_errno": errno.EACCES}, False, False, "chmod 0666 /dev/net/tun"),
        (
            "tun",
            {"own": trial(wireguard="Operation not supported", tun="Operation not permitted")},
            False,
            False,
            "--cap-add NET_ADMIN",
        ),
        ("python", {"python": "3.9.2"}, False, False, "install Python 3.10 or newer"),
        ("libnftables", {"library": "", "own": trial(rules="x")}, False, False, "apt-get install libnftables1"),
        ("nftables", {"own": trial(rules="Operation not supported")}, False, False, "modprobe -a nf_tables"),
        ("bridge", {"own": trial(bridge="Operation not supported")}, True, False, "modprobe bridge"),
        ("veth", {"own": trial(veth="Operation not supported")}, True, False, "modprobe veth"),
        ("iproute2", {"programs": without("ip")}, True, False, "apt-get install iproute2"),
        ("wireguard-tools", {"programs": without("wg-quick")}, True, False, "apt-get install wireguard-tools"),
        ("tcpdump", {"programs": without("tcpdump")}, True, False, "apt-get install tcpdump"),
        ("nft", {"programs": without("nft")}, True, True, "apt-get install nftables"),
        ("ping", {"programs": without("ping")}, True, True, "apt-get install iputils-ping"),
        ("git", {"programs": without("git")}, True, True, "apt-get install git"),
        ("iperf3", {"programs": without("iperf3")}, True, True, "apt-get install iperf3"),
        ("chromium", {"browser": ""}, True, True, "apt-get install chromium"),
        ("chromium", {"browser": "", "distribution": "Ubuntu 24.04.1 LTS"}, True, True, "./meshwg setup"),
    ],
)
def test_what_is_missing_is_told_with_what_to_do_and_keeps_commands_from_running(
    name: str, changes: dict[str, Any], up: bool, gate: bool, advice: str
) -> None:
    diagnosis = diagnose(host(**changes))
    found = finding(diagnosis, name)
    assert found.state is State.MISSING
    assert advice in found.advice
    assert (diagnosis.up, diagnosis.gate) == (up, gate)
    assert ("up" not in found.needed_by, "gate" not in found.needed_by) == (up, gate)


@pytest.mark.parametrize(
    ("name", "changes", "advice"),
    [
        ("kernel-wireguard", {"own": NO_KERNEL_WIREGUARD}, "modprobe wireguard"),
        ("kernel-wireguard", {"own": NO_KERNEL_WIREGUARD, "wireguard_module": ""}, "CONFIG_WIREGUARD"),
        ("wireguard-go", {"programs": without("wireguard-go")}, "apt-get install wireguard-go"),
        ("boringtun", {"programs": without("boringtun-cli")}, "cargo install --root /usr/local boringtun-cli"),
        ("netem", {"own": trial(netem="No such file or directory")}, "modprobe sch_netem"),
        ("connections", {"connections": 65_536}, "sysctl -w net.netfilter.nf_conntrack_max=262144"),
        # With the kernel's WireGuard nobody needs a TUN device.
        ("tun", {"tun_errno": errno.ENOENT}, "modprobe tun"),
    ],
)
def test_what_others_stand_in_for_is_optional(name: str, changes: dict[str, Any], advice: str) -> None:
    diagnosis = diagnose(host(**changes))
    found = finding(diagnosis, name)
    assert found.state is State.OPTIONAL
    assert advice in found.advice
    assert diagnosis.up
    assert diagnosis.gate


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"ordinary": hopeless(), "settings": {system.USERNS_CLONE: "0"}}, f"sysctl -w {system.USERNS_CLONE}=1"),
        ({"ordinary": hopeless(), "settings": {system.MAX_USERNS: "0"}}, f"sysctl -w {system.MAX_USERNS}=15000"),
        ({"ordinary": hopeless(), "settings": {system.APPARMOR_USERNS: "1"}}, f"sysctl -w {system.APPARMOR_USERNS}=0"),
        ({"ordinary": hopeless(), "settings": {system.APPARMOR_USERNS: "0"}}, "run outside of a container"),
        ({"ordinary": trial(processes="Operation not permitted")}, "run outside of a container"),
        (
            {"own": NO_KERNEL_WIREGUARD, "ordinary": trial(wireguard="x", tun="Permission denied")},
            "chmod 0666 /dev/net/tun",
        ),
        ({"ordinary": None}, "run meshwg doctor as an ordinary user"),
    ],
)
def test_labs_without_root_are_optional_for_root(changes: dict[str, Any], advice: str) -> None:
    diagnosis = diagnose(host(**changes))
    found = finding(diagnosis, "rootless")
    assert (found.state, diagnosis.rootless) == (State.OPTIONAL, False)
    assert advice in found.advice
    assert diagnosis.up
    assert diagnosis.gate


def test_an_ordinary_user_is_told_what_takes_root_and_not_that_it_is_missing() -> None:
    changes = {"privileges": Privileges(root=False, lacking=("CAP_NET_ADMIN",)), "own": hopeless()}
    diagnosis = diagnose(host(**changes, ordinary=hopeless()))
    assert [each.id for each in diagnosis.missing("up")] == ["privileges"]
    assert [each.id for each in diagnosis.missing("gate")] == ["sandbox"]
    assert diagnosis.is_root_all_that_up_lacks
    assert "takes root to try" in finding(diagnosis, "kernel-wireguard").found
    # A module that is there is what root would get; one that isn't leaves the choice to what is installed.
    assert diagnosis.chosen == Chosen("kernel", "6.1.0-13-amd64")
    nowhere = diagnose(host(**changes, ordinary=hopeless(), wireguard_module=""))
    assert nowhere.chosen == Chosen("wireguard-go", "1.2.3")


def test_a_device_for_root_alone_keeps_an_ordinary_user_from_labs_and_not_the_hub() -> None:
    own = trial(wireguard="Operation not supported", tun="Permission denied")
    diagnosis = diagnose(
        host(privileges=Privileges(root=False), tun_errno=errno.EACCES, own=own, ordinary=own, wireguard_module="")
    )
    assert diagnosis.is_root_all_that_up_lacks
    assert [each.id for each in diagnosis.missing("gate")] == ["tun"]
    assert finding(diagnosis, "tun").advice == "sudo chmod 0666 /dev/net/tun"


def test_root_is_not_all_that_is_lacking_where_more_is() -> None:
    assert not diagnose(host(privileges=Privileges(root=True, lacking=("CAP_SYS_ADMIN",)))).is_root_all_that_up_lacks
    assert not diagnose(host(privileges=Privileges(root=False), library="")).is_root_all_that_up_lacks
    assert not diagnose(host()).is_root_all_that_up_lacks


def test_the_choice_is_the_kernel_s_then_wireguard_go_then_boringtun() -> None:
    def chosen(*absent: str) -> str | None:
        found = diagnose(host(own=NO_KERNEL_WIREGUARD, programs=without(*absent))).chosen
        return None if found is None else found.name

    assert chosen() == "wireguard-go"
    assert chosen("wireguard-go") == "boringtun"
    assert chosen("wireguard-go", "boringtun-cli") is None


def test_the_hub_and_the_doctor_know_the_same_userspace_implementations() -> None:
    hub = {each.name: each.executable for each in (wireguard_go.PROGRAM, boringtun.PROGRAM)}
    for name, program in hub.items():
        diagnosis = diagnose(host(own=NO_KERNEL_WIREGUARD, programs={program: "7"}))
        assert diagnosis.chosen == Chosen(name, "7")


def test_without_apt_the_advice_names_the_package() -> None:
    found = finding(diagnose(host(programs=without("tcpdump"), has_apt=False)), "tcpdump")
    assert "apt-get" not in found.advice
    assert "tcpdump" in found.advice


@given(hosts())
def test_every_host_has_the_same_findings_and_each_is_in_order(facts: Facts) -> None:
    diagnosis = diagnose(facts)
    assert [each.id for each in diagnosis.findings] == IDS
    assert len(set(IDS)) == len(IDS)
    for each in diagnosis.findings:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", each.id)
        assert each.found
        assert each.needed_by
        assert len((each.found + each.advice).splitlines()) == 1
        if each.state is State.MISSING:
            assert each.advice
        if each.state is State.OK:
            assert not each.advice


@given(hosts())
def test_verdicts_and_findings_agree(facts: Facts) -> None:
    diagnosis = diagnose(facts)
    missing = [each for each in diagnosis.findings if each.state is State.MISSING]
    assert diagnosis.up == (not any("up" in each.needed_by for each in missing))
    assert diagnosis.gate == (not any("gate" in each.needed_by for each in missing))
    assert diagnosis.rootless == (finding(diagnosis, "rootless").state is State.OK)
    assert (diagnosis.chosen is None) == (finding(diagnosis, "wireguard").state is State.MISSING)
    if diagnosis.up:
        assert facts.privileges == Privileges(root=True)
        assert facts.own.works(inside.RULES)


@given(hosts())
def test_more_never_makes_a_host_worse(facts: Facts) -> None:
    before = diagnose(facts)
    every = host()
    for name in ("python", "library", "tun_errno", "programs", "browser", "own"):
        after = diagnose(replace(facts, **{name: getattr(every, name)}))
        assert after.up >= before.up, name
        assert after.gate >= before.gate, name
