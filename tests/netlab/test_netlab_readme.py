"""The examples of netlab's README do what they show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import netlab

_EXAMPLES = re.findall(r"```python\n(.*?)```", Path(netlab.__file__).with_name("README.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("number", range(len(_EXAMPLES)))
def test_an_example_runs(number: int) -> None:
    exec(compile(_EXAMPLES[number], f"example {number + 1} of README.md", "exec"), {})  # noqa: S102 - our own file


def test_there_are_examples() -> None:
    assert len(_EXAMPLES) >= 3
