"""Commands in a checkout that can't be written."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.paths import CACHE, REPORTS, ROOT
from netlab import sandbox
from tests.waiting import DEADLINE

READ_ONLY = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'


@pytest.mark.long
@pytest.mark.parametrize(
    ("arguments", "folder"),
    [(("test",), CACHE), (("test", "--only=lint"), CACHE), (("gate", "--claim=sign-in"), REPORTS)],
)
def test_a_read_only_checkout_is_one_sentence(arguments: tuple[str, ...], folder: object) -> None:
    if not sandbox.inside():
        pytest.skip("the checkout of others would be mounted over")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh", str(ROOT), sys.executable, "-m", "appliance", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    assert (done.returncode, done.stdout) == (73, "")
    assert done.stderr == f"meshwg: The folder {str(folder)!r} can't be written.\n"
