"""Loading of the command line: Ctrl-C meanwhile, and garbage collection afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import DEADLINE

INTERRUPTED = "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\n{then}\n"


def start(
    modules: Path, *arguments: str, prepare: signal.Handlers = signal.SIG_DFL
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "appliance", *arguments],
        env={**os.environ, "PYTHONPATH": str(modules)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, prepare),
    )


@pytest.mark.parametrize("arguments", [("--help",), ("up",)])
def test_ctrl_c_during_loading_ends_the_program_silently(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text(INTERRUPTED.format(then="time.sleep(60)"))
    done = start(tmp_path, *arguments)
    # A shell calls that 130.
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_ctrl_c_stays_ignored_if_the_parent_ignores_it(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text(INTERRUPTED.format(then="raise SystemExit(7)"))
    assert start(tmp_path, prepare=signal.SIG_IGN).returncode == 7


@pytest.mark.long
def test_objects_from_loading_are_not_garbage_collected() -> None:
    program = """
import atexit, gc, sys
from appliance.__main__ import main
sys.argv = ["meshwg", "status", "--data=/nowhere"]
atexit.register(lambda: print(gc.isenabled(), gc.get_freeze_count() > len(gc.get_objects())))
main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "True True", done.stderr


NEVER = "alembic pydantic rich greenlet appliance.cluster etcd3gw requests"
MAIL = "smtplib email.policy"
RARE = "asyncio importlib.metadata"
PAGES = "webauthn argon2 jinja2 granian"
BUDGETS = {
    "--help": f"{NEVER} {PAGES} structlog sqlalchemy cryptography pyroute2 asyncio",
    "status --data=/nowhere": f"{NEVER} {PAGES} {RARE} pyroute2 appliance.service appliance.web {MAIL}",
    "census --data=/nowhere": f"{NEVER} {PAGES} {RARE} pyroute2 appliance.service.context appliance.web {MAIL}",
    "deletions --data=/nowhere": f"{NEVER} {PAGES} {RARE} pyroute2",
    "doctor": f"alembic pydantic rich greenlet {PAGES} {RARE} pyroute2 appliance.web",
    "admin --help": "alembic pydantic greenlet",
    "up --data=/nowhere --wireguard=nothing --trusted-source=::1": f"{NEVER} {RARE} pyroute2 webauthn jinja2 granian",
    "hub": f"{NEVER} {PAGES} {RARE} pyroute2.iproute bottle appliance.web appliance.service",
    "web": f"{NEVER} pyroute2",
}
"""Libraries that a command does not load: each of them would make its start longer."""


@pytest.mark.long
@pytest.mark.parametrize("command", BUDGETS)
def test_a_command_loads_only_what_it_uses(command: str, tmp_path: Path) -> None:
    program = f"""
import atexit, os, sys
from appliance.__main__ import main
os.environ["MESHWG_DATA"] = {str(tmp_path / "none")!r}
sys.argv = ["meshwg", *{command.split()!r}]
def tell():
    loaded = [name for name in {BUDGETS[command].split()!r} if sys.modules.get(name)]
    print("loaded", *loaded)
atexit.register(tell)
main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "loaded", done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.long
def test_up_starts_its_processes_before_it_loads_the_store() -> None:
    program = """
import sys
from appliance.cli import up
from appliance.cli.settings import resolve
resolve({})
print(*[name for name in ("sqlalchemy", "cryptography", "appliance.store", "appliance.service") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("\n", "")
