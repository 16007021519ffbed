"""Limits over several workers, in a world where messages are under way, clocks jump and workers die."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lizi.admission import Ask, Grant, Leases, Moment, Owner, Refusal, Return
from lizi.types import Caller, Claim, Demand, Plan, Ticket

DAY = 86_400.0
START = 100 * DAY


def moment(mono: float, at: float | None = None) -> Moment:
    at = START + mono if at is None else at
    day = at // DAY * DAY
    month = at // (30 * DAY) * 30 * DAY
    return Moment(mono=mono, at=at, day_start=day, day_end=day + DAY, month_start=month, month_end=month + 30 * DAY)


def caller(plan: Plan, app: str = "notes") -> Caller:
    return Caller(app=app, key_id="k", plan=plan)


def ask(
    plan: Plan, *, tokens: int = 10, money: int = 5, streams: int = 0, rate: float = 0.0, id: int = 1, key: str = "", exchange: str = ""
) -> Ask:
    return Ask(id, "notes", plan, tokens, money, streams, rate, False, key, exchange)


class World:
    """One owner, some workers, messages in flight in both directions, and a plain log of what was really used."""

    def __init__(self, workers: int, in_flight: int, plan: Plan) -> None:
        self.owner = Owner(workers=workers, in_flight=in_flight)
        self.plan = plan
        self.now = 1000.0
        self.names = [f"w{number}" for number in range(workers)]
        self.leases = {name: Leases() for name in self.names}
        self.up: dict[str, deque[Ask | Return]] = {name: deque() for name in self.names}
        self.down: dict[str, deque[Grant | Refusal]] = {name: deque() for name in self.names}
        self.open: list[tuple[str, Ticket]] = []
        self.used: list[list[float]] = []  # [time, tokens, money, alive]
        self.by_ticket: dict[tuple[str, int], list[float]] = {}
        self.killed = 0
        self.refused: list[Refusal] = []

    def request(self, worker: str, demand: Demand) -> None:
        leases = self.leases[worker]
        outcome = leases.take(caller(self.plan), demand, self.now, START)
        if isinstance(outcome, Ticket):
            self.start(worker, outcome)
            if leases.runs_out("notes", self.now):
                ahead = leases.ask(caller(self.plan), demand, ahead=True)
                assert ahead is not None
                self.push(worker)
                self.up[worker].append(ahead)
        elif outcome is None:
            question = leases.ask(caller(self.plan), demand)
            assert question is not None
            self.push(worker)
            self.up[worker].append(question)
        else:
            self.refused.append(outcome)

    def start(self, worker: str, ticket: Ticket) -> None:
        self.open.append((worker, ticket))
        entry = [self.now, ticket.demand.tokens, ticket.demand.money_micros]
        self.used.append(entry)
        self.by_ticket[worker, ticket.id] = entry

    def push(self, worker: str) -> None:
        self.up[worker].extend(self.leases[worker].returns())

    def deliver(self, worker: str) -> None:
        while self.up[worker]:
            message = self.up[worker].popleft()
            if isinstance(message, Ask):
                self.down[worker].append(self.owner.grant(worker, message, moment(self.now)))
            else:
                self.owner.give_back(worker, message, moment(self.now))

    def receive(self, worker: str) -> None:
        while self.down[worker]:
            outcome = self.leases[worker].answered(self.down[worker].popleft(), self.now, START)
            if isinstance(outcome, Ticket):
                self.start(worker, outcome)
            elif isinstance(outcome, Refusal) and outcome.which != "ahead":
                self.refused.append(outcome)

    def settle(self, position: int, share: float) -> None:
        if not self.open:
            return
        worker, ticket = self.open.pop(position % len(self.open))
        tokens, money = int(ticket.demand.tokens * share), int(ticket.demand.money_micros * share)
        self.by_ticket[worker, ticket.id][1:] = [tokens, money]
        assert self.leases[worker].settle(ticket, tokens, money)
        assert not self.leases[worker].settle(ticket, tokens, money), "a second settlement has no effect"

    def kill(self, worker: str) -> None:
        self.killed += 1
        self.owner.drop(worker)
        self.open = [(name, ticket) for name, ticket in self.open if name != worker]
        self.up[worker].clear()
        self.down[worker].clear()
        # Its successor is a new worker with nothing in hand.
        self.leases[worker] = Leases()
        self.by_ticket = {key: entry for key, entry in self.by_ticket.items() if key[0] != worker}

    def expire(self, worker: str) -> None:
        self.leases[worker].expire(self.now)
        self.push(worker)

    def check(self) -> None:
        plan = self.plan
        recent = [entry for entry in self.used if entry[0] > self.now - 60]
        if plan.requests_per_minute is not None:
            assert len(recent) <= plan.requests_per_minute
        if plan.tokens_per_minute is not None:
            assert sum(entry[1] for entry in recent) <= plan.tokens_per_minute
        if plan.money_per_day_micros is not None:
            assert sum(entry[2] for entry in self.used) <= plan.money_per_day_micros
        if plan.streams is not None:
            assert sum(ticket.demand.streams for _, ticket in self.open) <= plan.streams
        assert len(self.open) <= self.owner.in_flight_limit
        assert self.owner.in_flight >= len(self.open)
        assert all(value >= 0 for value in self.owner.spent("notes", moment(self.now)).values())

    def come_to_rest(self) -> None:
        for worker in self.names:
            self.deliver(worker)
            self.receive(worker)
        while self.open:
            self.settle(0, 1.0)
        self.now += 0.2
        for worker in self.names:
            self.expire(worker)
            self.deliver(worker)


workers_of = st.integers(0, 2)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("request"), workers_of, st.integers(1, 60), st.integers(0, 1)),
        st.tuples(st.just("flood"), workers_of, st.integers(2, 40), st.integers(1, 20)),
        st.tuples(st.just("deliver"), workers_of),
        st.tuples(st.just("receive"), workers_of),
        st.tuples(st.just("settle"), st.integers(0, 50), st.floats(0, 1)),
        st.tuples(st.just("expire"), workers_of),
        st.tuples(st.just("kill"), workers_of),
        st.tuples(st.just("wait"), st.sampled_from([0.0, 0.001, 0.03, 0.09, 0.1, 0.2, 0.9, 1.0, 7.0, 59.95, 60.0, 61.0])),
    ),
    min_size=5,
    max_size=120,
)
plans = st.builds(
    Plan,
    requests_per_minute=st.one_of(st.none(), st.integers(1, 3000)),
    tokens_per_minute=st.one_of(st.none(), st.integers(20, 20_000)),
    streams=st.one_of(st.none(), st.integers(1, 20)),
    money_per_day_micros=st.one_of(st.none(), st.integers(0, 20_000)),
)


def play(world: World, step: tuple) -> None:
    kind, *rest = step
    if kind == "request":
        worker, tokens, streams = rest
        world.request(world.names[worker], Demand(tokens=tokens, money_micros=tokens // 2, streams=streams))
    elif kind == "flood":
        worker, count, tokens = rest
        for _ in range(count):
            world.request(world.names[worker], Demand(tokens=tokens, money_micros=tokens, streams=0))
            world.now += 0.004
            world.deliver(world.names[worker])
            world.receive(world.names[worker])
            world.check()
    elif kind in {"deliver", "receive", "expire", "kill"}:
        getattr(world, kind)(world.names[rest[0]])
    elif kind == "settle":
        world.settle(*rest)
    else:
        world.now += rest[0]


@settings(max_examples=150)
@given(plan=plans, in_flight=st.integers(1, 400), script=steps)
def test_no_limit_is_ever_passed_whatever_the_order_of_messages_deaths_and_waits(plan: Plan, in_flight: int, script: list) -> None:
    world = World(3, in_flight, plan)
    for step in script:
        play(world, step)
        world.check()


@settings(max_examples=150)
@given(plan=plans, in_flight=st.integers(1, 400), script=steps)
def test_what_was_reserved_is_settled_or_released_exactly_once(plan: Plan, in_flight: int, script: list) -> None:
    world = World(3, in_flight, plan)
    for step in script:
        play(world, step)
    world.come_to_rest()
    spent = world.owner.spent("notes", moment(world.now))
    assert world.owner.in_flight == 0
    assert world.owner._leased == 0
    assert spent["streams"] == 0
    money = sum(entry[2] for entry in world.used)
    if world.killed:
        # What a dead worker held stays charged: money errs against the app, never against the maker.
        assert spent["money_per_day"] >= money
    else:
        assert spent["money_per_day"] == spent["money_per_month"] == money
    world.now += 62
    spent = world.owner.spent("notes", moment(world.now))
    assert (spent["requests"], spent["tokens"]) == (0, 0)


@pytest.mark.parametrize(
    ("plan", "used"),
    [
        (Plan(requests_per_minute=2_000), lambda world: len(world.used) / 2_000),
        (Plan(tokens_per_minute=40_000), lambda world: sum(entry[1] for entry in world.used) / 40_000),
        (Plan(money_per_day_micros=20_000), lambda world: sum(entry[2] for entry in world.used) / 20_000),
        (Plan(money_per_month_micros=20_000), lambda world: sum(entry[2] for entry in world.used) / 20_000),
    ],
)
@pytest.mark.parametrize("workers", [1, 2, 8])
def test_nobody_is_refused_before_95_percent_of_a_limit_is_used(plan: Plan, used, workers: int) -> None:
    world = World(workers, 100_000, plan)
    for turn in range(20_000):
        worker = world.names[turn % workers]
        world.request(worker, Demand(tokens=20, money_micros=10, streams=0))
        # Answers and returns lag behind by a few requests, as under load.
        if turn % 5 == 4:
            for name in world.names:
                world.deliver(name)
                world.receive(name)
        if turn % 50 == 49:
            for name in world.names:
                world.expire(name)
        world.now += 0.001
        if world.refused:
            break
    assert world.refused
    assert used(world) >= 0.95
    assert used(world) <= 1.0


def test_a_hot_app_asks_the_owner_for_few_of_its_requests_and_a_cold_one_for_each() -> None:
    world = World(2, 100_000, Plan(requests_per_minute=1_000_000))
    questions = 0
    for _ in range(5_000):
        world.request("w0", Demand(tokens=10, money_micros=0, streams=0))
        questions += sum(isinstance(message, Ask) for message in world.up["w0"])
        world.deliver("w0")
        world.receive("w0")
        world.now += 0.0002
    assert questions < 5_000 / 20
    cold = World(2, 100_000, Plan(requests_per_minute=1_000_000))
    questions = 0
    for _ in range(100):
        cold.request("w0", Demand(tokens=10, money_micros=0, streams=0))
        questions += sum(isinstance(message, Ask) for message in cold.up["w0"])
        cold.deliver("w0")
        cold.receive("w0")
        cold.now += 0.2
    assert questions == 100


def test_the_wait_until_the_oldest_seconds_free_enough_is_exact() -> None:
    plan = Plan(tokens_per_minute=100)
    owner = Owner(workers=1, in_flight=10)
    for second, tokens in ((10.2, 30), (20.7, 50), (30.0, 20)):
        assert isinstance(owner.grant("w", ask(plan, tokens=tokens), moment(second)), Grant)
    refusal = owner.grant("w", ask(plan, tokens=40), moment(40.0))
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.which, refusal.limit) == ("rate_limited", "tokens", 100)
    assert refusal.retry_after_s == pytest.approx(20 + 61 - 40.0)
    assert isinstance(owner.grant("w", ask(plan, tokens=40), moment(40.0 + refusal.retry_after_s - 0.01)), Refusal)
    assert isinstance(owner.grant("w", ask(plan, tokens=40), moment(40.0 + refusal.retry_after_s)), Grant)


def test_a_request_larger_than_its_limit_is_told_that_waiting_will_not_help() -> None:
    refusal = Owner(workers=1, in_flight=10).grant("w", ask(Plan(tokens_per_minute=100), tokens=101), moment(5.0))
    assert isinstance(refusal, Refusal)
    assert refusal.retry_after_s is None
    error = refusal.error()
    assert (error.code, error.retry.value, error.retry_after_s) == ("rate_limited", "never", None)


@pytest.mark.parametrize(
    ("plan", "which", "wait"),
    [
        (Plan(money_per_day_micros=100), "money_per_day", DAY - 5.0),
        (Plan(money_per_month_micros=100), "money_per_month", moment(5.0).month_end - START - 5.0),
        (Plan(money_per_day_micros=100, money_per_month_micros=100), "money_per_month", moment(5.0).month_end - START - 5.0),
    ],
)
def test_an_empty_budget_says_when_its_period_ends(plan: Plan, which: str, wait: float) -> None:
    owner = Owner(workers=1, in_flight=10)
    assert isinstance(owner.grant("w", ask(plan, money=100), moment(5.0)), Grant)
    refusal = owner.grant("w", ask(plan, money=1), moment(5.0))
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.which, refusal.retry_after_s) == ("quota_reached", which, pytest.approx(wait))
    assert isinstance(owner.grant("w", ask(plan, money=0), moment(5.0)), Grant), "what costs nothing harms no budget"


def test_a_new_day_opens_the_day_and_a_clock_set_back_does_not_open_it_again() -> None:
    plan = Plan(money_per_day_micros=100, money_per_month_micros=1_000)
    owner = Owner(workers=1, in_flight=100)
    assert isinstance(owner.grant("w", ask(plan, money=100), moment(5.0)), Grant)
    tomorrow = START + DAY + 1
    assert isinstance(owner.grant("w", ask(plan, money=100), moment(6.0, tomorrow)), Grant)
    for at in (tomorrow, tomorrow - 2 * DAY):
        refusal = owner.grant("w", ask(plan, money=1), moment(7.0, at))
        assert isinstance(refusal, Refusal)
        assert refusal.which == "money_per_day"
    assert owner.spent("notes", moment(7.0, tomorrow))["money_per_month"] == 200


def test_a_settlement_after_midnight_belongs_to_the_day_of_its_reservation() -> None:
    plan = Plan(money_per_day_micros=100, money_per_month_micros=1_000)
    owner, leases = Owner(workers=1, in_flight=10), Leases()
    assert leases.take(caller(plan), Demand(tokens=1, money_micros=100), 5.0, START) is None
    question = leases.ask(caller(plan), Demand(tokens=1, money_micros=100))
    assert question is not None
    ticket = leases.answered(owner.grant("w", question, moment(5.0)), 5.0, START)
    assert isinstance(ticket, Ticket)
    leases.settle(ticket, 1, 40)
    tomorrow = moment(50.0, START + DAY + 1)
    for back in leases.returns():
        owner.give_back("w", back, tomorrow)
    spent = owner.spent("notes", tomorrow)
    assert (spent["money_per_day"], spent["money_per_month"]) == (0, 40)


def test_usage_beyond_the_reservation_is_charged_and_only_that_request_goes_over() -> None:
    plan = Plan(tokens_per_minute=100, money_per_day_micros=100)
    owner, leases = Owner(workers=1, in_flight=10), Leases()
    demand = Demand(tokens=60, money_micros=60, streams=1)
    leases.take(caller(plan), demand, 5.0, START)
    question = leases.ask(caller(plan), demand)
    assert question is not None
    ticket = leases.answered(owner.grant("w", question, moment(5.0)), 5.0, START)
    assert isinstance(ticket, Ticket)
    leases.settle(ticket, 150, 130)
    for back in leases.returns():
        owner.give_back("w", back, moment(6.0))
    spent = owner.spent("notes", moment(6.0))
    assert (spent["tokens"], spent["money_per_day"], spent["streams"]) == (150, 130, 0)
    assert isinstance(owner.grant("w", ask(plan, tokens=1, money=0), moment(6.0)), Refusal)


def test_streams_and_places_in_flight_come_free_when_their_worker_dies() -> None:
    plan = Plan(streams=2)
    owner = Owner(workers=2, in_flight=3)
    for worker in ("a", "a"):
        assert isinstance(owner.grant(worker, ask(plan, streams=1, money=7), moment(5.0)), Grant)
    refusal = owner.grant("b", ask(plan, streams=1), moment(5.0))
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.which) == ("rate_limited", "streams")
    assert isinstance(owner.grant("b", ask(plan), moment(5.0)), Grant), "a whole reply is no stream"
    refusal = owner.grant("b", ask(plan), moment(5.0))
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.which) == ("busy", "in_flight")
    owner.drop("a")
    assert owner.in_flight == 1
    assert isinstance(owner.grant("b", ask(plan, streams=1), moment(5.0)), Grant)
    assert owner.spent("notes", moment(5.0))["money_per_day"] == 7 * 2 + 5 * 2, "money of the dead stays charged"


def test_nearing_is_said_from_80_percent_on_with_the_time_when_it_eases() -> None:
    plan = Plan(requests_per_minute=10, money_per_day_micros=10_000)
    owner = Owner(workers=1, in_flight=100)
    grants = [owner.grant("w", ask(plan), moment(5.0 + number)) for number in range(10)]
    assert [grant.nearing for grant in grants if isinstance(grant, Grant)] == [False] * 7 + [True] * 3
    eighth = grants[7]
    assert isinstance(eighth, Grant)
    # Eight of ten are charged; with the first gone, at second 66, seven remain.
    assert eighth.resets_at == pytest.approx(START + 66.0)


def test_a_repeated_idempotency_key_gets_the_first_exchange_and_its_state() -> None:
    owner = Owner(workers=2, in_flight=10)
    assert isinstance(owner.grant("a", ask(Plan(), key="h", exchange="rq_1"), moment(1.0)), Grant)
    repeat = owner.grant("b", ask(Plan(), key="h", exchange="rq_2"), moment(1.0))
    assert isinstance(repeat, Refusal)
    assert (repeat.code, repeat.exchange_id, repeat.state) == ("idempotency_conflict", "rq_1", "open")
    owner.close_claim("b", "h", "rq_2", None)  # not its claim: no effect
    owner.close_claim("a", "h", "rq_1", "ok")
    repeat = owner.grant("b", ask(Plan(), key="h", exchange="rq_3"), moment(1.0))
    assert isinstance(repeat, Refusal)
    assert repeat.state == "ok"
    error = repeat.error()
    assert (error.status, error.extra) == (409, {"exchange_id": "rq_1", "state": "ok"})


def test_a_claim_whose_reservation_is_refused_is_free_again() -> None:
    owner = Owner(workers=1, in_flight=10)
    plan = Plan(requests_per_minute=1)
    assert isinstance(owner.grant("a", ask(plan), moment(1.0)), Grant)
    assert isinstance(owner.grant("a", ask(plan, key="h", exchange="rq_1"), moment(1.0)), Refusal)
    assert isinstance(owner.grant("a", ask(plan, key="h", exchange="rq_2"), moment(70.0)), Grant)


def test_claims_of_a_dead_worker_end_and_stay_claimed_and_old_ones_are_forgotten() -> None:
    owner = Owner(workers=1, in_flight=10, claim_life_s=100.0)
    assert isinstance(owner.grant("a", ask(Plan(), key="h", exchange="rq_1"), moment(1.0)), Grant)
    owner.drop("a")
    repeat = owner.grant("b", ask(Plan(), key="h", exchange="rq_2"), moment(50.0))
    assert isinstance(repeat, Refusal)
    assert repeat.state == "internal"
    assert isinstance(owner.grant("b", ask(Plan(), key="h", exchange="rq_3"), moment(102.0)), Grant)


def test_a_full_memory_of_claims_refuses_a_new_one_and_forgets_none() -> None:
    owner = Owner(workers=1, in_flight=10, claims=1)
    assert isinstance(owner.grant("a", ask(Plan(), key="h", exchange="rq_1"), moment(1.0)), Grant)
    refusal = owner.grant("a", ask(Plan(), key="i", exchange="rq_2"), moment(1.0))
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.which) == ("busy", "claims")
    assert owner.in_flight == 1


def test_what_the_ledger_says_was_spent_counts_after_a_restart() -> None:
    owner = Owner(workers=1, in_flight=10)
    owner.restore("notes", moment(1.0), day_micros=90, month_micros=500)
    owner.restore_claim("h", "rq_0", "ok", START)
    assert isinstance(owner.grant("a", ask(Plan(money_per_day_micros=100), money=11), moment(2.0)), Refusal)
    assert isinstance(owner.grant("a", ask(Plan(), key="h", exchange="rq_1"), moment(2.0)), Refusal)


def test_a_grant_that_comes_after_its_end_or_for_nobody_goes_back_whole() -> None:
    plan = Plan(requests_per_minute=100, tokens_per_minute=1_000)
    owner, leases = Owner(workers=1, in_flight=10), Leases()
    demand = Demand(tokens=60, money_micros=60, streams=1)
    for late in (True, False):
        leases.take(caller(plan), demand, 5.0, START)
        question = leases.ask(caller(plan), demand)
        assert question is not None
        grant = owner.grant("w", question, moment(5.0))
        if not late:
            leases.abandon(question.id)
        assert leases.answered(grant, 5.2 if late else 5.0, START) is None
        for back in leases.returns():
            owner.give_back("w", back, moment(5.3))
        assert set(owner.spent("notes", moment(5.3)).values()) == {0}
        assert owner.in_flight == 0


def test_a_worker_repeats_a_refusal_for_a_moment_without_asking_and_not_for_a_smaller_need() -> None:
    plan = Plan(tokens_per_minute=100)
    owner, leases = Owner(workers=1, in_flight=10), Leases()
    large = Demand(tokens=90, money_micros=0, streams=0)
    owner.grant("w", ask(plan, tokens=50), moment(4.0))
    assert leases.take(caller(plan), large, 5.0, START) is None
    question = leases.ask(caller(plan), large)
    assert question is not None
    assert isinstance(leases.answered(owner.grant("w", question, moment(5.0)), 5.0, START), Refusal)
    assert isinstance(leases.take(caller(plan), large, 5.01, START), Refusal)
    assert leases.take(caller(plan), Demand(tokens=10, money_micros=0, streams=0), 5.01, START) is None
    assert leases.take(caller(Plan()), large, 5.01, START) is None, "another key's plan of the same app"
    assert leases.take(caller(plan), large, 5.03, START) is None


def test_a_ticket_with_a_claim_is_never_taken_from_a_lease() -> None:
    plan = Plan()
    owner, leases = Owner(workers=1, in_flight=100_000), Leases()
    demand = Demand(tokens=1, money_micros=0, streams=0)
    now = 1.0
    for _ in range(150):
        if leases.take(caller(plan), demand, now, START) is None:
            question = leases.ask(caller(plan), demand)
            assert question is not None
            leases.answered(owner.grant("w", question, moment(now)), now, START)
        now += 0.001
    assert leases.leases == 1
    assert leases.take(caller(plan), demand, now, START, claimed=True) is None
    question = leases.ask(caller(plan), demand, Claim(key_hash="h", exchange_id="rq_1"))
    assert question is not None
    assert (question.key_hash, question.exchange_id) == ("h", "rq_1")


@pytest.mark.parametrize("workers", [1, 2, 8])
@pytest.mark.parametrize(
    "plan", [Plan(requests_per_minute=2_000), Plan(tokens_per_minute=20_000), Plan(money_per_day_micros=10_000), Plan(streams=2_000)]
)
def test_leases_that_nobody_uses_strand_at_most_5_percent_however_many_are_asked_for(plan: Plan, workers: int) -> None:
    owner = Owner(workers=workers, in_flight=1_000_000)
    idle = admitted = 0
    for turn in range(workers * 5):
        grant = owner.grant(f"w{turn % workers}", ask(plan, streams=1, rate=1e9, id=turn), moment(5.0))
        assert isinstance(grant, Grant)
        admitted, idle = admitted + 1, idle + grant.requests - 1
    assert idle > 0
    while isinstance(owner.grant("w0", ask(plan, streams=1), moment(5.0)), Grant):
        admitted += 1
    assert admitted >= 0.95 * 2_000
    assert admitted + idle <= 2_000


def test_leases_of_many_hot_apps_strand_at_most_5_percent_of_the_places_in_flight() -> None:
    owner = Owner(workers=1, in_flight=1_000)
    idle = 0
    for number in range(50):
        grant = owner.grant("w", Ask(number, f"app{number}", Plan(), 1, 1, 0, 1e9), moment(5.0))
        assert isinstance(grant, Grant)
        idle += grant.requests - 1
    assert 0 < idle <= 50


def test_a_request_started_at_the_end_of_its_lease_counts_for_a_whole_minute_from_then() -> None:
    plan = Plan(requests_per_minute=1)
    owner = Owner(workers=1, in_flight=10)
    # Granted at 10.95, it may have been used until 11.05: the minute that begins at 11.0 holds it.
    assert isinstance(owner.grant("w", ask(plan), moment(10.95)), Grant)
    assert isinstance(owner.grant("w", ask(plan), moment(71.0)), Refusal)
    assert isinstance(owner.grant("w", ask(plan), moment(72.0)), Grant)


def test_nothing_is_taken_from_a_lease_whose_time_is_over() -> None:
    owner, leases = Owner(workers=1, in_flight=100_000), Leases()
    demand = Demand(tokens=1, money_micros=0, streams=0)
    now = 1.0
    while leases.leases == 0:
        leases.take(caller(Plan()), demand, now, START)
        question = leases.ask(caller(Plan()), demand)
        assert question is not None
        leases.answered(owner.grant("w", question, moment(now)), now, START)
        now += 0.001
    assert isinstance(leases.take(caller(Plan()), demand, now, START), Ticket)
    assert leases.take(caller(Plan()), demand, now + 0.1, START) is None


def test_a_key_that_was_claimed_under_another_hash_of_the_house_is_a_repeat() -> None:
    owner = Owner(workers=2, in_flight=10)
    first = replace(ask(Plan(), key="old", exchange="rq_1"), other_hashes=("new",))
    assert isinstance(owner.grant("a", first, moment(1.0)), Grant)
    rotated = replace(ask(Plan(), key="new", exchange="rq_2"), other_hashes=("older", "old"))
    again = owner.grant("b", rotated, moment(2.0))
    assert isinstance(again, Refusal)
    assert (again.code, again.exchange_id, again.state) == ("idempotency_conflict", "rq_1", "open")
    owner.close_claim("a", "old", "rq_1", "ok")
    again = owner.grant("b", rotated, moment(3.0))
    assert isinstance(again, Refusal)
    assert again.state == "ok"
    # Claimed under the new one by a worker that knows it; a worker that does not use it yet finds it all the same.
    assert isinstance(owner.grant("b", ask(Plan(), key="new-2", exchange="rq_3"), moment(3.0)), Grant)
    late = owner.grant("a", replace(ask(Plan(), key="old-2", exchange="rq_4"), other_hashes=("new-2",)), moment(3.0))
    assert isinstance(late, Refusal)
    assert late.exchange_id == "rq_3"
