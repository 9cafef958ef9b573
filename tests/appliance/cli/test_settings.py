"""Settings from all four sources, and invalid ones."""

from __future__ import annotations

import os
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from appliance.cli.errors import CommandError, Exit
from appliance.cli.settings import check_names, resolve
from appliance.model.sign_up import SignUpMode
from tests.appliance.cli.commands import run

MANY_HUBS: dict[str, Any] = {
    "database_url": "postgresql+psycopg://meshwg@/meshwg",
    "etcd": ["etcd1.example.net:2379", "[2001:db8::1]:2379"],
    "host_name": "hub1.example.net",
    "host_address": "2001:db8::2",
    "host_ca": "/ca.pem",
    "host_cert": "/cert.pem",
    "host_key": "/key.pem",
    "announce": "lan:eth0",
}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MESHWG_")]:
        monkeypatch.delenv(name)


def test_the_command_line_precedes_environment_file_and_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "meshwg.toml"
    file.write_text('listen = "127.0.0.1:1"\nendpoint = "file"\ntrusted_source = ["192.0.2.0/24"]\n')
    monkeypatch.setenv("MESHWG_ENDPOINT", "environment")
    monkeypatch.setenv("MESHWG_WIREGUARD", "kernel")
    found = resolve({"wireguard": "boringtun"}, file)
    assert (found.port, str(found.endpoint), found.wireguard) == (1, "environment", "boringtun")
    assert found.trusted_source == (ip_network("192.0.2.0/24"),)


def test_the_environment_carries_every_setting_to_a_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {
        "data": tmp_path,
        "listen": "[::1]:8443",
        "endpoint": "vpn.example.net",
        "wireguard": "wireguard-go",
        "trusted_source": ["192.0.2.0/24", "2001:db8::/32"],
        "trusted_proxy": ["203.0.113.7/32"],
        "tls_cert": tmp_path / "c",
        "tls_key": tmp_path / "k",
        "public_url": "https://mesh.example.net",
        "smtp_url": "smtps://user:pass%40word@mail.example.net",
        "mail_from": "hub@example.net",
        "metrics_token": "a token of many characters".replace(" ", "-"),
        "sign_up": "verified",
        "unused_days": 7,
        "audit_days": 30,
        "audit_megabytes": 50,
        "security_contact": "security@example.net",
        "advisories_url": "https://example.net/advisories?all=1",
        **MANY_HUBS,
        "log": "text",
    }
    parent = resolve(given)
    for name, value in parent.environment().items():
        monkeypatch.setenv(name, value)
    assert resolve({}) == parent


def test_processes_of_a_service_without_mail_check_no_sender() -> None:
    alone = resolve({"mail_from": "hub@example.net"})
    assert "MESHWG_MAIL_FROM" not in alone.environment()
    assert alone.relay is None


@pytest.mark.parametrize(
    "given",
    [
        {"listen": "8443"},
        {"audit_days": "0"},
        {"audit_days": "a year"},
        {"audit_megabytes": "29"},
        {"security_contact": "nobody"},
        {"security_contact": "a@example.net\nContact: b@example.net"},
        {"security_contact": "http://example.net/"},
        {"advisories_url": "javascript:alert(1)"},
        {"advisories_url": "https://example.net/\nExpires: never"},
        {"advisories_url": "https://example.net/ two"},
        {"listen": "127.0.0.1:0"},
        {"listen": "127.0.0.1:http"},
        {"listen": "no such host:1"},
        {"wireguard": "other"},
        {"trusted_source": ["192.0.2.1/24"]},
        {"trusted_source": ["x"]},
        {"endpoint": "a\nPostUp = x"},
        {"endpoint": "a b"},
        {"tls_cert": "/c"},
        {"public_url": "http://mesh.example.net"},
        {"public_url": "https://mesh.example.net/below"},
        {"smtp_url": "http://mail.example.net"},
        {"smtp_url": "smtp://mail.example.net", "mail_from": "nobody"},
        {"sign_up": "sometimes"},
        {"sign_up": "verified"},
        {"unused_days": "-1"},
        {"unused_days": "some"},
        {"unused_days": 30, "audit_days": 29},
        {"metrics_token": "short"},
        {"metrics_token": "with a space in its middle"},
        {**MANY_HUBS, "etcd": ["etcd1.example.net"]},
        {**MANY_HUBS, "host_name": "192.0.2.1"},
        {**MANY_HUBS, "host_address": "hub1.example.net"},
        {**MANY_HUBS, "announce": "lan:a name that is too long"},
        {**MANY_HUBS, "announce": "command:relative"},
        {**MANY_HUBS, "announce": "shouting"},
        {**MANY_HUBS, "standby": "perhaps"},
        {"standby": "on"},
    ],
)
def test_invalid_settings_give_one_sentence(given: dict[str, Any]) -> None:
    with pytest.raises(CommandError) as refused:
        resolve(given)
    assert refused.value.code is Exit.NOT_CONFIGURED
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("left_out", [key for key in MANY_HUBS if key != "database_url"])
def test_many_hubs_take_all_of_their_settings(left_out: str) -> None:
    with pytest.raises(CommandError, match=f"--{left_out.replace('_', '-')}"):
        resolve({key: value for key, value in MANY_HUBS.items() if key != left_out})


def test_many_hubs_take_a_store_that_they_can_share() -> None:
    with pytest.raises(CommandError, match="SQLite"):
        resolve({key: value for key, value in MANY_HUBS.items() if key != "database_url"})


@pytest.mark.parametrize("text", ["nonsense", "listen = ", "colour = 1"])
def test_an_unreadable_settings_file_is_one_sentence(tmp_path: Path, text: str) -> None:
    file = tmp_path / "meshwg.toml"
    file.write_text(text)
    with pytest.raises(CommandError):
        resolve({}, file)


@pytest.mark.parametrize("data", [b'\xef\xbb\xbfendpoint = "file"\n', b'\xef\xbb\xbfendpoint = "file"\r\n# end\r\n'])
def test_a_file_of_an_editor_of_windows_is_read(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "meshwg.toml"
    file.write_bytes(data)
    assert str(resolve({}, file).endpoint) == "file"


def test_links_begin_with_the_address_of_the_pages(tmp_path: Path) -> None:
    given = {"data": tmp_path, "endpoint": "vpn.example.net"}
    assert resolve(given).public_url == "https://127.0.0.1:8443"
    assert resolve({**given, "listen": "[::1]:443"}).public_url == "https://[::1]"
    assert resolve({**given, "listen": "0.0.0.0:8443"}).public_url == "https://vpn.example.net:8443"
    found = resolve({**given, "public_url": "https://mesh.example.net/", "smtp_url": "smtp://mail.example.net"})
    assert found.public_url == "https://mesh.example.net"
    assert found.relay is not None
    assert found.relay.sender == found.mail_from == "meshwg@mesh.example.net"


def test_the_password_of_the_relay_is_not_shown() -> None:
    assert "hidden" not in repr(resolve({"smtp_url": "smtps://user:hidden@mail.example.net"}))
    with pytest.raises(CommandError) as refused:
        resolve({"smtp_url": "smtps://user:hidden@mail.example.net:x"})
    assert "hidden" not in str(refused.value)


def test_sign_up_mode_and_unused_days_are_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (resolve({}).sign_up, resolve({}).unused_days) == (SignUpMode.OPEN, 30)
    assert resolve({"sign_up": "closed"}).sign_up is SignUpMode.CLOSED
    assert resolve({"unused_days": 0}).unused_days is None
    monkeypatch.setenv("MESHWG_UNUSED_DAYS", "0")
    assert resolve({}).unused_days is None
    assert resolve({"unused_days": 5}).unused_days == 5


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("MESHWG_SIGNUP", "MESHWG_SIGN_UP"),
        ("MESHWG_TRUSTED_PROXIES", "MESHWG_TRUSTED_PROXY"),
        ("MESHWG_UNLOCK_SECRETS", "MESHWG_UNLOCK_SECRET"),
        ("MESHWG_CONFG", "MESHWG_CONFIG"),
    ],
)
def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch, misspelt: str, meant: str) -> None:
    monkeypatch.setenv(misspelt, "hidden-value")
    with pytest.raises(CommandError, match=f"^{misspelt} in the environment is no setting; {meant} is.$"):
        check_names()


@pytest.mark.long
def test_a_command_refuses_a_misspelt_variable() -> None:
    done = run("status", MESHWG_SIGNUP="hidden-value")
    assert done.returncode == Exit.NOT_CONFIGURED
    assert done.stderr == "meshwg: MESHWG_SIGNUP in the environment is no setting; MESHWG_SIGN_UP is.\n"


@pytest.mark.parametrize("name", ["MESHWG_PORT", "MESHWG_SERVICE_HOST", "MESHWG_PORT_8443_TCP_ADDR"])
def test_variables_of_an_orchestrator_are_left_alone(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "tcp://192.0.2.1:8443")
    check_names()
    found = resolve({})
    monkeypatch.delenv(name)
    assert resolve({}) == found
