"""`doctor` from outside: texts and JSON that agree, exit codes, and agreement with `up`."""

from __future__ import annotations

import io
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from appliance.cli.errors import Exit
from appliance.host import Facts, Privileges, WireGuardChoice, diagnose, find_facts, programs, report
from tests.appliance.host.example_hosts import failed_trial, host, hosts, trial

# Hosts that lack something, made of this one by util-linux: each is a way to start a program.
WITHOUT_TUN = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /dev/net && exec "$@"', "sh")
WITHOUT_SETTINGS = (
    "unshare", "--mount", "sh", "-c",
    'mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec "$@"', "sh",
)  # fmt: skip
WITHOUT_CAPABILITY = ("setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin")
WITHOUT_ROOT = ("unshare", "--user")


def run(*arguments: str, on: tuple[str, ...] = (), **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command line, as the program that `on` starts."""
    return subprocess.run(
        [*on, sys.executable, "-m", "appliance", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**{k: v for k, v in os.environ.items() if k != "COLUMNS"}, **environment},
    )


def said(facts: Facts, width: int = 80) -> str:
    """Returns the words about a host."""
    output = io.StringIO()
    report.show(diagnose(facts), output, width)
    return output.getvalue()


def flat(text: str) -> str:
    return " ".join(text.split())


def findings(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in document["findings"]}


def test_this_host_can_run_the_hub_and_the_gate() -> None:
    words, structured = run("doctor"), run("doctor", "--json")
    assert (words.returncode, words.stderr) == (0, "")
    assert (structured.returncode, structured.stderr) == (0, "")
    document = json.loads(structured.stdout)
    assert set(document) == {"up", "gate", "rootless", "wireguard", "distribution", "kernel", "findings"}
    assert document["up"] is True
    assert document["gate"] is True
    chosen = document["wireguard"]
    assert f"up yes, with WireGuard: {chosen['chosen']} {chosen['version']}" in flat(words.stdout)
    for each in document["findings"]:
        assert set(each) == {"id", "state", "found", "needed_by", "advice"}
        assert f"{each['state']} {each['id']} {each['found']}" in flat(words.stdout)
        assert each["advice"] in flat(words.stdout)


@pytest.mark.long
@pytest.mark.parametrize(
    ("on", "code", "missing"),
    [
        (WITHOUT_TUN, Exit.UNAVAILABLE, "tun"),
        (WITHOUT_SETTINGS, Exit.UNAVAILABLE, "kernel-settings"),
        (WITHOUT_CAPABILITY, Exit.UNAVAILABLE, "privileges"),
        (WITHOUT_ROOT, Exit.NOT_PERMITTED, "privileges"),
    ],
)
def test_up_refuses_a_host_that_doctor_calls_incomplete(
    on: tuple[str, ...], code: Exit, missing: str, tmp_path: Path
) -> None:
    # A userspace WireGuard, because where the kernel has one nobody needs the device.
    if missing == "tun" and diagnose(find_facts()).chosen == WireGuardChoice("kernel", platform.release()):
        pytest.skip("the kernel of this host has WireGuard")
    done = run("doctor", "--json", on=on)
    document = json.loads(done.stdout)
    assert (done.returncode, document["up"]) == (code, False)
    assert [
        name for name, each in findings(document).items() if each["state"] == "missing" and "up" in each["needed_by"]
    ] == [missing]
    up = run("up", f"--data={tmp_path / 'data'}", on=on)
    assert (up.returncode, up.stdout) == (code, "")
    assert len(up.stderr.splitlines()) == 1
    assert not (tmp_path / "data").exists()


def test_without_programs_the_advice_is_to_install_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "MORE_FOLDERS", str(tmp_path))
    diagnosis = diagnose(find_facts())
    found = findings(report.document(diagnosis))
    assert found["wireguard-go"]["state"] == "optional"
    assert found["wireguard-tools"]["state"] == "missing"
    assert "wireguard-tools" in found["wireguard-tools"]["advice"]
    assert not diagnosis.gate
    assert diagnosis.up == (found["wireguard"]["state"] == "ok")


def test_the_report_names_neither_host_nor_person() -> None:
    rename = "import os, socket, sys; socket.sethostname('host-of-acme'); os.execv(sys.argv[1], sys.argv[1:])"
    renamed = ("unshare", "--uts", sys.executable, "-c", rename)
    person = {
        "USER": "jane-doe",
        "LOGNAME": "jane-doe",
        "HOME": "/home/jane-doe",
        "MESHWG_CHROMIUM": "/home/jane-doe/x",
    }
    # Words and document carry the same texts.
    done = run("doctor", "--json", on=renamed, **person)
    assert done.returncode == 0, done.stderr
    assert "host-of-acme" not in done.stdout
    assert "jane-doe" not in done.stdout


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        (host(), 0),
        (host(browser=""), 0),
        (host(privileges=Privileges(root=False)), Exit.NOT_PERMITTED),
        (host(privileges=Privileges(root=False), own=failed_trial(), ordinary=failed_trial()), Exit.NOT_PERMITTED),
        (host(privileges=Privileges(root=False), library=""), Exit.UNAVAILABLE),
        (host(privileges=Privileges(root=True, lacking=("CAP_SYS_ADMIN",))), Exit.UNAVAILABLE),
        (host(own=trial(rules="Operation not supported")), Exit.UNAVAILABLE),
        (host(absent_packages=("typer",)), Exit.UNAVAILABLE),
    ],
)
def test_the_exit_code_is_about_the_hub_alone(facts: Facts, code: int) -> None:
    assert report.exit_code(diagnose(facts)) == code


@given(hosts())
def test_the_report_in_words_is_complete_on_80_columns(facts: Facts) -> None:
    diagnosis = diagnose(facts)
    text = said(facts)
    assert max(map(len, text.splitlines())) <= 80
    assert all(line == line.rstrip() for line in text.splitlines())
    for name, verdict in (("up", diagnosis.up), ("gate", diagnosis.gate), ("rootless", diagnosis.rootless)):
        assert f"\n{name:10}{'yes' if verdict else 'no'}" in text
    for each in diagnosis.findings:
        assert f"{each.state.value} {each.id} {each.found}" in flat(text)
        assert each.advice in flat(text)


@given(hosts())
def test_the_json_document_equals_the_diagnosis(facts: Facts) -> None:
    diagnosis = diagnose(facts)
    document = json.loads(json.dumps(report.document(diagnosis)))
    assert (document["up"], document["gate"], document["rootless"]) == (
        diagnosis.up,
        diagnosis.gate,
        diagnosis.rootless,
    )
    assert [each["id"] for each in document["findings"]] == [each.id for each in diagnosis.findings]
    assert (document["wireguard"]["chosen"] is None) == (diagnosis.chosen is None)


@pytest.mark.parametrize("width", [20, 40, 200])
def test_a_narrow_or_wide_terminal_cuts_nothing_off(width: int) -> None:
    facts = host(own=failed_trial(), library="", browser="", programs={})
    for each in diagnose(facts).findings:
        assert each.advice in flat(said(facts, width))


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("setting", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["", "no colour", "dumb"])
def test_colours_are_for_terminals_that_have_them(setting: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    output = _Terminal()
    report.show(diagnose(host()), output, 80)
    coloured = output.getvalue()
    assert ("\x1b[32mok" in coloured) == (not setting)
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == said(host())
