"""The user meets no partner: generated text that names its model or maker answers as the feature, and carries no links to a partner.

`BrandFilter` is two machines in a row, `brand_speech` for sentences and `brand_links` for links and pictures. It reads the answer and the
user's own messages, never the system prompt. It is a filter over words, not a proof. It can't catch what names nobody (an acrostic, "the
company from Hangzhou", a logo described), a cipher that it does not try, a denial that leaves one possibility, sentences about oneself in
other languages than Chinese and English unless the question was in one of these, and a bare name where nobody asked for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from lizi.veil.brand_asked import Asked, may_ask
from lizi.veil.brand_book import Brand, BrandBook, Persona, brand_book, identity_line
from lizi.veil.brand_links import Links
from lizi.veil.brand_speech import Speech

__all__ = ["Brand", "BrandBook", "BrandFilter", "Persona", "brand_book", "identity_line"]

_PASSED_CHARACTERS = 4096
"""Appending to a short text is cheap, and far less is ever looked at again."""


class BrandFilter:
    """Machine for one stream of one answer: content, reasoning, or the arguments of one tool call.

    `asked` are the user's messages, the latest last; without them nothing is known of what the user wrote or wants, so that quotes and
    single words are let through. `works`: they are one text to work on, and the answer is that text again: a brand that it names anywhere
    is the writer's own matter, and a sentence by which the model brings in itself is left out. `locale` speaks where a sentence does not
    tell its language. `form="json"` is for structured output and for arguments of tool calls: a sentence ends at the end of its string,
    and all keeps its syntax. Any split of the text gives the same text. Never raises. Bound: holds at most 400 characters (300 of a
    sentence, 100 of a link), and only from a cue on.
    """

    __slots__ = ("_asked", "_begins", "_book", "_first", "_json", "_links", "_locale", "_may", "_passed", "_plain", "_speech", "_works")

    def __init__(
        self,
        book: BrandBook,
        *,
        asked: Sequence[str] = (),
        locale: str = "en",
        form: Literal["text", "json"] = "text",
        works: bool = False,
    ) -> None:
        self._book, self._asked, self._locale, self._json, self._works = book, asked, locale, form == "json", works
        # The machines read what was asked, which takes longer than most answers take to pass: they are made when there is a reason.
        self._speech: Speech | None = None
        self._links: Links | None = None
        self._first = book.scan.first
        self._may = not works and (not asked or may_ask(asked))
        self._plain = not self._may
        """Neither machine holds or expects anything: text without a cue need not go through them."""
        self._passed = ""
        """Text that went by so; they are told of it before they next look back."""
        self._begins = ""
        """One character at the end of it with which a cue may begin: held until the next shows."""

    @property
    def changed(self) -> int:
        """How many sentences, links and pictures were replaced or removed so far."""
        return 0 if self._speech is None or self._links is None else self._speech.changed + self._links.changed

    def feed(self, text: str) -> str:
        """What can go out now; may be empty."""
        before = ""
        if self._plain:
            if self._begins:
                text, self._begins = self._begins + text, ""
            cue = self._first(text)
            if cue == len(text) - 1 and cue >= 0:
                text, self._begins = text[:-1], text[-1]
                cue = -1
            if cue < 0:
                self._passed += text
                if len(self._passed) > _PASSED_CHARACTERS:
                    self._tell(*self._machines())
                return text
            # Any split gives the same text: what stands in front of the first cue need not go through the machines.
            before, text = text[:cue], text[cue:]
            self._passed += before
        speech, links = self._machines()
        self._tell(speech, links)
        out = links.feed(speech.feed(text))
        self._plain = speech.idle and links.idle
        return before + out

    def close(self) -> str:
        """The rest, when the text has ended."""
        begins, self._begins = self._begins, ""
        if self._speech is None or self._links is None:
            return begins
        self._passed += begins
        self._tell(self._speech, self._links)
        return begins + self._links.feed(self._speech.close()) + self._links.close()

    def _machines(self) -> tuple[Speech, Links]:
        if self._speech is None or self._links is None:
            known = Asked(self._book, self._asked, works=self._works, may=self._may)
            self._speech = Speech(self._book, known, self._locale, json=self._json)
            self._links = Links(self._book, known)
        return self._speech, self._links

    def _tell(self, speech: Speech, links: Links) -> None:
        if self._passed:
            speech.passed(self._passed)
            links.passed(self._passed)
            self._passed = ""
