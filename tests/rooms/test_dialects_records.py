"""Records of partners: dated data that says how each differs, checked against what the design knows of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from lizi.config import built_in, parse
from lizi.dialects import DIALECTS
from lizi.dialects.differences import effort
from lizi.dialects.openai_chat import Reader, encode
from lizi.dialects.records import known, on_day
from lizi.dialects.records import parse as parse_record
from lizi.errors import ConfigError
from lizi.types import BASE, ChatRequest, Event, Fault, Finish, JsonSchemaFormat, Retract, Target, Text

NOW = datetime(2026, 11, 25, tzinfo=UTC).timestamp()
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": True}}
TURNS: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "hi"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        "reasoning": [{"text": "I ask ", "signature": ""}, {"text": "f.", "signature": ""}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "7"},
    {"role": "assistant", "content": "It is 7."},
    {"role": "user", "content": "and now?"},
]


def target(name: str, model: str, at: float = NOW) -> Target:
    record = built_in()[name]
    entry = known(record, model, at)
    return Target(
        partner="p", model=model, region="cn", dialect=record.family, base_url="https://p.test/v1", credential="env:P", price_key="p",
        capabilities=entry.capabilities if entry else frozenset(), strict_schema=entry is not None and entry.schema == "strict",
        facts=on_day(record, model, at),
    )  # fmt: skip


def body(name: str, model: str, **asked: Any) -> dict[str, Any]:
    request = ChatRequest(model="assistant", messages=asked.pop("messages", [{"role": "user", "content": "hi"}]), **asked)
    made: dict[str, Any] = json.loads(encode(request, target(name, model)).body)
    return made


def read(name: str, model: str, *payloads: Any, status: int = 200) -> list[Event]:
    reader = Reader(True, status, {"content-type": "text/event-stream" if status == 200 else "application/json"}, target(name, model))
    raw = "".join(f"data: {json.dumps(payload)}\n\n" for payload in payloads) + "data: [DONE]\n\n"
    return reader.feed(raw.encode() if status == 200 else json.dumps(payloads[0]).encode()) + reader.close()


def chunk(finish: str | None = None, flag: int | None = None, **delta: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"choices": [choice | ({} if flag is None else {"flag": flag})]}


def fault_of(events: list[Event]) -> str:
    (fault,) = [event for event in events if isinstance(event, Fault)]
    return str(fault.error.internal)


# --- the records themselves ------------------------------------------------------------------------


@pytest.mark.parametrize("name", built_in())
def test_every_record_says_where_it_was_read_and_what_stays_open(name: str) -> None:
    record = built_in()[name]
    assert record.family in DIALECTS
    assert record.title
    if name != "openai_chat":
        assert record.read is not None
        assert record.sources
        assert record.models
        assert record.addresses
    for entry in record.models:
        assert entry.source
        assert entry.until is None or entry.since < entry.until


SELF_HOSTED = {"openai_chat", "vllm", "sglang", "llamacpp"}
"""Ways of serving: the models that they serve are others'."""


@pytest.mark.parametrize("name", sorted(set(built_in()) - SELF_HOSTED))
def test_every_partners_record_says_what_it_is_called_and_where_it_is_at_home(name: str) -> None:
    record = built_in()[name]
    assert record.brand.names
    assert record.brand.makers
    assert all("/" not in domain and "." in domain for domain in record.brand.domains)
    for address in record.addresses.values():
        host = address.split("/")[2]
        assert any(host == domain or host.endswith("." + domain) for domain in record.brand.domains), "its own API is its own host"


def test_a_brand_in_a_record_is_read_and_a_key_that_it_has_not_is_refused() -> None:
    record = parse_record('title = "Acme"\n[brand]\nnames = ["Zorblax"]\nmakers = ["Acme"]\ndomains = ["acme.example"]', "acme.toml")
    assert (record.brand.names, record.brand.makers, record.brand.domains) == (("Zorblax",), ("Acme",), ("acme.example",))
    with pytest.raises(ConfigError, match=r"acme\.toml: .*brand"):
        parse_record('title = "Acme"\n[brand]\nname = "Zorblax"', "acme.toml")


def test_a_record_with_a_word_that_means_nothing_is_refused_by_its_place() -> None:
    with pytest.raises(ConfigError, match=r"acme\.toml: dialect, codes: 'rate_rps'"):
        parse_record('title = "Acme"\n[dialect.codes]\nx = "rate_rps"', "acme.toml")
    with pytest.raises(ConfigError, match=r"acme\.toml: dialect, phrases: 'rate_rps'"):
        parse_record('title = "Acme"\n[dialect.phrases]\n"slow down" = "rate_rps"', "acme.toml")
    with pytest.raises(ConfigError, match="neither a reason to stop"):
        parse_record('title = "Acme"\n[dialect.finishes]\ndone = "finished"', "acme.toml")
    with pytest.raises(ConfigError, match=r"unknown field `rename_all`"):
        parse_record('title = "Acme"\n[dialect]\nrename_all = {}', "acme.toml")
    with pytest.raises(ConfigError, match=r"acme\.toml"):
        parse_record("title =", "acme.toml")


def test_the_exact_name_is_before_the_longer_pattern_and_a_day_before_its_record_knows_nothing() -> None:
    record = parse_record(
        'title = "Acme"\n[[models]]\nmodel = "a*"\nsince = 2026-01-01\n'
        '[[models]]\nmodel = "acme-*"\nsince = 2026-01-01\nuntil = 2026-06-01\ntools = true\n'
        '[[models]]\nmodel = "acme-*"\nsince = 2026-06-01\ninputs = ["text", "image"]\n'
        '[[models]]\nmodel = "acme-7"\nsince = 2026-07-01\nschema = "strict"\n',
        "acme.toml",
    )

    def on(model: str, month: int) -> list[str] | None:
        entry = known(record, model, datetime(2026, month, 1, tzinfo=UTC).timestamp())
        return None if entry is None else sorted(entry.capabilities)

    assert on("apex", 3) == []
    assert on("acme-7", 3) == ["tools"]
    assert on("acme-7", 6) == ["images"]
    assert on("acme-7", 7) == ["json_object", "json_schema"]
    assert known(record, "acme-7", datetime(2025, 12, 31, 23, 59, tzinfo=UTC).timestamp()) is None
    assert known(record, "other", NOW) is None


def test_a_configuration_brings_its_own_record_and_needs_no_code() -> None:
    config = parse(
        '[records.acme]\ntitle = "Acme"\n[records.acme.dialect]\nrename = { max_tokens = "limit" }\n'
        '[[records.acme.models]]\nmodel = "acme-*"\nsince = 2026-01-01\ntools = true\ncontext_tokens = 8192\nprice_key = "acme/all"\n'
        '[partners.p]\nbase_url = "https://p.test/v1"\ndialect = "acme"\n[veil]\nterms = "optional"\n[metering]\nunpriced = "free"\n'
        '[models.m]\ntargets = [{ partner = "p", model = "acme-7" }, { partner = "p", model = "acme-8", capabilities = [] }]',
        NOW,
    )
    from lizi.config import build_house
    from lizi.routing import Traffic

    house = build_house(config, (), idempotency_key=b"", traffic=Traffic(config.routing), base_urls={}, at=NOW)
    first, second = house.routes["m"].targets
    assert (first.capabilities, first.context_tokens, first.price_key) == ({"tools"}, 8192, "acme/all")
    assert second.capabilities == frozenset(), "the configuration's word is before the record's"
    assert first.facts.rename == {"max_tokens": "limit"}


def test_a_dialect_that_no_record_has_is_named_with_its_path() -> None:
    with pytest.raises(ConfigError, match="no record 'qwem'") as caught:
        parse('[partners.p]\nbase_url = "https://p.test/v1"\ndialect = "qwem"', NOW)
    assert caught.value.param == "$.partners.p.dialect"
    with pytest.raises(ConfigError) as caught:
        parse('[records.acme]\ntitle = "Acme"\n[records.acme.dialect.codes]\nx = "no"', NOW)
    assert caught.value.param == "$.records.acme"


def test_an_answer_is_asked_for_no_longer_than_the_model_gives_and_only_where_it_is_offered() -> None:
    text = (
        '[records.acme]\ntitle = "Acme"\n[[records.acme.models]]\nmodel = "acme-7"\nsince = 2026-01-01\noutput_tokens = 100\n'
        'regions = ["cn"]\n[partners.p]\nbase_url = "https://p.test/v1"\ndialect = "acme"\nregion = "{}"\n'
        '[veil]\nterms = "optional"\n[metering]\nunpriced = "free"\n'
        '[models.m]\ntargets = [{{ partner = "p", model = "acme-7" }}]'
    )
    record = parse(text.format("cn"), NOW).records["acme"]
    assert on_day(record, "acme-7", NOW).clamp == {"max_tokens": (1, 100)}
    with pytest.raises(ConfigError, match="not offered in 'us'") as caught:
        parse(text.format("us"), NOW)
    assert caught.value.param == "$.models.m.targets[0].model"


def test_the_base_has_no_facts_so_that_nothing_is_looked_at() -> None:
    assert on_day(built_in()["openai_chat"], "any", NOW) == BASE


# --- requests ----------------------------------------------------------------------------------------


def test_kimi_gets_its_own_limit_and_no_sampling() -> None:
    made = body("kimi", "kimi-k3", max_output_tokens=50, temperature=0.3, top_p=0.5, tools=[TOOL])
    assert made["max_completion_tokens"] == 50
    assert not made.keys() & {"max_tokens", "temperature", "top_p"}
    assert "strict" not in made["tools"][0]["function"]
    assert made["reasoning_effort"] == "low"
    older = body("kimi", "moonshot-v1-8k", temperature=0.3)
    assert older["temperature"] == 0.3


def test_glm_takes_no_choice_of_tool_but_auto_and_an_uncallable_tool_is_not_shown() -> None:
    choice = {"type": "function", "function": {"name": "f"}}
    made = body("glm", "glm-5", tools=[TOOL], tool_choice=choice, stream=True, temperature=1.7)
    assert made["tool_choice"] == "auto"
    assert "stream_options" not in made
    assert made["temperature"] == 1.0
    assert not body("glm", "glm-5", tools=[TOOL], tool_choice="none").keys() & {"tools", "tool_choice"}


def test_qwen_thinks_only_in_a_stream_and_when_asked() -> None:
    assert body("qwen", "qwen-plus", stream=True)["enable_thinking"] is False
    asked = body("qwen", "qwen-plus", stream=True, reasoning_effort="high")
    assert (asked["enable_thinking"], asked["thinking_budget"]) == (True, 16384)
    assert "reasoning_effort" not in asked
    assert body("qwen", "qwen-plus", reasoning_effort="high")["enable_thinking"] is False
    assert body("qwen", "qwen-plus", tools=[TOOL], tool_choice="required")["tool_choice"] == "auto"


def test_deepseek_gets_back_the_reasoning_of_tool_turns_and_of_no_other() -> None:
    turns = body("deepseek", "deepseek-v4", messages=TURNS, tools=[TOOL])["messages"]
    assert [turn.get("reasoning_content") for turn in turns] == [None, None, "I ask f.", None, None, None]
    assert all("reasoning" not in turn for turn in turns)
    assert all("reasoning_content" not in turn for turn in body("qwen", "qwen-plus", messages=TURNS, tools=[TOOL])["messages"])


def test_a_tool_turn_whose_reasoning_is_not_known_brings_an_empty_one() -> None:
    bare = [{name: value for name, value in turn.items() if name != "reasoning"} for turn in TURNS]
    turns = body("deepseek", "deepseek-v4", messages=bare, tools=[TOOL])["messages"]
    assert turns[2]["reasoning_content"] == ""


def test_replay_counts_from_the_end_when_an_instruction_was_put_in_front() -> None:
    turns = body(
        "deepseek", "deepseek-v4", messages=TURNS[1:], tools=[TOOL], response_format=JsonSchemaFormat(name="a", schema={"type": "object"})
    )["messages"]
    assert [turn["role"] for turn in turns] == ["system", "user", "assistant", "tool", "assistant", "user"]
    assert turns[2]["reasoning_content"] == "I ask f."


def test_openais_reasoning_models_hear_a_developer_and_their_own_limit() -> None:
    made = body("openai", "gpt-5-mini", messages=TURNS, tools=[TOOL], max_output_tokens=9, temperature=0.1)
    assert made["messages"][0] == {"role": "developer", "content": "Be brief."}
    assert made["max_completion_tokens"] == 9
    assert "temperature" not in made
    assert made["store"] is False
    assert made["tools"][0]["function"]["strict"] is True


@pytest.mark.parametrize(
    ("asked", "found"),
    [(None, "default"), ("none", "none"), ("minimal", "none"), ("low", "low"), ("medium", "low"), ("high", "high"), ("xhigh", "high")],
)
def test_an_effort_takes_the_next_lower_one_that_is_there(asked: str | None, found: str) -> None:
    table = {name: {"is": name} for name in ("default", "none", "low", "high")}
    assert effort(table, asked) == {"is": found}
    assert effort({"high": {"is": "high"}}, "low") == {"is": "high"}, "the lowest there is"
    assert effort({}, "low") == {}


# --- replies -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", [0, 1, 2])
def test_qianfans_lower_flags_let_the_answer_pass(flag: int) -> None:
    events = read("qianfan", "ernie-5", chunk(content="hello", flag=flag), chunk("stop"))
    assert events == [Text("hello"), Finish("stop")]


def test_that_a_partner_wants_no_further_turn_is_noted_and_changes_no_answer() -> None:
    for flags, warned in (((0, 1), False), ((2, 0), True), ((None, 2), True), ((None, None), False)):
        chunks = [*(chunk(content="hello", flag=flag) for flag in flags), chunk("stop")]
        reader = Reader(True, 200, {"content-type": "text/event-stream"}, target("qianfan", "ernie-5"))
        events = reader.feed("".join(f"data: {json.dumps(one)}\n\n" for one in chunks).encode()) + reader.close()
        assert (reader.warned, events) == (warned, [Text("hello"), Text("hello"), Finish("stop")])


def test_qianfans_third_flag_stops_and_the_fourth_withdraws() -> None:
    assert fault_of(read("qianfan", "ernie-5", chunk(content="hello"), chunk(content="more", flag=3))) == "policy_output"
    events = read("qianfan", "ernie-5", chunk(content="hello"), chunk(content="more", flag=4), chunk("stop"))
    assert events == [Text("hello"), Retract(replacement="", reason_class="content"), Finish("content_filter")]


def test_a_flag_that_no_table_knows_is_not_shown() -> None:
    assert fault_of(read("qianfan", "ernie-5", chunk(content="hello", flag=9))) == "policy_output"


def test_a_flag_of_a_partner_without_a_table_means_nothing() -> None:
    assert read("qwen", "qwen-plus", chunk(content="hello", flag=4), chunk("stop")) == [Text("hello"), Finish("stop")]


def test_hunyuans_sensitive_withdraws_and_glms_ends() -> None:
    events = read("hunyuan", "hunyuan-turbos-latest", chunk(content="hello"), chunk("sensitive"))
    assert events == [Text("hello"), Retract(replacement="", reason_class="content"), Finish("content_filter")]
    assert read("glm", "glm-5", chunk(content="hello"), chunk("sensitive")) == [Text("hello"), Finish("content_filter")]


def test_minimax_says_in_the_chunk_that_a_side_is_sensitive() -> None:
    assert fault_of(read("minimax", "MiniMax-M3", {"input_sensitive": True, "choices": []})) == "policy_input"
    assert fault_of(read("minimax", "MiniMax-M3", chunk(content="a"), {"output_sensitive": True, "choices": []})) == "policy_output"


@pytest.mark.parametrize(
    ("name", "model", "status", "error", "found"),
    [
        ("qwen", "qwen-plus", 429, {"code": "Throttling.BurstRate"}, "rate_slope"),
        ("qwen", "qwen-plus", 400, {"code": "Arrearage"}, "billing"),
        ("openai", "gpt-5", 429, {"code": "insufficient_quota"}, "spend_cap"),
        ("qwen", "qwen-plus", 429, {"code": "insufficient_quota"}, "rate_tpm"),
        ("deepseek", "deepseek-v4", 429, {"code": "rate_limit_error"}, "rate_concurrency"),
        ("deepseek", "deepseek-v4", 429, {"message": "Too many requests"}, "rate_concurrency"),
        ("deepseek", "deepseek-v4", 402, {"message": "Insufficient Balance"}, "billing"),
        ("glm", "glm-5", 429, {"code": "1113"}, "billing"),
        ("glm", "glm-5", 429, {"code": "1302"}, "rate_concurrency"),
        ("ark", "doubao-pro", 400, {"code": "OutputTextSensitiveContentDetected"}, "policy_output"),
        ("ark", "doubao-pro", 429, {"code": "SetLimitExceeded"}, "spend_cap"),
        ("kimi", "kimi-k3", 403, {"message": "insufficient balance"}, "billing"),
        ("kimi", "kimi-k3", 400, {"type": "content_filter"}, "policy_input"),
        ("qianfan", "ernie-5", 200, {"code": "rpm_rate_limit_exceeded"}, "rate_rpm"),
        ("minimax", "MiniMax-M3", 200, None, "rate_rpm"),
    ],
)
def test_a_partners_words_for_a_failure(name: str, model: str, status: int, error: dict[str, str] | None, found: str) -> None:
    payload = {"base_resp": {"status_code": 1002, "status_msg": "x"}} if error is None else {"error": {"message": "x"} | error}
    assert fault_of(read(name, model, payload, status=status)) == found
