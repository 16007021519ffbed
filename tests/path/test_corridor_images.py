"""Pictures on the path: cleaned once, before anybody is asked, wherever in the conversation they stand."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from corridor import Corridor, end_of
from lizi import pipeline
from lizi.dialects import DIALECTS
from lizi.errors import Refused
from lizi.testing import Behaviour
from lizi.types import Fault
from planted_pictures import SECRET, data_of, difference, opened, planted, saved, says_nothing, scene, url_of

pytestmark = pytest.mark.asyncio
PLANTED = planted()
GOOD = Behaviour(text="A hill.")
DOWN = Behaviour(status=503, error={"error": {"message": "overloaded"}})
AT = "messages[0].content[1].image_url.url"
SEEING = """
[metering]
unpriced = "free"
[partners.first]
base_url = "https://first.example/v1"
own = true
dialect = "{dialect}"
[partners.second]
base_url = "https://second.example/v1"
own = true
[models.seeing]
targets = [
    {{ partner = "first", model = "large", capabilities = {able} }},
    {{ partner = "second", model = "other", capabilities = {able} }},
]
{more}
"""


def config(*able: str, dialect: str = "openai_chat", more: str = "") -> str:
    return SEEING.format(able=json.dumps(["images", *able]), dialect=dialect, more=more)


def body(*urls: str, **fields: Any) -> dict[str, Any]:
    parts = [{"type": "image_url", "image_url": {"url": url, "detail": "high"}} for url in urls]
    return {"model": "seeing", "messages": [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, *parts]}], **fields}


def pictures(call: Any) -> list[str]:
    """Every data: URL in what a partner was sent, also where its protocol takes one apart."""
    found = []
    level: list[Any] = [msgspec.json.decode(call.body)]
    while level:
        node = level.pop(0)
        if isinstance(node, dict):
            if node.get("type") == "image_url":
                found.append(node["image_url"]["url"])
                assert set(node["image_url"]) <= {"url", "detail"}
            if node.get("type") == "image":
                assert set(node) == {"type", "source"} and set(node["source"]) == {"type", "media_type", "data"}
                found.append(f"data:{node['source']['media_type']};base64,{node['source']['data']}")
            level += node.values()
        elif isinstance(node, list):
            level += node
    return found


@pytest.mark.requirement("S21")
@pytest.mark.parametrize("name", PLANTED)
@pytest.mark.parametrize("stream", [True, False])
async def test_no_partner_sees_what_a_picture_said_beside_what_it_shows(name: str, stream: bool) -> None:
    """Both dialects: the first partner is down. No file name, no field but these."""
    corridor = Corridor([DOWN, GOOD], config=config(dialect="anthropic"))
    assert end_of(await corridor.ask(body(url_of(PLANTED[name]), stream=stream))) == "stop"
    assert [call.url.split("/")[2] for call in corridor.upstream.calls] == ["first.example", "second.example"]
    for call in corridor.upstream.calls:
        (url,) = pictures(call)
        assert says_nothing(url)
        assert SECRET.encode() not in call.body
        assert b"filename" not in call.body and b"file_name" not in call.body
        if "transparency" not in name:
            assert difference(opened(url), scene()) < 3
    (record,) = corridor.journal.records
    assert record.checks["images"] == "passed"


async def test_a_picture_is_cleaned_once_and_not_for_each_target() -> None:
    corridor = Corridor([DOWN, GOOD], config=config())
    await corridor.ask(body(url_of(PLANTED["jpeg"])))
    assert len(corridor.upstream.calls) == 2
    assert len(corridor.images.cleaned) == 1


async def test_a_second_ask_of_a_plan_has_the_clean_picture_too() -> None:
    """The repair of a broken schema is made from the messages as they stand."""
    shape = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object", "required": ["a"]}}}
    corridor = Corridor([Behaviour(text="no"), Behaviour(text='{"a": 1}')], config=config("json_object"))
    assert end_of(await corridor.ask(body(url_of(PLANTED["jpeg"]), response_format=shape))) == "stop"
    assert len(corridor.upstream.calls) == 2
    assert len(corridor.images.cleaned) == 1
    for call in corridor.upstream.calls:
        assert all(map(says_nothing, pictures(call))) and pictures(call)
        assert url_of(PLANTED["jpeg"])[40:200].encode() not in call.body


async def test_every_picture_of_a_conversation_is_cleaned_each_in_its_place() -> None:
    corridor = Corridor(GOOD, config=config("tools"))
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    one, two, three = (url_of(saved(scene(width), "PNG", exif=b"Exif\0\0" + SECRET.encode())) for width in (40, 50, 60))
    turns = [
        *body(one, two)["messages"],
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "seen"},
        *body(three)["messages"],
    ]
    assert end_of(await corridor.ask({"model": "seeing", "messages": turns})) == "stop"
    sent = pictures(corridor.upstream.calls[0])
    assert [opened(url).width for url in sent] == [40, 50, 60]
    assert all(map(says_nothing, sent))


@pytest.mark.parametrize("stream", [True, False])
async def test_a_broken_picture_is_the_callers_fault_and_is_named_by_its_place(stream: bool) -> None:
    corridor = Corridor(GOOD, config=config())
    good, broken = url_of(PLANTED["png"]), url_of(PLANTED["png"][:200])
    events = await corridor.ask(body(good, broken, stream=stream))
    assert isinstance(events[0], Fault)
    error = events[0].error
    assert (error.status, error.code, error.param) == (400, "unsupported_content", "messages[0].content[2].image_url.url")
    assert error.message.startswith(error.param)
    assert corridor.upstream.calls == []
    (record,) = corridor.journal.records
    assert (record.outcome, record.charged_micros, record.checks["images"]) == ("unsupported_content", 0, "failed")


async def test_where_no_picture_can_be_cleaned_none_is_sent() -> None:
    corridor = Corridor(GOOD, config=config())
    corridor.images.refusal = Refused("Too many images are waiting to be checked.", code="busy", retry_after_s=1.0)
    assert end_of(await corridor.ask(body(url_of(PLANTED["png"])))) == "busy"
    assert corridor.upstream.calls == []
    (record,) = corridor.journal.records
    assert record.checks["images"] == "error"


async def test_a_request_without_pictures_does_not_touch_the_port() -> None:
    """Not one await more than before: the port would raise here."""
    corridor = Corridor(GOOD, config=config())
    corridor.images.refusal = Refused("It was asked.", code="busy")
    assert end_of(await corridor.ask(body())) == "stop"
    (record,) = corridor.journal.records
    assert "images" not in record.checks


async def test_an_app_at_its_limit_gets_no_picture_cleaned() -> None:
    corridor = Corridor(GOOD, config=config(), places=0)
    opened_request = corridor.open(body(url_of(PLANTED["png"])))
    async for _ in pipeline.serve(opened_request, corridor.ports):
        pass
    assert corridor.images.cleaned == []


async def test_links_are_refused_unless_allowed_and_then_passed_on_unfetched() -> None:
    link = "https://photos.example/u/olga/1.jpg?sig=abc"
    corridor = Corridor(GOOD, config=config())
    with pytest.raises(Exception, match="links to images are not passed on") as caught:
        corridor.open(body(link))
    assert (caught.value.status, caught.value.param) == (400, AT)  # type: ignore[attr-defined]
    allowed = Corridor(GOOD, config=config(more='[veil]\nremote_images = "allow"'))
    assert end_of(await allowed.ask(body(link, url_of(PLANTED["png"])))) == "stop"
    passed, cleaned = pictures(allowed.upstream.calls[0])
    assert passed == link
    assert says_nothing(cleaned) and data_of(cleaned)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_no_dialect_sends_a_name_for_a_picture(dialect: str) -> None:
    corridor = Corridor(GOOD, config=config(dialect=dialect))
    request = corridor.open(body(url_of(PLANTED["png"]))).first
    target = corridor.house.routes["seeing"].targets[0]
    assert target.dialect == dialect
    assert len(pictures(DIALECTS[dialect].encode(request, target))) == 1, "and `pictures` asserts the fields"
