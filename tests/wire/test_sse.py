"""The event-stream reader: each case whole, byte by byte, split at every position, and with a tail."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lizi.wire.sse import DONE, SseEvent, SseEventReader, SseReader, write_comment, write_event

CASES: dict[str, tuple[bytes, list[bytes]]] = {
    "nothing": (b"", []),
    "one": (b"data: {}\n\n", [b"{}"]),
    "two": (b"data: 1\n\ndata: 2\n\n", [b"1", b"2"]),
    "done": (DONE, [b"[DONE]"]),
    "no space after the colon": (b"data:{}\n\n", [b"{}"]),
    "only one space is taken": (b"data:  x\n\n", [b" x"]),
    "crlf": (b"data: 1\r\n\r\ndata: 2\r\n\r\n", [b"1", b"2"]),
    "cr": (b"data: 1\r\rdata: 2\r\r", [b"1", b"2"]),
    "mixed line ends": (b"data: 1\r\n\ndata: 2\n\r\ndata: 3\r\r\ndata: 4\n\r", [b"1", b"2", b"3", b"4"]),
    "bom": (b"\xef\xbb\xbfdata: 1\n\n", [b"1"]),
    "bom only at the start": (b"data: 1\n\n\xef\xbb\xbfdata: 2\n\n", [b"1"]),
    "comments and blank lines while queued": (b": keep-alive\n\n\n\n: keep-alive\n\ndata: 1\n\n", [b"1"]),
    "comment inside an event": (b"data: 1\n: x\ndata: 2\n\n", [b"1\n2"]),
    "several lines": (b"data: 1\ndata: 2\ndata\n\n", [b"1\n2\n"]),
    "empty data line": (b"data:\n\n", [b""]),
    "an event without data is not dispatched": (b"event: ping\nid: 7\n\ndata: 1\n\n", [b"1"]),
    "unknown and odd fields": (b"retry: 10\nfoo: bar\nbaz\ndata : no\n Data: no\ndata: 1\n\n", [b"1"]),
    "many blank lines": (b"\n\n\ndata: 1\n\n\n\n\n\ndata: 2\n\n\n", [b"1", b"2"]),
    "utf-8": ("data: 里子🍐\n\n".encode(), ["里子🍐".encode()]),
    "colon in the value": (b'data: {"a": "b:c"}\n\n', [b'{"a": "b:c"}']),
    "unfinished": (b"data: 1\n\ndata: 2", [b"1", b"2"]),
    "unfinished line end": (b"data: 1\n\ndata: 2\n", [b"1", b"2"]),
    "unfinished crlf": (b"data: 1\r\n\r\ndata: [DONE]\r\n", [b"1", b"[DONE]"]),
}


def read(chunks: list[bytes], limit: int = 1 << 20) -> tuple[list[bytes], str | None]:
    reader = SseReader(limit)
    payloads = [payload for chunk in chunks for payload in reader.feed(chunk)]
    return payloads + reader.close(), reader.fault


@pytest.mark.parametrize("name", CASES)
def test_any_split_gives_the_same_payloads(name: str) -> None:
    raw, expected = CASES[name]
    assert read([raw]) == (expected, None)
    assert read([raw[i : i + 1] for i in range(len(raw))]) == (expected, None)
    for cut in range(len(raw) + 1):
        assert read([raw[:cut], raw[cut:]]) == (expected, None)
        assert read([raw[:cut], b"", raw[cut:]]) == (expected, None)


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith(("unfinished", "bom only"))])
def test_a_tail_is_read_on_its_own(name: str) -> None:
    raw, expected = CASES[name]
    assert read([raw + b"\n\ndata: tail\n\n"])[0][-1] == b"tail"
    assert read([raw, b"\n\ndata: tail\n\n"])[0][: len(expected)] == expected


def test_a_payload_is_given_at_its_blank_line_and_not_before() -> None:
    reader = SseReader()
    assert reader.feed(b"data: 1\r\n") == []
    assert reader.feed(b"\r") == [b"1"], "a carriage return alone ends the line: waiting for its line feed would add a delay"
    assert reader.feed(b"\n") == []


PIECES = st.sampled_from(
    [b"data: x", b"data:y", b"event: e", b": c", b"id: 1", b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n", b"\xef\xbb\xbf", b"data"]
)


@given(st.lists(PIECES, max_size=30), st.lists(st.integers(0, 200), max_size=6))
def test_the_split_never_matters(pieces: list[bytes], cuts: list[int]) -> None:
    raw = b"".join(pieces)
    marks = sorted({min(cut, len(raw)) for cut in cuts} | {0, len(raw)})
    chunks = [raw[a:b] for a, b in pairwise(marks)]
    for limit in (1 << 20, 12):
        assert read(chunks, limit) == read([raw], limit) == read([raw[i : i + 1] for i in range(len(raw))], limit)


def reference(raw: bytes) -> list[tuple[str, bytes, str]]:
    """The standard's own steps, line by line, without any speed."""
    text = raw[3:] if raw.startswith(b"\xef\xbb\xbf") else raw
    lines = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    events, data, name, last_id = [], [], "", ""
    for line in [*lines, b""]:
        if line == b"":
            if data:
                events.append((name or "message", b"\n".join(data), last_id))
            data, name = [], ""
            continue
        key, _, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if key == b"data":
            data.append(value)
        elif key == b"event":
            name = value.decode()
        elif key == b"id":
            last_id = value.decode()
    return events


@given(st.lists(PIECES, max_size=30))
def test_events_are_those_of_the_standard(pieces: list[bytes]) -> None:
    raw = b"".join(pieces)
    reader = SseEventReader()
    events = reader.feed(raw) + reader.close()
    try:
        expected = reference(raw)
    except UnicodeDecodeError:
        return
    assert [(event.name, event.data, event.id) for event in events] == expected
    assert read([raw])[0] == [data for _, data, _ in expected]


def test_names_and_ids_are_kept() -> None:
    a, b, c = (
        SseEvent(name="delta", data=b"a", id="4"),
        SseEvent(name="message", data=b"b", id="4"),
        SseEvent(name="message", data=b"c", id=""),
    )
    raw = b"event: delta\nid: 4\ndata: a\n\nid: a\0b\ndata: b\n\nevent:\nid\ndata: c\n\nevent: ping\n\n"
    for cut in range(len(raw) + 1):
        reader = SseEventReader()
        assert reader.feed(raw[:cut]) + reader.feed(raw[cut:]) + reader.close() == [a, b, c]


def test_an_event_past_the_limit_stops_the_reader_and_frees_what_it_held() -> None:
    raw = b"data: 1\n\ndata: " + b"x" * 200 + b"\n\ndata: 2\n\n"
    for size in (1, 7, 64, 500):
        payloads, fault = read([raw[i : i + size] for i in range(0, len(raw), size)], limit=100)
        assert (payloads, fault) == ([b"1"], "event_too_large")
    reader = SseReader(100)
    for _ in range(10_000):
        reader.feed(b"x" * 50)
    assert reader._held == []


def test_an_event_of_exactly_the_limit_passes() -> None:
    raw = b"data: " + b"x" * 94 + b"\n\n"
    for size in (1, 7, 500):
        assert read([raw[i : i + size] for i in range(0, len(raw), size)], limit=100) == ([b"x" * 94], None)


@given(st.binary(max_size=60), st.sampled_from([b"", b"delta", b"final"]), st.sampled_from([b"", b"12"]))
def test_what_is_written_is_read_back(data: bytes, name: bytes, id: bytes) -> None:
    reader = SseEventReader()
    events = reader.feed(write_comment() + write_event(data, name=name, id=id) + write_comment(b"beat"))
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    assert events == [SseEvent(name=name.decode() or "message", data=lines, id=id.decode())]
