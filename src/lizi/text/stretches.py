"""Text → where personal data and secrets stand in it, in stretches that each cost little.

`passages` does the work in steps, so that a long prompt can be read between other exchanges;
`lizi.text.recognise` is all its steps together, hence the two can't differ. A name that one stretch announces is known in
the later ones. Each stretch is looked at with some
text before and after it, so a finding at a border is found as anywhere else. Never keeps or returns
the text. Bound: a step reads at most _STRETCH + _BEFORE + _BEYOND characters with every recogniser,
and follows one key beyond them for at most 16,384.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator

from lizi.text.chinese_addresses import chinese_addresses
from lizi.text.chinese_names import chinese_names, folded
from lizi.text.cued import cued
from lizi.text.english_addresses import english_addresses
from lizi.text.english_names import english_names
from lizi.text.found import ALL, Found, Report, settle
from lizi.text.keys import LONGEST_KEY, keys
from lizi.text.lettered import ibans, plates, tokens
from lizi.text.network import coordinates, emails, ip_addresses, mac_addresses
from lizi.text.normal import plain, with_digits
from lizi.text.numbers import digit_groups, numbers
from lizi.text.phrases import Phrases
from lizi.text.remembered import Remembered
from lizi.text.signs import DIGITS, HARDWARE, KEYS, LABELS, MAIL, signs

__all__ = ["passages"]

_STRETCH = 512  # characters of which a step reports the findings that begin there
_BEFORE = 96  # the farthest that a cue stands from its value, with its value's own beginning
_WORD = 40  # no number or token that is recognised is longer
_BEYOND = 288  # the longest finding but keys: an e-mail address has 254 characters, an address 120

_SIGN = re.compile("[0-9A-Za-z]")
_HAN = re.compile("[\u3400-\u9fff]")
_KEY_SIGNS = re.compile(r"[A-Za-z0-9_\-.+/=~]{0,8192}")
_BLOCK_ENDS = re.compile(r"-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")

_NUMBERS = frozenset(("resident_id", "phone", "bank_card", "imei", "ssn"))
_TOKENS = frozenset(("resident_id", "passport", "permit", "uscc", "account", "order"))
_CUED = frozenset(
    ("secret", "account", "order", "uscc", "passport", "permit", "resident_id", "plate", "phone", "imei", "ssn", "iban", "bank_card")
)


def passages(text: str, kinds: frozenset[str] = ALL, *, phrases: Phrases | None = None) -> Iterator[list[Found]]:
    """Plan: yields the findings stretch by stretch, in order; each step is short, and together they are `lizi.text.recognise`.

    The steps depend on the text alone, so it makes no difference how a caller spreads them over time.
    """
    done = 0
    names = Remembered()
    for low in range(0, max(1, len(text)), _STRETCH):
        high = min(len(text), low + _STRETCH)
        # A key may go on through whole stretches.
        found = _stretch(text, max(low, done), high, kinds, phrases, names) if done < high or not text else []
        if found:
            done = found[-1].end
        yield found


def _stretch(text: str, low: int, high: int, kinds: frozenset[str], phrases: Phrases | None, names: Remembered) -> list[Found]:
    """Findings that begin in `low` to `high`; `names` are those of the stretches before."""
    base = max(0, low - _BEFORE)
    # A cut inside a word or a number would make another of it.
    edge = max(0, base - _WORD)
    while base > edge and text[base - 1].isalnum():
        base -= 1
    window = text[base : high + _BEYOND]
    shown, places = plain(window)
    out: list[Found] = []
    first, last = low - base, high - base
    if places is not None:
        first, last = bisect_left(places, first), bisect_left(places, last)
    for one in settle(_reports(shown, first, last, kinds, phrases, names)):
        start, end, keep = one.start, one.end, one.keep
        if places is not None:
            keep = places[start + keep - 1] + 1 - places[start] if keep else 0
            start, end = places[start], places[end - 1] + 1
        start, end = start + base, end + base
        if not low <= start < high:
            continue
        if one.kind == "secret":
            end = _whole_key(text, start, end, base + len(window))
        out.append(Found(start, end, one.kind, keep))
    return _apart(out)


def _apart(found: list[Found]) -> list[Found]:
    """Without those that a key has grown over."""
    kept: list[Found] = []
    for one in found:
        if not kept or one.start >= kept[-1].end:
            kept.append(one)
    return kept


def _whole_key(text: str, start: int, end: int, seen: int) -> int:
    """Where a key ends that the stretch didn't show to its end."""
    if text.startswith("-----BEGIN", start):
        closed = _BLOCK_ENDS.search(text, start, start + LONGEST_KEY)
        return closed.end() if closed is not None else min(len(text), start + LONGEST_KEY)
    if end < seen:
        return end
    more = _KEY_SIGNS.match(text, end)
    return more.end() if more is not None else end


def _reports(shown: str, low: int, high: int, kinds: frozenset[str], phrases: Phrases | None, names: Remembered) -> list[Report]:
    """All that any recogniser says; each runs only where a cheap sign says that it may have something to say.

    Names, which cost the most, are looked for only where they may begin, `low` to `high`.
    """
    counted = with_digits(shown)
    lower = _lower(counted)
    # Every form but names and addresses has an ASCII letter or digit.
    out = _forms(shown, counted, lower, kinds) if _SIGN.search(counted) is not None else []
    if phrases is not None:
        out += phrases.find(lower)
    if "person" in kinds or "address" in kinds:
        out += _people_and_places(shown, low, high, kinds, names)
    if kinds is not ALL and kinds != ALL:
        out = [report for report in out if report[2] in kinds]
    return out


def _forms(shown: str, counted: str, lower: str, kinds: frozenset[str]) -> list[Report]:
    """What has a form, a checksum or a word beside it."""
    out: list[Report] = []
    there = signs(lower)
    if not there:
        return out
    if there & DIGITS:
        groups = digit_groups(counted)
        if kinds & _NUMBERS:
            out += numbers(counted, groups)
        if kinds & _TOKENS:
            out += tokens(counted, groups)
        if "plate" in kinds:
            out += plates(counted)
        if "iban" in kinds:
            out += ibans(counted, groups)
        if "coordinates" in kinds:
            out += coordinates(counted, lower, groups)
        if "ip_address" in kinds:
            out += ip_addresses(counted)
    if there & MAIL and "email" in kinds:
        out += emails(counted, lower)
    if there & HARDWARE and "mac_address" in kinds:
        out += mac_addresses(counted, lower)
    if there & KEYS and "secret" in kinds:
        out += keys(shown, lower)
    if there & LABELS and kinds & _CUED:
        out += cued(counted, lower, {report[0]: report[2] for report in out})
    return out


def _people_and_places(shown: str, low: int, high: int, kinds: frozenset[str], names: Remembered) -> list[Report]:
    out: list[Report] = []
    simple = shown
    if not shown.isascii() and _HAN.search(shown) is not None:
        simple = folded(shown)
        if "person" in kinds:
            out += chinese_names(simple, low, high)
        if "address" in kinds:
            out += chinese_addresses(simple)
    if "person" in kinds:
        out += english_names(shown, low, high)
        names.learn(simple, out)
        out += names.find(simple, low, high)
    if "address" in kinds:
        out += english_addresses(shown)
    return out


def _lower(text: str) -> str:
    """Lower case of the same length: the one letter whose lower case is longer stays as it is."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(one.lower() if len(one.lower()) == 1 else one for one in text)
