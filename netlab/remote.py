"""Programs in a host with files and processes of its own, by one ability: to execute a command there.

The host needs a POSIX shell and Debian's coreutils and util-linux (`timeout`, `env`, `setsid`). One thing differs from
children of the caller: a shell reports a death by signal n as 128 + n, so a program that exits with a status above 128
is taken for a killed one.
"""

from __future__ import annotations

import abc
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

from netlab.errors import CommandFailed, CommandTimedOut, NothingArrived
from netlab.host import Host
from netlab.process import HANGS_S, Completed, Process
from netlab.programs import FOLDERS
from netlab.waiting import wait_until

GRACE_S = 15.0
"""Seconds after a program's own deadline until its host counts as lost."""

_PAUSE_S = 0.02
_NOT_STARTED = 251
_KILLED = -9

# Not `command -v`: the shell has `echo` and others within itself, with or without a program of that name.
_FIND = f"""\
export PATH="$PATH:{FOLDERS}"
find_program() {{
    case $1 in */*) [ ! -x "$1" ] || echo "$1"; return;; esac
    before=$IFS IFS=:
    for folder in $PATH; do
        [ ! -f "$folder/$1" ] || [ ! -x "$folder/$1" ] || {{ echo "$folder/$1"; break; }}
    done
    IFS=$before
}}
"""
_WHICH = _FIND + 'find_program "$1"'

_PREPARE = (
    _FIND
    + f"""\
cd -- "$1" || exit {_NOT_STARTED}
[ -n "$(find_program "$2")" ] || {{ echo "$2: not found" >&2; exit {_NOT_STARTED}; }}
"""
)

# FOLDER PROGRAM SECONDS VARIABLE… ARGUMENT…; `env` sets the variables, since shells drop those whose names they could
# not have given.
_RUN = _PREPARE + 'seconds=$3; shift 3; timeout --signal=KILL "$seconds" env "$@"; exit $?'

# FOLDER PROGRAM LOG RECORD VARIABLE… ARGUMENT…: the id goes to the caller, the exit status to RECORD.status. The shell
# in between outlives the signals that its group gets; only KILL ends it, and then there is no status.
_START = (
    _PREPARE
    + """\
log=$3 record=$4; shift 4
pid=$(setsid --fork sh -c 'echo $$ >"$0.pid"; echo $$ >&3; exec 3>&-; trap : HUP INT QUIT TERM USR1 USR2
env "$@"; echo $? >"$0.part"; mv "$0.part" "$0.status"' "$record" "$@" 3>&1 </dev/null >>"$log" 2>&1)
echo "$pid"
"""
)

# RECORD PID: looked at again at the end, as it may have ended between the two looks.
_POLL = """\
cat "$1.status" 2>/dev/null && exit
kill -s 0 -- "-$2" 2>/dev/null && echo running && exit
cat "$1.status" 2>/dev/null || echo killed
"""

# Written to a file beside it first, so that nobody sees half a file or gets more rights to it than it is to give.
_WRITE = 'umask 077; cat >"$1.part" && chmod "$2" "$1.part" && mv "$1.part" "$1"'


@dataclass(frozen=True)
class Executed:
    """Result of an executed command.

    Attributes:
        status: exit status as a shell reports it.
        stdout: standard output.
        stderr: standard error.
    """

    status: int
    stdout: bytes
    stderr: bytes


class RemotePrograms(Host):
    """A host that starts programs by executing commands."""

    @abc.abstractmethod
    def _execute(self, argv: Sequence[str], input: bytes, deadline_s: float) -> Executed:
        """Executes a command to its end.

        Args:
            argv: the command and its arguments.
            input: its standard input.
            deadline_s: seconds until the host counts as lost.

        Raises:
            HostUnavailable: the connection is lost, or the host does not answer within `deadline_s`.
        """

    def run(
        self,
        *argv: str | PurePath,
        input: str | None = None,
        timeout: float = HANGS_S,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Completed:
        """Runs a program in this host and waits for its end; see `Host.run`."""
        words = tuple(map(str, argv))
        start = time.monotonic()
        arguments = [str(cwd or self.folder), words[0], f"{timeout:.3f}", *_variables(env), *words]
        done = self._execute(_shell(_RUN, arguments), (input or "").encode(), timeout + GRACE_S)
        seconds = time.monotonic() - start
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        if done.status == _NOT_STARTED:
            raise CommandFailed(self.name, words, None, out, err)
        status = _exit_status(done.status)
        if status == _KILLED and seconds >= timeout:
            raise CommandTimedOut(self.name, words, None, out, err)
        if check and status != 0:
            raise CommandFailed(self.name, words, status, out, err)
        return Completed(words, status, out, err, seconds)

    def start(
        self,
        *argv: str | PurePath,
        env: Mapping[str, str] | None = None,
        log: str | None = None,
        cwd: Path | None = None,
    ) -> Process:
        """Starts a program in this host and leaves it running; see `Host.start`."""
        words = tuple(map(str, argv))
        number = self.number()
        path = self.folder / f"{log or f'{PurePosixPath(words[0]).name}-{number}'}.log"
        record = self.folder / f"process-{number}"
        arguments = [str(cwd or self.folder), words[0], str(path), str(record), *_variables(env), *words]
        done = self._execute(_shell(_START, arguments), b"", GRACE_S)
        if done.status != 0:
            raise CommandFailed(self.name, words, None, "", done.stderr.decode(errors="replace"))
        return RemoteProcess(self, words, int(done.stdout), path, record)

    def read(self, path: PurePath) -> bytes:
        """Returns the content of a file of this host.

        Raises:
            CommandFailed: the file can't be read.
        """
        return self._checked(("cat", "--", str(path)))

    def write(self, path: PurePath, data: bytes, mode: int = 0o644) -> None:
        """Makes a file of this host, or overwrites it; see `Host.write`.

        Raises:
            CommandFailed: the file can't be written.
        """
        self._checked(_shell(_WRITE, [str(path), f"{mode:o}"]), data)

    def which(self, program: str) -> str | None:
        """Returns the path of a program in this host, or None if it has no program of that name."""
        found = self._execute(_shell(_WHICH, [program]), b"", GRACE_S)
        return found.stdout.decode().strip() or None

    def _checked(self, argv: Sequence[str], input: bytes = b"") -> bytes:
        done = self._execute(argv, input, GRACE_S)
        if done.status != 0:
            raise CommandFailed(self.name, argv, _exit_status(done.status), "", done.stderr.decode(errors="replace"))
        return done.stdout


class RemoteProcess(Process):
    """A program that runs in a host with processes of its own.

    Attributes:
        log: file of its output, in the host.
    """

    def __init__(self, host: RemotePrograms, argv: tuple[str, ...], pid: int, log: PurePath, record: PurePath) -> None:
        """Describes a program that has started.

        Args:
            host: the host.
            argv: the program and its arguments.
            pid: process id in the host.
            log: file of its output.
            record: path whose `.pid` and `.status` files the host keeps of it.
        """
        self.argv = argv
        self.pid = pid
        self.log = log
        self._host = host
        self._record = record
        self._status: int | None = None

    def poll(self) -> int | None:
        """Returns the exit status (-n after signal n), or None while it runs."""
        if self._status is None:
            state = self._host.run("sh", "-c", _POLL, "sh", self._record, str(self.pid)).stdout.strip()
            if state != "running":
                self._status = _KILLED if state == "killed" else _exit_status(int(state))
        return self._status

    def wait(self, timeout_s: float) -> int:
        """Waits for its end; see `Process.wait`."""
        wait_until(lambda: self.poll() is not None, timeout_s, _PAUSE_S)
        if self._status is None:
            raise NothingArrived(f"end of {self.argv[0]} (pid {self.pid} of {self._host.name})", timeout_s)
        return self._status

    def signal(self, number: int) -> None:
        """Sends a signal to its process group; does nothing if it has ended."""
        # By the shell's own `kill`: the program of that name comes with a package that small systems don't have.
        self._host.run("sh", "-c", 'kill -s "$1" -- "-$2"', "sh", str(int(number)), str(self.pid), check=False)

    def log_text(self) -> str:
        """Returns its output so far, standard output and error together."""
        return self._host.read(self.log).decode(errors="replace")


def _shell(script: str, arguments: Sequence[str]) -> list[str]:
    return ["sh", "-c", script, "sh", *arguments]


def _variables(env: Mapping[str, str] | None) -> list[str]:
    return [f"{name}={value}" for name, value in (env or {}).items()]


def _exit_status(status: int) -> int:
    return 128 - status if status > 128 else status
