"""Health answers for anonymous callers and for watchers, and the rate of the hub requests behind them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import ip_network

import pytest

from appliance.hub.errors import HubUnreachable
from appliance.hub.rpc.messages import HubStatus
from appliance.model.errors import Busy
from appliance.service import Context
from appliance.web.app import make_app
from appliance.web.limits import RateLimits
from appliance.web.recent import Recent
from tests.appliance.sites import site_of
from tests.appliance.web.client import Response, call

TOKEN = "a-token-of-many-characters"


@dataclass
class Asked:
    """A site, and the number of status requests to its hub."""

    context: Context
    enforcing: int = 2
    answers: bool = True
    times: int = 0
    limits: RateLimits = field(default_factory=lambda: RateLimits([ip_network("192.0.2.0/24")], clock=lambda: 1000.0))

    def __post_init__(self) -> None:
        self._app = make_app(site_of(self.context, self.limits), self._status, metrics_token=TOKEN)

    def _status(self) -> HubStatus:
        self.times += 1
        if not self.answers:
            raise HubUnreachable("nobody there")
        return HubStatus("fake", "1", expected=2, enforcing=self.enforcing)

    def ask(self, path: str, address: str = "198.51.100.7", **headers: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return call(self._app, "GET", path, address=address, headers=named)


@pytest.fixture
def asked(context: Context) -> Asked:
    return Asked(context)


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("::ffff:127.0.0.1", {}, 200),
        ("192.0.2.7", {}, 200),
        ("198.51.100.7", {"Authorization": f"Bearer {TOKEN}"}, 200),
        ("198.51.100.7", {}, 401),
        ("198.51.100.7", {"Authorization": f"Bearer {TOKEN}x"}, 401),
        ("198.51.100.7", {"Authorization": "Bearer \udcff"}, 401),
        ("198.51.100.7", {"Authorization": f"Basic {TOKEN}"}, 401),
        ("127.0.0.1", {"X_Forwarded_For": "127.0.0.1"}, 401),
        ("127.0.0.1", {"Forwarded": "for=198.51.100.7"}, 401),
    ],
)
def test_metrics_are_for_watchers(asked: Asked, address: str, headers: dict[str, str], status: int) -> None:
    assert asked.ask("/metrics", address, **headers).status == status
    assert asked.times == (1 if status == 200 else 0)


def test_an_unset_token_admits_nobody(context: Context) -> None:
    app = make_app(site_of(context), lambda: HubStatus("fake", "1", 0, 0))
    for shown in ("Bearer", "Bearer ", "Bearer None"):
        assert call(app, "GET", "/metrics", headers={"Authorization": shown}).status == 401


@pytest.mark.parametrize(("enforcing", "status"), [(2, 200), (1, 503)])
def test_an_anonymous_caller_learns_readiness_only(asked: Asked, enforcing: int, status: int) -> None:
    asked.enforcing = enforcing
    answer = asked.ask("/readyz")
    assert answer.status == status
    assert not set(b"0123456789") & set(answer.data.replace(b"503", b""))
    assert b"organizations" not in answer.data
    told = asked.ask("/readyz", "127.0.0.1")
    assert told.status == status
    assert b"organizations" in told.data


def test_health_of_the_hub_is_cached_except_for_watchers(asked: Asked) -> None:
    assert all(asked.ask("/readyz").status == 200 for _ in range(20))
    assert asked.times == 1
    asked.answers = False
    assert asked.ask("/readyz").status == 200
    assert asked.ask("/readyz", "192.0.2.7").status == 503


def test_anonymous_health_requests_are_limited(asked: Asked) -> None:
    answers = [asked.ask("/readyz").status for _ in range(700)]
    assert answers[:300] == [200] * 300
    assert answers[-1] == 429
    assert asked.ask("/metrics").status == 429
    assert asked.ask("/readyz", "127.0.0.1").status == 200
    assert asked.ask("/healthz").status == 200


def test_concurrent_requests_share_one_answer() -> None:
    begun, going = threading.Event(), threading.Event()
    made = []

    def work() -> int:
        begun.set()
        assert going.wait(10)
        made.append(1)
        return len(made)

    recent = Recent(work, clock=lambda: 1000.0, patience=10)
    with ThreadPoolExecutor(8) as pool:
        found = [pool.submit(recent.get) for _ in range(8)]
        assert begun.wait(10)
        going.set()
        assert [each.result(10) for each in found] == [1] * 8


def test_a_request_waits_for_a_limited_time_for_hung_work() -> None:
    begun, going = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        assert going.wait(10)

    recent = Recent(work, patience=0)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(recent.get)
        assert begun.wait(10)
        with pytest.raises(Busy):
            recent.get()
        going.set()
        first.result(10)


def test_failed_work_is_tried_again() -> None:
    outcomes = iter([ZeroDivisionError(), None])

    def work() -> int:
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome
        return 7

    recent = Recent(work)
    with pytest.raises(ZeroDivisionError):
        recent.get()
    assert recent.get() == 7
