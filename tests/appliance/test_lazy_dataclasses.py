"""Dataclasses whose methods are compiled when their first object is made."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from types import ModuleType
from typing import Any

import msgspec
import pytest

from appliance.lazy_dataclasses import lazy

_CLASSES = '''
    from dataclasses import dataclass, field

    @dataclass(frozen=True, order=True)
    class Place:
        """A place."""
        name: str
        x: int = 0
        tags: list = field(default_factory=list, compare=False)
        note: str = field(default="", kw_only=True, repr=False)

    @dataclass(frozen=True)
    class Town(Place):
        people: int = 7

    class Hamlet(Town):
        pass

    @dataclass
    class Change:
        number: int
        double: int = field(init=False)

        def __post_init__(self):
            self.double = 2 * self.number

    @dataclass(init=False)
    class Own:
        number: int

        def __init__(self):
            self.number = 5

    @dataclass(slots=True)
    class Narrow:
        number: int
'''


@pytest.fixture
def load() -> Callable[[str], Any]:
    """Loads the text of a module of a package, with lazy dataclasses for `mine`."""

    def loaded(package: str) -> ModuleType:
        module = ModuleType(f"{package}.some_module")
        sys.modules[module.__name__] = module
        with lazy("mine"):
            exec(textwrap.dedent(_CLASSES), vars(module))  # noqa: S102 - it is the test's own
        return module

    return loaded


def test_methods_are_compiled_with_the_first_object(load: Callable[[str], Any]) -> None:
    places = load("mine")
    assert "__eq__" not in vars(places.Place)
    places.Place("here")
    assert {"__eq__", "__repr__", "__hash__", "__setattr__", "__lt__"} <= vars(places.Place).keys()
    assert "__eq__" in vars(load("theirs").Place)


@pytest.mark.parametrize(
    "make",
    [
        lambda them: repr(them.Place("here", 3, note="n")),
        lambda them: them.Place("here") == them.Place("here", tags=[1]) != them.Town("here"),
        lambda them: hash(them.Town("here", 1)) == hash(them.Town("here", 1)),
        lambda them: sorted([them.Place("b"), them.Place("a")])[0].name,
        lambda them: dataclasses.asdict(dataclasses.replace(them.Town("here"), x=4)),
        lambda them: [each.name for each in dataclasses.fields(them.Town)],
        lambda them: (them.Hamlet("here", people=3).people, repr(them.Hamlet("here"))),
        lambda them: (them.Change(3), them.Change(3).double),
        lambda them: (them.Own(), them.Narrow(3), hasattr(them.Narrow(3), "__dict__")),
        lambda them: msgspec.convert({"name": "here", "people": 2}, them.Town),
        lambda them: them.Town.__init__.__qualname__ if them.Town("a") else "",
        lambda them: them.Place.__match_args__ if them.Place("a") else (),
    ],
)
def test_classes_are_as_pythons_own(load: Callable[[str], Any], make: Callable[[Any], object]) -> None:
    assert str(make(load("mine"))) == str(make(load("theirs")))


@pytest.mark.parametrize(
    "make",
    [
        lambda them: them.Place(),
        lambda them: them.Place("here", other=1),
        lambda them: setattr(them.Town("here"), "x", 1),
        lambda them: delattr(them.Place("here"), "x"),
    ],
)
def test_errors_are_as_pythons_own(load: Callable[[str], Any], make: Callable[[Any], object]) -> None:
    texts = []
    for package in ("mine", "theirs"):
        with pytest.raises((TypeError, AttributeError)) as caught:
            make(load(package))
        texts.append((caught.type, str(caught.value)))
    assert texts[0] == texts[1]


def test_threads_may_make_the_first_objects_at_once(load: Callable[[str], Any]) -> None:
    together = Barrier(4)

    def make(them: Any) -> Any:
        together.wait()
        return them.Town("here", people=2)

    with ThreadPoolExecutor(together.parties) as threads:
        for _ in range(100):
            them = load("mine")
            assert len(set(threads.map(make, [them] * together.parties))) == 1


@pytest.mark.long
def test_processes_load_their_classes_without_methods() -> None:
    program = """
from appliance import loading
with loading.lean():
    from appliance.model.policy import Rule
print("__eq__" in vars(Rule))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.long
def test_the_services_own_classes_are_as_without_it() -> None:
    program = """
import sys
from appliance import loading
from contextlib import nullcontext
with loading.lean() if sys.argv[1] == "lazy" else nullcontext():
    from appliance.cli import hub, running, web
from dataclasses import fields
from inspect import signature
for name, module in sorted(sys.modules.items()):
    if name.startswith("appliance."):
        for each in sorted(vars(module)):
            kind = vars(module)[each]
            if isinstance(kind, type) and kind.__module__ == name and "__dataclass_fields__" in vars(kind):
                names = [field.name for field in fields(kind)]
                methods = [at for at in ("__eq__", "__hash__", "__lt__", "__setattr__") if at in vars(kind)]
                print(name, each, names, signature(kind), methods)
"""
    texts = [
        subprocess.run([sys.executable, "-c", program, how], capture_output=True, text=True, check=True).stdout
        for how in ("lazy", "plain")
    ]
    lazily, plainly = (re.sub(" at 0x[0-9a-f]+", "", text) for text in texts)
    assert lazily == plainly
    assert lazily.count("\n") > 200
