"""Clock, ids, secrets by reference, and the one spawner of tasks."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import pytest

from lizi.edge.runtime import SystemClock, cancel_all, resolve_secret, spawn
from lizi.errors import ConfigError


def test_ids_have_26_characters_of_their_alphabet_and_never_repeat() -> None:
    clock = SystemClock()
    ids = {clock.new_id("rq_") for _ in range(20_000)}
    assert len(ids) == 20_000
    assert all(len(one) == 29 and set(one[3:]) <= set("0123456789abcdefghjkmnpqrstvwxyz") for one in ids)


def test_every_letter_of_an_id_is_five_bits_of_the_systems_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    given = bytes(range(256)) * 26
    monkeypatch.setattr(os, "urandom", lambda count: given[:count])
    clock = SystemClock()
    letters = "".join(clock.new_id("") for _ in range(256))
    assert letters == "0123456789abcdefghjkmnpqrstvwxyz" * 208
    assert clock.new_id("rq_") == "rq_0123456789abcdefghjkmnpqrs"  # the next pool


def _file(folder: Path, content: bytes, mode: int = 0o600) -> str:
    path = folder / "secret"
    path.write_bytes(content)
    path.chmod(mode)
    return f"file:{path}"


@pytest.mark.parametrize(("content", "secret"), [(b"abc", "abc"), (b"abc\n", "abc"), (b"abc\r\n", "abc"), (b" a b ", " a b ")])
def test_a_secret_file_loses_one_newline_and_nothing_else(tmp_path: Path, content: bytes, secret: str) -> None:
    assert resolve_secret(_file(tmp_path, content)) == secret


def test_a_relative_file_starts_at_the_folder_of_the_configuration(tmp_path: Path) -> None:
    _file(tmp_path, b"abc")
    assert resolve_secret("file:secret", base=tmp_path) == "abc"


@pytest.mark.parametrize(
    ("content", "mode", "word"),
    [
        (b"", 0o600, "empty"),
        (b"\n", 0o600, "empty"),
        (b"canary", 0o604, "every user"),
        (b"canary\ncanary", 0o600, "line breaks"),
        (b"canary\xff", 0o600, "UTF-8"),
        (b"c" * 70_000, 0o600, "64 KiB"),
    ],
)
def test_an_unusable_secret_file_is_named_and_its_content_is_not(tmp_path: Path, content: bytes, mode: int, word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_secret(_file(tmp_path, content, mode))
    assert word in caught.value.message
    assert caught.value.hint
    assert "canary" not in f"{caught.value.message}{caught.value.hint}"


def test_secrets_of_the_environment() -> None:
    assert resolve_secret("env:KEY", {"KEY": "abc"}) == "abc"
    assert resolve_secret("") == ""
    for reference, environ in (
        ("env:KEY", {}),
        ("env:KEY", {"KEY": ""}),
        ("env:KEY", {"KEY": "a\nb"}),
        ("canary", {}),
        ("file:/no/such", {}),
    ):
        with pytest.raises(ConfigError) as caught:
            resolve_secret(reference, environ)
        assert "canary" not in caught.value.message


async def test_a_failed_task_is_logged_with_its_place_and_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    async def fails() -> None:
        raise ValueError("canary")

    with caplog.at_level(logging.ERROR, "lizi.runtime"):
        task = spawn(fails(), "fails")
        await asyncio.wait([task])
        await asyncio.sleep(0)
    (record,) = caplog.records
    assert (record.task, record.error) == ("fails", "ValueError")  # type: ignore[attr-defined]
    assert "test_runtime.py" in record.where  # type: ignore[attr-defined]
    assert "canary" not in str(record.__dict__)


async def test_cancel_all_ends_what_was_spawned() -> None:
    task = spawn(asyncio.sleep(60), "sleeps")
    await cancel_all()
    assert task.cancelled()
