"""Output and exit codes of `transcript show`, `verify` and `diff`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import Result

from reports import publish, schema
from reports.certificates import Certificate, DoorCertificate, EngineRun
from reports.keys import Signer
from reports.schema import VERSION, MutantVerdict, SabotageVerdict, Transcript
from tests.reports import commands
from tests.reports.samples import SOFTWARE, claim, run, scenario

GOOD, WORSE, UNREADABLE = 0, 1, 66

Command = Callable[..., Result]


@pytest.fixture
def transcript(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Runs ``transcript …`` in an empty folder."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")
    empty = tmp_path / "here"
    empty.mkdir()
    monkeypatch.chdir(empty)
    return commands.transcript


@pytest.fixture
def good(tmp_path: Path, signer: Signer) -> Path:
    """Provides the folder of a run that passes."""
    return publish.write(run(claim("one-hub", scenario(measured={"flips": 4}))), tmp_path / "good", signer=signer)


@pytest.fixture
def bad(tmp_path: Path, signer: Signer) -> Path:
    """Provides the folder of a run that fails."""
    made = run(
        claim("one-hub", scenario("test_x[kernel]", "refuted", measured={"flips": 6}), verdict="refuted"),
        sabotage=[SabotageVerdict("leak", "one-hub", caught=False)],
        verdict="fail",
        problems=["one-hub is refuted."],
        environment={"kernel": "6.1.0 [custom]"},
        options={"patience": "10"},
    )
    return publish.write(made, tmp_path / "bad", signer=signer)


def written(folder: Path, made: Transcript) -> Path:
    """Writes a transcript without other files."""
    file = folder / "transcript.json"
    file.write_bytes(schema.dump(made))
    return file


def assert_one_sentence(done: Result) -> None:
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("meshwg: ")


def test_show_prints_the_verdicts_of_a_run(transcript: Command, good: Path, bad: Path) -> None:
    shown = transcript("show", good)
    assert shown.exit_code == GOOD
    for word in ("pass", "2026-03-01T12:30:59Z", "quick", "271828", "one-hub", "test_shakes_hands", "6.1.0"):
        assert word in shown.stdout
    assert "sabotages noticed: 1 of 1" in shown.stdout
    shown = transcript("show", bad / "transcript.json")
    assert shown.exit_code == GOOD
    for word in (
        "fail",
        "refuted",
        "test_x[kernel]",
        "12 packets arrived",
        "one-hub is refuted.",
        "6.1.0 [custom]",
        "--patience 10",
    ):
        assert word in shown.stdout
    assert "sabotages noticed: 0 of 1" in shown.stdout


def test_the_required_fields_are_enough_for_show(transcript: Command, tmp_path: Path) -> None:
    file = tmp_path / "foreign.json"
    only = {"name": "test_x", "verdict": "maybe", "seconds": 1, "measured": {}}
    content = {
        "started_at": "2026-03-01T12:30:59Z",
        "seconds": 1,
        "profile": "quick",
        "seed": 7,
        "environment": {},
        "claims": [{"id": "one-hub", "verdict": "maybe", "scenarios": [only]}],
        "sabotage": [],
    }
    file.write_text(json.dumps(content))
    shown = transcript("show", file)
    assert shown.exit_code == GOOD
    assert "maybe" in shown.stdout
    assert transcript("diff", file, file).exit_code == GOOD


@pytest.mark.parametrize("text", ["[/]", "[red]x[/red]", "[link=https://example.net]x[/link]", "\x1b[2Jx", "a\\[b]"])
def test_a_text_with_markup_is_shown_unchanged(transcript: Command, tmp_path: Path, text: str) -> None:
    made = run(
        claim(text, scenario(text, text, failure=text, measured={text: 1}), verdict=text),
        environment={text: text},
        started_at=text,
        profile=text,
        verdict=text,
        problems=[text],
        sabotage=[SabotageVerdict(text, text, caught=False)],
    )
    plain = text.replace("\x1b", "\N{REPLACEMENT CHARACTER}")
    file = written(tmp_path, made)
    shown = transcript("show", file)
    assert shown.exit_code == GOOD
    assert shown.stdout.count(plain) >= 9
    other = tmp_path / "other.json"
    changed = run(claim(text, scenario(text, "proven", measured={text: 2})), sabotage=[])
    other.write_bytes(schema.dump(changed))
    compared = transcript("diff", file, other)
    assert compared.exit_code == GOOD
    assert compared.stdout.count(plain) >= 5
    assert "\x1b" not in shown.stdout + compared.stdout


def test_the_latest_run_is_the_default(transcript: Command, signer: Signer) -> None:
    publish.write(run(seed=4711), Path("reports/out"), signer=signer)
    assert "4711" in transcript("show").stdout
    assert transcript("verify").exit_code == GOOD


def test_show_refuses_an_unreadable_file(transcript: Command, tmp_path: Path) -> None:
    missing = transcript("show", tmp_path / "missing.json")
    assert missing.exit_code == UNREADABLE
    assert "No such file or directory" in missing.stderr
    assert_one_sentence(missing)
    garbage = tmp_path / "garbage.json"
    garbage.write_bytes(b"\x7fELF\xff\xfe")
    refused = transcript("show", garbage)
    assert refused.exit_code == UNREADABLE
    assert "is no transcript" in refused.stderr
    assert_one_sentence(refused)
    nothing = transcript("show")
    assert nothing.exit_code == UNREADABLE
    assert "reports/out/latest" in nothing.stderr


def test_verify_says_if_the_key_was_known(transcript: Command, good: Path, signer: Signer, tmp_path: Path) -> None:
    for file in (good, good / "transcript.json"):
        beside = transcript("verify", file)
        assert beside.exit_code == GOOD
        assert "name one you know" in beside.stdout
    key = tmp_path / "known.pub"
    key.write_bytes(signer.public_pem())
    known = transcript("verify", good, "--key", key)
    assert known.exit_code == GOOD
    assert known.stdout.splitlines() == [
        "The signature holds.",
        f"The key is {signer.fingerprint}.",
        "The run is of 2026-03-01T12:30:59Z and the profile quick, with the verdict pass.",
        "It tried no mutants.",
        "Which files were tested is not known.",
        "It is in no log of runs.",
    ]
    # From within its folder, as people do.
    assert transcript("verify", good / "transcript.json", "--key", key).exit_code == GOOD


def test_verify_says_what_a_run_left_out(transcript: Command, signer: Signer) -> None:
    altered = msgspec.structs.replace(SOFTWARE, altered=["pytest", "rich"])
    for facts, words in (
        ({}, []),
        ({"left_out": ["no-egress", "live-change"]}, ["It says nothing of no-egress, live-change."]),
        ({"untried": ["leak", "crash"]}, ["It left 2 sabotages to runs with other seeds."]),
        ({"elsewhere": True, "sabotage": []}, ["The service ran elsewhere, and was not sabotaged."]),
        ({"hub": "my:Hub", "sabotage": []}, ["It is of another project's hub, my:Hub, which was not sabotaged."]),
        ({"tested": altered}, ["Altered packages took part: pytest, rich."]),
        ({"options": {"patience": "10", "mutants": "0"}}, ["Its options were --patience 10 --mutants 0."]),
        ({"options": None}, ["It does not say which options it had."]),
        ({"mutants": [MutantVerdict("m1", "vault", "noticed")]}, []),
    ):
        publish.write(run(version=VERSION, **{"tested": SOFTWARE, **facts}), Path("reports/out"), signer=signer)
        said = transcript("verify")
        assert said.exit_code == GOOD
        own = "elsewhere" not in facts and "hub" not in facts
        lines = said.stdout.splitlines()[3:-1]
        assert [each for each in lines if each != "It tried no mutants."] == words
        assert ("It tried no mutants." in lines) == (own and "mutants" not in facts)


def test_verify_refuses_a_verdict_that_does_not_follow(transcript: Command, signer: Signer) -> None:
    made = run(claim("one-hub", scenario(verdict="refuted"), verdict="refuted"))
    publish.write(made, Path("reports/out"), signer=signer)
    refused = transcript("verify")
    assert refused.exit_code == WORSE
    assert_one_sentence(refused)
    assert "The verdict is pass, and one-hub is refuted." in refused.stderr


def test_verify_works_in_the_folder_itself(transcript: Command, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(good)
    assert transcript("verify", "transcript.json").exit_code == GOOD
    assert transcript("verify", ".").exit_code == GOOD


@pytest.mark.parametrize(("policy", "wrong"), [("not a digest", []), ("0" * 64, ["a packet that should be dropped"])])
def test_verify_refuses_an_invalid_certificate(
    transcript: Command, signer: Signer, policy: str, wrong: list[str]
) -> None:
    """Signs a certificate of a wrong format, or one that contradicts the verdict of its scenario."""
    engines = [EngineRun("atoms", 40, "classes of packets", 0.1)]
    certificate = Certificate("acme", 2, 1, policy, "f" * 64, "6.1.0", engines, [], wrong)
    publish.write(run(claim("no-egress", scenario(exhibits=[certificate]))), Path("reports/out"), signer=signer)
    refused = transcript("verify")
    assert refused.exit_code == WORSE
    assert_one_sentence(refused)


def test_verify_refuses_a_door_that_leads_astray(transcript: Command, signer: Signer) -> None:
    engines = [EngineRun("z3", 60, "rules in one formula", 0.1)]
    door = DoorCertificate("door", 2, 60, "f" * 64, "6.1.0", engines, ["a"], [], ["a datagram"])
    publish.write(run(claim("org-isolation", scenario(exhibits=[door]))), Path("reports/out"), signer=signer)
    refused = transcript("verify")
    assert refused.exit_code == WORSE
    assert_one_sentence(refused)


def test_verify_refuses_a_changed_file(transcript: Command, good: Path, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.pub"
    stranger.write_bytes(Signer(Ed25519PrivateKey.generate()).public_pem())
    wrong = transcript("verify", good, "--key", stranger)
    assert wrong.exit_code == WORSE
    assert_one_sentence(wrong)
    assert "holds" not in wrong.stdout
    file = good / "transcript.json"
    file.write_bytes(file.read_bytes().replace(b'"seed": 271828', b'"seed": 271829'))
    changed = transcript("verify", good)
    assert changed.exit_code == WORSE
    assert_one_sentence(changed)
    file.write_bytes(b"not JSON at all")
    assert transcript("verify", file).exit_code == WORSE
    (good / "attestation.dsse.json").write_bytes(b"not JSON at all")
    assert transcript("verify", good).exit_code == WORSE


def test_verify_refuses_an_unreadable_file(transcript: Command, good: Path, tmp_path: Path) -> None:
    for file in (tmp_path / "missing.json", tmp_path / "missing" / "transcript.json", good / "missing.json"):
        missing = transcript("verify", file)
        assert missing.exit_code == UNREADABLE
        assert_one_sentence(missing)
    assert transcript("verify").exit_code == UNREADABLE
    assert transcript("verify", good, "--key", tmp_path / "missing.pub").exit_code == UNREADABLE
    unsigned = written(tmp_path, run())
    refused = transcript("verify", unsigned)
    assert refused.exit_code == UNREADABLE
    assert "can't be read" in refused.stderr


def test_verify_checks_the_named_file(transcript: Command, good: Path) -> None:
    doctored = good / "better.json"
    doctored.write_bytes((good / "transcript.json").read_bytes().replace(b"quick", b"soak"))
    assert transcript("verify", doctored).exit_code == WORSE


def test_diff_of_a_run_with_itself(transcript: Command, good: Path) -> None:
    same = transcript("diff", good, good)
    assert same.exit_code == GOOD
    assert "one-hub" not in same.stdout


def test_diff_lists_changes_and_tells_if_they_are_worse(transcript: Command, good: Path, tmp_path: Path) -> None:
    worse = tmp_path / "worse.json"
    changed = scenario(verdict="refuted", measured={"flips": 6})
    worse.write_bytes(schema.dump(run(claim("one-hub", changed, verdict="refuted"), claim("no-egress"))))
    found = transcript("diff", good, worse)
    assert found.exit_code == WORSE
    assert "one-hub: proven → refuted" in found.stdout
    assert "no-egress: absent → proven" in found.stdout
    (figure,) = [line for line in found.stdout.splitlines() if "flips" in line]
    assert figure.split()[-3:] == ["4", "6", "1.50"]
    better = transcript("diff", worse, good)
    assert "one-hub: refuted → proven" in better.stdout
    assert "no-egress: proven → absent" in better.stdout
    # A claim that is not shown any more is worse, whatever else got better.
    assert better.exit_code == WORSE


def test_diff_refuses_an_unreadable_file(transcript: Command, good: Path, tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.json"
    garbage.write_text("<html>")
    for before, after in ((good, garbage), (garbage, good), (good, tmp_path / "missing"), (tmp_path / "missing", good)):
        refused = transcript("diff", before, after)
        assert refused.exit_code == UNREADABLE
        assert_one_sentence(refused)


def test_a_narrow_terminal_cuts_nothing_off(
    transcript: Command, good: Path, bad: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = [transcript("show", good).stdout, transcript("diff", good, bad).stdout]
    monkeypatch.setenv("COLUMNS", "40")
    narrow = [transcript("show", good).stdout, transcript("diff", good, bad).stdout]
    for before, after in zip(wide, narrow, strict=True):
        assert "…" not in after
        assert max(map(len, after.splitlines())) <= 40
        # Broken into lines, column by column, nothing is missing of it.
        assert sorted("".join(after.split())) == sorted("".join(before.split()))
