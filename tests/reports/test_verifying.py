"""Runs in a log: what is signed, proven and logged belongs together, and nothing of it can be swapped."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from reports import attest, publish, schema, verifying
from reports.errors import AttestationError, Unreadable
from reports.keys import Signer
from reports.log.audit import audit
from reports.log.folder import LogError, RunLog
from reports.log.proofs import Proof
from reports.verifying import PROOF, Verified
from tests.properties import sharing_fixtures
from tests.reports.recorded import log_in, recorded
from tests.reports.samples import SOFTWARE, run


@dataclass
class Runs:
    """Two runs in one log, and the key that signs them."""

    place: Path
    signer: Signer
    first: Path
    second: Path

    @property
    def key(self) -> Path:
        """File with the public key that the reader knows."""
        return self.place / "known.pub"

    @property
    def log(self) -> RunLog:
        """The log."""
        return log_in(self.place, self.signer)

    def verify(self, folder: Path | None = None) -> Verified:
        """Verifies a run, the first if none is named."""
        return verifying.verify(folder or self.first, self.key)


@pytest.fixture
def runs(tmp_path: Path, signer: Signer) -> Runs:
    first = recorded(tmp_path, signer, seed=1)
    second = recorded(tmp_path, signer, seed=2, started_at="2026-03-02T00:00:00Z")
    (tmp_path / "known.pub").write_bytes(signer.public_pem())
    return Runs(tmp_path, signer, first, second)


def test_a_run_names_its_key_and_its_place(runs: Runs) -> None:
    for folder, began in ((runs.first, 0), (runs.second, 2)):
        found = runs.verify(folder)
        assert found.is_known
        assert found.transcript.signed_by == runs.signer.fingerprint
        place = found.transcript.log
        assert found.checkpoint is not None
        assert place == schema.Place(found.checkpoint.origin, began + 1, began)
        assert found.checkpoint.size == began + 2
        checked = verifying.check_log(found, runs.log.folder)
        assert [(each.index, each.end) for each in checked.runs] == [(0, 1), (2, 3)]


def test_the_page_names_digests_key_place_and_the_commands(runs: Runs) -> None:
    page = (runs.first / "transcript.html").read_text()
    place = schema.load(runs.first).log
    assert place is not None
    for text in (
        f"sha256:{SOFTWARE.tree}",
        str(SOFTWARE.git_tree),
        str(SOFTWARE.commit),
        f"sha256:{SOFTWARE.locks['requirements.lock']}",
        f"sha256:{SOFTWARE.packages_digest}",
        f"sha256:{runs.signer.fingerprint}",
        f"<code>{place.name}</code>, begun as entry 0, ended as entry 1",
        "meshwg transcript verify FOLDER-OF-THE-RUN --key key.pub --tree CHECKOUT --log FOLDER-OF-THE-LOG",
    ):
        assert text in page


def test_two_runs_that_end_at_once_have_two_places(tmp_path: Path, signer: Signer) -> None:
    folders = [recorded(tmp_path, signer, seed=number) for number in range(4)]
    assert len({msgspec.json.encode(schema.load(each).log) for each in folders}) == 4


def test_a_run_without_what_was_tested_can_t_be_in_a_log(runs: Runs) -> None:
    before = audit(runs.log.folder, runs.signer.key.public_key()).checkpoint
    with pytest.raises(ValueError, match="names its place"):
        publish.write(run(), runs.place / "out", signer=runs.signer, log=runs.log)
    assert audit(runs.log.folder, runs.signer.key.public_key()).checkpoint == before


def test_a_run_whose_files_can_t_be_written_has_no_entry(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(attest, "attest", refuse)
    with pytest.raises(OSError, match="No space left"):
        publish.write(run(tested=SOFTWARE), runs.place / "out", signer=runs.signer, log=runs.log)
    assert audit(runs.log.folder, runs.signer.key.public_key()).checkpoint.size == 4


def proof_of_the_other(runs: Runs) -> None:
    shutil.copy(runs.second / PROOF, runs.first / PROOF)


def transcript_of_the_other(runs: Runs) -> None:
    """Swaps everything that is signed, and leaves the proof."""
    for name in ("transcript.json", "transcript.html", "junit.xml", "card.png", attest.ENVELOPE):
        shutil.copy(runs.second / name, runs.first / name)


def signed_again(runs: Runs) -> None:
    """Signs another verdict with the operator's own key, after the run was logged."""
    told = schema.load(runs.first)
    better = msgspec.structs.replace(told, left_out=["nothing"])
    content = schema.dump(better)
    (runs.first / "transcript.json").write_bytes(content)
    (runs.first / attest.ENVELOPE).write_bytes(attest.attest(runs.signer, better, {"transcript.json": content}))


def signed_again_by_chance_alike(runs: Runs) -> None:
    """Signs the same files with another statement around them."""
    told = schema.load(runs.first)
    content = (runs.first / "transcript.json").read_bytes()
    (runs.first / attest.ENVELOPE).write_bytes(attest.attest(runs.signer, told, {"transcript.json": content}))


def formatted_again(runs: Runs) -> None:
    envelope = runs.first / attest.ENVELOPE
    envelope.write_text(json.dumps(json.loads(envelope.read_bytes())))


def another_log(runs: Runs) -> None:
    """Logs the same envelope in another log of the same key, at the same place."""
    other = runs.place / "other"
    of_run = audit(runs.log.folder, runs.signer.key.public_key()).runs[0]
    assert of_run.ended is not None
    with log_in(other, runs.signer).opened() as opened:
        opened.append(of_run.began)
        proof = opened.append(of_run.ended)
    (runs.first / PROOF).write_bytes(proof.encode())


def signed_by_a_stranger(runs: Runs) -> None:
    """Makes the same run again with another key and another log."""
    stranger = Signer(Ed25519PrivateKey.generate())
    made = recorded(runs.place / "stranger", stranger, seed=1)
    shutil.rmtree(runs.first)
    shutil.copytree(made, runs.first)


def no_proof(runs: Runs) -> None:
    (runs.first / PROOF).unlink()


def empty_proof(runs: Runs) -> None:
    (runs.first / PROOF).write_bytes(b"")


def another_entry(runs: Runs) -> None:
    proof = Proof.decode((runs.first / PROOF).read_bytes())
    entry = proof.entry.replace(b'"pass"', b'"fail"')
    assert entry != proof.entry
    (runs.first / PROOF).write_bytes(Proof(entry, proof.index, proof.hashes, proof.checkpoint).encode())


def begin_as_end(runs: Runs) -> None:
    """Shows the entry about the begin in place of the one about the end."""
    found = audit(runs.log.folder, runs.signer.key.public_key())
    with runs.log.opened() as opened:
        proof = opened.append(found.runs[0].began)
    (runs.first / PROOF).write_bytes(proof.encode())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (proof_of_the_other, "is about another place in a log"),
        (transcript_of_the_other, "is about another place in a log"),
        (signed_again, "is about another run than this transcript"),
        (signed_again_by_chance_alike, "is about another run than this transcript"),
        (formatted_again, "is about another run than this transcript"),
        (another_log, "is about another place in a log"),
        (signed_by_a_stranger, "The signature was not made by this key"),
        (no_proof, "can't be read: No such file"),
        (empty_proof, "does not show that the run is in a log"),
        (another_entry, "The proof of inclusion does not lead to the root"),
        (begin_as_end, "is about another place in a log"),
    ],
)
def test_what_was_swapped_is_refused(runs: Runs, change: Callable[[Runs], None], why: str) -> None:
    runs.verify()
    change(runs)
    with pytest.raises(AttestationError, match=why) as refused:
        runs.verify()
    assert "\n" not in str(refused.value)


def test_a_key_beside_it_that_is_not_the_named_one_is_refused(runs: Runs) -> None:
    """Signs a transcript that names the operator's key with a stranger's."""
    told, stranger = schema.load(runs.first), Signer(Ed25519PrivateKey.generate())
    content = (runs.first / "transcript.json").read_bytes()
    (runs.first / attest.ENVELOPE).write_bytes(attest.attest(stranger, told, {"transcript.json": content}))
    (runs.first / attest.PUBLIC_KEY).write_bytes(stranger.public_pem())
    with pytest.raises(AttestationError, match=f"says that the key {runs.signer.fingerprint} signs it"):
        verifying.verify(runs.first)


@given(data=st.data())
@sharing_fixtures(100)
def test_no_changed_byte_of_the_proof_goes_unnoticed(runs: Runs, data: st.DataObject) -> None:
    file = runs.second / PROOF
    whole = file.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    try:
        file.write_bytes(whole[:place] + bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :])
        with pytest.raises(AttestationError):
            runs.verify(runs.second)
    finally:
        file.write_bytes(whole)


def test_a_log_that_was_changed_since_is_refused(runs: Runs) -> None:
    early = runs.place / "early"
    shutil.copytree(runs.log.folder, early)
    third = recorded(runs.place, runs.signer, seed=3)
    verifying.check_log(runs.verify(), early)
    with pytest.raises(LogError, match="It was cut: it has 4 entries, and had 6"):
        verifying.check_log(runs.verify(third), early)
    fork = log_in(runs.place / "fork", runs.signer)
    shutil.copytree(early, fork.folder)
    for _ in range(4):
        with fork.opened() as opened:
            opened.append(audit(early, runs.signer.key.public_key()).runs[0].began)
    with pytest.raises(LogError, match="It was rewritten"):
        verifying.check_log(runs.verify(third), fork.folder)
    other = recorded(runs.place / "elsewhere", runs.signer, seed=3)
    with pytest.raises(LogError, match="It is another log"):
        verifying.check_log(runs.verify(other), runs.log.folder)


def test_a_checkpoint_is_read_from_whatever_has_one(runs: Runs) -> None:
    key = runs.signer.key.public_key()
    for path, size in (
        (runs.first, 2),
        (runs.second / PROOF, 4),
        (runs.log.folder / "checkpoint", 4),
    ):
        assert verifying.checkpoint_in(path, key).size == size
    with pytest.raises(AttestationError, match="has no checkpoint of this log"):
        verifying.checkpoint_in(runs.first / attest.ENVELOPE, key)
    with pytest.raises(Unreadable):
        verifying.checkpoint_in(runs.place / "missing", key)


def test_a_run_of_an_earlier_version_is_in_no_log(tmp_path: Path, signer: Signer) -> None:
    folder = publish.write(run(version=3), tmp_path, signer=signer)
    told = json.loads((folder / "transcript.json").read_bytes())
    for name in ("tested", "signed_by", "log", "elsewhere"):
        del told[name]
    content = json.dumps(told).encode()
    (folder / "transcript.json").write_bytes(content)
    loaded = schema.load(folder)
    (folder / attest.ENVELOPE).write_bytes(attest.attest(signer, loaded, {"transcript.json": content}))
    assert verifying.verify(folder).checkpoint is None


def test_the_envelope_is_what_the_log_has_the_digest_of(runs: Runs) -> None:
    ended = audit(runs.log.folder, runs.signer.key.public_key()).runs[0].ended
    assert ended is not None
    assert ended.verdict == "pass"
    envelope = json.loads((runs.first / attest.ENVELOPE).read_bytes())
    assert base64.b64decode(envelope["payload"]).startswith(b'{"_type":"https://in-toto.io/Statement/v1"')
