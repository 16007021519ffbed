"""What a text may hold, so that most recognisers need not look: told in one pass where the compiled matcher is installed.

Without it every sign counts as there, and each recogniser looks for its own sign first. So this saves time and changes no finding.
Pure. Bound: two passes over the text.
"""

from __future__ import annotations

from lizi.text.cued import HAN_LABELS, LATIN_LABELS
from lizi.text.matcher import Matcher
from lizi.text.normal import has_digit
from lizi.text.pairs import PAIR_SIGNS

__all__ = ["DIGITS", "EVERY", "HARDWARE", "KEYS", "LABELS", "MAIL", "signs"]

DIGITS, MAIL, HARDWARE, KEYS, LABELS, _HAN_LABELS = 1, 2, 4, 8, 16, 32
EVERY = DIGITS | MAIL | HARDWARE | KEYS | LABELS

_MATCHER = Matcher(
    # Of each, what no text lacks in which the recogniser finds something: its own conditions, put more loosely. All in small letters.
    [
        (DIGITS, "[0-9]"),
        (MAIL, "@|[^a-z]at[^a-z]|艾特|小老鼠|圈"),
        (HARDWARE, r"(?:[:\-][0-9a-f]{2}){3}[:\-]|\.[0-9a-f]{4}\.|mac|bssid|hwaddr|ware address|cal address"),
        (HARDWARE, "网卡|網卡|理地址|體位址|件地址"),
        (KEYS, r"[a-z0-9_\-./:=?&+%]{16}|-----begin |://| -"),
        (LABELS, "a/c"),
        (LABELS, PAIR_SIGNS),
        *((_HAN_LABELS, pair) for pair in sorted({pair.lower() for pair in HAN_LABELS})),
    ],
    words=[(LABELS, word) for word in sorted(LATIN_LABELS)],
)


def signs(lower: str) -> int:
    """The signs that a text may hold, or'ed; `lower` is the normalised text in small letters. What is missing, it does not hold."""
    there = _MATCHER.signs(lower)
    if there is None:
        return EVERY if has_digit(lower) else EVERY ^ DIGITS
    if there & _HAN_LABELS and not lower.isascii():  # some of these labels are of Latin letters, and have Chinese ones behind them
        there |= LABELS
    return there & EVERY
