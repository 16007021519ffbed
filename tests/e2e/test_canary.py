"""Nothing that was said stays anywhere: planted words go in by every door, and then every file, log and number is searched.

What the client received is searched for the partner: its name, its model, its host, its ids, its wording.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from e2e.outside import Line, admin, answer, ask, chat, get, metric, until, workers
from lizi.testing.partners import Behaviour, ToolCall
from planted_pictures import saved, scene
from running_service import PARTNER_KEY, Running, running

SERVER = "workers = 2\ngrace_ms = 0\ndrain_ms = 5000"
STRICT_AND_LOUD = '[store]\ndurability = "strict"\n[telemetry]\nlog_level = "debug"'
_NUMBERS = count()


class Plants:
    """Words that occur nowhere else, each by the door that it goes in by."""

    def __init__(self) -> None:
        self.words: dict[str, str] = {}

    def plant(self, door: str) -> str:
        """A new word for `door`. Letters only, so that no escaping hides it."""
        digits = f"{next(_NUMBERS):03d}".translate(str.maketrans("0123456789", "qwertyuiop"))
        word = f"zeisig{digits}finch"
        self.words[f"{door} {len(self.words)}"] = word
        return word

    def found_in(self, data: bytes) -> set[str]:
        """The doors whose words are in `data`, plain, in hexadecimal, in base 64 at any of its three phases, in UTF-16."""
        found = set()
        lower = data.lower()
        for door, word in self.words.items():
            raw = word.encode()
            phases = [base64.b64encode(bytes(phase) + raw)[4 * phase // 3 + (phase > 0) : -4] for phase in range(3)]
            if raw in lower or raw.hex().encode() in lower or word.encode("utf-16-le") in lower or any(form in data for form in phases):
                found.add(door)
        return found


@pytest.fixture(scope="module")
def plants() -> Plants:
    return Plants()


PARTNER_MARKS = ("acme", PARTNER_KEY, "chatcmpl-00000000", "1760000000", "openrouter", "cf-ray", "partner-request")
PARTNER_HEADERS = (("x-request-id", "acme-req-1"), ("server", "acme"), ("cf-ray", "1"), ("openai-organization", "acme"))
PARTNER_ID = {"id": "chatcmpl-secret", "system_fingerprint": "fp_acme"}


@pytest.fixture(scope="module")
def received() -> list[bytes]:
    """Every octet that a client got."""
    return []


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, plants: Plants, received: list[bytes]) -> Iterator[Running]:
    """A service that has been through everything that can happen to words."""
    with running(tmp_path_factory.mktemp("canary"), server=SERVER, more=STRICT_AND_LOUD) as service:
        for stream in (False, True):
            _talk(service, plants, received, stream)
            _features(service, plants, received, stream)
            _failures(service, plants, received, stream)
            _leave(service, plants, stream)
        _bad_requests(service, plants, received)
        until(lambda: admin(service, "GET", "/status")["in_flight"] == 0, "all exchanges over")
        until(lambda: metric(service, "lizi_journal_waiting") == 0, "all records written")
        yield service


def _behaviour(plants: Plants, **changes: Any) -> Behaviour:
    headers = (*PARTNER_HEADERS, ("x-note", plants.plant("partner header")))
    return Behaviour(**({"text": plants.plant("answer"), "headers": headers, "chunks": 4} | changes))


def _whole(service: Running, received: list[bytes], body: Any, **named: Any) -> int:
    status, headers, data = ask(service, body, **named)
    received.append(repr(headers).encode() + data)
    return status


def _full(plants: Plants, stream: bool) -> dict[str, Any]:
    """A request with a word in every place that takes one."""
    word = plants.plant("image").encode()
    image = base64.b64encode(saved(scene(), "JPEG", comment=word) + word * 20).decode()
    function = {"name": "look", "arguments": json.dumps({"q": plants.plant("tool arguments")})}
    return {
        "model": "assistant", "stream": stream, "user": plants.plant("user"), "metadata": {"note": plants.plant("metadata")},
        "store": True, "safety_identifier": plants.plant("safety identifier"), "prompt_cache_key": plants.plant("cache key"),
        "stop": [plants.plant("stop")],
        "tools": [{"type": "function", "function": {
            "name": "look", "description": plants.plant("tool description"),
            "parameters": {"type": "object", "properties": {plants.plant("tool property"): {"type": "string"}}},
        }}],
        "messages": [
            {"role": "system", "content": plants.plant("system")},
            {"role": "user", "name": plants.plant("name"), "content": [
                {"type": "text", "text": plants.plant("prompt")},
                {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{image}"}},
            ]},
            {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": function}]},
            {"role": "tool", "tool_call_id": "call_1", "content": plants.plant("tool result")},
        ],
    }  # fmt: skip


def _talk(service: Running, plants: Plants, received: list[bytes], stream: bool) -> None:
    service.partner.play(_behaviour(plants, reasoning=plants.plant("reasoning"), model="acme-7-0605"))
    key = plants.plant("idempotency key")
    named = {"x_device": plants.plant("header"), "idempotency_key": key, "x_request_id": "r-1"}
    body = _full(plants, stream)
    assert _whole(service, received, body, **named) == 200, received[-1]
    assert _whole(service, received, body, **named) == 409
    service.partner.play(_behaviour(plants, tools=(ToolCall(name="look", arguments=json.dumps({"q": plants.plant("called")})),)))
    assert _whole(service, received, _full(plants, stream)) == 200
    shape = {"type": "json_schema", "json_schema": {"name": "s", "strict": True, "schema": {
        "type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}}}  # fmt: skip
    service.partner.play(_behaviour(plants, text=json.dumps({"a": plants.plant("structured")})))
    assert _whole(service, received, chat(plants.plant("prompt"), response_format=shape, stream=stream)) == 200
    service.partner.play(_behaviour(plants, text=json.dumps({plants.plant("wrong field"): plants.plant("wrong structure")})))
    assert _whole(service, received, chat(plants.plant("prompt"), response_format=shape, stream=stream)) in (200, 502)


def _features(service: Running, plants: Plants, received: list[bytes], stream: bool) -> None:
    text = f"Their is a {plants.plant('input')} on the river, and it sing every morning."
    tasks: dict[str, dict[str, Any]] = {
        "proofread": {},
        "rewrite": {"style": "custom", "options": {}},
        "transform": {"to": "summary"},
    }
    service.partner.play(_behaviour(plants, text=text.replace("Their", "There").replace("sing ", "sings ")))
    for name, more in tasks.items():
        if name == "rewrite":
            more |= {"instruction": plants.plant("instruction")}
        common = {"input": {"text": text}, "locale": "en", "stream": stream, "idempotency_key": plants.plant("body's key")}
        common |= {"context": {"app": plants.plant("context")}, "consent": {"id": plants.plant("consent")}}
        _whole(service, received, {**common, **more}, path=f"/v1/writing/{name}")
        _whole(service, received, {**common, **more, plants.plant("unknown field"): 1}, path=f"/v1/writing/{name}")


def _failures(service: Running, plants: Plants, received: list[bytes], stream: bool) -> None:
    words = {"error": {"message": f"acme says {plants.plant('partner error')}", "type": plants.plant("type"), "code": "acme_broke"}}
    planted = _behaviour(plants)
    failures: list[dict[str, Any]] = [{"status": status, "error": words} for status in (400, 401, 403, 404, 413, 429, 500, 503, 529)]
    failures += [{"error": words}, {"finish": plants.plant("finish")}, {"finish": "content_filter"}]
    failures += [{"body": plants.plant("raw body").encode(), "content_type": "text/html"}]
    failures += [{"status": 302, "headers": (("location", f"http://acme.example/{plants.plant('location')}"),)}]
    failures += [{"fault": fault, "fault_after": 2} for fault in ("cut", "reset", "error_event", "garbage_chunk", "truncated")]
    failures += [{"fault": fault} for fault in ("close_before_headers", "garbage_head")]
    for change in failures:
        service.partner.play(Behaviour(**{"text": planted.text, "headers": planted.headers, "chunks": 4, **change}))
        for model in ("assistant", "plain"):
            _whole(service, received, chat(plants.plant("prompt"), model=model, stream=stream))


def _leave(service: Running, plants: Plants, stream: bool) -> None:
    """A client that goes away, before and in the middle of an answer."""
    for first_byte_ms, mark in ((60_000, b""), (0, b"data: ")):
        if mark and not stream:
            continue
        service.partner.play(_behaviour(plants, text=plants.plant("answer") * 50, chunks=50, interval_ms=200, first_byte_ms=first_byte_ms))
        before = service.partner.requests_total
        line = Line(service).send(chat(plants.plant("prompt"), stream=stream))
        until(lambda: service.partner.requests_total > before, "the partner is asked")  # noqa: B023 - called at once
        if mark:
            line.read_to(mark)
        line.close()
        until(lambda: service.partner.in_flight == 0, "the partner is left")


def _bad_requests(service: Running, plants: Plants, received: list[bytes]) -> None:
    word = plants.plant
    bodies: list[Any] = [
        f'{{"model": "assistant", "messages": [{{"role": "user", "content": "{word("malformed")}'.encode(),
        f'{{"{word("malformed name")}'.encode(),
        b'{"model": "assistant", "messages": [{"role": "user", "content": "\xff' + word("bad UTF-8").encode() + b'"}]}',
        f'"{word("a string")}"'.encode(),
        [word("a list")],
        chat(word("prompt"), **{word("unknown field"): 1}),
        chat(word("prompt"), temperature=word("wrong type")),
        chat(word("prompt"), model=word("unknown model")),
        chat(word("prompt"), n=2),
        chat(word("prompt"), tool_choice={"type": "function", "function": {"name": word("missing tool")}}),
        chat(word("prompt"), response_format={"type": word("unknown format")}),
        {"model": "assistant", "messages": [{"role": word("unknown role"), "content": "x"}]},
        {"model": "assistant", "messages": [{"role": "user", "content": [{"type": word("part type"), "text": "x"}]}]},
        {"model": "assistant", "messages": [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": f"http://{word('image host')}.example/x.png"}}]}]},
        {"model": "assistant", "messages": [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{word('bad base64')}!"}}]}]},
        {"model": "assistant", "messages": [{"role": "user", "content": {word("nested name"): [word("nested")]}}]},
        b"[" * 5_000 + word("deep").encode(),
    ]  # fmt: skip
    for body in bodies:
        assert 400 <= _whole(service, received, body) < 500, body
        for feature in ("proofread", "rewrite", "transform"):
            assert 400 <= _whole(service, received, body, path=f"/v1/writing/{feature}") < 500
    for feature in ("proofread", "rewrite", "transform"):
        wrong: dict[str, Any] = {"input": {"text": [word("input")]}, "locale": word("locale"), "style": word("style"), "to": word("to")}
        assert _whole(service, received, wrong, path=f"/v1/writing/{feature}") == 400
        assert _whole(service, received, {"input": {"text": word("text")}, "locale": word("locale")}, path=f"/v1/writing/{feature}") == 400
    heads: list[dict[str, str]] = [
        {"key": f"lz_{word('app key')}"},
        {"idempotency_key": f"bad {word('bad key')}"},
        {"content_type": f"text/{word('media type')}"},
        {"x_request_id": f"{word('request id')} <>"},
    ]
    for head in heads:
        _whole(service, received, chat(word("prompt")), **head)
    assert _whole(service, received, None, path=f"/v1/{word('path')}?q={word('query')}", method="GET") == 404
    for raw in (f"GARBAGE {word('line')}\n\n", f"POST /{word('target')} HTTP/1.1\r\nHost: a\r\nHost: {word('host')}\r\n\r\n"):
        line = Line(service)
        line.socket.sendall(raw.encode())
        received.append(line.read_all())
        assert answer(received[-1])[0] == 400
        line.close()


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_words_did_reach_the_partner_and_the_search_would_find_them(service: Running, plants: Plants) -> None:
    bodies = b"".join(asked.body for asked in service.partner.requests)
    assert {door.rpartition(" ")[0] for door in plants.found_in(bodies)} >= {
        "prompt", "system", "tool arguments", "tool result", "input", "tool description"
    }  # fmt: skip
    assert b"data:image/jpeg;base64," in bodies
    assert not {door for door in plants.found_in(bodies) if door.startswith("image ")}, "a picture goes, and what its file says stays"
    assert plants.found_in(base64.b64encode(b"ab" + next(iter(plants.words.values())).encode() + b"cdef"))


def test_no_file_of_the_service_holds_a_word_that_was_said(service: Running, plants: Plants) -> None:
    files = _files(service.data_dir)
    assert {"lizi.sqlite", "lizi.sqlite-wal"} <= {path.name for path in files}
    assert sum(path.stat().st_size for path in files) > 100_000, "the ledger has rows"
    found = {path.name: doors for path in files if (doors := plants.found_in(path.read_bytes()))}
    assert not found


def test_no_log_line_holds_a_word_that_was_said_and_each_is_json(service: Running, plants: Plants) -> None:
    lines = until(lambda: (text := service.log).count('"event":"exchange"') > 50 and text, "lines").splitlines()
    assert plants.found_in(service.log.encode()) == set()
    assert {json.loads(line)["level"] for line in lines} >= {"debug", "info", "warning"}


def test_no_number_and_no_state_holds_a_word_that_was_said(service: Running, plants: Plants) -> None:
    shown = [get(service, "/metrics")[2], get(service, "/readyz")[2], get(service, "/openapi.json")[2], get(service, "/v1/models")[2]]
    shown += [json.dumps(admin(service, "GET", path)).encode() for path in ("/status", "/keys")]
    assert b"lizi_exchanges_total" in shown[0]
    assert plants.found_in(b"\n".join(shown)) == set()


def test_no_error_repeats_what_was_sent_and_no_word_of_a_failing_partner_comes_through(
    service: Running, plants: Plants, received: list[bytes]
) -> None:
    errors = [data[data.index(b'"error":{') :] for data in received if b'"error":{' in data]
    assert len(errors) > 100
    found = {door.rpartition(" ")[0]: data for data in errors for door in plants.found_in(data)}
    # Whoever sends a field or a model that nobody knows is told which one: names of the protocol, never what they hold.
    assert {door: data for door, data in found.items() if door not in {"unknown field", "unknown model"}} == {}


def test_nothing_that_a_client_received_names_the_partner(service: Running, received: list[bytes]) -> None:
    # Without the service's own ids: 26 random characters in hundreds of answers hold any four letters once in a hundred runs.
    everything = re.sub(rb"(?:rq_|chatcmpl-|call_)[0-9a-z]{26}", b"", b"\n".join(received).lower())
    assert len(everything) > 50_000
    for mark in PARTNER_MARKS:
        at = everything.find(mark.encode())
        assert at < 0, everything[max(0, at - 200) : at + 100]


def test_no_secret_is_in_any_file_or_log(service: Running) -> None:
    for path in [*_files(service.data_dir), service.folder / "log"]:
        data = path.read_bytes()
        assert PARTNER_KEY.encode() not in data, path.name
        assert service.key.encode() not in data, path.name


def test_the_workers_lived_through_all_of_it(service: Running) -> None:
    status = admin(service, "GET", "/status")
    assert status["worker_restarts"] == 0
    assert metric(service, "lizi_defects_total") == 0, service.log[-2000:]
    assert len(workers(service)) == 2
