"""The page of who reaches whom."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import pytest

from appliance.model.organization import Role
from appliance.model.policy import Action, Policy, Rule
from appliance.service import Actor, machines
from appliance.service import policy as policies
from appliance.web.pages.matrix import MOST_PARTIES, MOST_RULES
from appliance.web.rates import MEASUREMENTS_PER_ORGANIZATION
from appliance.web.site import Site
from tests.appliance.fakes import FakeHub
from tests.appliance.web.pages.visitor import Answer, Visitor

MATRIX = "/policy/matrix"


@pytest.fixture
def save(site: Site, actor: Actor) -> Callable[..., None]:
    """Returns a function that saves a policy of rules such as "deny group:a any tcp 22"."""

    def make(default: str, *rules: str) -> None:
        names = ("action", "source", "destination", "protocol", "ports")
        made = tuple(Rule.parse(**dict(zip(names, rule.split(), strict=False))) for rule in rules)
        policies.save(site.context, actor, Policy(Action(default), made))

    return make


def cells(answer: Answer) -> list[list[str]]:
    """Reads the table: heads and cells as texts, row by row."""
    assert answer.status == 200, answer.text
    rows = re.findall(r"<tr>(.*?)</tr>", answer.text, re.DOTALL)
    return [
        [
            " ".join(unescape(re.sub(r"<[^>]+>", " ", cell)).split())
            for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.S)
        ]
        for row in rows
    ]


def links(answer: Answer) -> dict[str, str]:
    """Reads the links of a page by their texts."""
    found = re.findall(r'<a [^>]*?href="([^"]+)"[^>]*>(.*?)</a>', answer.text, re.DOTALL)
    return {" ".join(unescape(text).split()): unescape(url) for url, text in found}


def test_groups_and_machines_have_rows(owner: Visitor, add: Callable[..., str], save: Callable[..., None]) -> None:
    add("asha", "staff")
    add("ravi", "staff", "unused")
    web = add("web", "servers")
    add("printer")
    save("deny", "allow group:staff group:servers tcp 22,443", f"allow any machine:{web} icmp")
    assert cells(owner.get(MATRIX)) == [
        ["from ↓ to →", "group servers 1 machine", "group staff 2 machines", "web", "every other machine"],
        ["group servers 1 machine", "Itself", "Denied", "Itself", "Denied"],
        [
            "group staff 2 machines",
            "Some: TCP 22, 443; ICMP (ping)",
            "Denied",
            "Some: TCP 22, 443; ICMP (ping)",
            "Denied",
        ],
        ["web", "Itself", "Denied", "Itself", "Denied"],
        ["every other machine", "Some: ICMP (ping)", "Denied", "Some: ICMP (ping)", "Itself"],
    ]


def test_an_allowing_default_is_told_by_its_exceptions(
    owner: Visitor, add: Callable[..., str], save: Callable[..., None]
) -> None:
    add("asha", "staff")
    add("printer")
    save("allow", "deny group:staff any tcp 22", "deny any group:staff")
    assert cells(owner.get(MATRIX))[1:] == [
        ["group staff 1 machine", "Itself", "Some: all but TCP 22"],
        ["every other machine", "Denied", "Itself"],
    ]


def test_a_policy_without_rules_has_one_cell(owner: Visitor, add: Callable[..., str]) -> None:
    assert "There is no enabled machine." in owner.get(MATRIX).page.text
    add("one")
    add("two")
    assert cells(owner.get(MATRIX))[1:] == [["every machine 2 machines", "Allowed"]]


def test_a_mixed_cell_leads_to_its_machines_and_rules(
    owner: Visitor, add: Callable[..., str], save: Callable[..., None]
) -> None:
    add("asha", "staff")
    ravi = add("ravi", "staff")
    web = add("web", "servers")
    save("deny", "allow group:staff group:servers tcp 22", f"deny machine:{ravi} any", "allow group:servers any udp 53")
    page = owner.get(MATRIX)
    assert "Some machines: TCP 22" in cells(page)[2][1]
    detail = owner.get(links(page)["Some machines: TCP 22"])
    assert "From group staff to group servers" in detail.page.text
    assert cells(detail) == [["from ↓ to →", "web"], ["asha", "Some: TCP 22"], ["ravi", "Denied"]]
    rules = [text for text in links(detail) if text.startswith(("allow", "deny"))]
    assert rules == ["allow TCP, port 22 from group staff to group servers", "deny everything from ravi to any machine"]
    assert owner.get(links(detail)[rules[1]]).status == 200
    verdict = owner.get(links(detail)["Denied"])
    assert "Denied from ravi to web, by the rule: deny everything" in " ".join(verdict.page.text.split())
    assert web in links(detail)["Denied"]


def test_a_cell_within_a_group_is_about_two_machines(
    owner: Visitor, add: Callable[..., str], save: Callable[..., None]
) -> None:
    ids = [add(name, "staff") for name in ("one", "two", "three", "four")]
    save("deny", "allow group:staff group:staff tcp 80")
    detail = owner.get(links(owner.get(MATRIX))["Some: TCP 80"])
    assert cells(detail)[1] == ["one, two, three and 1 more 4 machines", "Some: TCP 80"]
    question = links(detail)["Some: TCP 80"]
    assert ids[0] in question
    assert ids[1] in question


def test_disabled_machines_are_left_out(
    owner: Visitor, site: Site, actor: Actor, add: Callable[..., str], save: Callable[..., None]
) -> None:
    add("asha", "staff")
    off = add("off", "staff")
    save("allow", f"deny machine:{off} any")
    machines.change(site.context, actor, off, enabled=False)
    assert cells(owner.get(MATRIX))[1:] == [["every machine", "Itself"]]


def test_a_machine_has_a_row_and_a_column_of_its_own(
    owner: Visitor, add: Callable[..., str], save: Callable[..., None]
) -> None:
    asha = add("asha", "staff")
    add("ravi", "staff")
    web = add("web", "servers")
    save("deny", "allow group:staff group:servers tcp 22", f"deny machine:{web} any", "allow group:servers any udp 53")
    reached = owner.get(links(owner.get(f"/machines/{asha}"))["Whom it reaches"])
    assert "<h1>Whom asha reaches</h1>" in reached.text
    assert cells(reached) == [
        ["from ↓ to →", "group servers 1 machine", "group staff 2 machines", "web"],
        ["asha", "Some: TCP 22", "Denied", "Some: TCP 22"],
    ]
    detail = owner.get(links(reached)["Some: TCP 22"])
    assert "From asha to web" in detail.page.text
    assert "allow TCP, port 22 from group staff to group servers" in links(detail)
    reaching = owner.get(links(owner.get(f"/machines/{asha}"))["Who reaches it"])
    assert "<h1>Who reaches asha</h1>" in reaching.text
    assert cells(reaching) == [
        ["from ↓ to →", "asha"],
        ["group servers 1 machine", "Denied"],
        ["group staff 2 machines", "Denied"],
        ["web", "Denied"],
    ]


def test_a_disabled_machine_has_no_row(owner: Visitor, site: Site, actor: Actor, add: Callable[..., str]) -> None:
    off = add("off")
    machines.change(site.context, actor, off, enabled=False)
    assert not links(owner.get(f"/machines/{off}")).keys() & {"Whom it reaches", "Who reaches it"}
    assert owner.get(f"{MATRIX}?source=machine:{off}").status == 404


def test_a_large_matrix_comes_in_parts(owner: Visitor, add: Callable[..., str], save: Callable[..., None]) -> None:
    ids = [add(f"machine-{number}") for number in range(45)]
    save("allow", *(f"deny machine:{each} machine:{ids[0]} tcp {at + 1}" for at, each in enumerate(ids)))
    first = owner.get(MATRIX)
    table = cells(first)
    assert (len(table), len(table[0])) == (MOST_PARTIES + 1, MOST_PARTIES + 1)
    assert "Rows 1 to 20 of 45" in first.page.text
    assert table[2][:2] == ["machine-1", "Some: all but TCP 2"]
    assert len(first.text) < 100_000
    second = owner.get(links(first)["Next rows"])
    assert [row[0] for row in cells(second)[1:]] == [f"machine-{number}" for number in range(20, 40)]
    corner = owner.get(links(owner.get(links(second)["Next rows"]))["Next columns"])
    assert "Rows 41 to 45 of 45" in corner.page.text
    assert "Columns 21 to 40 of 45" in corner.page.text
    assert [row[0] for row in cells(owner.get(links(corner)["Previous rows"]))[1:]] == [
        row[0] for row in cells(second)[1:]
    ]
    assert owner.get(f"{MATRIX}?rows=99999&columns=7").status == 200
    assert owner.get(f"{MATRIX}?rows=x").status == 422


def test_long_names_make_the_parts_smaller(owner: Visitor, add: Callable[..., str], save: Callable[..., None]) -> None:
    groups = [f"{number:02}-{'ü' * 60}" for number in range(20)]
    add("one", *groups[:10])
    add("two", *groups[10:])
    save("allow", *(f"deny group:{group} group:{groups[0]} tcp {at + 1}" for at, group in enumerate(groups)))
    page = owner.get(MATRIX)
    assert 1 <= len(cells(page)) - 1 < 20
    assert len(page.text) < 100_000
    assert "Next rows" in links(page)


@pytest.mark.long
def test_a_policy_too_large_for_a_table_says_so(
    owner: Visitor, add: Callable[..., str], save: Callable[..., None]
) -> None:
    ids = [add(f"machine-{number}", "all") for number in range(260)]
    ends = [end for each in ids for end in (f"machine:{each} any", f"any machine:{each}")]
    save("allow", "deny group:all group:all udp 53", *(f"deny {end} tcp {at + 1}" for at, end in enumerate(ends)))
    page = owner.get(MATRIX)
    assert "too large to be worked out at once" in page.page.text
    assert cells(page)[1][1] == "Look closer"
    detail = owner.get(f"{MATRIX}?source=group:all&destination=group:all")
    assert cells(detail)[2][1] == "Some: all but TCP 2-3; UDP 53"


@pytest.mark.parametrize(
    "query", ["source=group:none&destination=others", "source=group:none", "destination=machine:none", "source=nobody"]
)
def test_an_unknown_cell_is_a_problem(owner: Visitor, add: Callable[..., str], query: str) -> None:
    add("one")
    assert owner.get(f"{MATRIX}?{query}").status in (404, 422)


def test_a_cell_lists_a_bounded_number_of_rules(
    owner: Visitor, add: Callable[..., str], save: Callable[..., None]
) -> None:
    add("one")
    add("two")
    save("allow", *(f"deny any any tcp {port}" for port in range(1, MOST_RULES + 11)))
    detail = owner.get(f"{MATRIX}?source=others&destination=others")
    assert f"The first {MOST_RULES} of {MOST_RULES + 10} rules." in detail.page.text


def test_a_viewer_may_look_at_the_matrix(
    colleague: Callable[[Role], Visitor], add: Callable[..., str], stranger: Visitor
) -> None:
    add("one")
    assert colleague(Role.VIEWER).get(MATRIX).status == 200
    assert stranger.get(MATRIX).headers["location"] == "/login?next=/policy/matrix"


def measure(visitor: Visitor, path: str = MATRIX) -> Answer:
    """Opens the page, and measures what it shows."""
    visitor.get(path)
    (place,) = (each for each in visitor.answer.page.forms if each.startswith(MATRIX))
    return visitor.send(place)


def text(answer: Answer) -> str:
    return " ".join(answer.page.text.split())


@pytest.fixture
def mixed(add: Callable[..., str], save: Callable[..., None]) -> None:
    add("asha", "staff")
    add("ravi", "staff")
    add("web", "servers")
    save("deny", "allow group:staff group:servers tcp 22,443")


@pytest.mark.usefixtures("mixed")
def test_a_measured_matrix_tells_what_passed(owner: Visitor) -> None:
    answer = measure(owner)
    table = cells(answer)
    assert table[1][1:] == ["Itself", "Denied 0 passed, 4 dropped"]
    assert table[2][1] == "Some: TCP 22, 443 2 passed, 6 dropped"
    assert "The kernel treated all 16 packets as the policy says" in text(answer)
    assert "3 of the machines measured (3) are not connected now" in text(answer)
    detail = measure(owner, f"{MATRIX}?source=group:staff&destination=group:servers")
    assert cells(detail)[1][1] == "Some: TCP 22, 443 2 passed, 6 dropped"


@pytest.mark.usefixtures("mixed")
def test_packets_that_pass_against_the_policy_are_told(owner: Visitor, hub: FakeHub) -> None:
    hub.is_damaged = True
    answer = measure(owner)
    assert "The kernel treated 16 packets of 16 in another way than the policy says" in text(answer)
    assert "TCP, port 22 from asha to web" in text(answer)
    assert len(re.findall("<li>.* from .* to .*</li>", answer.text)) == 16
    assert cells(answer)[1][2] == "Denied 4 passed, 0 dropped: 4 not as the policy says"


@pytest.mark.usefixtures("mixed")
def test_a_measurement_that_fails_shows_the_table(owner: Visitor, hub: FakeHub) -> None:
    hub.is_measuring = True
    refused = measure(owner)
    assert (refused.status, refused.headers["retry-after"]) == (429, "5")
    assert "A measurement of your organization is running" in text(refused)
    assert "Some: TCP 22, 443" in text(refused)
    hub.is_measuring, hub.has_large_rules = False, True
    refused = measure(owner)
    assert refused.status == 409
    assert "needs more than 4 MiB for the rules of this policy" in text(refused)
    hub.refuses = True
    assert measure(owner).status == 503
    assert "passed" not in owner.answer.text


def test_measurements_are_limited(owner: Visitor, add: Callable[..., str]) -> None:
    add("one")
    for _ in range(MEASUREMENTS_PER_ORGANIZATION[0].amount):
        assert "There is no pair of machines to measure." in text(measure(owner))
    assert measure(owner).status == 429


def test_a_viewer_does_not_measure(
    owner: Visitor, add: Callable[..., str], colleague: Callable[[Role], Visitor]
) -> None:
    add("one")
    owner.get(MATRIX)
    viewer = colleague(Role.VIEWER)
    page = viewer.get(MATRIX).page
    assert MATRIX not in page.forms
    assert viewer.post(MATRIX, page.forms["/logout"]).status == 403


def test_a_part_of_a_large_matrix_is_measured(
    owner: Visitor, add: Callable[..., str], save: Callable[..., None]
) -> None:
    ids = [add(f"machine-{number}") for number in range(25)]
    save("allow", *(f"deny machine:{each} machine:{ids[0]} tcp {at + 1}" for at, each in enumerate(ids)))
    answer = measure(owner, f"{MATRIX}?rows=20")
    table = cells(answer)
    assert [row[0] for row in table[1:]] == [f"machine-{number}" for number in range(20, 25)]
    assert all("passed" in cell for row in table[1:] for cell in row[1:] if not cell.startswith("Itself"))
    assert "as the policy says" in text(answer)
