"""Place of the one host that is prepared for a shard that another host owns."""

from __future__ import annotations

import structlog

from appliance.cli.store_probe import StoreProbe
from appliance.cluster.guidance import STANDBY_S, Guidance
from appliance.host.clocks import boottime
from appliance.hub.plane.standby import Standby

log = structlog.get_logger()

_YIELDS_S = 1.5
_RENEWED_EVERY_S = STANDBY_S / 5


class Candidacy:
    """Decides for one hub of a shard that is not its own whether it prepares for it, and whether it lets others begin.

    Args:
        guidance: knows which host is prepared.
        shard: id of the shard.
        host: name of this host.
        store: tells whether this host could begin. One that can't read the store leaves the shard to others.
        standby: prepares; None if this host is not to.
    """

    def __init__(
        self, guidance: Guidance, shard: str, host: str, store: StoreProbe, standby: Standby | None = None
    ) -> None:
        self._guidance = guidance
        self._shard = shard
        self._host = host
        self._store = store
        self._standby = standby
        self._renew_at = 0.0
        self._yields_since = self._yielded_at = 0.0
        self._is_prepared = False

    def admits(self) -> bool:
        """Tell whether this host may take the shard, which has no owner: the one that is prepared goes first.

        Raises:
            EtcdUnreachable: no majority of etcd answers.
        """
        if self._guidance.is_drained(self._host):
            return False
        placement = self._guidance.placement(self._shard)
        if not placement.admits(self._host):
            return False
        if placement.yields(self._host):
            now = boottime()
            if now - self._yielded_at > _YIELDS_S:
                # The shard has had an owner meanwhile.
                self._yields_since = now
            self._yielded_at = now
            if now - self._yields_since <= _YIELDS_S:
                return False
        return self._store.can_be_read()

    def wait_on(self) -> bool:
        """Prepare if this host has the place for it; called again and again while another host owns the shard.

        A host that can't prepare now does not renew its place, which ends after `STANDBY_S`. It keeps what it has
        prepared until another host has the place.

        Returns:
            False if the place was lost to another host or by draining, so that all has to be given up.

        Raises:
            EtcdUnreachable: no majority of etcd answers.
            RulesetError: the kernel refused the gate.
        """
        if self._standby is None or boottime() < self._renew_at:
            return True
        if self._is_able(self._standby):
            has_place = self._guidance.stand_by(self._shard, self._host)
            if has_place and not self._is_prepared:
                log.info("this host prepares for the shard", shard=self._shard)
                self._standby.start()
                self._is_prepared = True
        else:
            has_place = self._is_prepared and self._may_have_place()
        self._renew_at = boottime() + _RENEWED_EVERY_S
        return has_place or not self._is_prepared

    def end(self) -> Standby | None:
        """Stop preparing; what was prepared stays as it is, and is returned. None: nothing was."""
        if not self._is_prepared or self._standby is None:
            return None
        self._standby.stop()
        return self._standby

    def _is_able(self, standby: Standby) -> bool:
        """Tell whether this host prepares as it should, or could begin to."""
        return self._store.can_be_read() and (standby.is_working() or not self._is_prepared)

    def _may_have_place(self) -> bool:
        """Tell whether no other host has the place, and operators leave it to this one."""
        if self._guidance.is_drained(self._host):
            return False
        return self._guidance.placement(self._shard).prepared in (None, self._host)
