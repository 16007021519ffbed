"""Chinese addresses by their units: 省市区县镇路街巷弄号栋单元楼室 and the places between, mainland, Taiwan and Hong Kong.

Units that follow each other closely form a chain; a chain is an address when it names a street or a
place together with a number, or a district together with a street. A city, a district or a street
alone is none. Province and city at its head are what a profile may keep. Bound: each unit looks at
14 characters before it, a chain has at most 20 units.
"""

from __future__ import annotations

import re

from lizi.text.found import CUED, GUESSED, Report
from lizi.text.places import CITIES, DISTRICTS, PROVINCES
from lizi.text.tries import any_of

__all__ = ["chinese_addresses"]

_LEVELS: dict[str, str] = {}
for _level, _units in {
    "province": "省 自治区 特别行政区",
    "city": "市 自治州 地区 盟",
    "district": "新区 开发区 高新区 经开区 工业园区 自治县 自治旗 区 县 旗",
    "town": "街道 镇 乡 办事处 苏木",
    "road": "大道 大街 胡同 公路 环路 大马路 路 街 巷 道 横街 正街 老街 东街 西街 南街 北街 步行街 里弄 段 条",
    "village": "村 屯 庄 寨 社区 新村 村委会 自然村 居委会 村民委员会 居民委员会",
    "lane": "弄",
    "number": "号",
    "building": "号楼 栋 幢 座 塔 号院 期 号大院",
    "unit": "单元 门",
    "floor": "楼 层",
    "room": "室 号房 号室 房",
    "group": "组 队 社 邻",
    "place": "小区 花园 家园 公寓 大厦 广场 花苑 雅苑 嘉苑 新苑 名苑 苑 名城 新城 国际 "
    "公馆 名邸 山庄 别墅 宿舍 府邸 华府 庭 雅居 华庭 豪庭 "
    "名园 科技园 产业园 工业园 软件园 创意园 创业园 物流园 大楼 写字楼 商厦 "
    "商城 商场 中心 城 园 湾 府 轩 阁 居 坊 邨 里 大学 学院 中学 小学 医院 酒店 宾馆 饭店 市场 超市 厂 站 家属院 "
    "家属区 住宅区 生活区 大院 院 楼盘 天地 "
    "家属楼 公社 农场 林场 驿站 菜鸟驿站 丰巢 环宇城 万达 码头 车站 基地",
}.items():
    _LEVELS |= dict.fromkeys(_units.split(), _level)

_UNIT = re.compile(any_of(_LEVELS) + r"(?:[东西南北中](?=[路段一二三四五六七八九十0-9]))?")
_HINT = re.compile("[路街巷弄号栋幢座室楼层村镇道区县]")
_NUMERIC = frozenset(("lane", "number", "building", "unit", "floor", "room", "group"))
_NUMBER = re.compile(
    r"(?:[A-Za-z]{0,3}[-－]?[0-9]{1,5}(?:[-－/之][0-9A-Za-z]{1,5}){0,3}[A-Za-z]?|[A-Za-z]{1,2}|"
    r"[一二三四五六七八九十百零〇甲乙丙丁戊负地下B附]{1,7})[)）]?$"
)
_NAME = re.compile(r"[\u3400-\u9fffA-Za-z0-9·()（）\- ]{1,12}$")
_BLANKS = " ,，\u3000-－/·(（)）"
# What doesn't belong to a place's name: verbs, particles and pronouns before an address.
_STOPS = frozenset(
    "在住到去于往从是为址位离给的了我你他她它们这那哪请帮找叫有说看很也就还又被把让将寄送距搬回来过和与及或但并且而至经对向逛第：:，,。；"
    ";、！!？?\"“”'‘’「」『』《》【】[]{}<>=|\n\t\r"
)
_STOP_EXCEPT = re.compile(
    r"平和|民有|和平|和谐|和睦|和田|和顺|永和|中和|从化|为民|至诚|至善|至德|向阳|回民|回龙|回兴|来宾|来安|来广营|有为|住邦|经开|经济|"
    r"经海|经纬|经一|经二|经三|经四|经七|经十|达州|达道|达官|达川|达智|过街|去疾|给水|看丹|看守|到贤|对门|与时|往来|送变电|寄畅|"
    r"和县|和兴|和义|和泰|和林|和硕|和龙|和记|仁和|太和|景和|祥和|谐和|康和|民和|离石|离岛|位于|及第|向荣|向上|向前|达成|于洪|于都|至尊|"
    r"并州|丰和|天和|嘉和|康和|清和|瑞和|福和|元和|阳和|同和|隆回|于田|于潜|从江|将乐|来凤|让胡路|和静|和政|政和|云和|新和|且末|对马|有义|达拉|达坂|达日|达孜|经十路|回民街|回归|也里|将军|将台|对外|为公"
)
_WHOLE = ["北京", "天津", "上海", "重庆", "香港", "澳门"]
_ANCHOR = re.compile(
    "(?:" + any_of(_WHOLE) + "(?:市|特别行政区|(?![路道街]))"
    "|(?:" + any_of(name for name in PROVINCES if name not in _WHOLE) + "(?:省|壮族自治区|回族自治区|维吾尔自治区|自治区)?[ ,，]?)?"
    "(?:" + any_of(name for name in CITIES if name not in _WHOLE) + "(?:市|地区|盟|[\u4e00-\u9fff]{0,6}自治州|州|(?![县区路街道镇乡村])))?)"
)
_HEAD = re.compile(any_of({*PROVINCES, *CITIES}))
_KNOWN_DISTRICT = re.compile(any_of(name for name in DISTRICTS if len(name) > 1) + "(?:区|县|市)?(?=[\u3400-\u9fff]{2})")
_CUE = re.compile(
    r"(?:地址|住址|住所|住在|家住|现住|居住|户籍|籍贯|位于|寄到|寄往|寄至|送到|送至|送货|发到|收货|收件|邮寄|搬到|搬去|坐落|坐标|注册地|"
    r"办公地|营业地|门店|家在|通讯处|地点)[^。！？\n]{0,8}$"
)
_TAIL = re.compile(
    r"(?:之[0-9]{1,3})?(?:地下|底商|[前后侧]门|[甲乙丙丁](?![\u3400-\u9fff]))?"
    r"(?:[ -]{0,2}[A-Za-z]?[0-9]{1,5}(?:[-－][0-9A-Za-z]{1,5}){0,3}[A-Z]?(?:室|房|号)?)?(?![0-9])"
)
_TAIL_WRONG = re.compile(r"\s?[0-9]{6}|\s?[0-9.]{1,12}\s?(?:[元块万年月日天个人次件%％点分米公平年岁℃度折]|小时|公里|㎡|km|kg)")
_CROSSING = re.compile(
    r"(?:与|和|跟|近|、)?[\u3400-\u9fff]{0,8}?(?:交叉路?口|交汇处|交界处|十字路口|路口|(?:路|街|大道)口)(?:[东西南北]{1,2}(?:侧|边|面|角|"
    r"行?[0-9]{1,4}米)|[往向][东西南北]{1,2}行?[0-9]{1,4}米)?"
)
_DIRECTION = re.compile(r"(?:[东西南北][侧边面]|对面|旁边?|附近|内)?(?:[(（][^()（）\n]{1,20}[)）])?")
_NAMED = re.compile(r"[\u3400-\u9fff]{3,14}[0-9A-Za-z一二三四五六七八九十]{1,3}$")
_FLAT = re.compile(r"[0-9]{1,2}-[0-9]{3,4}(?![0-9])|[0-9]{1,2}[A-H](?![A-Za-z])")
_ROOM = re.compile(
    r"(?:[0-9]{3,4}|[0-9]{1,2}[A-H](?![A-Za-z])|[0-9]{1,2}-[0-9]{1,4}|"
    r"[0-9]{1,2}-[0-9]{1,2}-[0-9]{2,4})(?![0-9元块万年月日天个米平])"
)
_NO_UNIT = frozenset(("县民", "县前", "县府", "市民", "市府", "区府", "镇前"))
"""Beginnings of streets' names: 縣民大道, 市府路."""
_TRIPLE = re.compile(r"[0-9]{1,2}-[0-9]{1,2}-[0-9]{2,4}(?![0-9])")
_POSTCODE_BEFORE = re.compile(r"(?<![0-9A-Za-z.\-])(?:[0-9]{5,6}|[0-9]{3}) ?$")
_CROSSES_BEFORE = re.compile(r"[\u3400-\u9fff]{2,4}(?:路|街|大道)[与和、]$")
_BOTH_ROADS = re.compile(r"[与和、][\u3400-\u9fff]{1,5}")
_HOUSE = re.compile(r"\s?[0-9]{1,5}(?![0-9.路元年月日%])")
_TAILED = frozenset(("number", "building", "unit", "floor", "road", "place", "lane"))
_NOT_A_NUMBER = re.compile(
    r"号(?:线|码|称|召|令|角|外|脉|航站|公路|国道|文件|机|球|选手|位|手|店员|元素|电池|字|房型)|楼(?:主|盘|市|道|梯|上|下|价|房)|层(?:面|"
    r"次|级|出不|叠|楼)|座(?:位|谈|右|椅|标|机|城|无)|路(?:线|过|上|边|口|程|途|由|况|径|人|费|灯|段|透|演)|街(?:上|边|头|舞|拍|景)|"
    r"房(?:间|子|价|租|东|产|屋|地|贷|源|型|费|卡)|室(?:内|外|友|温)|"
    r"组(?:织|成|合|件|建|装|长|团)|队(?:伍|员|长|友)|社(?:会|区|交|团|保|群)|段(?:时|落|位|子|话|距)|道(?:理|路|德|歉|具|别|长|家|教)|"
    r"里(?:面|程|边|头)|城(?:市|镇|乡|里)|园(?:区|林|丁|艺)|院(?:子|长|校|线|士)|站(?:在|着|起|点|长|台)|厂(?:家|商|长)|区(?:别|分|域|块|"
    r"间)|期(?:间|待|望|限|末|中|货)|居(?:住|民|然|家)|市(?:场|民|值|区|长|面|价)|县(?:长|级|城)|村(?:民|长|里|上)|庄(?:严|重|园|稼)|"
    r"中心(?:思|主|任|化)|府(?:上|邸)|湾(?:区)|屯门|门(?:口|外|卡|诊|课|票|店|牌|禁|锁|铃|锋|类|前|后|口|学|技|功|语|市)|条(?![甲乙丙丁]?[0-9]{1,4}号)"
)


def chinese_addresses(text: str) -> list[Report]:
    """Reports of the addresses in a text that is normalised and folded."""
    if _HINT.search(text) is None:
        return []
    out: list[Report] = []
    chain: list[tuple[int, int, str]] = []
    for match in _UNIT.finditer(text):
        start, end = match.span()
        level = _LEVELS.get(match.group()) or _LEVELS[match.group()[:-1]]
        if level not in ("province", "city", "district", "town") and _NOT_A_NUMBER.match(text, end - 1) is not None:
            continue
        if chain and start == chain[-1][1] and chain[-1][2] not in ("city", "province", "district") and level not in ("number", "building"):
            # One unit's sign is a part of the next one's name: 天府大道, 三里屯, 科技园南路.
            chain[-1] = (start, end, level)
            continue
        before = text[start - 1 : start]
        one = text[start]
        if text[start : start + 2] in _NO_UNIT or (one == "旗" and before == "红") or (one == "门" and not before.isdigit()):
            continue
        if chain and len(chain) < 20 and _joins(text, chain[-1][1], start, level):
            chain.append((start, end, level))
            continue
        found = _address(text, chain, out[-1][1] if out else 0)
        if found is not None:
            out.append(found)
        chain = [(start, end, level)]
    found = _address(text, chain, out[-1][1] if out else 0)
    if found is not None:
        out.append(found)
    return out


def _joins(text: str, end: int, start: int, level: str) -> bool:
    """Whether a unit at `start` belongs to the chain that ends at `end`: a number or a name stands between and nothing else."""
    gap = text[end:start].strip(_BLANKS)
    if level == "road" and text[end - 1] in "路街道" and _BOTH_ROADS.fullmatch(gap) is not None:
        return True  # 梅龙路与民旺路交汇处
    if start - end > 14:
        return False
    if not gap:
        return level in ("number", "place", "town") and start == end
    if level in _NUMERIC and _NUMBER.fullmatch(gap):
        return True
    if level in ("unit", "group", "lane", "number"):
        return level in ("group", "number") and _clean(gap) and len(gap) <= 8 and (gap[-1].isdigit() or gap[-1] in "一二三四五六七八九十")
    return _clean(gap)


def _clean(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and (_STOPS.isdisjoint(name) or _STOPS.isdisjoint(_STOP_EXCEPT.sub("", _HEAD.sub("", name))))


def _address(text: str, chain: list[tuple[int, int, str]], taken: int) -> Report | None:
    if not chain:
        return None
    first = chain[0]
    if len(chain) == 1 and first[2] not in ("building", "district") and not text[first[1] : first[1] + 2].strip()[:1].isdigit():
        return None
    if not any(level in _NUMERIC or level in ("district", "road") for _, _, level in chain) and _TRIPLE.match(text, chain[-1][1]) is None:
        return None
    start = _begin(text, first[0], max(taken, first[0] - 20))
    levels = [level for _, _, level in chain]
    head = _ANCHOR.match(text, start)
    keep = head.end() - start if head is not None else 0
    anchored = keep > 0 or any(level in ("province", "city", "district", "town") for level in levels)
    end = chain[-1][1]
    if start == first[0] and first[2] != "number" and keep == 0:
        return None  # a unit without a name
    if keep > end - start:
        keep = end - start
    cued = _CUE.search(text, max(0, start - 16), start) is not None
    numbers = sum(level in _NUMERIC for level in levels)
    streets = sum(level in ("road", "village", "lane", "town") for level in levels)
    places = levels.count("place")
    districts = levels.count("district") + (1 if _KNOWN_DISTRICT.match(text, start + keep, first[0]) else 0)
    cities = levels.count("city") + levels.count("province")
    numbered = any(level in _NUMERIC and text[place - 1 : place].isalnum() for place, _, level in chain)
    enough = (
        (numbers and numbered and (streets or (places and (anchored or numbers >= 2))) and _has_number(text, chain))
        or (numbers and districts and _has_number(text, chain))
        or (districts and streets and (cities or keep))
        or (districts and places and (keep or cities))
        or (cued and (cities or keep) and levels.count("town"))
        or (cued and districts and (cities or keep or _KNOWN_DISTRICT.match(text, start) is not None))
        or (cued and numbers and numbered and places)
        or (levels[0] == "building" and _NAMED.search(text, start, first[0]) is not None and (numbers >= 2 or _FLAT.match(text, end)))
        or (places and levels[-1] == "building" and numbered and _ROOM.match(text, end) is not None)
        or (numbers >= 3 and _has_number(text, chain))
        or (places and levels[-1] == "place" and _TRIPLE.match(text, end) is not None)
        or (levels.count("road") and (keep or districts) and _HOUSE.match(text, end) is not None)
    )
    if not enough:
        return None
    if first[2] in _NUMERIC and not _NUMBER.search(text, max(0, first[0] - 8), first[0]):
        return None
    tail = _TAIL.match(text, end)
    if tail is not None and _TAIL_WRONG.match(text, end) is None and levels[-1] in _TAILED:
        end = tail.end()
    crossing = _CROSSING.match(text, end) if levels[-1] == "road" else None
    if crossing is not None:
        end = crossing.end()
    direction = _DIRECTION.match(text, end)
    if direction is not None and numbers and direction.end() - end <= 24 and text[end : end + 1] in "(（":
        inner = text[end + 1 : direction.end() - 1]
        if _UNIT.search(inner) is not None:
            end = direction.end()
    crosses = _CROSSES_BEFORE.search(text, max(0, start - 8), start) if levels[0] == "road" and _CROSSING.match(text, first[1]) else None
    if crosses is not None:
        start = crosses.start()
    postcode = _POSTCODE_BEFORE.search(text, max(0, start - 8), start) if keep else None
    if postcode is not None:
        start, keep = postcode.start(), 0  # it says more than province and city
    return start, end, "address", min(keep, end - start), CUED if cued else GUESSED


def _has_number(text: str, chain: list[tuple[int, int, str]]) -> bool:
    return any(level in _NUMERIC and _NUMBER.search(text, max(0, place - 8), place) is not None for place, _, level in chain)


def _begin(text: str, unit: int, low: int) -> int:
    """Where the name before the first unit begins: at a known place if there is one, else behind the last stop."""
    place = unit
    limit = max(low, unit - 14)
    while place > limit:
        one = text[place - 1]
        if one in _STOPS and _STOP_EXCEPT.match(text, place - 1) is None and _STOP_EXCEPT.match(text, max(0, place - 2)) is None:
            break
        inside = "\u3400" <= one <= "\u9fff" or one.isalnum() or one in "-·"
        if not inside and (one != " " or not _known_ends(text, place - 1)):
            break
        place -= 1
    for anchor in _HEAD.finditer(text, max(low, unit - 20), unit + 1):
        if anchor.start() < unit and (anchor.end() >= unit or _clean(text[anchor.end() : unit]) or anchor.start() >= place):
            return anchor.start()
    if unit - place > 6:
        place = unit - 6  # a name of more characters has a sentence before it
    return place


def _known_ends(text: str, place: int) -> bool:
    """Whether a known province or city ends before a blank, as in "北京 朝阳区"."""
    return any(text[max(0, place - width) : place] in _KNOWN for width in (2, 3, 4))


_KNOWN = frozenset({*PROVINCES, *CITIES})
