"""Routing in the corridor: failover within its budget, full lanes, half-open targets, what counts against whom."""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing

import pytest
from msgspec.structs import replace

from corridor import CONFIG, Corridor, end_of, text_of
from lizi import pipeline
from lizi.errors import Refused, Retry
from lizi.testing import Behaviour, FakeReply
from lizi.types import Call, Fault, Plan

pytestmark = pytest.mark.asyncio
GOOD = Behaviour(text="The river is quiet this morning.", chunks=4)
DOWN = Behaviour(status=503, error={"error": {"message": "overloaded by acme"}})
SLOPE = Behaviour(status=429, error={"error": {"code": "limit_burst_rate", "message": "Request rate increased too quickly."}})
UNPAID = Behaviour(status=402, error={"error": {"message": "Insufficient Balance"}})


def with_lane(lane: str, more: str = "", partner: str = "first") -> str:
    return (
        CONFIG.replace(f'base_url = "https://{partner}.example/v1"', f'base_url = "https://{partner}.example/v1"\nlane = {{ {lane} }}')
        + more
    )


def first_is(behaviour: Behaviour) -> object:
    """The first partner behaves so, the second is well."""
    return lambda call: behaviour if "first" in call.url else GOOD


def partners(corridor: Corridor) -> list[list[str]]:
    """Who was asked, for each exchange."""
    return [[attempt.target.partner for attempt in record.attempts] for record in corridor.journal.records]


async def test_a_partner_that_fails_is_soon_passed_over_and_probed_and_is_back_when_it_answers() -> None:
    state = {"first": DOWN}
    corridor = Corridor(lambda call: state["first"] if "first" in call.url else GOOD)
    corridor.ports = replace(corridor.ports, draw=random.Random(4).random)
    for _ in range(30):
        assert text_of(await corridor.ask(stream=True)) == GOOD.text
    assert partners(corridor)[0] == ["first", "second"]
    assert partners(corridor)[-1] == ["second"]
    assert corridor.traffic.trouble(corridor.clock.monotonic()) == {"first/large": "resting"}
    state["first"] = GOOD
    for _ in range(12):
        corridor.clock.advance(5.0)
        await corridor.ask(stream=True)
    assert ["first"] in partners(corridor)[30:33], "a probe is a user's request and takes its answer"
    assert partners(corridor)[-1] == ["first"]
    assert corridor.traffic.trouble(corridor.clock.monotonic()) == {}


async def test_failover_stops_at_its_budget_and_the_first_failure_is_final() -> None:
    config = CONFIG + "[routing]\nretry_floor = 3\nretry_percent = 0\nforgiven_failures = 1000\n"
    corridor = Corridor(first_is(DOWN), config=config)
    ends = [end_of(await corridor.ask()) for _ in range(5)]
    assert ends == ["stop"] * 3 + ["upstream_failed"] * 2
    assert partners(corridor)[-1] == ["first"]
    corridor.clock.advance(61.0)
    assert end_of(await corridor.ask()) == "stop"


async def test_a_full_lane_sends_the_request_to_the_next_partner() -> None:
    corridor = Corridor(GOOD, config=with_lane("requests_per_minute = 1"))
    for _ in range(3):
        assert end_of(await corridor.ask(stream=True)) == "stop"
    assert partners(corridor) == [["first"], ["second"], ["second"]]
    corridor.clock.advance(60.0)
    await corridor.ask(stream=True)
    assert partners(corridor)[-1] == ["first"]


async def test_a_lane_holds_its_place_for_as_long_as_the_stream_lasts_and_frees_it_however_it_ends() -> None:
    corridor = Corridor(GOOD, config=with_lane("concurrency = 1"))
    async with aclosing(pipeline.serve(corridor.open(stream=True), corridor.ports)) as batches:
        async for _ in batches:
            break
        async for _ in pipeline.serve(corridor.open(stream=True), corridor.ports):
            pass
        assert partners(corridor) == [["second"]]
    assert corridor.journal.records[-1].outcome == "cancelled"
    await corridor.ask(stream=True)
    assert partners(corridor)[-1] == ["first"]


async def test_when_all_lanes_are_full_the_app_is_told_when_to_come_back_and_nothing_is_charged() -> None:
    corridor = Corridor(GOOD, config=with_lane("requests_per_minute = 2"))
    alone = {"model": "alone", "messages": [{"role": "user", "content": "Hello"}]}
    assert end_of(await corridor.ask(alone)) == "stop"
    events = await corridor.ask(alone)
    assert isinstance(events[0], Fault)
    assert (events[0].error.code, events[0].error.status) == ("busy", 503)
    corridor.clock.advance(events[0].error.retry_after_s)
    assert end_of(await corridor.ask(alone)) == "stop"
    refused = corridor.journal.records[1]
    assert (refused.outcome, refused.attempts, refused.spent_micros) == ("busy", [], 0)
    assert corridor.traffic.trouble(corridor.clock.monotonic()) == {}


async def test_a_growth_refusal_slows_its_own_lane_and_asks_nobody_else() -> None:
    corridor = Corridor(first_is(SLOPE))
    events = await corridor.ask()
    assert isinstance(events[0], Fault)
    assert events[0].error.internal == "rate_slope"
    assert partners(corridor) == [["first"]]
    assert corridor.traffic.views(corridor.clock.monotonic())["first/large@local"].growth_percent == 25
    assert corridor.traffic.trouble(corridor.clock.monotonic()) == {}


async def test_what_a_partners_headers_say_is_left_is_kept_to() -> None:
    config = CONFIG.replace('base_url = "https://first.example/v1"', 'base_url = "https://first.example/v1"\ndialect = "openai"')
    said = {"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "20s", "content-type": "application/json"}
    body = b'{"choices":[{"index":0,"message":{"role":"assistant","content":"Yes."},"finish_reason":"stop"}]}'
    corridor = Corridor(lambda call: FakeReply(headers=said, pieces=(body,)) if "first" in call.url else GOOD, config=config)
    await corridor.ask()
    said["x-ratelimit-remaining-requests"] = "0"
    await corridor.ask()
    await corridor.ask()
    corridor.clock.advance(21.0)
    await corridor.ask()
    assert partners(corridor) == [["first"], ["first"], ["second"], ["first"]]


async def test_an_unpaid_bill_fails_over_and_pages() -> None:
    corridor = Corridor(first_is(UNPAID))
    assert text_of(await corridor.ask()) == GOOD.text
    assert corridor.traffic.alarms == {("first", "billing"): 1}


async def test_a_client_that_leaves_and_a_refusal_of_our_own_count_against_nobody() -> None:
    corridor = Corridor(FakeReply(fault_at=0, fault="hang"))
    for _ in range(10):
        task = asyncio.ensure_future(corridor.ask())
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    corridor.limits.refusal = Refused("Too many.", code="busy", retry=Retry.LATER)
    for _ in range(10):
        await corridor.ask()
    now = corridor.clock.monotonic()
    assert corridor.traffic.trouble(now) == {}
    assert [(view.requests, view.tokens, view.refusal) for view in corridor.traffic.views(now).values()] == [(0, 0, 0.0)]


async def test_the_first_token_of_a_stream_is_timed_and_a_whole_reply_is_not() -> None:
    corridor = Corridor()

    def slow(call: Call) -> Behaviour:
        corridor.clock.advance(0.4)
        return GOOD

    corridor.upstream._script = slow
    await corridor.ask(stream=False)
    assert corridor.traffic.views(corridor.clock.monotonic())["first/large@local"].first_token_s == 0.0
    await corridor.ask(stream=True)
    assert corridor.traffic.views(corridor.clock.monotonic())["first/large@local"].first_token_s == 0.4


async def test_a_key_reaches_only_targets_of_its_market() -> None:
    config = CONFIG.replace('[{ partner = "first", model = "large" }]', '[{ partner = "first", model = "large", markets = ["CN"] }]')
    body = {"model": "alone", "messages": [{"role": "user", "content": "Hello"}]}
    assert end_of(await Corridor(GOOD, config=config, plan=Plan(market="CN")).ask(body)) == "stop"
    outside = Corridor(GOOD, config=config)
    assert end_of(await outside.ask(body)) == "model_not_allowed"
    assert outside.upstream.calls == []


async def test_the_cheapest_partner_of_the_day_answers() -> None:
    cheaper = """
[[metering.prices]]
key = "second/large"
from = 2025-10-10
input_per_million = "0.1"
output_per_million = "0.2"
[partners.first]"""
    config = CONFIG.replace("[models.seeing]", 'strategy = "cheapest"\n[models.seeing]').replace("\n[partners.first]", cheaper)
    corridor = Corridor(GOOD, config=config)
    await corridor.ask()
    corridor.clock.set_now(1_760_200_000.0)
    await corridor.ask()
    assert partners(corridor) == [["first"], ["second"]]


async def test_a_long_prompt_goes_to_the_target_with_the_window_for_it() -> None:
    small = '{ partner = "first", model = "large", capabilities = ["tools"] }'
    config = CONFIG.replace(small, small.replace(" }", ", context_tokens = 200 }"))
    corridor = Corridor(GOOD, config=config)
    await corridor.ask({"model": "assistant", "messages": [{"role": "user", "content": "word " * 500}], "max_tokens": 20})
    await corridor.ask({"model": "assistant", "messages": [{"role": "user", "content": "word"}], "max_tokens": 20})
    assert partners(corridor) == [["second"], ["first"]]
