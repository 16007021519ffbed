"""A dated price book: usage → integer money. Budget periods by the calendar.

Never uses a float for money, never reads a clock. All arithmetic is exact until one rounding
(half up) at the end of an attempt's price. A price or rate written for a date holds from that
date's first instant in the configured time zone. Bound: a price is two bisections.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct

from lizi.errors import ConfigError
from lizi.metering.tokens import EstimatorSettings
from lizi.types import Usage

__all__ = ["MeteringSettings", "Periods", "PriceBook", "periods"]

_Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$", description="three capital letters, as in ISO 4217")]
_Amount = Annotated[Decimal, Meta(description="a decimal number, best in quotes; six decimals at the most")]

_MICRO = 1_000_000
"""Micro-units in a unit, and tokens in the unit that partners quote prices for."""
_NANO = 1_000_000_000
"""Steps in an exchange rate: nine decimals, three more than any published rate of a major currency."""


class _Strict(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A section of the file: an unknown key is an error with its path."""


class _Price(_Strict, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one partner's model costs from a date on."""

    key: Annotated[str, Meta(min_length=1, description="`partner/model`, or the `price_key` of a target")]
    from_: Annotated[date, Meta(description="first day of this price, in `metering.time_zone`")] = msgspec.field(name="from")
    input_per_million: _Amount
    output_per_million: _Amount
    cached_input_per_million: Annotated[
        _Amount | None, Meta(description="input read from the partner's cache; default: the input price")
    ] = None
    reasoning_per_million: Annotated[_Amount | None, Meta(description="reasoning within the output; default: the output price")] = None
    per_request: Annotated[_Amount, Meta(description="added once per attempt that used tokens")] = Decimal(0)
    currency: Annotated[_Currency | None, Meta(description="default: the ledger's currency")] = None


class _Rate(_Strict, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one unit of a foreign currency is worth in the ledger's from a date on."""

    currency: _Currency
    from_: Annotated[date, Meta(description="first day of this rate, in `metering.time_zone`")] = msgspec.field(name="from")
    per_unit: Annotated[Decimal, Meta(description="ledger currency for one unit; nine decimals at the most")]


class MeteringSettings(_Strict, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[metering]`: the ledger's currency, its days, prices, rates and the estimator."""

    currency: Annotated[_Currency, Meta(description="currency of the ledger and of all budgets; changing it later needs a new ledger")] = (
        "USD"
    )
    time_zone: Annotated[str, Meta(description="IANA name; days, months and price dates begin at its midnight")] = "UTC"
    unpriced: Annotated[
        Literal["error", "free"], Meta(description="a target without a price: refuse the configuration, or count it as costing nothing")
    ] = "error"
    prices: tuple[_Price, ...] = ()
    rates: tuple[_Rate, ...] = ()
    estimator: EstimatorSettings = EstimatorSettings()


# --- money ---------------------------------------------------------------------


class _Tariff(Struct, frozen=True):
    """Prices of one span of time, in 10^-15 micro-units per token (per attempt: `request`)."""

    fresh: int
    cached: int
    answer: int
    reasoning: int
    request: int


_SCALE = _MICRO * _NANO
"""A price is kept in 10^-6 micro-units per token (six decimals of a unit per million tokens), a rate in 10^-9."""
_FREE = _Tariff(0, 0, 0, 0, 0)


class PriceBook:
    """All prices as spans of time, rates already applied.

    Raises `ConfigError` at construction for an unknown time zone, an amount that is negative or
    too fine, two entries for one date, and a foreign price without a rate for its first day.
    """

    def __init__(self, settings: MeteringSettings) -> None:
        try:
            self.zone = ZoneInfo(settings.time_zone)
        except (KeyError, ValueError, OSError):
            raise ConfigError(
                f"{settings.time_zone!r} is no known time zone",
                code="config_invalid",
                param="metering.time_zone",
                hint="use an IANA name such as `UTC` or `Asia/Shanghai`; on a system without zone files install the `tzdata` package",
            ) from None
        self.currency = settings.currency
        self.estimator = settings.estimator
        self._free = settings.unpriced == "free"
        rates = self._rates(settings)
        by_key: dict[str, dict[float, tuple[int, _Price]]] = {}
        for index, price in enumerate(settings.prices):
            spans = by_key.setdefault(price.key, {})
            start = _day_start(price.from_, self.zone)
            if start in spans:
                where = f"metering.prices[{index}].from"
                raise _wrong(where, f"{price.key} already has a price from {price.from_}", "keep one of the two entries")
            spans[start] = (index, price)
        self._spans: dict[str, tuple[list[float], list[_Tariff]]] = {}
        for key, spans in by_key.items():
            self._spans[key] = self._timeline(spans, rates, settings.currency)

    @staticmethod
    def _exact(value: Decimal | None, steps: int, where: str) -> int:
        """`value` × `steps` as an integer, exactly."""
        if value is None:
            return -1
        if not value.is_finite() or value < 0 or value >= _NANO:
            raise _wrong(where, f"{value} is not an amount", "write a number from 0 to 999999999")
        scaled = value * steps
        if scaled != scaled.to_integral_value():
            raise _wrong(where, f"{value} is finer than the ledger can keep", f"round it to {len(str(steps)) - 1} decimals")
        return int(scaled)

    def _rates(self, settings: MeteringSettings) -> dict[str, tuple[list[float], list[int]]]:
        """Each foreign currency's rates in order of time, in billionths."""
        found: dict[str, dict[float, int]] = {}
        for index, rate in enumerate(settings.rates):
            where = f"metering.rates[{index}]"
            if rate.currency == settings.currency:
                raise _wrong(f"{where}.currency", f"{rate.currency} is the ledger's own currency", "remove the entry: its rate is 1")
            per_unit = self._exact(rate.per_unit, _NANO, f"{where}.per_unit")
            if per_unit == 0:
                raise _wrong(f"{where}.per_unit", "a rate of 0 makes a price vanish", "write what one unit is worth to the ledger")
            spans = found.setdefault(rate.currency, {})
            start = _day_start(rate.from_, self.zone)
            if start in spans:
                raise _wrong(f"{where}.from", f"{rate.currency} already has a rate from {rate.from_}", "keep one of the two entries")
            spans[start] = per_unit
        return {currency: (sorted(spans), [spans[start] for start in sorted(spans)]) for currency, spans in found.items()}

    def _timeline(
        self, spans: dict[float, tuple[int, _Price]], rates: dict[str, tuple[list[float], list[int]]], home: str
    ) -> tuple[list[float], list[_Tariff]]:
        """Cut one key's prices at the dates of their rates, too."""
        starts = sorted(spans)
        cuts: list[float] = []
        tariffs: list[_Tariff] = []
        for number, start in enumerate(starts):
            index, price = spans[start]
            where = f"metering.prices[{index}]"
            end = starts[number + 1] if number + 1 < len(starts) else float("inf")
            currency = price.currency or home
            rate_starts, rate_values = ([start], [_NANO]) if currency == home else rates.get(currency, ([], []))
            first = bisect_right(rate_starts, start) - 1
            if first < 0:
                raise _wrong(
                    f"{where}.currency",
                    f"there is no rate from {currency} to {home} on {price.from_}",
                    f'add [[metering.rates]] with currency = "{currency}" and a `from` no later than that day',
                )
            fresh = self._exact(price.input_per_million, _MICRO, f"{where}.input_per_million")
            answer = self._exact(price.output_per_million, _MICRO, f"{where}.output_per_million")
            cached = self._exact(price.cached_input_per_million, _MICRO, f"{where}.cached_input_per_million")
            reasoning = self._exact(price.reasoning_per_million, _MICRO, f"{where}.reasoning_per_million")
            request = self._exact(price.per_request, _MICRO, f"{where}.per_request") * _MICRO
            for at in range(first, len(rate_starts)):
                if rate_starts[at] >= end:
                    break
                rate = rate_values[at]
                cuts.append(max(start, rate_starts[at]))
                tariffs.append(
                    _Tariff(
                        fresh * rate,
                        (fresh if cached < 0 else cached) * rate,
                        answer * rate,
                        (answer if reasoning < 0 else reasoning) * rate,
                        request * rate,
                    )
                )
        return cuts, tariffs

    def _tariff(self, key: str, at: float) -> _Tariff:
        spans = self._spans.get(key)
        if spans is not None:
            number = bisect_right(spans[0], at) - 1
            if number >= 0:
                return spans[1][number]
        if self._free:
            return _FREE
        day = datetime.fromtimestamp(at, self.zone).date()
        raise ConfigError(
            f"{key} has no price on {day}",
            code="config_invalid",
            param="metering.prices",
            hint=f'add [[metering.prices]] with key = "{key}" and a `from` no later than that day; a price of 0 is allowed when written, '
            'and `unpriced = "free"` counts every target without a price as free',
        )

    def check(self, keys: Iterable[str], at: float) -> None:
        """Raise `ConfigError` when one of `keys` has no price at `at`.

        A key that passes has a price at every later time, so pricing cannot fail at a settlement.
        """
        for key in keys:
            self._tariff(key, at)

    def keys(self) -> frozenset[str]:
        """The keys with a price of their own."""
        return frozenset(self._spans)

    def cost_micros(self, usage: Usage, price_key: str, at: float) -> int:
        """Micro-units of the ledger's currency that `usage` costs at the price of `at` (Unix seconds).

        Cached tokens are part of the input and reasoning tokens part of the output, as the
        dialects deliver them. An attempt without any token costs nothing, not even its price
        per request. Rounds half up, once. Raises `ConfigError` for a key without a price.
        """
        if not (usage.input_tokens or usage.output_tokens):
            return 0
        tariff = self._tariff(price_key, at)
        cached = min(usage.cached_tokens, usage.input_tokens)
        reasoning = min(usage.reasoning_tokens, usage.output_tokens)
        exact = (
            (usage.input_tokens - cached) * tariff.fresh
            + cached * tariff.cached
            + (usage.output_tokens - reasoning) * tariff.answer
            + reasoning * tariff.reasoning
            + tariff.request
        )
        return (exact + _SCALE // 2) // _SCALE

    def worst_cost_micros(self, input_tokens: int, output_tokens: int, price_keys: Iterable[str], at: float) -> int:
        """The most that one attempt of this size can cost at any of `price_keys`: what to reserve.

        Takes the dearer of fresh and cached, answer and reasoning; rounds up.
        """
        worst = 0
        for key in price_keys:
            tariff = self._tariff(key, at)
            exact = input_tokens * max(tariff.fresh, tariff.cached) + output_tokens * max(tariff.answer, tariff.reasoning) + tariff.request
            worst = max(worst, -(-exact // _SCALE))
        return worst


def _wrong(param: str, message: str, hint: str) -> ConfigError:
    return ConfigError(f"{param}: {message}", code="config_invalid", param=param, hint=hint)


# --- days and months -----------------------------------------------------------


class Periods(Struct, frozen=True, kw_only=True):
    """The day and the month around an instant; each ends where the next begins (Unix seconds)."""

    day_start: float
    day_end: float
    month_start: float
    month_end: float


def periods(at: float, zone: ZoneInfo) -> Periods:
    """The budget periods that hold `at`, in `zone`.

    A day is as long as that zone makes it: 23 or 25 hours when clocks change; where midnight
    itself is skipped, the day starts at its first instant.
    """
    today = datetime.fromtimestamp(at, zone).date()
    first = today.replace(day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    return Periods(
        day_start=_day_start(today, zone),
        day_end=_day_start(today + timedelta(days=1), zone),
        month_start=_day_start(first, zone),
        month_end=_day_start(following, zone),
    )


def _day_start(day: date, zone: ZoneInfo) -> float:
    """Midnight with `fold=0`: the earlier one where it comes twice, the jump itself where it is skipped (PEP 495)."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
