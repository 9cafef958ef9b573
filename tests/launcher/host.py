"""A made-up host to run the launcher on: what it calls is written down, and nothing of this machine is touched.

The launcher itself is the real one, and so are the small tools that it uses (``cat``, ``cksum``, ``flock``, …). Its
search path has nothing else but stand-ins for apt, dpkg, sudo, id and Python. The two things that it knows by their
full path, ``/usr/bin/python3`` and ``/etc/os-release``, are mounted over, in a mount namespace of each run's own.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.paths import ROOT

FILES = ("meshwg", "pyproject.toml", "requirements.lock", "requirements-test.lock")
TOOLS = (
    *("basename", "cat", "cksum", "cp", "date", "dirname", "env", "mkdir", "mktemp"),
    *("printf", "readlink", "rm", "sed", "sh", "tail"),
)
DEADLINE = 60

# A line for each call; US, which is in no word, between its words.
RECORD = """#!/bin/sh
words=$(basename "$0")
for word in "$@"; do words="$words\x1f$word"; done
printf '%s\\n' "$words" >>"$CALLS"
"""

# Says of a package what stands in a file of its name; nothing stands for a package that dpkg has never heard of.
DPKG_QUERY = (
    RECORD
    + """
for package in "$@"; do :; done
cat "$PACKAGES/$package" 2>/dev/null || { echo "no packages found matching $package" >&2; exit 1; }
"""
)

APT_GET = (
    RECORD
    + """
umask >"$CALLS.umask"
case " $* " in
*" update "*)
    if [ -n "${APT_LISTS_TAKEN:-}" ] && [ -e "$APT_LISTS_TAKEN" ]; then
        rm "$APT_LISTS_TAKEN"
        echo "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt-get)" >&2
        exit 100
    fi
    [ -z "${APT_UPDATE_SAYS:-}" ] || { printf '%s\\n' "$APT_UPDATE_SAYS" >&2; exit 100; } ;;
*)
    [ -z "${APT_SAYS:-}" ] || { printf '%s\\n' "$APT_SAYS" >&2; exit 100; }
    [ "${DEBIAN_FRONTEND:-}" = noninteractive ] || { echo "apt asks a question" >&2; exit 100; }
    for package in "$@"; do
        case $package in -* | install | DPkg*) ;; *) printf installed >"$PACKAGES/$package" ;; esac
    done ;;
esac
"""
)

# Time is not what is tested.
SLEEP = "#!/bin/sh\n"

SUDO = RECORD + '\nexec "$@"\n'

ID = """#!/bin/sh
echo "${FAKE_UID:-0}"
"""

FLOCK = """#!/bin/sh
[ -z "${AT_FLOCK:-}" ] || echo here >"$AT_FLOCK"
exec {flock} "$@"
"""

# /usr/bin/python3, and what stands in .venv/bin for it and for the program that pip installs there.
PYTHON = (
    RECORD
    + """
if [ "$(basename "$0")" = meshwg ]; then
    printf '%s\\n' "$(pwd)" "$PLAYWRIGHT_BROWSERS_PATH" "$(cat)" ${PYTHONDONTWRITEBYTECODE:+"keeps no bytecode"}
    exit "${APPLIANCE_CODE:-0}"
fi
case "$1 ${2:-}" in
"-c import pip") exit "${PIP_IS_GONE:-0}" ;;
"-c "*) exit "${PYTHON_IS_TOO_OLD:-0}" ;;
"--version "*) echo "Python 3.13.1" ;;
"-I -S") exit "${DIAGNOSIS_CODE:-0}" ;;
"-m venv")
    mkdir -p "$3/bin"
    [ -z "${VENV_SAYS:-}" ] || { printf '%s\\n' "$VENV_SAYS" >&2; exit 1; }
    cp "$0" "$3/bin/python" ;;
"-m pip")
    echo "${PIP_USER-unset} ${PIP_TARGET-unset} ${PYTHONPATH-unset}" >"$CALLS.pip"
    [ -z "${AT_PIP:-}" ] || echo here >"$AT_PIP"
    [ -z "${PIP_WAITS_FOR:-}" ] || read -r _ <"$PIP_WAITS_FOR"
    case "$*" in
    *"${PIP_FAILS_AT:-nowhere}"*) printf '%s\\n' "${PIP_SAYS:-}" >&2; exit 1 ;;
    *--editable*) cp "$0" "$(dirname "$0")/meshwg" ;;
    esac ;;
"-m playwright") exit "${PLAYWRIGHT_CODE:-0}" ;;
esac
"""
)

INSIDE = """
mount=$1 read_only=$2
shift 2
while [ "$1" != -- ]; do "$mount" --bind "$1" "$2"; shift 2; done
shift
if [ -n "$read_only" ]; then
    "$mount" --bind "$read_only" "$read_only"
    "$mount" -o remount,bind,ro "$read_only"
fi
exec "$@"
"""


@dataclass(frozen=True)
class Call:
    """One call of a program."""

    program: str
    arguments: tuple[str, ...]

    @property
    def what(self) -> str:
        """Returns the program, or the module that Python was called for."""
        return self.arguments[1] if self.arguments[:1] == ("-m",) else self.program

    @property
    def packages(self) -> set[str]:
        """Returns the packages that apt-get was told to install."""
        words = [word for word in self.arguments if not word.startswith(("-", "DPkg::"))]
        return set(words[1:]) if words[:1] == ["install"] else set()

    @property
    def asks(self) -> bool:
        """Tells if the call changes nothing."""
        return self.program == "dpkg-query" or self.arguments[:1] in (("-c",), ("--version",))

    @property
    def diagnoses(self) -> bool:
        """Tells if the call is the diagnosis by the system's Python, without modules of anybody else."""
        return self.program == "python3" and self.arguments[:3] == ("-I", "-S", "-B")


@dataclass(frozen=True)
class Done:
    """Outcome of one run of the launcher.

    Attributes:
        said: what it wrote to standard error, line by line.
        asked: calls that change nothing.
        calls: all others.
    """

    code: int
    said: list[str]
    output: str
    asked: list[Call]
    calls: list[Call]

    def made(self, *what: str) -> list[Call]:
        """Returns the calls of this program or module."""
        return [call for call in self.calls if call.what in what]

    @property
    def packages(self) -> set[str]:
        """Returns the packages that apt was told to install."""
        return {package for call in self.made("apt-get") for package in call.packages}

    @property
    def locks(self) -> list[str]:
        """Returns the lock files that pip was told to install."""
        return [Path(word).name for call in self.made("pip") for word in call.arguments if word.endswith(".lock")]

    @property
    def complaint(self) -> str:
        """Returns the last line of standard error."""
        return self.said[-1] if self.said else ""


def _as_at_a_terminal() -> None:
    # What is started in the background of a script ignores Ctrl-C, and so does all that it starts.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass(frozen=True)
class Running:
    """A run that has not ended."""

    process: subprocess.Popen[str]
    calls: Path

    def finish(self) -> Done:
        """Waits until it has ended."""
        with self.process as process:
            try:
                output, said = process.communicate(timeout=DEADLINE)
            finally:
                process.kill()
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        found = [Call(words[0], tuple(words[1:])) for words in (line.split("\x1f") for line in lines)]
        asked, made = [call for call in found if call.asks], [call for call in found if not call.asks]
        return Done(process.returncode, said.splitlines(), output, asked, made)


@dataclass
class Host:
    """A host with a checkout on it.

    Attributes:
        checkout: where the launcher lies.
        shell: what runs it; its first line decides if this is empty.
        variables: of the environment, for every run from now on.
        read_only: whether the checkout can't be written.
        umask: of whoever runs it.
    """

    root: Path
    checkout: Path
    shell: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    read_only: bool = False
    umask: int = 0o022
    _runs: int = 0

    @classmethod
    def make(cls, root: Path, shell: Sequence[str] = (), *, name: str = "meshwg", distribution: str = "debian") -> Host:
        """Makes a Debian host that has none of the needed packages."""
        host = cls(root, root / name, tuple(shell))
        for folder in (host.bin, host.packages, host.temporary, host.checkout):
            folder.mkdir(parents=True)
        for file in FILES:
            shutil.copy(ROOT / file, host.checkout / file)
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found is not None, f"this machine has no {tool}"
            (host.bin / tool).symlink_to(found)
        flock = shutil.which("flock")
        host.install("flock", FLOCK.replace("{flock}", str(flock)))
        host.install("apt-get", APT_GET)
        host.install("dpkg", RECORD)
        host.install("dpkg-query", DPKG_QUERY)
        host.install("sleep", SLEEP)
        host.install("sudo", SUDO)
        host.install("id", ID)
        host.install("python3", PYTHON)
        (root / "os-release").write_text(f'NAME="It"\nID={distribution}\n')
        return host

    @property
    def bin(self) -> Path:
        """Returns the only folder of its search path."""
        return self.root / "bin"

    @property
    def packages(self) -> Path:
        """Returns the folder with dpkg's answer about each package, in a file of its name."""
        return self.root / "packages"

    @property
    def temporary(self) -> Path:
        """Returns the folder for temporary files (TMPDIR)."""
        return self.root / "temporary"

    @property
    def venv(self) -> Path:
        """Returns the virtual environment of the checkout."""
        return self.checkout / ".venv"

    def install(self, program: str, text: str) -> None:
        """Installs a program on the search path."""
        file = self.bin / program
        file.write_text(text)
        file.chmod(0o755)

    def remove(self, program: str) -> None:
        """Removes a program from the search path."""
        (self.bin / program).unlink()

    def has_packages(self, *packages: str, status: str = "installed") -> None:
        """Sets dpkg's answers about packages."""
        for package in packages:
            (self.packages / package).write_text(status)

    def change(self, file: str) -> None:
        """Writes another version of a file, as after ``git pull``."""
        with (self.checkout / file).open("a") as opened:
            opened.write("# another version\n")

    def run(self, *arguments: str, launcher: Path | None = None, cwd: Path | None = None, **variables: str) -> Done:
        """Runs the launcher."""
        return self.start(*arguments, launcher=launcher, cwd=cwd, **variables).finish()

    def start(
        self, *arguments: str, launcher: Path | None = None, cwd: Path | None = None, **variables: str
    ) -> Running:
        """Starts the launcher."""
        self._runs += 1
        calls = self.root / f"calls-{self._runs}"
        over = [str(self.root / "os-release"), "/etc/os-release"] if Path("/etc/os-release").exists() else []
        if Path("/usr/bin/python3").exists():
            over += [str(self.bin / "python3"), "/usr/bin/python3"]
        unshare, mount, sh = (shutil.which(tool) for tool in ("unshare", "mount", "sh"))
        command: list[Any] = [
            *(unshare, "--mount", "--", sh, "-euc", INSIDE, "sh", mount),
            str(self.checkout) if self.read_only else "",
            *(*over, "--"),
            *(*self.shell, str(launcher or self.checkout / "meshwg"), *arguments),
        ]
        environment = {
            "PATH": str(self.bin),
            "TMPDIR": str(self.temporary),
            "PACKAGES": str(self.packages),
            "CALLS": str(calls),
            **self.variables,
            **variables,
        }
        process = subprocess.Popen(
            command,
            cwd=cwd or self.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            umask=self.umask,
            start_new_session=True,
            preexec_fn=_as_at_a_terminal,
        )
        return Running(process, calls)
