"""Values as templates show them: sentences in the reader's language, and moments in the reader's zone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import markupsafe

from appliance import languages
from appliance.languages import formats
from appliance.languages.speech import SentenceFormatter
from appliance.model.sentences import Sentence
from appliance.store import times

# A script puts the text into the reader's zone (`times.js`).
_MOMENT = markupsafe.Markup('<time datetime="{}" data-shown="moment">{}</time>')


def shown(value: Any) -> Any:
    """Make a value what a template shows: of a sentence or a moment, a text; any other stays as it is."""
    if isinstance(value, Sentence):
        return sentence(value)
    return moment(value) if isinstance(value, datetime) else value


def moment(at: datetime, text: str = "") -> markupsafe.Markup:
    """Mark a moment up.

    Args:
        text: the moment in UTC, as the reader sees it without scripts; empty for the language's usual form.
    """
    return _MOMENT.format(times.rfc3339(at), text or formats.moment(at))


def sentence(said: Sentence) -> str:
    """Translate a sentence, and mark up the moments in it; the rest of one with moments is escaped."""
    if not any(isinstance(each, datetime) for each in said.values.values()):
        return languages.say(said)
    # The formatter escapes.
    return markupsafe.Markup(languages.say(said, _FORMATTER))  # noqa: S704


class _Formatter(SentenceFormatter):
    def parse(self, format_string: str) -> Iterable[tuple[str, str | None, str | None, str | None]]:
        for literal, name, format_spec, conversion in super().parse(format_string):
            yield str(markupsafe.escape(literal)), name, format_spec, conversion

    def format_field(self, value: Any, format_spec: str) -> Any:
        text = super().format_field(value, format_spec)
        return moment(value, text) if isinstance(value, datetime) else markupsafe.escape(text)


_FORMATTER = _Formatter()
