"""Findings and verdicts: each missing feature has advice, and prevents the commands that need it."""

from __future__ import annotations

import errno
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given

from appliance.host import (
    Diagnosis,
    Facts,
    Finding,
    FindingState,
    Privileges,
    WireGuardChoice,
    diagnose,
    parts,
    system,
    trial_program,
)
from appliance.host.facts import SYS_ADMIN
from appliance.hub.plane.bounds import ENOUGH_FOR_THE_HOST
from appliance.hub.wireguard import boringtun, wireguard_go
from tests.appliance.host.example_hosts import failed_trial, host, hosts, trial, without

NO_KERNEL_WIREGUARD = trial(wireguard="Operation not supported")
IDS = [each.id for each in diagnose(host()).findings]


def test_the_connection_limit_is_computed_from_the_hub_s_bounds() -> None:
    assert parts.ENOUGH_CONNECTIONS == ENOUGH_FOR_THE_HOST


def finding(diagnosis: Diagnosis, name: str) -> Finding:
    return next(each for each in diagnosis.findings if each.id == name)


def test_a_complete_host_needs_no_advice() -> None:
    found = diagnose(host())
    assert (found.up, found.gate, found.rootless) == (True, True, True)
    assert found.chosen == WireGuardChoice("kernel", "6.1.0-13-amd64")
    assert {each.state for each in found.findings} == {FindingState.OK}
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
        ("network-namespaces", {"own": failed_trial()}, False, False, "run outside of a container"),
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
        ("chromium", {"browser": ""}, True, True, "apt-get install chromium-headless-shell"),
        ("chromium", {"browser": "", "distribution": "Ubuntu 24.04.1 LTS"}, True, True, "./meshwg setup"),
    ],
)
def test_a_missing_feature_has_advice_and_prevents_its_commands(
    name: str, changes: dict[str, Any], up: bool, gate: bool, advice: str
) -> None:
    diagnosis = diagnose(host(**changes))
    found = finding(diagnosis, name)
    assert found.state is FindingState.MISSING
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
        # The kernel's WireGuard needs no TUN device.
        ("tun", {"tun_errno": errno.ENOENT}, "modprobe tun"),
    ],
)
def test_a_feature_with_a_substitute_is_optional(name: str, changes: dict[str, Any], advice: str) -> None:
    diagnosis = diagnose(host(**changes))
    found = finding(diagnosis, name)
    assert found.state is FindingState.OPTIONAL
    assert advice in found.advice
    assert diagnosis.up
    assert diagnosis.gate


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"ordinary": failed_trial(), "settings": {system.USERNS_CLONE: "0"}}, f"sysctl -w {system.USERNS_CLONE}=1"),
        ({"ordinary": failed_trial(), "settings": {system.MAX_USERNS: "0"}}, f"sysctl -w {system.MAX_USERNS}=15000"),
        (
            {"ordinary": failed_trial(), "settings": {system.APPARMOR_USERNS: "1"}},
            f"sysctl -w {system.APPARMOR_USERNS}=0",
        ),
        ({"ordinary": failed_trial(), "settings": {system.APPARMOR_USERNS: "0"}}, "run outside of a container"),
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
    assert (found.state, diagnosis.rootless) == (FindingState.OPTIONAL, False)
    assert advice in found.advice
    assert diagnosis.up
    assert diagnosis.gate


def test_an_ordinary_user_s_untried_features_are_not_missing() -> None:
    changes = {"privileges": Privileges(root=False, lacking=("CAP_NET_ADMIN",)), "own": failed_trial()}
    diagnosis = diagnose(host(**changes, ordinary=failed_trial()))
    assert [each.id for each in diagnosis.missing("up")] == ["privileges"]
    assert [each.id for each in diagnosis.missing("gate")] == ["sandbox"]
    assert diagnosis.up_lacks_only_root
    assert "takes root to try" in finding(diagnosis, "kernel-wireguard").found
    # Root would get the module that is on disk; without one, an installed program is chosen.
    assert diagnosis.chosen == WireGuardChoice("kernel", "6.1.0-13-amd64")
    without_module = diagnose(host(**changes, ordinary=failed_trial(), wireguard_module=""))
    assert without_module.chosen == WireGuardChoice("wireguard-go", "1.2.3")


@pytest.mark.parametrize(
    "privileges", [Privileges(root=False, lacking=(SYS_ADMIN,)), Privileges(root=True, lacking=(SYS_ADMIN,))]
)
def test_rules_refused_to_a_user_namespace_are_missing_for_labs(privileges: Privileges) -> None:
    """Linux 6.18 refuses there rules that change packets, which it allows to root."""
    refusal = trial(rules="Operation not permitted")
    diagnosis = diagnose(host(privileges=privileges, own=refusal, ordinary=refusal))
    assert [each.id for each in diagnosis.missing("up")] == ["privileges"]
    assert not diagnosis.gate
    found = finding(diagnosis, "nftables")
    assert "Operation not permitted, in a user namespace" in found.found
    assert "for up, run meshwg doctor with all rights of root" in found.advice


def test_a_tun_device_only_for_root_prevents_labs_of_other_users() -> None:
    own = trial(wireguard="Operation not supported", tun="Permission denied")
    diagnosis = diagnose(
        host(privileges=Privileges(root=False), tun_errno=errno.EACCES, own=own, ordinary=own, wireguard_module="")
    )
    assert diagnosis.up_lacks_only_root
    assert [each.id for each in diagnosis.missing("gate")] == ["tun"]
    assert finding(diagnosis, "tun").advice == "sudo chmod 0666 /dev/net/tun"


def test_up_lacks_more_than_root_if_another_feature_is_missing() -> None:
    assert not diagnose(host(privileges=Privileges(root=True, lacking=("CAP_SYS_ADMIN",)))).up_lacks_only_root
    assert not diagnose(host(privileges=Privileges(root=False), library="")).up_lacks_only_root
    assert not diagnose(host()).up_lacks_only_root


def test_wireguard_go_is_chosen_before_boringtun() -> None:
    def chosen(*absent: str) -> str | None:
        found = diagnose(host(own=NO_KERNEL_WIREGUARD, programs=without(*absent))).chosen
        return None if found is None else found.name

    assert chosen() == "wireguard-go"
    assert chosen("wireguard-go") == "boringtun"
    assert chosen("wireguard-go", "boringtun-cli") is None


def test_hub_and_doctor_know_the_same_userspace_programs() -> None:
    hub = {each.name: each.executable for each in (wireguard_go.PROGRAM, boringtun.PROGRAM)}
    for name, program in hub.items():
        diagnosis = diagnose(host(own=NO_KERNEL_WIREGUARD, programs={program: "7"}))
        assert diagnosis.chosen == WireGuardChoice(name, "7")


def test_without_apt_the_advice_names_the_package() -> None:
    found = finding(diagnose(host(programs=without("tcpdump"), has_apt=False)), "tcpdump")
    assert "apt-get" not in found.advice
    assert "tcpdump" in found.advice


@given(hosts())
def test_every_host_has_the_same_well_formed_findings(facts: Facts) -> None:
    diagnosis = diagnose(facts)
    assert [each.id for each in diagnosis.findings] == IDS
    assert len(set(IDS)) == len(IDS)
    for each in diagnosis.findings:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", each.id)
        assert each.found
        assert each.needed_by
        assert len((each.found + each.advice).splitlines()) == 1
        if each.state is FindingState.MISSING:
            assert each.advice
        if each.state is FindingState.OK:
            assert not each.advice


@given(hosts())
@example(host())
def test_verdicts_and_findings_agree(facts: Facts) -> None:
    diagnosis = diagnose(facts)
    missing = [each for each in diagnosis.findings if each.state is FindingState.MISSING]
    assert diagnosis.up == (not any("up" in each.needed_by for each in missing))
    assert diagnosis.gate == (not any("gate" in each.needed_by for each in missing))
    assert diagnosis.rootless == (finding(diagnosis, "rootless").state is FindingState.OK)
    assert (diagnosis.chosen is None) == (finding(diagnosis, "wireguard").state is FindingState.MISSING)
    if diagnosis.up:
        assert facts.privileges == Privileges(root=True)
        assert facts.own.works(trial_program.RULES)


@given(hosts())
def test_a_further_feature_never_makes_a_verdict_worse(facts: Facts) -> None:
    before = diagnose(facts)
    complete = host()
    for name in ("python", "library", "tun_errno", "programs", "browser", "own"):
        after = diagnose(replace(facts, **{name: getattr(complete, name)}))
        assert after.up >= before.up, name
        assert after.gate >= before.gate, name
