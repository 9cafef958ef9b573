"""Commands whose modules are not installed say what they need."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import typer

from harness.cli.commands import gate
from harness.cli.options import live
from harness.cli.watching import entered
from harness.gate.plans import GatePlan
from harness.gate.runs import RunOptions
from reports import installed


def test_a_missing_module_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended:
        installed.require("json", "no_such_module")
    assert ended.value.exit_code == 69
    assert "needs no_such_module, which comes with the harness" in capsys.readouterr().err


@pytest.mark.parametrize(("module", "token"), [("z3", None), ("scapy", None), ("httpx", Path("token"))])
def test_prove_names_what_it_lacks_before_it_reads_anything(
    module: str, token: Path | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installed, "find_spec", lambda name: None if name == module else find_spec(name))
    with pytest.raises(typer.Exit) as ended:
        live.prove(token_file=token)
    assert ended.value.exit_code == 69
    said = capsys.readouterr().err
    assert f"needs {module}, which comes with the harness: ./meshwg setup in a clone" in said


def test_a_run_with_mutants_checks_what_makes_them_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "MUTATION", ("no_such_module",))
    with entered(None, None) as watching, pytest.raises(typer.Exit) as ended:
        gate.run_and_publish(GatePlan(RunOptions(), mutants=1), watching)
    assert ended.value.exit_code == 69
