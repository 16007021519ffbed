"""The OpenAPI document says what the decoders do, for every route and every error."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
import schemathesis

from lizi.errors import CODES, LiziError
from lizi.types import Event, Final, Finish, Retract, Text, ToolDelta, Usage
from lizi.wire.openai import error_body, models_body, whole
from lizi.wire.openai_fields import CHAT_FIELDS
from lizi.wire.openapi import document
from lizi.wire.task_fields import TASK_FIELDS
from lizi.wire.tasks import whole_task

MADE = json.loads(json.dumps(document(version="1.2.3", features=list(TASK_FIELDS))))


def schema(name: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for({"$ref": f"#/components/schemas/{name}", "components": MADE["components"]})


def test_every_schema_compiles_and_every_reference_is_there() -> None:
    for name in MADE["components"]["schemas"]:
        schema(name)
    for reference in [part.split('"')[0] for part in json.dumps(MADE).split('"$ref": "')[1:]]:
        node: Any = MADE
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def test_schemathesis_finds_every_operation() -> None:
    loaded = schemathesis.openapi.from_dict(MADE)
    found = {result.ok().path for result in loaded.get_all_operations()}
    assert found == set(MADE["paths"])


def test_features_that_are_not_offered_are_not_there() -> None:
    assert "/v1/writing/proofread" not in document(version="1", features=[])["paths"]


def test_bodies_are_closed_and_hold_the_fields_of_the_tables() -> None:
    schemas = MADE["components"]["schemas"]
    assert set(schemas["ChatRequest"]["properties"]) == set(CHAT_FIELDS)
    for feature, fields in TASK_FIELDS.items():
        name = "".join(word.capitalize() for word in feature.split(".")) + "Request"
        assert set(schemas[name]["properties"]) == set(fields)
        assert schemas[name]["additionalProperties"] is False


@pytest.mark.parametrize("code", [code for code in CODES if code not in ("config_invalid", "store_failed")])
def test_every_error_fits_the_document_and_stands_at_its_status(code: str) -> None:
    error = LiziError("words", code=code, param="a", hint="do", retry_after_s=1.0, extra={"context_size": 1})
    assert schema("Error").is_valid(json.loads(error_body(error, "rq_1")))
    response = MADE["components"]["responses"][str(CODES[code].status)]
    assert f"`{code}`" in response["description"]


USAGE = Usage(input_tokens=1, output_tokens=2)
ANSWERS: list[list[Event]] = [
    [Text("hi"), USAGE, Finish("stop")],
    [ToolDelta(index=0, name="f", arguments="{}"), USAGE, Finish("tool_calls")],
    [Text("bad"), Retract(replacement="sorry", reason_class="policy"), USAGE, Finish("content_filter")],
]


@pytest.mark.parametrize("events", ANSWERS)
def test_answers_fit_the_document(events: list[Event]) -> None:
    assert schema("ChatCompletion").is_valid(json.loads(whole(events, exchange_id="rq_1", model="a", created=1)))


def test_lists_of_models_and_results_fit_the_document() -> None:
    assert schema("Models").is_valid(json.loads(models_body(["a"], 1)))
    meta = {"request_id": "rq_1", "feature": "writing.transform", "feature_version": "1", "tier_used": "partner", "locale": "en"}
    result = {"summary": "short", "confidence": 0.5, "basis": "model"}
    assert schema("WritingTransformResult").is_valid(json.loads(whole_task([USAGE, Final(result=result)], meta)))
