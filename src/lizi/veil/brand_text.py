"""Text as it is compared: one case, width and script, no invisible characters, spelled-out words joined; and what is encoded in it.

Never changes the text itself: every folded character knows where it stood. Pure. Bound: linear in the text for folding, and a fixed
number of passes for the encodings; callers give at most a held sentence or a bounded part of a request.
"""

from __future__ import annotations

import binascii
import re
import unicodedata

from msgspec import Struct

from lizi.veil.brand_tables import LOOKALIKES, SIMPLIFIED, TRADITIONAL_ONLY

__all__ = ["Fence", "Folded", "decoded", "fold", "folded_text", "has_han", "language"]

_TICKS = re.compile(r"([^`]+)")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_THREE_LETTERS = re.compile(r"[^\W\d_](?:[\W\d_]*[^\W\d_]){2}")
_FOREIGN_LOOKALIKE = re.compile("[\u0370-\u03ff\u0400-\u052f]")
# Single letters with the same few marks between them, as a name is spelled out; three at least, so that "a b" stays.
_SPELLED = re.compile(r"(?<![a-z0-9])[a-z](?:[ .\-_·|/,+]{1,3}[a-z0-9](?![a-z0-9])){2,}")
_BETWEEN_HAN = re.compile("(?<=[\u3400-\u9fff])[ \\-_·.|/]{1,3}(?=[\u3400-\u9fff])")
_DROPPED = frozenset("*`~_\\")
_QUOTES = str.maketrans("’‘＇“”", "'''\"\"")


_SIMPLE = re.compile(r"[\x00-)+-\[\]^a-}\x7f\u4e00-\u9fff。、，！？：；（）]*\Z")
"""ASCII without the marks that are dropped, Chinese characters, and the punctuation that has a form in ASCII or keeps its own."""
_SIMPLE_FORMS = SIMPLIFIED | str.maketrans("，！？：；（）", ",!?:;()")


class Folded(Struct, frozen=True):
    """Folded text; `at[i]` is where its character `i` stood; `spelled` are the spans that were written letter by letter."""

    text: str
    at: list[int]
    spelled: list[tuple[int, int]]


def fold(raw: str) -> Folded:
    """`raw` as it is compared."""
    if _SIMPLE.match(raw) is not None:  # nine texts of ten: character for character, in C
        return _joined(raw.lower().translate(_SIMPLE_FORMS), list(range(len(raw))))
    characters: list[str] = []
    at: list[int] = []
    lookalikes = _FOREIGN_LOOKALIKE.search(raw) is not None
    for index, character in enumerate(raw):
        if character in _DROPPED:
            continue
        if character < "\x80" or "\u4e00" <= character <= "\u9fff":
            characters.append(character.lower())
            at.append(index)
            continue
        for part in unicodedata.normalize("NFKD", character).translate(_QUOTES).casefold():
            if unicodedata.category(part) in ("Mn", "Cf", "Cc", "Me"):
                continue
            characters.append(part)
            at.append(index)
    text = "".join(characters).translate(SIMPLIFIED)
    if lookalikes:
        text = text.translate(LOOKALIKES)
    return _joined(text, at)


def _joined(text: str, at: list[int]) -> Folded:
    """Without what stands between letters that are spelled out, and between Chinese characters."""
    spelled: list[tuple[int, int]] = []
    gone: set[int] = set()
    for match in _SPELLED.finditer(text):
        gone.update(index for index in range(match.start(), match.end()) if not text[index].isalnum())
        spelled.append(match.span())
    for match in _BETWEEN_HAN.finditer(text):
        gone.update(range(match.start(), match.end()))
    if gone:
        # Positions shift by what is gone before them.
        shift = [0]
        for index in range(len(text)):
            shift.append(shift[-1] + (index in gone))
        spelled = [(start - shift[start], end - shift[end]) for start, end in spelled]
        at = [place for index, place in enumerate(at) if index not in gone]
        text = "".join(character for index, character in enumerate(text) if index not in gone)
    return Folded(text, at, spelled)


_DROP = str.maketrans(dict.fromkeys("*`~_\\", ""))
_MARKS = re.compile("[\u0300-\u036f\u00ad\u200b-\u200f\u2060\ufeff]")


def folded_text(raw: str) -> str:
    """As `fold`, without places and without joining: for long texts, in which only words are looked up."""
    if raw.isascii():
        return raw.lower().translate(_DROP)
    text = _MARKS.sub("", unicodedata.normalize("NFKD", raw)).translate(_QUOTES).casefold()
    return text.translate(_DROP).translate(SIMPLIFIED)


def has_han(text: str) -> bool:
    """Whether the text holds a Chinese character."""
    return not text.isascii() and _HAN.search(text) is not None


def language(text: str, otherwise: str) -> str:
    """`en`, `zh-Hans` or `zh-Hant`: what the text is written in; `otherwise` where it does not tell."""
    if not has_han(text):
        return "en" if _THREE_LETTERS.search(text) is not None else otherwise
    if any(character in TRADITIONAL_ONLY for character in text):
        return "zh-Hant"
    return "zh-Hant" if otherwise == "zh-Hant" else "zh-Hans"


class Fence:
    """Whether a code block is open behind the text that has gone by, however it was cut. Counts marks; keeps no text."""

    __slots__ = ("open", "ticks")

    def __init__(self) -> None:
        self.open = False
        self.ticks = 0
        """Backticks at the very end, of a mark (three of them) that may go on."""

    def passed(self, text: str) -> None:
        """`text` has gone by."""
        for index, run in enumerate(_TICKS.split(text)):
            if index % 2:
                self.ticks = 0
            elif run:
                whole = self.ticks + len(run)
                if (whole // 3) % 2:
                    self.open = not self.open
                self.ticks = whole % 3


# --- what may be encoded in it --------------------------------------------------------------------

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{6,}={0,2}")
_HEX = re.compile(r"(?:(?:0x|\\x|%)?[0-9A-Fa-f]{2}[\s,:]*){3,}")
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_ESCAPE = re.compile(r"\\u\{?([0-9A-Fa-f]{4,5})\}?|[Uu]\+([0-9A-Fa-f]{4,5})|&#x([0-9A-Fa-f]{1,6});?|&#([0-9]{1,7});?")
_BINARY = re.compile(r"(?:[01]{8}[\s,]*){3,}")
_DECIMAL = re.compile(r"(?:(?<!\d)(?:3[2-9]|[4-9]\d|1[01]\d|12[0-6])(?!\d)[\s,]*){3,}")
_MORSE = re.compile(r"(?:[.\-·–—]{1,4}(?:\s*/\s*|\s+|$)){3,}")
_MORSE_MARKS = str.maketrans("·–—", ".--")
_MORSE_LETTERS = {
    code: letter
    for letter, code in zip(
        "abcdefghijklmnopqrstuvwxyz",
        ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --..".split(),  # noqa: SIM905
        strict=True,
    )
}
_SHIFTED_CHARACTERS = 160
"""Shifted alphabets are tried on short sentences only."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
# By one and by three, both ways, and by thirteen: those that people ask for.
_TURNED = [_LETTERS[by:] + _LETTERS[:by] for by in (1, 3, 13, 23, 25)]
_SHIFTS = [str.maketrans(_LETTERS + _LETTERS.upper(), turned + turned.upper()) for turned in _TURNED]
_NATO = (  # noqa: SIM905 - twenty-six words read better as words
    "alfa bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november oscar papa quebec romeo sierra tango uniform "
    "victor whiskey x-ray yankee zulu"
).split()
_NATO_LETTERS = {word: word[0] for word in [*_NATO, "alpha", "juliet", "whisky", "xray"]}


def _text_of(data: bytes) -> str:
    """Bytes that are text; empty when they are none. An end cut inside a character is let go."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(data) - error.start > 3 or error.start < 6:
            return ""  # by chance a few bytes are a letter
        text = data[: error.start].decode("utf-8")
    return text if all(character.isprintable() or character in "\n\t\r" for character in text) else ""


def _from_base64(run: str) -> str:
    run = run.rstrip("=").replace("-", "+").replace("_", "/")
    run = run[: len(run) - (len(run) % 4 == 1)]
    try:
        return _text_of(binascii.a2b_base64(run + "=" * (-len(run) % 4)))
    except binascii.Error:
        return ""


def _from_escape(match: re.Match[str]) -> str:
    number = int(match[4]) if match[4] else int(match[1] or match[2] or match[3], 16)
    return chr(number) if number < 0x110000 else ""


def decoded(raw: str, *, asked: bool) -> list[str]:
    """Texts that parts of `raw` may stand for; what is no text is left out.

    `asked`: somebody asked for the writer's name, so that ways of writing are tried that any text could be read in
    (backwards, shifted alphabets, numbers, Morse, spelling alphabets).
    """
    found = [text for match in _BASE64.finditer(raw) if (text := _from_base64(match.group()))]
    if "%" in raw:
        found.append(_text_of(_PERCENT.sub(lambda match: bytes([int(match[1], 16)]), raw.encode("utf-8", "replace"))))
    if _ESCAPE.search(raw):
        found.append(_ESCAPE.sub(_from_escape, raw))
    for match in _HEX.finditer(raw):
        digits = "".join(re.findall(r"(?:0x|\\x|%)?([0-9A-Fa-f]{2})", match.group()))
        found.append(_text_of(bytes.fromhex(digits)))
    if asked:
        found += [_text_of(bytes(int(bits, 2) for bits in re.findall("[01]{8}", match.group()))) for match in _BINARY.finditer(raw)]
        found += [_text_of(bytes(int(number) for number in re.findall(r"\d+", match.group()))) for match in _DECIMAL.finditer(raw)]
        for match in _MORSE.finditer(raw):
            found.append("".join(_MORSE_LETTERS.get(code, " ") for code in match.group().translate(_MORSE_MARKS).split()))
        letters = [_NATO_LETTERS.get(word, " ") for word in re.findall(r"[a-z\-]+", raw.lower())]
        if sum(letter != " " for letter in letters) > 2:  # three letters spell the shortest name
            found.append("".join(letters))
        found.append(raw[::-1])
        latin = "".join(character for character in raw if character < "\x80")
        if len(latin) <= _SHIFTED_CHARACTERS:
            found += [latin.translate(table) for table in _SHIFTS if latin.strip()]
        found += [text for inner in found[:4] for match in _BASE64.finditer(inner) if (text := _from_base64(match.group()))]
    return [text for text in found if text]
