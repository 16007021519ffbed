"""Numbers of digits alone: resident IDs, phones, bank cards, IMEI, US social security numbers, with or without separators.

Works on groups of digits: a number is one group or several that single blanks, dashes, dots or
brackets join, and its kind follows from its digits, the lengths of its groups and the words just
before it. Never takes a part of a longer number, nor digits that belong to a word. Bound: each
group is joined with at most 19 others, each number looks at 24 characters around it.
"""

from __future__ import annotations

import re

from lizi.text.checks import card_prefix, luhn, resident_id, resident_id_15, social_security
from lizi.text.found import CERTAIN, CUED, LIKELY, Report
from lizi.text.tries import listed

__all__ = ["digit_groups", "numbers"]

_LONGEST = 20  # digits of the longest number that has a meaning here
_GROUP = re.compile(r"[0-9]{1,64}")
_JOINTS = frozenset((" ", "-", ".", ") ", ")-", ")", "(", " (", "）", "（", " - ", "·", "—", "  ", "_"))
_BEFORE = 14  # how far a cue may stand before its number: "银行卡的卡号后面是 " and "account number is: "

_CARD_CUE = re.compile(r"卡|银行|銀行|账[户号]|帐[户号]|[帳賬][戶號]|付款|收款|转账|轉帳|card|account|acct|visa|master|iban|a/c|amex")
_PHONE_CUE = re.compile(
    r"电话|電話|手机|手機|座机|座機|固话|联系|聯[絡繫系]|致电|致電|拨打|撥打|热线|熱線|传真|傳真|号码|號碼|來電|来电|微信|短信|简讯|簡訊|"
    r"聯絡|分機|"
    r"手提|专线|專線|免付費|市話|tel|phone|call|mobile|cell|fax|text|whatsapp|dial|reach|ring|contact|landline|sms|hotline|☎|📞|📱"
)
_DIALLED = re.compile(
    r"(?:打|拨|撥|搵我|打俾我|找我|值班室|前台|物业|物業|管理處|總機|总机|总台|[打拨撥][唔不]通|"
    r"改打[我俺你他她]?[\u4e00-\u9fff]{0,4})[ :：，「给給]{0,2}$"
)
_OWN_NUMBER = re.compile(
    r"(?:(?<![a-z])(?:my|his|her|our|their|whose|[a-z]{2,12}'s) (?:(?:new|old|own|work|home|direct|other|personal)"
    r" ){0,2}(?:number|num|digits)|(?:^|"
    r"[.:;!?\n] ?)(?:the )?(?:number|num))"
    r"(?:'s| is| was|:)?:? ?[(（]?$",
    re.IGNORECASE,
)
_ID_CUE = re.compile(
    r"身份|身分|证件|證件|公民|[一二]代[证證]|老[证證]|户口|戶口|派出所|[男女][\\t ,，|｜]{1,3}(?:$|\\?t?)|id card|id no|"
    r"id number|identity|national id|resident id"
)
_SENT_TO = re.compile(r"[^0-9.!?\n]{0,20}(?:[Ww]hats[Aa]pp|text me|call me|iMessage)")
_IMEI_CUE = re.compile(r"imei|meid|串[号號码碼]|[设設][备備][号號识識标標]|手机识别|serial")
_SSN_CUE = re.compile(r"ssn|social(?! (?:media|network|life|club))|itin|taxpayer|社会安全|社會安全")
_NOT_A_CARD = re.compile(
    r"[订訂][单單]|[单單][号號]|流水|交易|快[递遞]|物流|运单|編號|编号|order|track|invoice|transaction|reference|isbn|条码|條碼|计数|"
    r"計數|读数|讀數|[样樣]本|[总總][数數]|"
    r"[累总總][计計]|[数數]量|人次|序列|批[号號次]|产品|產品|商品|物料|[编編][码碼]|"
    r"脉冲|播放|[销銷]量|流量|字[节節]|哈希|[时時][间間]戳|随机|隨機|种子|(?<![充储儲超])值|参数|參數|[变變]量|票[房务務]|[标標]准|"
    r"counter|count|total|sample|serial|batch|sku|part n|"
    r"barcode|seed|hash|timestamp|pulse|parameter|value|bytes|rows|stat"
)

_AREA = re.compile(r"0(?:10|2[0-9]|[3-9][0-9]{2})[2-8][0-9]{6,7}")  # Chinese landline with its area
_AREA_SHAPES = frozenset({(3, 8), (4, 7), (4, 8), (3, 4, 4), (4, 4, 4), (4, 3, 4), (4, 4, 3), (3, 7)})
_MOBILE_SHAPES = frozenset(
    {(11,), (3, 4, 4), (3, 8), (7, 4), (3, 3, 5), (4, 4, 3), (4, 3, 4), (5, 6), (5, 3, 3), (3, 5, 3), (6, 5), (3, 2, 2, 2, 2)}
)
_TOLL_FREE_SHAPES = frozenset({(10,), (3, 3, 4), (3, 4, 3), (4, 3, 3), (3, 7), (4, 6), (4, 2, 4), (6, 4), (5, 5)})
_TAIWAN_SHAPES = frozenset(
    {(4, 3, 3), (4, 6), (10,), (2, 4, 4), (2, 8), (2, 3, 4), (3, 7), (3, 3, 4), (2, 7), (3, 6), (3, 3, 3), (4, 2, 4)}
)
_CARD_SHAPES = frozenset(
    {(4, 4, 4, 4), (4, 4, 4, 4, 3), (4, 4, 4, 4, 2), (4, 4, 4, 4, 1), (4, 6, 5), (6, 13), (6, 10), (4, 6, 4), (8, 8), (8, 11)}
)
_ABROAD = ("86", "44", "81", "82", "33", "49", "65", "61", "852", "853", "886", "1")  # behind 00
_AFTER_PHONE = re.compile(r"\s?(?:转|轉|分机|分機|內線|内线|ext\.?|extension|x|#|-)\s?[0-9]{1,6}(?![0-9A-Za-z])", re.IGNORECASE)
_LOOSE_X = re.compile(r"[ -]?[Xx](?![0-9A-Za-z])")
_NOT_DIALLED = re.compile(
    r"(?:qq|扣扣|[会會][员員]|[客用][户戶]|[统統]一|[编編]|卡|[订訂][单單]|[发發]票|[单單]|[帐帳账賬][户戶]?|[证證]|病[历歷]|序列|"
    r"[车車]牌|八[达達]通|牌照|学籍|學籍|"
    r"[户戶])(?:[号號][码碼]?|[编編][号號]|代[码碼])[^0-9a-z]{0,4}$"
)
_AMOUNT = re.compile(r"\.[0-9]{1,2}(?![0-9.])")
_CUE_LETTERS = frozenset(listed("tel phone mobile cell fax call qq wx vx id no card imei ssn sn dh sj sfz hp ph mob whatsapp"))
_OTHER_CARDS = re.compile(
    r"(?:etc|公交|地[铁鐵]|交通|[图圖][书書][馆館]?|借[书書]|[会會][员員]|加油|校[园園]|[饭飯]|[医醫]保|社保|就[诊診]|[电電][视視]|里程|"
    r"捷[运運]|悠[游遊]|健保)卡?"
    r"(?:[号號卡][码碼]?)?[^0-9a-z]{0,4}$"
)
_AMOUNT_OF = re.compile(
    r"\s?(?:[元万萬亿億吨噸次件步字票注股份克米度]|块[钱錢]|條?条(?![信短])|[个個](?![人月])|人[次民]|字节|位数|bytes|times|"
    r"units|rows|dollars|usd|rmb|yuan)",
    re.IGNORECASE,
)
_COUNTED_BY = re.compile(
    r"(?:人口|[总總][数數量]|[销銷]量|播放量?|流量|产量|產量|[预預]算|[营營]收|市值)(?:[是为為破达達超约約]|[为為]|:|：| ){0,2}$"
)
_COUNTED = re.compile(r"\s?(?:[个個次人条條件注票元度步位字]|字节|脉冲|bytes|times|people|units|rows|ns|pulses)", re.IGNORECASE)
_MARKET = re.compile(r"[0-9]{3}-[0-9]{7}-[0-9]{7}(?![0-9A-Za-z-])")  # the largest shop's orders
_WORD_BEFORE = re.compile(r"[A-Za-z]{1,10}$")


def _cued(cue: re.Pattern[str], text: str, start: int, end: int, reach: int = _BEFORE) -> bool:
    """Whether the cue stands close before; for one that follows ("…是我的身份证号") six characters are enough."""
    return cue.search(text[max(0, start - reach) : start].lower()) is not None or cue.search(text[end : end + 6].lower()) is not None


def digit_groups(text: str) -> list[tuple[int, int]]:
    """Where digits stand, run by run; a run of more than 64 is several."""
    return [match.span() for match in _GROUP.finditer(text)]


def numbers(text: str, groups: list[tuple[int, int]]) -> list[Report]:
    """Reports of the numbers of a text that is normalised, Chinese digits too; `groups` are its `digit_groups`."""
    out: list[Report] = []
    done = 0
    count = len(groups)
    for index in range(count):
        start, end = groups[index]
        if start < done:
            continue
        if 20 <= end - start <= 22 and text[start : start + 2] in ("92", "93", "94", "95"):
            out.append((start, end, "order", 0, LIKELY))  # a parcel of the United States' post
            done = end
            continue
        if end - start == 3 and index + 2 < count and text[start - 1 : start] != "-" and _MARKET.match(text, start):
            done = groups[index + 2][1]
            out.append((start, done, "order", 0, CERTAIN))
            continue
        size = end - start
        if size < 7 and (index + 1 == count or groups[index + 1][0] - end > 3 or text[end : groups[index + 1][0]] not in _JOINTS):
            continue
        if size > _LONGEST or not _may_begin(text, groups, index):
            continue
        found = _longest(text, groups, index)
        if found is not None:
            out.append(found)
            done = found[1]
    return out


def _may_begin(text: str, groups: list[tuple[int, int]], index: int) -> bool:
    start, end = groups[index]
    before = text[start - 1 : start]
    if before.isascii() and before.isalpha():
        word = _WORD_BEFORE.search(text, max(0, start - 11), start)
        if text[start - 2 : start] in ("\\n", "\\t", "\\r"):
            return True  # a text of JSON or a log, in which a line's end is spelt
        return word is not None and word.group().lower() in _CUE_LETTERS and not text[word.start() - 1 : word.start()].isdigit()
    if not index:
        return True
    earlier = groups[index - 1]
    gap = text[earlier[1] : start]
    if gap == "":
        return False  # the rest of a run that is too long
    if gap == "." and text[earlier[1] - 1].isdigit():
        # Decimals, or an item's number in a list: "1.13800138000".
        listed_so = (
            text[earlier[0] - 1 : earlier[0]] in ("", "\n", "，", "。", "；", "、", "：", ",", ";", ":", "(", "（") or earlier[0] == 0
        )
        return listed_so and earlier[1] - earlier[0] <= 2 and text[start:end][:1] == "1" and end - start == 11
    if gap in (" ", "-") and earlier[1] - earlier[0] == end - start == 4 and text[start] == "0":
        return False  # the second block of a card, not an area
    # Digits that stand one by one are read from the first of them.
    return not (gap in _JOINTS and end - start == 1 and earlier[1] - earlier[0] == 1)


def _longest(text: str, groups: list[tuple[int, int]], index: int) -> Report | None:
    best: Report | None = None
    digits = ""
    shape: tuple[int, ...] = ()
    start = groups[index][0]
    last = start
    for place in range(index, min(len(groups), index + _LONGEST)):
        begin, end = groups[place]
        if place > index and text[last:begin] not in _JOINTS:
            break
        digits += text[begin:end]
        if len(digits) > _LONGEST:
            break
        shape += (end - begin,)
        last = end
        if len(digits) < 7:
            continue
        after = text[end : end + 1]
        if (after.isascii() and after.isalpha()) or after == "_":
            closed = _LOOSE_X.match(text, end) if len(digits) in (17, 10) else None
            if closed is None and not (after in "xXeE" and _AFTER_PHONE.match(text, end)):
                continue
        if after.isdigit():
            continue
        found = _classify(text, start, end, digits, shape)
        if found is not None:
            best = found
    return best


def _classify(text: str, start: int, end: int, digits: str, shape: tuple[int, ...]) -> Report | None:
    length = len(digits)
    pairs = (length == 11 or length >= 14) and len(shape) == (length + 1) // 2 and max(shape) == 2
    single = len(shape) == length or pairs
    whole = len(shape) == 1
    if length >= 17:
        found = _identity(text, start, end, digits)
        if found is not None:
            return found
    phone = _phone(text, start, end, digits, (length,) if single else shape)
    if phone is not None:
        return phone
    if length == 9 and shape in ((3, 2, 4), (9,)) and social_security(digits):
        dashed = shape == (3, 2, 4) and text[start + 3] == "-"
        named = dashed or _cued(_SSN_CUE, text, start, end, 32)
        if named or (text[end : end + 1] == " " and _SSN_CUE.search(text[end : end + 32].lower()) is not None):
            return start, end, "ssn", 0, CERTAIN if dashed else CUED
    if length == 15 and whole and resident_id_15(digits) and _cued(_ID_CUE, text, start, end):
        return start, end, "resident_id", 0, CUED
    if 14 <= length <= 16 and (
        whole or single or shape in ((6, 2, 6, 1), (2, 6, 6, 1), (8, 6, 1), (4, 4, 4, 3), (4, 4, 4, 2), (3, 4, 4, 4))
    ):
        if _cued(_IMEI_CUE, text, start, end, 32):
            return start, end, "imei", 0, CUED
        # 01, 35, 86, 91 and 99 begin the type codes of nearly all devices.
        if length == 15 and digits[:2] in ("01", "35", "86", "91", "99") and luhn(digits):
            return start, end, "imei", 0, LIKELY
    if 13 <= length <= 19 and (whole or single or shape in _CARD_SHAPES):
        return _card(text, start, end, digits)
    return None


def _identity(text: str, start: int, end: int, digits: str) -> Report | None:
    if len(digits) == 17:
        closed = _LOOSE_X.match(text, end)
        if closed is None:
            return None
        digits, end = digits + "X", closed.end()
    if len(digits) != 18 or digits[0] == "0":
        return None
    if resident_id(digits):
        return start, end, "resident_id", 0, CERTAIN
    return (start, end, "resident_id", 0, CUED) if _cued(_ID_CUE, text, start, end) else None


def _card(text: str, start: int, end: int, digits: str) -> Report | None:
    if len(set(digits)) == 1:
        return None
    cued = _cued(_CARD_CUE, text, start, end)
    if luhn(digits) and card_prefix(digits):
        if cued:
            return start, end, "bank_card", 0, CERTAIN
        if _cued(_NOT_A_CARD, text, start, end):
            return None
        return None if _COUNTED.match(text, end) is not None else (start, end, "bank_card", 0, LIKELY)
    if cued and not _cued(_NOT_A_CARD, text, start, end, 8) and _OTHER_CARDS.search(text[max(0, start - 12) : start].lower()) is None:
        return start, end, "bank_card", 0, CUED
    return None


def _opened(text: str, start: int) -> tuple[int, bool]:
    """Where a phone really begins: at an opening bracket and a plus sign before its digits."""
    if text[start - 1 : start] in ("(", "（"):
        start -= 1
    plus = text[start - 1 : start] == "+"
    start -= plus
    return start - (plus and text[start - 1 : start] in ("(", "（")), plus


def _phone(text: str, start: int, end: int, digits: str, shape: tuple[int, ...]) -> Report | None:
    begin, plus = _opened(text, start)
    national = _national(text, start, end, digits, shape, plus)
    if national is None:
        return None
    bracket = text[begin] in "(（"
    if bracket and text.find(")", start, end) < 0 and text.find("）", start, end) < 0:
        begin += 1  # the bracket opens around the whole number, not around its area
    extension = _AFTER_PHONE.match(text, end)
    if (extension is not None and shape != (11,)) or (extension is not None and extension.group().lstrip()[0] not in "-x#"):
        end = extension.end()
    return begin, end, "phone", 0, national


def _national(text: str, start: int, end: int, digits: str, shape: tuple[int, ...], plus: bool) -> int | None:
    """The rank of what these digits are as a phone; `None` where they are none."""
    length = len(digits)
    if plus:
        return CERTAIN if 8 <= length <= 15 and digits[0] != "0" and shape != (1, 5, 4) else None  # "ZIP+4 20500-0003"
    if digits.startswith("00") and 11 <= length <= 17 and digits.startswith(_ABROAD, 2):
        # In one piece only where the country's number leaves no doubt.
        whole = digits[2:5] in ("861", "852", "853", "886")
        return LIKELY if whole or 2 <= shape[0] <= 5 else None
    if digits.startswith("86") and shape[0] == 2 and _AREA.fullmatch(digits, 2) is not None:
        return LIKELY
    if digits.startswith("86") and length == 13 and digits[2] == "1" and digits[3] >= "3":
        return LIKELY if shape == (13,) or shape[0] == 2 else None
    if length == 11:
        if digits[0] == "1" and digits[1] >= "3" and shape in _MOBILE_SHAPES:
            counted = shape == (11,) and _counts(text, start, end)
            return None if counted else LIKELY
        if digits[0] == "1" and len(shape) >= 4 and shape in ((1, 3, 3, 4), (1, 3, 4, 3)):
            return LIKELY
        if digits[0] == "0":
            if digits[1] == "7" and (shape in _MOBILE_SHAPES or shape == (5, 6)):
                return LIKELY
            if shape in _AREA_SHAPES and _AREA.fullmatch(digits):
                return LIKELY
            if digits[1] in "12" and shape in ((3, 4, 4), (4, 3, 4), (5, 6), (5, 3, 3)):
                return LIKELY  # the United Kingdom's areas
            if shape == (11,) and (_AREA.fullmatch(digits) or digits[1] in "127"):
                return LIKELY if _AREA.fullmatch(digits) else CUED if _cued(_PHONE_CUE, text, start, end) else None
    if length in (10, 12) and (shape in _AREA_SHAPES or shape == (length,)) and _AREA.fullmatch(digits):
        if shape == (length,) and _NOT_DIALLED.search(text[max(0, start - 14) : start].lower()) is not None:
            return None
        sure = shape != (length,) or length == 12 or digits.startswith("09")
        if sure or _cued(_PHONE_CUE, text, start, end):
            return LIKELY
    if length == 11 and digits[:3] in ("852", "853") and shape in ((3, 4, 4), (3, 8)):
        return LIKELY
    if length == 12 and digits.startswith("8869") and shape in ((3, 3, 3, 3), (3, 9), (3, 3, 6), (12,)):
        return LIKELY
    if length == 11 and digits[0] == "0" and digits[1] in "127" and shape in ((1, 2, 4, 4), (1, 3, 3, 4), (1, 4, 3, 3), (1, 4, 6)):
        return LIKELY  # "(0)20 7946 0018"
    if length == 10:
        if digits[:3] in ("400", "800") and shape in _TOLL_FREE_SHAPES:
            return LIKELY
        if digits[:2] == "09" and shape in _TAIWAN_SHAPES:
            return LIKELY
        american = digits[0] in "23456789" and digits[3] in "23456789"
        # North America: the shape says it, or a word.
        if american and shape == (3, 3, 4) and (text[start + 3] in ")）" or text[start + 3] == text[start + 7] in ("-", ".")):
            return LIKELY
        if digits[0] in "23456789" and shape in ((3, 3, 4), (10,), (3, 7)) and _cued(_PHONE_CUE, text, start, end, 24):
            return None if _NOT_DIALLED.search(text[max(0, start - 14) : start].lower()) is not None else CUED
        if american and shape == (10,) and _SENT_TO.match(text, end) is not None:
            return LIKELY
        # "my number is": of many things, so another word that explains it goes first
        if american and _numbered(text, start):
            return LIKELY
    taiwan = length in (9, 10) and digits[0] == "0" and digits[1] in "2345678" and shape in _TAIWAN_SHAPES
    if taiwan and _NOT_DIALLED.search(text[max(0, start - 14) : start].lower()) is not None:
        return None
    if taiwan and (shape != (length,) or _cued(_PHONE_CUE, text, start, end)):
        return LIKELY
    local = shape in ((4, 4), (8,), (7,), (3, 4)) and digits[0] in "2345689"
    if local and shape == (4, 4) and digits[:2] in ("19", "20") and digits[4:6] in ("19", "20"):
        return None  # from year to year
    if not local or (shape == (8,) and digits[:2] in ("19", "20") and digits[4:6] <= "12"):
        return None  # a day is written so too
    if _NOT_DIALLED.search(text[max(0, start - 14) : start].lower()) is not None:
        return None
    return CUED if _cued(_PHONE_CUE, text, start, end, 20) or _DIALLED.search(text, max(0, start - 8), start) is not None else None


def _counts(text: str, start: int, end: int) -> bool:
    """Whether eleven digits are a sum or a number of things, in spite of how they begin."""
    if _AMOUNT.match(text, end) is not None:
        return True
    if _COUNTED_BY.search(text, max(0, start - 6), start) is not None:
        return True
    return _AMOUNT_OF.match(text, end) is not None and not _cued(_PHONE_CUE, text, start, start)


def _numbered(text: str, start: int) -> bool:
    return _OWN_NUMBER.search(text, max(0, start - 28), start) is not None
