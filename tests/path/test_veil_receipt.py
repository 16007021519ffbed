"""A receipt tells the app what left the house for its answer, and the audit chain keeps the same counts."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from corridor import CONFIG, START, Corridor, asking
from lizi.audit import Chain
from lizi.config import build_house, shut
from lizi.errors import InvalidRequest
from lizi.testing import Behaviour
from lizi.types import Event, Receipt, Terms
from lizi.wire.openai import StreamEncoder, whole
from lizi.wire.tasks import TaskStreamEncoder, whole_task

SAID = [{"role": "user", "content": "I am Priya Nair, 13912345678 or 13700001111; write to priya@example.org."}]
GOOD = Behaviour(text="Noted.", chunks=2)
DOWN = Behaviour(status=503, error={"error": {"message": "overloaded"}})


def told(events: list[Event]) -> dict[str, Any]:
    (receipt,) = (event.told for event in events if isinstance(event, Receipt))
    return receipt


async def test_it_lists_fields_and_how_much_was_hidden_and_no_partner() -> None:
    corridor = Corridor(GOOD)
    events = await corridor.ask(asking("assistant", messages=SAID, temperature=0.5, x_receipt=True))
    assert told(events) == {
        "config": corridor.config.hash,
        "attempts": [
            {
                "to": "partner",
                "terms": None,
                "fields": ["max_tokens", "messages", "model", "stream", "temperature"],
                "hidden": {"email": 1, "person": 1, "phone": 2},
                "answered": True,
            }
        ],
    }
    assert type(events[-2]) is Receipt, "right before the last"
    assert not {"first", "second", "large"} & set(json.dumps(told(events)).replace('"', " ").split())


async def test_who_does_not_ask_gets_none() -> None:
    events = await Corridor(GOOD).ask(asking("assistant", messages=SAID))
    assert not any(isinstance(event, Receipt) for event in events)
    with pytest.raises(InvalidRequest, match="x_receipt"):
        await Corridor(GOOD).ask(asking("assistant", messages=SAID, x_receipt="yes"))


async def test_each_attempt_stands_in_it_with_the_terms_that_it_was_made_under() -> None:
    corridor = Corridor([DOWN, GOOD])
    agreed = Terms(
        data=frozenset({"text"}), regions=frozenset({"local"}), retention_days=0, training=False, contract="c", since_at=START - 10,
        until_at=START + 1000, hash="ab" * 32, signed_by="k",
    )  # fmt: skip
    corridor.config = replace(corridor.config, agreed={"first": agreed})
    built = build_house(corridor.config, [], idempotency_key=b"k" * 32, traffic=corridor.traffic, base_urls={}, at=START)
    corridor.house = replace(built, callers=corridor.house.callers)
    corridor.traffic.shut = shut(corridor.config, {})
    first, second = told(await corridor.ask(asking("assistant", messages=SAID, x_receipt=True)))["attempts"]
    assert (first["terms"], first["answered"]) == ("ab" * 32, False)
    assert (second["terms"], second["answered"]) == (None, True)
    assert first["hidden"] == second["hidden"]


async def test_a_machine_of_the_makers_own_gets_the_text_and_the_receipt_says_so() -> None:
    own = CONFIG.replace('credential = "env:FIRST"', 'credential = "env:FIRST"\nown = true')
    (attempt,) = told(await Corridor(GOOD, config=own).ask(asking("alone", messages=SAID, x_receipt=True)))["attempts"]
    assert (attempt["to"], attempt["hidden"]) == ("own", {})


async def test_a_features_result_has_it_in_its_meta() -> None:
    body = {"input": {"text": "My name is Priya Nair and she don't know."}, "locale": "en", "receipt": True}
    events = await Corridor(Behaviour(text="My name is ⟦PERSON_1⟧ and she doesn't know.")).ask(body, feature="writing.proofread")
    (attempt,) = told(events)["attempts"]
    assert attempt["hidden"]["person"] >= 1, "the prompt's own examples may name people too"
    assert "messages" in attempt["fields"]
    assert msgspec.json.decode(whole_task(events, {"feature": "writing.proofread"}))["meta"]["receipt"] == told(events)
    frames = TaskStreamEncoder({}, exchange_id="rq_1").feed(events).split(b"\n\n")
    (final,) = (frame.partition(b"data: ")[2] for frame in frames if b"event: final" in frame)
    assert msgspec.json.decode(final)["meta"]["receipt"] == told(events)


async def test_the_chain_keeps_the_counts_and_the_names_of_the_fields() -> None:
    corridor = Corridor(GOOD)
    await corridor.ask(asking("assistant", messages=SAID))
    (exchange,) = corridor.journal.records
    chain = Chain(boot="b", worker=1, config_hash="0", version="0", started_at=START)
    body = msgspec.json.decode(chain.append(exchange).body)
    (attempt,) = body["attempts"]
    assert attempt["hidden"] == {"email": 1, "person": 1, "phone": 2}
    assert attempt["sent"] == list(json.loads(corridor.upstream.calls[0].body))
    assert "Priya" not in str(body)


@pytest.mark.parametrize("stream", [True, False])
async def test_it_stands_in_the_choice_that_ends_the_answer(stream: bool) -> None:
    events = await Corridor(GOOD).ask(asking("assistant", messages=SAID, x_receipt=True, stream=stream))
    if stream:
        encoder = StreamEncoder(exchange_id="rq_1", model="assistant", created=0, include_usage=True)
        lines = [line[6:] for line in encoder.feed(events).splitlines() if line.startswith(b"data: {")]
        choices = [json.loads(line)["choices"] for line in lines]
        (last,) = (one[0] for one in choices if one and one[0]["finish_reason"])
        assert all("x_receipt" not in one[0] for one in choices if one and not one[0]["finish_reason"])
    else:
        (last,) = json.loads(whole(events, exchange_id="rq_1", model="assistant", created=0))["choices"]
    assert last["x_receipt"]["attempts"][0]["hidden"] == {"email": 1, "person": 1, "phone": 2}
