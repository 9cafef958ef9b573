"""Reviewed list of mutants that do what the product does."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.mutation import equivalent
from harness.mutation.areas import AREAS, Area
from harness.mutation.equivalent import Equivalent
from harness.mutation.mutants import mutants_of_file
from harness.paths import ROOT

SOURCE = """
class Box:
    def size(self):
        return 1 + self.extra
"""


@pytest.mark.parametrize("entry", equivalent.read(), ids=lambda entry: f"{entry.function}: {entry.becomes}"[:60])
def test_each_entry_is_of_a_mutant_and_has_a_reason(entry: Equivalent) -> None:
    area = next(each for each in AREAS if ROOT / entry.path in each.files())
    mutants = mutants_of_file((ROOT / entry.path).read_text(), entry.path, area)
    assert any(equivalent.is_of(entry, mutant) for mutant in mutants)
    assert len(entry.reason.split()) >= 4


def test_a_mutant_is_known_wherever_its_line_is() -> None:
    area = Area("boxes", (), (), ())
    entry = Equivalent(
        "p/box.py", "Box.size", "swap_op", "return 1 + self.extra", "return 1 - self.extra", "The extra is 0."
    )

    def reasons(source: str) -> set[str]:
        found = mutants_of_file(source, "p/box.py", area)
        return {equivalent.reason_for(mutant, [entry]) for mutant in found if mutant.operator == "swap_op"}

    assert reasons(SOURCE) == {"The extra is 0."}
    assert reasons("import os\n" + SOURCE.replace("1 + self", "1  +  self")) == {"The extra is 0."}
    assert reasons(SOURCE.replace("size", "length")) == {""}
    assert reasons(SOURCE.replace("1 +", "2 +")) == {""}


def test_an_unknown_field_of_the_list_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "list.toml"
    file.write_text("[[mutant]]\nline = 3\n")
    with pytest.raises(ValueError, match="line"):
        equivalent.read(file)
