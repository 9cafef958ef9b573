"""The examples of the documentation and of the API's page work as they are pasted."""

from __future__ import annotations

import html
import os
import re
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from harness.judging.record import Record
from harness.paths import ROOT
from harness.world.world import World
from netlab import wg_quick


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Provides a lab with the service in it."""
    with World() as made:
        yield made


def _examples(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)


def _page(world: World, path: str) -> str:
    service = world.subject.service
    context = ssl.create_default_context(cafile=str(service.certificate))
    return httpx.get(service.url + path, verify=context, trust_env=False).text


def _run(lines: str, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", lines],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_commands_of_the_readme_connect_a_machine(world: World, tmp_path: Path) -> None:
    (lines,) = _examples("README.md", "sh")
    # The two places that `up` chooses by itself on a host of its own.
    for default, here in (
        ("https://127.0.0.1:8443", world.subject.service.url),
        ("/var/lib/meshwg/tls/certificate.pem", str(world.subject.service.certificate)),
    ):
        assert lines.count(default) == 1
        lines = lines.replace(default, here)
    _run(lines, tmp_path)
    machine = world.client("mumbai")
    wg_quick(machine, (tmp_path / "mumbai.conf").read_text())
    assert machine.ping("10.100.0.1", timeout=10.0)


def test_the_commands_of_the_api_page_add_a_machine(world: World, tmp_path: Path) -> None:
    page = _page(world, "/docs/api")
    found = re.search(r"<pre[^>]*>(curl .*?)</pre>", page, re.DOTALL)
    assert found is not None
    lines = html.unescape(found[1]).replace("https://vpn.example.net", world.subject.service.url)
    api = world.subject.api()
    token = api.sign_up("api@example.net", "correct horse battery", "By the page").body["token"]
    added = _run(lines, tmp_path, token=token, CURL_CA_BUNDLE=str(world.subject.service.certificate))
    assert '"branch-mumbai"' in added


def test_the_front_page_shows_a_configuration_as_issued(world: World) -> None:
    page = _page(world, "/")
    found = re.search(r"<pre[^>]*>(# WireGuard config .*?)</pre>", page, re.DOTALL)
    assert found is not None
    api = world.subject.api()
    api.sign_up("front@example.net", "correct horse battery", "acme-networks")
    given = api.call("POST", "/machines", {"name": "branch-mumbai"}).body["config"]
    # Everything but what differs from machine to machine.
    keys_and_endpoint = re.compile(r"^(PrivateKey|PublicKey|Endpoint)( +=) .*$", re.MULTILINE)
    assert keys_and_endpoint.sub(r"\1\2", html.unescape(found[1])) == keys_and_endpoint.sub(r"\1\2", given)


@pytest.mark.long
def test_the_example_of_a_scenario_is_proven(world: World) -> None:
    example, *_ = _examples("docs/writing-a-scenario.md", "python")
    names: dict[str, object] = {}
    exec(compile(example, "the first example of docs/writing-a-scenario.md", "exec"), names)  # noqa: S102 - our own file
    (scenario,) = (value for name, value in names.items() if name.startswith("test_"))
    assert callable(scenario)
    scenario(world, Record())
