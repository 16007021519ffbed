"""The writing features' protocol: what a body may hold, what it becomes, and how results and failures go out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lizi.errors import CODES, InvalidRequest, LiziError
from lizi.types import Demand, Fault, Final, Ticket, Usage
from lizi.wire.locales import LOCALES, resolve_locale
from lizi.wire.sse import SseEventReader
from lizi.wire.task_fields import CONTEXT_TOKENS, TASK_FIELDS
from lizi.wire.tasks import TaskRequest, TaskStreamEncoder, decode_task, task_meta, whole_task

OWN: dict[str, dict[str, Any]] = {
    "writing.proofread": {},
    "writing.rewrite": {"style": "friendly"},
    "writing.transform": {"to": "list"},
}


def body(feature: str = "writing.proofread", **fields: Any) -> bytes:
    tree = {"input": {"text": "Hello there."}, "locale": "en"} | OWN[feature] | fields
    return json.dumps({name: value for name, value in tree.items() if value != "absent"}).encode()


def decode(feature: str = "writing.proofread", offered: tuple[str, ...] = LOCALES, **fields: Any) -> TaskRequest:
    return decode_task(body(feature, **fields), feature, offered)


def refusal(feature: str = "writing.proofread", **fields: Any) -> LiziError:
    with pytest.raises(InvalidRequest) as caught:
        decode(feature, **fields)
    return caught.value


# --- fields --------------------------------------------------------------------------------------


@pytest.mark.parametrize("feature", OWN)
def test_the_smallest_request_decodes(feature: str) -> None:
    request = decode(feature)
    assert (request.feature, request.text, request.locale, request.stream, request.dropped) == (feature, "Hello there.", "en", False, ())


def test_what_is_acted_on_arrives() -> None:
    request = decode(
        "writing.rewrite",
        input={"text": "Hi **you**", "format": "markdown", "protected_ranges": [[0, 2]]},
        style="custom",
        instruction="Shout.",
        stream=True,
        idempotency_key="k1",
        options={"candidates": 3, "max_chars": 40},
    )
    assert request == TaskRequest(
        feature="writing.rewrite",
        text="Hi **you**",
        locale="en",
        markdown=True,
        protected=((0, 2),),
        stream=True,
        idempotency_key="k1",
        candidates=3,
        max_chars=40,
        style="custom",
        instruction="Shout.",
    )


def test_known_harmless_fields_are_dropped_and_counted() -> None:
    request = decode(
        context={"app": "com.example.mail", "anything": [1]},
        consent="cns_1",
        data_class="personal",
        can_retract=True,
        moderation_mode="full",
    )
    assert set(request.dropped) == {"context", "consent", "data_class", "can_retract", "moderation_mode"}


def test_null_asks_for_the_default() -> None:
    request = decode(output_locale=None, options=None, stream=None, offset_unit=None, level=None, context=None)
    assert (request.stream, request.level, request.offset_unit, request.dropped) == (False, "grammar", "scalar", ())


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"colour": 1}, "colour"),
        ({"input": {"text": "Hi", "txt": 1}}, "input.txt"),
        ({"options": {"n": 1}}, "options.n"),
        ({"tier": {"allow": ["partner"], "speed": 1}}, "tier.speed"),
        ({"style": "friendly"}, "style"),
    ],
)
def test_an_unknown_field_is_refused_with_its_path(fields: dict[str, Any], path: str) -> None:
    error = refusal(**fields)
    assert (error.code, error.param, error.status) == ("unknown_field", path, 400)


@pytest.mark.parametrize(
    ("feature", "fields", "path"),
    [
        ("writing.proofread", {"moderation_mode": "live"}, "moderation_mode"),
        ("writing.proofread", {"options": {"reasoning": "deep"}}, "options.reasoning"),
        ("writing.proofread", {"options": {"candidates": 2}}, "options.candidates"),
        ("writing.proofread", {"options": {"max_chars": 2}}, "options.max_chars"),
        ("writing.transform", {"options": {"max_chars": 2}}, "options.max_chars"),
        ("writing.transform", {"to": "summary", "max_items": 2}, "max_items"),
        ("writing.proofread", {"output_locale": "zh-Hans"}, "output_locale"),
        ("writing.proofread", {"tier": {"allow": ["on_device", "private"]}}, "tier.allow"),
    ],
)
def test_what_would_change_the_result_is_refused_not_ignored(feature: str, fields: dict[str, Any], path: str) -> None:
    error = refusal(feature, **fields)
    assert (error.code, error.param) == ("unsupported_parameter", path)


def test_a_request_that_forbids_partners_is_never_served_by_one() -> None:
    assert decode(tier={"prefer": "on_device", "allow": ["on_device", "partner"]}).dropped == ("tier",)
    assert refusal(tier={"allow": []}).param == "tier.allow"


@pytest.mark.parametrize(
    ("feature", "fields", "path"),
    [
        ("writing.proofread", {"input": "absent"}, "input"),
        ("writing.proofread", {"input": {}}, "input.text"),
        ("writing.proofread", {"input": {"text": 3}}, "input.text"),
        ("writing.proofread", {"input": []}, "input"),
        ("writing.proofread", {"input": {"text": "Hi", "format": "html"}}, "input.format"),
        ("writing.proofread", {"locale": "absent"}, "locale"),
        ("writing.proofread", {"locale": 7}, "locale"),
        ("writing.proofread", {"level": "all"}, "level"),
        ("writing.proofread", {"stream": "yes"}, "stream"),
        ("writing.proofread", {"offset_unit": "bytes"}, "offset_unit"),
        ("writing.proofread", {"idempotency_key": ""}, "idempotency_key"),
        ("writing.proofread", {"idempotency_key": "k" * 256}, "idempotency_key"),
        ("writing.proofread", {"tier": {"allow": "partner"}}, "tier.allow"),
        ("writing.rewrite", {"style": "absent"}, "style"),
        ("writing.rewrite", {"style": "loud"}, "style"),
        ("writing.rewrite", {"style": "custom"}, "instruction"),
        ("writing.rewrite", {"instruction": "Shout."}, "instruction"),
        ("writing.rewrite", {"style": "custom", "instruction": "x" * 501}, "instruction"),
        ("writing.rewrite", {"options": {"candidates": 4}}, "options.candidates"),
        ("writing.rewrite", {"options": {"candidates": True}}, "options.candidates"),
        ("writing.transform", {"to": "absent"}, "to"),
        ("writing.transform", {"max_items": 0}, "max_items"),
        ("writing.transform", {"max_items": 21}, "max_items"),
    ],
)
def test_a_wrong_value_is_refused_where_it_stands(feature: str, fields: dict[str, Any], path: str) -> None:
    error = refusal(feature, **fields)
    if path != "tier.allow":
        assert error.code == "invalid_request"
    assert (error.param, error.status) == (path, 400)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"\xff", b'{"input": {"text": "\\ud800"}, "locale": "en"}', b"[" * 5000])
def test_a_body_that_is_no_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_task(raw, "writing.proofread", LOCALES)
    assert caught.value.code == "invalid_json"


# --- bounds --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", " ", "\n\t "])
def test_a_text_without_text_is_too_small(text: str) -> None:
    assert refusal(input={"text": text}).code == "input_too_small"


def test_the_longest_text_fits_and_one_more_does_not() -> None:
    assert decode(input={"text": "里" * CONTEXT_TOKENS}).text
    error = refusal(input={"text": "里" * (CONTEXT_TOKENS + 1)})
    assert (error.code, error.extra) == ("context_size_exceeded", {"context_size": CONTEXT_TOKENS, "token_count": CONTEXT_TOKENS + 1})


def test_no_message_holds_the_text() -> None:
    secret = "canary里子"
    for fields in ({"level": secret}, {"locale": secret}, {"input": {"text": secret * 2000}}, {secret: 1}, {"options": {secret: 1}}):
        error = refusal(**({"input": {"text": secret}} | fields))
        assert secret not in f"{error.message} {error.param} {error.extra}"


# --- protected ranges ----------------------------------------------------------------------------

TEXT = "a😀𠮷b"  # one, two, two, one UTF-16 units


@pytest.mark.parametrize(
    ("unit", "ranges", "expected"),
    [
        ("scalar", [[1, 3]], ((1, 3),)),
        ("scalar", [[0, 1], [1, 4]], ((0, 1), (1, 4))),
        ("utf16", [[1, 5]], ((1, 3),)),
        ("utf16", [[0, 1], [3, 6]], ((0, 1), (2, 4))),
    ],
)
def test_ranges_arrive_in_scalars(unit: str, ranges: list[list[int]], expected: tuple[tuple[int, int], ...]) -> None:
    assert decode(input={"text": TEXT, "protected_ranges": ranges}, offset_unit=unit).protected == expected


@pytest.mark.parametrize(
    ("unit", "ranges"),
    [
        ("scalar", [[2, 1]]),
        ("scalar", [[1, 1]]),
        ("scalar", [[0, 5]]),
        ("scalar", [[2, 3], [0, 1]]),
        ("scalar", [[0, 2], [1, 3]]),
        ("scalar", [[-1, 2]]),
        ("scalar", [[0, True]]),
        ("scalar", [[0, 1, 2]]),
        ("scalar", ["01"]),
        ("utf16", [[0, 7]]),
        ("utf16", [[2, 3]]),
        ("utf16", [[0, 4]]),
    ],
)
def test_ranges_that_are_none_are_refused(unit: str, ranges: list[Any]) -> None:
    error = refusal(input={"text": TEXT, "protected_ranges": ranges}, offset_unit=unit)
    assert error.code == "invalid_request"
    assert error.param is not None and error.param.startswith("input.protected_ranges[")


@given(text=st.text(st.characters(codec="utf-8"), min_size=1, max_size=30).filter(str.strip), data=st.data())
def test_utf16_ranges_mean_the_same_text(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))

    def units(index: int) -> int:
        return len(text[:index].encode("utf-16-le")) // 2

    request = decode(input={"text": text, "protected_ranges": [[units(start), units(end)]]}, offset_unit="utf16")
    assert request.protected == ((start, end),)


# --- locales -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "locale"),
    [
        ("en", "en"),
        ("en-GB", "en"),
        ("EN-us", "en"),
        ("en-Latn-US", "en"),
        ("zh", "zh-Hans"),
        ("zh-CN", "zh-Hans"),
        ("zh-SG", "zh-Hans"),
        ("zh-Hans-HK", "zh-Hans"),
        ("zh-TW", "zh-Hant"),
        ("zh-Hant", "zh-Hant"),
        ("zh-hant-tw", "zh-Hant"),
        ("zh-HK", "zh-Hant-HK"),
        ("zh-MO", "zh-Hant-HK"),
        ("zh-Hant-HK", "zh-Hant-HK"),
        ("yue", "zh-Hant-HK"),
        ("yue-Hant-HK", "zh-Hant-HK"),
        ("cmn-Hans-CN", "zh-Hans"),
        ("en-US-u-ca-gregory", "en"),
    ],
)
def test_a_tag_resolves_to_its_locale(tag: str, locale: str) -> None:
    assert resolve_locale(tag, LOCALES) == locale


@pytest.mark.parametrize("tag", ["fr", "ja-JP", "yue-Hans", "en-Hant", "zh-Latn", "", "zh_TW", "x", "z" * 200, "zh-Hant-HK\n"])
def test_a_language_that_is_not_offered_is_refused_with_what_is(tag: str) -> None:
    error = refusal(locale=tag)
    assert (error.code, error.extra) == ("unsupported_locale", {"locales": sorted(LOCALES)})


def test_never_another_script_than_asked_for() -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_task(body(locale="zh-HK"), "writing.proofread", ("en", "zh-Hans", "zh-Hant"))
    assert caught.value.code == "unsupported_locale"


# --- answers -------------------------------------------------------------------------------------

RESULT = {"corrected": "里子", "edits": [], "confidence": 0.9, "basis": "model"}
USAGE = Usage(input_tokens=210, output_tokens=96)


def meta(ticket: Ticket | None = None) -> dict[str, Any]:
    return task_meta(decode(), exchange_id="rq_1", feature_version="7", ticket=ticket)


def ticket(**fields: Any) -> Ticket:
    return Ticket(**({"id": 1, "app": "a", "demand": Demand(tokens=1, money_micros=1), "reserved_at": 0.0} | fields))


def test_meta_says_what_is_known_and_nothing_else() -> None:
    assert meta() == {
        "request_id": "rq_1",
        "feature": "writing.proofread",
        "feature_version": "7",
        "tier_used": "partner",
        "locale": "en",
    }
    assert meta(ticket(quota_state="nearing", quota_resets_at=86_400.9))["quota"] == {
        "state": "nearing",
        "resets_at": "1970-01-02T00:00:00Z",
    }
    assert meta(ticket())["quota"] == {"state": "ok", "resets_at": None}


def test_a_whole_answer_is_result_and_meta() -> None:
    tree = json.loads(whole_task([USAGE, Final(result=RESULT)], meta()))
    assert tree["result"] == RESULT
    assert tree["meta"]["usage"] == {"input_tokens": 210, "output_tokens": 96, "cached_tokens": 0, "reasoning_tokens": 0}


def test_an_estimate_says_so() -> None:
    tree = json.loads(whole_task([Usage(input_tokens=1, estimated=True), Final(result=RESULT)], meta()))
    assert tree["meta"]["usage"]["estimated"] is True


def streamed(batches: list[list[Any]]) -> list[tuple[str, str, Any]]:
    encoder = TaskStreamEncoder(meta(), exchange_id="rq_1")
    reader = SseEventReader()
    events = reader.feed(b"".join(encoder.feed(batch) for batch in batches)) + reader.close()
    return [(event.name, event.id, json.loads(event.data)) for event in events]


def test_a_stream_is_meta_usage_final_with_ids() -> None:
    events = streamed([[], [USAGE, Final(result=RESULT)]])
    assert [(name, number) for name, number, _ in events] == [("meta", "1"), ("usage", "2"), ("final", "3")]
    assert events[2][2] == json.loads(whole_task([USAGE, Final(result=RESULT)], meta()))


def test_meta_is_sent_once_and_first_whenever_the_events_come() -> None:
    assert streamed([[], [], [USAGE], [Final(result=RESULT)]]) == streamed([[USAGE, Final(result=RESULT)]])


@pytest.mark.parametrize("code", CODES)
def test_every_failure_is_the_last_event(code: str) -> None:
    name, number, tree = streamed([[Fault(LiziError("It did not work.", code=code, internal="secret"))]])[-1]
    assert (name, number, tree["error"]["code"], tree["error"]["request_id"]) == ("error", "2", code, "rq_1")
    assert "secret" not in json.dumps(tree)


def test_every_field_of_every_feature_has_one_kind() -> None:
    for fields in TASK_FIELDS.values():
        for rule in fields.values():
            assert rule.kind == "used" or not rule.schema
