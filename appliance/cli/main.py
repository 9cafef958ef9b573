"""Entry point of the command line; a command's module is loaded only when the command is called."""

from __future__ import annotations

import errno
import gc
import os
import select
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from io import TextIOWrapper, UnsupportedOperation
from pathlib import Path
from typing import Any, Protocol

import typer
from typer.core import TyperGroup

from appliance import loading, release
from appliance.cli import conversion, given_once, help, usage
from appliance.cli.errors import CommandError, Exit, exit_codes, one_line

GROUP = "meshwg.commands"
"""Entry point group for commands of other packages: functions or `typer.Typer`, by the command's name."""

_OWN = {
    "up": "appliance.cli.up:up",
    "status": "appliance.cli.status:status",
    "doctor": "appliance.cli.doctor:doctor",
    "admin": "appliance.cli.admin:admin",
    "census": "appliance.cli.census:census",
    "deletions": "appliance.cli.deletions:deletions",
    "backup": "appliance.cli.backup:backup",
    "restore": "appliance.cli.restoring:restore",
    "rotate-unlock-secret": "appliance.cli.rotation:rotate_unlock_secret",
    "publish": "appliance.cli.publish:publish",
    "operations": "appliance.cli.operations:operations",
    "hub": "appliance.cli.hubs:hub",
}
_IN_TABLES = {"admin"}
"""Commands that print with rich."""
_PROCESSES = {
    "hub": "appliance.cli.hub:hub",
    "shard": "appliance.cli.shard_process:shard",
    "web": "appliance.cli.web:web",
    "demo": "appliance.cli.demo:demo",
}
"""Commands that `up` starts, without arguments; not listed in the help."""
_INTERRUPTED = 128 + signal.SIGINT
_CLOSED_OUTPUT = 128 + signal.SIGPIPE


class Entry(Protocol):
    """Place of a command: an entry point of a package, or an `OwnCommand`."""

    @property
    def name(self) -> str: ...

    @property
    def module(self) -> str: ...

    @property
    def attr(self) -> str: ...

    def load(self) -> Any: ...


@dataclass(frozen=True)
class OwnCommand:
    """A command of this package; Python's class for entry points takes as long to load as Python itself."""

    name: str
    module: str
    attr: str

    @classmethod
    def of(cls, name: str, place: str) -> OwnCommand:
        """Command whose function or `typer.Typer` is at a place, ``module:attribute``."""
        module, _, attr = place.partition(":")
        return cls(name, module, attr)

    def load(self) -> Any:
        """Load the function or `typer.Typer`."""
        return getattr(import_module(self.module), self.attr)


class Commands(TyperGroup):
    """Commands by name. Source: "Lazily Loading Subcommands" in click's documentation.

    Contexts and commands are of the click that typer contains, and have no type here.
    """

    @cached_property
    def _others(self) -> dict[str, Entry]:
        """Commands of other packages; to find them, all installed packages are looked through."""
        from importlib.metadata import entry_points

        return {each.name: each for each in sorted(entry_points(group=GROUP), key=lambda each: each.name)}

    def _entry(self, name: str) -> Entry | None:
        own = (_PROCESSES | _OWN).get(name)
        return self._others.get(name) if own is None else OwnCommand.of(name, own)

    def list_commands(self, ctx: Any) -> list[str]:
        """List the commands for the help."""
        del ctx
        return [*_OWN, *self._others]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Load a command; None if there is none of that name."""
        del ctx
        entry = self._entry(cmd_name)
        if entry is None:
            return None
        found = _loaded(entry)
        if not isinstance(found, typer.Typer):
            app = typer.Typer(add_completion=False)
            app.command(cmd_name)(found)
            found = app
        command = _ours(found)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands with the first sentences of their help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._summary(ctx, name)) for name in self.list_commands(ctx)])

    def _summary(self, ctx: Any, name: str) -> str:
        entry = self._entry(name)
        assert entry is not None
        found = find_spec(entry.module)
        try:
            assert found is not None
            assert found.origin is not None
            return help.summary(help.written(Path(found.origin).read_text(encoding="utf-8"), entry.attr))
        except LookupError:
            # It is made elsewhere.
            return str(self.get_command(ctx, name).short_help)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the exit codes of all commands below them."""
        del ctx
        with formatter.section("Exit codes"):
            formatter.write_dl(exit_codes())


def _ours(app: typer.Typer) -> Any:
    """Make a command that differs from typer's in its help, its conversions and its options given twice."""
    return help.make_plain(conversion.spare(given_once.refuse_repeats(typer.main.get_command(app))))


def _loaded(entry: Entry) -> Any:
    """Load a command, with which everything is loaded that it needs."""
    if gc.isenabled():
        return _load(entry)
    with loading.undisturbed():
        return _load(entry)


def _load(entry: Entry) -> Any:
    """Load a command; one of this package without what libraries load for features that no command uses."""
    if entry.name not in _OWN | _PROCESSES:
        return entry.load()
    # The web process can't load anything late.
    rare = () if entry.name == "web" else loading.RARE
    unused = loading.UNUSED if entry.name not in _IN_TABLES else set(loading.UNUSED) - {"rich"}
    with loading.lean(unused, rare):
        return entry.load()


def make_app() -> typer.Typer:
    """Make the command line with all installed commands."""
    app = typer.Typer(
        name="meshwg",
        cls=Commands,
        help="A multi-tenant WireGuard hub, and the harness that proves what it claims.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
    )
    app.callback()(_root)
    return app


def main() -> None:
    """Run the command of this process's arguments, and exit with its code."""
    # An output without Unicode gets escapes in place of an error.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError as error:
        code = _refuse_output(error, code)
    sys.exit(_CLOSED_OUTPUT if _is_output_closed() else code)


def run(arguments: Sequence[str]) -> int:
    """Run a command; a refusal is printed on standard error in one sentence.

    Returns:
        The exit code: one of `Exit`, or 128 and the number of a signal.
    """
    try:
        _invoke(arguments)
    except typer.Exit as ended:
        return ended.exit_code
    except CommandError as error:
        return _refuse(str(error), error.code)
    except typer.TyperException as error:
        if not usage.is_help(error):
            return _refuse(usage.sentence(error), Exit.REFUSED)
        print(error, file=sys.stderr)
        return Exit.REFUSED
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the outermost handler
        if isinstance(error, OSError) and _is_output_lost(error):
            return _refuse_output(error)
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            # Only a path that was given can be; pathlib raises this where it looks whether a file exists.
            return _refuse(f"{str(error.filename)[:80]}… is longer than a path can be.", Exit.CANNOT_CREATE)
        sys.excepthook(type(error), error, error.__traceback__)
        # A process of the service writes only its log to standard error.
        if sys.excepthook is not sys.__excepthook__:
            return Exit.FAULT
        return _refuse("This is a fault of the program; please report it with the lines above.", Exit.FAULT)
    return 0


def _invoke(arguments: Sequence[str]) -> None:
    if len(arguments) == 1 and arguments[0] in _PROCESSES:
        # Without options to parse. To be ready for any, typer would load pydantic, a tenth of the process's start.
        _loaded(OwnCommand.of(arguments[0], _PROCESSES[arguments[0]]))()
        return
    command = _ours(make_app())
    with command.make_context("meshwg", list(arguments), terminal_width=help.width()) as context:
        command.invoke(context)


def _refuse(sentence: str, code: int) -> int:
    print(f"meshwg: {one_line(sentence)}", file=sys.stderr)
    return code


def _is_output_lost(error: OSError) -> bool:
    """True if it was standard output that could not be written: what is left of it can't be, either."""
    try:
        sys.stdout.flush()
    except OSError as again:
        return again.errno == error.errno
    return isinstance(error, BrokenPipeError) and _is_output_closed()


def _refuse_output(error: OSError, code: int = 0) -> int:
    """Say that standard output can't be written, unless `code` tells of an error already."""
    closed = _is_output_closed()
    # Otherwise Python would flush once more at its end, and complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if closed:
        return _CLOSED_OUTPUT
    return code or _refuse(f"The output can't be written: {error.strerror}.", Exit.CANNOT_CREATE)


def _is_output_closed() -> bool:
    """True if nothing reads standard output any more, as when the rest of a pipeline has ended."""
    poll = select.poll()
    try:
        poll.register(sys.stdout.fileno(), 0)
    except UnsupportedOperation:
        return False
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _root(
    version: bool = typer.Option(
        False, "--version", help="Tell the version.", is_eager=True, callback=lambda v: _version(v)
    ),
) -> None:
    del version


def _version(wanted: bool) -> None:
    if wanted:
        print(f"meshwg {release.version()}")
        raise typer.Exit
