"""Values that only the words beside them explain: accounts, orders, passwords and codes, and numbers whose own form is too common.

The words are found in Chinese and English, as labels of JSON and as prose; `cues` says what each explains. A value is looked
for right behind its word ("order no. 55-29301"), then behind some words more ("the order number that I got is …"), then
before it ("… is my order number"). Never reports the word itself, nor a value that is a plain word of a sentence. Bound:
a value is at most 128 characters and at most 72 from its word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from lizi.text.chosen import CHOSEN, DESCRIBING, NOTHING, ORDINARY
from lizi.text.columns import below
from lizi.text.cues import CHINESE, CODE, ENGLISH, PREFIXED, RULES
from lizi.text.found import CUED, GUESSED, KEY, LIKELY, Report
from lizi.text.labels import names_a_thing
from lizi.text.pairs import another, pairs
from lizi.text.plausible import DATE, MANY, MASKED, OF_PEOPLE, STANDARD, UNIT, certain, plausible
from lizi.text.tries import any_of

__all__ = ["HAN_LABELS", "LATIN_LABELS", "cued"]

# How a value may follow its word: a noun ("号码", "no."), a verb or a sign, quotes and brackets.
_NOUN = (
    r"(?:号码|號碼|号|號|编号|編號|账号|帳號|賬號|代码|代碼|(?:id|no\.?|number|user ?name|handle)(?:(?=\.)|(?![A-Za-z0-9]))|"
    r"(?-i:U?ID)(?=[a-z0-9_])|#)?"
)
_LINK = re.compile(
    rf"(?:\.?\s?{_NOUN}(?:['’]s(?= ))?)(?:[\"'”」』`*]{{0,3}})\s{{0,3}}(?:[(（【\[][^()（）【】\[\]\n]{{0,24}}[)）】\]]\s?)?[吧哈呀哦]?"
    r"(?:(?:我|我们|已经|已經|就|也|还|還|都|现在|現在|目前)?(?:是|为|為|係|系|叫做|叫|搜一下|搜索|搜|加我|加|改成|改为|改為|换成|換成|"
    r"设成|設成|"
    r"设为|設為|"
    r"设置成|设置为|設定為|設置為|填|写|寫)(?:了|：|:)?|"
    r"(?:is|was|are|to|of|as|at|=)(?= )|[:：=＝]{1,2}>?|->|→|#|\||,(?=\"))?\s{0,3}[\"'“「『`（(\[【*#]{0,3}\s?",
    re.IGNORECASE,
)
_STRONG = re.compile(r"[:：=#]|\||->|→|是|为|為|係|成|叫")

# Words between a word and its value, none of which ends the sentence.
_BETWEEN_HAN = re.compile(r"[^0-9A-Za-z。！？；;!?\n@]{1,12}(?:(?:U?ID|QQ) ?(?=[0-9]))?")
_BETWEEN_LATIN = re.compile(r"(?:[ ,:'’\"(]{1,2}[A-Za-z][a-z'’]{0,14}){0,6}[ ,:=(\"“'.]{1,3}#?")
_LONG_TOKEN = re.compile(r"(?=[^\s]{0,40}[0-9])(?=[^\s]{0,40}[A-Za-z])[!#-&(-+\--:=?-_a-~]{6,64}")
_MEASURES = re.compile(
    r"[奖獎]| (?:steps|calories|sleep|progress|habits|weight)(?![a-z])|金[额額]|[时時][间間]|日期|[数數]量|[价價]|[费費]|[额額]|段|"
    r"范围|範圍|率|余额|[积積]分| (?:date|time|total|amount|price|cost|"
    r"status|of|than|for about|about|over|worth)(?![a-z])|日活|月活|粉[丝絲]|人[数數]|[总總][数數]|累[计計]|播放|下[载載]|[销銷]量|"
    r"[营營]收|市值|用[户戶]量|[库庫]存"
)
_TOLD = re.compile(r"[:：=]|是|叫| is(?![a-z])")
# A value and how its word may follow it.
_BEFORE_HEAD = r"(?<![0-9A-Za-z_\-.@/])((?:[A-Z]{1,3} )?[0-9]{2,6}(?:[ \-][0-9]{2,6}){1,6}|@?[A-Za-z0-9][A-Za-z0-9_.\-]{3,39})(?<![.\-])"
_BEFORE = re.compile(
    _BEFORE_HEAD + r"[\"'”」』`]?(?:\s?(?:就)?(?:是|为|為|係|这个|這個|这|這|那个|那個)|"
    r"\s?[（(]|\s(?:is|was)(?= )|, ?(?=my|our|his|her|their)|\s(?=on )|\s?(?:<-|←|->|→)(?=\s)|[，,]\s?[这這那]?(?:个|"
    r"個)?(?:就|才|便)?[是係](?=我|他|她|你|您|"
    r"咱|本))"
    r"(?:\s?(?:on|my|the|his|her|our|their|your|an?)(?= ))?\s?(?:[A-Za-z]{2,12} |[\u4e00-\u9fff]{1,2}){0,4}$"
)
_BEFORE_PASSWORD = re.compile(
    r"(?:(?:use|used|set|with|enter|type)\s([!#-&(-+\--:=?-_a-~]{4,64})\s(?:as|for)\s(?:the |my |our |your |a )?|"
    r"(?<![!-~])([!#-&(-+\--:=?-_a-~]{4,64})\s?(?:是|就是|is)\s?(?:我|你|他|她|您|我们|the|my|our|your)?的?\s?)"
    r"(?:[a-z\-]{2,10} |[0-9A-Za-z]{2,12}的?|"
    r"[\u4e00-\u9fff]{1,2}){0,2}$"
)

# A word is looked up by its first two characters; a text has few such pairs.
HAN_LABELS: dict[str, tuple[int, ...]] = {
    pair: tuple(sorted({len(word) for word in CHINESE if word.startswith(pair)}, reverse=True)) for pair in {word[:2] for word in CHINESE}
}
_PAIR = re.compile(
    f"[{''.join(sorted({re.escape(pair[0]) for pair in HAN_LABELS}))}](?=[{''.join(sorted({re.escape(pair[1]) for pair in HAN_LABELS}))}])"
)
_ENGLISH_WORD = re.compile(r"(?<![a-z0-9])" + any_of(ENGLISH, "[ _-]?") + "(?![a-z_]|-[a-z])")
_ENGLISH_RULE = {word.replace("~", ""): name for word, name in ENGLISH.items()}
_WORDS = re.compile(r"[a-z]{1,40}")
LATIN_LABELS = frozenset(
    match.group() for words in (ENGLISH, _ENGLISH_RULE) for word in words for match in [_WORDS.match(word.split("~")[0])] if match
) - {"a"}
"""What a label may begin with, joined to its next word or not: most texts have none of them."""
_SPACES = {code: " " for code in range(128) if not chr(code).islower()}
_JOINT = re.compile("[ _-]")

_SIGN = re.compile("[0-9A-Za-z@]")
_RANKS = {(True, True): KEY, (True, False): CUED, (False, True): CUED, (False, False): LIKELY}
"""Whether it is a secret, whether a sign joins it to its word → the rank."""
_SPOKEN_CODE = re.compile(
    r"(?<![0-9A-Za-z])(?<![0-9][ -])([0-9]{4,8})\s?(?:是|为|為|is|,|，|[（(【\[])\s?(?:您|你|your|the)?的?[^0-9。；;!！]{0,16}$",
    re.IGNORECASE,
)


_NUMBERED = frozenset(("number_of_account", "account_bare", "order", "booking", "order_bare", "company", "permit", "passport"))
_REACHING = _NUMBERED | {"one_time", "social", "account", "plate", "vehicle", "password", "phone", "social_security"}
"""Rules whose value may stand some words away."""
_HEADS = _NUMBERED | {"social", "account", "password", "plate"}
"""Rules whose word may be the head of a table's column."""
_OF_A_THING = re.compile(
    "的(?:[小]?[恒恆行]?星|卫星|衛星|船|飞机|飛機|公路|列[车車]|航班|文件|[产產]品|[设設]备|設備|[图圖]|表|[标標]准|標準)"
)
_COMMON = frozenset(("id", "code"))
_SERIAL = frozenset(("序號", "序号"))
_OWNED = re.compile(
    r"(?<![a-z])(?:my|your|his|her|their|under|enter|reset|2fa|the) (?:(?!promo|disc|coup|zip|post|area|count|sourc|prod|err|"
    r"dress|colo|qr|bar|"
    r"stat|exit|mach|mors|pyth|java|html|samp|lega|clean|tax|same|foll)[a-z]{2,12} )?$",
    re.IGNORECASE,
)
_TURN = re.compile(r"<-|←|[是为為係这這那（(,]|is |was |on |as |for ")
_CELL = re.compile(r"(?=(?:[^0-9]{0,8}[0-9]){4})[#+(]?[A-Za-z0-9][A-Za-z0-9_\-/ .()#+]{2,40}")
_NO_CELL = re.compile(r"[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}(?: .{1,20})?|[0-9]{1,3}(?:\.[0-9]{1,3}){1,2}|[0-9]{1,2}:[0-9]{2}.{0,12}")
"""Days, amounts and times: they stand in columns, too."""
_DIGIT_OR_AT = re.compile("[0-9@]")
_BY_ME = re.compile(r"(?<![a-z])my $", re.IGNORECASE)
_PATH = frozenset("./")
_FIGURES = re.compile(r"(?:grid|cross|back|map|voltage|frame of) $", re.IGNORECASE)
_ANSWER = re.compile(r"[\"']?[是呢吗嗎啊]?(?:多少)?[?？]\s{0,2}\n[^\n:：]{1,12}[:：]\s?")
_MORE_CODES = re.compile(r"(?:, ?|; ?|/ ?|\n)([0-9]{4}[ \-]?[0-9]{4})(?![0-9A-Za-z])")
_SET_SO = re.compile("[是设設用改填输]")
_SHORT_CODE = re.compile(r"[0-9]{4,8}(?![0-9A-Za-z])")
_STRONG_TOKEN = re.compile(r"(?=[^\s]{0,40}[0-9])(?=[^\s]{0,40}[A-Z!#$%^&*_@])(?=[^\s]{0,40}[a-z])[!#-&(-+\--:=?-_a-~]{6,64}")
_OF_WHAT = re.compile(r"[a-z]{3,16}[ _-]$")
_OF_THINGS = re.compile(
    r"[型批货貨楼樓层層房章页頁图圖表行期届屆题題区區步级級位]$|版本|产品|產品|商品|物料|材料|[统統][计計]|[样樣]本|[数數][据據]|"
    r"[图圖][书書]|教材|基因|索引|[试試][题題]|[规規]范|[资資][产產]|[库庫]存|[登备備][记記案]|著作|"
    r"商[标標]|[参參][数數]|[设設][备備]|[专專]利|[备備]案|[许許]可|条[码碼]|文件|[仓倉][库庫]|门牌|門牌|航班|列车|列車|车次|車次|股票|"
    r"邮政|"
    r"郵政|课程|課程|标准|標準|错误|錯誤|端口|频道|頻道|彩票|开奖|"
    r"開獎|条形|條形|零件|字符|规格|規格|(?:model|part|spec|standard|patent|material|sample|room|version|build|page|flight|issue|line|"
    r"port|phone|large|"
    r"total|huge|small|"
    r"big|the|a|any|"
    r"atomic|prime|random|lucky|winning|product|item|chapter|section|bus|train|apartment|house|street|street|isbn|catalog|article|"
    r"sku|lot|batch|"
    r"error|record|average|maximum|minimum|vast|great|good|same|whole|house|gate|seat|platform|channel|this|that|another|every|each|"
    r"of|in|and|or)[ _-]$"
)
_OF_WHOM = re.compile(
    r"[我你您他她咱]|本人|[个個]人|[用客][户戶]|[会會][员員]|[员員職职]工|[学學]|患者|病|[账賬帐帳户戶卡保险險证證员員]|[宽寬][带頻]|"
    r"持有|申[请請]|[办辦]理"
    r"|[单單案票订訂预預报報]|交易|物流|[参參]考|[确確][认認]|包裹|快[递遞]|理[赔賠]|受理|回[执執]"
)
_OF_TRADE = re.compile(
    r"[单單案票订訂预預报報]|交易|申请|申請|物流|参考|參考|确认|確認|受理|查询|查詢|回执|包裹|快递|快遞|理赔|理賠|"
    r"order|track|invoice|ticket|claim|booking|case|refer|confirm|shipment|transaction|receipt|request|application|payment|deliver|"
    r"parcel|return"
)
_NAMED = frozenset(("social", "account"))
_PEOPLE = frozenset(("员工", "員工", "学生", "學生", "患者", "病人", "客户", "客戶"))
"""Behind these only a code with letters is somebody's number; digits count people."""
_OF_SOMEONE = _PEOPLE | {"会员", "會員", "卡号", "卡號", "证号", "證號"}
_OTHER_CARDS = re.compile(
    r"(?:公交|地[铁鐵]|交通|[图圖][书書][馆館]?|借[书書]|[会會][员員]|加油|[购購]物|[礼禮]品|充值|[储儲]值|健身|[积積]分|门禁|門禁|"
    r"校[园園]|[饭飯]|ETC|"
    r"[医醫]保|社保|就[诊診]|健康|[诊診][疗療]|里程|捷[运運]|悠[游遊])卡?$"
)


def cued(text: str, lower: str, known: Mapping[int, str]) -> list[Report]:
    """Reports of values that their words explain; `lower` is the text in lower case, of the same length.

    `known` says where others have found what kind: a word before it has nothing to add.
    """
    out: list[Report] = []
    if not text.isascii():
        done = 0
        for hint in _PAIR.finditer(text):
            start = hint.start()
            lengths = HAN_LABELS.get(text[start : start + 2])
            if lengths is None or start < done:
                continue
            for length in lengths:
                rule = CHINESE.get(text[start : start + length])
                if rule is not None:
                    done = start + length
                    if not _is_known(known, done, rule):
                        _follow(text, start, done, rule, out)
                    break
    if "/" in text or "=" in text or "_" in text:
        out += pairs(text)
    hits = LATIN_LABELS.intersection(lower.translate(_SPACES).split() if lower.isascii() else _WORDS.findall(lower))
    places = []
    if "a/c" in lower:
        places.append(lower.index("a/c"))
    elif not hits:
        return out
    for hit in hits:
        place = lower.find(hit)
        while place >= 0:
            places.append(place)
            place = lower.find(hit, place + 1)
    done = 0
    for start in sorted(places):
        if start < done:
            continue
        word = _ENGLISH_WORD.match(lower, start)
        if word is not None:
            done = word.end()
            rule = _ENGLISH_RULE[_JOINT.sub("", word.group())]
            if not _is_known(known, done, rule):
                _follow(text, start, done, rule, out)
    return out


def _is_known(known: Mapping[int, str], end: int, rule: str) -> bool:
    """Whether a value of the rule's kind has been found right behind the word, or behind one or two signs."""
    kind = RULES[rule][0]
    return known.get(end) == kind or known.get(end + 1) == kind or known.get(end + 2) == kind


def _follow(text: str, start: int, end: int, name: str, out: list[Report]) -> None:
    kind = RULES[name][0]
    if text[start:end].lower() in _COMMON:
        before = text[max(0, start - 8) : start]
        of_somebody = "一" <= before[-1:] <= "鿿" and (before[-1] == "的" or not names_a_thing(before))
        owned = of_somebody or _OWNED.search(text, max(0, start - 12), start) is not None
        if not owned:
            return
    if name == "prefixed" or (kind == "order" and text[end : end + 2].strip("-_#")[:1].isdigit()):
        match = PREFIXED.match(text, end) if text[start:end].isupper() else None
        if match is not None and sum(map(str.isdigit, match.group())) >= (4 if match.group()[0] in "-_#" else 5):
            out.append((start, match.end(), kind, 0, CUED))
            return
        if name == "prefixed":
            return
    if name == "one_time":
        spoken = _SPOKEN_CODE.search(text, max(0, start - 32), start)
        if spoken is not None:
            out.append((*spoken.span(1), "secret", 0, CUED))
    if text[start - 1 : start] == "彩" or (text[start:end] in _SERIAL and names_a_thing(text[max(0, start - 8) : start])):
        return  # "彩票号码", "中獎序號"
    if text[start:end] == "line":
        return  # a line of a file; the messenger is "LINE"
    if name == "phone" and text[end : end + 1] == "." and text[start - 1 : start] in _PATH:
        return  # a part of a longer name
    if name == "order_bare" and _FIGURES.search(text, max(0, start - 12), start) is not None:
        return
    if name == "card" and _OTHER_CARDS.search(text, max(0, start - 6), start) is not None:
        name, kind = "number_of_account", "account"
    cells = below(text, start, end, RULES[name][1] if name in _HEADS else _CELL)
    if not cells and name in _NUMBERED:
        cells = below(text, start, end, _CELL)  # the head says enough: "A7731" is too short for a code elsewhere
    if cells:
        out += [(*cell, kind, 0, CUED) for cell in cells if _is_a_value(text, *cell, name)]
        return
    if name == "generic":
        _generic(text, start, end, out)
        return
    if _SIGN.search(text, end, end + 24) is not None and (
        _directly(text, start, end, name, out) or (name in _REACHING and _farther(text, start, end, name, out))
    ):
        return
    if name == "card":
        _generic(text, start, end, out)
    elif name in _REACHING and name != "one_time":
        _before(text, start, name, out)


def _is_a_value(text: str, start: int, end: int, name: str) -> bool:
    """Whether a cell below the head of rule `name` holds a value, and no day, amount or time."""
    if name == "booking":
        return True
    return _DIGIT_OR_AT.search(text, start, end) is not None and _NO_CELL.fullmatch(text, start, end) is None


def _directly(text: str, start: int, end: int, name: str, out: list[Report]) -> bool:
    kind, form = RULES[name]
    link = _ANSWER.match(text, end) or _LINK.match(text, end)
    begin = link.end() if link is not None else end
    joint = text[end:begin]
    match = (CODE if "#" in joint and name == "order_bare" else form).match(text, begin)
    if match is None:
        return False
    value, stop = match.group(), match.end()
    if name in ("password", "social", "account"):
        stripped = value.rstrip(".,:?)]}") if name == "password" else value
        if len(stripped) >= 3:
            value, stop = stripped, begin + len(stripped)
    strong = _STRONG.search(joint) is not None
    if not plausible(text, name, (start, end), value, stop, strong, joint):
        return False
    out.append((begin, stop, kind, 0, _RANKS[kind == "secret", strong]))
    if kind == "secret":
        second = another(text, stop)
        if second is not None:
            out.append(second)
        if name == "one_time" and text[end - 1 : end] == "s":
            out += [(*more.span(1), kind, 0, CUED) for more in _MORE_CODES.finditer(text, stop, stop + 120)]
    return True


def _generic(text: str, start: int, end: int, out: list[Report]) -> None:
    """A number of something that the table doesn't know: whose, or of what, the word before says roughly."""
    link = _LINK.match(text, end)
    begin = link.end() if link is not None else end
    match = CODE.match(text, begin)
    if match is None:
        return
    value, stop = match.group(), match.end()
    low = max(0, start - 24)
    if low:
        while low < start and text[low].isascii() and text[low].isalnum():
            low += 1
    before = text[low:start].lower()
    named = _OF_WHAT.search(before)
    latin = text[end - 1].isascii()
    label = text[start:end]
    if (latin and named is None) or (label not in _OF_SOMEONE and (_OF_THINGS.search(before) is not None or names_a_thing(before))):
        return
    if _OF_A_THING.match(text, stop) is not None:
        return  # 编号为HD 209458的恒星
    digits = sum(map(str.isdigit, value))
    coded = value.upper() == value and any(map(str.isupper, value)) and digits >= 4
    # "编号" alone says nothing, so a row of digits behind it says no more.
    told = latin or "一" <= before[-1:] <= "鿿" or label in ("宽带", "寬頻", "会员", "會員")
    enough = told and label not in _PEOPLE and digits >= (6 if value.isdigit() else 7)
    if not (coded or enough) or DATE.fullmatch(value) or UNIT.match(text, stop):
        return
    if not latin and value.isdigit() and digits >= 12 and _OF_WHOM.search(before + label) is None:
        return  # as long as the numbers of wares and counters
    if STANDARD.match(value) is None and MANY.match(text, stop) is None:
        out.append((begin, stop, "order" if _OF_TRADE.search(before + text[start:end].lower()) else "account", 0, GUESSED))


def _farther(text: str, start: int, end: int, name: str, out: list[Report]) -> bool:
    """A value behind some words more: it must look like nothing but a number or a code."""
    kind, form = RULES[name]
    latin = text[end - 1].isascii()
    between = _BETWEEN_LATIN.match(text, end) if latin else _BETWEEN_HAN.match(text, end)
    if between is None:
        return False
    begin = between.end()
    if name == "one_time":
        code = _SHORT_CODE.match(text, begin)
        if code is not None and _TOLD.search(between.group()) is not None and UNIT.match(text, code.end()) is None:
            out.append((begin, code.end(), kind, 0, CUED))
            return True
        return False
    if name == "password":
        if (
            _SET_SO.search(between.group()) is not None
            and (code := _SHORT_CODE.match(text, begin)) is not None
            and UNIT.match(text, code.end()) is None
        ):
            out.append((begin, code.end(), kind, 0, CUED))
            return True
        aside = between.group() in (", ", " (", ": ") and _STRONG_TOKEN.match(text, begin) is not None
        if (
            aside
            or not latin
            or " is" in between.group()
            or " was" in between.group()
            or " to" in between.group()
            or between.group().endswith("try ")
        ):
            token = _LONG_TOKEN.match(text, begin)
            if token is not None and not MASKED.match(token.group()) and OF_PEOPLE.match(text, start):
                stop = begin + len(token.group().rstrip(".,:?)]}"))
                out.append((begin, stop, kind, 0, CUED))
                second = another(text, stop)
                out += [second] if second is not None else []
                return True
        return False
    if (
        name == "social_security"
        and end - start == 6
        and (form.match(text, between.end()) is None or MANY.match(text, begin + 9) is not None)
    ):
        return False  # "social" alone is a word of every day
    if _MEASURES.search(between.group()) is not None:
        return False
    if name in _NAMED and text[begin : begin + 1] != "@":
        told = _TOLD.search(between.group()) is not None
        match = form.match(text, begin)
        if told and match is not None and "_" in match.group():
            out.append((begin, match.end(), kind, 0, GUESSED))
            return True
        if told and latin and between.group().endswith(" is ") and _BY_ME.search(text, max(0, start - 4), start) is not None:
            value = match.group() if match is not None else ""
            free = value.islower() and value not in NOTHING and value not in ORDINARY and DESCRIBING.search(value) is None
            if free and CHOSEN.match(value) and len(value) >= 6:
                out.append((begin, begin + len(value), kind, 0, GUESSED))
                return True
        form = CODE
    match = form.match(text, begin)
    if match is None or not certain(text, name, match.group(), begin, match.end()):
        return False
    out.append((begin, match.end(), kind, 0, GUESSED))
    return True


def _before(text: str, start: int, name: str, out: list[Report]) -> None:
    """A value of which the sentence says afterwards what it is."""
    low = max(0, start - 72)
    if _TURN.search(text, max(0, start - 24), start) is None or _DIGIT_OR_AT.search(text, low, start) is None:
        return
    if name == "password":
        spoken = _BEFORE_PASSWORD.search(text, low, start)
        if spoken is not None:
            group = 1 if spoken[1] is not None else 2
            if any(map(str.isdigit, spoken[group])) and OF_PEOPLE.match(text, start):
                out.append((*spoken.span(group), "secret", 0, CUED))
        return
    named = _BEFORE.search(text, low, start)
    if named is None:
        return
    begin, stop = named.span(1)
    kind, form = RULES[name]
    value = named[1]
    if STANDARD.match(value) is not None:
        return
    if name in _NAMED:
        fits = value[0] == "@" or (" on " not in text[stop:start] and any(map(str.isdigit, value)) and len(value) >= 5)
    else:
        fits = form.fullmatch(value) is not None
    chosen = name in _NAMED and ("_" in value or (not value.isdigit() and "我" in text[stop:start]))
    if fits and (value[0] == "@" or chosen or certain(text, name, value, begin, stop)):
        out.append((begin, stop, kind, 0, GUESSED))
