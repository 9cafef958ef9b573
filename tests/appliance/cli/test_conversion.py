"""Values of options are what typer makes of them, with and without pydantic."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from appliance.cli import conversion, help
from appliance.cli.census import census
from appliance.cli.errors import CommandError
from appliance.cli.up import up


def parsed(command: Any, arguments: list[str]) -> Any:
    """Returns the values of a command line, or what is wrong with it."""
    try:
        return help.make_plain(command).make_context("meshwg", list(arguments)).params
    except (typer.TyperException, CommandError) as error:
        return type(error), str(error)


def made(function: Any) -> Any:
    """Makes a command of a function, as typer does."""
    app = typer.Typer(add_completion=False)
    app.command()(function)
    return typer.main.get_command(app)


@pytest.mark.parametrize("function", [up, census])
@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--data=/var/lib/other"],
        ["--data="],
        ["--data=~/x"],
        ["--database-url=sqlite:////x"],
        ["--listen=127.0.0.1:1", "--endpoint=vpn.example.net"],
        ["--endpoint=मुंबई.example"],
        ["--endpoint=\udcff"],
        ["--udp-port=7"],
        ["--udp-port=seven"],
        ["--trusted-source=192.0.2.0/24", "--trusted-source=198.51.100.0/24"],
        ["--trusted-source"],
        ["--tls-cert=/x.pem", "--config=/y.toml"],
        ["--json", "--organization=acme", "--orphans"],
        ["--nothing"],
    ],
    ids=" ".join,
)
def test_a_value_is_the_same_without_pydantic(function: Any, arguments: list[str]) -> None:
    assert parsed(conversion.spare(made(function)), arguments) == parsed(made(function), arguments)


def test_a_missing_value_is_missed() -> None:
    def command(new: str = typer.Option(...)) -> None:
        del new

    found = parsed(conversion.spare(made(command)), [])
    assert found == parsed(made(command), [])
    assert found[1] == "Missing parameter: new"


def test_a_callback_gets_the_value() -> None:
    def command(word: str = typer.Option(None, callback=lambda value: f"{value}!")) -> None:
        del word

    assert parsed(conversion.spare(made(command)), ["--word=a"]) == {"word": "a!"}
    assert parsed(conversion.spare(made(command)), []) == parsed(made(command), [])
