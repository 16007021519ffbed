"""Token estimates where a partner reports none, and whether a report can be believed.

Never asks a tokenizer. Bound: one pass of C code over the UTF-8 bytes, no loop per character.
Error against two tokenizers: docs/decisions/0004-money.md.
"""

from __future__ import annotations

import string
from functools import lru_cache
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from lizi.types import ChatRequest, Json, Usage

__all__ = ["EstimatorSettings", "OutputCounter", "estimate_message", "estimate_request", "estimate_tokens", "usage_or_estimate"]

_TOKENS_LIMIT = 4_000_000
"""No published context window is larger than 2 million tokens; beyond twice that a report is absurd."""
_Weight = Annotated[int, Meta(ge=0, le=10_000)]


class EstimatorSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thousandths of a token per character (or as said) of each script class.

    The defaults are fitted to two tokenizers on two corpora (docs/decisions/0004-money.md):
    a 49k English vocabulary and a 152k vocabulary that knows Chinese.
    """

    letter: Annotated[_Weight, Meta(description="a to z and A to Z")] = 180
    space: Annotated[_Weight, Meta(description="blank; a word's start")] = 225
    digit: Annotated[_Weight, Meta(description="0 to 9")] = 1200
    mark: Annotated[_Weight, Meta(description="any other ASCII character, line ends included")] = 550
    cjk: Annotated[_Weight, Meta(description="Han, kana, hangul, their punctuation and full-width forms")] = 620
    other: Annotated[_Weight, Meta(description="any other letter or sign of two or three bytes")] = 1000
    astral: Annotated[_Weight, Meta(description="beyond U+FFFF: emoji, rare Han")] = 2000
    message: Annotated[_Weight, Meta(description="the frame that a chat template puts around one message")] = 5000
    image_tokens: Annotated[int, Meta(ge=0, description="tokens of one image part; partners differ between 85 and about 2,000")] = 1000


_LETTER, _SPACE, _DIGIT, _MARK, _CJK, _OTHER, _ASTRAL, _TAIL = range(8)


def _byte_classes() -> bytes:
    """Class of each byte of UTF-8: an ASCII byte's own, a lead byte's for the whole character (RFC 3629)."""
    table = bytearray(256)
    for byte in range(256):
        char = chr(byte)
        if byte < 0x80:
            table[byte] = _LETTER if char in string.ascii_letters else _DIGIT if char in string.digits else _SPACE if char == " " else _MARK
        elif byte < 0xC0:
            table[byte] = _TAIL
        elif 0xE3 <= byte <= 0xED or byte == 0xEF:
            table[byte] = _CJK  # U+3000–U+D7FF and U+F000–U+FFFF
        elif byte >= 0xF0:
            table[byte] = _ASTRAL
        else:
            table[byte] = _OTHER
    return bytes(table)


_CLASSES = _byte_classes()
_DEFAULT = EstimatorSettings()
_FORMAT_WORDS = "Answer with JSON that this JSON Schema accepts, and nothing else: no other words, no code fence.\n"
"""As long as what a dialect says about the wanted format."""
_json = msgspec.json.Encoder().encode


def estimate_tokens(text: str, ratios: EstimatorSettings = _DEFAULT) -> int:
    """About how many tokens a model makes of `text`; at least 1 for a text that is not empty.

    Counts characters by script class, each with a weight. A lone surrogate counts as one sign.
    """
    return _round(_weight(text, ratios))


def _weight(text: str, ratios: EstimatorSettings) -> int:
    """Thousandths of a token."""
    classes = text.encode("utf-8", "surrogatepass").translate(_CLASSES)
    weight = (
        classes.count(_LETTER) * ratios.letter
        + classes.count(_SPACE) * ratios.space
        + classes.count(_DIGIT) * ratios.digit
        + classes.count(_MARK) * ratios.mark
    )
    if not text.isascii():
        weight += classes.count(_CJK) * ratios.cjk + classes.count(_OTHER) * ratios.other + classes.count(_ASTRAL) * ratios.astral
    return weight


def _round(weight: int) -> int:
    return max(1, (weight + 500) // 1000) if weight else 0


def estimate_request(request: ChatRequest, ratios: EstimatorSettings = _DEFAULT) -> int:
    """About how many input tokens `request` has: messages with their frames, tools, schema, images.

    An image counts its stated price and never by its bytes. Walks each JSON value once.
    """
    strings: list[str] = []
    images = 0
    for message in request.messages:
        content = message.get("content")
        if isinstance(content, str) and len(message) == 2:  # role and text: what nearly every message is
            strings.append(content)
        else:
            images += _gather(message, strings)
    if request.tools:
        images += _gather(request.tools, strings)
    frames = (len(request.messages) + 1) * ratios.message  # one more opens the answer
    if request.response_format is not None:
        # What makes a partner keep to it is an instruction, ours or its own, with the whole schema in it.
        strings.append(_FORMAT_WORDS)
        strings.append(_json(getattr(request.response_format, "schema", None)).decode())
        frames += ratios.message
    return estimate_tokens(" ".join(strings), ratios) + frames // 1000 + images * ratios.image_tokens


@lru_cache(maxsize=64)
def estimate_message(text: str, ratios: EstimatorSettings = _DEFAULT) -> int:
    """About how many tokens one more message of `text` adds to a request. Remembered: it is for the house's own words, which all share."""
    return _round(_weight(text, ratios) + ratios.space + ratios.message) + 1  # rounded by itself


def _gather(root: Json, strings: list[str]) -> int:
    """Collect every string below `root` (keys of tool schemas are read by the model, too); count image parts."""
    images = 0
    stack: list[Json] = [root]
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            strings.append(value)
        elif isinstance(value, dict):
            if value.get("type") == "image_url":
                images += 1
                continue
            for key, child in value.items():
                if key != "role" and key != "content" and key != "type":
                    strings.append(key)
                stack.append(child)
        elif isinstance(value, (list, tuple)):
            stack.extend(value)
        elif value is not None:
            strings.append(str(value))
    return images


_LONG = 4_096
"""A part that is longer is counted at once: 64 of the largest would hold megabytes for each stream."""


class OutputCounter:
    """Estimates the tokens of a text that comes in parts: what the model wrote, reasoning and tool arguments included.

    Machine: `add` parts, read `tokens`. Bound: 64 parts of `_LONG` characters; a fold of them keeps one sum.
    """

    __slots__ = ("_folded", "_parts", "_ratios")

    def __init__(self, ratios: EstimatorSettings = _DEFAULT) -> None:
        self._parts: list[str] = []
        self._folded = 0
        self._ratios = ratios

    def add(self, text: str) -> None:
        """Take the next part. Counting waits until 64 are there: most streams end with a report and need no count."""
        self._parts.append(text)
        if len(self._parts) == 64 or len(text) > _LONG:
            self._fold()

    def _fold(self) -> None:
        self._folded += _weight("".join(self._parts), self._ratios)
        self._parts.clear()

    def tokens(self) -> int:
        """About how many tokens have come."""
        self._fold()
        return _round(self._folded)


class _Estimate(Struct, frozen=True, kw_only=True):
    """The usage to charge, and what became of the partner's report."""

    usage: Usage
    usage_plausible: Literal["passed", "failed", "skipped"]
    """Result of the check of that name: `skipped` when the partner reported nothing."""


def usage_or_estimate(
    reported: Usage | None,
    request: ChatRequest,
    written: OutputCounter,
    *,
    context_tokens: int | None = None,
    ratios: EstimatorSettings = _DEFAULT,
) -> _Estimate:
    """The partner's usage where it is believable, ours (`estimated=True`) otherwise.

    Not believable: a negative count, more cached than input, more reasoning than output, more
    tokens together than the context holds. Then no part of the report is used: a part of a lie
    is no better. An estimate, too, is never more than the context.
    """
    limit = context_tokens or _TOKENS_LIMIT
    if reported is not None and (
        0 <= reported.cached_tokens <= reported.input_tokens
        and 0 <= reported.reasoning_tokens <= reported.output_tokens
        and reported.input_tokens + reported.output_tokens <= limit
    ):
        return _Estimate(usage=reported, usage_plausible="passed")
    asked = min(estimate_request(request, ratios), limit)
    usage = Usage(input_tokens=asked, output_tokens=min(written.tokens(), limit - asked), estimated=True)
    return _Estimate(usage=usage, usage_plausible="skipped" if reported is None else "failed")
