"""The page of the policy."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from itertools import islice, product

import pytest

from appliance.model.desired import RuleCount
from appliance.model.expectations import Expectation
from appliance.model.ids import new_id
from appliance.model.policy import ANYONE, Action, Policy, Protocol, Rule, Selector, SelectorKind
from appliance.model.port_ranges import PortRange
from appliance.service import Actor, accounts, expectations
from appliance.service import policy as policies
from appliance.store.policies import SavedPolicy
from appliance.web.pages import notices, words
from appliance.web.request import COOKIE
from appliance.web.site import Site
from tests.appliance.fakes import FakeHub
from tests.appliance.web.pages.visitor import Visitor


def test_rules_show_their_counts(owner: Visitor, hub: FakeHub, saved: Callable[[], SavedPolicy]) -> None:
    owner.add_rule(action="deny", source="any", destination="any", protocol="tcp", ports="22")
    hub.counts = [RuleCount(saved().policy.rules[0].id, 1234, 98_000), RuleCount(None, 1, 84)]
    page = owner.get("/policy").page.text
    assert "1,234 packets" in page
    assert "so far: 1 packet, 84 B" in page
    hub.refuses = True
    assert "unknown" in owner.get("/policy").page.text


def test_counts_tell_what_is_new_since_the_last_look(
    owner: Visitor, hub: FakeHub, saved: Callable[[], SavedPolicy]
) -> None:
    owner.add_rule(action="deny", source="any", destination="any", protocol="tcp", ports="22")
    rule = saved().policy.rules[0].id
    hub.counts = [RuleCount(rule, 1000, 84_000), RuleCount(None, 1, 84)]
    assert "+" not in owner.get("/policy").page.text
    hub.counts = [RuleCount(rule, 2234, 187_000), RuleCount(None, 1, 84)]
    text = " ".join(owner.get("/policy").page.text.split())
    assert "2,234 packets, 182.6 KiB +1,234" in text
    assert "A number with + counts the packets since just now" in text
    assert text.count("+") == 2, "the default decided about nothing new"


def enforced_ms(page: str) -> float | None:
    """Finds the time that enforcing a save took, if the page tells it."""
    found = re.search(r"and the hub enforces it\. Enforcing it took ([\d.,]+) ms\.", page)
    return None if found is None else float(found[1].replace(",", ""))


def test_a_save_tells_how_long_enforcing_took(owner: Visitor, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    apply = hub.apply

    def slowly(*arguments: object, **named: object) -> None:
        time.sleep(0.02)
        apply(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(hub, "apply", slowly)
    page = owner.get("/policy")
    form = {"action": "deny", "source": "any", "destination": "any", "protocol": "icmp"}
    owner.send("/policy/rules", **form)
    told = enforced_ms(owner.get("/policy").page.text)
    assert told is not None
    assert told >= 20
    owner.answer = page
    owner.send("/policy/rules", **form)
    again = owner.get("/policy").page.text
    assert "This form came twice, and was done once." in again
    assert enforced_ms(again) == told


def test_a_save_that_enforces_nothing_tells_no_time(owner: Visitor) -> None:
    for _ in range(2):
        owner.get("/policy")
        owner.send("/policy/default", default="deny")
    text = owner.get("/policy").page.text
    assert "The policy is saved" in text
    assert enforced_ms(text) is None


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.00237, "2.4 ms"), (0.0000001, "0.0 ms"), (0.0123, "12 ms"), (99999.0, "1,000,000 ms")]
)
def test_times_have_two_digits_that_matter(seconds: float, told: str) -> None:
    key = notices.timed("saved", seconds)
    assert f"Enforcing it took {told}." in (notices.words(key) or "")
    assert f"Enforcing it took {told}." in (notices.words(notices.again(key)) or "")


@pytest.mark.parametrize("key", ["saved-us", "saved-1234567890us", "nothing-5us", "saved-5us-x", "saved-٣us"])
def test_a_made_up_notice_is_none(key: str) -> None:
    assert notices.words(key) is None


def test_a_rule_without_effect_needs_a_confirmation(
    owner: Visitor, pair: tuple[str, str], saved: Callable[[], SavedPolicy]
) -> None:
    ends = {"source": f"machine:{pair[0]}", "destination": f"machine:{pair[1]}"}
    owner.add_rule(action="deny", description="no backups <by day>", **ends)
    for further in ({"description": "said again"}, {"protocol": "tcp", "ports": "22"}, {"action": "allow"}):
        fields = {"action": "deny", "description": ""} | ends | further
        answer = owner.add_rule(**fields)
        assert answer.status == 409
        text = " ".join(answer.page.text.split())
        assert "there is this rule: deny everything from mumbai to pune (no backups <by day>)." in text
        assert "somebody saved the policy" not in text
        typed = {each["name"]: each.get("value") for each in answer.page.all("input") if "name" in each}
        assert typed["description"] == fields["description"]
        assert len(saved().policy.rules) == 1
    assert owner.send("/policy/rules", idle="yes", **fields).status == 303
    assert len(saved().policy.rules) == 2


def test_the_opposite_direction_is_another_rule(
    owner: Visitor, pair: tuple[str, str], saved: Callable[[], SavedPolicy]
) -> None:
    ends = {"source": f"machine:{pair[0]}", "destination": f"machine:{pair[1]}"}
    owner.add_rule(action="deny", **ends)
    answer = owner.add_rule(action="deny", both_ways="yes", **ends)
    assert answer.status == 409
    back = {"source": ends["destination"], "destination": ends["source"]}
    assert owner.add_rule(action="deny", **back).status == 303
    assert len(saved().policy.rules) == 2


def test_both_directions_are_two_rules_in_one_save(
    owner: Visitor, hub: FakeHub, pair: tuple[str, str], saved: Callable[[], SavedPolicy]
) -> None:
    before, applications = saved().version, hub.applications
    answer = owner.add_rule(
        action="deny",
        source=f"machine:{pair[0]}",
        destination=f"machine:{pair[1]}",
        protocol="tcp",
        ports="80, 22",
        description="apart",
        both_ways="yes",
    )
    assert answer.headers["location"] == "/policy"
    after = saved()
    assert after.version == before + 1
    assert hub.applications == applications + 1
    assert {(rule.source.name, rule.destination.name) for rule in after.policy.rules} == {pair, pair[::-1]}
    assert next(iter(hub.enforced.values())).policy == after.policy

    page = owner.get("/policy").page
    assert "The policy is saved, and the hub enforces it." in page.text
    assert page.text.count("TCP, ports 22, 80") == 2
    assert "mumbai" in page.text
    assert not any(machine in page.text for machine in pair), "ids are for programs"


def test_both_directions_of_any_to_any_are_one_rule(owner: Visitor, saved: Callable[[], SavedPolicy]) -> None:
    owner.add_rule(action="deny", source="any", destination="any", protocol="icmp", both_ways="yes")
    assert len(saved().policy.rules) == 1


def test_the_default_is_switched(owner: Visitor, saved: Callable[[], SavedPolicy]) -> None:
    owner.get("/policy")
    owner.send("/policy/default", default="deny")
    assert saved().policy.default is Action.DENY
    assert "everything is denied" in owner.get("/policy").page.text


def test_a_rule_is_removed(owner: Visitor, saved: Callable[[], SavedPolicy]) -> None:
    owner.add_rule(action="deny", source="any", destination="any", protocol="any")
    owner.add_rule(action="allow", source="any", destination="any", protocol="icmp", idle="yes")
    rule = saved().policy.rules[0]
    owner.get("/policy")
    assert owner.send("/policy/rules/remove", rule="another").status == 404
    owner.send("/policy/rules/remove", rule=rule.id)
    owner.send("/policy/rules/remove")
    assert [each.action for each in saved().policy.rules] == [Action.ALLOW]


def test_a_stale_page_saves_nothing(owner: Visitor, saved: Callable[[], SavedPolicy]) -> None:
    stale = owner.get("/policy")
    owner.add_rule(action="deny", source="any", destination="any", protocol="icmp")
    before = saved()
    owner.answer = stale
    answer = owner.send(
        "/policy/rules", action="allow", source="any", destination="any", protocol="tcp", ports="443", description="web"
    )
    assert answer.status == 409
    assert "the policy was saved after you opened this page, in another window or by somebody else" in answer.page.text
    assert saved() == before
    assert 'value="443"' in answer.text
    assert 'value="web"' in answer.text
    assert "ICMP (ping)" in answer.page.text

    again = owner.send("/policy/rules", action="allow", source="any", destination="any", protocol="tcp", ports="443")
    assert again.status == 303, "the page that told of it holds the new version"


def test_a_stale_removal_and_default_save_nothing(owner: Visitor, saved: Callable[[], SavedPolicy]) -> None:
    owner.add_rule(action="deny", source="any", destination="any", protocol="icmp")
    stale = owner.get("/policy")
    owner.send("/policy/default", default="deny")
    before = saved()
    (rule,) = before.policy.rules
    for action, fields in (("/policy/rules/remove", {"rule": rule.id}), ("/policy/default", {"default": "allow"})):
        owner.answer = stale
        assert owner.send(action, **fields).status == 409
    assert saved() == before


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"protocol": "tcp", "ports": "nonsense"}, "ports"),
        ({"protocol": "icmp", "ports": "22"}, "ports"),
        ({"protocol": "gre"}, "protocol"),
        ({"source": "machine:nobody"}, "source"),
        ({"destination": "x"}, "destination"),
        ({"description": "x" * 501}, "description"),
        ({"action": "maybe"}, "action"),
    ],
)
def test_a_refusal_is_shown_beside_its_field(
    owner: Visitor, saved: Callable[[], SavedPolicy], fields: dict[str, str], field: str
) -> None:
    answer = owner.add_rule(**({"action": "deny", "source": "any", "destination": "any", "protocol": "any"} | fields))
    assert answer.status == 422
    wrong = [each for tag in ("input", "select") for each in answer.page.all(tag) if "aria-invalid" in each]
    assert [each["id"] for each in wrong] == [f"add-{field}"]
    assert not saved().policy.rules


def test_a_refusal_by_the_hub_saves_nothing(owner: Visitor, hub: FakeHub, saved: Callable[[], SavedPolicy]) -> None:
    owner.get("/policy")
    hub.refuses = True
    answer = owner.send("/policy/default", default="deny")
    assert answer.status == 503
    assert 'role="alert"' in answer.text
    assert saved().policy.default is Action.ALLOW


def test_the_policy_is_evaluated_for_a_connection(owner: Visitor, pair: tuple[str, str]) -> None:
    question = f"/policy/check?source=machine:{pair[0]}&destination=machine:{pair[1]}&protocol=tcp&port=22"
    assert "because no rule matches" in owner.get(question).page.text
    owner.add_rule(action="deny", source="group:office", destination="any", protocol="tcp", ports="22")
    text = " ".join(owner.get(question).page.text.split())
    assert "Denied from mumbai to pune, by the rule: deny TCP, port 22 from group office to any machine" in text
    for bad, field in (("port=x", "port"), ("port=70000", "port"), ("protocol=icmp&port=1", "port")):
        answer = owner.get(f"/policy/check?source=machine:{pair[0]}&destination=machine:{pair[1]}&protocol=tcp&{bad}")
        assert answer.status == 422
        assert [each["id"] for each in answer.page.all("input") if "aria-invalid" in each] == [f"check-{field}"]


def test_many_rules_come_in_pages(owner: Visitor, site: Site, saved: Callable[[], SavedPolicy]) -> None:
    actor = accounts.actor_of(site.context, owner.cookies[COOKIE])
    rules = tuple(Rule(new_id(), Action.DENY, ANYONE, ANYONE, description=f"line {n}") for n in range(401))
    policies.save(site.context, actor, Policy(rules=rules))
    seen, path = [], "/policy"
    while path:
        page = owner.get(path).page
        seen += re.findall(r"line \d+", page.text)
        path = next((link["href"] for link in page.all("a") if link.get("rel") == "next"), "")
    assert seen == [f"line {n}" for n in range(401)]
    assert owner.get("/policy?from=99999999").page.text.count("line 400") == 1
    assert len(saved().policy.rules) == 401


def test_a_change_leads_to_the_page_that_shows_it(owner: Visitor, site: Site, saved: Callable[[], SavedPolicy]) -> None:
    actor = accounts.actor_of(site.context, owner.cookies[COOKIE])
    rules = tuple(Rule(new_id(), Action.DENY, ANYONE, ANYONE, description=f"number {n}") for n in range(101))
    policies.save(site.context, actor, Policy(rules=rules))
    added = owner.add_rule(action="deny", source="any", destination="any", idle="yes")
    assert added.headers["location"] == "/policy?from=100"
    owner.get("/policy?from=50")
    removed = owner.send("/policy/rules/remove", rule=saved().policy.rules[60].id)
    assert removed.headers["location"] == "/policy?from=50"


@pytest.mark.long
def test_a_page_of_the_largest_lists_is_short(
    owner: Visitor, site: Site, actor: Actor, add_many: Callable[[Mapping[str, str]], list[str]]
) -> None:
    ids = add_many({f"machine-{n:04d}": f"group-{n % 20:02d}" for n in range(1000)})
    ends = [Selector(SelectorKind.GROUP, f"group-{n:02d}") for n in range(20)]
    ends += [Selector(SelectorKind.MACHINE, ids[n]) for n in range(0, 1000, 50)]
    rules = [
        Rule(new_id(), Action.DENY, one, other, Protocol.TCP, (PortRange(1000 + n, 1000 + n),), f"rule {n}")
        for n, (one, other) in enumerate(islice(product(ends, reversed(ends)), 100))
    ]
    policies.save(site.context, actor, Policy(rules=tuple(rules)))
    for path, language in product(("/policy", "/policy/matrix", "/machines", "/map"), ("en", "hi")):
        answer = owner.ask("GET", path, headers={"Accept-Language": language})
        assert answer.headers["content-language"] == language
        assert answer.status == 200
        assert len(answer.body) < 100_000, (path, language)


@pytest.mark.parametrize(
    "name", ["any machine", "Group office", "machine:m2", "a removed machine (x)", "the machine “x”"]
)
def test_a_machine_named_like_another_end_is_told_apart(name: str) -> None:
    end = Selector(SelectorKind.MACHINE, "m1")
    told = words.selector(end, {"m1": name})
    assert name in told
    others = [
        words.selector(ANYONE, {}),
        words.selector(Selector(SelectorKind.GROUP, "office"), {}),
        words.selector(end, {}),
    ]
    assert told.casefold() not in [each.casefold() for each in others]
    assert words.selector(end, {"m1": "branch-mumbai"}) == "branch-mumbai"


def test_the_audit_trail_shows_added_and_removed_rules(owner: Visitor, pair: tuple[str, str]) -> None:
    ends = {"source": f"machine:{pair[0]}", "destination": "group:office"}
    owner.add_rule(
        action="deny", protocol="tcp", ports="22", description="x; removed allow any to any", both_ways="yes", **ends
    )
    answer = owner.get("/audit")
    lines = [
        " ".join(line.split()) for line in re.findall(r'<span class="fact">.*?</span> .*?</span>', answer.text, re.S)
    ]
    told = f"machine:{pair[0]} “mumbai” to group:office, tcp 22 (x; removed allow any to any)"
    assert f'<span class="fact"><span class="aside">added</span> deny {told}</span>' in lines
    assert len([line for line in lines if ">added<" in line]) == 2
    assert not [line for line in lines if ">removed<" in line]


@pytest.mark.long
def test_a_save_that_breaks_an_expectation_can_be_forced(
    owner: Visitor, site: Site, pair: tuple[str, str], saved: Callable[[], SavedPolicy]
) -> None:
    del pair
    actor = accounts.actor_of(site.context, owner.cookies[COOKIE])
    expectations.save(site.context, actor, [Expectation(ANYONE, ANYONE, Action.ALLOW, Protocol.ICMP)])
    before = saved()
    answer = owner.add_rule(action="deny", source="any", destination="any", protocol="icmp")
    assert answer.status == 409
    assert "allow ICMP (ping) from any machine to any machine" in answer.page.text
    assert saved() == before
    assert owner.send("/policy/rules", force="yes").status == 303
    assert [rule.sentence for rule in saved().policy.rules] == ["deny any to any, icmp"]
    owner.get(f"/policy/history/{before.version}")
    assert owner.send(f"/policy/history/{before.version}").status == 303, "going back breaks nothing"
    owner.get(f"/policy/history/{before.version + 1}")
    assert owner.send(f"/policy/history/{before.version + 1}").status == 409
    assert owner.send(f"/policy/history/{before.version + 1}", force="yes").status == 303
    assert len(saved().policy.rules) == 1
