"""Switching the plan needs a confirmation, and keeps the input of a machine that needs the switch."""

from __future__ import annotations

import pytest

from tests.appliance.web.pages.visitor import Answer, Visitor

NAME = 'x" <b>&मुंबई'


def typed(answer: Answer) -> dict[str, str]:
    """Collects the texts of the visible fields."""
    fields = (each for each in answer.page.all("input") if each.get("type") not in ("hidden", "search"))
    return {each["name"]: each.get("value", "") for each in fields}


def plan_of(visitor: Visitor) -> str:
    text = " ".join(visitor.get("/settings").page.text.split())
    return "paid" if "You are on the paid plan" in text else "free"


def test_the_cost_is_shown_before_the_switch(owner: Visitor) -> None:
    owner.add_machine("one")
    owner.get("/settings")
    answer = owner.send("/settings/plan", plan="paid")
    text = " ".join(answer.page.text.split())
    assert answer.status == 200
    assert "Each machine costs ₹349 per month" in text
    assert "For the 1 machine that you have, that is ₹349 for a whole month" in text
    form = answer.page.forms["/settings/plan"]
    assert plan_of(owner) == "free"
    assert owner.post("/settings/plan", form).headers["location"] == "/settings"
    assert plan_of(owner) == "paid"


@pytest.mark.long
def test_a_switch_keeps_the_machine_that_needed_it(owner: Visitor) -> None:
    owner.add_machine("one")
    owner.add_machine("two")
    machine = {"name": NAME, "groups": 'office, "a,b"', "public_key": ""}
    owner.add_machine(**machine)
    answer = owner.send("/machines", to="/settings/plan", plan="paid", **machine)
    assert "For the 2 machines that you have, that is ₹698 for a whole month" in " ".join(answer.page.text.split())
    answer = owner.send("/settings/plan")
    assert answer.status == 200
    assert "The plan is switched. The machine that you typed is below and not added yet." in answer.page.text
    assert typed(answer) == machine
    assert f"Added: {NAME}" in owner.send("/machines", **machine).page.text


def test_a_switch_keeps_a_machine_without_a_name(owner: Visitor) -> None:
    """Uses the button before any form was refused."""
    owner.add_machine("one")
    owner.add_machine("two")
    page = owner.get("/machines").page
    assert [each["formaction"] for each in page.all("button") if "formaction" in each] == ["/settings/plan"]
    owner.send("/machines", to="/settings/plan", plan="paid", name="", groups="office", public_key="")
    assert typed(owner.send("/settings/plan"))["groups"] == "office"


@pytest.mark.long
def test_too_many_machines_prevent_a_switch_to_the_free_plan(owner: Visitor) -> None:
    owner.get("/settings")
    owner.send("/settings/plan", plan="paid", confirmed="yes")
    for name in ("one", "two", "three"):
        owner.add_machine(name)
    owner.get("/settings")
    answer = owner.send("/settings/plan", plan="free")
    assert "Billing ends at once" in answer.page.text
    answer = owner.send("/settings/plan")
    assert answer.status == 409
    assert "Remove some first" in answer.page.text
    assert plan_of(owner) == "paid"


@pytest.mark.parametrize("confirmed", [{}, {"confirmed": "yes"}])
def test_an_unknown_plan_is_refused(owner: Visitor, confirmed: dict[str, str]) -> None:
    owner.get("/settings")
    answer = owner.send("/settings/plan", plan="gold", **confirmed)
    assert answer.status == 422
    assert "There is no plan" in answer.page.text


def test_the_present_plan_needs_no_confirmation(owner: Visitor) -> None:
    owner.get("/settings")
    assert owner.send("/settings/plan", plan="free").status == 303


def test_every_page_about_money_says_which_minutes_count(owner: Visitor) -> None:
    pages = [owner.get("/usage"), owner.get("/settings"), owner.send("/settings/plan", plan="paid")]
    assert owner.send("/settings/plan", plan="paid", confirmed="yes").status == 303
    pages.append(owner.get("/settings"))
    for each in pages:
        text = " ".join(each.page.text.split())
        assert "each minute" in text
        assert "enabled, whether it is connected or not" in text
