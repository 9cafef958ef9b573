"""Upkeep of the catalogues: messages are extracted from the code, merged into each catalogue, and compiled.

Only developers need this; the service reads what it wrote.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import babel
from babel.messages import extract, mofile, pofile
from babel.messages.catalog import Catalog, Message

from appliance.languages.catalogues import DOMAIN, FOLDER
from appliance.web.languages import data_texts

_PACKAGE = Path(__file__).parents[2]
_METHODS = [
    ("**.py", "python"),
    ("web/pages/templates/**.html", "jinja2"),
    ("web/pages/templates/**.svg", "jinja2"),
    ("web/pages/platforms.toml", f"{data_texts.__name__}:platform_texts"),
]
# As `View` sets up its templates.
_TEMPLATES = {"trimmed": "true", "newstyle_gettext": "true", "trim_blocks": "true", "lstrip_blocks": "true"}
_OPTIONS = {pattern: _TEMPLATES for pattern, method in _METHODS if method == "jinja2"}
_KEYWORDS = {
    **dict.fromkeys(("_", "gettext", "sentence", "Crowded", *data_texts.refusals())),
    **dict.fromkeys(("ngettext", "numbered"), (1, 2)),
}


class _Plain(Catalog):
    """A catalogue with the headers that programs need, without dates and versions of tools."""

    @property  # type: ignore[misc]
    def mime_headers(self) -> list[tuple[str, str]]:
        return [
            ("Language", str(self.locale)),
            ("Plural-Forms", self.plural_forms),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit"),
        ]


def extracted() -> Catalog:
    """Extract all messages of the code."""
    found = Catalog()
    for _, _, message, comments, context in extract.extract_from_dir(
        _PACKAGE, _METHODS, _OPTIONS, _KEYWORDS, ("Translators:",), strip_comment_tags=True
    ):
        found.add(message, auto_comments=comments, context=context)
    for text in (*data_texts.terms(), *data_texts.claim_texts()):
        found.add(text)
    return found


def is_translated(message: Message) -> bool:
    """True if every form of a message has a translation."""
    return all([message.string] if isinstance(message.string, str) else message.string or [""])


def file_of(locale: str, folder: Path = FOLDER) -> Path:
    """Get the path of a language's catalogue; its compiled form stands beside it."""
    return folder / locale / "LC_MESSAGES" / f"{DOMAIN}.po"


def read(file: Path) -> Catalog:
    """Read a catalogue."""
    with file.open("rb") as opened:
        found = pofile.read_po(opened, locale=file.parent.parent.name)
    return _plain(found, found.locale)


def text_of(catalogue: Catalog) -> bytes:
    """Format a catalogue so that versions of it are easily merged: sorted, without line numbers and old messages."""
    text = io.BytesIO()
    pofile.write_po(text, catalogue, width=120, no_location=True, sort_output=True, ignore_obsolete=True)
    return text.getvalue()


def compiled(catalogue: Catalog) -> bytes:
    """Compile a catalogue; messages without a translation and fuzzy ones are left out."""
    complete = _plain((message for message in catalogue if is_translated(message)), catalogue.locale)
    data = io.BytesIO()
    mofile.write_mo(data, complete)
    return data.getvalue()


def update(locale: str, code: Catalog, folder: Path = FOLDER) -> Catalog:
    """Bring a language's catalogue up to date, or make it; nothing is guessed from similar messages.

    Args:
        locale: such as ``hi`` or ``pt_BR``.
        code: all messages of the code (`extracted`).
    """
    file = file_of(locale, folder)
    file.parent.mkdir(parents=True, exist_ok=True)
    catalogue = read(file) if file.exists() else _plain(Catalog(), babel.Locale.parse(locale))
    catalogue.update(code, no_fuzzy_matching=True)
    file.write_bytes(text_of(catalogue))
    file.with_suffix(".mo").write_bytes(compiled(catalogue))
    return catalogue


def _plain(messages: Iterable[Message], locale: babel.Locale | None) -> Catalog:
    """Make a catalogue of messages."""
    comment = f"# {locale.english_name if locale else ''} translation of MeshWG's pages and letters."
    made = _Plain(locale, header_comment=comment, charset="utf-8", fuzzy=False)
    for message in messages:
        if message.id:
            made[message.id] = message
    return made
