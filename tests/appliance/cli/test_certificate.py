"""The certificate that the web process serves with: made, or the operator's own."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from appliance.cli.certificate import certificate
from appliance.cli.errors import CommandError, Exit
from appliance.cli.folder import Folder
from appliance.cli.settings import resolve
from appliance.web import tls


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path / "data")
    made.tls.mkdir(parents=True)
    return made


def own(tmp_path: Path) -> dict[str, str]:
    kept = tmp_path / "own"
    kept.mkdir()
    files = tls.self_signed(kept, ["vpn.example.net"])
    return {"tls_cert": str(files.certificate), "tls_key": str(files.key)}


def test_without_one_it_is_made_and_good_for_years(folder: Folder) -> None:
    files = certificate(resolve({"data": folder.path}), folder, os.getuid())
    assert files.ends_at() - datetime.now(timezone.utc) > timedelta(days=3000)
    assert files.key.stat().st_mode & 0o777 == 0o600


def test_the_operators_own_is_copied_for_the_web_user(folder: Folder, tmp_path: Path) -> None:
    given = own(tmp_path)
    files = certificate(resolve({"data": folder.path, **given}), folder, os.getuid())
    assert files.certificate.read_bytes() == Path(given["tls_cert"]).read_bytes()
    assert files.key.stat().st_mode & 0o777 == 0o600


def test_a_file_without_a_certificate_is_refused_in_one_sentence(folder: Folder, tmp_path: Path) -> None:
    given = own(tmp_path)
    Path(given["tls_cert"]).write_text("no certificate", encoding="utf-8")
    with pytest.raises(CommandError, match="holds no certificate") as refused:
        certificate(resolve({"data": folder.path, **given}), folder, os.getuid())
    assert refused.value.code is Exit.NOT_CONFIGURED
