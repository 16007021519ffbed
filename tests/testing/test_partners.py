"""The scripted partner does what its script says, on a real socket, and notes what its clients do."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zlib

import pytest

from lizi.testing.behaviours import Asked
from lizi.testing.partners import BEHAVIOURS, Behaviour, Captured, Partner, ToolCall
from lizi.testing.rendering import render


async def _exchange(partner: Partner, *, stream: bool = True, extra: dict[str, object] | None = None) -> bytes:
    """All bytes of one answer, over a connection of its own."""
    host, port = partner.base_url.split("//")[1].split("/")[0].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = json.dumps({"model": "m", "stream": stream, "messages": [], **(extra or {})}).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\nX-Mark: Yes\r\ncontent-length: %d\r\n\r\n" % len(body)
    writer.write(head + body)
    got = b""
    try:
        while b"0\r\n\r\n" not in got[-5:]:
            head_end = got.find(b"\r\n\r\n")
            if head_end >= 0 and b"content-length: " in got[:head_end]:
                size = int(got.split(b"content-length: ")[1].split(b"\r\n")[0])
                if len(got) >= head_end + 4 + size:
                    break
            piece = await asyncio.wait_for(reader.read(65536), 5)
            if not piece:
                break
            got += piece
    except ConnectionResetError:
        got += b"<reset>"
    writer.close()
    return got


def _contents(raw: bytes) -> str:
    """The text of a chunked stream."""
    body, out = raw.split(b"\r\n\r\n", 1)[1], b""
    while body and not body.startswith(b"0\r\n"):
        size, body = body.split(b"\r\n", 1)
        out, body = out + body[: int(size, 16)], body[int(size, 16) + 2 :]
    text = ""
    for line in out.decode().splitlines():
        if line.startswith("data:") and "[DONE]" not in line:
            for choice in json.loads(line[5:])["choices"]:
                text += choice["delta"].get("content") or ""
    return text


async def test_whole_and_streamed_answers_say_the_same() -> None:
    async with Partner(Behaviour(reply_bytes=300, chunks=7)) as partner:
        whole = json.loads((await _exchange(partner, stream=False)).split(b"\r\n\r\n", 1)[1])
        streamed = await _exchange(partner)
    assert _contents(streamed) == whole["choices"][0]["message"]["content"]
    assert len(whole["choices"][0]["message"]["content"]) == 300
    assert b"data: [DONE]" in streamed


async def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    asked = Asked(model="m", stream=True)
    assert render(Behaviour(), asked, 1) == render(Behaviour(), asked, 1)
    assert render(Behaviour(), asked, 1) != render(Behaviour(), asked, 2)


async def test_requests_are_kept_as_raw_bytes_and_bounded() -> None:
    async with Partner(capture=2) as partner:
        for number in range(3):
            await _exchange(partner, extra={"user": f"u{number}"})
        assert [json.loads(kept.body)["user"] for kept in partner.requests] == ["u1", "u2"]
        kept = partner.requests[0]
        assert kept.head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n") and b"\r\nX-Mark: Yes\r\n" in kept.head
        assert kept.headers["x-mark"] == "Yes" and kept.method == "POST" and kept.path == "/v1/chat/completions"


async def test_a_script_is_used_in_turn_and_its_last_behaviour_stays() -> None:
    async with Partner([BEHAVIOURS["overloaded"], BEHAVIOURS["good"]]) as partner:
        lines = [(await _exchange(partner)).split(b"\r\n", 1)[0] for _ in range(3)]
    assert lines == [b"HTTP/1.1 529 Overloaded", b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK"]


async def test_a_callable_script_sees_the_request() -> None:
    def choose(request: Captured) -> Behaviour:
        return Behaviour(text=request.json["question"])

    async with Partner(choose) as partner:
        assert _contents(await _exchange(partner, extra={"question": "¿qué?"})) == "¿qué?"


@pytest.mark.parametrize("name", sorted(set(BEHAVIOURS) - {"stall", "flood"}))
@pytest.mark.parametrize("stream", [True, False])
async def test_every_planted_behaviour_answers_or_breaks_off(name: str, stream: bool) -> None:
    async with Partner(BEHAVIOURS[name]) as partner:
        got = await _exchange(partner, stream=stream)
        if name in ("close_before_headers",):
            assert got in (b"", b"<reset>")
        elif name == "garbage":
            assert not got.startswith(b"HTTP/1.1")
        else:
            assert got.startswith(b"HTTP/1.1 %d " % BEHAVIOURS[name].status)


@pytest.mark.parametrize(
    ("name", "there", "not_there"),
    [
        ("keepalives", b": keep-alive", b"\xef\xbb\xbf"),
        ("error_in_stream", b'data: {"error"', b"[DONE]"),
        ("truncated", b"0\r\n\r\n", b'finish_reason":"stop'),
        ("cut", b"data: ", b"0\r\n\r\n"),
        ("no_finish", b"[DONE]", b'"stop"'),
        ("no_space", b"data:{", b"data: {"),
        ("crlf", b"}\r\n\r\n", b"}\n\n"),
        ("bom", b"\xef\xbb\xbfdata: ", b": keep-alive"),
        ("think", b"<thi", b"<think>"),
        ("tool_fragmented", b'"name":"get_weather","arguments":""', b"reasoning_content"),
        ("tool_whole", '"arguments":"{\\"city\\":\\"杭州\\"}"'.encode(), b"reasoning_content"),
        ("usage_only_chunk", b'"choices":[],"usage"', b"error"),
        ("wrong_model", b'"model":"acme-mini-cheap"', b'"model":"m"'),
        ("sensitive", b'"finish_reason":"sensitive"', b'"stop"'),
    ],
)
async def test_a_stream_shows_what_was_planted(name: str, there: bytes, not_there: bytes) -> None:
    async with Partner(BEHAVIOURS[name]) as partner:
        got = await _exchange(partner)
    assert there in got and not_there not in got


async def test_usage_comes_when_it_is_asked_for() -> None:
    async with Partner() as partner:
        assert b'"usage"' not in await _exchange(partner)
        assert b'"choices":[],"usage"' in await _exchange(partner, extra={"stream_options": {"include_usage": True}})


async def test_json_schema_can_be_refused_and_text_still_answered() -> None:
    async with Partner(BEHAVIOURS["no_json_schema"]) as partner:
        refused = await _exchange(partner, extra={"response_format": {"type": "json_schema", "json_schema": {}}})
        served = await _exchange(partner)
    assert refused.startswith(b"HTTP/1.1 400") and served.startswith(b"HTTP/1.1 200")


async def test_split_slices_travel_in_chunks_of_one_byte() -> None:
    async with Partner(BEHAVIOURS["split_utf8"]) as partner:
        got = await _exchange(partner)
    assert got.split(b"\r\n\r\n", 1)[1].startswith(b"1\r\nd\r\n1\r\na\r\n")
    assert _contents(got) == BEHAVIOURS["split_utf8"].text


async def test_gzip_is_real_gzip() -> None:
    async with Partner(BEHAVIOURS["gzip"]) as partner:
        got = await _exchange(partner, stream=False)
    assert b"content-encoding: gzip" in got
    assert json.loads(zlib.decompress(got.split(b"\r\n\r\n", 1)[1], wbits=31))["object"] == "chat.completion"


async def test_a_flood_is_as_long_as_it_says() -> None:
    async with Partner(Behaviour(flood_bytes=3_000_001)) as partner:
        got = await _exchange(partner)
    assert len(got.split(b"\r\n\r\n", 1)[1]) == 3_000_001


@pytest.mark.parametrize("behaviour", [Behaviour(first_byte_ms=60_000), BEHAVIOURS["stall"], Behaviour(interval_ms=60_000)])
async def test_a_client_that_leaves_is_noted_before_and_after_headers(behaviour: Behaviour) -> None:
    async with Partner(behaviour) as partner:
        host, port = partner.base_url.split("//")[1].split("/")[0].split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 15\r\n\r\n{"stream":true}')
        await partner.until(lambda: partner.in_flight == 1)
        writer.transport.abort()
        await partner.until(lambda: partner.open_connections == 0)
        assert partner.in_flight == 0 and partner.cancelled_total == 1
        assert (partner.cancelled[0].after_steps == 0) == (behaviour.first_byte_ms > 0)


async def test_departures_are_counted_once_and_completed_answers_are_none() -> None:
    async with Partner([Behaviour(), BEHAVIOURS["stall"]]) as partner:
        await _exchange(partner)
        host, port = partner.base_url.split("//")[1].split("/")[0].split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 15\r\n\r\n{"stream":true}')
        await reader.readuntil(b"data: ")
        left_at = time.monotonic()
        writer.transport.abort()
        await partner.until(lambda: partner.cancelled_total > 0)
        assert partner.cancelled_total == 1 and partner.completed_total == 1
        assert partner.cancelled[0].number == 1 and partner.cancelled[0].after_steps > 0
        assert left_at <= partner.cancelled[0].at_mono


async def test_paced_streams_keep_their_own_intended_times() -> None:
    async with Partner(Behaviour(chunks=10, interval_ms=5, stamp_times=True, text="x" * 100)) as partner:
        answers = await asyncio.gather(*(_exchange(partner) for _ in range(20)))
        assert partner.stats()["timed_writes"] == 20 * 10
    for answer in answers:
        text = _contents(answer)
        stamps = [int(text[at : at + 16]) for at in range(0, len(text), 26)]
        assert len(stamps) == 10
        assert all(abs(late - early - 5_000) <= 2 for early, late in itertools.pairwise(stamps[1:]))


async def test_a_dialect_has_its_own_address_key_and_rules() -> None:
    async with Partner(dialect="qwen") as partner:
        assert (await _exchange(partner)).startswith(b"HTTP/1.1 404")
        assert partner.base_url.endswith("/compatible-mode/v1")
        request = urllib.request.Request(f"{partner.base_url}/chat/completions", b'{"model":"qwen-plus","messages":[],"chat_id":1}')
        request.add_header("authorization", "Bearer k")
        with pytest.raises(urllib.error.HTTPError) as refused:
            await asyncio.to_thread(urllib.request.urlopen, request, timeout=5)
        assert refused.value.code == 400
        refused.value.close()
        assert list(partner.refused) == ["takes no chat_id"]


def test_it_serves_by_hand_from_the_command_line() -> None:
    command = [sys.executable, "-m", "lizi.testing.partners", "--chunks", "3", "--reply-bytes", "30"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())["base_url"]
        with urllib.request.urlopen(f"{address}/models", timeout=5) as answer:
            assert json.load(answer)["data"][0]["id"] == "scripted"
        with urllib.request.urlopen(f"{address}/stats", timeout=5) as answer:
            assert json.load(answer)["requests"] == 0
        process.terminate()
        assert process.wait(5) == 0
        assert process.stderr is not None and process.stderr.read() == b""


def test_it_runs_in_a_thread_for_synchronous_tests() -> None:
    with Partner(Behaviour(text="hello", tools=(ToolCall(name="f"),), finish="tool_calls")) as partner:
        request = urllib.request.Request(f"{partner.base_url}/chat/completions", b'{"model":"m"}')
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert json.load(answer)["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "f"
        assert partner.requests_total == 1
