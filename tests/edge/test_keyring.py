"""The keyring: private files, silent secrets, rotation that keeps old signatures checkable."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lizi.audit import Chain, checkpoint_bytes
from lizi.edge.keyring import Keyring
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


def test_the_number_of_keys_is_bounded(ring: Keyring) -> None:
    for number in range(63):
        ring.rotate("idempotency", 200.0 + number)
    with pytest.raises(StoreError, match="holds 64 keys"):
        ring.rotate("idempotency", 300.0)
