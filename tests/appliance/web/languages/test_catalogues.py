"""Catalogues: read from their folder, kept up to date with the code, and compiled."""

from __future__ import annotations

from pathlib import Path

import pytest
from babel.messages.catalog import Catalog

from appliance.languages import catalogues
from appliance.web.languages import upkeep

LOCALES = sorted(folder.name for folder in catalogues.FOLDER.iterdir())


@pytest.mark.long
def test_a_language_is_a_folder_with_a_catalogue(code: Catalog, tmp_path: Path) -> None:
    catalogue = upkeep.update("ar", code, tmp_path)
    assert "Language" in catalogue
    language = catalogues.loaded(tmp_path)["ar"]
    assert (language.name, language.direction) == ("العربية", "rtl")
    assert language.message("Language") == "Language"
    assert language.message("") == ""
    assert [*catalogues.loaded(tmp_path)] == ["en", "en-IN", "ar"]


@pytest.mark.long
def test_an_update_keeps_what_is_translated(code: Catalog, tmp_path: Path) -> None:
    upkeep.update("hi", code, tmp_path)
    file = upkeep.file_of("hi", tmp_path)
    catalogue = upkeep.read(file)
    catalogue["Language"].string = "भाषा"
    catalogue.add("Not in the code any more", "बीता हुआ")
    file.write_bytes(upkeep.text_of(catalogue))
    upkeep.update("hi", code, tmp_path)
    once = file.read_bytes()
    upkeep.update("hi", code, tmp_path)
    assert file.read_bytes() == once
    assert "बीता हुआ".encode() not in once
    assert catalogues.loaded(tmp_path)["hi"].message("Language") == "भाषा"


@pytest.mark.parametrize("locale", LOCALES)
def test_the_compiled_catalogue_is_that_of_the_text(locale: str) -> None:
    file = upkeep.file_of(locale)
    assert file.with_suffix(".mo").read_bytes() == upkeep.compiled(upkeep.read(file))
