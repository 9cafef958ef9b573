"""Languages and their catalogues, read once."""

from __future__ import annotations

import gettext
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import babel
from babel import localedata

FOLDER = Path(__file__).with_name("catalogues")
"""Folder with a folder for each language but English."""
DOMAIN = "messages"
"""Name of the catalogues' files."""
# English, with conventions for numbers and dates that are read in most of the world, and with those of India.
_ENGLISH = {"en": "en_GB", "en-IN": "en_IN"}


@dataclass(frozen=True, eq=False)
class Language:
    """A language that pages and letters can be read in.

    Attributes:
        tag: by BCP 47, as in HTML and HTTP.
        name: in the language itself.
        locale: conventions for numbers, dates and amounts.
    """

    tag: str
    name: str
    locale: babel.Locale = field(repr=False)
    translations: gettext.NullTranslations = field(repr=False)

    @property
    def direction(self) -> str:
        """Direction of the script, as the attribute ``dir`` takes it."""
        return self.locale.text_direction

    def message(self, english: str) -> str:
        """Find the translation of a message; the message itself if the catalogue lacks it."""
        # A catalogue's empty message is its header.
        return self.translations.gettext(english) if english else ""

    def plural(self, one: str, many: str, n: int) -> str:
        """Find the translation of a message in the form that fits a number."""
        return self.translations.ngettext(one, many, n)


@cache
def loaded(folder: Path = FOLDER) -> Mapping[str, Language]:
    """Read all languages by their tag, English first; later the process may not be allowed to read files."""
    languages = {tag: _language(tag, locale, gettext.NullTranslations()) for tag, locale in _ENGLISH.items()}
    for file in sorted(folder.glob(f"*/LC_MESSAGES/{DOMAIN}.mo")):
        locale = file.parent.parent.name
        with file.open("rb") as opened:
            translations = gettext.GNUTranslations(opened)
        tag = locale.replace("_", "-")
        languages[tag] = _language(tag, locale, translations)
    return languages


def _language(tag: str, locale: str, translations: gettext.NullTranslations) -> Language:
    # Babel would read the conventions when they are first used.
    localedata.load(locale)
    name = babel.Locale.parse(tag, sep="-").display_name or tag
    return Language(tag, name[0].upper() + name[1:], babel.Locale.parse(locale), translations)
