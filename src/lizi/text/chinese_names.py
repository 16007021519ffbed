"""Chinese names: a surname, one or two characters that may be a given name, and what stands around them.

Each surname's character is a candidate and gets a score: how much the surname, the given characters
and their neighbours (cues like 我叫 and 收件人, titles like 先生, marks, particles) speak for a name, less
what the word tables say against it. A surname with a title (王老师) or with 小, 老 or 阿 before it (小李) is one
finding with them. A name may be written with spaces between its characters. Bound: a candidate looks
at twenty characters, so the work is linear in the surnames' characters.
"""

from __future__ import annotations

import re

from lizi.text.chinese_cues import BEHIND_WORDS, BRANDED, CUE_WORDS, FIRM_WORDS, LEAD_WORDS, ONLY_PERSONS, TITLE_WORDS, WORD_NAMES
from lizi.text.chinese_foreign import dotted, undotted
from lizi.text.chinese_forms import INTRODUCED, LITTLE_NAME, NO_PERSON, formed, may_be_named
from lizi.text.chinese_name_tables import COMPOUND, GIVEN, MEASURED, NEVER_GIVEN, NOT_GIVEN, PAIRS, SELDOM_GIVEN, SURNAMES, WORDS
from lizi.text.chinese_things import THINGS
from lizi.text.chinese_titles import TITLE_BEGINS, addressed, nicknames, owned_by_a_person
from lizi.text.chinese_words import BEFORE, FOLLOWING, LONGER, UNITS
from lizi.text.found import CUED, GUESSED, Report
from lizi.text.traditional import SIMPLIFIED, TRADITIONAL
from lizi.text.tries import any_of, listed

__all__ = ["chinese_names", "folded"]

_FOLD = {ord(one): other for one, other in zip(TRADITIONAL, SIMPLIFIED, strict=True)}
_TO_FOLD = re.compile(f"[{TRADITIONAL}]")

# Weights, set by hand and tried on news text of 1998 and on sentences of our own; a name scores at least _ENOUGH.
_ENOUGH = 3.2
_SURE = 5.5  # so much that it is a person wherever else it stands in the text
_CUE = 3.0
_TITLE = 3.0
_MARK = 1.0
_PARTICLE = 0.8
_WORD = -4.0
_ENDS_WORD = -4.5
_PAIR = -2.5
_STRADDLES = -1.6
_KNOWN = 1.6
_TELLING = 1.5
_HALF = 2.5
_LITTLE = 1.4
_NEAR_CUE = 1.5
_OWNED = 0.8
_ACTS = 0.4
_SURELY = 3.0  # a surname that is hardly anything else, with what stands before it
_PLAINLY = 2.4
_INSIDE = -0.4  # a surname that is a common character, in the midst of others
_PLACE = -3.0
_PLACES = frozenset("镇村乡县巷站街区")
_PERSONAL = 1.9
_PERSONAL_ONLY = 3.4
_WORD_APART = -1.5  # few write a word with a space in it
_APART = 0.8  # a space behind a surname that belongs to no longer row of such characters
_THINGS = frozenset("花诗海江河湖石月星云雪风雨歌书画楼道路山水火心声音光色柔清健安美好爱学文人")  # behind a word they go on with it
_SHORT = -0.6  # one given character says less
_SELDOM = -1.3
_PLAIN = 0.1
_UNUSED = -0.5  # a frequent character that is in no table of given names
_RARE = 1.0  # one that is rare elsewhere
_FAIR = 0.8
_CLOSED = 1.8  # a cell of a form holds it from mark to mark

_CUES = frozenset(CUE_WORDS)
_CUE_ENDS = frozenset(cue[-1] for cue in _CUES)
_LONGEST_CUE = max(map(len, _CUES))
_LINKS = frozenset(" \t：:，,\"'“”「『（(《-|=>@*[【")
_SHORT_CUES = frozenset("叫致祝")  # cues that may be the end of another word: 庆祝
_CELL = frozenset(("", *" \t\n：:|,，"))
_VERBS = frozenset("为是叫")
# Not only before persons, but far oftener than before things.
_NEAR = listed("提醒 麻烦 拜托 问下 问问 一下 帮 找 约 转接 老板让 经理让 老师让 跟着 陪着 带着 多亏 幸亏 顶替 接替 代替 师从 听说 据说")
_NEAR_ENDS = frozenset(cue[-1] for cue in _NEAR)
_LEFT = frozenset("和与跟给被让请问找对向是、及同将等因但而在为把随到替帮陪教约见像比据有等劝娶嫁骂夸派托求见 \t")
_YOUNG = frozenset("小老大")
_OPENING = _LEFT | _CUE_ENDS | _NEAR_ENDS | _VERBS | _YOUNG  # what may stand before a name that is a word
_RIGHT = frozenset(
    "说道问答称在的了和与跟给向对把被将已也都就还又来去到从于有没不想要会能可正曾今昨出打发送收预申提负参住购买办登报请让是为因及等同任当"
    "作做拿带写看听讲吃喝走跑"
    "男女身电手邮性年生账银联户地职工编先老总院教讲主经董书局科处部厅厂校班队组长师医护律法警工记导演介荣获入加进离回前代表亲担接率主赴抵"
    "指强认宣告透介随并却则所以本同学两等之其此即"
    "时后前中这那只最近当每很特也非常确实突终现终需应该最刚先再便"
)
_TITLES = re.compile(any_of(TITLE_WORDS))
_TAGS_BEGIN = frozenset(word[0] for word in TITLE_WORDS)
_NO_SECOND = (
    (NEVER_GIVEN | frozenset("，。！？、；：,.!?;:\n）)】》」”\"'0123456789%/-"))
    - _TAGS_BEGIN
    - TITLE_BEGINS
    - frozenset("总哥姐叔姨伯婶嫂董工导局处队太老")
    - frozenset(name[1] for name in COMPOUND)
)
_OWNED_LABEL = re.compile(
    r"(?:姓名|户名|收件人|寄件人|收货人|持卡人|乘车人|乘机人|开户名|联系人|患者姓名|学生姓名|客户姓名|真实姓名)[\"'”]?[ \t]{0,2}([：:|"
    r",])[ \t]{0,2}[\"'“「【]?([\u3400-\u9fff]{2,4})(?![\u3400-\u9fff：:])"
)
_SURNAME = re.compile("[" + "".join(sorted({*SURNAMES, *(name[0] for name in COMPOUND)})) + "]")
_COMPOUND_APART = any_of(sorted(name[0] + " " + name[1] for name in COMPOUND))
_SPACED = re.compile(f"(?:{any_of(COMPOUND)}|{_COMPOUND_APART}|{_SURNAME.pattern}) {{1,3}}(?=[\u3400-\u9fff])")
_BLANK_BETWEEN = re.compile("(?<=[\u3400-\u9fff]) {1,3}(?=[\u3400-\u9fff])")
_DOES = re.compile(
    any_of(
        listed(
            "的手机 的电话 的微信 的身份 的生日 的工资 的妈妈 的爸爸 毕业 生病 请假 升职 住院 签字 签收 说他 说她 说你 家的 打来电话 "
            "打电话 借了 送我 拉进 住在 负责 提交 提出了 没有来 写的 （工号 (工号 和我是"
        )
    )
)
_ONLY_PERSONS = re.compile(any_of(ONLY_PERSONS))
_BRANDED = re.compile(any_of(BRANDED))
_BRANDED_BEGIN = frozenset(word[0] for word in BRANDED)
_FOREIGN_ENDS = frozenset("斯尔克特德姆格顿森堡茨曼娅逊夫尼亚诺托")
_FOREIGN_BUT = frozenset(
    listed(
        "特别 特意 特地 特此 特约 德国 克服 格外 德语 德育 特殊 特长 特邀 夫妇 夫妻 夫人 亚洲 亚军 亚运 尼姑 托运 托付 托我 托人 托他 "
        "托她 托管 托福 诺言"
    )
)
_BEHIND = re.compile(any_of((*BEHIND_WORDS, *ONLY_PERSONS)))
_NO_NAME_BEHIND = frozenset("字氏记县姓")
_HOUSES = frozenset("祠沱庄村堡沟湾口坝桥坪店铺营屯集寨岭坡塘巷弄渡棚嘴坊院宅楼山河洼圩墩垭畈埠港角尖滩岗台界汇大祖族长人里的电具居")
_UNITS: dict[str, list[tuple[str, int]]] = {}
for _unit in (*UNITS, *THINGS):
    for _place, _one in enumerate(_unit):
        _UNITS.setdefault(_one, []).append((_unit, _place))
_NUMERALS = frozenset("一二两三四五六七八九十百千万几这那每某第多半整此各0123456789")
_WEIGHT = dict.fromkeys(SELDOM_GIVEN, _SELDOM) | GIVEN
# The 3,755 frequent characters are the first level of GB 2312: rows B0 to D7, 94 to a row.
_FREQUENT = frozenset(
    bytes(one for row in range(0xB0, 0xD8) for cell in range(0xA1, 0xFF) for one in (row, cell)).decode("gb2312", "ignore")
)
# In running text a frequent character that no name has speaks against one; a rare one that is in no table mostly is a name's.
_FREE = dict.fromkeys(_FREQUENT, _UNUSED) | _WEIGHT
_ALONE = dict.fromkeys(_FREQUENT, _PLAIN) | _WEIGHT
_ERA = frozenset(listed("海洋 和平 胜利 解放 建设 国庆 光明 跃进 爱国 向东 成功 红军 长江 正义"))  # words that are given names, too
_SEX = re.compile("([\u3400-\u9fff]{2,4})[ \t,|/(]{1,3}[男女](?![\u3400-\u9fff])")
_SEPARATORS = frozenset("、/|;；\t ")
_NEXT = re.compile("(?: ?[、/|;；\t] ?)([\u3400-\u9fff]{2,4})(?![\u3400-\u9fff])")
_PREVIOUS = re.compile("(?<![\u3400-\u9fff])([\u3400-\u9fff]{2,4}) ?[、/|;；\t] ?$")
_ROW = 32  # names of a row that are looked at beyond one that is known


def folded(text: str) -> str:
    """The text in simplified characters, as far as the tables need it; of the same length."""
    return text if _TO_FOLD.search(text) is None else text.translate(_FOLD)


def chinese_names(text: str, low: int = 0, high: int | None = None) -> list[Report]:
    """Reports of the names that begin in `low` to `high` of a text that is normalised and folded."""
    out: list[Report] = []
    done = 0
    sexed = "男" in text or "女" in text
    for match in _SURNAME.finditer(text, low, len(text) if high is None else high):
        start = match.start()
        if start < done:
            continue
        if sexed and not _han(text[start - 1 : start]):
            cell = _SEX.match(text, start)
            if cell is not None and NO_PERSON.search(cell[1]) is None:
                done = cell.end(1)
                out.append((start, done, "person", 0, CUED))
                continue
        if _is_nobody(text, start):
            continue
        cued = _cued(text, start)
        called = addressed(text, start, cued or _near(text, start))
        if called is not None and not _within(text, start):
            start, done = called
            out.append((start, done, "person", 0, CUED))
            continue
        length, score = _best(text, start, cued)
        if length and score >= _ENOUGH and not _within(text, start, inside=cued) and (cued or not _is_a_thing(text, start + length)):
            done = start + length
            out.append((start, done, "person", 0, CUED if cued or score >= _SURE else GUESSED))
    if out:
        out += _in_rows(text, out, low, high)
    if " " in text:
        whole = [(start, end) for start, end, *_ in out]
        out += [one for one in _spaced(text, low, high) if not any(start < one[0] < end for start, end in whole)]
    out += nicknames(text)
    if "：" in text or ":" in text or "," in text or "|" in text:
        for match in _OWNED_LABEL.finditer(text):
            # Behind a comma another head may stand: 姓名,成绩.
            plainly = match[1] != "," or (may_be_named(match[2]) and match[2] not in WORDS)
            if plainly and NO_PERSON.search(match[2]) is None:
                out.append((*match.span(2), "person", 0, CUED))
    out += formed(text, out)
    if "叫" in text or "名" in text:
        for match in INTRODUCED.finditer(text):
            if may_be_named(match[1]) and not _titled(text, match.start(1)) and match[1] not in LONGER:
                out.append((*match.span(1), "person", 0, CUED))
        out += [(*match.span(1), "person", 0, CUED) for match in LITTLE_NAME.finditer(text)]
    if "·" in text or "•" in text or "‧" in text or "・" in text:
        out += dotted(text, _ends_cue, _opens_cue)
    return out + undotted(text, _ends_given)


def _is_nobody(text: str, start: int) -> bool:
    """Whether nothing here can be a name, as two or three lookups tell: true of most surnames' characters in ordinary text.

    Behind the character stands a mark or what no name has, or a word goes on and nothing before it could announce a person.
    """
    one, after, before = text[start], text[start + 1 : start + 2], text[start - 1 : start]
    weight = SURNAMES.get(one)
    if weight is None:
        return one + after not in COMPOUND
    if after in _NO_SECOND:
        return before not in _YOUNG and text[start + 1 : start + 3] not in PAIRS
    if one + after in FIRM_WORDS and _han(text[start + 2 : start + 3]):
        return True
    if before in _OPENING or not _han(before) or text[start + 1 : start + 3] in PAIRS:
        return False
    if weight < _PLAINLY and before in BEFORE.get(one, ()) and text[start - 2 : start] not in WORDS:
        return True
    if after not in FOLLOWING.get(one, ()) or after in _TAGS_BEGIN or after in TITLE_BEGINS:
        return False
    return _WEIGHT.get(text[start + 2 : start + 3], 0.0) < _TELLING


def _goes_on(text: str, place: int) -> bool:
    """Whether the character at `place` begins what a person does and is no part of a name."""
    pair = text[place - 1 : place + 1]
    if pair in PAIRS:
        return False
    return _WEIGHT.get(text[place], 0.0) <= 0.2 or text[place] in _RIGHT or text[place] in _NUMERALS or text[place : place + 2] in WORDS


def _is_a_thing(text: str, end: int) -> bool:
    """Whether what follows a name makes a shop, a place or a theorem of it, or goes on with a foreign name: 林雪平大学, 金斯伯格."""
    after = text[end : end + 1]
    if after in _BRANDED_BEGIN and _BRANDED.match(text, end) is not None:
        return True
    return after in _FOREIGN_ENDS and text[end : end + 2] not in WORDS and text[end : end + 2] not in _FOREIGN_BUT


def _within(text: str, place: int, *, inside: bool = False) -> bool:
    """Whether a longer word or a saying covers this place; `inside`: one that begins before it, as 叫花鸡 does before 花."""
    return any(place >= offset >= inside and text.startswith(unit, place - offset) for unit, offset in _UNITS.get(text[place], ()))


def _spaced(text: str, low: int, high: int | None) -> list[Report]:
    """Names with spaces between their characters: 张 伟, 李 明 华, 欧 阳 娜 娜; not within a longer row of such characters."""
    out: list[Report] = []
    done = 0
    for match in _SPACED.finditer(text, low, len(text) if high is None else high + 4):
        start = match.start()
        if start < done:
            continue
        before = _BLANK_BETWEEN.sub("", text[max(0, start - 12) : start])
        places = [place for place in range(start, min(len(text), start + 16)) if text[place] != " "]
        joined = before + "".join(text[place] for place in places)
        place = len(before)
        cued = _cued(joined, place)
        if not cued and start > 1 and text[start - 1] == " " and _han(text[start - 2]) and (start == 2 or not _han(text[start - 3])):
            continue
        length, score = _best(joined, place, cued, apart=True)
        if length == 3 and text[places[1] + 1] != " " and _goes_on(joined, place + 2):
            length = 2  # 张 伟写信, but 张 晓明
        if not length:
            continue
        end = places[length - 1] + 1
        if not cued and re.match(" [\u3400-\u9fff](?: |$)", text[end : end + 3]) is not None:
            continue
        if end - start >= 2 * length - 1 or cued:
            score += _APART
        if score >= _ENOUGH:
            done = end
            out.append((start, end, "person", 0, CUED if cued else GUESSED))
    return out


def _in_rows(text: str, known: list[Report], low: int, high: int | None) -> list[Report]:
    """What stands between marks in a row of names and may be a name, too: 李伟、于和平、王芳."""
    out: list[Report] = []
    beside = [one[:2] for one in known if text[one[0] - 1 : one[0]] in _SEPARATORS or text[one[1] : one[1] + 1] in _SEPARATORS]
    if not beside:
        return out
    spans = {one[:2] for one in known}
    for begin, finish in beside:
        for _ in range(_ROW):
            item = _NEXT.match(text, finish) if text[finish : finish + 1] in _SEPARATORS else None
            if item is None or not _in_row(text, item, spans, out, low, high):
                break
            finish = item.end()
        for _ in range(_ROW):
            item = _PREVIOUS.search(text, max(0, begin - 8), begin) if text[begin - 1 : begin] in _SEPARATORS else None
            if item is None or not _in_row(text, item, spans, out, low, high):
                break
            begin = item.start()
    return out


def _in_row(text: str, item: re.Match[str], spans: set[tuple[int, int]], out: list[Report], low: int, high: int | None) -> bool:
    """Reports what stands in a row beside a name, if it may be one; whether to look farther."""
    start, end = item.span(1)
    word = item[1]
    if (start, end) in spans or start < low or (high is not None and start >= high):
        return False
    if (word[0] not in SURNAMES and word[:2] not in COMPOUND) or word in WORDS or NO_PERSON.search(word) is not None:
        return False
    if _titled(text, start + 1) or _within(text, start):
        return False
    length, score = _best(text, start, cued=True)
    if length != end - start or score < _ENOUGH:
        return False
    spans.add((start, end))
    out.append((start, end, "person", 0, GUESSED))
    return True


def _cued(text: str, place: int) -> bool:
    """Whether a word that announces a name ends here, with 是 or a mark between or without."""
    if _ends_cue(text, place):
        return True
    low = max(0, place - 4)
    begin = place
    while place > low and text[place - 1] in _LINKS:
        place -= 1
    if place < begin and _ends_cue(text, place):
        return True
    return place > 0 and text[place - 1] in _VERBS and _ends_cue(text, place - 1)


def _celled(text: str, place: int) -> bool:
    """Whether what begins here is the value of a label, and no word that the tables know as such."""
    before = text[place - 1] if place else ""
    return text[place : place + 2] not in WORDS and (before in _CELL or (before in _VERBS and _ends_cue(text, place - 1)))


def _near(text: str, place: int) -> bool:
    return text[place - 1 : place] in _NEAR_ENDS and text.endswith(_NEAR, max(0, place - 4), place)


def _ends_cue(text: str, place: int) -> bool:
    if text[place - 1 : place] not in _CUE_ENDS:
        return False
    return any(text[place - width : place] in _CUES for width in range(1, min(place, _LONGEST_CUE) + 1))


def _opens_cue(text: str, place: int) -> bool:
    return any(text[place : place + width] in _CUES for width in (1, 2, 3))


def _ends_given(one: str) -> bool:
    return _WEIGHT.get(one, 0.0) >= _FAIR and one not in _RIGHT


def _best(text: str, start: int, cued: bool, *, apart: bool = False) -> tuple[int, float]:
    """Length and score of the likeliest name that begins here; length 0 where there is none. `apart`: spaces stood in it."""
    surname = text[start]
    width = 1
    score = SURNAMES.get(surname, -9.0)
    before = text[start - 1] if start else ""
    near = _near(text, start)
    if text[start : start + 2] in COMPOUND:
        width, score = 2, 3.0
    else:
        after = text[start + 1 : start + 2]
        if surname in (before, after) and not cued:
            return 0, score  # 徐徐, 常常
        if not cued and _never_behind(text, start, after):
            return 0, score
        if surname + after in FIRM_WORDS and not (cued and not _han(text[start + 2 : start + 3])):
            return 0, score
        if apart and (cued or before != " ") and after in FOLLOWING.get(surname, ()):
            score += _WORD_APART
        elif after in FOLLOWING.get(surname, ()):
            end = text[start + 2 : start + 3]
            third = _WEIGHT.get(end, 0.0) if end not in _THINGS else 0.0
            if text[start + 1 : start + 3] in PAIRS:
                score += _WORD + _KNOWN
            elif third >= _TELLING and text[start + 2 : start + 4] not in WORDS:
                # 李树文, 杨树德: the third character is no part of the word.
                score += _WORD + (_HALF if cued or near or not _han(before) else _LITTLE)
            else:
                score += _WORD
            if cued and not _han(text[start + 2 : start + 3]) and _WEIGHT.get(after, 0.0) >= _FAIR and _celled(text, start):
                score += _CLOSED  # 乘车人 田园 身份证
            announced = cued or near or not _han(before) or before in _LEFT
            if announced and _WEIGHT.get(after, 0.0) >= _TELLING and _a_person_does(text, start + 2):
                score += _PERSONAL  # 宁静同学, 孙权毕业于: a word that stands where a person stands
            elif announced and _named_so(text, start) and _ONLY_PERSONS.match(text, start + 2) is not None:
                score += _PERSONAL_ONLY  # 江山请客, 许愿在地铁上
        if text[start : start + 3] in LONGER or text[start : start + 4] in LONGER:
            return 0, score
        joined = before in BEFORE.get(surname, ()) and (not cued or before in _SHORT_CUES)
        if joined and text[start - 2 : start] not in WORDS and text[start - 2 : start] != "一下":
            score += _ENDS_WORD + (_HALF if text[start + 1 : start + 3] in PAIRS and before + surname not in FIRM_WORDS else 0.0)
        if not cued and surname in MEASURED and before in _NUMERALS:
            return 0, score
    if cued:
        score += _CUE
    elif near:
        score += _NEAR_CUE
    elif not before or not _han(before):
        score += _MARK
    elif before in _LEFT or text[start - 2 : start] in LEAD_WORDS:
        score += _PARTICLE
    elif SURNAMES.get(surname, 0.0) < _PLAINLY and text[start - 2 : start] not in WORDS:
        score += _INSIDE
    if score < -0.9:
        return 0, score
    if width == 1 and SURNAMES.get(text[start + 1 : start + 2], 0.0) >= 2 and score >= 2:
        # A married woman's two surnames: 叶刘淑仪.
        given = text[start + 2 : start + 4]
        if len(given) == 2 and _married(given, titled=_titled(text, start + 4)):
            return 4, score + 2 * _TELLING
    return _given(text, start + width, width, score, cued)


def _named_so(text: str, start: int) -> bool:
    """Whether somebody may be called by the word of two characters that begins here."""
    return text[start : start + 2] in WORD_NAMES or _WEIGHT.get(text[start + 1 : start + 2], 0.0) >= _TELLING


def _married(given: str, *, titled: bool) -> bool:
    """Whether these characters are so surely a given name that the two before it are two surnames."""
    if given in PAIRS:
        return True
    weights = sorted(_WEIGHT.get(one, 0.0) for one in given)
    return given not in WORDS and weights[0] >= (_FAIR if titled or given[1] == "儿" else _TELLING) and weights[1] >= _TELLING


def _never_behind(text: str, start: int, after: str) -> bool:
    """Whether a surname with this character makes the name of a sign, a shop, a place or a day: 蒋字, 李记, 曹县, 陈家祠, 周六."""
    if after in _NO_NAME_BEHIND:
        return text[start + 1 : start + 3] not in PAIRS
    if after == "家":
        return text[start + 2 : start + 3] in _HOUSES
    return text[start] == "周" and after in "一二三四五六日" and text[start + 1 : start + 3] not in PAIRS


def _given(text: str, place: int, width: int, score: float, cued: bool) -> tuple[int, float]:
    one, two = text[place : place + 1], text[place + 1 : place + 2]
    if one == "" or not _han(one) or (one in NEVER_GIVEN and one + two not in PAIRS):
        return 0, 0.0
    before, after = text[place - width - 1 : place - width], text[place + 2 : place + 3]
    free = not cued and ("\u3400" <= before <= "\u9fff" or "\u3400" <= after <= "\u9fff")
    weights = _FREE if free else _ALONE
    first = weights.get(one, _RARE)
    best = (0, 0.0)
    pair = one + two
    if pair not in NOT_GIVEN or (cued and two != "" and _han(two) and not _titled(text, place)):
        short = score + 1.3 * first + _SHORT + _right(text, place + 1, one)
        if pair in WORDS and pair not in PAIRS:
            short += _STRADDLES
        if _titled(text, place) and not cued:
            short -= 3
        best = (width + 1, short)
        if two and _han(two) and (two not in NEVER_GIVEN or pair in PAIRS or (two == "儿" and first >= _TELLING)):
            long = score + first + weights.get(two, _RARE) + _right(text, place + 2, two)
            if pair in PAIRS or (pair in _ERA and (cued or score >= _SURELY)):
                long += _KNOWN
                if two == "和" and not _han(text[place + 2 : place + 3]):
                    long += _FAIR + 1.2  # nothing is joined: 吕志和
            elif two in _RIGHT and two not in _WEIGHT:
                long += _UNUSED  # 叶彤写的
            elif pair in WORDS and pair not in _ERA:
                long += _PAIR
            if two + text[place + 2 : place + 3] in WORDS:
                long += _STRADDLES
            if two in _PLACES and not cued:
                long += _PLACE  # 姚家镇, 蒋坝镇
            straddles = _titled(text, place + 1)
            if straddles:
                long -= 3  # the title belongs behind the name
            if long >= short or (long >= _ENOUGH and short < long + 0.8 and not straddles):
                best = (width + 2, long)
    return best


def _a_person_does(text: str, place: int) -> bool:
    return _titled(text, place) or _DOES.match(text, place) is not None


def _han(one: str) -> bool:
    return "\u3400" <= one <= "\u9fff"


def _titled(text: str, place: int) -> bool:
    return text[place : place + 1] in _TAGS_BEGIN and _TITLES.match(text, place) is not None


def _right(text: str, place: int, last: str) -> float:
    """What the characters behind a name say for it."""
    after = text[place : place + 1]
    if after == "" or not _han(after):
        return _MARK
    if _titled(text, place):
        return _TITLE
    if last + after in WORDS:
        return 0.0
    if owned_by_a_person(text, place):
        return _PARTICLE + _OWNED
    if _BEHIND.match(text, place) is not None:
        return _PARTICLE + _ACTS
    return _PARTICLE if after in _RIGHT or text[place : place + 2] in WORDS else 0.0
