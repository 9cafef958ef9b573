"""An example service for pictures: an organization with machines, rules and history, and an operator."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec

from appliance.model.claims import PUBLISHED
from appliance.model.demo import STREAMS
from appliance.model.desired import PeerStatus, RuleCount
from appliance.service import Context, decided_packets, demo, gate_progress, operators, resets
from appliance.service.transcripts import PublishedRuns
from appliance.store import hidden_runs, times
from reports.events.state import state_of
from tests.appliance.demonstrated import FakeLab
from tests.appliance.fakes import FakeHub
from tests.appliance.members import PASSWORD
from tests.appliance.published import written
from tests.appliance.sites import make_store
from tests.browser import serving
from tests.reports.events.samples import FIGURES, RUN, view_of

OWNER = "asha@example.net"
OPERATOR = "noor@example.org"
_MACHINES = (
    ("laptop-asha", "staff"),
    ("laptop-ravi", "staff, contractors"),
    ("branch-mumbai", "branches"),
    ("branch-pune", "branches"),
    ("web-1", "servers"),
    ("web-2", "servers"),
    ("database", "databases"),
    ("printer-mumbai", ""),
)
_SILENT = ("branch-pune", "web-2")
"""Machines that are not connected now."""

_RULES: tuple[dict[str, str], ...] = (
    {
        "action": "allow",
        "source": "group:staff",
        "destination": "group:servers",
        "protocol": "tcp",
        "ports": "22,443",
        "description": "Staff use the servers",
    },
    {
        "action": "deny",
        "source": "group:contractors",
        "destination": "group:databases",
        "description": "Contractors never reach data",
    },
    {
        "action": "allow",
        "source": "group:servers",
        "destination": "group:databases",
        "protocol": "tcp",
        "ports": "5432",
        "description": "Applications query the database",
    },
    {"action": "allow", "source": "group:staff", "destination": "any", "protocol": "icmp"},
    {"action": "allow", "source": "group:branches", "destination": "group:branches"},
)
_EXPECTATIONS = (
    {"source": "group:contractors", "destination": "group:databases", "verdict": "deny"},
    {"source": "group:staff", "destination": "group:servers", "verdict": "allow", "protocol": "tcp", "port": 443},
    {"source": "group:branches", "destination": "group:servers", "verdict": "allow", "protocol": "tcp", "port": 443},
)
_HOURS = 90
"""Hours for which packets have been decided about."""

_MOST_AN_HOUR = (2400, 4, 1200, 30, 90, 12)
"""Packets of each rule in a busy hour, and those of the default."""

_OTHERS = ("Bolt Logistics", "Cedar Clinic", "Delta Schools", "Ember Kitchens")


@dataclass
class _Clock:
    """A clock that is behind by days, and then on time."""

    behind: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return times.now() - self.behind


@dataclass
class _Hub(FakeHub):
    """A hub whose counts grow, so that pages have something new to tell."""

    def counters(self, organization: str) -> Sequence[RuleCount]:
        counts = super().counters(organization)
        self.counts = [RuleCount(each.rule, each.packets * 101 // 100, each.bytes * 101 // 100) for each in counts]
        return self.counts


@dataclass(frozen=True)
class Example:
    """The service, with what paths of its pages are made of.

    Attributes:
        site: URL of the pages.
        parts: texts for the variable parts of paths, by name.
        operator_link: link with which the operator sets their account up.
    """

    site: str
    parts: Mapping[str, str]
    operator_link: str


@contextmanager
def running(folder: Path, run: Path | None = None) -> Iterator[Example]:
    """Runs the example for as long as ``with`` lasts.

    Args:
        folder: an empty folder for its files.
        run: folder of a run of the gate, which is published; None for a made-up one.
    """
    published = PublishedRuns(folder / "published")
    claims = tuple(claim.id for claim in PUBLISHED)
    for day in ("2026-02-27", "2026-02-28", "2026-03-01"):
        published.publish(written(folder / "out", f"{day}T12:00:00Z", claims=claims))
    hidden = published.runs(3)[-1].id
    newest = published.publish(run) if run is not None else published.runs(1)[0]
    store, hub, clock = make_store(folder / "store.sqlite"), _Hub(), _Clock()
    lab = FakeLab.of(folder)
    with serving.pages(store, hub, published, clock, lab.lab) as context, httpx.Client(verify=False) as client:  # noqa: S501
        parts = _Story(context, hub, clock, client).told()
        # As if it wrote for as long as pictures are taken.
        going_on = state_of(view_of(RUN[: RUN.index(FIGURES) + 1]), time.time() + 3600)
        (published.folder / gate_progress.NAME).write_bytes(msgspec.json.encode(going_on))
        with store.write() as transaction:
            hidden_runs.hide(transaction, hidden)
        lab.begin(context)
        demo.flip(context, STREAMS[1].rule, "deny")
        lab.clock.now += 2 * 10**9
        lab.arrive(0, 2)
        link = operators.add(context, OPERATOR)
        second = operators.add(context, "sam@example.org").rpartition("/")[2]
        found = {"run": newest.id, "claim": claims[0], "operator_token": second, **parts}
        yield Example(context.site, found, link)
    store.close()


@dataclass(frozen=True)
class _Story:
    context: Context
    hub: FakeHub
    clock: _Clock
    client: httpx.Client

    def told(self) -> dict[str, str]:
        """Has everything happen, some of it some weeks ago; returns the parts of paths."""
        self.clock.behind = timedelta(days=45)
        for number, name in enumerate(_OTHERS):
            self._sign_up(f"owner-{number}@example.com", name)
        token = self._sign_up(OWNER, "Acme Networks")
        self._call("PATCH", "/organization", token, {"plan": "paid"})
        machines = {name: self._add(token, name, groups) for name, groups in _MACHINES[:5]}
        self._call("PUT", "/policy", token, {"default": "deny", "rules": list(_RULES[:1])})
        self.clock.behind = timedelta(days=9, hours=3)
        token = self._log_in()
        machines |= {name: self._add(token, name, groups) for name, groups in _MACHINES[5:]}
        self._call("PUT", "/policy", token, {"default": "deny", "rules": list(_RULES[:3])})
        self.clock.behind = timedelta(0)
        token = self._log_in()
        rules = self._call("PUT", "/policy", token, {"default": "deny", "rules": list(_RULES)})["rules"]
        self._call("PUT", "/policy/expectations", token, list(_EXPECTATIONS))
        member = self._join(token, "ravi@example.net", "admin")
        self._join(token, "meera@example.net", "viewer")
        pending = self._invite(token, "kiran@example.net", "viewer")
        fields = {"name": "monitoring", "password": PASSWORD, "scope": "read"}
        self._call("POST", "/tokens", token, fields)
        self._pass_traffic([rule["id"] for rule in rules], machines)
        version = self._call("GET", "/policy/history", token)["versions"][-1]["version"]
        organization = self._call("GET", "/organization", token)["id"]
        now = times.now()
        return {
            "laptop": machines["laptop-asha"],
            "machine": machines["branch-mumbai"],
            "silent": machines["branch-pune"],
            "other": machines["web-1"],
            "rule": rules[0]["id"],
            "version": str(version),
            "member": member,
            "month": f"{now - timedelta(days=now.day):%Y-%m}",
            "invitation": pending,
            "reset": resets.issue(self.context, OWNER).rpartition("=")[2],
            "organization": organization,
        }

    def _pass_traffic(self, rules: list[str], machines: Mapping[str, str]) -> None:
        """Makes the hub tell of machines that are connected, and of packets."""
        now = int(time.time())
        desired = next(each for each in self.hub.enforced.values() if len(each.peers) == len(_MACHINES))
        silent = {machines[name] for name in _SILENT}
        self.hub.statuses = [
            PeerStatus(
                peer.public_key,
                now - 20 * place,
                48_211_904 >> place,
                9_120_334 >> place,
                f"203.0.113.{place}:5182{place}",
            )
            for place, peer in enumerate(desired.peers)
            if peer.id not in silent
        ]
        packets = dict.fromkeys([*rules, None], 0)
        for hours in range(_HOURS, -1, -1):
            self.clock.behind = timedelta(hours=hours)
            is_day = 8 <= self.clock().hour < 20
            for rule, most in zip(packets, _MOST_AN_HOUR, strict=True):
                packets[rule] += most * (10 if is_day else 2) * (5 + hours * 7919 % 6) // 100
            self.hub.counts = [RuleCount(rule, number, 640 * number) for rule, number in packets.items()]
            decided_packets.note(self.context)

    def _sign_up(self, email: str, name: str) -> str:
        fields = {"email": email, "password": PASSWORD, "organization": name}
        return str(self._call("POST", "/signup", None, fields)["token"])

    def _log_in(self) -> str:
        return str(self._call("POST", "/sessions", None, {"email": OWNER, "password": PASSWORD})["token"])

    def _add(self, token: str, name: str, groups: str) -> str:
        names = [each for each in groups.split(", ") if each]
        return str(self._call("POST", "/machines", token, {"name": name, "groups": names})["machine"]["id"])

    def _invite(self, token: str, email: str, role: str) -> str:
        made = self._call("POST", "/invitations", token, {"email": email, "role": role})
        return str(made["link"]).rpartition("/")[2]

    def _join(self, token: str, email: str, role: str) -> str:
        fields = {"token": self._invite(token, email, role), "password": PASSWORD}
        self._call("POST", "/invitations/accept", None, fields)
        members = self._call("GET", "/members", token)["members"]
        return str(next(each["id"] for each in members if each["email"] == email))

    def _call(self, method: str, path: str, token: str | None, body: Any = None) -> Any:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        answer = self.client.request(method, f"{self.context.site}/api/v1{path}", headers=headers, json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None
