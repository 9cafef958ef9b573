"""Loading of libraries without what they load in vain, which is a third of a command's start."""

from __future__ import annotations

import ctypes.util
import gc
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib import import_module
from threading import Lock
from types import ModuleType
from typing import Any

UNUSED = ("rich", "greenlet")
"""Modules for tracebacks in colours, and for databases in coroutines."""
RARE = ("asyncio", "importlib.metadata", "pyotp", "sqlalchemy.dialects.sqlite.aiosqlite")
"""Modules for features that few processes use, most of them of SQLAlchemy; ``pyotp`` is for one-time codes."""

_SONAMES = {"c": "libc.so.6", "seccomp": "libseccomp.so.2"}

_loading = Lock()


class _Placeholder(ModuleType):
    """A module that is loaded when one of its names is used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            # No package: an import of a part of it would load that part twice.
            raise AttributeError(name)
        with _loading:
            _forget(self)
        return getattr(import_module(self.__name__), name)


@contextmanager
def lean(unused: Collection[str] = UNUSED, rare: Collection[str] = RARE) -> Iterator[None]:
    """Let imports in the block do only what processes need, by the other functions here."""
    with without(*unused), later(*rare), named_libraries():
        yield


@contextmanager
def later(*names: str) -> Iterator[None]:
    """Let imports in the block load modules when one of their names is used, unless they are loaded already."""
    placeholders = [_Placeholder(name) for name in names if name not in sys.modules]
    sys.modules.update({each.__name__: each for each in placeholders})
    try:
        yield
    finally:
        with _loading:
            for each in placeholders:
                _forget(each)


@contextmanager
def named_libraries() -> Iterator[None]:
    """Let imports in the block find libraries by the names in `_SONAMES`, instead of running ldconfig(8) for each."""
    search = ctypes.util.find_library

    def find(name: str) -> str | None:
        try:
            ctypes.CDLL(_SONAMES[name])
        except (KeyError, OSError):
            return search(name)
        return _SONAMES[name]

    ctypes.util.find_library = find
    try:
        yield
    finally:
        ctypes.util.find_library = search


def _forget(placeholder: _Placeholder) -> None:
    if sys.modules.get(placeholder.__name__) is placeholder:
        del sys.modules[placeholder.__name__]


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Let imports in the block fail for optional modules, unless they are loaded already."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def undisturbed() -> Iterator[None]:
    """Load modules in the block without looking for garbage in them, now or later: that is in vain, as they stay."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
