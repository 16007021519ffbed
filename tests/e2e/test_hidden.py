"""What a device gets from the running service, to the last byte: no word of any partner, whoever answers and however it fails.

The whole table of dialects and behaviours runs in tests/conformance/test_hidden_partner.py; here are status line, headers, paths, the way
from one partner to the next, and the questions for who answers.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import replace

from every_row import MAKER, METRICS_TOKEN, NAME, Row, Stage, every_row
from lizi.testing.behaviours import Behaviour
from lizi.testing.branding import branded
from lizi.testing.planted import PLANTED
from lizi.testing.remembering import GOOD
from lizi.testing.speeches import SPEECHES

ASK = [{"role": "user", "content": "How is the river?"}]
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
PLAYED = ("keep_alive", "vendor_names", "tool_arguments", "usage_chunk", "unknown_finish", "error_in_stream", "truncated", "sensitive",
          "framing", "model_swap", "braggart", "binary_stream", "block_reason", "unwell", "rate_limited")  # fmt: skip
"""In this order: after the last ones a target rests."""
LAST = ("unwell", "rate_limited", "sensitive")
ANSWERS: list[list[str]] = tomllib.loads((Path(__file__).parents[1] / "rooms" / "identity_answers.toml").read_text("utf-8"))["answers"]
ALLOWED_HEADERS = {
    "content-type", "cache-control", "x-request-id", "x-client-request-id", "x-accel-buffering", "connection", "content-length",
    "transfer-encoding", "retry-after", "date", "allow", "www-authenticate",
}  # fmt: skip


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with every_row(tmp_path_factory.mktemp("rows")) as stage:
        yield stage


@pytest.mark.requirement("S41")
@pytest.mark.requirement("S38")
def test_no_byte_of_an_answer_knows_the_partner(tmp_path: Path) -> None:
    answers = 0
    with every_row(tmp_path) as stage:  # of its own: at its end every target rests
        for name in PLAYED:
            planted = next(planted for planted in PLANTED if planted.name == name)
            for row in stage.rows.values():
                if row.dialect in planted.absent:
                    continue
                for index, variant in enumerate(planted.variants(SPEECHES[row.dialect])):
                    for stream in (True, False) if name not in LAST else (index % 2 == 0,):
                        if stream not in variant.streamed or variant.hurried:
                            continue
                        row.partner.play(branded(variant.script, row.mark, index))
                        answer = stage.ask(row.model, ASK, stream=stream, tools=[TOOL], headers=["x-request-id: device-1"])
                        assert answer.holding(row.words) == [], (row.dialect, name, variant.name, stream)
                        names = {line.partition(b":")[0].decode().lower() for line in answer.head.split(b"\r\n")[1:]}
                        assert names <= ALLOWED_HEADERS, names - ALLOWED_HEADERS
                        answers += 1
        asked = sum(row.partner.requests_total for row in stage.rows.values())
    assert answers > 700
    assert asked > 0.9 * answers, "nearly all of it came from a partner"


@pytest.mark.requirement("S41")
@pytest.mark.parametrize("dialect", SPEECHES)
def test_nor_does_an_answer_that_came_from_the_second_partner(stage: Stage, dialect: str) -> None:
    names = list(SPEECHES)
    first, second = stage.rows[dialect], stage.rows[names[(names.index(dialect) + 1) % len(names)]]
    second.partner.play(branded(GOOD, second.mark, 3))
    speech = SPEECHES[dialect]
    faults = (speech.error("server_error"), replace(GOOD, fault="close_before_headers"), replace(GOOD, fault="garbage_head"))
    for number, failing in enumerate(faults):
        first.partner.play(branded(failing, first.mark, number))
        before = second.partner.requests_total
        for stream in (True, False):
            answer = stage.ask(f"pair-{first.model}", ASK, stream=stream)
            assert answer.status == 200
            assert answer.text.endswith("🦊")
            assert answer.holding([*first.words, *second.words]) == []
        assert second.partner.requests_total == before + 2


def test_nor_one_that_took_too_long_or_was_broken_off(tmp_path: Path) -> None:
    def late(number: int) -> None:
        row = list(stage.rows.values())[number]
        slow = (replace(GOOD, first_byte_ms=60_000), replace(GOOD, first_token_ms=60_000), replace(GOOD, keepalives=9_000, keepalive_ms=5))
        row.partner.play(branded(slow[number % 3], row.mark, number))
        answer = stage.ask(row.model, ASK, stream=True)
        assert b"upstream_timeout" in answer.body
        assert answer.holding(row.words) == []

    # Long enough for a busy machine to connect; nobody waits for the partners' minute.
    with every_row(tmp_path, first_token_ms=400) as stage, ThreadPoolExecutor(len(SPEECHES)) as pool:
        list(pool.map(late, range(len(stage.rows))))


@pytest.mark.requirement("S41")
def test_no_path_of_an_app_names_a_partner(stage: Stage) -> None:
    words = sorted({word for row in stage.rows.values() for word in row.words} - {"acme"})
    for row in stage.rows.values():
        row.partner.play(branded(GOOD, row.mark))
        stage.ask(row.model, ASK)
    for asked, status in (
        ("GET /v1/models", 200),
        ("HEAD /v1/models", 200),
        ("GET /v1/models?partner=acme-qwen", 200),
        ("DELETE /v1/models", 405),
        ("GET /openapi.json", 200),
        ("GET /healthz", 200),
        ("GET /readyz", 200),
        ("GET /v1/nothing", 404),
        ("GET /", 404),
    ):
        method, path = asked.split()
        answer = stage.send(method, path)
        assert answer.status == status
        assert answer.holding([*words, "acme"] if "acme" not in path else words) == [], path
    for body in (b"{", b'{"model":"acme-qwen","messages":[]}', b'{"model":"qwen-plus"}'):
        answer = stage.send("POST", "/v1/chat/completions", body)
        told = [word for word in words if word.lower() not in body.decode()]
        assert answer.status >= 400
        assert answer.holding(told) == []


def test_the_numbers_for_the_operator_name_partners_and_an_app_can_not_have_them(stage: Stage) -> None:
    shown = stage.send("GET", "/metrics", key=METRICS_TOKEN)
    assert shown.status == 200
    assert b"acme-qwen" in shown.body
    refused = stage.send("GET", "/metrics")
    assert refused.status == 401
    assert refused.holding([word for row in stage.rows.values() for word in row.words]) == []


@pytest.mark.requirement("S41")
def test_what_the_law_wants_shown_is_shown(stage: Stage) -> None:
    (notice,) = json.loads(stage.send("GET", "/v1/notices?market=CN").body)["notices"]
    assert (notice["name"], notice["number"], notice["filed_on"]) == ("通义千问", "Example-2026-0007", "2026-02-03")
    assert stage.rows["qwen"].model in notice["models"]
    assert b"acme" not in stage.send("GET", "/v1/notices?market=CN").body, "the model, and not what the operator calls its partner"


# --- who are you? -----------------------------------------------------------------------------------


@pytest.mark.requirement("S41")
@pytest.mark.requirement("S28")
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_asked_who_it_is_every_model_answers_as_the_feature(stage: Stage, stream: bool) -> None:
    rows = list(stage.rows.values())
    wrong = []
    for number, (_, _, question, said, *gone) in enumerate(ANSWERS):
        row = rows[number % len(rows)]
        row.partner.play(_saying(row, said, chunks=1 + number % 30))
        answer = stage.ask(row.model, [{"role": "user", "content": question}], stream=stream)
        text = answer.text
        named = any(word in text for word in (*NAME.values(), *MAKER.values()))
        brought = [word for word in row.words if word.lower() in question.lower()]
        kept = [word for word in answer.holding(row.words) if word not in brought]
        if answer.status != 200 or not named or kept or any(piece.lower() in text.lower() for piece in gone):
            wrong.append((row.dialect, question, said, text, kept))
    assert wrong == []
    assert len(ANSWERS) >= 200


def _saying(row: Row, said: str, *, chunks: int) -> Behaviour:
    """`said` and no more for a text, and the partner's name everywhere else."""
    made = branded(replace(GOOD, text=None), row.mark)
    assert isinstance(made, Behaviour)
    return replace(made, text=said, chunks=chunks)
