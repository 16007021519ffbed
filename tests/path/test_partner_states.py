"""What states mean to an exchange: who is asked for whom, what happens to exchanges that a move overtakes."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from corridor import CONFIG, Corridor, end_of, text_of
from lizi import pipeline
from lizi.audit import Chain
from lizi.callers import CallerBook
from lizi.config import build_house, shut
from lizi.errors import InvalidRequest, LiziError
from lizi.house import Opened
from lizi.standing import check_move
from lizi.testing import Behaviour
from lizi.types import Fault, PartnerState, Plan

GOOD = Behaviour(text="The river is quiet this morning.", chunks=4)
DOWN = Behaviour(status=503, error={"error": {"message": "overloaded"}})
STATES: tuple[PartnerState, ...] = get_args(PartnerState)


class Stage(Corridor):
    """A corridor whose partners can be moved, as a worker does it."""

    def __init__(self, script: Any = None, *, config: str = CONFIG, plan: Plan | None = None, **states: PartnerState) -> None:
        super().__init__(script or GOOD, plan=plan, config=config)
        self.states: dict[str, PartnerState] = {"first": "active", "second": "active", **states}
        self.keys = self.house.callers
        self.land()

    def land(self) -> None:
        built = build_house(
            self.config, [], idempotency_key=b"k" * 32, traffic=self.traffic, base_urls={}, at=self.clock.now(), states=self.states
        )
        self.house = replace(built, callers=self.keys)
        self.traffic.shut = shut(self.config, self.states)
        self.traffic.keep(target for route in built.synthetic_routes.values() for target in route.targets)

    def move(self, partner: str, state: str) -> None:
        self.states[partner] = check_move(partner, self.states[partner], state)
        self.land()

    @property
    def asked(self) -> list[str]:
        """Hosts in the order that they were asked."""
        return ["first" if "first" in call.url else "second" for call in self.upstream.calls]


async def test_a_candidate_takes_synthetic_traffic_and_none_of_a_users() -> None:
    users, examiner = Stage(first="candidate"), Stage(first="candidate", plan=Plan(synthetic=True))
    assert text_of(await users.ask(stream=True)) == text_of(await examiner.ask(stream=True)) == GOOD.text
    assert (users.asked, examiner.asked) == (["second"], ["first"])


@pytest.mark.parametrize("feature", ["chat", "writing.rewrite"])
async def test_a_route_without_any_active_partner_is_a_typed_error_and_not_a_crash(feature: str) -> None:
    stage = Stage(first="retired", second="approved")
    body = None if feature == "chat" else {"input": {"text": "Tea is what I like."}, "locale": "en", "style": "friendly"}
    try:
        events = await stage.ask(body, feature=feature)
    except LiziError as error:
        found = error
    else:
        assert isinstance(events[-1], Fault)
        found = events[-1].error
    assert found.code == "feature_unavailable"
    assert stage.asked == []
    assert "first" not in found.message + str(found.hint)


async def test_a_retired_partner_takes_no_synthetic_traffic_either() -> None:
    stage = Stage(first="retired", second="retired", plan=Plan(synthetic=True))
    with_fault = None
    try:
        with_fault = end_of(await stage.ask())
    except LiziError as error:
        with_fault = error.code
    assert (with_fault, stage.asked) == ("feature_unavailable", [])


async def test_a_stream_that_is_open_when_its_partner_retires_ends_as_it_began() -> None:
    stage = Stage()
    said = ""
    async with aclosing(pipeline.serve(stage.open(stream=True), stage.ports)) as batches:
        async for batch in batches:
            said += text_of(batch)
            if said and stage.states["first"] == "active":
                stage.move("first", "retired")
    assert said == GOOD.text
    assert text_of(await stage.ask(stream=True)) == GOOD.text
    assert stage.asked == ["first", "second"]


async def test_the_lane_of_a_retired_partner_is_counted_until_its_last_stream_has_ended() -> None:
    stage = Stage()
    async with aclosing(pipeline.serve(stage.open(stream=True), stage.ports)) as batches:
        async for _ in batches:
            break
        stage.move("first", "retired")
        assert stage.traffic.views(stage.clock.monotonic())["first/large@local"].requests == 1
    assert stage.traffic.views(stage.clock.monotonic())["first/large@local"].requests == 0


async def test_no_new_attempt_goes_to_a_partner_that_retired_while_the_exchange_was_under_way() -> None:
    """Failover within an exchange that began before the move must not bring a retired partner new work."""
    stage: Stage

    def script(call: Any) -> Behaviour:
        if stage.states["second"] == "active":
            stage.move("second", "retired")
        return DOWN if "first" in call.url else GOOD

    stage = Stage(script)
    assert end_of(await stage.ask()) == "upstream_failed"
    assert set(stage.asked) == {"first"}


async def test_an_exchange_opened_before_the_move_and_served_after_it_goes_elsewhere() -> None:
    """Between the request's head and its first attempt lies the reservation, which may wait."""
    stage = Stage()
    opened = stage.open(stream=True)
    stage.move("first", "retired")
    async for _ in pipeline.serve(opened, stage.ports):
        pass
    assert stage.asked == ["second"]


async def test_a_synthetic_exchange_is_marked_so_in_its_record_and_in_the_chain() -> None:
    stage = Stage(plan=Plan(synthetic=True))
    plain = Stage()
    await stage.ask()
    await plain.ask()
    chain = Chain(boot="b", worker=1, config_hash="c", version="1", started_at=0.0)
    assert b'"synthetic":true' in chain.append(stage.journal.records[0]).body
    assert b'"synthetic":false' in chain.append(plain.journal.records[0]).body


MOVES = st.tuples(st.just("move"), st.sampled_from(["first", "second"]), st.sampled_from(STATES))
ASKS = st.tuples(st.just("ask"), st.booleans(), st.booleans())
LATER = st.tuples(st.just("open"), st.booleans(), st.booleans())
ENDS = st.tuples(st.just("serve"), st.integers(0, 5), st.just(None))


@given(
    # Long: a short one rarely has a move between a request's opening and its serving.
    st.lists(st.one_of(MOVES, MOVES, ASKS, LATER, ENDS), min_size=20, max_size=60),
    st.sampled_from(STATES),
    st.sampled_from(STATES),
    st.booleans(),
)
def test_no_sequence_of_moves_lets_a_user_reach_a_partner_that_is_not_active(
    steps: list[tuple[Any, Any, Any]], first: PartnerState, second: PartnerState, fails: bool
) -> None:
    """Moves, requests, and requests that were opened before a move and are served after it, in any order."""
    synthetic_now = False
    stage: Stage

    def script(call: Any) -> Behaviour:
        host = "first" if "first" in call.url else "second"
        state = stage.states[host]
        assert state != "retired"
        assert synthetic_now or state == "active"
        return DOWN if fails and host == "first" else GOOD

    stage = Stage(script, first=first, second=second)
    examiner = Stage(plan=Plan(synthetic=True))
    waiting: list[tuple[bool, Opened]] = []

    def opened(synthetic: bool, stream: bool) -> Opened:
        stage.keys = examiner.keys if synthetic else keys
        stage.land()
        return stage.open(stream=stream)

    async def serve(synthetic: bool, one: Opened) -> None:
        nonlocal synthetic_now
        synthetic_now = synthetic
        async for _ in pipeline.serve(one, stage.ports):
            pass
        stage.check_settled()

    async def play() -> None:
        for kind, what, how in steps:
            try:
                if kind == "move":
                    stage.move(what, how)
                elif kind == "ask":
                    await serve(what, opened(what, how))
                elif kind == "open":
                    waiting.append((what, opened(what, how)))
                elif what < len(waiting):
                    await serve(*waiting.pop(what))
            except InvalidRequest:
                assert kind == "move"
            except LiziError as error:
                assert error.code == "feature_unavailable"
        for one in waiting:
            await serve(*one)

    keys: CallerBook = stage.keys
    asyncio.run(play())
