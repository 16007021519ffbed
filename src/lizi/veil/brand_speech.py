"""Sentences in which the model names itself or its maker answer as the feature, while they stream.

Ordinary text passes as it comes. What may begin such a sentence (`I am`, `我是`, a known name) is held to the end of the sentence and
judged there; after a question for the writer's name every sentence is. Never touches what the user wrote, quotes of others, or code.
"""

from __future__ import annotations

import re

from lizi.veil.brand_asked import Asked
from lizi.veil.brand_book import BrandBook, Mention, Reading
from lizi.veil.brand_grammar import CLAIMS, CONFIRMS, attributed
from lizi.veil.brand_text import Fence, decoded, folded_text, has_han, language

__all__ = ["HELD_CHARACTERS", "Speech"]

HELD_CHARACTERS = 280
"""A sentence longer than this is judged as far as it is there: few introductions are, and a reader would see the stream stand still."""
_SPARE = 20
"""Closing marks behind a sentence's end, and the blank that makes a full stop one."""
_BEFORE_CHARACTERS = 160
"""Of the sentence that has already gone out, as much as is read again to judge its end."""
_TAIL_CHARACTERS = 4096

_CLOSERS = "[\"'”’」』）)\\]*_]{0,8}"
_END = re.compile(rf"[。！？…]{{1,8}}{_CLOSERS}|(?<![\s.\-])[.!?]{{1,8}}{_CLOSERS}(?=\s)|\n")
_LAST_END = re.compile(rf"[。！？…]{{1,8}}{_CLOSERS}|(?<![\s.\-])[.!?]{{1,8}}{_CLOSERS}(?=\s|\Z)|\n")
_STRING_END = re.compile(r"(?:[^\"\\\n]|\\(?!n).)*(\"|\\n|\n)", re.DOTALL)
_UNFINISHED_ESCAPE = re.compile(r"\\(?:u[0-9A-Fa-f]{0,3})?\Z")
_SENTENCE_BEGIN = re.compile(r"[。！？!?\n]|\.(?=\s)")
_STRING_BEGIN = re.compile(r"[\"\n]")
_LEAD = re.compile(r"(?:[\s>#•*\-—|(（\[“”\"'「『*_`]|\d{1,3}[.)、](?=\s))*")
_LABEL = re.compile(r"[\s>•*\-]*(?:\d{1,2}[.)、]\s*)?[*_`\"']*[^:：*\"。！？!?\n]{1,24}[*_`\"']*[:：=][*_`\"']*\s*(?=\S)")
_LABELLED_CHARACTERS = 48
"""A value, no sentence."""
_RUN = re.compile(r"[A-Za-z0-9+/=_%\-]+")
_TAIL_CLAUSE = re.compile(
    r"[^.。!！?？\n]*?(?P<tail>[,;，；]\s*(?:(?:so|but|and (?:i can|i'm here|i am here|how|what|i'd|i will|i do)|which means|therefore)\b"
    r"|所以|但|不过|不過|因此|可以|能够|能夠|很高兴|很高興|很乐意|很樂意|有什么|有什麼).*)",
    re.DOTALL | re.IGNORECASE,
)
_AS_CLAUSE = re.compile(r"^(?:as|being) |^作为")
# `I am happy to …`: the next word shows that no name follows. One that could lead to a name keeps the hold.
_RELEASED = re.compile(
    r"[Ii](?: am|'m|’m) (?=(?!(?:an?|the|your|this|called|named|known|as|just|actually|really|in|indeed|still|only|simply|not|based|built|"
    r"from|powered|made|created|developed|trained|designed|captain|also|part|none|\w+ly|\w)\b)[a-z]{2,}[^\w])"
    r"|[Ii] was (?=(?!(?:first|not|also|actually|in|\w+ly|\w+ed|made|built|born|brought|wrought)\b)[a-z]{2,}[^\w])"
    r"|我是(?=[说想否不在因觉怎說])"
)
_WORD = re.compile(r"[a-z]*")
_ADDRESS_BEFORE = re.compile(r"(?P<scheme>https?://|www\.|//)[^\s<>\"'`)\]]*\Z", re.IGNORECASE)
_HOST = re.compile(r"[^\s/?#)>\]\"'`\\，。；、）」』<]*")
_SURNAME = re.compile(r"\s+[A-Z]")
_ANSWER_CHARACTERS = 2_000
"""An answer to who one is is shorter; what is long is about something else."""
_GREETING_CHARACTERS = 40
"""Before it an introduction is a first sentence."""


class Speech:
    """Machine: text in, text out, a sentence late at most. Holds at most 300 characters. Never raises."""

    __slots__ = (
        "_answered", "_asked", "_begun", "_book", "_fence", "_held", "_json", "_judged_characters", "_judging", "_last", "_locale",
        "_own", "_run", "_sent", "_tail", "changed",
    )  # fmt: skip

    def __init__(self, book: BrandBook, asked: Asked, locale: str, *, json: bool) -> None:
        self._book = book
        self._asked = asked
        self._locale = locale
        self._json = json
        self._begun = json
        self._held = ""
        self._last = ""
        """The last character that was dealt with: a word begins behind it or does not."""
        self._tail = ""
        """Source text that has gone by: what stands before a sentence, and whether code is open."""
        self._sent = 0
        """How many characters of it, up to where that matters."""
        self._fence = Fence()
        self._judging = asked.identity
        self._judged_characters = 0
        self._run = False
        """The rest of an encoded run whose beginning was a name."""
        self._answered = ""
        """The language of the answer that has just been given: it is not given twice in a row."""
        self._own: set[int] = set()
        """Brands that the model has named itself by."""
        self.changed = 0

    @property
    def idle(self) -> bool:
        """Text without a cue passes as it is."""
        return self._begun and not (self._held or self._judging or self._fence.open or self._fence.ticks or self._run or self._answered)

    def passed(self, text: str) -> None:
        """Text without a cue went by while idle, or before there was anything to look at."""
        if not self._begun:
            self._begun, self._json = True, text.lstrip()[:1] == "{"
        self._tail += text
        self._last = text[-1:] or self._last
        if len(self._tail) > _TAIL_CHARACTERS:
            self._tail = self._tail[-_BEFORE_CHARACTERS:]
            self._sent = _TAIL_CHARACTERS

    def feed(self, text: str) -> str:
        """What of this, and of what was held, can go out."""
        return self._work(text, last=False)

    def close(self) -> str:
        """The rest."""
        return self._work("", last=True)

    def _work(self, text: str, *, last: bool) -> str:
        text = self._last + self._held + text
        position = len(self._last)
        self._held = ""
        out: list[str] = []
        self._settle_all(text, position, out, last)
        done = len(text) - len(self._held)
        self._last = text[max(done - 1, 0) : done]
        return "".join(out)

    def _settle_all(self, text: str, position: int, out: list[str], last: bool) -> None:
        if not self._begun:
            stripped = text[position:].lstrip()
            if stripped:
                self._begun = True
                self._json = stripped[0] == "{"
        while position < len(text):
            if self._run:
                match = _RUN.match(text, position)
                position = match.end() if match else position
                self._run = position == len(text)
                continue
            if not self._judging:
                position = self._pass(text, position, out, last)
                if position < 0:
                    return
                continue
            end = self._sentence(text, position, last)
            if end < 0:
                self._held = text[position:]
                return
            if end > 0:
                out.append(self._settle(text[position:end]))
                position = end
            else:  # nothing to judge after all: the word that held it goes out, and the search goes on behind it
                match = _RELEASED.match(text, position)
                position = self._let(text, position, match.end() if match else position + 1, out)
            self._judging = self._always()

    # --- passing ---

    def _let(self, text: str, start: int, end: int, out: list[str]) -> int:
        piece = text[start:end]
        out.append(piece)
        self._note(piece)
        if self._answered and piece.strip(" \t\n*_\"'”’」』)）"):
            self._answered = ""
        return end

    def _note(self, source: str) -> None:
        """Source text has gone by, in whatever form."""
        self._fence.passed(source)
        self.passed(source)

    def _pass(self, text: str, position: int, out: list[str], last: bool) -> int:
        """Up to the next cue; -1 when all has gone out or is held."""
        while True:
            match = self._book.cues.search(text, position)
            start = match.start() if match else len(text)
            self._let(text, position, start, out)
            if match is None:
                return -1
            if self._fence.open:
                closing = text.find("```", start)
                stop = closing + 3 if closing >= 0 else len(text)
                position = self._let(text, start, stop, out)
                if position == len(text):
                    return -1
                continue
            if match.end() == len(text) and not last:
                self._held = text[start:]  # it may be a cue or only begin like one
                return -1
            self._judging = True
            return start

    # --- sentences ---

    def _sentence(self, text: str, position: int, last: bool) -> int:
        """Where the sentence from `position` ends; 0 when it is none to judge, -1 when more must come."""
        if not self._always():
            released = _RELEASED.match(text, position)
            if released and not self._book.begins_name(_WORD.match(text, released.end())):
                return 0
        size = len(text) - position
        if self._json:
            match = _STRING_END.match(text, position)
            if match and match.end() - position <= HELD_CHARACTERS:
                return match.end()
        else:
            match = (_LAST_END if last else _END).search(text, position)
            if match and match.start() - position < HELD_CHARACTERS:
                return -1 if match.end() == len(text) and not last and text[-1] != "\n" else match.end()
        if size >= HELD_CHARACTERS + _SPARE:
            cut = position + HELD_CHARACTERS
            escape = _UNFINISHED_ESCAPE.search(text, position, cut) if self._json else None
            return escape.start() if escape and escape.start() > position else cut
        return len(text) if last else -1

    def _always(self) -> bool:
        """Every sentence is judged: the beginning of an answer to who one is. Behind it, as everywhere, those with a cue."""
        return self._asked.identity and self._judged_characters < _ANSWER_CHARACTERS

    def _settle(self, segment: str) -> str:
        """The sentence as it goes out."""
        self._judged_characters += len(segment)
        before = self._before()
        fence = self._fence.open
        judged = self._judged(before, segment, fence)
        self._note(segment)
        if judged is None:
            if self._answered and segment.strip(" \t\n*_\"'”’」』)）"):
                self._answered = ""
            return segment
        self.changed += 1
        return judged

    def _before(self) -> str:
        """What has gone out of the sentence that goes on."""
        tail = self._tail[-_BEFORE_CHARACTERS:]
        begin = 0
        for match in (_STRING_BEGIN if self._json else _SENTENCE_BEGIN).finditer(tail):
            begin = match.end()
        return tail[begin:]

    def _judged(self, before: str, segment: str, fence: bool) -> str | None:
        book, asked = self._book, self._asked
        first = self._sent + len(self._tail) - len(before) < _GREETING_CHARACTERS and asked.known and not (asked.writes or asked.works)
        # In a text that is worked on, a name that the writer did not bring is nobody else's.
        reading = book.read(before + segment, sure=asked.identity or asked.works)
        offset = len(before)
        here = [mention for mention in reading.mentions if reading.start[mention.at] >= offset]
        hidden = ""
        if asked.identity or not (here or asked.works):
            for text in decoded(segment, asked=asked.identity):
                if book.finder.search(folded_text(text)) is None:
                    continue  # nearly all: a full reading of each would cost milliseconds
                inner = book.read(text, sure=asked.identity)
                if inner.mentions and (asked.identity or self._claim(inner, 0, text) is not None):
                    hidden = text
                    break
        if not here and not hidden:
            agrees = asked.identity and not before.strip() and len(segment) <= _LABELLED_CHARACTERS and CONFIRMS.match(segment.lower())
            if agrees and self._named():
                return self._replaced(segment, 0, segment, "")
            return None
        if first and not asked.identity and here and self._introduces(before + segment, reading, [mention.alias for mention in here]):
            reading = book.read(before + segment, sure=True)
        claim = self._claim(reading, offset, before + segment)
        if claim is not None:
            self._own |= {mention.brand for mention in here}
            begin, behind = claim
            if begin < offset or (before.strip() and self._leaks(here, reading, begin)):
                return self._substituted(reading, before, segment)
            if self._leaks(here, reading, begin):
                begin = offset
            return self._replaced(segment, begin - offset, before + segment, segment[behind - offset :], reading)
        unasked = [mention for mention in here if self._unasked(mention.alias, mention.brand)]
        if not unasked and not hidden:
            only = asked.identity and not before.strip() and len(reading.marked.strip(" \n.。!！*\"'")) == 1
            if not only:
                return None
        self._own |= {mention.brand for mention in unasked}
        label = _LABEL.match(segment)
        labelled = label is not None and len(segment) - label.end() <= _LABELLED_CHARACTERS
        if here and (fence or self._json or labelled or before.strip() or segment.lstrip().startswith("|")):
            return self._substituted(reading, before, segment)
        if hidden and labelled and label is not None:
            return segment[: label.end()] + book.name(language(hidden, self._locale)) + self._closing(segment, label.end())
        return self._replaced(segment, 0, hidden or segment, "")

    def _introduces(self, text: str, reading: Reading, aliases: list[str]) -> bool:
        """Whether a name in an answer's first sentence can only be the writer's: not asked about, no surname behind, no article before."""
        mention = reading.mentions[0]
        surname = _SURNAME.match(text, reading.end[mention.at]) is not None
        article = reading.marked[: mention.at].endswith((" a ", " an "))
        return not (surname or article or any(self._asked.has_alias(alias) for alias in aliases))

    def _leaks(self, here: list[Mention], reading: Reading, begin: int) -> bool:
        """Whether the sentence names a brand before its claim, so that what stands before can't be kept."""
        return any(reading.start[mention.at] < begin and not self._asked.has_alias(mention.alias) for mention in here)

    def _unasked(self, alias: str, brand: int) -> bool:
        if self._asked.identity:
            return not self._asked.has_alias(alias)
        return brand in self._own and not self._asked.has_brand(brand)

    def _named(self) -> bool:
        """Whether the question named a brand."""
        return bool(self._book.mentions(self._asked.text))

    def _claim(self, reading: Reading, offset: int, text: str) -> tuple[int, int] | None:
        """Where in `text` the first claim begins, and where its last name ends; none that the user or another makes."""
        best: tuple[int, int] | None = None
        for pattern in CLAIMS:
            for match in pattern.finditer(reading.marked):
                if match.end() == match.start() or reading.end[match.end() - 1] <= offset:
                    continue
                inside = [mention for mention in reading.mentions if match.start() <= mention.at < match.end()]
                if not inside or self._allowed(reading, match, inside, text):
                    continue
                begin = reading.start[match.start()]
                if best is None or begin < best[0]:
                    best = (begin, reading.end[max(mention.at for mention in reading.mentions if mention.at >= match.start())])
        return best

    def _allowed(self, reading: Reading, match: re.Match[str], inside: list[Mention], text: str) -> bool:
        asked = self._asked
        if asked.works:
            return all(asked.has_brand(mention.brand) for mention in inside)
        if asked.identity or not asked.known:
            quoted = attributed(reading.marked[: match.start()], reading.marked[match.end() :])
            return quoted and not asked.known
        head = text[reading.start[match.start()] : reading.end[inside[0].at]]
        if asked.says(head.lower()) or all(asked.claims(mention.brand) for mention in inside):
            return True
        theirs = all(asked.has_brand(mention.brand) for mention in inside)
        return theirs and attributed(reading.marked[: match.start()], reading.marked[match.end() :])

    # --- what goes out instead ---

    def _replaced(self, segment: str, begin: int, spoken: str, behind: str, reading: Reading | None = None) -> str:
        locale = language(spoken, self._locale)
        lead = _LEAD.match(segment, begin)
        start = lead.end() if lead and begin == 0 else begin
        kept = segment[:start]
        closing = self._closing(segment, start)
        if self._asked.works:
            return kept.rstrip(" ") + closing.lstrip(" ")
        tail = _TAIL_CLAUSE.match(behind)
        rest = tail["tail"].rstrip("\n") if tail and not self._book.read(tail["tail"]).mentions else ""
        if _AS_CLAUSE.match(segment[start:].lower()) and rest == "" and reading is not None:
            clause = re.match(r"[^,，。.!！?？\n]*([,，])(.*)", behind, re.DOTALL)
            if clause and not self._book.read(clause[2]).mentions:
                self._answered = ""
                return kept + self._book.writer_as(locale) + clause[1] + clause[2]
        if rest:
            self._answered = ""
            ending = "\n" if segment.endswith("\n") else ""
            return kept + self._book.answer(locale).rstrip(".。") + rest + ending
        if self._answered == locale and not kept.strip(" \t\n>*-•\"'“「"):
            return kept + closing
        if len(segment) >= HELD_CHARACTERS - 4 or _RUN.fullmatch(segment[start:]):
            self._run = _RUN.fullmatch(segment[-12:]) is not None and not segment.endswith(("\n", " "))
        self._answered = locale
        return kept + self._book.answer(locale) + closing

    def _closing(self, segment: str, start: int) -> str:
        """The end of the sentence that is not the sentence's: a line's end, or marks that close what began before it."""
        if self._json:
            string = _STRING_END.fullmatch(segment)
            return string[1] if string else ""  # an escaped mark belongs to the sentence
        match = re.search(r"[\"'”’」』）)\]*_`]*\s*\Z", segment)
        marks = match.group() if match else ""
        inside = segment[start : len(segment) - len(marks)]
        pairs = {"”": "“", "」": "「", "』": "『", "）": "（", ")": "(", "]": "["}
        kept = []
        for mark in marks:
            opener = pairs.get(mark, mark)
            opened = inside.count(opener) % 2 == 1 if opener == mark else inside.count(opener) > inside.count(mark)
            if mark.isspace() or not opened:
                kept.append(mark)
        return "".join(kept)

    def _substituted(self, reading: Reading, before: str, segment: str) -> str:
        """Each name and maker behind `before` replaced where it stands: for data, code, and sentences whose beginning has gone out."""
        locale = "zh-Hans" if has_han(segment) else "en" if self._locale == "en" or segment.isascii() else self._locale
        locale = language(segment, locale)
        out: list[str] = []
        position = 0
        for mention in reading.mentions:
            start, end = reading.start[mention.at] - len(before), reading.end[mention.at] - len(before)
            if start < 0 or self._in_own_address(before + segment, start + len(before)):
                continue
            kind = self._book.aliases[mention.alias][0]
            word = self._book.maker(locale) if kind == "\ue002" else self._book.name(locale)
            gap = segment[position:start]
            if word.startswith("the ") and gap.lower().endswith("the "):
                gap = gap[:-4]
            out += [gap, word]
            position = end
        out.append(segment[position:])
        return "".join(out)

    def _in_own_address(self, text: str, start: int) -> bool:
        """Whether what begins there stands in an address of the partner's: with another name in it nobody would know it for one."""
        address = _ADDRESS_BEFORE.search(text, max(0, start - HELD_CHARACTERS), start)
        if address is None:
            return False
        host = _HOST.match(text, address.end("scheme"))
        return host is not None and self._book.hosts(host.group())
