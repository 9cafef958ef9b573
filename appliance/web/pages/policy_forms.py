"""Forms that save the policy: input, and questions before a save that opens everything or changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from appliance.model.errors import Conflict, Invalid
from appliance.model.expectations import ExpectationBroken
from appliance.model.openness import open_protocols
from appliance.model.policy import ANYONE, Policy, Protocol, Rule, Selector, SelectorKind
from appliance.model.sentences import sentence
from appliance.service import policy as policies
from appliance.web.pages import forcing, forms, notices, policy_changes, undo, words
from appliance.web.pages.forms import Form
from appliance.web.pages.routes import Visit
from appliance.web.response import Response

RULE_FIELDS = ("action", "source", "destination", "protocol", "ports", "description")
"""Fields of a form with a rule."""
MOST_CHOICES = 100
"""Machines and groups in a menu; a page has up to four menus."""
PREVIEW_FIELD = "preview"
"""Field of a button that shows what a save would change, and saves nothing."""


@dataclass(frozen=True)
class EndChoices:
    """Choices for the ends of a rule.

    Attributes:
        machines: id and name of each machine, by name.
        groups: of the machines and of the policy's rules, by name.
    """

    machines: list[tuple[str, str]]
    groups: list[str]

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Names of the machines by id."""
        return dict(self.machines)

    @property
    def are_many(self) -> bool:
        """True if a form takes the name of an end as text, since a menu would be too long."""
        return len(self.machines) + len(self.groups) > MOST_CHOICES

    @cached_property
    def by_text(self) -> Mapping[str, Selector]:
        """Each choice by its text; no two have the same one."""
        named = [
            ANYONE,
            *(Selector(SelectorKind.GROUP, group) for group in self.groups),
            *(Selector(SelectorKind.MACHINE, machine) for machine, _ in self.machines),
        ]
        return {words.selector(each, self.names): each for each in named}

    def text(self, value: str) -> str:
        """Text of an end in a form; what is not of the form of a selector stays as it was typed."""
        if not _is_selector(value):
            return value
        try:
            return words.selector(Selector.parse(value, field="end"), self.names)
        except Invalid:
            return value


class Idle(Conflict):
    """A rule would change nothing because of an existing one; the visitor may save it all the same."""

    code = "idle-rule"

    def __init__(self, rule: Rule, because: Rule, names: Mapping[str, str]) -> None:
        description = f" ({because.description})" if because.description else ""
        super().__init__(
            sentence(
                "Not saved: {rule} would change nothing, because there is this rule: {because}.",
                rule=words.rule_sentence(rule, names),
                because=words.rule_sentence(because, names) + description,
            )
        )


def typed_ends(visit: Visit, form: Form) -> tuple[str, str]:
    """Texts of selectors for both ends in a form, which may have texts from the list of choices instead.

    Raises:
        Invalid: there is no such choice.
    """
    typed = {field: form.text(field).strip() for field in ("source", "destination")}
    chosen = {field: text for field, text in typed.items() if text and not _is_selector(text)}
    choices = ends(visit, policies.get(visit.context, visit.actor).policy).by_text if chosen else {}
    for field, text in chosen.items():
        if text not in choices:
            raise Invalid("There is no machine “{text}”. A group is typed like “group office”.", field=field, text=text)
        typed[field] = str(choices[text])
    return typed["source"], typed["destination"]


def _is_selector(text: str) -> bool:
    return text == str(ANYONE) or text.startswith((f"{SelectorKind.MACHINE.value}:", f"{SelectorKind.GROUP.value}:"))


def save(
    visit: Visit, change: Callable[[Policy], Policy], shown: Callable[[Policy], str] = lambda _: "/policy"
) -> Response:
    """Apply a change to the policy that the form was shown with.

    If it would open the network, or the visitor wants to know first what it opens and closes, a page tells this, with a
    form that sends the same input.

    Args:
        shown: returns the path of the page that shows the saved policy.

    Raises:
        Conflict: the policy was saved since the form was shown.
    """
    version = visit.form.number("version")
    visit.actor.must_change()
    before = policies.get(visit.context, visit.actor)
    after = change(before.policy)
    opened = open_protocols(after) - open_protocols(before.policy)
    # For an outdated version no question is needed: the save is refused.
    is_asked = visit.form.is_checked(PREVIEW_FIELD) or (opened and not visit.form.is_checked("confirmed"))
    if is_asked and version in (None, before.version):
        return _ask(visit, after, before.version, opened)
    try:
        done = policies.save(
            visit.context,
            visit.actor,
            after,
            version=before.version if version is None else version,
            force=forcing.is_forced(visit),
        )
    except ExpectationBroken as error:
        return forcing.ask(visit, error, back="/policy")
    reverse = None if after is before.policy else undo.policy(before.version, done.result.version)
    return visit.done(shown(after), notices.timed("saved", done.enforced_s), reverse)


def typed_rule(visit: Visit) -> Rule:
    """Parse the form's rule, with a new id."""
    form = visit.form
    source, destination = typed_ends(visit, form)
    return Rule.parse(
        action=form.text("action"),
        source=source,
        destination=destination,
        protocol=form.text("protocol", Protocol.ANY.value),
        ports=form.text("ports"),
        description=form.text("description").strip(),
    )


def check_not_idle(visit: Visit, rules: Collection[Rule], *, replaced: Collection[str] = ()) -> None:
    """Raise `Idle` if a rule would change nothing, unless the form says that this is known.

    Args:
        replaced: ids of rules that the save removes.
    """
    if visit.form.is_checked("idle"):
        return
    saved = policies.get(visit.context, visit.actor)
    if visit.form.number("version") not in (None, saved.version):
        return
    policy = saved.policy.without_rules(replaced)
    for rule in rules:
        reason = policy.rule_covering(rule)
        if reason is not None:
            ids = {end.name for each in (rule, reason) for end in (each.source, each.destination)}
            raise Idle(rule, reason, policies.names_of(visit.context, visit.actor, ids))


def ends(visit: Visit, policy: Policy) -> EndChoices:
    """List the choices for the ends of a rule."""
    everyone = policies.all_ends(visit.context, visit.actor)
    groups = {group for _, _, of_machine in everyone for group in of_machine} | policy.groups
    named = [(machine, name) for machine, name, _ in everyone]
    return EndChoices(sorted(named, key=lambda each: each[1].casefold()), sorted(groups, key=str.casefold))


def _ask(visit: Visit, after: Policy, version: int, opened: Collection[Protocol]) -> Response:
    """Render what a save would open and close; its form sends the same input, and confirms an opened network."""
    return visit.page(
        "policy_open.html",
        action=visit.request.path,
        sent=visit.form.without(forms.CSRF_FIELD, forms.ONCE_FIELD, PREVIEW_FIELD),
        changes=policy_changes.describe(visit, after, version),
        services=[words.protocol(each) for each in Protocol if each in opened and each is not Protocol.ANY],
        is_all=Protocol.ANY in opened,
        is_opened=bool(opened),
    )
