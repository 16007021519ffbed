"""Text → what must not be seen: recognisers of personal data and secrets, by form, checksum, context and lists.

Pure, and below the rooms: it finds, others decide what to do with it. Never raises on any text, never
keeps one, and takes time in proportion to its length. The recognisers are loaded with the first text (some tenths of a second, for their
expressions), since most commands read none; a service loads them before it takes requests (`lizi.text.stretches`).
"""

from __future__ import annotations

from collections.abc import Iterator

from lizi.text.found import ALL, KINDS, Found
from lizi.text.matcher import Matcher
from lizi.text.phrases import PHRASE, Phrases

__all__ = ["ALL", "KINDS", "PHRASE", "Found", "Matcher", "Phrases", "passages", "recognise"]


def passages(text: str, kinds: frozenset[str] = ALL, *, phrases: Phrases | None = None) -> Iterator[list[Found]]:
    """Plan: yields the findings stretch by stretch, in order; each step is short, and together they are `recognise`.

    The steps depend on the text alone, so it makes no difference how a caller spreads them over time.
    """
    from lizi.text import stretches

    return stretches.passages(text, kinds, phrases=phrases)


def recognise(text: str, kinds: frozenset[str] = ALL, *, phrases: Phrases | None = None) -> list[Found]:
    """The findings of these kinds in order, without overlaps. Never raises. Time is linear in the text."""
    return [found for some in passages(text, kinds, phrases=phrases) for found in some]
