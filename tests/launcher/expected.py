"""Packages that the launcher installs on a host, and its exit codes."""

from __future__ import annotations

BAD_USAGE, UNAVAILABLE, NOT_WRITABLE, NO_RIGHT, NOT_CONFIGURED = 64, 69, 73, 77, 78

RUN_PACKAGES = {
    *("ca-certificates", "iproute2", "kmod", "libnftables1", "nftables", "python3", "python3-venv"),
    *("wireguard-go", "wireguard-tools"),
}

TEST_PACKAGES = {
    "chromium-headless-shell",
    "curl",
    "dropbear-bin",
    "fonts-lohit-deva",
    "git",
    "iperf3",
    "iputils-ping",
    "libatomic1",
    "postgresql",
    "procps",
    "python3-zbar",
    "tcpdump",
}
