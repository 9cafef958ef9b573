"""Names of configuration files are valid on every system, readable and distinct."""

from __future__ import annotations

import re
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.file_names import interface_names
from tests.appliance import valid_files

NAMES = st.text(max_size=255) | st.text(alphabet="abCD01 -_.=+/éम", max_size=40) | st.from_regex(
    r"(?i)[-. ]?(con|prn|aux|nul|com[0-9]|lpt[0-9]|lo|all|default|wg)[-. ]?[a-z0-9.]{0,20}", fullmatch=True
)  # fmt: skip


def best(machine_name: str) -> str:
    return next(interface_names(machine_name))


@given(NAMES)
def test_every_machine_name_has_distinct_valid_file_names(machine_name: str) -> None:
    some = list(islice(interface_names(machine_name), 40))
    for name in some:
        valid_files.check(name)
        assert name == name.lower()
    assert len(set(some)) == 40


@given(st.from_regex(r"[a-z](-?[a-z0-9_=+]){1,7}", fullmatch=True).filter(valid_files.is_valid))
def test_a_valid_name_is_also_the_file_name(machine_name: str) -> None:
    assert best(machine_name) == machine_name


@given(
    st.text(alphabet="abcdefgh -", max_size=60) | st.text(alphabet="ab -", max_size=60),
    st.integers(0, 99),
    st.integers(0, 99),
)
def test_different_numbers_in_names_give_different_file_names(head: str, one: int, other: int) -> None:
    assert (best(f"{head}{one}") == best(f"{head}{other}")) is (one == other)


@pytest.mark.parametrize(
    ("machine_name", "file"),
    [
        ("branch-mumbai", "branch-mumbai"),
        ("Branch Mumbai", "branch-mumbai"),
        ("branch-office-mumbai-1", "bran-offi-mum-1"),
        ("branch-office-mumbai-2", "bran-offi-mum-2"),
        ("branchofficemumbai12", "branchofficem12"),
        ("aa-aa-aa-aa-a-a0", "aa-aa-aa-a-a-a0"),
        ("a b c d e f g 10", "b-c-d-e-f-g-10"),
        ("Zürich", "zurich"),
        ("con", "wg-con"),
        ("NUL.txt", "wg-nul.txt"),
        ("default", "wg-default"),
        ("7", "wg-7"),
        ("-rf /", "rf"),
        ("../../etc/passwd", "etc-passwd"),
        ("Asha's laptop.", "asha-s-laptop"),
    ],
)
def test_file_names_are_readable(machine_name: str, file: str) -> None:
    assert best(machine_name) == file


def test_names_without_latin_letters_have_different_file_names() -> None:
    assert best("मुंबई") != best("पुणे")
    assert re.fullmatch(r"wg-[0-9a-f]{8}", best("मुंबई"))
