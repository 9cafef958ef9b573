"""Languages of the pages: catalogues of translated messages, and the language of the reader.

English is written in the code. Every other language is a folder of `catalogues`, and needs no code. ``python -m
appliance.web.languages`` brings the catalogues up to date.
"""

from __future__ import annotations

from appliance.web.languages.catalogues import Language, loaded
from appliance.web.languages.reader import Reader, gettext, ngettext, reader, say, serving, translated
from appliance.web.languages.selection import COOKIE

__all__ = ["COOKIE", "Language", "Reader", "gettext", "loaded", "ngettext", "reader", "say", "serving", "translated"]
