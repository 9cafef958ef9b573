"""Loading of libraries without what they load in vain."""

from __future__ import annotations

import ctypes.util
import gc
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from appliance import loading


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Makes a package that can be imported, with a part of it, and a module that imports it."""
    (tmp_path / "some_library").mkdir()
    (tmp_path / "some_library" / "__init__.py").write_text("VALUE = 7\n")
    (tmp_path / "some_library" / "part.py").touch()
    (tmp_path / "its_user.py").write_text(
        "try:\n    import some_library\nexcept ImportError:\n    some_library = None\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield "some_library"
    for name in ("some_library", "some_library.part", "its_user"):
        sys.modules.pop(name, None)


def test_a_module_for_later_is_loaded_at_its_first_use(library: str) -> None:
    with loading.later(library):
        its_user = import_module("its_user")
    assert library not in sys.modules
    assert its_user.some_library.VALUE == 7
    assert sys.modules[library].VALUE == 7


def test_a_module_for_later_may_be_used_in_the_block(library: str) -> None:
    with loading.later(library):
        its_user = import_module("its_user")
        assert its_user.some_library.VALUE == 7
    assert sys.modules[library].VALUE == 7


def test_no_part_of_a_module_for_later_is_loaded_twice(library: str) -> None:
    with loading.later(library), pytest.raises(ModuleNotFoundError, match="not a package"):
        import_module("some_library.part")
    part = import_module("some_library.part")
    assert sys.modules[library].part is part


def test_a_part_of_a_package_may_be_for_later(tmp_path: Path, library: str) -> None:
    (tmp_path / library / "__init__.py").write_text("from . import part\n")
    (tmp_path / library / "part.py").write_text("VALUE = 7\n")
    with loading.later(f"{library}.part"):
        some_library = import_module(library)
    assert f"{library}.part" not in sys.modules
    assert some_library.part.VALUE == 7
    assert f"{library}.part" in sys.modules


def test_a_loaded_module_is_neither_replaced_nor_hidden(library: str) -> None:
    some_library = import_module(library)
    with loading.later(library), loading.without(library):
        its_user = import_module("its_user")
    assert its_user.some_library is some_library is sys.modules[library]


def test_a_hidden_module_can_be_imported_afterwards(library: str) -> None:
    with loading.without(library):
        its_user = import_module("its_user")
    assert its_user.some_library is None
    assert import_module(library).VALUE == 7


def test_objects_of_the_block_are_no_garbage_afterwards() -> None:
    before = gc.get_freeze_count()
    try:
        with loading.undisturbed():
            assert not gc.isenabled()
            made: list[list[int]] = [[] for _ in range(1000)]
        assert gc.isenabled()
        assert gc.get_freeze_count() - before >= len(made)
    finally:
        gc.unfreeze()


@pytest.mark.parametrize(("is_there", "found"), [(True, "libc.so.6"), (False, "searched c")])
def test_libraries_are_searched_for_only_if_need_be(
    library: str, monkeypatch: pytest.MonkeyPatch, is_there: bool, found: str
) -> None:
    text = "from ctypes.util import find_library\nnames = find_library('c'), find_library('another')\n"
    (Path(sys.path[0]) / library / "__init__.py").write_text(text)

    def search(name: str) -> str:
        return f"searched {name}"

    def load(name: str) -> None:
        if not is_there:
            raise OSError(f"no library {name}")

    monkeypatch.setattr(ctypes.util, "find_library", search)
    monkeypatch.setattr(ctypes, "CDLL", load)
    with loading.lean():
        assert import_module(library).names == (found, "searched another")
    assert ctypes.util.find_library is search
