"""Hosts and endpoints have one spelling, and everything else is refused."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.model.hosts import Endpoint, check_host, split_authority

PIECES = st.sampled_from(
    [
        *"ab1-._:[]/#?@,% \n\t\0",
        "https://",
        ":443",
        ":0",
        ":65536",
        ":08",
        "256",
        "0x7f",
        "127.0.0.1",
        "::1",
        "fe80::1%eth0",
        "xn--",
        "b\u00fccher",
        "\u0663",
        "\uff11",
        "\u3002",
        "\u200d",
        "\udcff",
        "a" * 64,
    ]
)
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=6).map("".join))
LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True).filter(
    lambda label: not label.startswith("xn--")
)
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join).filter(lambda name: not name.split(".")[-1][0].isdigit())
ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


@given(TEXTS)
@example("")
@example(".")
@example("192.0.2.1")
@example("2001:DB8::1")
@example("Hub-1.example.net.")
def test_an_accepted_host_is_a_plain_name_or_an_address(text: str) -> None:
    with suppress(ValueError):
        host = check_host(text)
        assert host.isascii()
        assert host == host.lower()
        assert not set(host) - set("abcdefghijklmnopqrstuvwxyz0123456789-.:")
        assert check_host(host) == host
        if set(host.split(".")[-1]) <= set("0123456789"):
            # getaddrinfo(3) would read it as an address.
            assert str(IPv4Address(host)) == host


@given(TEXTS)
@example("hub.example.net")
@example("192.0.2.1:443")
@example("[2001:db8::1]:443")
def test_an_accepted_endpoint_survives_writing_and_parsing(text: str) -> None:
    with suppress(ValueError):
        endpoint = Endpoint.parse(text)
        assert Endpoint.parse(str(endpoint)) == endpoint
        written = endpoint.in_full(51820)
        host, port = split_authority(written)
        assert (host, port) == (endpoint.host, endpoint.port or 51820)
        # wg(8) splits at the last colon, and takes brackets for an IPv6 address.
        before, _, after = written.rpartition(":")
        assert (before.strip("[]"), int(after)) == (host, port)
        assert before.startswith("[") == (":" in host)


@given(NAMES, st.one_of(st.none(), st.integers(1, 65535)))
def test_host_names_are_accepted_with_and_without_a_port(name: str, port: int | None) -> None:
    assert Endpoint.parse(name if port is None else f"{name}:{port}") == Endpoint(name, port)
    assert Endpoint.parse(name.upper() + ".") == Endpoint(name)


@given(ADDRESSES, st.integers(1, 65535))
def test_only_addresses_that_a_host_can_have_are_accepted(address: IPv4Address | IPv6Address, port: int) -> None:
    meant = (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address
    text = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
    is_host_address = not (
        meant.is_unspecified
        or meant.is_multicast
        or (meant.version == 4 and (int(meant) < 2**24 or int(meant) == 2**32 - 1))
    )
    for each in (str(address), text, f"{text}:{port}"):
        if is_host_address:
            assert ip_address(Endpoint.parse(each).host) == meant
        else:
            with pytest.raises(ValueError, match="not the address of a host"):
                Endpoint.parse(each)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("vpn.example.net", "vpn.example.net", None),
        ("vpn.example.net:443", "vpn.example.net", 443),
        ("VPN.Example.net.", "vpn.example.net", None),
        ("b\u00fccher.example", "xn--bcher-kva.example", None),
        ("b\u00fccher.example:443", "xn--bcher-kva.example", 443),
        # IDNA 2008: another host than strasse.example.
        ("stra\u00dfe.example", "xn--strae-oqa.example", None),
        ("xn--bcher-kva.example", "xn--bcher-kva.example", None),
        ("hub", "hub", None),
        ("203.0.113.7", "203.0.113.7", None),
        ("203.0.113.7:443", "203.0.113.7", 443),
        ("2001:DB8:0::1", "2001:db8::1", None),
        ("[2001:db8::1]", "2001:db8::1", None),
        ("[2001:db8::1]:443", "2001:db8::1", 443),
        ("::ffff:203.0.113.7", "203.0.113.7", None),
    ],
)
def test_endpoints_are_parsed_into_host_and_port(text: str, host: str, port: int | None) -> None:
    assert Endpoint.parse(text) == Endpoint(host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://h:443",
        "h/path",
        "a,b",
        "h#x",
        "h?x",
        "u@h",
        "-h",
        "h-",
        "a..b",
        ".a",
        "a_b",
        "*.a",
        "h h",
        "h\nPostUp = x",
        "h:",
        "h:0",
        "h:65536",
        "h:0443",
        "h:+1",
        "h:\u0664",
        "h:1:2",
        "0.0.0.0",
        "0.1.2.3",
        "255.255.255.255",
        "224.0.0.1",
        "ff02::1",
        "::",
        "256.1.1.1",
        "1.2.3",
        "1.2.3.4.5",
        "01.2.3.4",
        "0x7f.1",
        "h.0x7f",
        "\uff11.2.3.4",
        "[203.0.113.7]:443",
        "[::1",
        "::1]:443",
        "[::1]443",
        "[fe80::1%eth0]:443",
        "fe80::1%eth0",
        "xn--a",
        "xn--zzzzzz--.example",
        "\u2603.example",
        "a" * 64,
        ".".join(["a" * 63] * 4),
        "\u00fc" * 80,
    ],
)
def test_invalid_endpoints_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Endpoint.parse(text)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("[::1]:443", "loopback"),
        ("localhost", "this host itself"),
        ("hub.localhost", "this host itself"),
        ("10.0.0.1", "private"),
        ("192.168.1.2:443", "private"),
        ("100.64.0.1", "private"),
        ("fd00::1", "private"),
        ("240.0.0.1", "reserved"),
        ("169.254.1.1", "link-local"),
        ("fe80::1", "link-local"),
        ("192.0.2.1", "documentation"),
        ("2001:db8::1", "documentation"),
        ("3fff::1", "documentation"),
        ("vpn.example.net", None),
        ("8.8.8.8", None),
        ("2a00:1450::1", None),
    ],
)
def test_a_host_of_the_local_network_gives_a_warning(text: str, kind: str | None) -> None:
    warning = Endpoint.parse(text).warning
    assert (warning is None) if kind is None else (warning is not None and kind in warning)
