"""An option that takes one value and is given two is refused, by every command."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from appliance.cli import usage
from tests.appliance.cli.commands import LEAVES, leaf_of, parameters_of, run

REPEATABLE = {
    "up --trusted-source",
    "up --trusted-proxy",
    "up --etcd",
    "mutate --module",
    "mutate --judge",
    "resolution --claim",
    "resolution --kind",
}


def options_of(leaf: str, *, are_flags: bool) -> list[str]:
    """Returns the options of a command: those that take a value, or those that take none."""
    found = (each for each in parameters_of(leaf) if each.param_type_name == "option" and each.name != "help")
    return [each.opts[0] for each in found if each.is_flag == are_flags]


def refusal_of(leaf: str, *arguments: str) -> str:
    """Returns why a command's arguments are not understood; "" if they are."""
    found: Any = leaf_of(leaf)
    try:
        found.make_context(leaf, list(arguments))
    except typer.TyperException as error:
        return usage.sentence(error)
    return ""


@pytest.mark.parametrize("leaf", LEAVES)
def test_a_second_value_is_refused(leaf: str) -> None:
    for option in options_of(leaf, are_flags=False):
        told = f"{option} takes one value, and several were given; `{leaf} --help` tells what there is."
        said = refusal_of(leaf, option, "1", "--", option), refusal_of(leaf, option, "1", f"{option}=1")
        assert told != said[0]
        assert (told == said[1]) == (f"{leaf} {option}" not in REPEATABLE), said[1]


def test_the_options_for_several_values_are_known() -> None:
    known = {f"{leaf} {option}" for leaf in LEAVES for option in options_of(leaf, are_flags=False)}
    assert known >= REPEATABLE


@pytest.mark.parametrize("leaf", LEAVES)
def test_an_option_without_a_value_may_be_repeated(leaf: str) -> None:
    for option in options_of(leaf, are_flags=True):
        assert "one value" not in refusal_of(leaf, option, option)


def test_the_command_line_refuses_a_second_claim() -> None:
    done = run("gate", "--claim", "one-hub", "--claim", "no-egress")
    assert (done.returncode, done.stdout) == (64, "")
    told = "--claim takes one value, and several were given; `meshwg gate --help` tells what there is."
    assert done.stderr == f"meshwg: {told}\n"
