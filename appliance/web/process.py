"""``meshwg-web``: the process that serves the internet, as an ordinary user without the unlock secret."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol

# The worker is forked by a process that gave up root and may not be able to read code any more, so modules that would
# be imported late, by the first request, are imported here.
import cryptography.hazmat.backends.openssl.backend  # noqa: F401
import idna.uts46data  # noqa: F401

from appliance import lifeline, privileges
from appliance.host.clocks import HOST, HostClocks, Unhurried
from appliance.hub.rpc.messages import HubStatus
from appliance.mail import Relay
from appliance.model.addresses import Network
from appliance.model.retention import Retention
from appliance.model.sign_up import SignUpMode
from appliance.service import Context
from appliance.service.context import HubPort
from appliance.service.demo_lab import DemoLab
from appliance.service.transcripts import PublishedRuns
from appliance.store import Store
from appliance.users import User
from appliance.web import cleanup, confinement, connections, postman, senders
from appliance.web.app import make_app
from appliance.web.demonstration import Demonstration
from appliance.web.gateway import Gateway
from appliance.web.limits import RateLimits
from appliance.web.payers import Payers
from appliance.web.server import make_server
from appliance.web.site import SecurityReports, Site
from appliance.web.tls import Certificate
from appliance.web.turns import THREADS

# After each short wait a request would wait up to five milliseconds for a computing thread (the default).
_SWITCH_S = 0.0002


class ServedHub(HubPort, Protocol):
    """The data plane as the web process has it: use cases, and its status."""

    def status(self) -> HubStatus: ...


@dataclass(frozen=True)
class WebSettings:
    """Settings of the web process.

    Attributes:
        host, port: address to listen on.
        connect: makes the client of the hub, or of all hubs.
        is_alone: False if other hosts may serve pages of the same store.
        endpoint: ``HOST:PORT`` of the one hub in machines' configurations.
        trusted: ranges whose addresses have few limits (`RateLimits.trusted`).
        proxies: ranges of proxies whose X-Forwarded-For is trusted.
        site: public URL of the pages.
        relay: mail relay; None to send no mail.
        user: user to become once the port is bound.
        sign_up: who may sign up.
        unused_days: days after which unused organizations are removed; None: never.
        metrics_token: makes any caller that sends it a watcher of the metrics; None: no caller.
        security: where weaknesses are reported and told.
        retention: how much of each audit trail is kept.
        transcripts: folder of published runs of the gate.
        demo: state of the demonstration, if one runs.
        believed: what the supervisor's clock for removals believed (`Unhurried`); None without a supervisor.
        clocks: clocks of the host.
    """

    host: str
    port: int
    certificate: Certificate
    database_url: str = field(repr=False)
    connect: Callable[[Store], ServedHub]
    is_alone: bool
    endpoint: str
    trusted: Sequence[Network]
    proxies: Sequence[Network]
    site: str
    relay: Relay | None
    user: User
    sign_up: SignUpMode
    unused_days: int | None
    metrics_token: str | None = field(repr=False)
    security: SecurityReports
    retention: Retention
    transcripts: Path
    demo: DemoLab
    believed: float | None = None
    clocks: HostClocks = HOST


def serve(settings: WebSettings) -> None:
    """Serve until SIGTERM or SIGINT; raises OSError if the address can't be bound."""
    store = Store(settings.database_url)
    hub = settings.connect(store)
    # No connection exists before the fork: the threads that use them open them.
    demo = Demonstration(settings.demo)
    site = Site(
        _context(settings, store, hub),
        RateLimits(settings.trusted, settings.clocks.steady),
        PublishedRuns(settings.transcripts),
        demo,
        settings.security,
    )
    payers = Payers(settings.trusted)
    app = make_app(site, hub.status, settings.certificate.ends_at(), settings.metrics_token, payers.turned_away)

    multiprocessing.set_start_method("fork")
    server = make_server(settings.host, settings.port, settings.certificate)
    supervisor, main = os.getppid(), os.getpid()

    # After the port is bound, which may take root, and before a worker is forked.
    @server.on_startup
    def become_ordinary() -> None:
        privileges.become(settings.user.uid, settings.user.gid)
        confinement.confine()
        lifeline.end_with_parent(supervisor)

    def load(_: str) -> Any:
        lifeline.end_with_parent(main)
        sys.setswitchinterval(_SWITCH_S)
        _start_work(settings, site)
        sender = partial(senders.sender, site)
        return Gateway(app, threads=THREADS, payers=payers, sender=sender, proxies=settings.proxies)

    server.serve(target_loader=load)


def _context(settings: WebSettings, store: Store, hub: ServedHub) -> Context:
    return Context(
        store,
        hub,
        settings.endpoint,
        settings.site,
        sends_mail=settings.relay is not None,
        sign_up=settings.sign_up,
        unused_after=None if settings.unused_days is None else timedelta(days=settings.unused_days),
        retention=settings.retention,
        clock=settings.clocks.now,
        steady=settings.clocks.steady,
        removal_clock=Unhurried(settings.clocks, settings.believed).now,
    )


def _start_work(settings: WebSettings, site: Site) -> None:
    """Start the threads that clean up, watch clock and connections, and send e-mails."""
    context = site.context
    begun_until = context.clock() if settings.is_alone else context.clock() - cleanup.LONGEST_CALL
    _keep_doing(cleanup.keep_at_it, context, begun_until)
    _keep_doing(cleanup.watch_clock, context)
    if settings.relay is not None:
        _keep_doing(postman.work, context, settings.relay, site.limits, threading.Event())
    connections.allow_many()
    exempt = (*settings.proxies, *settings.trusted)
    note = partial(site.limits.note, "connections")
    _keep_doing(connections.watch, settings.port, exempt, threading.Event(), note)


def _keep_doing(work: Callable[..., None], *arguments: Any) -> None:
    threading.Thread(target=work, args=arguments, name=work.__module__.rpartition(".")[2], daemon=True).start()
