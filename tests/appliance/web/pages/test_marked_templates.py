"""Templates: each text that people read is marked for translation."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from html.parser import HTMLParser

import jinja2
import pytest
from jinja2 import nodes

from appliance.web.pages.view import templates

ATTRIBUTES = {"alt", "aria-label", "data-label", "label", "placeholder", "title"}
AS_IT_IS = {"code", "pre", "script", "style"}
"""Elements whose text is the same in every language."""
NAMES = {"MeshWG", "branch-", "branch-pune", "pune", "laptop-", "laptop-asha", "asha", "till-1", "till-2", "database"}
NAMES |= {"card.svg"}
"""Names of the product, of the machines on the front page, and of files."""
WORD = re.compile(r"[^\W\d_]{2}")
PROSE = re.compile(r"[A-Z][a-z]|\w+ \w")
"""Pattern of a constant for people within an expression."""
ENVIRONMENT = jinja2.Environment(extensions=["jinja2.ext.i18n"], autoescape=True)


class Texts(HTMLParser):
    """Texts and attributes of a document that people read."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._as_it_is = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._as_it_is += tag in AS_IT_IS
        self.found += [value for name, value in attrs if name in ATTRIBUTES and value]

    def handle_endtag(self, tag: str) -> None:
        self._as_it_is -= tag in AS_IT_IS

    def handle_data(self, data: str) -> None:
        if not self._as_it_is:
            self.found.append(data)


def unmarked(source: str) -> list[str]:
    """Lists texts of a template that no catalogue can translate."""
    template = ENVIRONMENT.parse(source)
    for block in template.find_all(nodes.Block):
        if block.name == "width":  # A class of the page.
            block.body = []
    document = Texts()
    shown = [_shown(part) for output in template.find_all(nodes.Output) for part in output.nodes]
    document.feed("".join(text for part in shown for text in part.values()))
    document.close()
    texts = [text.strip(" \n·,;:.") for text in document.found]
    judged = {constant for part in shown for constant in part}
    return [text for text in texts if WORD.search(text) and text not in NAMES] + [*_constants(template, judged)]


def _shown(part: nodes.Node) -> dict[int, str]:
    """Collects what an expression shows without a call, by the identity of its constants; where it stands judges it."""
    if isinstance(part, nodes.TemplateData):
        return {id(part): part.data}
    if isinstance(part, nodes.Const):
        return {id(part): str(part.value)}
    if isinstance(part, nodes.CondExpr):
        return {
            key: text for each in (part.expr1, part.expr2) if each is not None for key, text in _shown(each).items()
        }
    return {}


def _constants(template: nodes.Template, judged: Container[int]) -> Iterator[str]:
    marked = {
        id(argument)
        for call in template.find_all(nodes.Call)
        if isinstance(call.node, nodes.Name) and call.node.name in {"_", "gettext", "ngettext"}
        for argument in call.args
    }
    for each in template.find_all(nodes.Const):
        if id(each) in marked or id(each) in judged or not isinstance(each.value, str):
            continue
        if PROSE.search(each.value):
            yield each.value


@pytest.mark.parametrize("name", sorted(templates()))
def test_each_text_of_a_template_is_marked(name: str) -> None:
    assert unmarked(templates()[name][0]) == []


@pytest.mark.parametrize(
    "source",
    [
        "<p>Save</p>",
        "<p>{{ _('Save') }} it</p>",
        "{% trans %}Save{% endtrans %} it",
        "<p>{% if x %}yes{% endif %}</p>",
        "<img alt='Save'>",
        "<p aria-label='{{ x }} rules'></p>",
        "{{ field('Name') }}",
        "{{ field('not saved') }}",
        "<p>{{ 'denied' if x else 'allowed' }}</p>",
    ],
)
def test_text_that_is_not_marked_is_found(source: str) -> None:
    assert len(unmarked(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "<p class='wide'>{{ _('Save it') }}</p>",
        "{% trans n=2 %}<b>{{ n }} rule</b>{% pluralize %}<b>{{ n }} rules</b>{% endtrans %}",
        "<a title='{{ _('Save') }}'>MeshWG</a> · <code>wg-quick up</code>",
        "<p class='{{ 'quiet small' if x }}'>{{ choice('action', y) }}</p>",
    ],
)
def test_marked_text_and_code_are_not_complained_about(source: str) -> None:
    assert unmarked(source) == []
