"""The keyring: private files, silent secrets, rotation that keeps old signatures checkable."""

from __future__ import annotations

import base64
import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lizi.audit import Chain, checkpoint_bytes
from lizi.edge.keyring import KeyInfo, Keyring
from lizi.errors import StoreError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keyring"


@pytest.fixture
def ring(folder: Path) -> Keyring:
    return Keyring.open(folder, 100.0)


RECORD = Chain(boot="b", worker=0, config_hash="c", version="0", started_at=0.0).checkpoint([], 1.0)


def test_a_fresh_keyring_has_one_private_key_of_each_purpose(ring: Keyring, folder: Path) -> None:
    found = [(key.purpose, key.current) for key in ring.keys()]  # noqa: SIM118
    assert found == [("audit-signing", True), ("idempotency", True), ("state", True)]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_opening_again_finds_the_same_keys(ring: Keyring, folder: Path) -> None:
    again = Keyring.open(folder, 200.0)
    assert again.keys() == ring.keys()
    assert again.idempotency_secret() == ring.idempotency_secret()
    assert again.trusts(RECORD, ring.sign_checkpoint(RECORD))


def test_what_devices_carry_is_sealed_by_the_newest_key_and_opened_by_all(ring: Keyring, folder: Path) -> None:
    before = ring.state_secrets()
    new_id = ring.rotate("state", 200.0)
    after = Keyring.open(folder, 300.0).state_secrets()
    assert list(after) == [*before, new_id]
    assert all(len(secret) == 32 for secret in after.values())


def test_a_signature_can_be_checked_with_the_public_key_alone(ring: Keyring) -> None:
    key_id, signature = ring.sign_checkpoint(RECORD)
    public = next(key.public for key in ring.keys() if key.key_id == key_id)  # noqa: SIM118
    assert public is not None
    Ed25519PublicKey.from_public_bytes(base64.b64decode(public)).verify(signature, checkpoint_bytes(RECORD))


def test_a_rotation_makes_a_new_current_key_and_keeps_the_old_for_checking(ring: Keyring, folder: Path) -> None:
    before = ring.sign_checkpoint(RECORD)
    new_id = ring.rotate("audit-signing", 200.0)
    after = ring.sign_checkpoint(RECORD)
    assert after[0] == new_id != before[0]
    reopened = Keyring.open(folder, 300.0)
    assert reopened.trusts(RECORD, before)
    assert reopened.trusts(RECORD, after)
    assert reopened.sign_checkpoint(RECORD)[0] == new_id


def test_a_clock_set_back_does_not_bring_an_old_key_back(ring: Keyring, folder: Path) -> None:
    new_id = ring.rotate("audit-signing", 5.0)
    assert Keyring.open(folder, 6.0).sign_checkpoint(RECORD)[0] == new_id


def test_a_signature_by_another_key_or_of_another_record_is_not_trusted(ring: Keyring, tmp_path: Path) -> None:
    stranger = Keyring.open(tmp_path / "another", 100.0)
    key_id, signature = ring.sign_checkpoint(RECORD)
    other = Chain(boot="x", worker=0, config_hash="c", version="0", started_at=0.0).checkpoint([], 1.0)
    assert ring.trusts(RECORD, (key_id, signature))
    assert not ring.trusts(other, (key_id, signature))
    assert not ring.trusts(RECORD, (key_id, bytes(64)))
    assert not ring.trusts(RECORD, None)
    assert not stranger.trusts(RECORD, (key_id, signature))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused_with_the_way_out(ring: Keyring, folder: Path, mode: int) -> None:
    file = next(folder.iterdir())
    file.chmod(mode)
    with pytest.raises(StoreError, match="others may read it") as caught:
        Keyring.open(folder, 200.0)
    assert caught.value.hint is not None
    assert "chmod 600" in caught.value.hint


def test_a_folder_that_others_can_enter_is_refused(ring: Keyring, folder: Path) -> None:
    folder.chmod(0o755)
    with pytest.raises(StoreError, match="mode 755"):
        Keyring.open(folder, 200.0)


@pytest.mark.parametrize("harm", [lambda blob: blob[:-9], lambda blob: b"", lambda blob: blob.replace(b'"secret":"', b'"secret":"AA')])
def test_a_damaged_key_is_refused_and_its_content_not_told(ring: Keyring, folder: Path, harm: object) -> None:
    file = next(folder.iterdir())
    blob = file.read_bytes()
    file.write_bytes(harm(blob))  # type: ignore[operator]
    with pytest.raises(StoreError, match="is damaged") as caught:
        Keyring.open(folder, 200.0)
    secret = blob.split(b'"secret":"')[1].split(b'"')[0].decode()
    assert secret[:8] not in f"{caught.value} {caught.value.hint} {caught.value.__cause__}"


def test_no_secret_shows_in_what_may_be_shown(ring: Keyring, folder: Path) -> None:
    shown = f"{ring!r} {ring.keys()!r} {[key for keys in ring._keys.values() for key in keys]!r}"
    for file in folder.iterdir():
        assert file.read_bytes().split(b'"secret":"')[1].split(b'"')[0].decode() not in shown


def test_a_half_written_key_does_not_stop_the_next_start(ring: Keyring, folder: Path) -> None:
    (folder / ".audit-signing.00.json.partial").write_bytes(b"{")
    assert Keyring.open(folder, 200.0).keys() == ring.keys()


# --- rotation: known before it is used


def test_a_new_key_is_known_before_it_is_current(ring: Keyring) -> None:
    old, sealed = ring.idempotency_secret(), list(ring.state_secrets())
    ring.add("idempotency", 200.0)
    (new,) = ring.other_idempotency_secrets(0.0)
    assert (ring.idempotency_secret(), len(new)) == (old, 32)
    state_id = ring.add("state", 200.0)
    assert list(ring.state_secrets()) == [state_id, *sealed], "all open, the last one seals"
    signing_id = ring.add("audit-signing", 200.0)
    assert ring.sign_checkpoint(RECORD)[0] != signing_id
    for purpose in ("audit-signing", "idempotency", "state"):
        ring.turn(purpose)
    assert (ring.idempotency_secret(), ring.other_idempotency_secrets(0.0)) == (new, [old])
    assert list(ring.state_secrets()) == [*sealed, state_id]
    assert ring.sign_checkpoint(RECORD)[0] == signing_id
    assert [key.current for key in ring.keys()] == [False, True] * 3  # noqa: SIM118


def test_after_a_start_the_newest_is_current_whether_it_was_turned_to_or_not(ring: Keyring, folder: Path) -> None:
    made = ring.add("audit-signing", 200.0)
    assert Keyring.open(folder, 300.0).sign_checkpoint(RECORD)[0] == made


def test_an_idempotency_key_is_looked_for_under_those_that_were_current_since_then(ring: Keyring) -> None:
    first = ring.idempotency_secret()
    ring.rotate("idempotency", 200.0)
    second = ring.idempotency_secret()
    ring.rotate("idempotency", 300.0)
    assert ring.other_idempotency_secrets(since=150.0) == [first, second]
    assert ring.other_idempotency_secrets(since=250.0) == [second]
    assert ring.other_idempotency_secrets(since=300.0) == []


def test_what_devices_carry_is_opened_by_the_keys_that_sealed_since_then(ring: Keyring) -> None:
    (first,) = ring.state_secrets()
    second, third = ring.rotate("state", 200.0), ring.rotate("state", 300.0)
    assert list(ring.state_secrets(since=150.0)) == [first, second, third]
    assert list(ring.state_secrets(since=250.0)) == [second, third]
    assert list(ring.state_secrets(since=1e9)) == [third]


def test_a_key_that_could_not_be_recorded_was_never_made(ring: Keyring, folder: Path) -> None:
    before, files = ring.keys(), {*folder.iterdir()}

    def full(key: KeyInfo) -> None:
        assert {*folder.iterdir()} - files, "it is on disk by then"
        raise StoreError("SQLITE_FULL", code="store_failed")

    with pytest.raises(StoreError):
        ring.add("state", 200.0, full)
    assert {*folder.iterdir()} == files
    assert Keyring.open(folder, 300.0).keys() == ring.keys() == before


def test_what_is_recorded_of_a_key_holds_no_secret(ring: Keyring, folder: Path) -> None:
    told: list[KeyInfo] = []
    for purpose in ("audit-signing", "idempotency", "state"):
        ring.add(purpose, 200.0, told.append)
    secrets = [path.read_text().split('"secret":"')[1].split('"')[0] for path in folder.iterdir()]
    assert not any(secret[:12] in repr(told) for secret in secrets)
    assert [(key.purpose, key.public is not None) for key in told] == [("audit-signing", True), ("idempotency", False), ("state", False)]


def test_looking_makes_no_key_and_no_folder(ring: Keyring, folder: Path, tmp_path: Path) -> None:
    for path in folder.glob("state.*"):
        path.unlink()
    found = Keyring.read(folder).keys()
    assert {key.purpose for key in found} == {"audit-signing", "idempotency"}
    assert not [*folder.glob("state.*")]
    with pytest.raises(StoreError):
        Keyring.read(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("purpose", ["audit-signing", "idempotency", "state"])
def test_a_rotated_key_is_its_owners_alone_whatever_the_umask(ring: Keyring, folder: Path, purpose: Any) -> None:
    before = os.umask(0)
    try:
        made = ring.rotate(purpose, 200.0)
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / f"{purpose}.{made}.json").stat().st_mode) == 0o600
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_full_disk_leaves_no_part_of_a_key(ring: Keyring, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    files = {*folder.iterdir()}
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError):
        ring.rotate("state", 200.0)
    assert {*folder.iterdir()} == files


KILLED_AT = """
import os, signal, sys
from pathlib import Path
from lizi.edge import keyring
ring = keyring.Keyring.open(Path(sys.argv[1]), 200.0)
left = int(sys.argv[2])
def or_die(call):
    def counted(*arguments, **more):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **more)
    return counted
for name in ("open", "fsync", "rename"):
    setattr(os, name, or_die(getattr(os, name)))
def record(key):
    or_die(lambda: None)()
    (Path(sys.argv[1]).parent / "recorded").write_text(key.key_id)
ring.add("audit-signing", 300.0, record)
or_die(lambda: None)()
ring.turn("audit-signing")
"""


def test_kill_9_at_any_step_leaves_the_old_key_or_the_new_one_whole(folder: Path, tmp_path: Path) -> None:
    ring = Keyring.open(folder, 100.0)
    old = ring.sign_checkpoint(RECORD)
    seen = set()
    for step in range(20):
        shutil.rmtree(copy := tmp_path / str(step), ignore_errors=True)
        shutil.copytree(folder, copy / "keyring")
        program = [sys.executable, "-c", KILLED_AT, str(copy / "keyring"), str(step)]
        done = subprocess.run(program, check=False, capture_output=True, timeout=30)
        after = Keyring.open(copy / "keyring", 400.0)
        assert after.trusts(RECORD, old), step
        made = [key.key_id for key in after.keys() if key.created_at == 300.0]  # noqa: SIM118
        assert after.sign_checkpoint(RECORD)[0] in {old[0], *made}
        assert (made != []) == (after.sign_checkpoint(RECORD)[0] != old[0]), "a whole new key is current after the start"
        assert not [*(copy / "keyring").glob(".*")], "nothing of a killed one stays"
        assert (copy / "recorded").exists() <= (made != [])
        seen.add((done.returncode, made != [], (copy / "recorded").exists()))
        if done.returncode == 0:
            break
    killed = -signal.SIGKILL
    assert seen == {(killed, False, False), (killed, True, False), (killed, True, True), (0, True, True)}, "before, between, after, through"


def test_the_number_of_keys_is_bounded(ring: Keyring) -> None:
    for number in range(63):
        ring.rotate("idempotency", 200.0 + number)
    with pytest.raises(StoreError, match="holds 64 keys"):
        ring.rotate("idempotency", 300.0)
