"""Messages of the socket, encoded and decoded."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import msgspec

from appliance.hub.rpc import codec

_THREADS = 4


class Looks:
    """Threads in which msgspec looks at a type.

    Attributes:
        most: how many there were at once.
    """

    def __init__(self) -> None:
        self.now = self.most = 0
        self._lock = threading.Lock()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Counts a look that takes a while."""
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.05)
        yield
        with self._lock:
            self.now -= 1


looks = Looks()


def looked_at() -> type[int]:
    """Makes the type of a field that msgspec asks for."""
    with looks.one():
        return int


def test_msgspec_analyses_a_type_in_one_thread_at_a_time() -> None:
    """Decodes in two threads at once, which would crash the interpreter while msgspec knows the type only in part."""
    kind = msgspec.defstruct("Message", [("field", "looked_at()")], module=__name__)
    begin = threading.Barrier(_THREADS)

    def decode(value: int) -> object:
        begin.wait()
        return msgspec.to_builtins(codec.decode(codec.encode({"field": value}), kind))

    with ThreadPoolExecutor(_THREADS) as threads:
        assert list(threads.map(decode, range(_THREADS))) == [{"field": value} for value in range(_THREADS)]
    assert looks.most == 1
