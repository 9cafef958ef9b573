"""Examples of netlab's README, run as written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import netlab
from netlab import Lab

_EXAMPLES = re.findall(r"```python\n(.*?)```", Path(netlab.__file__).with_name("README.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("number", range(len(_EXAMPLES)))
def test_every_example_of_the_readme_runs(number: int) -> None:
    scope: dict[str, Any] = {}
    exec(compile(_EXAMPLES[number], f"example {number + 1} of README.md", "exec"), scope)  # noqa: S102 - our own file
    for name in [name for name in scope if name.startswith("test_")]:
        with Lab() as lab:
            scope[name](lab)


def test_the_readme_has_examples() -> None:
    assert len(_EXAMPLES) >= 3
