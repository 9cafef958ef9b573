"""Requests beyond a share: of threads, of the processor, and of threads for large bodies."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

from appliance.web.bodies import Budget
from appliance.web.gateway import Gateway
from appliance.web.payers import Payers
from appliance.web.request import PAYER, is_for_operators
from tests.appliance.web.exchanges import HOST, Exchange, head


class Crowded:
    """An application in which the requests of one address wait until a test lets them end."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.at_work = self.most_large = 0
        self._large = 0
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REMOTE_ADDR"] == "203.0.113.1" or environ["PATH_INFO"].endswith("/held"):
            is_large = bool(environ["wsgi.input"].read(1))
            with self._lock:
                self.at_work += 1
                self._large += is_large
                self.most_large = max(self.most_large, self._large)
            self.go.wait(20)
            with self._lock:
                self._large -= is_large
        start("200 OK", [])
        return [b"done"]


def test_many_requests_of_one_address_delay_no_other_address() -> None:
    """Sends 40 requests of one address and one of another: without shares, it would wait behind them for 16 threads."""
    application, payers = Crowded(), Payers()
    many, other = [Exchange() for _ in range(40)], Exchange()

    async def work() -> None:
        gateway = Gateway(application, threads=16, payers=payers, pause=0)
        crowd = [asyncio.create_task(gateway.__rsgi__(head("203.0.113.1:1", [HOST]), each)) for each in many]
        await asyncio.wait_for(gateway.__rsgi__(head("203.0.113.2:1", [HOST]), other), 10)
        assert application.at_work <= 4
        application.go.set()
        await asyncio.gather(*crowd)

    asyncio.run(work())
    assert other.answer == (200, [], b"done")
    statuses = [each.answer[0] for each in many if each.answer is not None]
    assert (statuses.count(200), statuses.count(429)) == (36, 4)
    assert payers.turned_away == {"waiting": 4}
    refused = next(each.answer for each in many if each.answer is not None and each.answer[0] == 429)
    assert dict(refused[1])["Retry-After"] == "1"
    assert "Try again" in json.loads(refused[2])["detail"]


def test_operators_pages_answer_while_all_threads_are_taken() -> None:
    """Four networks hold all threads, and one asks for operators' pages more often than its share."""
    application, payers = Crowded(), Payers()
    members = [Exchange() for _ in range(64)]
    operators = [Exchange() for _ in range(2)]
    strangers = [Exchange() for _ in range(40)]

    async def ask_all(gateway: Gateway, client: str, exchanges: list[Exchange], path: str) -> None:
        scope = head(f"{client}:1", [HOST])
        scope.path = path
        await asyncio.gather(*(gateway.__rsgi__(scope, each) for each in exchanges))

    async def work() -> None:
        gateway = Gateway(application, threads=16, payers=payers, pause=0)
        asked = [
            asyncio.create_task(ask_all(gateway, f"203.0.113.{10 + number}", members[number::4], "/api/v1/held"))
            for number in range(4)
        ]
        while application.at_work < 16:
            await asyncio.sleep(0.001)
        asked.append(asyncio.create_task(ask_all(gateway, "203.0.113.10", strangers, "/operator/held")))
        for path, exchange in zip(("/operator", "/operator/login"), operators, strict=True):
            await asyncio.wait_for(ask_all(gateway, "203.0.113.2", [exchange], path), 10)
        # One thread of operators' pages is all that a network gets there.
        assert application.at_work == 17
        application.go.set()
        await asyncio.gather(*asked)

    asyncio.run(work())
    assert [each.answer for each in operators] == [(200, [], b"done")] * 2
    statuses = [each.answer[0] for each in strangers if each.answer is not None]
    assert (statuses.count(200), statuses.count(429)) == (33, 7)
    assert payers.turned_away == {"operators": 7}


def test_a_path_like_the_operators_has_no_threads_of_its_own() -> None:
    for path, theirs in (("/operator", True), ("/operator/hub", True), ("//operator", True), ("/operators", False)):
        assert is_for_operators({"PATH_INFO": path}) == theirs, path


def test_a_payer_s_large_requests_run_one_at_a_time() -> None:
    application = Crowded()
    large, small = [Exchange(b"x" * 100_000) for _ in range(6)], [Exchange() for _ in range(3)]
    length = ("content-length", "100000")

    async def work() -> None:
        budget = Budget(places_of_one=10)
        gateway = Gateway(application, threads=16, payers=Payers(), budget=budget, pause=0)
        heads = [
            *(head("203.0.113.1:1", [HOST, length]) for _ in large),
            *(head("203.0.113.1:1", [HOST]) for _ in small),
        ]
        asked = [asyncio.create_task(gateway.__rsgi__(*each)) for each in zip(heads, [*large, *small], strict=True)]
        while application.at_work < 4:
            await asyncio.sleep(0.001)
        application.go.set()
        await asyncio.gather(*asked)

    asyncio.run(work())
    assert [each.answer for each in (*large, *small)] == [(200, [], b"done")] * 9
    # The others waited, and took none of the threads.
    assert application.most_large == 1


def test_a_request_is_refused_if_the_share_went_while_it_waited() -> None:
    """Sends five requests at once for one thread, of which the first uses up the share."""
    payers, seen, go = Payers(clock=lambda: 100.0), [], threading.Event()

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        seen.append(environ)
        go.wait(20)
        payers.used(environ, 6)
        start("200 OK", [])
        return [b""]

    exchanges = [Exchange() for _ in range(5)]

    async def work() -> None:
        gateway = Gateway(application, threads=1, payers=payers, pause=0)
        asked = [asyncio.create_task(gateway.__rsgi__(head("203.0.113.1:1", [HOST]), each)) for each in exchanges]
        while not seen:
            await asyncio.sleep(0.001)
        go.set()
        await asyncio.gather(*asked)

    asyncio.run(work())
    assert [each.answer and each.answer[0] for each in exchanges] == [200, 429, 429, 429, 429]
    assert len(seen) == 1
    assert payers.turned_away == {"processor": 4}


def test_an_organization_beyond_its_processor_share_is_refused() -> None:
    """Sends requests from several addresses: the application is not called."""
    seen: list[str] = []

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        seen.append(environ["REMOTE_ADDR"])
        environ[PAYER].shares = ("acme",)
        payers.used(environ, 1.5)
        start("200 OK", [])
        return [b""]

    payers = Payers(clock=lambda: 100.0)
    token = ("cookie", "__Host-meshwg=mws_x")

    async def ask_once(client: str, *headers: tuple[str, str]) -> int:
        exchange = Exchange()
        await gateway.__rsgi__(head(client, [HOST, *headers]), exchange)
        assert exchange.answer is not None
        return exchange.answer[0]

    async def work() -> list[int]:
        return [
            await ask_once("203.0.113.1:1", token),
            await ask_once("203.0.113.1:1", token),
            await ask_once("203.0.113.3:1", token),
            await ask_once("203.0.113.1:1"),
        ]

    gateway = Gateway(application, threads=2, payers=payers, pause=0)
    assert asyncio.run(work()) == [200, 200, 429, 200]
    assert seen == ["203.0.113.1"] * 3
    assert payers.turned_away == {"processor": 1}
