"""Help that fits any terminal, and sentences about wrong command lines."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from appliance.cli.errors import Exit
from appliance.cli.main import main
from appliance.cli.main import run as run_here
from tests.appliance.cli.commands import GROUPS, LEAVES, help_of, run
from tests.appliance.cli.terminal import Terminal

ALL = sorted({*LEAVES, *GROUPS})
_ESCAPE = "\x1b"


@pytest.mark.drawn("columns")
@pytest.mark.parametrize("columns", [40, 64, 80, 200])
@pytest.mark.parametrize("command", ALL)
def test_help_fits_the_terminal_and_breaks_lines_once(command: str, columns: int) -> None:
    shown = help_of(*command.split(), columns=columns)
    assert max(map(len, shown.splitlines())) <= columns
    for before, after in lines_of_paragraphs(shown):
        assert len(f"{before} {after.split()[0]}") > min(columns, 100), (before, after)


def lines_of_paragraphs(shown: str) -> Iterator[tuple[str, str]]:
    """Lists lines of running text, each with the one that continues it."""
    for paragraph in re.split(r"\n\s*\n", shown):
        lines = paragraph.splitlines()
        if all(line.startswith("  ") for line in lines):
            yield from pairwise(lines)


def test_the_list_of_commands_loads_none_of_them() -> None:
    listed = [sys.executable, "-X", "importtime", "-m", "appliance", "--help"]
    done = subprocess.run(listed, capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "100"})
    shown = " ".join(done.stdout.split())
    for command in (*GROUPS[1:], *(each for each in LEAVES if " " not in each)):
        assert f" {command} {sentence_of(command)}" in shown
    assert "sqlalchemy" not in done.stderr


def sentence_of(command: str) -> str:
    """Returns the first sentence of a command's own help."""
    _, _, text = help_of(command, columns=100).partition("\n\n")
    return " ".join(re.split(r"(?<=\.)\s", text.strip())[0].split())


@pytest.mark.parametrize("command", ALL)
def test_help_has_every_word_on_narrow_terminals(command: str) -> None:
    wide, narrow = (" ".join(help_of(*command.split(), columns=columns).split()) for columns in (100, 40))
    assert narrow == wide
    assert "…" not in wide
    assert "..." not in wide.replace("[ARGS]...", "")


@pytest.mark.parametrize("command", ALL)
def test_help_does_not_mention_python(command: str) -> None:
    shown = help_of(*command.split())
    assert shown.startswith(f"Usage: meshwg {command}".strip())
    for word in ("python", "-m appliance", "list[", "None", "range>"):
        assert word not in shown.partition("\n")[0] + shown.partition("Options:")[2], word


@pytest.mark.parametrize(
    "environment", [{}, {"NO_COLOR": "1"}, {"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii"}]
)
def test_help_is_the_same_text_on_a_terminal(environment: dict[str, str]) -> None:
    terminal = Terminal(["up", "--help"], 40, environment)
    assert terminal.wait() == 0
    said = terminal.said
    assert _ESCAPE not in said
    assert said.splitlines() == help_of("up", columns=40).splitlines()


@pytest.mark.parametrize("command", ["", "up", "hub", "admin", "admin plan", "transcript diff"])
def test_help_has_two_options(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = []
    for option in ("-h", "--help"):
        assert run_here([*command.split(), option]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1] == help_of(*command.split()) + "\n"


@pytest.mark.parametrize("arguments", [["up", "--hlep"], ["-x"], ["gate", "--claim"]])
def test_the_program_s_name_is_the_same_however_it_is_started(arguments: list[str]) -> None:
    terminal = Terminal(arguments, 40, {})
    assert terminal.wait() == Exit.REFUSED
    said = terminal.said
    assert "python" not in said
    assert said.startswith("meshwg: ")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("statu", "There is no command 'statu' (did you mean status?); `meshwg --help` tells what there is."),
        ("admin plann", "There is no command 'plann' (did you mean plan?); `meshwg admin --help` tells what there is."),
        ("up --dat", "There is no option '--dat' (did you mean --data?); `meshwg up --help` tells what there is."),
        ("up --data", "--data takes a value, and none was given."),
        ("census --orphans=3", "--orphans takes no value."),
        ("status now then", "'now then' is more than it takes; `meshwg status --help` tells what there is."),
        ("admin plan x", "PLAN is missing; `meshwg admin plan --help` tells what there is."),
        ("transcript diff x", "AFTER is missing; `meshwg transcript diff --help` tells what there is."),
        (
            "bench --organizations z",
            "--organizations takes a whole number of at least 10; `meshwg bench --help` tells what there is.",
        ),
        ("gate --patience z", "--patience takes a number from 1 to 1000; `meshwg gate --help` tells what there is."),
        ("lab --machines 9", "--machines takes a whole number from 2 to 8; `meshwg lab --help` tells what there is."),
        (
            "rotate-unlock-secret",
            "--new-secret-file is missing; `meshwg rotate-unlock-secret --help` tells what there is.",
        ),
    ],
)
def test_an_invalid_command_line_is_one_sentence(
    arguments: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here(arguments.split()) == Exit.REFUSED
    assert capsys.readouterr() == ("", f"meshwg: {sentence}\n")


_WORDS = some.text(min_size=1).filter(lambda word: not word.startswith("-"))


@given(word=_WORDS, where=some.sampled_from([[], ["admin"], ["transcript"], ["deletions"]]))
@example(word="a\nb", where=[])
@example(word='it\'s "so"', where=["admin"])
@example(word="\x1b[31m) (", where=["deletions"])
def test_any_word_gives_a_sentence_of_one_line(word: str, where: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        said: list[str] = []
        patch.setattr("builtins.print", lambda text, **_: said.append(str(text)))
        assert run_here([*where, f"no such {word}"]) == Exit.REFUSED
    (sentence,) = said
    assert sentence.isprintable()


@given(word=some.text(some.characters(exclude_characters="=")))
def test_any_option_gives_a_sentence_of_one_line(word: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        said: list[str] = []
        patch.setattr("builtins.print", lambda text, **_: said.append(str(text)))
        assert run_here(["deletions", f"--x-{word}"]) == Exit.REFUSED
    (sentence,) = said
    assert sentence.isprintable()


@pytest.mark.parametrize("arguments", [[], ["admin"], ["transcript"]])
def test_without_a_command_the_help_is_shown(arguments: list[str]) -> None:
    done = run(*arguments, COLUMNS="80")
    assert (done.returncode, done.stdout) == (Exit.REFUSED, "")
    assert done.stderr == help_of(*arguments) + "\n"


def test_a_closed_output_ends_a_command_quietly() -> None:
    read, write = os.pipe()
    os.close(read)
    pid = os.fork()
    if pid == 0:
        os.dup2(write, 1)
        os.execv(sys.executable, [sys.executable, "-m", "appliance", "--help"])  # noqa: S606
    os.close(write)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 141


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("admin", "--help")])
def test_a_full_output_is_told_in_one_sentence(arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "appliance", *arguments]
    # Unbuffered, Python meets the error at another place; the launcher takes the variable away.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == Exit.CANNOT_CREATE
    assert done.stderr == "meshwg: The output can't be written: No space left on device.\n"


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (ZeroDivisionError("a fault"), Exit.FAULT)])
def test_an_interrupt_and_an_internal_error_have_own_codes(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("appliance.cli.existing_service.opened", fail)
    monkeypatch.setattr("sys.argv", ["meshwg", "deletions"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code
    assert ("please report it" in capsys.readouterr().err) == (code == Exit.FAULT)


def test_an_output_without_unicode_gets_escapes() -> None:
    done = run("transcript", "show", "/nowhere/मुंबई", PYTHONIOENCODING="ascii:strict", LC_ALL="C")
    assert done.returncode == Exit.NO_INPUT, done.stderr
    assert "Traceback" not in done.stderr
