"""Browser without scripts for the product's pages: keeps cookies and sends forms."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx

from harness.client.page import Page
from harness.judging.verdicts import Inconclusive

SESSION_COOKIE = "__Host-meshwg"
_TIMEOUT = 30.0
_MOST_PAGES = 200


def http_client(url: str, certificate: Path | None, transport: httpx.BaseTransport | None) -> httpx.Client:
    """Makes an HTTP client of one service. It ignores proxy settings of the environment.

    Args:
        url: base URL.
        certificate: PEM file of the certificate authority; None for the system's authorities.
        transport: takes the requests in place of a network connection.
    """
    if transport is not None:
        return httpx.Client(base_url=url, transport=transport)
    context = ssl.create_default_context(cafile=str(certificate) if certificate else None)
    return httpx.Client(base_url=url, verify=context, timeout=_TIMEOUT, trust_env=False)


class Visitor:
    """A browser at one service.

    Args:
        url: base URL, ``https://host:port``.
        certificate: PEM file of the certificate authority; None for the system's authorities.
        transport: takes the requests in place of a network connection.
    """

    def __init__(self, url: str, certificate: Path | None = None, transport: httpx.BaseTransport | None = None) -> None:
        self._client = http_client(url, certificate, transport)

    @property
    def session(self) -> str | None:
        """Token of the session cookie, or None."""
        return self._client.cookies.get(SESSION_COOKIE)

    def open(self, path: str) -> httpx.Response:
        """Opens a page."""
        return self._client.get(path)

    def forms(self, path: str) -> dict[str, dict[str, str]]:
        """Returns the values of hidden fields by name, for each form of a page by the path that it is sent to."""
        return self._page(path).forms

    def walk(self, start: str, most: int = _MOST_PAGES) -> set[tuple[str, str]]:
        """Follows links from page to page.

        Links to other sites are not followed.

        Args:
            start: path of the first page.
            most: most pages that are opened.

        Returns:
            ``("GET", path)`` for each link, ``("POST", path)`` for each form.

        Raises:
            Inconclusive: there are more than ``most`` pages.
        """
        return {
            each
            for page, links in self._pages(start, most)
            for each in (*(("GET", link) for link in links), *(("POST", action) for action in page.forms))
        }

    def all_forms(self, start: str) -> dict[str, dict[str, str]]:
        """Returns what `forms` does, for each page that `walk` opens."""
        return {action: fields for page, _ in self._pages(start, _MOST_PAGES) for action, fields in page.forms.items()}

    def _pages(self, start: str, most: int) -> Iterator[tuple[Page, set[str]]]:
        """Yields each page with its links."""
        waiting, known = [start], {start}
        while waiting:
            if len(known) > most:
                raise Inconclusive(f"{start} leads to more than {most} pages, and no more of them are opened")
            page = self._page(waiting.pop(0))
            addresses = (link.get("href", "") for link in page.all("a"))
            links = {each.partition("#")[0] for each in addresses if each.startswith("/")}
            yield page, links
            waiting += sorted(links - known)
            known |= links

    def _page(self, path: str) -> Page:
        answer = self.open(path)
        return Page(answer.text if "html" in answer.headers.get("content-type", "") else "")

    def send(
        self, method: str, path: str, fields: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """Sends any request, as a page of any site could have the browser send it."""
        return self._client.request(method, path, data=fields or {}, headers=headers)

    def fill_in(self, path: str, action: str, **typed: str) -> httpx.Response:
        """Opens a page and sends its form with this action.

        Args:
            typed: values of fields by name.
        """
        return self.send("POST", action, self.forms(path)[action] | typed)

    def sign_up(self, email: str, password: str, organization: str) -> httpx.Response:
        """Creates an organization by the sign-up page; the browser keeps the session of its owner."""
        return self.fill_in("/signup", "/signup", email=email, password=password, organization=organization)

    def log_in(self, email: str, password: str) -> httpx.Response:
        """Logs in to an account without a second factor."""
        return self.fill_in("/login", "/login", email=email, password=password)

    def close(self) -> None:
        self._client.close()
