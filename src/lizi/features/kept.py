"""What a rewritten text must still hold: numbers, addresses, names, code; and what it must not make up.

Never decides what to do about a loss; it only names it. A number counts by its value
("1,200" is "1200", 三 is 3, "twelve" is 12), everything else by its letters. Names are found by
form (capitals inside an English sentence, Chinese forms of address), so an unusual name can
be missed: `extra` takes those that are known. Bound: linear in the text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from msgspec import Struct

__all__ = ["Kept", "addresses", "code_spans", "invented", "kept_in", "missing"]

_ADDRESS = re.compile(
    r"https?://[^\s，。；、！？）)」』”\"<>]*[^\s，。；、！？）)」』”\"<>.,;:!?]|(?<![A-Za-z0-9._+-])[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+"
)
_CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
_HAN_NUMBER = re.compile("[零〇一二两兩三四五六七八九十百千万萬]+")
_HAN_DIGITS = {
    character: value
    for value, group in enumerate(("零〇", "一", "二两兩", "三", "四", "五", "六", "七", "八", "九"))
    for character in group
}
_HAN_UNITS = {"十": 10, "百": 100, "千": 1_000}
_ENGLISH = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
]
_ENGLISH_NUMBERS = {word: str(value) for value, word in enumerate(_ENGLISH)} | {"dozen": "12", "hundred": "100", "thousand": "1000"}
_CAPITAL = re.compile(r"(?<![\w'’@/.-])[A-Z][\w]*[A-Za-z](?:[ -](?:[A-Z][A-Za-z]+))*")
_MIXED = re.compile(r"(?<![\w@/.-])(?:[a-z]+[A-Z]\w*|[A-Z][a-z]+[A-Z]\w*|[A-Z]{2,}\w*)")
_CALLED = re.compile(
    "(?:(?<=^)|(?<=[，。！？；：、“「\\s（给給畀找叫让讓由跟和與与同话話说說讚赞得]))"
    "(?:[阿小老](?![时時房狗板师師心学學姐朋组組孩说說人家虎鼠是年大到猫貓店桥橋型食鸟鳥麦麥镇鎮食规規])[\u4e00-\u9fff])"
    "|[\u4e00-\u9fff](?:经理|經理|先生|女士|小姐|老师|老師|医生|醫生|教授|主任|太太)"
)
_COMMON = frozenset(
    [
        "I",
        "I'm",
        "I'll",
        "I've",
        "I'd",
        "OK",
        "TV",
        "The",
        "A",
        "An",
        "It",
        "We",
        "You",
        "He",
        "She",
        "They",
        "This",
        "That",
        "These",
        "Those",
        "There",
        "Please",
        "If",
        "In",
        "On",
        "At",
        "To",
        "For",
        "From",
        "And",
        "But",
        "Or",
        "So",
        "As",
        "What",
        "When",
        "Where",
        "Why",
        "How",
        "Who",
        "Can",
        "Could",
        "Would",
        "Should",
        "Do",
        "Don't",
        "Did",
        "Is",
        "Are",
        "Was",
        "Were",
        "Will",
        "Not",
        "No",
        "Yes",
        "Hi",
        "Hello",
        "Dear",
        "Thanks",
        "Thank",
        "Sorry",
        "My",
        "Your",
        "Our",
        "Their",
        "His",
        "Her",
        "Its",
        "Let",
        "Just",
        "Also",
        "Then",
        "Now",
        "Today",
        "Tomorrow",
        "ASAP",
        "FYI",
        "Q1",
        "Q2",
        "Q3",
        "Q4",
        "ID",
        "PM",
        "AM",
    ]
)


class Kept(Struct, frozen=True, kw_only=True):
    """The pieces of a source that its rewrite keeps."""

    numbers: tuple[str, ...]
    """By value, as `kept_in` reads them."""
    addresses: tuple[str, ...]
    names: tuple[str, ...]
    exact: tuple[str, ...]
    """Code, protected text and whatever the caller knows: letter by letter."""


def addresses(text: str) -> list[str]:
    """Web and e-mail addresses, in order."""
    return _ADDRESS.findall(text)


def code_spans(text: str) -> list[tuple[int, int]]:
    """Where Markdown code stands, as [start, end) in scalars."""
    return [match.span() for match in _CODE.finditer(text)]


def _without_addresses(text: str) -> str:
    return _ADDRESS.sub(" ", text)


def _value(number: str) -> str:
    """`1,200` → `1200`; `7:05`, `2.4`, `3-1` as they are; leading zeros stay, since they mean something in a telephone number."""
    return number.replace(",", "") if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", number) else number


def _han_value(word: str) -> str:
    if not any(character in "十百千万萬" for character in word):
        return "".join(str(_HAN_DIGITS[character]) for character in word)
    total = section = digit = 0
    for character in word:
        if character in _HAN_DIGITS:
            digit = _HAN_DIGITS[character]
        elif character in _HAN_UNITS:
            section += (digit or 1) * _HAN_UNITS[character]
            digit = 0
        else:
            total += (section + digit or 1) * 10_000
            section = digit = 0
    return str(total + section + digit)


def _numbers(text: str) -> list[str]:
    return [_value(number) for number in _NUMBER.findall(_without_addresses(text))]


def _spoken(text: str) -> set[str]:
    """Values that the text says in words."""
    said = {_han_value(word) for word in _HAN_NUMBER.findall(text)}
    said.update(_ENGLISH_NUMBERS[word] for word in re.findall(r"[a-z]+", text.lower()) if word in _ENGLISH_NUMBERS)
    return said


def _names(text: str, locale: str) -> list[str]:
    plain = _CODE.sub(" ", _without_addresses(text))
    found: dict[str, None] = dict.fromkeys(_MIXED.findall(plain))
    if locale == "en":
        matches = list(_CAPITAL.finditer(plain))
        often = Counter(match.group() for match in matches)
        for match in matches:
            before = plain[: match.start()].rstrip(" \"'“‘(*#-")
            name = match.group()
            # A capital that only opens a sentence says nothing: of "Ask Noor" the name is Noor.
            if (not before or before[-1] in ".!?:\n") and plain[match.end() : match.end() + 1] != "," and often[name] == 1:
                name = name.partition(" ")[2]
            if name:
                found[name] = None
    else:
        found.update(dict.fromkeys(_CALLED.findall(plain)))
    return [name for name in found if name not in _COMMON and name.split(" ")[0] not in _COMMON]


def kept_in(text: str, locale: str, *, extra: Iterable[str] = ()) -> Kept:
    """What must be found again. `extra` holds texts that must stay letter by letter (protected ranges)."""
    code = [text[start:end] for start, end in code_spans(text)]
    return Kept(
        numbers=tuple(dict.fromkeys(_numbers(text))),
        addresses=tuple(dict.fromkeys(addresses(text))),
        names=tuple(_names(text, locale)),
        exact=tuple(dict.fromkeys([*code, *extra])),
    )


def missing(kept: Kept, text: str) -> list[str]:
    """What `text` lost, in the words of the source."""
    numbers = {*_numbers(text), *_spoken(text)}
    lost = [number for number in kept.numbers if number not in numbers]
    lost += [piece for piece in (*kept.addresses, *kept.names, *kept.exact) if piece not in text]
    return lost


def invented(source: str, text: str) -> list[str]:
    """Numbers and addresses of `text` that `source` does not hold, in digits or in words."""
    numbers, places = _numbers(text), addresses(text)
    if not numbers and not places:
        return []
    known = {*_numbers(source), *_spoken(source)}
    # "14:00" may be said as "14"; a list's own numbering was taken off before.
    known.update(part for number in tuple(known) for part in re.split(r"[.,:/-]", number))
    return [number for number in numbers if number not in known] + [place for place in places if place not in source]
