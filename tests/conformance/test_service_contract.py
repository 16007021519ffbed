"""The running service against its own OpenAPI document, asked by schemathesis: what it says is what it does.

A scripted partner answers every question with the same words, so a feature may rightly refuse them
(`result_check_failed`): a documented 502 is an answer here, an undocumented one or a 500 is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CheckContext, CheckFunction
from schemathesis.core.failures import Failure
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from lizi.errors import CODES
from lizi.testing.partners import Behaviour
from lizi.wire.openapi import document
from lizi.wire.task_fields import TASK_FIELDS
from running_service import Running, running

EXAMPLES = 40
"""Per operation. Enough to meet every kind of field; the deep profile is for finding more by hand."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("service")) as service:
        service.partner.play(Behaviour(text="The river is quiet this morning."))
        yield service


@pytest.fixture(scope="module")
def contract(service: Running) -> Any:
    return schemathesis.openapi.from_url(f"{service.address}/openapi.json")


PATHS = document(version="0", features=TASK_FIELDS)["paths"]
OPERATIONS = [(path, method, GenerationMode.POSITIVE) for path, methods in PATHS.items() for method in methods]
OPERATIONS += [(path, "post", GenerationMode.NEGATIVE) for path, methods in PATHS.items() if "post" in methods]


def sensible(body: Any) -> Any:
    """Names that this service knows, where any name would be valid: else every request ends at a 404 and proves nothing."""
    if isinstance(body, dict):
        if isinstance(body.get("model"), str) and 0 < len(body["model"]) <= 256:
            body["model"] = "assistant"
        if isinstance(body.get("locale"), str):
            body["locale"] = "en"
        if isinstance(body.get("output_locale"), str):
            body["output_locale"] = "en"
    return body


def asked(query: dict[str, Any]) -> dict[str, Any]:
    """The same for a query: half of the markets and languages are those that there are, so that both answers come."""
    there = {"market": "CN", "locale": "zh-Hant"}
    return {name: there.get(name, value) if len(str(value)) % 2 else value for name, value in query.items()}


def no_defect(context: CheckContext, response: Any, case: Any) -> bool | None:
    """No 500, and every failure has a code that stands at its status and an id to ask about."""
    if response.status_code == 500:
        raise Failure(operation=case.operation.label, title="a defect", message=response.text)
    if response.status_code >= 400 and case.operation.path.startswith("/v1/"):
        error = response.json()["error"]
        if CODES[error["code"]].status != response.status_code or not error["request_id"].startswith("rq_"):
            raise Failure(operation=case.operation.label, title="an error out of place", message=response.text)
    return None


CHECKS: list[CheckFunction] = [
    no_defect,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


@pytest.mark.parametrize(("path", "method", "mode"), OPERATIONS, ids=[f"{path} {mode.value}" for path, _, mode in OPERATIONS])
def test_the_service_keeps_its_own_contract(contract: Any, service: Running, path: str, method: str, mode: GenerationMode) -> None:
    operation = contract[path][method.upper()]
    statuses: Counter[int] = Counter()

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        headers = {**(case.headers or {}), "Authorization": f"Bearer {service.key}"}
        case.body = sensible(case.body)
        if case.query:
            case.query = asked(case.query)
        response = case.call(headers=headers)
        statuses[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    ask()
    assert mode is GenerationMode.NEGATIVE or statuses[200], f"no valid request was answered: {statuses}"
    assert service.process.poll() is None


def test_after_all_that_the_worker_still_answers(service: Running) -> None:
    import requests

    body = {"model": "assistant", "messages": [{"role": "user", "content": "hi"}]}
    answer = requests.post(
        f"{service.base_url}/chat/completions", json=body, headers={"Authorization": f"Bearer {service.key}"}, timeout=10
    )
    assert answer.json()["choices"][0]["message"]["content"] == "The river is quiet this morning."
