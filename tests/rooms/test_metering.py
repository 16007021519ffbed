"""Money: exact, dated, rounded once. Tokens: believable reports are kept, others replaced."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lizi.dialects import DIALECTS
from lizi.errors import ConfigError
from lizi.metering import MeteringSettings, PriceBook, bill, estimate_request, periods
from lizi.metering.tokens import OutputCounter, estimate_message, estimate_tokens, usage_or_estimate
from lizi.types import ChatRequest, Demand, JsonObjectFormat, JsonSchemaFormat, Target, Usage

NOON = datetime(2026, 3, 10, 12, tzinfo=ZoneInfo("UTC")).timestamp()
TARGET = Target(partner="acme", model="large", region="x", dialect="openai_chat", base_url="", credential="", price_key="acme/large")


def settings(**values: Any) -> MeteringSettings:
    return msgspec.convert(values, MeteringSettings)


def price(key: str = "acme/large", since: str = "2026-01-01", asked: Any = "0.5", answered: Any = "1.5", **more: Any) -> dict[str, Any]:
    return {"key": key, "from": since, "input_per_million": asked, "output_per_million": answered, **more}


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def chat(text: str, **more: Any) -> ChatRequest:
    return ChatRequest(model="writer", messages=[{"role": "user", "content": text}], **more)


# --- prices


def test_a_price_is_exact_and_rounded_half_up_once() -> None:
    book = PriceBook(settings(prices=[price(asked="0.5", answered="1.5")]))
    assert book.cost_micros(Usage(input_tokens=1), "acme/large", NOON) == 1  # 0.5 micro-units
    assert book.cost_micros(Usage(input_tokens=3, output_tokens=3), "acme/large", NOON) == 6
    assert book.cost_micros(Usage(input_tokens=2_000_000, output_tokens=1_000_000), "acme/large", NOON) == 2_500_000


@pytest.mark.parametrize("amount", ["0.14", 0.14])
def test_a_decimal_is_the_same_in_quotes_and_without(amount: object) -> None:
    book = PriceBook(settings(prices=[price(asked=amount)]))
    assert book.cost_micros(Usage(input_tokens=100_000_000), "acme/large", NOON) == 14_000_000


def test_cached_input_and_reasoning_have_prices_of_their_own_and_default_to_the_plain_ones() -> None:
    usage = Usage(input_tokens=1000, cached_tokens=400, output_tokens=500, reasoning_tokens=300)
    plain = PriceBook(settings(prices=[price(asked=1, answered=2)]))
    assert plain.cost_micros(usage, "acme/large", NOON) == 1000 + 1000
    apart = PriceBook(settings(prices=[price(asked=1, answered=2, cached_input_per_million="0.1", reasoning_per_million=3)]))
    assert apart.cost_micros(usage, "acme/large", NOON) == 600 + 40 + 400 + 900


def test_a_price_per_request_is_added_once_and_not_for_an_attempt_without_tokens() -> None:
    book = PriceBook(settings(prices=[price(asked=0, answered=0, per_request="0.002")]))
    assert book.cost_micros(Usage(input_tokens=10), "acme/large", NOON) == 2_000
    assert book.cost_micros(Usage(), "acme/large", NOON) == 0


@pytest.mark.requirement("S43", "S61")
def test_a_new_price_holds_from_local_midnight_and_the_old_one_until_then() -> None:
    book = PriceBook(settings(time_zone="Asia/Shanghai", prices=[price(since="2026-01-01", asked=4), price(since="2026-03-01", asked=1)]))
    million = Usage(input_tokens=1_000_000)
    midnight = at("2026-03-01T00:00:00", "Asia/Shanghai")
    assert book.cost_micros(million, "acme/large", midnight - 0.001) == 4_000_000
    assert book.cost_micros(million, "acme/large", midnight) == 1_000_000


def test_a_foreign_price_is_converted_at_the_rate_of_its_day() -> None:
    book = PriceBook(
        settings(
            prices=[price(asked=2, currency="CNY", since="2026-02-01")],
            rates=[
                {"currency": "CNY", "from": "2026-01-01", "per_unit": "0.14"},
                {"currency": "CNY", "from": "2026-03-01", "per_unit": "0.139999999"},
            ],
        )
    )
    million = Usage(input_tokens=1_000_000)
    assert book.cost_micros(million, "acme/large", at("2026-02-28T23:59:59")) == 280_000
    assert book.cost_micros(Usage(input_tokens=1_000_000_000), "acme/large", at("2026-03-01T00:00:00")) == 279_999_998


def test_a_target_without_a_price_is_an_error_unless_free_is_written() -> None:
    strict = PriceBook(settings(prices=[price(since="2026-03-01")]))
    strict.check(["acme/large"], NOON)
    with pytest.raises(ConfigError, match="local/small has no price on 2026-03-10"):
        strict.check(["acme/large", "local/small"], NOON)
    with pytest.raises(ConfigError, match="no price on 2026-02-28"):
        strict.cost_micros(Usage(input_tokens=1), "acme/large", at("2026-02-28T12:00:00"))
    free = PriceBook(settings(unpriced="free"))
    free.check(["local/small"], NOON)
    assert free.cost_micros(Usage(input_tokens=10**6), "local/small", NOON) == 0


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({"time_zone": "Mars/Olympus"}, "metering.time_zone"),
        ({"prices": [price(asked="-1")]}, "metering.prices[0].input_per_million"),
        ({"prices": [price(asked="NaN")]}, "metering.prices[0].input_per_million"),
        ({"prices": [price(answered="0.0000001")]}, "metering.prices[0].output_per_million"),
        ({"prices": [price(), price()]}, "metering.prices[1].from"),
        ({"prices": [price(currency="CNY")]}, "metering.prices[0].currency"),
        (
            {"prices": [price(currency="CNY")], "rates": [{"currency": "CNY", "from": "2026-01-02", "per_unit": 1}]},
            "metering.prices[0].currency",
        ),
        ({"rates": [{"currency": "USD", "from": "2026-01-01", "per_unit": 1}]}, "metering.rates[0].currency"),
        ({"rates": [{"currency": "CNY", "from": "2026-01-01", "per_unit": 0}]}, "metering.rates[0].per_unit"),
        ({"rates": [{"currency": "CNY", "from": "2026-01-01", "per_unit": 1}] * 2}, "metering.rates[1].from"),
    ],
)
def test_a_wrong_price_book_names_the_place_and_the_way_out(values: dict[str, Any], where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        PriceBook(settings(**values))
    assert caught.value.param == where
    assert caught.value.hint


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        settings(prices=[price(discount=1)])


amounts = st.decimals(min_value=0, max_value=1000, places=6)
usages = st.builds(
    lambda asked, cached, answered, reasoning: Usage(
        input_tokens=asked, cached_tokens=min(cached, asked), output_tokens=answered, reasoning_tokens=min(reasoning, answered)
    ),
    *[st.integers(0, 5_000_000)] * 4,
)


@given(amounts, amounts, amounts, amounts, amounts, usages, st.decimals(min_value="0.000000001", max_value=1000, places=9))
def test_a_cost_equals_the_rational_sum_rounded_half_up(
    asked: Any, cached: Any, answered: Any, reasoning: Any, request: Any, usage: Usage, rate: Any
) -> None:
    book = PriceBook(
        settings(
            prices=[
                price(
                    asked=asked,
                    answered=answered,
                    cached_input_per_million=cached,
                    reasoning_per_million=reasoning,
                    per_request=request,
                    currency="CNY",
                )
            ],
            rates=[{"currency": "CNY", "from": "2026-01-01", "per_unit": rate}],
        )
    )
    exact = Fraction(rate) * (
        (usage.input_tokens - usage.cached_tokens) * Fraction(asked)
        + usage.cached_tokens * Fraction(cached)
        + (usage.output_tokens - usage.reasoning_tokens) * Fraction(answered)
        + usage.reasoning_tokens * Fraction(reasoning)
        + (Fraction(request) * 1_000_000 if usage.input_tokens + usage.output_tokens else 0)
    )
    cost = book.cost_micros(usage, "acme/large", NOON)
    assert cost == (exact + Fraction(1, 2)).__floor__()
    assert cost <= book.worst_cost_micros(usage.input_tokens, usage.output_tokens, ["acme/large"], NOON)


def test_the_worst_cost_is_that_of_the_dearest_target() -> None:
    book = PriceBook(settings(prices=[price("a/x", asked=1, answered=1), price("b/y", asked="0.1", answered=9)]))
    assert book.worst_cost_micros(1000, 1000, ["a/x"], NOON) == 2000
    assert book.worst_cost_micros(1000, 1000, ["a/x", "b/y"], NOON) == 9100
    assert book.worst_cost_micros(1000, 1000, [], NOON) == 0


# --- days and months


def test_a_day_is_as_long_as_its_zone_makes_it() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    spring = periods(at("2026-03-29T12:00:00", "Europe/Berlin"), berlin)
    autumn = periods(at("2026-10-25T12:00:00", "Europe/Berlin"), berlin)
    assert spring.day_end - spring.day_start == 23 * 3600
    assert autumn.day_end - autumn.day_start == 25 * 3600


def test_a_day_without_a_midnight_starts_at_its_first_instant() -> None:
    cairo = ZoneInfo("Africa/Cairo")  # clocks go from 00:00 to 01:00 on 2024-04-26
    found = periods(at("2024-04-26T12:00:00", "Africa/Cairo"), cairo)
    assert datetime.fromtimestamp(found.day_start, cairo).isoformat() == "2024-04-26T01:00:00+03:00"
    assert datetime.fromtimestamp(found.day_start - 1, cairo).date() == date(2024, 4, 25)


@given(
    st.integers(946_684_800, 2_000_000_000), st.sampled_from(["UTC", "Asia/Shanghai", "Asia/Kathmandu", "America/New_York", "Africa/Cairo"])
)
def test_every_instant_lies_in_its_day_and_month_and_periods_touch(instant: int, name: str) -> None:
    zone = ZoneInfo(name)
    found = periods(instant, zone)
    assert found.day_start <= instant < found.day_end
    assert found.month_start <= found.day_start < found.day_end <= found.month_end
    assert periods(found.day_end, zone).day_start == found.day_end
    assert periods(found.month_end, zone).month_start == found.month_end
    today = datetime.fromtimestamp(instant, zone).date()
    assert datetime.fromtimestamp(found.day_end, zone).date() == today + timedelta(days=1)


# --- estimates


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("The meeting has moved to Thursday afternoon, so please bring the signed forms with you.", 14, 23),  # 17 by two tokenizers
        ("会议改到星期四下午，请带上已经签好的表格。", 10, 16),
        ("def add(left: int, right: int) -> int:\n    return left + right\n", 14, 26),
        ("", 0, 0),
        ("a", 1, 1),
        ("😀😀😀", 3, 9),
    ],
)
def test_an_estimate_is_near_what_tokenizers_say(text: str, low: int, high: int) -> None:
    assert low <= estimate_tokens(text) <= high


@given(st.text(alphabet=st.characters()), st.text(alphabet=st.characters()))
def test_an_estimate_takes_any_text_and_never_shrinks_as_it_grows(left: str, right: str) -> None:
    assert estimate_tokens(left) <= estimate_tokens(left + right)
    assert (estimate_tokens(left) > 0) == (left != "")


@given(st.lists(st.text(alphabet=st.characters()), max_size=4), st.text(alphabet=st.characters()))
def test_a_message_that_the_house_adds_counts_at_least_as_if_it_stood_in_the_request(texts: list[str], added: str) -> None:
    request = ChatRequest(model="m", messages=[{"role": "user", "content": text} for text in texts])
    with_it = replace(request, messages=[{"role": "system", "content": added}, *request.messages])
    assert 0 <= estimate_request(request) + estimate_message(added) - estimate_request(with_it) <= 2


@given(st.lists(st.text(alphabet=st.characters()), max_size=200))
def test_a_text_in_parts_counts_as_the_whole(parts: list[str]) -> None:
    counter = OutputCounter()
    for part in parts:
        counter.add(part)
    assert counter.tokens() == estimate_tokens("".join(parts))


def test_a_request_counts_tools_schema_and_images_but_not_an_images_bytes() -> None:
    plain = estimate_request(chat("hello"))
    assert plain > estimate_tokens("hello")
    with_tool = chat("hello", tools=[{"type": "function", "function": {"name": "find_contact", "parameters": {"type": "object"}}}])
    assert estimate_request(with_tool) > plain
    with_schema = chat("hello", response_format=JsonSchemaFormat(name="x", schema={"type": "object", "required": ["title"]}))
    assert estimate_request(with_schema) > plain
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}
    pictured = ChatRequest(model="m", messages=[{"role": "user", "content": [{"type": "text", "text": "hello"}, image]}])
    assert plain + 1000 <= estimate_request(pictured) <= plain + 1005  # the part names itself `text`


@given(st.dictionaries(st.text(max_size=20), st.sampled_from(["integer", "string"]), max_size=30))
def test_a_wanted_format_counts_as_long_as_the_words_that_a_dialect_makes_of_it(kinds: dict[str, str]) -> None:
    schema = {"type": "object", "properties": {name: {"type": kind} for name, kind in kinds.items()}}
    for wanted in (JsonObjectFormat(), JsonSchemaFormat(name="x", schema=schema)):
        request = chat("hello", response_format=wanted, max_output_tokens=1)
        sent = msgspec.json.decode(DIALECTS["openai_chat"].encode(request, TARGET).body)
        assert len(sent["messages"]) == 2, "the format is an instruction"
        assert estimate_request(ChatRequest(model="m", messages=sent["messages"])) <= estimate_request(request)


# --- what is reserved


def reserved(plan: bill.Asks = bill.ONE, **more: Any) -> Demand:
    book = PriceBook(settings(prices=[price(asked=1, answered=2)]))
    return bill.demand(chat("Hello, world.", **more), [TARGET], 100, book, NOON, stream=False, plan=plan)


def test_a_plain_chat_reserves_its_prompt_and_its_longest_answer() -> None:
    prompt = estimate_request(chat("Hello, world."))
    assert reserved() == Demand(tokens=prompt + 100, money_micros=prompt + 200, streams=0, input_tokens=prompt)
    assert reserved(max_output_tokens=7).tokens == prompt + 7


def test_a_plan_reserves_each_ask_that_is_paid_as_large_as_its_repair() -> None:
    prompt, words = estimate_request(chat("Hello, world.")), "Once more, please."
    repaired = [{"role": "user", "content": "Hello, world."}, {"role": "user", "content": words}]
    larger = estimate_request(ChatRequest(model="m", messages=repaired))
    once = reserved(bill.Asks(repair=words))
    assert once == Demand(tokens=larger + 100, money_micros=larger + 200, streams=0, input_tokens=prompt)
    thrice = reserved(bill.Asks(paid=3, repair=words))
    assert (thrice.tokens, thrice.money_micros, thrice.input_tokens) == (3 * once.tokens, 3 * once.money_micros, prompt)
    quoted = reserved(bill.Asks(repair=words, quotes_answer=True))
    assert once.tokens + 100 < quoted.tokens <= once.tokens + 100 + 6, "the answer and its frame"


def test_the_ratios_are_settings() -> None:
    ratios = settings(estimator={"cjk": 1750}).estimator
    assert estimate_tokens("汉字" * 100, ratios) == 350


# --- reports


def counted(text: str) -> OutputCounter:
    counter = OutputCounter()
    counter.add(text)
    return counter


def test_a_believable_report_is_kept_as_it_is() -> None:
    reported = Usage(input_tokens=12, output_tokens=5, cached_tokens=3, reasoning_tokens=2)
    estimate = usage_or_estimate(reported, chat("hi"), counted("ok"), context_tokens=100)
    assert estimate.usage is reported
    assert estimate.usage_plausible == "passed"


def test_without_a_report_the_usage_is_estimated_and_marked() -> None:
    request = chat("Please shorten this text for me.")
    estimate = usage_or_estimate(None, request, counted("Shorter text."))
    assert estimate.usage == Usage(input_tokens=estimate_request(request), output_tokens=estimate_tokens("Shorter text."), estimated=True)
    assert estimate.usage_plausible == "skipped"


@pytest.mark.parametrize(
    "lie",
    [
        Usage(input_tokens=-1, output_tokens=5),
        Usage(input_tokens=5, output_tokens=-5),
        Usage(input_tokens=5, cached_tokens=6),
        Usage(output_tokens=5, reasoning_tokens=6),
        Usage(input_tokens=5, cached_tokens=-1),
        Usage(input_tokens=900_000_000),
        Usage(input_tokens=60, output_tokens=41),
    ],
)
def test_a_lie_is_replaced_by_our_own_count_and_the_check_fails(lie: Usage) -> None:
    estimate = usage_or_estimate(lie, chat("hi"), counted("ok"), context_tokens=100)
    assert estimate.usage_plausible == "failed"
    assert estimate.usage.estimated
    assert 0 < estimate.usage.input_tokens + estimate.usage.output_tokens <= 100


@given(
    st.builds(
        Usage, **{name: st.integers(-(2**40), 2**40) for name in ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")}
    )
)
def test_whatever_is_reported_the_charged_usage_is_sane(reported: Usage) -> None:
    usage = usage_or_estimate(reported, chat("hi " * 500), counted("ok " * 500), context_tokens=1000).usage
    assert 0 <= usage.cached_tokens <= usage.input_tokens
    assert 0 <= usage.reasoning_tokens <= usage.output_tokens
    assert usage.input_tokens + usage.output_tokens <= 1000
