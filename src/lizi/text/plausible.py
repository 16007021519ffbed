"""Whether what stands beside a word is its value: no next word of the sentence, no amount, no day, no version, no model.

Looks at the value, at what joins it to its word and at some characters behind it. Pure. Bound: 40 characters beyond the value.
"""

from __future__ import annotations

import re

from lizi.text.checks import uscc
from lizi.text.chosen import DESCRIBING, NOTHING, ORDINARY, is_chosen

__all__ = ["DATE", "MANY", "MASKED", "OF_PEOPLE", "STANDARD", "UNIT", "certain", "plausible"]

UNIT = re.compile(
    r"\s?(?:[元块塊万萬股笔筆度亿億克吨秒周集期年月日天个個位人次件岁歲%％分米字条條份號号版]|小时|小時|公里|毫|美|kg|km|rmb|"
    r"usd|dollars?|days?|hours?|"
    r"items?|people|years?|minutes?|times|characters|chars|digits|points|votes|euros?|yen|pounds|followers|\.[0-9])|[张張]|[点點](?![数數])",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(?:19|20)[0-9]{2}(?:-(?:0?[1-9]|1[0-2]))?(?:-[0-9]{1,2})?")
MASKED = re.compile(
    r"[(\[)]|[*xX•.●·\-_#]{1,128}$|(?:\$\{|\{\{|<|\$\(|%\(|\[)|(?:os|process|env|self|config|settings|secrets)[.\[(]|[A-Za-z_.]{1,40}\("
)
_IDENTIFIER = re.compile(r"[a-z_./\-]{1,128}$")
OF_PEOPLE = re.compile(r"[Pp](?:ass|wd?(?![a-z]))|PASS|PWD|密码|密碼|口令|暗号|通行码|[Ll]ogin")
_WORD = re.compile(r"[A-Za-z][a-z]{0,127}[.:!?]?$")
MANY = re.compile(r" (?!is |was |has |this |does )[a-z]{2,14}s(?![a-z])")
DATE = re.compile(r"(?:19|20)[0-9]{2}(?:[-/.]?(?:0?[1-9]|1[0-2])(?:[-/.]?(?:0?[1-9]|[12][0-9]|3[01]))?)?")
_VERSION = re.compile(r"[vV]?[0-9]{1,5}(?:\.[0-9]{1,5}){1,3}")
STANDARD = re.compile(
    r"(?:SHA|MD|RFC|ISO|GB|UTF|AES|RSA|HTTPS?|ECMA|CVE|GPT|IEEE|COVID|USB|x86|arm|amd|utf|sha|md|Python|Java|Win)[-/T]{0,2}[0-9]"
)
_CHECKSUM = re.compile(r"(?:0x)?(?=[0-9A-Fa-f\-]{0,12}[A-Fa-f])[0-9A-Fa-f]{7,8}(?:-?[0-9A-Fa-f]{1,12}){0,10}")
"""校验码 is what is sent to a phone, and what a file is compared by: the latter is hexadecimal."""
_VAGUE = frozenset(("pass", "secret", "token", "credentials"))
_CURRENCIES = frozenset("$€£¥￥")
_MARK = re.compile("[0-9_@]")
_LETTERS = re.compile("[a-z]{4}")
_OWNERS = (
    "my", "the new", "new", "your", "our", "his", "her", "their", "wifi", "wi-fi", "wi fi", "account", "admin", "login", "email", "router",
    "guest", "network", "vpn", "bank", "database", "laptop", "hotspot",
)  # fmt: skip
_ADVICE = re.compile("我|你|的|请|請|[长長]度|不[少能得可]|至少|默认|預設|位|[为為]|是|大于|小于|建议|包含|必|最")
_GOES_ON = re.compile(r"\s?[A-Za-z]")
_TOLD_END = re.compile(r"(?:[:：=是为為]| is| was)[ \"“'(]{0,3}$")
_LOCKS = frozenset(("padlock", "lockbox", "keypad", "combination"))
_OF_WORK = frozenset(("工号", "工號", "员工号", "警号", "員工號"))
"""Labels of numbers with four digits."""


def certain(text: str, name: str, value: str, begin: int, stop: int) -> bool:
    """Whether a value is a number or a code by itself: no amount, no date, no version, no model."""
    digits = sum(map(str.isdigit, value))
    if name == "booking" and len(value) == 6 and value.isupper() and digits:
        return True
    if name in ("plate", "vehicle"):
        return digits >= 1 and any(map(str.isupper, value)) and len(value) >= 5 and value.upper() == value
    if value[0] == "@":
        return True
    if _is_a_pattern(value):
        return False
    if STANDARD.match(value) is not None:
        return False
    if DATE.fullmatch(value) or _VERSION.fullmatch(value) or UNIT.match(text, stop) or text[begin - 1 : begin] in _CURRENCIES:
        return False
    if name in ("phone", "social_security"):
        return digits >= 7
    if value.isdigit():
        if name == "account_bare" and value.endswith("000"):
            return False
        told = _TOLD_END.search(text, max(0, begin - 6), begin) is not None and name != "order_bare"
        return digits >= (8 if name == "order_bare" else 5 if told else 6) and MANY.match(text, stop) is None
    letters = any(map(str.isupper, value))
    if letters and not any(map(str.islower, value)):
        return digits >= 3 and len(value) >= (7 if name == "order_bare" else 5)
    return digits >= (10 if name == "order_bare" else 6)


def _is_a_pattern(value: str) -> bool:
    """Whether zeros stand for any digits: 000-0000000."""
    return len(value) > 6 and not any(one in "123456789" or one.isalpha() for one in value)


def plausible(text: str, name: str, word: tuple[int, int], value: str, stop: int, strong: bool, joint: str) -> bool:
    """Whether the value is one, and not the next word, an amount or a year of the sentence."""
    start, end = word
    if name == "long_key":
        figures = sum(map(str.isdigit, value))
        mixed = value.lower() != value and value.upper() != value
        return (mixed and figures >= (1 if strong else 2)) or (figures >= 6 and "_" not in value)
    if name == "one_time" and _CHECKSUM.fullmatch(value) is not None:
        return False
    if name in ("answer", "wireless"):
        return (strong or " is" in joint) and value[:3] != "802"
    if name in ("password", "social", "account"):
        marked = _MARK.search(value) is not None
        if value.lower() in NOTHING or MASKED.match(value):
            return False
        if text[stop : stop + 1] == "(" if name == "password" else _VERSION.fullmatch(value) is not None:
            return False
        if not value.isascii() and (not strong or _ADVICE.search(value) is not None):
            return False
        if not strong and value.lower() in ORDINARY:
            return False
        label = text[start:end]
        if label.lower() == "handle" and (not strong or text[stop : stop + 1] == "(" or value.lower() == "handle"):
            return False  # a verb, or a name of a program
        if label in ("Line", "LINE") and (value.isdigit() or not (strong or "加" in joint)):
            return False
        if not marked and (label.lower() in _VAGUE or "|" in joint or joint.count("\n") > 1):
            return False
        if not strong:
            mine = "is" in joint and text[max(0, start - 12) : start].lower().rstrip().endswith(_OWNERS)
            opening = name == "account" and " is" in joint and value.islower() and len(value) >= 6
            opening = opening and text[max(0, start - 3) : start].rstrip()[-1:] in ("", ".", "!", "?", ":")
            mine = (mine or opening) and DESCRIBING.search(value) is None
            chosen = name != "password" and is_chosen(text, start, end, value)
            code = name == "password" and value.isdigit() and len(value) >= 4 and _GOES_ON.match(text, stop) is None
            if (not marked and not mine and not chosen) or (not joint and name != "social" and not code and len(value) < 6):
                return False
            if name == "password" and not marked and value.islower() and len(value) < 8:
                return False
        if name == "password" and _IDENTIFIER.match(value) and not OF_PEOPLE.match(text, start):
            return False  # "token: upstream_timeout" explains a field
        if name != "password" and not marked and _WORD.match(value) and text[stop : stop + 2].strip()[:1].isalpha():
            return is_chosen(text, start, end, value)  # else a sentence goes on
        return not (not any(map(str.isalpha, value)) and UNIT.match(text, stop)) and not (len(value) < 4 and not strong)
    if name in ("number_of_account", "account_bare", "order", "booking", "order_bare", "one_time"):
        if UNIT.match(text, stop) and (value.isdigit() or not strong or _YEAR.match(value)):
            return False
        label = text[start:end].lower()
        strong = strong or "is" in joint or "'s" in joint or "’s" in joint
        if label in _LOCKS and not strong:
            return False
        if name == "one_time" and len(value) == 18 and uscc(value.upper()):
            return False  # "信用代码"
        if name == "one_time" and value.replace(" ", "").isalpha():
            return True
        if name == "one_time" and value.isdigit() and text[start:end].lower() != "code":
            return UNIT.match(text, stop) is None
        least = 4 if text[start:end] in _OF_WORK else 5
        if not strong and (len(value) < least or _YEAR.fullmatch(value)):
            return False
        if value.isupper() and not value.isdigit() and 5 <= len(value) <= 8 and name in ("order", "booking"):
            # The locators of airlines and hotels have few digits or none.
            return any(map(str.isdigit, value)) or (strong and text[start : start + 4].islower()) or text[start : start + 3] == "PNR"
        if name == "account_bare" and not strong:
            rounded = value.isdigit() and (len(value) < 5 or value.endswith("00") or DATE.fullmatch(value) is not None)
            if rounded or MANY.match(text, stop) is not None or (not value.isdigit() and sum(map(str.isdigit, value)) < 4):
                return False
        if name == "order_bare" and len(value) >= 9 and value.isupper() and value.isalnum() and any(map(str.isdigit, value)):
            return True
        if name == "order_bare" and _LETTERS.search(value) is not None:
            return False
        if name == "order_bare" and not strong and DATE.fullmatch(value):
            return False
        if _YEAR.fullmatch(value) and ((strong and len(value) > 4) or text[stop : stop + 1] in ("）", ")", "〕")):
            return False
        if name in ("order", "order_bare") and not strong and value.isdigit() and MANY.match(text, stop) is not None:
            return False
        if name == "order_bare" and "of " in joint and "#" not in joint:
            return False  # an order of so many
        if _is_a_pattern(value):
            return False
        mixed = name == "one_time" and value.upper() != value and value.lower() != value
        return sum(map(str.isdigit, value)) >= (2 if strong or mixed else 3)
    if name == "card":
        return len(set(value) - {" ", "-"}) > 1
    if name == "vehicle":
        return True
    if name == "plate":
        return value.upper() == value and any(map(str.isalpha, value)) and not DATE.fullmatch(value) and (strong or len(value) >= 5)
    if name in ("company", "passport", "permit"):
        return strong or len(value) >= 6
    return True
