"""Languages of people: catalogues of translated messages, and who reads what is written.

English is written in the code. Every other language is a folder of `catalogues`, and needs no code. ``python -m
appliance.web.languages`` brings the catalogues up to date.
"""

from __future__ import annotations

from appliance.languages.catalogues import Language, loaded
from appliance.languages.reader import Reader, gettext, ngettext, reader, reading
from appliance.languages.speech import say, translated

__all__ = ["Language", "Reader", "gettext", "loaded", "ngettext", "reader", "reading", "say", "translated"]
