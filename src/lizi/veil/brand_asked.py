"""What the user's own words allow: a question for the writer's name, names that the user brought, claims that are the user's.

Pure. Looked at only when a sentence of the answer gives reason to, except for the question itself. Bound: the first and the
last 10,000 characters of what was asked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lizi.text import Matcher
from lizi.veil.brand_book import BrandBook
from lizi.veil.brand_grammar import CLAIMS, asks_identity
from lizi.veil.brand_text import decoded, folded_text

__all__ = ["Asked", "may_ask"]

_READ_CHARACTERS = 10_000
"""Of each end; a millisecond of work. A claim quoted from the middle of a longer text is judged without it."""
_QUESTION_CHARACTERS = 600
"""A longer message brings a text; only its ends are read for a question."""
_END_CHARACTERS = 300
_DECODED_CHARACTERS = 1_000
"""Of the beginning: what somebody wants corrected or decoded stands there."""
_DECODED_QUESTION = 3
"""你是谁; less is decoded by chance."""
_WORDS = re.compile(r"[^\w]+")
_FIRST = re.compile(
    r"\byou|\bu\b|\bthou|\bthee|thyself|\bthis\b|model|who|name|prompt|above|你|您|妳|自|谁|誰|服务|服務|助手|模型|对话|對話|聊|说|說|提示"
)
_WRITES = re.compile(
    r"\b(?:write|story|poem|letter|email|e-mail|essay|character|novel|speech|translate|proofread|rewrite|correct|grammar)\b"
    r"|写|故事|信|诗|小说|角色|翻译|校对|润色|改写|作文"
)


_SHORT_CHARACTERS = 80
"""A question of a few words may be put in any words."""
_WORD_CHARACTERS = 12
"""A word or two may be anything, and are found out about soon enough: `whoami`."""
_SIGNS = str.maketrans(
    dict.fromkeys(map(chr, (*range(0x21, 0x30), *range(0x3A, 0x41), *range(0x5B, 0x61), *range(0x7B, 0x7F), 0x2019)), " ")
)
_FIRST_WORDS = frozenset(
    ("you", "your", "yours", "yourself", "u", "ur", "thou", "thee", "thyself", "this", "model", "models", "who", "name", "names", "prompt",
     "prompts", "above")
)  # fmt: skip
_ASKING_WORDS = frozenset(
    ("who", "whom", "whose", "what", "which", "where", "name", "names", "model", "models", "version", "engine", "chat",
     "chatbot", "bot", "llm", "gpt", "ai", "your", "yours", "yourself", "thyself", "prompt", "instructions", "introduce",
     "describe", "identify", "reveal", "repeat", "above", "human", "robot", "maker", "creator", "company", "made",
     "created", "built", "trained", "developed", "powered")
)  # fmt: skip
_FIRST_HAN_WORDS = (*"你您妳自谁誰说說聊", "服务", "服務", "助手", "模型", "对话", "對話", "提示")
_FIRST_HAN = re.compile("|".join(_FIRST_HAN_WORDS))
_ASKING_HAN_WORDS = (
    *"谁誰哪啥叫", "什么", "什麼", "名字", "名称", "介绍", "介紹", "模型", "开发", "開發", "公司", "版本", "身份", "提示", "自我", "自己",
    "来历", "厂商", "团队", "训练", "底层", "机器人", "人工智能", "ai",
)  # fmt: skip
_ASKING_HAN = re.compile("|".join(_ASKING_HAN_WORDS))
"""In every longer question for the writer's name stands one of the first and one that asks."""
_CODED_WORDS = frozenset(("ni", "nin", "shei", "shui", "uoy", "ohw", "rouy", "lbh", "jub", "jung"))
"""you, who, your: in pinyin, backwards, in rot13."""
_LATIN_WORDS = re.compile("[a-z]+")
_CODED_CHARACTERS = 12
_ASCII = "".join(map(chr, range(0x80)))
_SHAPE = str.maketrans(_ASCII, "".join("1" if sign.isalnum() else " " for sign in _ASCII))
_HEX_SHAPE = str.maketrans(_ASCII, "".join("1" if sign in "0123456789abcdefABCDEF" else "x" if sign.isalnum() else " " for sign in _ASCII))
_TOKEN_SHAPE = str.maketrans(_ASCII, "".join(" " if sign.isspace() else "1" for sign in _ASCII))
"""What text looks like, in two or three signs: searching that for one string is many times as fast as a search for any letters."""
_CODED = re.compile(r"[!-~]{12,}|%|\\|(?<![A-Za-z0-9])[A-Za-z0-9]{1,2}(?:[ .·_-][A-Za-z0-9]{1,2}(?![A-Za-z0-9])){2}")
"""Base 64 and the like, escapes, letters one by one."""
_FOREIGN = re.compile(r"[^\x00-\u024f\u2010-\u2027\u3000-\u303f\u4e00-\u9fff\uff00-\uff20\uff5b-\uffef]")


_FIRST_SIGN, _ASKING_SIGN, _CODE_SIGN, _HAN_CODE_SIGN = 1, 2, 4, 8
_ONE, _TWO = "[A-Za-z0-9]", "[0-9A-Fa-f]{2}"
_MATCHER = Matcher(
    # Of what is searched for below, and put more loosely: one pass rules out most messages.
    [
        *((_FIRST_SIGN, word) for word in _FIRST_HAN_WORDS),
        *((_ASKING_SIGN, word) for word in _ASKING_HAN_WORDS),
        (_ASKING_SIGN, "A[Ii]|aI"),
        (_CODE_SIGN, rf"[%\\]|[!-~]{{{_CODED_CHARACTERS}}}"),
        (_CODE_SIGN, rf"(?:^|[^A-Za-z0-9])(?:{_ONE}(?:[^A-Za-z0-9]{_ONE}){{2}}|{_TWO}(?:[^A-Za-z0-9]{_TWO}){{2}})(?:[^A-Za-z0-9]|$)"),
        (_HAN_CODE_SIGN, rf"(?:^|[^A-Za-z0-9]){_ONE}{{1,2}}(?:(?:[ ._\-]|·){_ONE}{{1,2}}){{2}}(?:[^A-Za-z0-9]|$)"),
    ],
    words=[
        *((_FIRST_SIGN, word) for word in sorted(_FIRST_WORDS)),
        *((_ASKING_SIGN, word) for word in sorted(_ASKING_WORDS)),
        *((_CODE_SIGN, word) for word in sorted(_CODED_WORDS)),
    ],
)


def _rules_out(signs: int | None, characters: int, han: bool) -> bool:
    """Whether a message of so many characters, with these signs, is no question."""
    if signs is None or signs & (_CODE_SIGN | _HAN_CODE_SIGN if han else _CODE_SIGN):
        return False
    return not signs & _FIRST_SIGN or (characters > _SHORT_CHARACTERS and not signs & _ASKING_SIGN)


def may_ask(messages: Sequence[str]) -> bool:
    """Whether one of the last two messages could be a question for the writer's name, in some wording, script or encoding.

    Says so far too often, and costs a tenth of finding out.
    """
    for message in messages[-2:]:
        if len(message) > _QUESTION_CHARACTERS:
            message = message[:_END_CHARACTERS] + "\n" + message[-_END_CHARACTERS:]
        if len(message) <= _WORD_CHARACTERS:
            return True
        han = not message.isascii()
        if _rules_out(_MATCHER.signs(message), len(message), han) and not (han and _FOREIGN.search(message)):
            continue
        lower = message.lower()
        words = lower.translate(_SIGNS).split() if not han else _LATIN_WORDS.findall(lower)
        if not _FIRST_WORDS.isdisjoint(words) or (han and _FIRST_HAN.search(lower) is not None):
            short = len(message) <= _SHORT_CHARACTERS
            if short or not _ASKING_WORDS.isdisjoint(words) or (han and _ASKING_HAN.search(lower) is not None):
                return True
        if not _CODED_WORDS.isdisjoint(words) or "%" in message or "\\" in message:
            return True
        if han:
            if _CODED.search(message) is not None or _FOREIGN.search(message) is not None:
                return True
        elif _spelled(message):
            return True
    return False


def _spelled(message: str) -> bool:
    """Whether ASCII text holds three letters one by one, three bytes in hex, or a run of signs that is long enough to be an encoding."""
    return (
        " 1 1 1 " in f" {message.translate(_SHAPE)} "
        or " 11 11 11 " in f" {message.translate(_HEX_SHAPE)} "
        or "1" * _CODED_CHARACTERS in message.translate(_TOKEN_SHAPE)
    )


class Asked:
    """The user's messages of one exchange, the latest last, as far as the brand filter needs them."""

    __slots__ = ("_book", "_claims", "_messages", "_text", "_words", "identity", "known", "works")

    def __init__(self, book: BrandBook, messages: Sequence[str], *, works: bool = False, may: bool = True) -> None:
        """`may`: what `may_ask` says of them."""
        self._book = book
        self._messages = [message for message in messages if message.strip()][-8:]  # a question older than that is not asked again
        self.known = bool(self._messages)
        """Whether anything is known of what was asked."""
        self._text: str | None = None
        self._words: tuple[frozenset[str], frozenset[int]] | None = None
        self._claims: frozenset[int] | None = None
        self.works = works
        """What was said is a text to work on: nobody is asked anything, and its people may say who they are."""
        self.identity = may and not works and self._asks()
        """The latest message asks who the writer is."""

    def _asks(self) -> bool:
        if not self.known:
            return False
        texts = []
        for message in (self._messages[-1], self._messages[-2] if len(self._messages) > 1 else ""):
            if len(message) > _QUESTION_CHARACTERS:
                message = message[:_END_CHARACTERS] + "\n" + message[-_END_CHARACTERS:]
            texts.append(message)
        latest, before = texts
        if not before and _FIRST.search(latest.lower()) is None and not any(decoded(latest, asked=False)):
            return False
        variants = [latest, *(text for text in decoded(latest, asked=False) if len(text) >= _DECODED_QUESTION)]
        earlier = self._book.read(before).marked if before else ""
        return any(asks_identity(self._book.read(variant, sure=True).marked, earlier) for variant in variants)

    @property
    def text(self) -> str:
        """What was asked, folded, only its letters and digits."""
        if self._text is None:
            whole = "\n".join(self._messages)
            if len(whole) > 2 * _READ_CHARACTERS:
                whole = whole[:_READ_CHARACTERS] + "\n" + whole[-_READ_CHARACTERS:]
            parts = [whole, *decoded(whole[:_DECODED_CHARACTERS], asked=False)]
            self._text = "\n".join(folded_text(part) for part in parts)
        return self._text

    @property
    def writes(self) -> bool:
        """Something is to be written or worked on, so that a first person need not be the writer."""
        return _WRITES.search(self.text) is not None

    def has_alias(self, alias: str) -> bool:
        """Whether the user wrote this very name."""
        return alias in self._found()[0]

    def has_brand(self, brand: int) -> bool:
        """Whether the user wrote any name of this brand."""
        return brand in self._found()[1]

    def says(self, claim: str) -> bool:
        """Whether the user's own text holds this piece of folded text."""
        bare = _WORDS.sub("", claim)
        return bool(bare) and bare in _WORDS.sub("", self.text)

    def claims(self, brand: int) -> bool:
        """Whether somebody in the user's text says of himself what names this brand: a translation of it is theirs too."""
        if self._claims is None:
            reading = self._book.read(self.text[:_DECODED_CHARACTERS], sure=True)
            spans = [match.span() for pattern in CLAIMS for match in pattern.finditer(reading.marked)]
            self._claims = frozenset(
                mention.brand for mention in reading.mentions if any(start <= mention.at < end for start, end in spans)
            )
        return brand in self._claims

    def _found(self) -> tuple[frozenset[str], frozenset[int]]:
        if self._words is None:
            mentions = self._book.mentions(self.text)
            self._words = (frozenset(alias for alias, _ in mentions), frozenset(brand for _, brand in mentions))
        return self._words
