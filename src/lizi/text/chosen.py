"""Names and passwords of letters alone: which words somebody may have chosen, and which only go on with the sentence.

Never looks farther than a few characters around the label. Bound: a chosen word has at most 21 characters.
"""

from __future__ import annotations

import re

from lizi.text.tries import listed

__all__ = ["CHOSEN", "DESCRIBING", "NOTHING", "ORDINARY", "is_chosen"]

NOTHING = frozenset(
    listed(
        "str string none null true false required optional hidden bool boolean int integer number text any type password username example "
        "test undefined unknown default value empty blank is not the and or for with your this that here below above from to in on of "
        "missing invalid incorrect wrong forgotten expired reset change changed login email phone name n/a field input secret token "
        "changeme object array details information"
    )
)
"""What stands behind a label and is no value, whatever joins them."""
ORDINARY = frozenset(
    listed(
        "correct incorrect weak strong secure short long same different visible sensitive yours mine "
        "administrator admin root superuser guest someone anybody another usual normal expected follows public official android windows "
        "macos "
        "iphone ipad wechat weixin bilibili weibo alipay facebook instagram telegram twitter google apple mini online offline error "
        "failed failure "
        "success status state level type center centre balance settings profile page security manager system verified token user users "
        "group role "
        "logout before after always usually admins owner client server session database wallet account register signup banned blocked "
        "locked music video lite premium support service store pro plus desktop mobile "
        "business messenger username nickname userid format unique case length"
    )
)
"""What is no value where no sign joins it to its label; behind one, as in "user: admin", it is."""
CHOSEN = re.compile(r"[A-Za-z][A-Za-z.\-]{3,19}[A-Za-z]$")
DESCRIBING = re.compile(r"(?:ed|ing|ly|able|ible|ive|ent|ant|ary|ory|ial|ical|ous|thing|where|ever|er|[kdtsz]en)$")
"""Endings of words that say how an account or a password is."""
_OF_ONE = re.compile(r"(?:[号號]|ID|id|名|[账賬帐帳][号號户戶])$")
_MINE = re.compile(r"(?:我的?|加|搜)$")
_AS = re.compile(r"(?:log|sign|logged|signed)[ _-]?(?:in)?[ _-]as$")
_CHINESE = re.compile("[\u4e00-\u9fff]")


def is_chosen(text: str, start: int, end: int, value: str) -> bool:
    """Whether a word without digits is a name that somebody chose: a label of one such name stands right before it."""
    if CHOSEN.match(value) is None:
        return False
    if text[end - 1].isascii() and not text[start:end].endswith(("ID", "id")):
        return _AS.search(text[start:end].lower()) is not None and value.islower() and DESCRIBING.search(value) is None
    if text[start:end].isascii():
        return _CHINESE.search(text, max(0, start - 8), end + 28) is not None
    if _OF_ONE.search(text, start, end) is not None:
        return True
    return _MINE.search(text, max(0, start - 2), start) is not None and len(value) >= 6 and value.isalpha() and value.islower()
