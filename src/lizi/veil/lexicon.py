"""Placeholders and what they stand for, for one exchange; and the machine that puts the originals back.

A placeholder is a type and a number in rare brackets: `⟦PHONE_1⟧`. Models bend them (other brackets, spaces, small
letters, an escaped underscore, no number), so that the reader is tolerant; and whatever it would read as a placeholder in
a text that goes out is itself replaced first, so that nobody can forge one and `restore(mask(x)) == x` holds. Never
restores what this lexicon did not issue, nor inside a web address: "put ⟦PHONE_1⟧ into this link" gets nothing. Pure.
Bound: a restorer holds back 48 characters, and only of what may still become a placeholder.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import NoReturn

import msgspec

__all__ = ["LABELS", "Lexicon", "Restorer", "look_alikes"]

LABELS: dict[str, str] = {
    "resident_id": "ID",
    "phone": "PHONE",
    "bank_card": "CARD",
    "plate": "PLATE",
    "passport": "PASSPORT",
    "permit": "PERMIT",
    "uscc": "COMPANY",
    "address": "ADDRESS",
    "person": "PERSON",
    "email": "EMAIL",
    "ip_address": "IP",
    "imei": "IMEI",
    "mac_address": "MAC",
    "coordinates": "PLACE",
    "iban": "IBAN",
    "ssn": "SSN",
    "secret": "SECRET",
    "account": "ACCOUNT",
    "order": "ORDER",
    # of the veil itself
    "phrase": "NAME",
    "link": "LINK",
    "literal": "TEXT",
}
"""Kind of personal data → the word that a partner's model reads. `phrase`: what the configuration hides; `link`: a web address
that holds personal data; `literal`: what only looks like a placeholder."""

_KINDS = {label: kind for kind, label in LABELS.items()}
_ALTERNATIVES = "|".join(sorted(LABELS.values(), key=len, reverse=True))
_OPEN, _CLOSE = "⟦〚【[［", "⟧〛】]］"
_ANGLES_OPEN, _ANGLES_CLOSE = "<＜〈", ">＞〉"
# In JSON that a model writes, the brackets may come escaped; an underscore may be escaped for Markdown, in JSON doubly.
_MARK = r"\\{0,2}[_＿]|[ -]"
_PLACEHOLDER = re.compile(
    rf"(?:[{re.escape(_OPEN)}]|\\u27[eE]6) ?(?P<square>(?i:{_ALTERNATIVES}))(?:{_MARK})?(?P<number>\d{{1,4}})"
    rf" ?(?:[{re.escape(_CLOSE)}]|\\u27[eE]7)"
    rf"|(?:[⟦〚]|\\u27[eE]6) ?(?P<only>(?i:{_ALTERNATIVES})) ?(?:[⟧〛]|\\u27[eE]7)"
    rf"|[{_ANGLES_OPEN}](?P<angle>{_ALTERNATIVES})\\{{0,2}}_(?P<angle_number>\d{{1,4}})[{_ANGLES_CLOSE}]"
    rf"|(?<![A-Za-z0-9_])(?P<bare>{_ALTERNATIVES})\\{{0,2}}_(?P<bare_number>\d{{1,4}})(?![A-Za-z0-9_])"
)
_HINT = re.compile(rf"[{re.escape(_OPEN)}{_ANGLES_OPEN}\\]|(?<![A-Za-z0-9_])[A-Z](?:[A-Z_]|\Z)")
"""Without one of these no placeholder begins: a bare word of one is in capitals."""
_SIGNS = (*_OPEN, *_ANGLES_OPEN, "\\u27")
"""Without one of these, or an underscore, there is none in a whole text."""
_ASCII_SIGNS = tuple(sign for sign in _SIGNS if sign.isascii())
_TAIL = re.compile(
    rf"(?:[{re.escape(_OPEN)}{_ANGLES_OPEN}]|\\u27[eE]6) ?(?P<letters>[A-Za-z]{{0,8}})"
    rf"(?P<rest>\\{{0,2}}[_＿ -]?\d{{0,4}} ?(?:\\(?:u(?:2(?:7[eE]?)?)?)?)?)\Z"
    r"|\\(?:u(?:2(?:7[eE]?)?)?)?\Z"
    r"|(?<![A-Za-z0-9_])(?P<bare>[A-Z]{1,8})(?P<bare_rest>\\{0,2}_?\d{0,4})\Z"
)
"""The end of a text that may be the beginning of a placeholder."""
_BEGINNINGS = frozenset(label[:length] for label in LABELS.values() for length in range(len(label) + 1))
_WORDS = frozenset(LABELS.values())
_TAIL_CHARACTERS = 48  # the longest form: an escaped bracket, 8 letters, 2 backslashes, 4 digits, spaces, an escaped bracket

_BREAKS = ' \t\r\n"<>`\\，。、；：！？（）「」『』《》【】“”‘’\u3000'
"""Where a web address ends. Letters of any script may stand in one, also in its host."""
_ADDRESS = re.compile(r"(?i)(?:[a-z][a-z0-9+.-]{0,15}:)?//|(?<![a-z0-9])www\.|\]\((?!mailto:|tel:)")
"""What makes a run without a break a web address, or the target of a Markdown link."""
_LOOK_BACK = 12  # of a run whose beginning is settled: enough for `](mailto:` cut anywhere
_SETTLE_CHARACTERS = 512  # so that most deltas cost one short concatenation
_NUMBERS = 9_000  # keyed numbers have four digits, 1000 to 9999: a request holds far fewer values


class Lexicon:
    """What one attempt's placeholders stand for. Lives in memory only: it can't be pickled, and its `repr` says how many it holds.

    Without `key` a value's number is the order in which it first came, which a history that only grows keeps. With a
    `key` it follows from key and value, which a history that lost its beginning keeps, too; a key belongs to one conversation,
    or the numbers would link two.
    """

    __slots__ = ("_counts", "_key", "_originals", "_placeholders")

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key
        self._placeholders: dict[tuple[str, str], str] = {}
        self._originals: dict[tuple[str, int], str] = {}
        self._counts: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._originals)

    def __repr__(self) -> str:
        return f"<Lexicon of {len(self)}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a lexicon holds personal data and does not leave its exchange")

    @property
    def counts(self) -> dict[str, int]:
        """Label → values: how much of what was hidden, and nothing of it."""
        return dict(self._counts)

    def kinds(self) -> dict[str, int]:
        """Kind → values, as `counts`."""
        return {_KINDS[label]: count for label, count in self._counts.items()}

    def entries(self) -> list[tuple[str, str, str]]:
        """Placeholder, kind, original: for somebody who looks at their own text."""
        return [(made, _KINDS[label], original) for (label, original), made in self._placeholders.items()]

    def placeholder(self, kind: str, original: str) -> str:
        """What stands for `original`; the same for the same, written the same way."""
        label = LABELS[kind]
        known = self._placeholders.get((label, original))
        if known is not None:
            return known
        self._counts[label] = number = self._counts.get(label, 0) + 1
        if self._key is not None:
            digest = blake2b(f"{label}\0{original}".encode("utf-8", "surrogatepass"), key=self._key, digest_size=8).digest()
            number = 1_000 + int.from_bytes(digest, "big") % _NUMBERS
            while (label, number) in self._originals:
                number += 1
        self._originals[label, number] = original
        self._placeholders[label, original] = made = f"⟦{label}_{number}⟧"
        return made

    def original(self, label: str, number: int | None) -> str | None:
        """What was issued under it; without a number, the only one of its label. `None` for anything else."""
        if number is not None:
            return self._originals.get((label, number))
        if self._counts.get(label) != 1:
            return None
        return next(value for (other, _), value in self._originals.items() if other == label)


def look_alikes(text: str) -> list[tuple[int, int]]:
    """Where `text` holds something that a restorer would read as a placeholder, as [start, end)."""
    if "_" not in text:
        for sign in _ASCII_SIGNS if text.isascii() else _SIGNS:
            if sign in text:
                break
        else:
            return []
    return [match.span() for match in _PLACEHOLDER.finditer(text)]


class Restorer:
    """Machine: text with placeholders → text with originals, the same for any split. One for each channel of an answer.

    `json`: the text is JSON, so that originals are escaped as JSON strings are.
    """

    __slots__ = ("_before", "_held", "_json", "_lexicon", "_run", "_url")

    def __init__(self, lexicon: Lexicon, *, json: bool = False) -> None:
        self._lexicon = lexicon
        self._json = json
        self._held = ""
        self._before = ""  # the last character that went: decides whether a bare word begins
        self._run = ""
        self._url = False

    def feed(self, text: str) -> str:
        """What may go on, of this text and of what was held."""
        if not self._held and _HINT.search(text) is None:
            if text:
                self._before = text[-1]
                self._passed(text)
            return text
        whole = self._before + self._held + text
        begin = len(self._before)
        end = self._open_end(whole, begin)
        self._held = whole[end:]
        return self._restored(whole, begin, end)

    def close(self) -> str:
        """The text ended: what was held, whatever it became."""
        whole, begin = self._before + self._held, len(self._before)
        self._held = ""
        return self._restored(whole, begin, len(whole))

    def _open_end(self, whole: str, begin: int) -> int:
        """Where the part begins that may still become a placeholder."""
        at = max(begin, len(whole) - _TAIL_CHARACTERS)
        while True:
            match = _TAIL.search(whole, at)
            if match is None:
                return len(whole)
            letters, rest = match["letters"], match["rest"]
            if letters is None:
                letters, rest = match["bare"], match["bare_rest"]
                if letters is None:
                    return match.start()
            else:
                letters = letters.upper()
            if letters in _BEGINNINGS and (not rest or letters in _WORDS):
                return match.start()
            at = match.start() + 1

    def _restored(self, whole: str, begin: int, end: int) -> str:
        out: list[str] = []
        for match in _PLACEHOLDER.finditer(whole, begin, end):
            before = whole[begin : match.start()]
            self._passed(before)
            begin = match.end()
            original = None if self._settle() else self._original(match)
            if original is None:
                original = written = match[0]
            else:
                written = msgspec.json.encode(original)[1:-1].decode("utf-8") if self._json else original
            self._passed(original)
            out += (before, written)
        rest = whole[begin:end]
        self._passed(rest)
        out.append(rest)
        if end:
            self._before = whole[end - 1]
        return "".join(out)

    def _original(self, match: re.Match[str]) -> str | None:
        label = match["square"] or match["only"] or match["angle"] or match["bare"]
        number = match["number"] or match["angle_number"] or match["bare_number"]
        return self._lexicon.original(label.upper(), int(number) if number else None)

    def _passed(self, text: str) -> None:
        """Remember what went, for the question whether it is within a web address."""
        self._run += text
        if len(self._run) > _SETTLE_CHARACTERS:
            self._settle()

    def _settle(self) -> bool:
        """Whether what went ends within a web address."""
        run = self._run.replace("\\/", "/") if self._json else self._run
        last = max(run.rfind(character) for character in _BREAKS)
        if last >= 0:
            run, self._url = run[last + 1 :], False
        self._url = self._url or _ADDRESS.search(run) is not None
        self._run = run[-_LOOK_BACK:]
        return self._url
