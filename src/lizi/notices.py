"""What a market's law wants shown of the models behind the features: filed name, number, day, authority.

The one place where something of a partner is said outward: hidden in the feature, disclosed on the notice. A decision, pure. Never
shows a model that no active partner answers with in that market, and never who the partner is beyond what was filed. What is shown
is what somebody wrote down: nothing here can check a number against a register. Bound: targets × notices of the configuration.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from msgspec import Meta, Struct

from lizi.types import Target

__all__ = ["Disclosure", "Notice", "disclosed", "markets"]


class Notice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model that is filed in a market."""

    market: Annotated[str, Meta(min_length=1, description="jurisdiction, as targets and keys name it")]
    partner: Annotated[str, Meta(min_length=1, description="whose model it is")]
    model: Annotated[str, Meta(min_length=1, description="the partner's name of it; `*` matches any run of characters")]
    name: Annotated[str, Meta(min_length=1, description="the name that was filed; shown as it is, in every language")]
    number: Annotated[str, Meta(min_length=1, description="the number that it was given")]
    filed: Annotated[date | None, Meta(description="the day of the filing")] = None
    authority: Annotated[
        dict[Literal["zh-Hans", "zh-Hant", "en"], str],
        Meta(description="where it was filed, by language; one that is missing shows another"),
    ] = {}
    since: Annotated[date | None, Meta(description="the first day on which it is shown (UTC)")] = None
    until: Annotated[date | None, Meta(description="the first day on which it no longer is")] = None


class Disclosure(Struct, frozen=True, kw_only=True):
    """One filed model, and what it stands behind."""

    notice: Notice
    models: tuple[str, ...]
    """Logical models that it may answer."""
    features: tuple[str, ...]


def markets(notices: Iterable[Notice], serving: Iterable[Target]) -> frozenset[str]:
    """The markets that are known here: those with a notice, and those that a target is bound to."""
    found = {notice.market for notice in notices}
    return frozenset(found.union(*(target.markets for target in serving)))


def disclosed(
    notices: Sequence[Notice], market: str, at: float, serving: Mapping[str, Sequence[Target]], features: Mapping[str, str]
) -> list[Disclosure]:
    """What `market` is shown at `at` (Unix seconds).

    `serving`: logical model → targets of active partners; `features`: feature → logical model. A target without a notice shows the number
    of its partner's record, if that has one. One whose partner's terms don't hold answers nobody, and is not shown.
    """
    day = datetime.fromtimestamp(at, UTC).date()
    behind: dict[tuple[str, str], tuple[Notice, list[str]]] = {}
    for logical, targets in serving.items():
        for target in targets:
            if (target.markets and market not in target.markets) or _drained(target, at):
                continue
            notice = _notice(notices, market, day, target)
            if notice is not None:
                _, names = behind.setdefault((notice.number, notice.name), (notice, []))
                if logical not in names:
                    names.append(logical)
    return [
        Disclosure(notice=notice, models=tuple(names), features=tuple(feature for feature, model in features.items() if model in names))
        for notice, names in behind.values()
    ]


def _notice(notices: Sequence[Notice], market: str, day: date, target: Target) -> Notice | None:
    """The notice for a target: of an exact name before a pattern, the latest before older; else its record's number."""
    fitting = [
        notice
        for notice in notices
        if notice.market == market
        and notice.partner == target.partner
        and fnmatchcase(target.model, notice.model)
        and (notice.since is None or notice.since <= day)
        and (notice.until is None or day < notice.until)
    ]
    if fitting:
        return max(fitting, key=lambda notice: ("*" not in notice.model, len(notice.model), notice.since or date.min))
    if not target.filing:
        return None
    return Notice(market=market, partner=target.partner, model=target.model, name=target.model, number=target.filing)


def _drained(target: Target, at: float) -> bool:
    return target.terms is not None and not target.terms.since_at <= at < target.terms.until_at
