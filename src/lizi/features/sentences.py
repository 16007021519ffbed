"""Text → sentences, words and clauses, for the four locales. Lossless: the pieces joined are the text.

Never splits inside a number, an address or a Markdown code span. Bound: linear in the text.
"""

from __future__ import annotations

import re

__all__ = ["clauses", "sentences", "words"]

# A closing mark may be followed by quotes and brackets; a Latin one ends a sentence only before a blank.
_SENTENCE = re.compile(r"(?:[^。！？!?.\n]|[.!?](?![\s\"'”’)\]]|$))*(?:[。！？!?.…]+[”’」』）)\"'\]]*|\n|$)\s*")
_WORD = re.compile(
    # Addresses and code stay whole.
    r"https?://[^\s，。；、）)」』]+|[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+|`[^`\n]*`"
    r"|\d+(?:[.,:/-]\d+)*%?"
    r"|[^\W\d_\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+(?:['’][^\W\d_\u2e80-\u9fff]+)*"
    r"|\s+|.",
    re.DOTALL,
)
_CLAUSE = re.compile(r"[^，,；;。！？!?、\n]+[，,；;。！？!?、\n]*")


def sentences(text: str) -> list[str]:
    """The text cut behind each sentence, line ends and blanks kept."""
    return [match.group() for match in _SENTENCE.finditer(text) if match.group()]


def words(text: str) -> list[str]:
    """Tokens: words, numbers, addresses, runs of blanks; each Chinese character and each mark by itself."""
    return _WORD.findall(text)


def clauses(text: str) -> list[str]:
    """The text cut at commas and sentence ends too."""
    return _CLAUSE.findall(text)
