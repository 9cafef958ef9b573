"""The product as an operator starts it: the command line, in a host of the lab."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from harness.api import Api
from harness.verdicts import Inconclusive
from netlab import Host, Process
from netlab.errors import NothingArrived

PORT = 8443
_READY = "MeshWG is up at"
_START_DEADLINE = 40.0
_STOP_GRACE = 15.0


@dataclass(frozen=True)
class ServiceOptions:
    """How the service is started.

    Attributes:
        address: of the host, where it listens and what configurations name.
        wireguard: the implementation, as ``--wireguard`` takes it.
        sabotage: id of a break that is put into it, or None.
    """

    address: str
    trusted: Sequence[str] = ()
    wireguard: str = "auto"
    sabotage: str | None = None


class Service:
    """A running service; leaving ``with`` stops it as an operator would, with SIGTERM."""

    def __init__(self, host: Host, options: ServiceOptions) -> None:
        self.host = host
        self.options = options
        self.data = host.folder / "data"
        self._secret = secrets.token_urlsafe(24)
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"https://{self.options.address}:{PORT}"

    @property
    def certificate(self) -> Path:
        """What its certificate is checked against."""
        return self.data / "tls" / "certificate.pem"

    def __enter__(self) -> Service:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> float:
        """Starts it and waits until it says that it is up; returns the seconds that took.

        Raises:
            Inconclusive: it did not come up.
        """
        program = ("harness.sabotage", self.options.sabotage) if self.options.sabotage else ("appliance",)
        trusted = [word for source in self.options.trusted for word in ("--trusted-source", source)]
        self._process = self.host.start(
            sys.executable,
            "-m",
            *program,
            "up",
            f"--data={self.data}",
            f"--listen={self.options.address}:{PORT}",
            f"--endpoint={self.options.address}",
            f"--wireguard={self.options.wireguard}",
            *trusted,
            env={"MESHWG_UNLOCK_SECRET": self._secret},
            log="service",
        )
        try:
            return self._process.wait_for_log(_READY, _START_DEADLINE)
        except NothingArrived as error:
            raise Inconclusive(f"the service did not start: {self._process.log_text()[-2000:]}") from error

    def stop(self) -> int:
        """Stops it; returns its exit code."""
        if self._process is None:
            return 0
        process, self._process = self._process, None
        return process.stop(_STOP_GRACE)

    def api(self) -> Api:
        """A customer's connection to it."""
        return Api(self.url, self.certificate)

    def log_text(self) -> str:
        """What it said so far."""
        return "" if self._process is None else self._process.log_text()
