"""Kinds of hub: a member that a kind lacks raises `Inconclusive`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from harness.judging.verdicts import Inconclusive
from harness.subject.fault_watch import FaultWatch
from harness.subject.kinds import ForeignHub, OwnService, RemoteService
from harness.subject.live import Live, Shell
from harness.subject.options import Build
from harness.subject.outward import Outward
from harness.subject.service import Service
from harness.subject.subject import Site, Subject
from harness.target import Target
from netlab import Lab, LabHost

SHELL = Shell("root@vpn.example.net", 0)


class Halting:
    """A target that can be stopped."""

    def __init__(self, *_: object) -> None:
        self.calls: list[str] = []

    def stop(self) -> None:
        self.calls.append("stop")

    def start(self) -> None:
        self.calls.append("start")


@pytest.fixture
def site(tmp_path: Any) -> Site:
    class Host:
        folder = tmp_path

    return Site(cast("Lab", None), cast("LabHost", Host()), "192.0.2.1", "192.0.2.250", "192.0.2.251")


def remote(site: Site, shell: Shell | None = None) -> Subject:
    return RemoteService(site, Live("https://192.0.2.9", Outward(0), ssh=shell))


def foreign(site: Site, make: Callable[[], object] = object) -> Subject:
    return ForeignHub(site, cast("Callable[[LabHost, str], Target]", lambda *_: make()))


def test_the_labs_own_service_lacks_nothing(site: Site) -> None:
    own = OwnService(site)
    assert own.installed is own.service
    assert own.host is own.lab_host is site.host
    assert (own.address, own.endpoint_host, own.is_borrowed) == ("192.0.2.1", "192.0.2.1", False)
    own.check_may_attack()


@pytest.mark.parametrize(
    ("broken", "error", "calls"),
    [
        (None, None, ["settle", "look", "stop", "check_end"]),
        (None, KeyError(), ["look", "stop"]),
        (Build(["platform"], lambda _: None, lambda _: None), None, []),
    ],
)
def test_faults_are_looked_for_before_and_after_the_end(
    site: Site, monkeypatch: pytest.MonkeyPatch, broken: Build | None, error: Exception | None, calls: list[str]
) -> None:
    called: list[str] = []
    for name in ("settle", "look", "check_end"):
        monkeypatch.setattr(FaultWatch, name, lambda *_, name=name: called.append(name))

    def stop(service: Service) -> None:
        service.before_stop()
        called.append("stop")

    monkeypatch.setattr(Service, "stop", stop)
    OwnService(site, broken=broken).__exit__(None if error is None else KeyError, error, None)
    assert called == calls


def test_the_labs_own_service_has_one_name_and_two_addresses(site: Site) -> None:
    own = OwnService(site, endpoint="vpn.example.net")
    assert own.peer_of("vpn.example.net:51820") == "192.0.2.1:51820"
    own.be_reached_at("2001:db8::1")
    assert (own.address, own.endpoint_host) == ("2001:db8::1", "vpn.example.net")
    assert own.peer_of("vpn.example.net:51820") == "[2001:db8::1]:51820"


def test_a_hub_that_others_run_is_reached_in_its_own_way(site: Site) -> None:
    with pytest.raises(Inconclusive, match=r"not at 2001:db8::1$"):
        remote(site).be_reached_at("2001:db8::1")


@pytest.mark.parametrize("part", ["service", "installed", "host", "lab_host"])
def test_a_service_that_others_run_lacks_its_host(site: Site, part: str) -> None:
    with pytest.raises(Inconclusive, match=r"--target names one that others run$"):
        getattr(remote(site), part)


def test_a_shell_is_not_the_labs_own_service(site: Site) -> None:
    with pytest.raises(Inconclusive, match=r"a shell there is not enough$"):
        _ = remote(site, SHELL).lab_host


@pytest.mark.parametrize("part", ["service", "installed"])
def test_another_product_has_no_processes_of_the_service(site: Site, part: str) -> None:
    with pytest.raises(Inconclusive, match=r"--hub names another hub$"):
        getattr(foreign(site), part)


def test_another_product_runs_on_a_host_of_the_lab(site: Site) -> None:
    assert foreign(site).host is foreign(site).lab_host is site.host


def test_another_product_is_stopped_if_it_can_be(site: Site) -> None:
    halting = Halting()
    with foreign(site, lambda: halting).stopped():
        assert halting.calls == ["stop"]
    assert halting.calls == ["stop", "start"]
    with pytest.raises(Inconclusive, match="can't be stopped"), foreign(site).stopped():
        pytest.fail("it was stopped")
