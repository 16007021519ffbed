"""Structured output: valid or a typed error, whatever the partner can do and whatever the model says."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lizi.errors import LiziError, PartnerError, ResultError
from lizi.features import Answer
from lizi.features.structured import LONGEST_REPAIR, extract_json, ladder
from lizi.types import ChatRequest, JsonObjectFormat, JsonSchemaFormat
from lizi.wire.schema import SchemaError, compile_schema, tree_fault

SECRET = "canary-7f3a"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"n": {"type": "integer", "minimum": 1}, "tags": {"type": "array", "items": {"type": "string"}}},
    "required": ["n"],
    "additionalProperties": False,
}
ASK = ChatRequest(
    model="a", messages=[{"role": "user", "content": "how many?"}], response_format=JsonSchemaFormat(name="count", schema=SCHEMA)
)
OBJECT = ChatRequest(model="a", messages=ASK.messages, response_format=JsonObjectFormat())


def said(text: str, finish: Any = "stop", fault: str | None = None) -> Answer:
    return Answer(text=text, finish=finish, fault=fault)


BAD_REQUEST = Answer(text="", finish=None, fault="bad_request")


def climb(request: ChatRequest, *answers: Answer) -> tuple[list[ChatRequest], str]:
    """All that was asked, and the result."""
    steps: Generator[ChatRequest, Answer, str] = ladder(request)
    asked = [next(steps)]
    for number, answer in enumerate(answers):
        try:
            asked.append(steps.send(answer))
        except StopIteration as done:
            assert number == len(answers) - 1, "it stopped before all answers were used"
            result: str = done.value
            return asked, result
    raise AssertionError(f"it asked {len(asked)} times and wants more")


def fails(request: ChatRequest, *answers: Answer) -> LiziError:
    with pytest.raises(LiziError) as caught:
        climb(request, *answers)
    error = caught.value
    assert SECRET not in f"{error.message} {error.hint} {error.param} {error.extra}"
    return error


def test_a_valid_answer_is_released_as_the_model_wrote_it() -> None:
    text = ' {"n":  3}\n'
    asked, result = climb(ASK, said(text))
    assert (asked, result) == ([ASK], text)


@pytest.mark.parametrize(
    "text",
    [
        'Sure! ```json\n{"n": 3}\n```',
        'Here [1] it is: {"n": 3} — enjoy {it}.',
        '{"wrong": 1} no, rather {"n": 3}',
        '{{"n": 3}',
        '<think>{"n"</think>{"n": 3}',
    ],
)
def test_json_is_found_in_prose_and_fences(text: str) -> None:
    assert climb(ASK, said(text))[1] == '{"n":3}'


def test_what_is_inside_another_object_is_not_taken_for_an_answer() -> None:
    assert list(extract_json('x {"a": {"n": 3}} y [1, {"n": 4}]')) == [{"a": {"n": 3}}, [1, {"n": 4}]]


def test_a_wrong_answer_is_repaired_once_with_its_faults_and_not_charged() -> None:
    asked, result = climb(ASK, said('{"n": 0}'), said('{"n": 1}'))
    assert result == '{"n": 1}'
    repair = asked[1]
    assert repair.repairs
    assert repair.messages[:2] == [*ASK.messages, {"role": "assistant", "content": '{"n": 0}'}]
    assert "- at /n: minimum" in repair.messages[2]["content"]
    assert ASK.messages == [{"role": "user", "content": "how many?"}], "the caller's own request stays as it was"


def test_a_second_wrong_answer_is_a_typed_error_with_places_and_rules() -> None:
    error = fails(ASK, said("no idea"), said(json.dumps({"n": SECRET, SECRET: 1})))
    assert isinstance(error, ResultError)
    assert error.code == "structured_output_failed"
    assert error.extra == {"errors": [{"path": "/n", "rule": "type"}, {"path": "", "rule": "additionalProperties"}]}


def test_names_that_the_schema_does_not_know_are_never_shown() -> None:
    request = ChatRequest(
        model="a",
        messages=ASK.messages,
        response_format=JsonSchemaFormat(name="n", schema={"type": "object", "additionalProperties": {"type": "integer"}}),
    )
    wrong = said(json.dumps({SECRET: "x"}))
    assert fails(request, wrong, wrong).extra == {"errors": [{"path": "/*", "rule": "type"}]}


def test_a_long_wrong_answer_is_not_quoted_back() -> None:
    asked, _ = climb(ASK, said("x" * 40_000), said('{"n": 1}'))
    assert [message["role"] for message in asked[1].messages] == ["user", "user"]


def test_a_refused_format_steps_down_rung_by_rung() -> None:
    asked, result = climb(ASK, BAD_REQUEST, BAD_REQUEST, said('{"n": 1}'))
    assert [request.format_floor for request in asked] == ["json_schema", "json_object", "prompt"]
    assert not any(request.repairs for request in asked), "a refused call answered nothing that could be repaired"
    assert result == '{"n": 1}'


def test_a_plain_object_begins_at_its_own_rung() -> None:
    asked, _ = climb(OBJECT, BAD_REQUEST, said("{}"))
    assert [request.format_floor for request in asked] == ["json_object", "prompt"]


def test_the_last_rung_refused_is_the_partners_fault_and_not_a_wrong_answer() -> None:
    error = fails(ASK, BAD_REQUEST, BAD_REQUEST, BAD_REQUEST)
    assert isinstance(error, PartnerError)
    assert (error.code, error.internal) == ("upstream_failed", "bad_request")


def test_other_faults_end_it() -> None:
    assert fails(ASK, Answer(text="", finish=None, fault="auth")).internal == "auth"


def test_four_asks_are_the_most() -> None:
    assert fails(ASK, BAD_REQUEST, said("no"), BAD_REQUEST, said("no")).code == "structured_output_failed"


@pytest.mark.parametrize("finish", ["length", "content_filter", "tool_calls"])
def test_a_cut_or_filtered_answer_and_tool_calls_are_passed_up_and_never_repaired(finish: str) -> None:
    assert climb(ASK, said('{"n":', finish)) == ([ASK], '{"n":')


def test_json_object_means_an_object() -> None:
    assert climb(OBJECT, said('{"any": 1}'))[1] == '{"any": 1}'
    assert fails(OBJECT, said("[1]"), said("7")).extra == {"errors": [{"path": "", "rule": "type"}]}
    assert fails(OBJECT, said("hello"), said("hello")).extra == {"errors": [{"path": "", "rule": "json"}]}


@pytest.mark.parametrize(
    "text",
    ['{"n": NaN}', '{"n": 1e999}', "{" * 5000, "[" * 100_000, '{"n": "\\ud800"}', '{"a":' * 3000, "", "\x00", "{" * 31 + '{"n":'],
    ids=range(9),
)
def test_hostile_answers_are_only_wrong_answers(text: str) -> None:
    assert fails(ASK, said(text), said(text)).code == "structured_output_failed"
    assert fails(OBJECT, said(text), said(text)).code == "structured_output_failed"


@given(st.text(alphabet='{}[]",:n1 ae\\`\n', max_size=60), st.booleans())
def test_whatever_is_released_is_valid(text: str, prose: bool) -> None:
    for request, validator in ((ASK, jsonschema_rs.validator_for(SCHEMA)), (OBJECT, jsonschema_rs.validator_for({"type": "object"}))):
        answer = said(f"Here: {text} done" if prose else text)
        try:
            _, result = climb(request, answer, answer)
        except ResultError:
            continue
        except AssertionError:  # valid at once: the second answer was not wanted
            _, result = climb(request, answer)
        assert validator.is_valid(msgspec.json.decode(result))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda x: st.lists(x) | st.dictionaries(st.text(max_size=3), x),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=3), VALUES), st.text(alphabet="abc. \n`", max_size=20), st.text(alphabet="abc }.\n`", max_size=20))
def test_an_object_in_prose_is_found_whole(tree: dict[str, Any], before: str, after: str) -> None:
    assert next(extract_json(before + json.dumps(tree) + after)) == tree


# --- schemas that callers bring --------------------------------------------------------------------


def test_the_same_schema_is_compiled_once() -> None:
    assert compile_schema(dict(SCHEMA)) is compile_schema(json.loads(json.dumps(SCHEMA)))


def test_the_cache_forgets_what_was_not_used_for_longest() -> None:
    first = compile_schema({"const": "first"})
    for number in range(255):
        compile_schema({"const": number})
        assert compile_schema({"const": "first"}) is first
    for number in range(1000, 1256):
        compile_schema({"const": number})
    assert compile_schema({"const": "first"}) is not first


def fan(levels: int) -> dict[str, Any]:
    """Each level refers twice to the next: 2 ^ levels ways through."""
    definitions: dict[str, Any] = {
        f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}, {"$ref": f"#/$defs/a{n + 1}"}]} for n in range(levels)
    }
    return {"$ref": "#/$defs/a0", "$defs": definitions | {f"a{levels}": {"type": "object"}}}


@pytest.mark.parametrize(
    "schema",
    [
        fan(40),
        {"$ref": "https://example.com/schema"},
        {"$ref": "other.json#/a"},
        {"$dynamicRef": "other#x"},
        {"properties": {"a": {"$schema": "http://example.com/x", "$ref": "//example.com"}}},
        {"$schema": "http://example.com/meta"},
        {"$schema": 7},
        {"$ref": "#/nowhere"},
        {"type": 7},
        {"maximum": 1 << 80},
        {"const": "x" * 200_000},
    ],
    ids=range(11),
)
def test_a_schema_that_reaches_out_or_costs_too_much_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(SchemaError):
        compile_schema(schema)


def test_a_deep_schema_is_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(70):
        schema = {"not": schema}
    with pytest.raises(SchemaError, match="nested"):
        compile_schema(schema)


def test_a_long_chain_of_references_is_refused_and_not_a_crash() -> None:
    chain = {f"a{n}": {"$ref": f"#/$defs/a{n + 1}"} for n in range(3000)} | {"a3000": {}}
    try:
        compile_schema({"$ref": "#/$defs/a0", "$defs": chain}).accepts({})
    except SchemaError as error:
        assert "chain" in str(error)


@pytest.mark.parametrize(
    "schema",
    [
        fan(8),
        {"$ref": "#"},
        {"allOf": [{"$ref": "#"}]},
        {"$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}}, "$ref": "#/$defs/node"},
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"},
        {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"},
        {"type": "string", "pattern": "^(?!^[-+.]*$)[+-]?0*\\d*\\.?\\d*$"},
        {"properties": {"$ref": {"type": "string"}}},
    ],
    ids=range(8),
)
def test_honest_schemas_pass(schema: dict[str, Any]) -> None:
    compile_schema(schema).accepts({})


def test_a_pattern_that_backtracks_without_end_is_a_wrong_answer() -> None:
    schema = compile_schema({"type": "string", "pattern": "^(a|a)*(?=x)b$"})
    assert not schema.accepts("a" * 5000 + "c")
    assert schema.faults("a" * 5000 + "c")


def test_a_recursive_schema_is_not_explained_below_its_depth() -> None:
    """The explanation of nested alternatives grows exponentially; the verdict does not."""
    side = {"l": {"$ref": "#/$defs/e"}}
    schema = compile_schema(
        {
            "$ref": "#/$defs/e",
            "$defs": {"e": {"anyOf": [{"type": "object", "properties": side | {"k": {"const": k}}, "required": ["k"]} for k in "ab"]}},
        }
    )
    tree: dict[str, Any] = {"k": "z"}
    assert schema.faults(tree)[0]["rule"] != "schema"
    for _ in range(30):
        tree = {"k": "b", "l": tree}
    assert schema.faults(tree) == [{"path": "", "rule": "schema"}]


def test_bounds_of_a_tree() -> None:
    assert tree_fault({"a": [1, (1 << 63) - 1, -(1 << 63)]}, 2) is None
    assert tree_fault({"a": [1 << 63]}, 2) is not None
    assert tree_fault({"a": [[]]}, 3) is None
    assert tree_fault({"a": [[1]]}, 2) is not None


@given(name=st.text(min_size=1, max_size=80), levels=st.integers(0, 8), wrong=st.integers(1, 20))
def test_a_repair_says_no_more_than_is_reserved_for_it_however_long_the_apps_own_names_are(name: str, levels: int, wrong: int) -> None:
    """Beside the answer that it shows again."""
    schema: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "integer"}}
    tree: Any = {str(number): "x" for number in range(wrong)}
    for _ in range(levels):
        schema = {"type": "object", "properties": {name: schema}, "additionalProperties": False}
        tree = {name: tree}
    steps = ladder(ChatRequest(model="a", messages=ASK.messages, response_format=JsonSchemaFormat(name="x", schema=schema)))
    next(steps)
    repair = steps.send(said(json.dumps(tree))).messages[-1]["content"]
    assert len(repair.encode()) <= len(LONGEST_REPAIR)
    assert repair.count("- at /") >= 1
    if levels * len(name.encode()) < 20:
        assert repair.count("- at /") >= min(wrong, 6), "short names leave room for several"
