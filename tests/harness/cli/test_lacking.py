"""Machines that can't run the tests get one sentence with the reason and a remedy."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sandboxes import outside
from tests.waiting import DEADLINE

COMMAND = [sys.executable, "-m", "appliance", "test", "--only=lint"]


def run_with_mount(*mount: str) -> tuple[int, str]:
    """Runs the tests on a machine with another mount; returns exit code and output."""
    script = f'mount {shlex.join(mount)} && exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", *COMMAND],
        env=outside(),
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.mark.long
def test_a_machine_without_tun_is_refused_with_a_remedy() -> None:
    if Path("/sys/module/wireguard").exists():
        pytest.skip("the kernel of this machine has WireGuard and needs no TUN")
    code, output = run_with_mount("-t", "tmpfs", "none", "/dev/net")
    assert (code, output.count("\n")) == (77, 1), output
    assert "/dev/net/tun can't be opened (No such file or directory): load the module" in output
    assert "root" not in output


@pytest.mark.long
def test_a_machine_without_nftables_is_refused_with_a_remedy() -> None:
    nft = shutil.which("nft")
    assert nft is not None
    code, output = run_with_mount("--bind", "/dev/null", nft)
    assert code == 69, output
    reason = "nft: Permission denied"
    assert (
        output == f"meshwg: The tests need nftables, which can't be used here ({reason}): ./meshwg doctor says more.\n"
    )
