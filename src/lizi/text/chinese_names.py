"""Chinese names: a surname, one or two characters that may be a given name, and what stands around them.

Each surname's character is a candidate and gets a score: how much the surname, the given characters
and their neighbours (cues like 我叫 and 收件人, titles like 先生, marks, particles) speak for a name, less
what the word tables say against it. A surname with a title (王老师) or with 小, 老 or 阿 before it (小李) is one
finding with them. A name may be written with spaces between its characters. Bound: a candidate looks
at twenty characters, so the work is linear in the surnames' characters.
"""

from __future__ import annotations

import re

from lizi.text.chinese_name_tables import COMPOUND, GIVEN, MEASURED, NEVER_GIVEN, NOT_GIVEN, PAIRS, SELDOM_GIVEN, SURNAMES, WORDS
from lizi.text.chinese_titles import addressed, nicknames, owned_by_a_person
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
_PLAINLY = 2.4
_INSIDE = -0.4  # a surname that is a common character, in the midst of others
_PLACE = -3.0
_PLACES = frozenset("镇村乡县巷站街区")
_PERSONAL = 1.9
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

_LABELS = listed(
    "姓名 名字 户名 户主 车主 机主 房主 业主 收件人 寄件人 发件人 收货人 发货人 提货人 联系人 联络人 聯絡人 紧急联系人 经办人 承办人 "
    "办理人 申请人 负责人 责任人 法人 法人代表 法定代表人 代理人 委托人 被保险人 投保人 受益人 持卡人 持有人 账户名 开户人 开户名 "
    "收款人 付款人 汇款人 借款人 担保人 购买人 购票人 乘车人 乘机人 入住人 预订人 预约人 报名者 报名人 参会人 参会人员 与会者 "
    "联系姓名 签收人 签名 签字 署名 落款 审核人 审批人 填表人 记录人 监护人 患者 病人 患者姓名 客户姓名 客户名称 客户 顾客 会员 乘客 "
    "旅客 学生 学生姓名 考生 家长 员工 员工姓名 用户 买家 卖家 甲方 乙方 丙方 原告 被告 证人 嫌疑人 犯罪嫌疑人 受害人 被害人 当事人 "
    "作者 主讲人 主持人 嘉宾 讲师 教练 候选人 求职者 应聘者 应聘人 面试者 面试官 推荐人 介绍人 抄送 发送人 转交 收信人 寄信人 租客 "
    "租户 承租人 出租人 房东 司机 保险人 住户 住客 主治医生 主治医师 责任编辑 法定代理人 姓名是 联系人是 公民 村民 居民 市民 网友 "
    "网民 股东 合伙人 创始人 董事长 总经理 总裁 总监 经理 主任 主席 总统 总理 部长 省长 市长 县长 区长 镇长 乡长 村长 局长 处长 科长 "
    "院长 校长 所长 厂长 站长 店长 会长 社长 行长 团长 班长 队长 组长 书记 委员 代表 常委 秘书 秘书长 助理 顾问 会计 出纳 律师 法官 "
    "检察官 警官 民警 警察 将军 上将 中将 少将 司令 政委 大使 参赞 医生 医师 大夫 护士 药师 教授 副教授 院士 博士 老师 导师 教师 "
    "辅导员 班主任 讲师 研究员 工程师 设计师 程序员 会计师 厨师 师傅 画家 作家 诗人 歌手 歌星 演员 影星 导演 编剧 编辑 记者 摄影师 "
    "通讯员 主播 艺术家 科学家 企业家 运动员 选手 球员 教练员 冠军 客服 销售 专员 专家 先生 女士 小姐 同志 同学 同事 朋友 好友 室友 "
    "邻居 战友 网友 男友 女友 男朋友 女朋友 丈夫 妻子 老公 老婆 爱人 先夫 太太 儿子 女儿 孙子 孙女 父亲 母亲 爸爸 妈妈 父母 哥哥 姐姐 "
    "弟弟 妹妹 爷爷 奶奶 外公 外婆 姥姥 姥爷 叔叔 阿姨 舅舅 姑姑 表哥 表姐 表弟 表妹 堂哥 堂弟 侄子 侄女 外甥 孩子 女婿 媳妇 新娘 "
    "新郎 我叫 叫做 名叫 名为 叫 我是 他是 她是 这是 本人 本名 原名 真名 化名 别名 艺名 小名 姓名为 名字叫 名字是 尊敬的 亲爱的 "
    "敬爱的 您好 你好 早上好 致 敬启 此致 通知 联系 联络 致电 转告 告诉 采访 感谢 邀请 拜访 祝贺 祝 恭喜 欢迎 委托 授权 聘请 任命 "
    "转账给 汇款给 寄给 发给 交给 转给 送给 打给 借给 卖给 留给 抄送给 预约给 患者叫 病人叫 学生叫 男子 女子 男孩 女孩 男生 女生 小伙 "
    "姑娘 老人 青年 少年 农民 工人 战士 烈士 英雄 群众 党员 干部 下属 员工叫 专家叫 客人 住院患者 参赛者 获奖者 得主 教主 店主 认识 "
    "找到 看望 陪同 跟着 嫁给 爱上 想念 怀念 纪念 悼念 缅怀 逮捕 抓获 起诉 判处 寻找 举报 投诉 收款方 付款方 户名为 业务员 快递员 "
    "骑手 配送员 外卖员 保安 保姆 家教 中介 经纪人 管家 乘务员 飞行员 机长 船长"
)
_CUES = frozenset(_LABELS)
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
_RIGHT = frozenset(
    "说道问答称在的了和与跟给向对把被将已也都就还又来去到从于有没不想要会能可正曾今昨出打发送收预申提负参住购买办登报请让是为因及等同任当"
    "作做拿带写看听讲吃喝走跑"
    "男女身电手邮性年生账银联户地职工编先老总院教讲主经董书局科处部厅厂校班队组长师医护律法警工记导演介荣获入加进离回前代表亲担接率主赴抵"
    "指强认宣告透介随并却则所以本同学两等之其此即"
    "时后前中这那只最近当每很特也非常确实突终现终需应该最刚先再便"
)
_TITLE_WORDS = listed(
    "先生 女士 小姐 太太 夫人 老师 医生 医师 大夫 护士 教授 博士 硕士 经理 总经理 总监 总裁 主任 主管 主席 同学 同志 师傅 律师 法官 "
    "警官 院长 校长 部长 局长 处长 科长 所长 厂长 店长 书记 董事长 工程师 会计 秘书 助理 老板 阿姨 叔叔 大哥 大姐 大爷 大妈 爷爷 奶奶 "
    "哥哥 姐姐 先森 队长 班长 组长 村长 镇长 市长 县长 省长 行长 总理 总统 将军 司令 导演 编辑 记者 教练 代表 委员 院士 研究员 理事长 "
    "女儿 儿子 本人 收 亲启 启 敬上 您好 你好 的手机 的电话 的身份 的邮箱 的微信 的地址 的账户 的银行 的护照 的生日 的联系"
)
_TITLES = re.compile(any_of(_TITLE_WORDS))
_TITLE_BEGINS = frozenset(word[0] for word in _TITLE_WORDS)
_OWNED_LABEL = re.compile(
    r"(?:姓名|户名|收件人|寄件人|收货人|持卡人|乘车人|乘机人|开户名|联系人|患者姓名|学生姓名|客户姓名|真实姓名)[\"'”]?\s{0,2}[：:|"
    r",]\s{0,2}[\"'“「【]?([\u3400-\u9fff]{2,4})(?![\u3400-\u9fff])"
)
# Behind these a word with a surname's character is a name, too: 负责人：方向。
_SIGNED = listed(
    "申请人 办理人 负责人 经办人 承办人 监护人 患者 病人 被保险人 投保人 受益人 收款人 付款人 汇款人 借款人 代理人 "
    "委托人 担保人 签收人 签字 签字人 签名 签名人 法定代表人 入住人 购票人 预订人"
)
_SIGNED_LABEL = re.compile(
    r"[人者名字][\"'”]?(?:\s{0,2}[：:|]\s{0,2}|[ \t]{1,2})[\"'“「【]?([\u3400-\u9fff]{2,4})(?![\u3400-\u9fff])"
)
# Between such a cue and a mark any word is a name: "我叫高兴，".
_INTRODUCED = re.compile(r"(?:我叫|名叫|叫做|姓名[是为]|名字[是叫])\s?([\u3400-\u9fff]{2,3})(?![\u3400-\u9fff])")
_NO_PERSON = re.compile(
    r"本人|客服|部$|组$|处$|公司|未知|不详|匿名|用户|保密|暂无|先生|女士|电话|手机|地址|同上|必填|选填|请|填写|姓名|中心|[店厂校院局]$"
)
_DOTTED = re.compile(r"(?:(?![和与跟及是的在了])[\u3400-\u9fff]){1,6}(?:[·•‧・](?:(?![和与跟及是的在了])[\u3400-\u9fff]){1,8}){1,3}")
# Characters with which foreign names are written; others end one.
_SOUNDS = re.compile(
    "(?:阿[不布]都|别克|提别克|玉素甫|古丽|[阿艾埃爱安昂奥巴芭白班邦包保鲍北贝本比彼毕宾玻波伯博勃卜布蔡查察昌策车达戴丹当道德登邓迪蒂第丁东杜顿多厄恩尔发法范方菲费芬丰冯佛弗"
    "夫福富盖甘冈高戈格葛根贡古瓜圭郭果哈海汉豪赫黑亨洪侯胡花华怀霍基吉季加嘉贾简"
    "江杰金津京久居喀卡凯坎康考柯科克肯孔库夸奎昆拉腊莱来赖兰朗劳勒雷蕾累冷黎李里理丽利莉连廉良列烈林琳铃龙隆卢鲁露伦罗洛吕马玛麦迈曼毛茅"
    "梅门蒙孟米密敏明莫墨默姆木穆拿娜纳乃奈南内尼妮年涅宁牛纽农努诺欧帕派潘庞佩彭皮"
    "匹平普齐奇恰乔切琴丘热仁日荣茹儒瑞若萨塞赛桑瑟森沙莎山尚绍舍申生圣施石史士舒朔斯丝苏索塔泰坦汤唐陶特腾提汀图托瓦万旺威韦维薇魏温文翁"
    "沃乌吴武伍西希锡夏显香肖歇谢辛欣休许雅亚延扬杨耶叶伊依易意因英永尤约宰泽扎詹珍真芝治"
    "朱兹子佐巫妥吾买提力江木拜尼亚孜孜古丽热合曼努尔艾合麦吐尔逊地帕提洛桑扎西次仁卓玛央金旦增曲珍尼玛格桑多吉顿珠才让祖肉再佧孙衣迦麻且日再赛皮帕乎鼎则什玉阔]){1,8}"
)
_HEAD = re.compile(_SOUNDS.pattern + "$")
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
_UNITS: dict[str, list[tuple[str, int]]] = {}
for _unit in UNITS:
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
_ERA = frozenset(listed("和平 胜利 解放 建设 国庆 光明 跃进 爱国 向东 成功 红军 长江 正义"))  # words that are given names, too
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
            if cell is not None and _NO_PERSON.search(cell[1]) is None:
                done = cell.end(1)
                out.append((start, done, "person", 0, CUED))
                continue
        cued = _cued(text, start)
        called = addressed(text, start, cued or _near(text, start))
        if called is not None and not _within(text, start):
            start, done = called
            out.append((start, done, "person", 0, CUED))
            continue
        length, score = _best(text, start, cued)
        if length and score >= _ENOUGH and (cued or not _within(text, start)):
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
            if _NO_PERSON.search(match[1]) is None:
                out.append((*match.span(1), "person", 0, CUED))
        for match in _SIGNED_LABEL.finditer(text):
            named = match[1][0] in SURNAMES or match[1][:2] in COMPOUND
            if named and text.endswith(_SIGNED, 0, match.start() + 1) and _NO_PERSON.search(match[1]) is None:
                out.append((*match.span(1), "person", 0, CUED))
    for match in _INTRODUCED.finditer(text):
        if match[1][0] in SURNAMES or match[1][:2] in COMPOUND:
            out.append((*match.span(1), "person", 0, CUED))
    if "·" in text or "•" in text or "‧" in text or "・" in text:
        out += _foreign(text)
    return out


def _goes_on(text: str, place: int) -> bool:
    """Whether the character at `place` begins what a person does and is no part of a name."""
    pair = text[place - 1 : place + 1]
    if pair in PAIRS:
        return False
    return _WEIGHT.get(text[place], 0.0) <= 0.2 or text[place] in _RIGHT or text[place] in _NUMERALS or text[place : place + 2] in WORDS


def _within(text: str, place: int) -> bool:
    """Whether a longer word or a saying covers this place."""
    return any(place >= offset and text.startswith(unit, place - offset) for unit, offset in _UNITS.get(text[place], ()))


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
    if (word[0] not in SURNAMES and word[:2] not in COMPOUND) or word in WORDS or _NO_PERSON.search(word) is not None:
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


def _foreign(text: str) -> list[Report]:
    out: list[Report] = []
    for match in _DOTTED.finditer(text):
        parts = re.split("[·•‧・]", match.group())
        first, last = parts[0], parts[-1]
        if _closed(text, *match.span()) and 3 < len(first) + len(last) <= 13 and _mostly_sounds(first) and _mostly_sounds(last):
            out.append((*match.span(), "person", 0, GUESSED))
            continue
        head = _HEAD.search(first)
        tail = _SOUNDS.match(last)
        if head is None or tail is None or len(head.group()) + len(tail.group()) < 3:
            continue
        start = match.start() + head.start()
        # 儿子迪丽热巴·…: a cue's last character may be one of these.
        last_start = match.start() + len(first) - 2
        start = next((place for place in range(start + 1, min(start + 2, last_start) + 1) if _ends_cue(text, place)), start)
        end = match.end() - len(last) + tail.end()
        if text[end - 1 : end + 1] == "特别" or (text[end - 1] == "来" and _han(text[end : end + 1])):
            end -= 1
        out.append((start, end, "person", 0, GUESSED))
    return out


def _mostly_sounds(part: str) -> bool:
    return 3 * sum(_SOUNDS.match(one) is not None for one in part) >= 2 * len(part)


def _closed(text: str, start: int, end: int) -> bool:
    """Whether marks stand on both sides, and no cue or particle opens what stands between."""
    if _han(text[start - 1 : start]) or _han(text[end : end + 1]) or text[start] in _LEFT:
        return False
    return not any(text[start : start + width] in _CUES for width in (1, 2, 3))


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
        if text[start : start + 3] in LONGER or text[start : start + 4] in LONGER:
            return 0, score
        joined = before in BEFORE.get(surname, ()) and (not cued or before in _SHORT_CUES)
        if joined and text[start - 2 : start] not in WORDS and text[start - 2 : start] != "一下":
            score += _ENDS_WORD
        if not cued and surname in MEASURED and before in _NUMERALS:
            return 0, score
    if cued:
        score += _CUE
    elif near:
        score += _NEAR_CUE
    elif not before or not _han(before):
        score += _MARK
    elif before in _LEFT:
        score += _PARTICLE
    elif SURNAMES.get(surname, 0.0) < _PLAINLY and text[start - 2 : start] not in WORDS:
        score += _INSIDE
    if score < -0.9:
        return 0, score
    if width == 1 and SURNAMES.get(text[start + 1 : start + 2], 0.0) >= 2 and score >= 2:
        # A married woman's two surnames: 叶刘淑仪.
        given = text[start + 2 : start + 4]
        if len(given) == 2 and given not in WORDS and all(_WEIGHT.get(one, 0.0) >= _TELLING for one in given):
            return 4, score + 2 * _TELLING
    return _given(text, start + width, width, score, cued)


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
            if pair in PAIRS or (cued and pair in _ERA):
                long += _KNOWN
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
    return text[place : place + 1] in _TITLE_BEGINS and _TITLES.match(text, place) is not None


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
    return _PARTICLE if after in _RIGHT or text[place : place + 2] in WORDS else 0.0
