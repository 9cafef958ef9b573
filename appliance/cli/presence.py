"""Presence of a host among others: it tells them that it is there, and looks for new shards."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import structlog
from sqlalchemy.exc import SQLAlchemyError

from appliance.cli.errors import CommandError
from appliance.cluster.errors import EtcdUnreachable
from appliance.cluster.guidance import Guidance
from appliance.model.errors import Unavailable
from appliance.store import Store, shards
from appliance.store.shards import Shard

log = structlog.get_logger()

_LOOK_S = 1.0


class Presence:
    """Threads that look for new shards, and tell the other hosts that this one is there.

    Each has one, since a database that does not answer must neither make the host look gone nor hold up its end.

    Args:
        host: name of this host.
        guidance: used by this object alone.
        renewed: makes another one from the host's files, which may have been replaced: a certificate that has ended is
            refused, and its successor is there.

    Attributes:
        shards: all shards, as they were found last.
    """

    def __init__(self, host: str, store: Store, guidance: Guidance, renewed: Callable[[], Guidance]) -> None:
        self._host, self._store, self._guidance, self._renewed = host, store, guidance, renewed
        self._ended = threading.Event()
        self._showing = threading.Thread(target=self._show_up, name="presence", daemon=True)
        self._looking = threading.Thread(target=self._look, name="watch", daemon=True)
        self.shards = self._found()

    def __enter__(self) -> Presence:
        self._showing.start()
        self._looking.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._showing.join()
        # A look that the database holds up ends with the process.
        self._looking.join(_LOOK_S)
        try:
            self._guidance.leave()
        except EtcdUnreachable as error:
            log.warning("other hosts take this one for present for some seconds more", error=str(error))

    def _found(self) -> Sequence[Shard]:
        with self._store.read() as transaction:
            return shards.find_all(transaction)

    def _show_up(self) -> None:
        while True:
            try:
                self._guidance.show_up(self._host)
            except EtcdUnreachable as error:
                log.warning("etcd can't be told that this host is there", error=str(error))
                self._renew()
            if self._ended.wait(_LOOK_S):
                return

    def _look(self) -> None:
        while True:
            try:
                self.shards = self._found()
            except (SQLAlchemyError, Unavailable) as error:
                log.warning("the database can't be asked for shards", error=str(error))
            if self._ended.wait(_LOOK_S):
                return

    def _renew(self) -> None:
        try:
            self._guidance = self._renewed()
        except CommandError as error:
            log.error("the identity of this host can't be read again", error=str(error))
