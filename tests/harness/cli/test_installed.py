"""Commands whose modules are not installed say what they need."""

from __future__ import annotations

import pytest
import typer

from harness.cli import installed
from harness.cli.commands import gate
from harness.cli.watching import entered
from harness.gate.plans import GatePlan
from harness.gate.runs import RunOptions


def test_a_missing_module_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended:
        installed.require("json", "no_such_module")
    assert ended.value.exit_code == 69
    assert "needs no_such_module, which comes with the harness" in capsys.readouterr().err


def test_a_run_with_mutants_checks_what_makes_them_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "MUTATION", ("no_such_module",))
    with entered(None, None) as watching, pytest.raises(typer.Exit) as ended:
        gate.run_and_publish(GatePlan(RunOptions(), mutants=1), watching)
    assert ended.value.exit_code == 69
