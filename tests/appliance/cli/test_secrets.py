"""Search for every secret of a run, in every form, in its output and its files."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from functools import partial
from pathlib import Path

import pytest

from harness.subject import exposure
from tests.appliance.cli.started import Run, answer, call, children, fetch, meshwg, start_program, wait_for_health
from tests.appliance.cli.walk import Walk
from tests.appliance.sealed import OLD
from tests.waiting import wait_until

pytestmark = pytest.mark.long


def hub_keys(data: Path) -> dict[str, str]:
    """Returns the hub's private keys, as its links have them."""
    found = {}
    for each in answer(data, "census")["organizations"]:
        host = each["host"]
        command = ["nsenter", f"--net=/run/netns/{host['namespace']}", "wg", "show", host["links"][0], "private-key"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True)
        found[f"hub key of {each['id']}"] = shown.stdout.strip()
    return found


def files_below(*folders: Path) -> list[Path]:
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


def is_another(run: Run, name: str, pid: int) -> bool:
    """Tells if the process was restarted."""
    return children(run.process.pid).get(name) not in (None, pid)


def misuse(secrets: dict[str, str]) -> None:
    """Sends a secret of each kind where it does not belong, to provoke errors about it."""
    token = next(secret for name, secret in secrets.items() if name.startswith("session"))
    kinds = {re.sub(r"\d+", "", name): secret for name, secret in secrets.items()}
    for secret in kinds.values():
        word = secret.replace("/", "_").replace(" ", "_")
        for method, path, body in (
            ("POST", "/sessions", {"email": secret, "password": secret}),
            ("POST", "/machines", {"name": secret + "\n", "public_key": secret}),
            ("GET", f"/machines/{word}?after={word}", None),
            ("PUT", "/policy", [secret]),
        ):
            status, _ = call(method, f"/api/v1{path}", body, token)
            assert 400 <= status < 500
        call("GET", "/api/v1/machines", None, word)


def test_no_secret_of_a_run_is_anywhere(data: Path, runs: list[Run], tmp_path: Path) -> None:
    backup, new_secret = tmp_path / "backup", tmp_path / "new.secret"
    run = start_program(runs, data, "--trusted-source=127.0.0.0/8", MESHWG_UNLOCK_SECRET=OLD)
    run.wait_until_ready()
    walk = Walk(call("GET", "/api/v1/openapi.json")[1])
    walk.go()
    done = meshwg(data, "rotate-unlock-secret", f"--new-secret-file={new_secret}", MESHWG_UNLOCK_SECRET=OLD)
    assert done.returncode == 0, done.stderr
    rotated = new_secret.read_text().strip()
    said = [done.stdout, done.stderr]
    done = meshwg(data, "backup", str(backup), MESHWG_UNLOCK_SECRET_FILE=str(new_secret))
    assert done.returncode == 0, done.stderr
    secrets = {**walk.secrets, **hub_keys(data), "old unlock secret": OLD, "new unlock secret": rotated}
    misuse(walk.secrets)
    metrics = fetch("GET", "/metrics").content
    # Neither leaves a core dump, not even where it would be written beside the store.
    for name in ("web", "hub"):
        before = children(run.process.pid)
        os.kill(before[name], signal.SIGSEGV)
        wait_until(partial(is_another, run, name, before[name]))
        wait_for_health()
    new_secret.unlink()
    files = files_below(tmp_path, Path("/run/meshwg"))

    # The same search finds what may be there.
    public = {each["name"]: each["id"] for each in answer(data, "census")["organizations"]}
    assert len(exposure.in_files(files, public)) >= len(public)
    kinds = {"session", "config", "password"}
    assert all(any(kind in name for name in secrets) for kind in kinds), sorted(secrets)

    assert exposure.in_files([*files, *Path.cwd().glob("core*")], secrets) == []
    assert exposure.in_bytes("\n".join(walk.told).encode(), secrets) == []
    assert exposure.in_bytes(metrics, secrets) == []
    assert run.stop() == 0
    assert exposure.in_bytes("\n".join([*said, *run.output]).encode(), secrets) == []
