"""Values of options from every source: valid settings, or one sentence with the option's name and an exit code."""

from __future__ import annotations

import inspect
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.cli import secret
from appliance.cli.errors import CommandError, Exit
from appliance.cli.option_table import OPTIONS, name_of, variable_of
from appliance.cli.settings import Settings, resolve
from appliance.cli.up import up
from appliance.store import Store, times
from appliance.web import tls
from tests.appliance.cli.commands import help_of
from tests.properties import examples

ROOT = Path(__file__).parents[3]
TEMPLATES = {
    "data": ["/srv/mesh", "~nobody-at-all/x", "~", "a?b", "/srv/\u092e"],
    "listen": ["127.0.0.1:8443", "[::1]:8443", ":8443", "localhost:1", "0.0.0.0:443"],
    "endpoint": ["vpn.example.net", "203.0.113.7:443", "[2001:db8::1]:443", "b\u00fccher.example"],
    "database_url": [
        "sqlite:////srv/x.sqlite",
        "postgresql+psycopg://u:p@h:5432/d",
        "postgresql://h/d?sslmode=require",
    ],
    "trusted_source": ["192.0.2.0/24", "2001:db8::/32", "192.0.2.1", "192.0.2.0/24, 2001:db8::/32"],
    "public_url": ["https://mesh.example.net", "https://[2001:db8::1]:8443/", "https://b\u00fccher.example:443"],
    "smtp_url": ["smtps://user:p%40ss@mail.example.net:465", "smtp://127.0.0.1"],
    "mail_from": ["hub@example.net", "hub@[192.0.2.1]", "hub@b\u00fccher.example", '"a b"@example.net'],
    "metrics_token": ["a-token-of-many-characters"],
    "udp_port": ["51820"],
}
OF_TWO = (
    "A certificate needs its key",
    "--sign-up verified takes mail",
    "is more than --audit-days",
    "Many hubs take all of their settings",
)
"""Sentences on options that don't go together."""
PIECES = [
    *":/@[]#?%,. \n\t\0-+0a",
    "\udcff",
    "\u0664",
    "\u00b2",
    "\uff11",
    "\U0001f600",
    "%zz",
    "::",
    "65536",
    "x" * 300,
]


@st.composite
def texts(draw: st.DrawFn, key: str) -> str:
    """Generates texts that are nearly right, and any others."""
    if draw(st.integers(0, 4)) == 0:
        return draw(st.text(max_size=40))
    found = draw(st.sampled_from(TEMPLATES.get(key, ["30", "open", "auto", "/srv/file"])))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(found)))
        found = found[:at] + draw(st.sampled_from(PIECES)) + found[at + draw(st.integers(0, 1)) :]
    return found


TOML_VALUES = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.lists(st.one_of(st.text(max_size=20), st.integers(), st.lists(st.integers(), max_size=2)), max_size=3),
    st.dictionaries(st.sampled_from("ab"), st.integers(), max_size=2),
    st.dates(),
)


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Makes an environment with only these settings."""
    before = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("MESHWG_")}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            os.environ.pop(name, None)
        os.environ.update(before)


def check(named: str, given: Mapping[str, Any], variables: Mapping[str, str], file: Path | None = None) -> None:
    """Checks for settings that a child takes for the same, or one sentence that names the option."""
    try:
        with environment(variables):
            found = resolve(given, file)
    except CommandError as error:
        assert error.code is Exit.NOT_CONFIGURED  # noqa: PT017 - either way is right
        sentence = str(error)
        assert sentence.isprintable()
        assert len(sentence) < 500
        assert named in sentence or any(each in sentence for each in OF_TWO), sentence
    else:
        check_settings(found)


def check_settings(found: Settings) -> None:
    """Checks that a child gets the same settings, and that each use of them at a start is possible."""
    with environment(found.environment()):
        again = resolve({})
    assert again.environment() == found.environment()
    assert found.public_url.isascii()
    assert "\n" not in "".join(found.environment().values())
    assert found.relay is None or found.relay.sender.isascii()
    tls.self_signed((found.host, found.endpoint.host, str(urlsplit(found.public_url).hostname)))
    Store(found.database_url).close()
    found.retention.oldest(times.now())


def test_the_command_line_of_up_has_every_option_of_the_table() -> None:
    assert {*inspect.signature(up).parameters} == {*OPTIONS, "config", "with_demo"} - {"unlock_secret_file"}


def test_the_documentation_has_every_option_of_the_table() -> None:
    """Compares with docs/operating.md; copy the expected rows there after a change of the table."""
    rows = ["| option | file key | variable | default |", "| --- | --- | --- | --- |"]
    for key, option in OPTIONS.items():
        named = f"`{name_of(key)} {option.metavar}`" if option.metavar else ""
        default = "; ".join(filter(None, (option.default and f"`{option.default}`", option.note)))
        rows.append(f"| {named} | `{key}` | `{variable_of(key)}` | {default} |")
    found = [line for line in (ROOT / "docs/operating.md").read_text().splitlines() if line.startswith("|")]
    start = found.index(rows[0])
    assert found[start : start + len(rows)] == rows


def test_the_help_of_up_has_every_default() -> None:
    shown = " ".join(help_of("up", columns=100).split())
    for key, option in OPTIONS.items():
        if option.metavar:
            own = shown.partition(f" {name_of(key)} {option.metavar} ")[2].partition("]")[0]
            assert own == f"{option.help} [default: {option.usual}".partition("]")[0]
    assert OPTIONS["listen"].usual == "127.0.0.1:8443"
    assert OPTIONS["data"].usual == "/var/lib/meshwg"
    assert OPTIONS["smtp_url"].usual == "none"
    assert OPTIONS["etcd"].usual == "none: one hub"


@pytest.mark.long
@pytest.mark.parametrize("key", OPTIONS)
@examples(150)
@given(data=st.data())
def test_any_text_on_the_command_line_is_valid_or_one_sentence(key: str, data: st.DataObject) -> None:
    text = data.draw(texts(key))
    check(name_of(key), {key: [text] if OPTIONS[key].is_repeatable else text}, {})


@pytest.mark.parametrize("key", OPTIONS)
@examples(100)
@given(data=st.data())
def test_any_text_in_the_environment_is_valid_or_one_sentence(key: str, data: st.DataObject) -> None:
    # No environment has that character.
    text = data.draw(texts(key)).replace("\0", "")
    text = text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
    name = f"MESHWG_{key.upper()}"
    check(name, {}, {name: text})


@pytest.mark.parametrize("key", OPTIONS)
@examples(60)
@given(data=st.data())
def test_any_value_in_the_file_is_valid_or_one_sentence(key: str, data: st.DataObject) -> None:
    value = data.draw(st.one_of(TOML_VALUES, texts(key)))
    with tempfile.NamedTemporaryFile("w", suffix=".toml", encoding="utf-8", errors="surrogatepass") as file:
        file.write(f"{key} = {as_toml(value)}\n")
        file.flush()
        check(file.name, {}, {}, Path(file.name))


def as_toml(value: Any) -> str:
    """Formats the value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(each):08X}" for each in value) + '"'
    if isinstance(value, list):
        return f"[{', '.join(map(as_toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {as_toml(each)}' for key, each in value.items())}}}"
    return str(value)


@given(st.binary(max_size=60))
@example(b"x = " + b"[" * 5000)
@example(b"endpoint = \xff")
@example("\ufeffendpoint = 'a'".encode())
@example(b"audit_days = 0x" + b"f" * 5000)
@example(b'"a\\nb" = 1')
def test_a_settings_file_of_any_content_is_valid_or_one_sentence(content: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".toml") as file:
        file.write(content)
        file.flush()
        check(file.name, {}, {}, Path(file.name))


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("smtp_url", "smtps://user:hid#den@mail.example.net"),
        ("smtp_url", "smtps://user:hidden@mail.example.net:x"),
        ("smtp_url", "hidden"),
        ("database_url", "postgresql://user:hidden@h:x/d"),
        ("database_url", "postgresql://user:hidden@h:99999/d"),
        ("database_url", "mysql://user:hidden@h/d"),
        ("metrics_token", "hidden"),
        ("metrics_token", "hidden in many words"),
    ],
)
def test_an_error_never_quotes_a_text_that_may_be_a_password(key: str, text: str) -> None:
    with pytest.raises(CommandError) as refused, environment({}):
        resolve({key: text})
    assert "hid" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"endpoint": "https://h:443"},
            (
                "--endpoint takes HOST or HOST:PORT as machines elsewhere reach the hub, with a host name, an IPv4 "
                "address, or an IPv6 address in brackets, not 'https://h:443'."
            ),
        ),
        ({"udp_port": 0}, "--udp-port takes a port from 1 to 65535, not '0'."),
        ({"audit_days": 1_000_000}, "--audit-days takes a whole number from 1 to 36500, not '1000000'."),
        ({"trusted_source": ["a\nb"]}, None),
    ],
)
def test_an_error_says_what_the_option_accepts(given: dict[str, Any], sentence: str | None) -> None:
    with pytest.raises(CommandError) as refused, environment({}):
        resolve(given)
    assert sentence is None or str(refused.value) == sentence
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("key", "text", "attribute", "value"),
    [
        ("public_url", "https://MESH.example.net:443/", "public_url", "https://mesh.example.net"),
        ("public_url", "https://b\u00fccher.example", "public_url", "https://xn--bcher-kva.example"),
        ("mail_from", "hub@b\u00fccher.example", "mail_from", "hub@xn--bcher-kva.example"),
        ("listen", ":8443", "host", "0.0.0.0"),
        ("listen", "[0:0::1]:8443", "host", "::1"),
        ("database_url", "postgresql://h/d", "database_url", "postgresql+psycopg://h/d"),
    ],
)
def test_a_setting_has_one_spelling(key: str, text: str, attribute: str, value: str) -> None:
    with environment({}):
        assert getattr(resolve({key: text}), attribute) == value


def test_an_unlock_secret_is_text(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.touch(0o600)
    file.write_bytes(b"\xff" * 20)
    with environment({"MESHWG_UNLOCK_SECRET": "\udcff" * 20}), pytest.raises(CommandError, match="UTF-8") as refused:
        secret.given(resolve({"data": tmp_path}))
    assert refused.value.code is Exit.NOT_CONFIGURED
    with pytest.raises(CommandError, match="UTF-8"), environment({}):
        secret.given(resolve({"data": tmp_path, "unlock_secret_file": file}))


@pytest.mark.parametrize("listen", ["[::1]:8443", "127.0.0.1:8443"])
def test_letters_have_a_sender_even_without_a_site_name(listen: str) -> None:
    with environment({}):
        found = resolve({"listen": listen, "smtp_url": "smtp://mail.example.net"})
    assert found.relay is not None
    assert found.relay.sender in ("meshwg@[IPv6:::1]", "meshwg@[127.0.0.1]")


def test_the_endpoint_s_port_may_differ_from_the_hub_s() -> None:
    with environment({}):
        assert resolve({"endpoint": "vpn.example.net"}).endpoint.in_full(51820) == "vpn.example.net:51820"
        assert resolve({"endpoint": "vpn.example.net:443"}).endpoint.in_full(51820) == "vpn.example.net:443"
