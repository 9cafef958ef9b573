"""Sandboxes of ordinary users, with and without subordinate user ids (subuid(5))."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from netlab import idmap, sandbox

TRY = "cat /proc/self/uid_map; touch /run/mine && chown nobody /run/mine && stat --format=%U /run/mine"
LENT = """
mount --bind "$0" /etc/subuid && mount --bind "$0" /etc/subgid || exit 1
setpriv --reuid=65534 --regid=65534 --clear-groups test -w /dev/net/tun || {
    mount -t tmpfs -o mode=0755 tun /dev/net && mknod -m 0666 /dev/net/tun c 10 200 || exit 77
}
exec "$@"
"""


@pytest.fixture
def public() -> Iterator[Path]:
    """Copies netlab to where every user can read it, as the checkout may be private."""
    own = Path(sandbox.__file__).parent
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, own.name)
        shutil.copytree(own, copy, ignore=shutil.ignore_patterns("__pycache__"))
        for path in (Path(folder), copy, *copy.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield copy


def as_nobody(public: Path, lent: Path) -> subprocess.CompletedProcess[str]:
    """Runs a sandbox as nobody, on a machine that lends the users in the file and opens TUN to everybody.

    Skips the test on a machine that can't be made so.
    """
    if not Path("/etc/subuid").exists():
        pytest.skip("this machine has no /etc/subuid: the package login makes it")
    python = str(Path(sys.executable).resolve())
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]
    if subprocess.run([*nobody, "env", python, "-c", ""], check=False, capture_output=True, cwd="/").returncode != 0:
        pytest.skip(f"an ordinary user can't run {python}")
    ordinary = [*nobody, "env", python, str(public), "--", "sh", "-c", TRY]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", LENT, str(lent), *ordinary],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    if done.returncode == 77:
        pytest.skip("/dev/net/tun is not open to everybody here, and another one can't be made")
    return done


def test_without_lent_ids_a_sandbox_has_one_user(public: Path, tmp_path: Path) -> None:
    (tmp_path / "lent").write_text("somebody:100000:65536\n")
    done = as_nobody(public, tmp_path / "lent")
    assert done.stdout.split() == ["0", "65534", "1"], done.stderr
    assert "chown" in done.stderr


def test_lent_ids_are_users_of_the_sandbox(public: Path, tmp_path: Path) -> None:
    if shutil.which("newuidmap") is None or Path("/proc/self/uid_map").read_text().split()[2] != str(2**32 - 1):
        pytest.skip("it takes newuidmap (uidmap), and root of the machine to lend users")
    lent = tmp_path / "lent"
    lent.write_text("nobody:200000:65536\n")
    done = as_nobody(public, lent)
    assert done.stdout.split() == ["0", "65534", "1", "1", "200000", "65535", "nobody"], done.stderr


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("", None),
        ("asha:100000:65536\n", 100000),
        ("bela:100000:65536\nasha:165536:65536\n", 165536),
        ("1000:300000:65536\n", 300000),
        ("asha:100000:1000\nasha:200000:65536\n", 200000),
        ("asha:100000:65534\n", None),
        ("asha\nasha:x:y\n:1:2\n", None),
    ],
)
def test_the_first_range_with_enough_ids_is_taken(text: str, first: int | None) -> None:
    assert idmap.first_lent(text, 1000, "asha") == first
