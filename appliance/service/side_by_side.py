"""One question to several others side by side, each asked by a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future, wait
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class SideBySide(Generic[T]):
    """Asks others, and waits for all of them together. Any thread may use it.

    Each of them is asked by one thread, which stays, with its connection. One that does not answer in time is asked no
    second time before it has: whoever asks again meanwhile waits for that answer.

    Args:
        ask: asks one, by its name; called by the thread of that one.
    """

    def __init__(self, ask: Callable[[str], T]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._asking: dict[str, SimpleQueue[Future[T]]] = {}
        self._latest: dict[str, Future[T]] = {}

    def answers(self, names: Collection[str], within_s: float) -> dict[str, Future[T]]:
        """Ask for each of the names, side by side.

        Args:
            within_s: longest wait in seconds, for all together.

        Returns:
            Answers by name; each is an error if asking raised one, and not done if it did not come in time.
        """
        with self._lock:
            asked = {name: self._question(name) for name in names}
        wait(asked.values(), within_s)
        return asked

    def _question(self, name: str) -> Future[T]:
        latest = self._latest.get(name)
        if latest is not None and not latest.done():
            return latest
        if name not in self._asking:
            self._asking[name] = SimpleQueue()
            threading.Thread(target=self._go_on_asking, args=(name,), name="asking", daemon=True).start()
        question = self._latest[name] = Future[T]()
        self._asking[name].put(question)
        return question

    def _go_on_asking(self, name: str) -> None:
        while True:
            question = self._asking[name].get()
            try:
                question.set_result(self._ask(name))
            except Exception as error:  # noqa: BLE001 - who waits for the answer gets it
                question.set_exception(error)
