"""Brings the catalogues up to date with the code, and says how much is left to translate."""

from __future__ import annotations

import sys

from appliance.languages.catalogues import FOLDER
from appliance.web.languages import upkeep


def main(new: list[str]) -> None:
    """Update all catalogues, after making those of new languages, such as ``mr`` or ``pt_BR``."""
    present = [folder.name for folder in FOLDER.iterdir() if folder.is_dir()]
    code = upkeep.extracted()
    for locale in sorted({*present, *new}):
        catalogue = upkeep.update(locale, code)
        missing = sum(1 for message in catalogue if message.id and not upkeep.is_translated(message))
        print(f"{locale}: {len(catalogue)} messages, {missing} to translate")


if __name__ == "__main__":
    main(sys.argv[1:])
