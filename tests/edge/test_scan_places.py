"""What is looked into: files, compressed streams in them, databases, open files and memory; and what can't be is listed."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import mmap
import os
import sqlite3
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lizi.edge.scan import unpack
from lizi.edge.scan.memory import look_into, name_of
from lizi.edge.scan.places import Look, family
from lizi.edge.scan.seeker import Canaries

CANARIES = Canaries(latin="qzkfwvhxjymb", han="厓厣叆呇咍哌", doors=("prompt", "image"))
WORD = CANARIES.word("image").encode()
NOISE = bytes(range(256)) * 20


def deflated(data: bytes) -> bytes:
    machine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return machine.compress(data) + machine.flush()


def zipped(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("log", data)
    return file.getvalue()


def small_window(data: bytes) -> bytes:
    machine = zlib.compressobj(wbits=9)
    return machine.compress(data) + machine.flush()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress, "zlib": zlib.compress, "zlib, small window": small_window, "bzip2": bz2.compress, "xz": lzma.compress,
    "zip": zipped,
}  # fmt: skip


def doors(look: Look) -> set[str]:
    return {finding.door for finding in look.found}


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
@pytest.mark.parametrize("before", [0, 1, 4_097, unpack.PIECE_BYTES - 3, unpack.PIECE_BYTES], ids=str)
def test_a_word_in_a_compressed_stream_anywhere_in_a_file_is_found(tmp_path: Path, pack: Callable[[bytes], bytes], before: int) -> None:
    (tmp_path / "file").write_bytes(b"\xfe" * before + pack(NOISE + WORD + NOISE) + NOISE)
    look = Look(CANARIES)
    look.tree(tmp_path)
    assert doors(look) == {"image"}
    assert not look.unread
    assert str(before) in look.found[0].within


def test_deflate_alone_compressions_within_each_other_and_several_in_a_row_are_found(tmp_path: Path) -> None:
    (tmp_path / "deflate").write_bytes(deflated(NOISE + WORD))
    (tmp_path / "nested").write_bytes(gzip.compress(bz2.compress(zlib.compress(WORD))))
    (tmp_path / "row").write_bytes(gzip.compress(b"first") + gzip.compress(WORD) + gzip.compress(WORD))
    look = Look(CANARIES)
    look.tree(tmp_path)
    assert sorted((Path(finding.place).name, finding.within.count(">")) for finding in look.found) == [
        ("deflate", 0), ("nested", 2), ("row", 0), ("row", 0)
    ]  # fmt: skip


def test_a_stream_that_is_cut_off_or_damaged_gives_what_came_before(tmp_path: Path) -> None:
    whole = gzip.compress(NOISE + WORD + os.urandom(100_000).hex().encode())
    (tmp_path / "cut").write_bytes(whole[:50_000])
    (tmp_path / "damaged").write_bytes(whole[:50_000] + bytes(50) + whole[50_050:])
    look = Look(CANARIES)
    look.tree(tmp_path)
    assert len(look.found) == 2


def test_a_bomb_is_stopped_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "STREAM_BYTES", 1 << 20)
    (tmp_path / "bomb").write_bytes(gzip.compress(bytes(3 << 20) + WORD))
    look = Look(CANARIES)
    look.tree(tmp_path)
    assert not look.found
    assert [unread.why for unread in look.unread] == [f"more than {1 << 20} octets of content"]


@pytest.mark.skipif(unpack.zstd() is not None, reason="this Python decompresses zstd")
def test_zstd_without_a_decoder_is_listed_as_not_read(tmp_path: Path) -> None:
    (tmp_path / "log.zst").write_bytes(bytes.fromhex("28b52ffd0458") + NOISE)
    look = Look(CANARIES)
    look.tree(tmp_path)
    assert "zstd" in look.unread[0].why


@given(st.binary(max_size=3_000))
def test_no_octets_make_the_unpacking_fail(data: bytes) -> None:
    for mark in (b"\x1f\x8b\x08", b"\x78\x9c", b"BZh91AY&SY", b"\xfd7zXZ\x00", b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b""):
        held = mark + data
        list(unpack.streams(lambda at, size, held=held: held[at : at + size]))  # type: ignore[misc]


def test_a_deleted_row_of_a_database_is_found_in_its_free_pages_and_its_log(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA secure_delete=OFF")
    connection.execute("CREATE TABLE t (x)")
    connection.execute("INSERT INTO t VALUES (?)", (WORD + NOISE,))
    connection.execute("DELETE FROM t")
    look = Look(CANARIES)
    look.tree(tmp_path)
    assert {Path(finding.place).name for finding in look.found} == {"db-wal"}
    connection.close()
    look = Look(CANARIES)
    look.tree(tmp_path)
    assert {Path(finding.place).name for finding in look.found} == {"db"}


def test_a_file_is_read_once_whatever_names_it_has_and_pipes_block_nobody(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(WORD)
    os.link(tmp_path / "a", tmp_path / "b")
    os.symlink(tmp_path / "a", tmp_path / "c")
    os.mkfifo(tmp_path / "pipe")
    look = Look(CANARIES)
    look.tree(tmp_path)
    assert (len(look.found), look.files) == (1, 1)


def test_what_is_not_there_is_listed(tmp_path: Path) -> None:
    look = Look(CANARIES)
    look.tree(tmp_path / "gone")
    assert [unread.why for unread in look.unread] == ["it is not there"]


HOLDER = """
import sys, tempfile
word = bytearray(sys.stdin.buffer.readline().strip())
file = tempfile.TemporaryFile(); file.write(word[::-1] if len(sys.argv) > 1 else word); file.flush()
print("ready", flush=True); sys.stdin.read()
"""


def test_a_removed_file_that_a_process_has_open_and_its_memory_are_searched() -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(WORD + b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"ready\n"
        assert process.pid in family(os.getpid())
        look = Look(CANARIES)
        look.open_files(process.pid, "holder", logs_given=False)
        assert [finding.place for finding in look.found] == [look.found[0].place]
        assert "(deleted), open in holder" in look.found[0].place
        look = Look(CANARIES)
        assert look_into(look, process.pid, "holder") > 1_000_000
        assert {finding.door for finding in look.found} == {"image"}
        assert not look.unread
        assert look.found[0].place.startswith("memory of holder, ")
    finally:
        process.communicate()


def test_a_log_that_goes_into_a_pipe_is_out_of_reach_unless_it_was_given() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        look = Look(CANARIES)
        look.open_files(process.pid, "talker", logs_given=False)
        assert [unread.place for unread in look.unread] == ["standard error of talker"]
        look = Look(CANARIES)
        look.open_files(process.pid, "talker", logs_given=True)
        assert not look.unread
    finally:
        process.communicate(b"\n")


def test_a_process_that_is_gone_is_listed_and_not_called_clean() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    look = Look(CANARIES)
    assert look_into(look, process.pid, "gone") == 0
    look.open_files(process.pid, "gone", logs_given=False)
    assert [unread.place for unread in look.unread] == ["memory of gone", "open files of gone"]


def test_memory_is_searched_across_its_pieces() -> None:
    with mmap.mmap(-1, 4 << 20) as held:
        at = (2 << 20) - 5
        held[at : at + len(WORD)] = WORD
        look = Look(CANARIES)
        look.plain("mapped", ((number << 20, held[number << 20 : (number + 1) << 20]) for number in range(4)))
        assert [finding.offset for finding in look.found] == [at]


def test_a_core_dump_is_found_where_the_kernel_puts_it() -> None:
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    if pattern.startswith(("|", "/")):
        pytest.skip(reason="this machine's kernel puts core dumps where a test may not write")
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, cwd=folder)
        try:
            (Path(folder) / f"{pattern.partition('%')[0]}.{process.pid}").write_bytes(NOISE + WORD)
            look = Look(CANARIES)
            look.cores([process.pid], since=0)
            assert doors(look) == {"image"}
            look = Look(CANARIES)
            look.cores([process.pid], since=4e9)
            assert not look.found
        finally:
            process.communicate(b"\n")


def test_a_process_is_named_by_what_it_runs() -> None:
    assert name_of(os.getpid()).startswith("service ")
