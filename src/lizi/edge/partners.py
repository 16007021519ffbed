"""The supervisor's part in the life of partners: introduce, record their terms, move, warn.

Each move is on disk and in the audit chain before any worker hears of it, so that a crash can't bring a retired
partner back. Never moves one by itself. What is under way ends as it began (law 10).
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING

from lizi.config import Config, critical, lacking
from lizi.edge.fleet import Landing
from lizi.errors import InvalidRequest
from lizi.terms import days_left, suffices
from lizi.types import PartnerState, Standing

if TYPE_CHECKING:
    from lizi.edge.supervisor import Supervisor

__all__ = [
    "ENOUGH_PARTNERS",
    "TERMS_WARN_DAYS",
    "check_left",
    "critical_words",
    "first_seen",
    "introduce",
    "move",
    "remind",
    "states",
    "warn",
    "who",
]

_LOG = logging.getLogger("lizi.partners")
ENOUGH_PARTNERS = 2
"""With one, its failure is ours."""
TERMS_WARN_DAYS = 30
"""A contract's renewal passes several desks; a month is what they need."""
_REMIND_S = 3600.0
"""Often enough that whoever looks at a day's log sees it, seldom enough that nobody filters it out."""


def who(by: str | None, user: str) -> str:
    """Whom a move's record names: the user that the system knows, behind whoever they say that decided it."""
    return user if not by or by == user else f"{by} ({user})"


def states(supervisor: Supervisor) -> dict[str, PartnerState]:
    """Where each partner that has ever been here stands."""
    return {name: standing.state for name, standing in supervisor.book.standings.items()}


async def introduce(supervisor: Supervisor, config: Config) -> None:
    """Record where partners begin that the store doesn't know, and under which terms each is used, as the configuration says.

    Only for a configuration that serves: one that was refused must not decide for the mended one after it.
    """
    book = supervisor.book
    for name in config.partners:
        if name not in book.standings:
            await book.move(supervisor.chain, first_seen(config, name, supervisor.clock.now()))
    for name in sorted(book.terms.keys() | config.partners.keys()):
        terms = config.agreed.get(name)
        if await book.agree(supervisor.chain, name, terms, at=supervisor.clock.now(), by="configuration"):
            _LOG.warning("partner terms changed", extra={"partner": name, "terms": terms.short if terms is not None else "none"})


def first_seen(config: Config, name: str, at: float) -> Standing:
    """Where a partner begins that the store doesn't know."""
    return Standing(partner=name, state=config.partners[name].state, at=at, by="configuration", why="first seen in the configuration")


def warn(supervisor: Supervisor, *, aloud: bool = False) -> None:
    """Log what is critical and has too few active partners; `aloud`: in plain words on standard error as well."""
    config, now, at = supervisor.config, states(supervisor), supervisor.clock.now()
    words = critical_words(config, now, at) if aloud else []
    if words:
        # For people who start it by hand: a line among a thousand JSON lines can be overlooked.
        sys.stderr.write("\n".join(["", *words, ""]) + "\n")
    for name, partners in critical(config, now, at).items():
        if len(partners) < ENOUGH_PARTNERS:
            _LOG.warning("critical without a second active partner", extra={"feature": name, "count": len(partners)})
    for name, terms in config.agreed.items():
        left = days_left(terms, at)
        if left < TERMS_WARN_DAYS:
            _LOG.warning("partner terms end soon" if left >= 0 else "partner terms ended", extra={"partner": name, "days": left})
        if at < terms.since_at:
            _LOG.warning("partner terms not begun", extra={"partner": name, "days": days_left(terms, at)})
    for name in sorted(lacking(config)):
        why = suffices(config.agreed.get(name))
        _LOG.warning("partner without users' traffic for its terms", extra={"partner": name, "reason": why})


async def remind(supervisor: Supervisor) -> None:
    """Warn again and again, for as long as it is so."""
    while True:
        await asyncio.sleep(_REMIND_S)
        warn(supervisor)


def critical_words(config: Config, now: dict[str, PartnerState], at: float) -> list[str]:
    """What an operator must not overlook, a line each; empty when all that is critical has two active partners."""
    lines = []
    for name, partners in critical(config, now, at).items():
        if len(partners) < ENOUGH_PARTNERS:
            left = f"only '{partners[0]}'" if partners else "nobody"
            lines.append(f"WARNING: '{name}' is marked critical and {left} can answer it: one failure and it is gone.")
    if lines:
        lines.append("Add a partner ('lizi partner add'), examine it, and make it active ('lizi partner move').")
    return lines


def check_left(config: Config, now: dict[str, PartnerState], standing: Standing) -> None:
    """Raise `InvalidRequest` when a move leaves something critical with fewer than two active partners, and with fewer than before."""
    before, after = critical(config, now, standing.at), critical(config, now | {standing.partner: standing.state}, standing.at)
    lost = [what for what, partners in after.items() if len(partners) < min(ENOUGH_PARTNERS, len(before[what]))]
    if lost:
        raise InvalidRequest(
            f"{', '.join(lost)} would have fewer than {ENOUGH_PARTNERS} active partners.",
            code="invalid_request",
            param="state",
            hint="Make another partner active first, or say --force.",
        )


async def move(supervisor: Supervisor, name: str, wanted: str, *, by: str, why: str, force: bool) -> tuple[Standing, Landing]:
    """Move a partner; it acts on all workers when this returns. Held under the supervisor's lock for changes.

    Raises `InvalidRequest` for a move that is not allowed, and, without `force`, for one that leaves something
    critical with fewer than two active partners.
    """
    book, now = supervisor.book, states(supervisor)
    standing = book.moved(name, wanted, at=supervisor.clock.now(), by=by, why=why)
    if not force:
        check_left(supervisor.config, now, standing)
    await book.move(supervisor.chain, standing)
    landing = await supervisor.land_states()
    _LOG.warning("partner moved", extra={"partner": name, "reason": standing.state})
    warn(supervisor)
    return standing, landing
