"""Rendering of templates, in which all values are escaped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import jinja2
import markupsafe

from appliance import languages
from appliance.languages import formats
from appliance.model.errors import Refused
from appliance.model.organization import Plan
from appliance.model.sentences import Sentence, sentence
from appliance.model.usage import PRICE
from appliance.store import times
from appliance.web import conditions
from appliance.web.pages import forms, notices, shown, trail_words, undo, words
from appliance.web.pages.assets import Assets
from appliance.web.refusals import status_of, title_of
from appliance.web.request import Request
from appliance.web.response import Response

_FOLDER = Path(__file__).parent / "templates"
_HTML = "text/html; charset=utf-8"
NOTHING = (sentence("Not Found"), sentence("There is nothing at this path."))
"""Title and detail of the page about an unknown path."""
_VARY = "Accept-Language, Cookie"


def templates() -> dict[str, tuple[str, str, None]]:
    """Read all templates; returns source and path by name, as `jinja2.FunctionLoader` takes them."""
    return {path.name: (path.read_text("utf-8"), str(path), None) for path in _FOLDER.iterdir()}


@dataclass(frozen=True)
class PagePart:
    """A rendered part of a page.

    Attributes:
        etag: changes with the content.
    """

    html: markupsafe.Markup
    etag: str

    def answer(self, status: int = 200) -> Response:
        """Make an answer of the part alone."""
        return _in_language(Response(self.html.encode("utf-8"), status, {"Content-Type": _HTML, "ETag": self.etag}))

    @property
    def unchanged(self) -> Response:
        """Answer for a caller that has this version already."""
        return _in_language(Response(status=304, headers={"ETag": self.etag}))


@cache
def loaded() -> View:
    """Load the templates and static files of this process, once."""
    return View()


class View:
    """All templates and static files, read at once, as the process may not be allowed to read them later.

    A template is compiled when it is first used: all of them would take a fifth of the web process's start.
    """

    def __init__(self) -> None:
        self.assets = Assets.load()
        self._languages = languages.loaded()
        self._environment = jinja2.Environment(
            loader=jinja2.FunctionLoader(templates().get),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            auto_reload=False,
            cache_size=-1,
            # Sentences and moments that other code made are the reader's wherever a template shows them.
            finalize=shown.shown,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        self._environment.policies["ext.i18n.trimmed"] = True
        # Calls of the functions below get the values for the names in a message.
        self._environment.newstyle_gettext = True  # type: ignore[attr-defined]
        self._environment.globals.update(
            _=_gettext,
            gettext=_gettext,
            ngettext=_ngettext,
            reader=languages.reader,
            languages=tuple(self._languages.values()),
            asset=self.assets.url,
            price=_price,
            free_machines=Plan.FREE.machine_limit,
            sent_once=_sent_once,
        )
        self._environment.filters.update(
            ago=words.ago,
            about=words.about,
            clock=formats.clock,
            code_parts=words.code_parts,
            day=formats.day,
            emphasis_parts=words.emphasis_parts,
            facts=trail_words.facts,
            filled=words.filled,
            from_epoch=times.loaded,
            milliseconds=words.milliseconds,
            moment=formats.moment,
            number=formats.number,
            precise=times.rfc3339,
            program=words.program,
            said=_said,
            rupees=formats.rupees,
            whole_rupees=formats.whole_rupees,
            size=words.size,
        )

    def answer(self, template: str, *, status: int = 200, **data: Any) -> Response:
        """Render a template."""
        return self._answer(template, _HTML, status, data)

    def svg(self, template: str, **data: Any) -> Response:
        """Render a drawing."""
        return self._answer(template, "image/svg+xml", 200, data)

    def part(self, template: str, **data: Any) -> PagePart:
        """Render a part of a page."""
        html = self._environment.get_template(template).render(data)
        # Escaped by the template.
        return PagePart(markupsafe.Markup(html), conditions.etag_of(html.encode("utf-8")))  # noqa: S704

    def page(
        self, request: Request, template: str, *, refusal: Refused | None = None, notice: str | None = None, **data: Any
    ) -> Response:
        """Render a page of a request.

        Args:
            refusal: sets the status and Retry-After.
            notice: notice of the page; None: the notice of the change before, from the cookie.
        """
        status = status_of(type(refusal)) if refusal is not None else 200
        key = request.cookies.get(notices.COOKIE, "")
        told = notices.words(key)
        offered = undo.unpacked(request.cookies.get(undo.COOKIE, ""), key) if told and not notice else None
        answer = self.answer(template, status=status, refusal=refusal, notice=notice or told, undo=offered, **data)
        if told is not None:
            answer = answer.without_cookie(notices.COOKIE)
        if offered is not None:
            answer = answer.without_cookie(undo.COOKIE)
        return answer if refusal is None else with_retry_after(answer, refusal)

    def problem(self, status: int, title: Sentence, detail: Sentence, who: Any = None) -> Response:
        """Render a page about a problem.

        Args:
            who: the visitor (`SignedIn`); None without a session.
        """
        return self.answer("problem.html", status=status, code=status, title=title, detail=detail, who=who, notice=None)

    def nothing(self) -> Response:
        """Render a page about a path where there is nothing."""
        return self.problem(404, *NOTHING)

    def refusal(self, refusal: Refused, who: Any = None) -> Response:
        """Render a page about a refusal, with Retry-After if it has one."""
        kind = type(refusal)
        return with_retry_after(self.problem(status_of(kind), title_of(kind), refusal.sentence, who), refusal)

    def _answer(self, template: str, content_type: str, status: int, data: Mapping[str, Any]) -> Response:
        page = self._environment.get_template(template).render(data)
        return _in_language(Response(page.encode("utf-8"), status, {"Content-Type": content_type}))


def with_retry_after(answer: Response, refusal: Refused) -> Response:
    """Add Retry-After if the refusal says when to try again."""
    return answer if refusal.retry_after is None else answer.with_header("Retry-After", str(refusal.retry_after))


def _in_language(answer: Response) -> Response:
    """Add the reader's language, and what it depends on, so that no cache gives the answer to another reader."""
    return answer.with_header("Content-Language", languages.reader().language.tag).with_header("Vary", _VARY)


def _gettext(message: str, /, **values: Any) -> markupsafe.Markup:
    """Translate a message of a template; names have the form of ``%(name)s``, and the values are escaped."""
    language = languages.reader().language
    if not values:
        return _label(language, message)
    # Messages are trusted like templates.
    return markupsafe.Markup(language.message(message)) % _translated(values)  # noqa: S704


@lru_cache(maxsize=8192)  # A table repeats its labels in each row; messages are those of the templates, so few.
def _label(language: languages.Language, message: str) -> markupsafe.Markup:
    return markupsafe.Markup(language.message(message).replace("%%", "%"))  # noqa: S704


def _ngettext(one: str, many: str, n: int, /, **values: Any) -> markupsafe.Markup:
    """Translate the form of a message that fits a number, which has its digits in groups; otherwise like `_gettext`."""
    text = markupsafe.Markup(languages.reader().language.plural(one, many, n))  # noqa: S704
    written = {"num": n, **values}
    for name, value in written.items():
        if type(value) is int and value == n:
            written[name] = formats.number(n)
    return text % _translated(written)


def _price() -> str:
    """Format the price of a machine for a month."""
    return formats.whole_rupees(PRICE // 100)


def _said(text: str | Sentence) -> str:
    """Translate a sentence, or a text of a data file that is in the catalogues (`upkeep`)."""
    return languages.say(text if isinstance(text, Sentence) else Sentence(text))


def _translated(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: shown.shown(value) for name, value in values.items()}


def _sent_once(csrf: str) -> markupsafe.Markup:
    """Make the hidden fields of every form that changes something: CSRF token and the form's own token."""
    # Without autocomplete="off" some browsers restore old values of hidden fields.
    field = markupsafe.Markup('<input type="hidden" name="{}" value="{}" autocomplete="off">')
    return field.format(forms.CSRF_FIELD, csrf) + field.format(forms.ONCE_FIELD, forms.new_once(languages.reader().at))
