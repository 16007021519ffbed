"""The script of a locale: which characters are foreign to it, and a text brought back into it.

Never translates. By OpenCC's tables; a character that both scripts use as it stands
(台, 吃, 后 …) is foreign to neither. Invariant: `to_script` changes nothing in a text that has
no foreign character. Bound: linear in the text.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import opencc

__all__ = ["foreign", "has_han", "is_han", "to_script"]

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")

# In GB 2312 and in Big5 alike, though OpenCC would change them when they stand alone. Left out are those that
# Big5 holds for old meanings only: in a text of today they are Simplified forms (体, 机, 价 …).
_SHARED_HANT = frozenset(
    "丑于云佣儿准几凶划占台吁后咨咸夸尸岩岳干征恒挂斗昵晒朴杠杰柜栖棱檐污泄泞涂涌淀游炖熏瓮痒痹睾篱羡肮肴腊腌膻范虱蚝蜡蝎跖辟郁采里雇霉余仆凄着伙"
)
_SHARED_HANS = frozenset("乾吒夥後徵拚捱摺於榘菸薹袷醣麴麽")

_TABLE = {"zh-Hans": "t2s", "zh-Hant": "s2tw", "zh-Hant-HK": "s2hk"}
# OpenCC's Hong Kong table follows the schools' list; print and screens write these.
_HONG_KONG = str.maketrans("説户牀峯葱揾喫羣衞", "說戶床峰蔥搵吃群衛")
_PHRASES = {"zh-Hans": "tw2sp", "zh-Hant": "s2twp", "zh-Hant-HK": "s2hk"}


@cache
def _converter(name: str) -> Any:
    return opencc.OpenCC(name)


def _convert(text: str, name: str) -> str:
    converted: str = _converter(name).convert(text)
    return converted.translate(_HONG_KONG) if name == "s2hk" else converted


def is_han(character: str) -> bool:
    """Whether this is a Chinese character."""
    return _HAN.match(character) is not None


def has_han(text: str) -> bool:
    """Whether the text holds a Chinese character."""
    return _HAN.search(text) is not None


@cache
def _is_foreign(character: str, locale: str) -> bool:
    if locale == "zh-Hans":
        return character not in _SHARED_HANS and _converter("t2s").convert(character) != character
    # A form that has a Simplified one of its own is Traditional, whichever of its variants it is (裏, 裡).
    simplified = _converter("t2s").convert(character) == character
    return simplified and character not in _SHARED_HANT and _converter("s2tw").convert(character) != character


def foreign(text: str, locale: str, *, source: str = "") -> str:
    """The characters of `text` that don't belong to the locale's script, except those that `source` has too.

    For `en` every Chinese character is foreign.
    """
    if locale == "en":
        return "".join(character for character in text if is_han(character) and character not in source)
    return "".join(character for character in text if is_han(character) and character not in source and _is_foreign(character, locale))


def to_script(text: str, locale: str, *, source: str = "", phrases: bool = True) -> str:
    """`text` in the locale's script: the sentences that hold a foreign character, converted; the rest as it is.

    `phrases` also brings in the region's words where OpenCC has them (Taiwan); without it the
    length never changes and only foreign characters do, each on its own.
    """
    if locale == "en":
        return text
    if not phrases:
        name = _TABLE[locale]
        whole = _convert(text, name)
        same = len(whole) == len(text)
        return "".join(
            (whole[index] if same else _convert(character, name)) if foreign(character, locale, source=source) else character
            for index, character in enumerate(text)
        )
    name = _PHRASES[locale]
    parts = re.split(r"(?<=[。！？!?；;\n])", text)
    return "".join(_convert(part, name) if foreign(part, locale, source=source) else part for part in parts)
