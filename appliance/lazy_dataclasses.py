"""Dataclasses whose methods are compiled when their first object is made.

Python compiles up to six methods of each dataclass when its module is loaded. That is a fifth of what a process of the
service does to load its code, and most of these classes never have an object in it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import RLock
from types import new_class
from typing import Any

_FIELDS = "__dataclass_fields__"
_compile = dataclasses.dataclass
# Held by the thread that compiles the methods of a class, which may need those of its base first.
_compiling = RLock()


@contextmanager
def lazy(package: str) -> Iterator[None]:
    """Let modules that are loaded in the block get lazy dataclasses for classes of this package.

    Until a class has an object, defaults of its fields that `dataclasses.field` gives can't be read from the class.
    """
    dataclasses.dataclass = partial(_lazy_dataclass, package)
    try:
        yield
    finally:
        dataclasses.dataclass = _compile


def _lazy_dataclass(package: str, cls: type | None = None, /, **options: Any) -> Any:
    """Decorate a class as `dataclasses.dataclass` does."""
    if cls is None:
        return partial(_lazy_dataclass, package, **options)
    is_foreign = cls.__module__.partition(".")[0] != package
    # Slots take another class, and without `init` the class has a constructor of its own.
    if is_foreign or "__init__" in vars(cls) or options.keys() & {"slots", "init"}:
        return _compile(cls, **options)

    def complete() -> None:
        with _compiling:
            if vars(cls).get("__init__") is init:
                _complete(cls, options)

    def init(self: object, *arguments: Any, **named: Any) -> None:
        complete()
        cls.__init__(self, *arguments, **named)  # type: ignore[misc]

    cls.__init__ = init  # type: ignore[misc]
    setattr(cls, _FIELDS, _LazyFields(cls, complete))
    return cls


class _LazyFields:
    """Fields of a dataclass, which are read from the class, also for that of a class derived from it."""

    def __init__(self, cls: type, complete: Callable[[], None]) -> None:
        self._cls = cls
        self._complete = complete

    def __get__(self, instance: object, owner: type) -> Any:
        self._complete()
        return getattr(self._cls, _FIELDS)


def _complete(cls: type, options: dict[str, Any]) -> None:
    """Compile the methods of a class. The constructor comes last, as other threads wait in the one that it replaces."""
    _compile(cls, **options, init=False)
    # A derived class without fields of its own has the same constructor.
    derived = new_class(cls.__name__, (cls,), exec_body=lambda body: body.update(__doc__=cls.__doc__ or cls.__name__))
    _compile(derived, repr=False, eq=False, frozen=options.get("frozen", False))
    made = vars(derived)["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    cls.__init__ = made  # type: ignore[misc]
