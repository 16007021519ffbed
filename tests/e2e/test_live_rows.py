"""Every partner row on a real language model: the running service, its dialect on a socket, the official client, words that nobody wrote.

The partner of each row asks the local model what the dialect asked it, and says the answer in its own form. Those that speak the
model server's own protocol are asked a second time without anything between.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import openai
import pytest
from msgspec import Struct
from pydantic import BaseModel

from lizi.config import built_in
from lizi.dialects.openai_chat import SCHEMA
from lizi.edge import local_model
from lizi.testing.live import LIVE, Live, Said
from lizi.testing.partners import Partner
from lizi.testing.speeches import SPEECHES
from running_service import PARTNER_KEY, Served, serving

pytestmark = pytest.mark.local_model

MODEL_KEY = "local-rows-key-0123456789"
ASK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Name a river of China."}]
LINE = re.compile(r"\n\n\([a-p]{16}\)\Z")
"""What is new in each request: it stands behind the instructions, where the partner has no salt of its own for its cache."""
TOKENS = 12
"""So few that most answers end by length, which is a form of its own in every dialect."""
ROWS = {dialect: f"row-{number}" for number, dialect in enumerate(LIVE)}
DIRECT = {dialect: f"direct-{number}" for number, (dialect, row) in enumerate(LIVE.items()) if row.direct}
CONFIG = """
[server]
listen = "127.0.0.1:0"
workers = 1
grace_ms = 0
drain_ms = 2000
[metering]
unpriced = "free"
"""
BLOCK = """
[partners.{name}]
dialect = "{dialect}"
base_url = "{base_url}"
{credential}
[models.{name}]
targets = [{{ partner = "{name}", model = "{model}"{more} }}]
"""


class Fruit(BaseModel):
    """What the model is asked to fill."""

    unit: Literal["apples", "pears"]
    ripe: bool


class Stage(Struct):
    """All rows, served."""

    served: Served
    partners: dict[str, Partner]
    scripts: dict[str, Live]

    def said(self, dialect: str) -> Said:
        return self.scripts[dialect].said[-1]


def block(dialect: str, name: str, base_url: str, credential: str) -> str:
    """A partner and the logical model that it alone answers."""
    # The base is no company's: what a target of it can do is the operator's word.
    more = ', capabilities = ["json_object", "json_schema"]' if dialect == "openai_chat" else ""
    given = f'credential = "env:{credential}"' if credential else ""
    model = SPEECHES[dialect].models[0]
    return BLOCK.format(name=name, dialect=dialect, base_url=base_url, credential=given, model=model, more=more)


@pytest.fixture(scope="module")
def address(model_file: Callable[[str], Path]) -> Iterator[str]:
    """The local model, started once."""
    pytest.importorskip("xllamacpp", reason="the extra `local` is not installed")
    line = local_model.command("smollm2-135m", model_file("smollm2-135m").parent, context_tokens=1024)
    environ = {**os.environ, local_model.KEY_ENV: MODEL_KEY}
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environ) as one:
        assert one.stdout is not None
        yield str(json.loads(one.stdout.readline())["address"])
        one.terminate()


@pytest.fixture(scope="module")
def stage(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    scripts = {dialect: Live(SPEECHES[dialect], address, MODEL_KEY) for dialect in ROWS}
    with ExitStack() as stack:
        partners = {
            dialect: stack.enter_context(Partner(script, dialect=dialect, key=PARTNER_KEY)) for dialect, script in scripts.items()
        }
        config = CONFIG
        for dialect, name in ROWS.items():
            config += block(dialect, name, partners[dialect].base_url, "ACME_KEY" if SPEECHES[dialect].key_header else "")
        for dialect, name in DIRECT.items():
            config += block(dialect, name, address + "/v1", "MODEL_KEY")
        served = stack.enter_context(serving(tmp_path_factory.mktemp("rows"), config, MODEL_KEY=MODEL_KEY))
        yield Stage(served, partners, scripts)


@pytest.fixture(scope="module")
def client(stage: Stage) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=stage.served.base_url, api_key=stage.served.key, max_retries=0, timeout=60) as client:
        yield client


NAMED = {*SPEECHES, *(model for speech in SPEECHES.values() for model in speech.models), "acme", "smollm2", PARTNER_KEY, MODEL_KEY}
TOLD = re.compile(r"(?<![\w-])(" + "|".join(re.escape(name.lower()) for name in sorted(NAMED)) + r")(?!\w)")


def silent(tree: Any) -> Any:
    """An answer without the model's own words, among which any name may stand."""
    if isinstance(tree, dict):
        return {key: "" if key in ("content", "parsed") else silent(value) for key, value in tree.items()}
    return [silent(item) for item in tree] if isinstance(tree, list) else tree


def check_names(*answers: BaseModel) -> None:
    """No partner, and no model behind it, is in what the device got."""
    for answer in answers:
        shown = json.dumps(silent(answer.model_dump(warnings=False))).lower()  # the client's own types don't expect what it has parsed
        assert TOLD.search(shown) is None, shown


def check(stage: Stage, dialect: str, *answers: BaseModel) -> None:
    """The partner took the request as it was, too."""
    assert list(stage.partners[dialect].refused) == []
    check_names(*answers)


@pytest.mark.parametrize("dialect", ROWS)
def test_a_whole_answer_of_the_model_comes_through_as_it_was_said(client: openai.OpenAI, stage: Stage, dialect: str) -> None:
    answer = client.chat.completions.create(model=ROWS[dialect], messages=ASK, max_tokens=TOKENS)  # type: ignore[arg-type]
    said = stage.said(dialect)
    assert [(turn["role"], LINE.sub("", turn["content"])) for turn in said.asked["messages"]] == [
        (turn["role"], turn["content"]) for turn in ASK
    ]
    assert said.asked["max_tokens"] == TOKENS and said.text
    choice = answer.choices[0]
    assert (choice.message.content, choice.finish_reason, answer.model) == (said.text, said.finish, ROWS[dialect])
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (said.input_tokens, said.output_tokens)
    check(stage, dialect, answer)


@pytest.mark.parametrize("dialect", ROWS)
def test_a_streamed_answer_of_the_model_comes_through_as_it_was_said(client: openai.OpenAI, stage: Stage, dialect: str) -> None:
    options = {"include_usage": True}
    chunks = list(
        client.chat.completions.create(
            model=ROWS[dialect], messages=ASK, max_tokens=TOKENS, stream=True, stream_options=options  # type: ignore[arg-type]
        )
    )
    said = stage.said(dialect)
    assert said.text
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == said.text
    assert chunks[-2].choices[0].finish_reason == said.finish
    assert {chunk.model for chunk in chunks} == {ROWS[dialect]}
    usage = chunks[-1].usage
    assert usage is not None and (usage.prompt_tokens, usage.completion_tokens) == (said.input_tokens, said.output_tokens)
    check(stage, dialect, *chunks)


OF_EACH_RUNG = {row.schema: dialect for dialect, row in LIVE.items()}.values()


@pytest.mark.parametrize(("dialect", "stream"), [*((dialect, False) for dialect in ROWS), *((dialect, True) for dialect in OF_EACH_RUNG)])
def test_an_object_of_a_schema_reaches_the_model_by_the_rung_of_its_record(
    client: openai.OpenAI, stage: Stage, dialect: str, stream: bool
) -> None:
    ask = [{"role": "user", "content": "Is the pear ripe?"}]
    before = len(stage.scripts[dialect].said)
    if stream:
        with client.chat.completions.stream(model=ROWS[dialect], messages=ask, response_format=Fruit) as opened:  # type: ignore[arg-type]
            for _ in opened:
                pass
            answer = opened.get_final_completion()
    else:
        answer = client.chat.completions.parse(model=ROWS[dialect], messages=ask, response_format=Fruit)  # type: ignore[arg-type]
    said = stage.said(dialect)
    assert answer.choices[0].message.parsed == Fruit.model_validate_json(said.text)
    assert len(stage.scripts[dialect].said) == before + 1, "the first answer was good"
    schema = said.asked["response_format"]["json_schema"]["schema"]
    assert schema["properties"].keys() == {"unit", "ripe"}, "the device's schema came over"
    assert reached(stage.partners[dialect].requests[-1].json) == LIVE[dialect].schema
    check(stage, dialect, answer)


def reached(tree: dict[str, Any]) -> str:
    """How a request as its partner got it asks for a schema."""
    if isinstance(tree.get("tool_choice"), dict):
        return "tool"
    if "response_format" in tree:
        return str(tree["response_format"]["type"])
    return "words" if SCHEMA[:20] in json.dumps(tree) else "not at all"


@pytest.mark.parametrize("dialect", DIRECT)
def test_the_model_server_itself_is_a_partner_of_the_rows_that_speak_its_protocol(client: openai.OpenAI, dialect: str) -> None:
    model = DIRECT[dialect]
    answer = client.chat.completions.create(model=model, messages=ASK, max_tokens=TOKENS)  # type: ignore[arg-type]
    assert answer.choices[0].message.content and answer.model == model
    assert answer.usage is not None and 0 < answer.usage.completion_tokens <= TOKENS
    chunks = list(client.chat.completions.create(model=model, messages=ASK, max_tokens=TOKENS, stream=True))  # type: ignore[arg-type]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) and chunks[-1].choices[0].finish_reason in ("stop", "length")
    parsed = client.chat.completions.parse(model=model, messages=ASK, response_format=Fruit)  # type: ignore[arg-type]
    assert parsed.choices[0].message.parsed is not None
    check_names(answer, *chunks, parsed)


def test_no_row_is_left_out() -> None:
    assert sorted(LIVE) == sorted(built_in()) == sorted(SPEECHES), "each record has its row of src/lizi/testing/live.py"
