"""A real SSH server in each host of a lab: OpenSSH's where it is installed, or Dropbear's."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from netlab import NamespaceHost, Process
from netlab.sshlogin import Login

_FOLDERS = "/usr/sbin:/usr/local/sbin:/usr/bin"
_STARTED_S = 10.0

_OPENSSH = """\
ListenAddress {address}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/.ssh/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
PidFile none
"""


@dataclass(frozen=True)
class Key:
    """A key pair: the private one as OpenSSH's text, the public one as a line."""

    private: str
    public: str


def new_key() -> Key:
    """Makes an Ed25519 key."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return Key(private.decode(), key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode())


def needed() -> str:
    """Finds an SSH server; `NETLAB_SSHD` names one outside of the usual places. Skips the test if none can work."""
    program = (
        os.environ.get("NETLAB_SSHD") or shutil.which("sshd", path=_FOLDERS) or shutil.which("dropbear", path=_FOLDERS)
    )
    if program is None:
        pytest.skip("no SSH server is installed: dropbear-bin, or tox -e ssh")
    if Path("/proc/self/setgroups").read_text().strip() == "deny":
        pytest.skip("an SSH server changes users, which a sandbox made without root can't")
    return program


def start(program: str, host: NamespaceHost, address: str, user: Key, key_file: Path) -> tuple[Process, Login]:
    """Starts a server on port 22 of `address` that lets `user` in as root, and has its own password database."""
    own = new_key()
    folder = host.folder
    # Nobody is who other programs of the host become.
    nobodies = ("sshd:*:64220:64220::/run/sshd:/usr/sbin/nologin", "nobody:*:65534:65534::/:/usr/sbin/nologin")
    users = "\n".join((f"root:*:0:0::{folder}:/bin/sh", *nobodies, ""))
    for name, text in (("passwd", users), ("shadow", "root:*:19000::::::\nsshd:*:19000::::::\n")):
        host.write(folder / name, text.encode())
        host.run("mount", "--bind", folder / name, f"/etc/{name}")
    host.run("mkdir", "--mode=700", folder / ".ssh", "/run/sshd")
    host.write(folder / ".ssh/authorized_keys", f"{user.public}\n".encode(), 0o600)
    host.write(folder / "host_key", own.private.encode(), 0o600)
    login = Login(address, key_file=key_file, host_key=own.public)
    if Path(program).name == "dropbear":
        host.run("dropbearconvert", "openssh", "dropbear", folder / "host_key", folder / "dropbear_key")
        process = host.start(program, "-F", "-E", "-s", "-r", folder / "dropbear_key", "-p", f"{address}:22")
        process.wait_for_log("Not backgrounding", _STARTED_S)
    else:
        host.write(folder / "sshd_config", _OPENSSH.format(address=address, folder=folder).encode())
        process = host.start(program, "-D", "-e", "-f", folder / "sshd_config")
        process.wait_for_log("Server listening", _STARTED_S)
    return process, login
