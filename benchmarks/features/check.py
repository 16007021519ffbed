"""Whether a result keeps its feature's contract, judged without the features' own code.

Scripts are told apart by what GB 2312 and Big5 can encode, not by OpenCC; numbers and addresses are found by plain
patterns; names are those that the stored set lists. What makes a result useful is measured here too.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Any

Item = dict[str, Any]
Result = dict[str, Any]

_URL = re.compile(r"https?://[A-Za-z0-9./_-]+[A-Za-z0-9/_-]|[\w.+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
# GB 2312 and not in Big5, yet right in a Hong Kong text.
_HONG_KONG = frozenset("着叻啫啱")
_HAN_VALUES = dict(zip("零一二三四五六七八九", range(10), strict=True)) | {"两": 2, "兩": 2}
_ENGLISH = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


def _encodes(character: str, codec: str) -> bool:
    try:
        character.encode(codec)
    except UnicodeEncodeError:
        return False
    return True


def is_han(character: str) -> bool:
    return "\u3400" <= character <= "\u9fff" or "\U00020000" <= character <= "\U0003ffff"


def impure(text: str, locale: str, source: str) -> list[str]:
    """Characters of another script than the locale's that the source does not have."""
    out = []
    for character in text:
        if not is_han(character) or character in source:
            continue
        simplified, traditional = _encodes(character, "gb2312"), _encodes(character, "big5")
        if locale == "en":
            out.append(character)
        elif locale == "zh-Hans":
            out += [character] if traditional and not simplified else []
        elif simplified and not traditional and not (locale == "zh-Hant-HK" and character in _HONG_KONG):
            out.append(character)
    return out


def texts_of(result: Result) -> list[str]:
    """Every text of the model's making in a result."""
    if "corrected" in result:
        return [result["corrected"], *(edit["explanation"] for edit in result["edits"])]
    if "candidates" in result:
        return [candidate["text"] for candidate in result["candidates"]]
    if "summary" in result:
        return [result["summary"]]
    if "rows" in result:
        return [*result["columns"], *(cell for row in result["rows"] for cell in row)]
    return list(result.get("points") or result.get("items") or [])


def faults(item: Item, result: Result) -> list[str]:
    """What breaks the contract; empty for a valid result."""
    feature = item["feature"].removeprefix("writing.")
    out = {"proofread": _proofread, "rewrite": _rewrite, "transform": _transform}[feature](item, result)
    if any(impure(text, item["locale"], item["text"]) for text in texts_of(result)):
        out.append("script")
    if _wrong_language(item, " ".join(texts_of(result))):
        out.append("language")
    return out


def _wrong_language(item: Item, text: str) -> bool:
    """Chinese asked for and hardly any given."""
    before = sum(map(is_han, item["text"]))
    return item["locale"] != "en" and before > 5 and sum(map(is_han, text)) < 0.3 * min(before, 10)


def _units(text: str, unit: str) -> tuple[bytes, int]:
    return (text.encode("utf-16-le"), 2) if unit == "utf16" else (text.encode("utf-32-le"), 4)


def _proofread(item: Item, result: Result) -> list[str]:
    unit = item.get("offset_unit", "scalar")
    data, width = _units(item["text"], unit)
    codec = "utf-16-le" if width == 2 else "utf-32-le"
    out: list[str] = []
    built, past = b"", 0
    try:
        for edit in result["edits"]:
            start, end = (offset * width for offset in edit["range"])
            if not past <= start <= end <= len(data):
                out.append("ranges")
            if data[start:end].decode(codec) != edit["original"]:
                out.append("original")
            if start == end and not edit["replacement"]:
                out.append("empty edit")
            built += data[past:start] + edit["replacement"].encode(codec)
            past = end
            for left, right in item.get("protected_ranges", ()):
                if start < right * width and left * width < end:
                    out.append("protected")
        if (built + data[past:]).decode(codec) != result["corrected"]:
            out.append("edits do not give corrected")
    except UnicodeDecodeError:
        out.append("split surrogate")
    if sorted(_URL.findall(item["text"])) != sorted(_URL.findall(result["corrected"])):
        out.append("addresses")
    if sorted(_NUMBER.findall(item["text"])) != sorted(_NUMBER.findall(result["corrected"])):
        out.append("numbers")
    return out


def _spoken(text: str) -> set[str]:
    found = {str(_HAN_VALUES[character]) for character in text if character in _HAN_VALUES}
    found |= {str(_ENGLISH.index(word)) for word in re.findall("[a-z]+", text.lower()) if word in _ENGLISH}
    for match in re.finditer("([一二三四五六七八九]?)十([一二三四五六七八九]?)", text):
        found.add(str(10 * _HAN_VALUES.get(match[1], 1) + _HAN_VALUES.get(match[2], 0)))
    return found


def _numbers(text: str) -> set[str]:
    return {number.replace(",", "") for number in _NUMBER.findall(_URL.sub(" ", text))}


def _lost(item: Item, text: str) -> list[str]:
    out = []
    if _numbers(item["text"]) - _numbers(text) - _spoken(text):
        out.append("numbers")
    if any(address not in text for address in _URL.findall(item["text"])):
        out.append("addresses")
    if any(name not in text for name in item.get("names", ())):
        out.append("names")
    unit = item.get("offset_unit", "scalar")
    data, width = _units(item["text"], unit)
    for left, right in item.get("protected_ranges", ()):
        if data[left * width : right * width].decode("utf-16-le" if width == 2 else "utf-32-le") not in text:
            out.append("protected")
    return out


def _made_up(item: Item, text: str) -> list[str]:
    known = _numbers(item["text"]) | _spoken(item["text"])
    known |= {part for number in known for part in re.split("[.:/-]", number)}
    return ["made up"] if _numbers(text) - known or set(_URL.findall(text)) - set(_URL.findall(item["text"])) else []


def _rewrite(item: Item, result: Result) -> list[str]:
    out: list[str] = []
    if not result["candidates"]:
        out.append("none")
    for candidate in result["candidates"]:
        text = candidate["text"]
        out += _lost(item, text) + _made_up(item, text)
        if not text.strip():
            out.append("empty")
        if item["options"]["style"] == "concise" and len(text) > len(item["text"]):
            out.append("not concise")
        if len(text) > 3 * len(item["text"]) + 200:
            out.append("long")
    return out


def _transform(item: Item, result: Result) -> list[str]:
    to, most = item["options"]["to"], item["options"].get("max_items", 100)
    out = [fault for text in texts_of(result) for fault in _made_up(item, text)]
    if to == "summary":
        if not result["summary"].strip() or len(result["summary"]) > len(item["text"]):
            out.append("length")
    elif to == "table":
        columns, rows = result["columns"], result["rows"]
        if not columns or not rows or len(rows) > most or any(len(row) != len(columns) for row in rows):
            out.append("not a rectangle")
    else:
        lines = result["points" if to == "key_points" else "items"]
        if not 0 < len(lines) <= most or len(set(lines)) < len(lines) or not all(line.strip() for line in lines):
            out.append("lines")
    return out


# --- usefulness ----------------------------------------------------------------------------------


def fixed(item: Item, corrected: str) -> tuple[int, int]:
    """How many of the known errors are put right, of how many: the reference's words stand there, with a letter on each side."""
    reference, shift, done = item["reference"], 0, 0
    blocks = [block for block in SequenceMatcher(None, reference, corrected, autojunk=False).get_matching_blocks() if block.size]
    for error in item["errors"]:
        start = error["at"] + shift
        end = start + len(error["right"])
        shift += len(error["right"]) - len(error["wrong"])
        left, right = max(start - 1, 0), min(end + 1, len(reference))
        done += any(block.a <= left and right <= block.a + block.size for block in blocks)
    return done, len(item["errors"])


def misplaced(item: Item, edits: list[dict[str, Any]], unit: str) -> int:
    """Edits that meet no known error."""
    data, width = _units(item["text"], unit)
    codec = "utf-16-le" if width == 2 else "utf-32-le"
    spans = [(error["at"], error["at"] + len(error["wrong"])) for error in item["errors"]]
    out = 0
    for edit in edits:
        start, end = (len(data[: offset * width].decode(codec)) for offset in edit["range"])
        out += not any(start <= right and left <= end for left, right in spans)
    return out
