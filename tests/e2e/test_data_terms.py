"""What each partner's socket got from the running service, byte by byte: the request's words without whose they are.

The suite on data terms. Here: (a) nothing that names a person, a device or a place, whatever came with the request; (b) no handle of any
kind by which two requests of one person could be put together: absent, or random where the record wants one; (c) what a dialect has
against keeping and training; (g) a receipt that tells what was sent. (d) Refused before a connection and (e) drained at the end of the
terms: tests/path/test_partner_terms.py. (f) What leaks names its partner: tests/cli/test_veil_trace.py. Unknown fields at every level:
tests/path/test_veil_egress.py. No socket outside of a region: tests/e2e/test_no_socket_elsewhere.py. That a
partner keeps its word on what it was sent no test can show.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from every_row import KEY, Row, Stage, every_row, takes_pictures
from lizi.config import built_in
from lizi.dialects.records import on_day
from lizi.testing.behaviours import Behaviour
from lizi.testing.captured import Captured
from lizi.testing.speeches import SPEECHES
from partner_line import NOW
from planted_pictures import SECRET, planted, says_nothing, url_of

USER = "u-8842-olga-petrova"
DEVICE = "D3V1CE-77aa-41c9-b1f0"
PERSONAL = {
    "phone": "13912345678",
    "phone with a code": "+86 137 0000 1111",
    "resident id": "11010519491231002X",
    "bank card": "6222021234567890128",
    "e-mail": "olga.petrova@example.org",
    "address": "203.0.113.77",
    "IMEI": "490154203237518",
    "MAC": "00:1b:44:11:3a:b7",
    "plate": "京A·12345",
    "IBAN": "DE89370400440532013000",
    "SSN": "536-22-1234",
    "key": "sk-" + "proj-4kR9vT2mXq7LpWc8" * 2,  # put together here, so that no search for keys finds one
}
CONTACTS = (
    "我叫王建国，住在浙江省杭州市西湖区文三路478号3幢201室。",
    "My name is Olga Petrova, and I live at 1742 Maple Grove Avenue, Springfield, IL 62704.",
)
CONTACT_WORDS = ("王建国", "文三路478号", "201室", "Olga Petrova", "1742 Maple Grove", "62704")
HEADERS = {
    "x-forwarded-for": "198.51.100.23, 203.0.113.9",
    "forwarded": 'for="[2001:db8::17]";by=203.0.113.43',
    "x-real-ip": "198.51.100.24",
    "cf-connecting-ip": "198.51.100.25",
    "true-client-ip": "198.51.100.26",
    "via": "1.1 office-proxy-4471",
    "user-agent": "PocketAgent/8.1 (Phone17,2; iOS 27.0)",
    "accept-language": "gsw-CH, de;q=0.5",
    "cookie": "sid=c00kie-4471-olga; theme=dark",
    "x-device-id": DEVICE,
    "x-user-id": USER,
    "x-session-id": "session-99-4471",
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "tracestate": "rojo=00f067aa0ba902b7",
    "baggage": "userId=olga-4471,region=west",
    "x-request-id": "device-request-4471",
    "idempotency-key": "idem-4471-%s",
    "origin": "https://app-4471.example",
    "referer": "https://app-4471.example/inbox/17",
    "from": "olga.p@example.net",
    "sec-ch-ua-model": '"Phone17-4471"',
    "x-b3-traceid": "80f198ee56343ba864fe8b2a57d3eff7",
    "priority": "u=1, i",
    "dnt": "1",
    "x-lizi-user": USER,
    "openai-organization": "org-4471",
    "x-stainless-os": "MacOS-4471",
}
SENT_HEADERS = {
    "host", "content-length", "content-type", "accept", "accept-encoding", "user-agent", "authorization", "x-api-key", "anthropic-version",
}  # fmt: skip
"""All that a partner may get."""
CALL = {"id": "call_device_4471", "type": "function", "function": {"name": "dial", "arguments": json.dumps({"to": PERSONAL["phone"]})}}
TOOL = {"type": "function", "function": {"name": "dial", "description": f"Calls {PERSONAL['phone']}", "parameters": {"type": "object"}}}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with every_row(tmp_path_factory.mktemp("rows")) as stage:
        for row in stage.rows.values():
            row.partner.play(Behaviour(text="Done.", chunks=3))
        yield stage


def asked(row: Row, number: int) -> tuple[dict[str, Any], list[str]]:
    """All that an app can put into a request, and the headers that come with it. `number` makes one of several by the same person."""
    said = "\n".join([*(f"My {kind} is {value}." for kind, value in PERSONAL.items()), *CONTACTS])
    body = {
        "messages": [
            {"role": "system", "content": f"The user can be reached at {PERSONAL['e-mail']}.", "name": USER},
            {"role": "user", "content": said, "name": USER},
            {"role": "assistant", "content": f"I will call {PERSONAL['phone']}.", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "call_device_4471", "content": json.dumps({"called": PERSONAL["phone"]})},
            {"role": "user", "content": [{"type": "text", "text": f"And {PERSONAL['bank card']}?"}], "name": USER},
        ],
        "tools": [TOOL],
        "user": USER,
        "safety_identifier": f"{USER}-safety",
        "prompt_cache_key": f"{USER}-cache",
        "metadata": {"device": DEVICE, "user": USER},
        "store": True,
        "service_tier": "auto",
        "x_conversation": f"conversation-{USER}",
    }
    return body, [f"{name}: {value.replace('%s', f'{row.model}-{number}')}" for name, value in HEADERS.items()]


def planted_words() -> list[str]:
    words = [*PERSONAL.values(), *CONTACT_WORDS, USER, DEVICE]
    words += ["4471", "olga", "petrova", "Phone17", "PocketAgent", "gsw-CH", "device-request"]
    words += [piece for value in HEADERS.values() for piece in re.split(r'["\s,;]+', value) if len(piece) > 7]
    words += ["".join(filter(str.isdigit, value)) for value in PERSONAL.values() if sum(map(str.isdigit, value)) > 8]
    return sorted({word.lower() for word in words} - {"region=west"})


def got(row: Row, count: int) -> list[Captured]:
    """The last requests that reached its partner."""
    assert list(row.partner.refused) == [], "it takes what it is asked"
    return list(row.partner.requests)[-count:]


def seen(captured: Captured, words: list[str]) -> list[str]:
    raw = (captured.head + captured.body).lower()
    text = raw.decode() + json.dumps(json.loads(captured.body), ensure_ascii=False).lower()
    packed = [base64.b64encode(word.encode()).decode().rstrip("=").lower() for word in words if len(word) > 8]
    return [word for word in (*words, *packed) if word in text]


@pytest.mark.requirement("S46")
@pytest.mark.requirement("S35")
@pytest.mark.parametrize("dialect", SPEECHES)
def test_nothing_that_says_who_where_or_on_what_reaches_a_partner(stage: Stage, dialect: str) -> None:
    row = stage.rows[dialect]
    for number, stream in enumerate((True, False)):
        body, headers = asked(row, number)
        answer = stage.ask(row.model, **body, stream=stream, headers=headers)
        assert answer.status == 200, answer.body
        (captured,) = got(row, 1)
        assert seen(captured, planted_words()) == []
        assert seen(captured, [stage.served.key.lower(), stage.served.key_id.lower(), answer.id.lower(), row.model]) == []
        assert captured.headers.keys() <= SENT_HEADERS
        assert captured.headers["user-agent"] == "lizi"
        assert captured.body.count("⟦".encode()) > len(PERSONAL), "what was said is there, without whose it is"


@pytest.mark.requirement("S46")
@pytest.mark.parametrize("dialect", SPEECHES)
def test_the_same_words_of_one_person_twice_and_of_another_look_alike(stage: Stage, dialect: str) -> None:
    """No field, no header and no line of a prompt tells who of the three is who. (A conversation's own history does link its turns.)"""
    row = stage.rows[dialect]
    facts = on_day(built_in()[dialect], SPEECHES[dialect].models[0], NOW)
    for number, who in ((2, USER), (3, USER), (4, "u-1207-someone-else")):
        body, headers = asked(row, number)
        del body["x_conversation"]
        mine = json.loads(json.dumps([body, headers]).replace(USER, who))
        assert stage.ask(row.model, **mine[0], stream=True, headers=mine[1]).status == 200
    requests = got(row, 3)
    heads = [{name: value for name, value in captured.headers.items() if name != "content-length"} for captured in requests]
    assert heads[0] == heads[1] == heads[2]
    trees = [captured.json for captured in requests]
    for field in facts.random_fields:
        values = {tree.pop(field) for tree in trees}
        assert len(values) == 3, "random for each request"
        assert all(len(value) == 32 for value in values)
    prompts = [json.dumps(tree.pop("system", None) or tree["messages"].pop(0)) for tree in trees]
    if facts.cache == "account":
        assert len(set(prompts)) == 3, "a random line in each, so that nobody's cache is another's"
    assert trees[0] == trees[1] == trees[2]
    named = {"user", "user_id", "safety_identifier", "metadata", "prompt_cache_key", "cache_salt", "session_id", "end_user_id", "device_id"}
    assert not named & set(trees[0])


@pytest.mark.requirement("S46")
@pytest.mark.parametrize("dialect", SPEECHES)
def test_a_partner_is_never_told_to_keep_and_is_told_not_to_where_it_listens(stage: Stage, dialect: str) -> None:
    row = stage.rows[dialect]
    for stream in (True, False):
        assert stage.ask(row.model, [{"role": "user", "content": "Hi"}], store=True, stream=stream).status == 200
        (captured,) = got(row, 1)
        assert captured.json.get("store", False) is False
        assert ("store" in captured.json) == ("store" in SPEECHES[dialect].fields)


SEEING = [dialect for dialect, speech in SPEECHES.items() if any(takes_pictures(dialect, model) for model in speech.models)]
"""The other records name no model that takes pictures."""


@pytest.mark.requirement("S46")
@pytest.mark.requirement("S21")
@pytest.mark.parametrize("dialect", SEEING)
def test_a_picture_arrives_without_what_its_file_said(stage: Stage, dialect: str) -> None:
    row = stage.rows[dialect]
    for name, data in planted().items():
        picture = {"type": "image_url", "image_url": {"url": url_of(data)}}
        answer = stage.ask(row.seeing, [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, picture]}])
        assert answer.status == 200, (name, answer.body)
        (captured,) = got(row, 1)
        assert SECRET.encode() not in captured.body
        sent = _picture(captured.json["messages"][-1]["content"])
        assert says_nothing(url_of(sent)), name


def _picture(blocks: list[dict[str, Any]]) -> bytes:
    for block in blocks:
        if block["type"] == "image_url":
            return base64.b64decode(block["image_url"]["url"].partition(",")[2])
        if block["type"] == "image":
            return base64.b64decode(block["source"]["data"])
    raise AssertionError("no picture arrived")


RECEIPT_FIELDS = {
    "model", "messages", "stream", "max_tokens", "temperature", "top_p", "presence_penalty", "frequency_penalty", "stop", "seed",
    "reasoning_effort", "tools", "response_format", "partner_options",
}  # fmt: skip


@pytest.mark.requirement("S46")
@pytest.mark.parametrize("dialect", SPEECHES)
def test_a_receipt_counts_what_was_hidden_and_names_no_partner(stage: Stage, dialect: str) -> None:
    row = stage.rows[dialect]
    body, headers = asked(row, 5)
    answer = stage.ask(row.model, **body, x_receipt=True, headers=headers)
    (captured,) = got(row, 1)
    (attempt,) = json.loads(answer.body)["choices"][0]["x_receipt"]["attempts"]
    placeholders = set(re.findall("⟦[A-Z_]+_[0-9]+⟧", json.dumps(json.loads(captured.body), ensure_ascii=False)))
    assert sum(attempt["hidden"].values()) == len(placeholders) > len(PERSONAL)
    assert {"phone", "person", "address", "secret"} <= attempt["hidden"].keys()
    assert set(attempt["fields"]) <= RECEIPT_FIELDS
    assert {"messages", "model", "tools"} <= set(attempt["fields"])
    assert (attempt["to"], attempt["answered"]) == ("partner", True)
    assert answer.holding(row.words) == []


@pytest.mark.requirement("S46")
def test_one_account_stands_for_all_users(stage: Stage) -> None:
    """The credential is the operator's; the partner sees one, and Lizi's own address."""
    for dialect, row in stage.rows.items():
        body, headers = asked(row, 4)
        stage.ask(row.model, **body, headers=headers)
        (captured,) = got(row, 1)
        name = SPEECHES[dialect].key_header
        assert (captured.headers.get(name, "").removeprefix("Bearer ") if name else KEY) == KEY
        assert not name or KEY.encode() not in captured.body
