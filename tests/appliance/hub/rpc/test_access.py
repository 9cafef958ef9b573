"""Access to the hub's calls, whatever others do at its socket."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from appliance.hub.errors import HubError, HubUnreachable
from appliance.hub.rpc.client import HubClient
from appliance.hub.rpc.messages import Status
from appliance.hub.rpc.server import MOST_CONNECTIONS, MOST_OF_USER
from appliance.users import User, file_access_as
from tests.appliance.another_user import acting_as
from tests.appliance.hub.rpc.served import connected, has_ended, served
from tests.waiting import wait_until

WEB = 64217
"""A user other than this process's."""


@contextmanager
def within_reach(folder: Path) -> Iterator[Path]:
    """Provides a path of the socket in a folder that leads past the folders above, which are this user's alone."""
    folder.chmod(0o755)
    descriptor = os.open(folder, os.O_PATH)
    try:
        yield Path(f"/proc/self/fd/{descriptor}/sock")
    finally:
        os.close(descriptor)


def succeeds(client: HubClient) -> bool:
    try:
        client.status()
    except HubUnreachable:
        return False
    return True


def test_the_web_process_may_not_stop_the_hub_or_rotate(tmp_path: Path) -> None:
    with served(tmp_path, web_uid=os.getuid(), own_uid=os.getuid() + 1) as calls:
        client = HubClient(tmp_path / "sock")
        client.status()
        for ask in (client.tear_down, lambda: client.rotate_secret("old", "new")):
            with pytest.raises(HubError, match="is not for user"):
                ask()
        assert calls == [Status()]


def test_a_caller_of_another_user_is_refused(tmp_path: Path) -> None:
    """Calls as a user who is neither of the two, and whom no mode stops: no thread begins, and one line is logged."""
    before = set(threading.enumerate())
    with served(tmp_path, own_uid=os.getuid() + 1) as calls, capture_logs() as logs:
        for _ in range(50):
            with pytest.raises(HubUnreachable):
                HubClient(tmp_path / "sock").status()
        # The thread that accepts.
        assert len(set(threading.enumerate()) - before) == 1
        assert calls == []
    assert [(each["event"], each["uid"]) for each in logs] == [("a call by a stranger was turned away", os.getuid())]


def test_no_other_user_can_connect(tmp_path: Path) -> None:
    """Connects with the rights of users on files: the socket is the web process's, and nobody else gets to it."""
    web, other = User(WEB, WEB), User(WEB + 1, WEB + 1)
    with served(tmp_path, web_uid=WEB) as calls, ExitStack() as stack:
        path = stack.enter_context(within_reach(tmp_path))
        found = path.stat()
        assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o600, WEB)
        with file_access_as(other), pytest.raises(HubUnreachable, match="Permission denied"):
            HubClient(path).status()
        with file_access_as(web):
            stack.enter_context(closing(connected(path)))
        HubClient(path).status()
        assert calls == [Status()]


def test_the_web_process_gets_to_the_socket_under_any_umask(tmp_path: Path) -> None:
    """Has the hub make its folders with the umask of its systemd unit."""
    before = os.umask(0o077)
    try:
        with served(tmp_path / "run" / "instance", web_uid=WEB), ExitStack() as stack:
            path = stack.enter_context(within_reach(tmp_path)).parent / "run" / "instance" / "sock"
            with file_access_as(User(WEB, WEB)):
                stack.enter_context(closing(connected(path)))
    finally:
        os.umask(before)


def test_the_hub_s_own_user_has_places_that_nobody_takes(tmp_path: Path) -> None:
    """Takes every place that the web process can have, and then every one that is left to the hub's own user."""
    rest = MOST_CONNECTIONS - MOST_OF_USER
    with served(tmp_path, web_uid=WEB) as calls, ExitStack() as stack, capture_logs() as logs:
        path = stack.enter_context(within_reach(tmp_path))
        with acting_as(WEB):
            others = [stack.enter_context(closing(connected(path))) for _ in range(MOST_OF_USER + 60)]
        assert others[-1].recv(1) == b""
        assert sum(map(has_ended, others)) == 60
        own = [HubClient(tmp_path / "sock") for _ in range(rest + 1)]
        for each in own[:-1]:
            each.status()
        with pytest.raises(HubUnreachable):
            own[-1].status()
        # One that ends makes room for the next.
        others[0].close()
        wait_until(lambda: succeeds(own[-1]))
        assert set(calls) == {Status()}
    assert 1 < len(logs) <= 30
