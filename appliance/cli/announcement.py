"""Messages of a start: for a person at a terminal, and as log events for programs."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from appliance.cli import help
from appliance.cli.settings import SECRET_FILE_VARIABLE, SECRET_VARIABLE
from appliance.logs import LogFormat, printable
from appliance.model.sign_up import SignUpMode

log = structlog.get_logger()

_LABEL = 15
_TWO_COLUMNS = 60
_LOOPBACK = ("127.", "localhost", "::1")
# Pairs of hexadecimal digits in one line, if there is room.
_PAIRS = 16


class Voice:
    """Output of a start: standard output for people, the log for programs.

    Args:
        form: format of the log. Messages for people are printed with `TEXT`, and also with `AUTO` if standard output is
            a terminal.
    """

    def __init__(self, form: LogFormat) -> None:
        self._prints = form.resolved is LogFormat.TEXT or (form is LogFormat.AUTO and sys.stdout.isatty())
        self._logs = form.resolved is LogFormat.JSON

    def tell(self, event: str, words: str, **facts: object) -> None:
        """Print a message, log its event, or both.

        Args:
            event: name of the event in the log.
            words: message for people: one paragraph, or lines that are not wrapped.
            facts: fields of the event.
        """
        if self._prints:
            with suppress(OSError):
                # The terminal may be gone, and the service goes on.
                lines = [words] if "\n" in words else _wrapped(words, min(_columns(), help.WIDEST))
                print(printable("\n".join(lines)), flush=True)
        if self._logs:
            log.info(event, **facts)


@dataclass(frozen=True)
class Announcement:
    """Facts about a service that is up.

    Attributes:
        url: of the pages, with a slash at the end.
        fingerprint: SHA-256 of the certificate, as pairs of hexadecimal digits with colons between them.
        certificate: file of the self-signed certificate; None for the operator's own.
        secret: file of the unlock secret; None if a variable contained it.
        endpoint: the hub's HOST:PORT in machines' configurations.
        wireguard: the WireGuard implementation and its version.
        organizations: number of organizations.
        data: the option ``--data`` for other commands; "" for the default folder.
        listen: the option ``--listen`` for other commands; "" for the default address.
    """

    url: str
    fingerprint: str
    certificate: Path | None
    secret: Path | None
    endpoint: str
    wireguard: str
    sign_up: SignUpMode
    organizations: int
    data: str = ""
    listen: str = ""

    def tell(self, voice: Voice) -> None:
        """Tell that the service is up."""
        voice.tell(
            "MeshWG is up",
            self.words(_columns()),
            url=self.url,
            certificate_sha256=self.fingerprint,
            certificate_file=None if self.certificate is None else str(self.certificate),
            unlock_file=None if self.secret is None else str(self.secret),
            endpoint=self.endpoint,
            wireguard=self.wireguard,
            sign_up=self.sign_up.value,
            organizations=self.organizations,
        )

    def words(self, columns: int) -> str:
        """Format the announcement for a terminal's width, without breaking text that is to be copied."""
        room = min(columns, help.WIDEST)
        lines = [f"MeshWG is up at {self.url}", ""]
        for label, paragraphs in self._rows(room):
            lines += _row(label, paragraphs, room)
        ends = f"Ctrl-C ends it. `meshwg status{self.data}{self.listen}` in another terminal tells how it is."
        return "\n".join([*lines, "", *_wrapped(ends, room)])

    def _rows(self, room: int) -> Iterator[tuple[str, list[str]]]:
        pairs = self.fingerprint.split(":")
        per_line = _PAIRS if room >= _LABEL + 2 + 3 * _PAIRS else _PAIRS // 2
        digest = [":".join(pairs[start : start + per_line]) for start in range(0, len(pairs), per_line)]
        whose = "your own" if self.certificate is None else f"self-signed, {self.certificate}"
        yield "Certificate", [f"{whose}; SHA-256 fingerprint:", *digest]
        if self.secret is None:
            yield "Unlock secret", [f"in {SECRET_VARIABLE}; keep a copy elsewhere."]
        else:
            yield (
                "Unlock secret",
                [
                    f"{self.secret}; keep a copy elsewhere. The next start takes it:",
                    f"{SECRET_FILE_VARIABLE}={self.secret}",
                ],
            )
        yield "Machines", [f"reach the hub at {self.endpoint} over UDP ({self.wireguard})."]
        yield "Sign-up", [f"{self.sign_up.value}: {self.sign_up.explanation}"]
        yield "Next", [self._next()]

    def _next(self) -> str:
        steps = []
        if self.organizations:
            steps.append("Open the URL and sign in.")
        elif self.sign_up is SignUpMode.INVITED:
            steps.append(
                f"`meshwg admin sign-up-links add{self.data}` prints the sign-up link for the first organization."
            )
        elif self.sign_up is SignUpMode.CLOSED:
            steps.append("For a first organization, start with another --sign-up.")
        else:
            steps.append("Open the URL and sign up the first organization.")
        if self.certificate is not None:
            steps.append("The browser warns of the certificate; compare the fingerprint, and go on.")
        if self.url.removeprefix("https://").strip("[").startswith(_LOOPBACK):
            steps.append("Only this machine reaches the pages; --listen 0.0.0.0:8443 opens them to others.")
        return " ".join(steps)


def _row(label: str, paragraphs: list[str], room: int) -> list[str]:
    texts = [line for each in paragraphs for line in _wrapped(each, room - (_LABEL + 2 if _fits(room) else 4))]
    if not _fits(room):
        return [f"  {label}", *(f"    {line}" for line in texts)]
    return [f"  {label if number == 0 else '':{_LABEL}}{line}" for number, line in enumerate(texts)]


def _columns() -> int:
    return shutil.get_terminal_size().columns


def _fits(room: int) -> bool:
    return room >= _TWO_COLUMNS


def _wrapped(text: str, room: int) -> list[str]:
    return textwrap.wrap(text, max(room, 10), break_long_words=False, break_on_hyphens=False)
