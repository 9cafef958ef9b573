"""Charts of what a rule and the default decided about, and the tables that say the same."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.desired import RuleCount
from appliance.model.ids import new_id
from appliance.model.policy import ANYONE, Action, Protocol, Rule
from appliance.service import accounts, decided_packets
from appliance.service import policy as policies
from appliance.service.decided_packets import Course
from appliance.store.times import now
from appliance.web.pages.decided_packets import HEIGHT, WIDTH, chart_of
from appliance.web.request import COOKIE
from appliance.web.site import Site
from tests.appliance.clocks import WallClock
from tests.appliance.fakes import FakeHub
from tests.appliance.web.pages.visitor import Answer, Visitor


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=200))
def test_bars_are_in_the_picture_and_tell_every_packet(steps: list[int]) -> None:
    chart = chart_of(Course(now(), timedelta(hours=1), tuple(steps)))
    assert chart.total == sum(count for _, count in chart.rows) == sum(steps)
    assert len(chart.bars) == len(chart.rows) == sum(1 for count in steps if count)
    for bar in chart.bars:
        assert 0 <= bar.x <= bar.x + bar.width <= WIDTH
        assert bar.height >= 1
        assert bar.y + bar.height == pytest.approx(HEIGHT)
    if chart.bars:
        assert max(bar.height for bar in chart.bars) == pytest.approx(HEIGHT)
        assert (chart.busiest, chart.most) in chart.rows


def text(answer: Answer) -> str:
    assert answer.status == 200
    return " ".join(answer.page.text.split())


def test_a_rule_and_the_default_tell_their_packets(owner: Visitor, site: Site, hub: FakeHub) -> None:
    actor = accounts.actor_of(site.context, owner.cookies[COOKIE])
    rule = policies.add_rule(site.context, actor, Rule(new_id(), Action.DENY, ANYONE, ANYONE, Protocol.UDP)).result
    for path in ("/policy/default", f"/policy/rules/{rule.id}"):
        assert "Nothing was counted in the last 90 days" in text(owner.get(path))
    end = now()
    clock = WallClock(end)
    context = replace(site.context, clock=clock)
    for hours, packets in ((-2, 0), (-1, 3), (0, 1003)):
        hub.counts = [RuleCount(None, 2 * packets, 0), RuleCount(rule.id, packets, 0)]
        clock.now = end + timedelta(hours=hours)
        decided_packets.note(context)
    assert "1,003 packets; the most in an hour were 1,000" in text(owner.get(f"/policy/rules/{rule.id}"))
    page = owner.get("/policy/default")
    assert "2,006 packets; the most in an hour were 2,000" in text(page)
    assert len(re.findall("<rect", page.text)) in (3, 4), "two hours, of one day or two"
    assert len(page.page.all("svg")) == 2
    assert "/policy/default" in owner.get("/policy").text
