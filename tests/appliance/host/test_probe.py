"""Facts about the real host of the tests are true, and finding them leaves nothing behind."""

from __future__ import annotations

import inspect
import os
import platform
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import tomllib
from packaging.requirements import Requirement

from appliance import host
from appliance.host import Facts, diagnose, libraries, programs, system, trial, trial_program
from appliance.hub.wireguard import Backend, choose
from harness.paths import ROOT

STEPS = {value for name, value in vars(trial_program).items() if name.isupper() and not name.startswith("_")}


@pytest.fixture(scope="module")
def facts() -> Facts:
    """Finds the facts about this host."""
    return host.find_facts()


def traces() -> dict[str, object]:
    """Reads the state of this process and host that finding facts could change."""
    return {
        "links": socket.if_nameindex(),
        "mounts": Path("/proc/self/mounts").read_text(),
        "names": sorted(path.name for path in Path("/run").rglob("*")),
        "rules": subprocess.run(["nft", "--stateless", "list", "ruleset"], capture_output=True, check=True).stdout,
        "queues": subprocess.run(["tc", "qdisc"], capture_output=True, check=True).stdout,
        "children": [(task / "children").read_text() for task in Path("/proc/self/task").iterdir()],
        "namespaces": [str(path.readlink()) for path in sorted(Path("/proc/self/ns").iterdir())],
        "files": len(list(Path("/proc/self/fd").iterdir())),
    }


def test_finding_facts_leaves_nothing_behind() -> None:
    host.find_facts()  # libraries stay loaded after the first time
    before = traces()
    host.find_facts()
    assert traces() == before


def test_a_trial_tries_every_step_and_the_features_of_labs_work(facts: Facts) -> None:
    assert set(facts.own.errors) == STEPS
    for step in STEPS - {trial_program.WIREGUARD, trial_program.NETEM}:
        assert facts.own.works(step), facts.own.errors[step]


def test_a_trial_has_an_empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    # It may run as a user whose other processes could read the environment.
    monkeypatch.setenv("MESHWG_UNLOCK_SECRET", "a secret that nobody guesses")
    monkeypatch.setattr(inspect, "getsource", lambda _: "import json, os; print(json.dumps(dict(os.environ)))")
    assert "MESHWG_UNLOCK_SECRET" not in trial.run_as_self().errors


def test_a_trial_without_a_result_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("raise SystemExit(1)", "print('{')", "pass"):
        monkeypatch.setattr(inspect, "getsource", lambda _, text=text: text)
        assert trial.run_as_self().sandbox_error
        assert trial.run_as_ordinary_user() is None


def test_a_trial_that_hangs_is_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "DEADLINE_S", 0.1)
    monkeypatch.setattr(inspect, "getsource", lambda _: "import time; time.sleep(60)")
    assert trial.run_as_self().sandbox_error == "the trial had not ended after 0.1 s"
    assert trial.run_as_ordinary_user() is None


def test_other_users_open_the_tun_device_if_its_mode_allows_it(facts: Facts) -> None:
    if facts.ordinary is None:
        # A sandbox of an ordinary user has no other user to become.
        assert "4294967295" not in Path("/proc/self/uid_map").read_text()
        return
    if not facts.ordinary.sandbox_error:
        mode = Path(system.TUN).stat().st_mode
        assert facts.ordinary.works(trial_program.TUN) == (
            mode & (stat.S_IROTH | stat.S_IWOTH) == stat.S_IROTH | stat.S_IWOTH
        )


def test_facts_about_the_system_are_true(facts: Facts) -> None:
    assert facts.kernel == platform.release()
    assert facts.python == platform.python_version()
    assert facts.privileges.root == (os.geteuid() == 0)
    assert facts.distribution in Path("/etc/os-release").read_text()
    assert facts.library.startswith("libnftables.so.1")
    assert facts.tun_errno == 0


def test_packages_are_looked_for_and_not_imported(facts: Facts) -> None:
    assert facts.absent_packages == ()
    program = "from appliance.host import libraries; import sys; print(*libraries.absent(), 'typer' in sys.modules)"
    folder = str(Path(host.__file__).parents[2])
    alone = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {folder!r}); {program}"]
    done = subprocess.run(alone, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [*libraries.MODULES, "False"]


def test_the_packages_are_those_of_the_project() -> None:
    """A package that only some Pythons need isn't looked for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for_all = [Requirement(each) for each in project["dependencies"]]
    assert list(libraries.MODULES) == [each.name for each in for_all if each.marker is None]


def test_programs_are_found_with_their_versions(facts: Facts) -> None:
    for name, version in facts.programs.items():
        assert shutil.which(name)
        if name not in ("wg-quick", "tc"):
            assert version[0].isdigit(), (name, version)


def test_the_chosen_wireguard_is_the_hub_s_choice(facts: Facts) -> None:
    backend: Backend = choose("auto")
    chosen = diagnose(facts).chosen
    assert chosen is not None
    assert (chosen.name, chosen.version) == (backend.name, backend.version)


def test_userspace_wireguard_is_searched_in_path_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    found = host.find_facts().programs
    assert "wireguard-go" not in found
    assert "wg" in found


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("wireguard-go v0.0.20220316\n\nUserspace WireGuard daemon for linux-amd64.\n", "0.0.20220316"),
        ("boringtun 0.5.2", "0.5.2"),
        ("wireguard-tools v1.0.20210914 - https://git.zx2c4.com/wireguard-tools/", "1.0.20210914"),
        ("ip utility, iproute2-6.1.0, libbpf 1.1.0", "6.1.0"),
        ("nftables v1.0.6 (Lester Gooch #5)", "1.0.6"),
        ("iperf 3.12 (cJSON 1.7.15)\nLinux", "3.12"),
        ("git version 2.39.5", "2.39.5"),
        ("ping from iputils 20221126", "20221126"),
        ("tcpdump version 4.99.3\nlibpcap version 1.10.3", "4.99.3"),
        ("no idea", ""),
        ("", ""),
    ],
)
def test_versions_are_found_in_the_output_of_programs(text: str, version: str) -> None:
    assert programs.version_in(text) == version
