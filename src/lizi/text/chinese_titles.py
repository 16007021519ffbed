"""Chinese persons without a whole name: a surname and a title (王老师, 李总), or 小, 老 and 阿 before a name (小王, 阿强).

The title is a part of the finding, since it is what the person is called by. Words of which a
surname's character is a part (语文老师, 施工) are refused by the tables of words. Bound: each place looks at eight characters.
"""

from __future__ import annotations

import re

from lizi.text.chinese_name_tables import COMPOUND, PAIRS, SURNAMES, WORDS
from lizi.text.chinese_words import BEFORE, FOLLOWING
from lizi.text.found import GUESSED, Report
from lizi.text.tries import any_of, listed

__all__ = ["TITLE_BEGINS", "addressed", "ends_here", "nicknames", "owned_by_a_person"]

_TITLES = listed(
    "先生 女士 小姐 小姐姐 太太 夫人 老师 老师傅 医生 医师 大夫 护士 护士长 护理师 药师 教授 副教授 博士 硕士 经理 总经理 副总 "
    "副总经理 总监 "
    "总裁 副总裁 主任 副主任 主管 主席 主编 主委 律师 法官 检察官 警官 队长 班长 组长 厂长 店长 院长 校长 部长 局长 处长 科长 所长 "
    "会长 社长 行长 "
    "村长 镇长 乡长 县长 区长 市长 省长 州长 里长 连长 排长 营长 团长 军长 站长 园长 馆长 台长 机长 书记 会计 秘书 秘书长 助理 "
    "老板 老板娘 师傅 师父 "
    "师兄 师姐 师弟 师妹 学长 学姐 学弟 学妹 同学 同志 工程师 设计师 教练 导演 编辑 记者 阿姨 叔叔 伯伯 伯父 伯母 舅舅 姑姑 大哥 "
    "大姐 大叔 大伯 "
    "大爷 大妈 大娘 大婶 大嫂 爷爷 奶奶 妈妈 爸爸 哥哥 姐姐 弟弟 妹妹 董事长 董事 顾问 委员 代表 议员 理事 理事长 将军 司令 政委 "
    "姑娘 公子 总理 总统 "
    "家长 专员 客官 保安 司机 老爷 老太太 老太 老爷子 道长 法师 居士 神父 牧师 sir Sir SIR"
)
_LONG = re.compile("(?:常务副|副|代理?|前)?" + any_of(_TITLES))
TITLE_BEGINS = frozenset(word[0] for word in _TITLES) | frozenset("常副代")
_SHORT = frozenset("总哥姐叔姨伯婶嫂董工导局处队太")
_OFFICES = frozenset("局处队导工太伯")  # more often the end of another word: behind a mark or a particle only
_NO_TITLE = re.compile(
    "总[共之部统体结数量额计算和]|工[作程业人厂资具地艺会序]|董[事]|导[致师游弹入出向航]|处[理于在分置处罚]|队[伍员友]|局[面部势]|太[多"
    "大小长高好太]"
)
# Prepositions, adverbs and verbs among the surnames: 连老师都不知道, 向经理汇报, 祝老师节日快乐.
_NO_SURNAME = frozenset("连向祝应成时代管计解从单双强满全党暨师年位路步权水阴占支乐相容敬封干车房商游池富家国")
_MARKED = frozenset("任常曾")  # need a mark or a particle before them
_LEAST = 1.3  # a surname's weight that needs no mark before it
_LEAST_SHORT = 1.5
_LEFT = frozenset("和与跟给被让请问找对是、及将等因但而在为把随到替帮陪教约比有等求见去叫像谢听 \t")
_RIGHT = frozenset(
    "说道问答称在的了和与跟给向对把被将已也都就还又来去到从于有没不想要会能可正曾今昨打发送收预提负参住买办登报请让是为因及等任当"
    "作做拿带写看听讲吃喝走跑刚先再帮找约催借欠教陪很特非太最家他她你我们上下这那同说吗呢吧啊呀、病爱觉通告回出进过退辞入升调同介推"
    "谈聊开需得您一二三五八十两几按"
)
_JUNIOR = frozenset(
    "王李张刘陈杨赵吴徐孙朱胡郭何罗高林郑梁谢宋唐许邓韩冯曹彭曾肖蔡潘袁董余苏吕魏蒋杜丁沈姜姚卢傅钟谭廖贾韦付邹秦尹薛阎侯郝崔贺陆范汪方"
    "孟邱江夏戴邵黄周武施殷"
)
_VENERABLE = frozenset("李张刘陈杨赵吴徐孙朱胡郭何罗林郑梁谢宋唐许韩冯曹彭曾肖蔡潘袁董苏吕魏蒋丁沈姜姚卢傅钟谭廖贾邹秦钱沙季启邓")  # 沙老
_BIG = frozenset("刘李张陈赵吴孙徐朱郭罗郑宋彭曹袁邓冯蔡潘魏董谢韩唐许杨周姜崔")  # 大王 and 大马 are more often no persons
_NOT_SMALL = frozenset("大很最太从缩渺弱微矮短不更较多从越够")
_NOT_OLD = frozenset("古到养苍衰终大最很太不元越变")
_CALLED = re.compile(
    "阿(?:[强明华伟杰芳珍玲娟红东峰辉军勇豪英莲彪彬斌健鹏涛超凯琳敏霞萍贵忠雄勤宏志亮宽良珠琴雅娇婷静坤荣祥贤义炳庆财旺光国标海玉云]|"
    "(?:[王陈张黄吴郑刘杨赵徐孙朱何郭谢许]))"
)
_FOREIGN = frozenset("里拉尔斯亚克特德达罗萨森莫姆巴图姨公婆爸妈哥姐弟妹爷奶加比鲁诺")
_OWNED = re.compile(
    any_of(
        listed(
            "的手机 的电话 的身份 的邮箱 的地址 的微信 的生日 的快递 的妈妈 的爸爸 的父亲 的母亲 的妻子 的丈夫 的儿子 的女儿 "
            "的孩子 的同事 的朋友 的工资 的病 "
            "告诉 表示 负责 毕业 住在 来自 生病 请假 升职 住院 出生 提交 提出 建议 承认 透露 回忆 认识 借了 已经 家的 和我 跟我 "
            "和他 和她 刚刚 说他 说她 "
            "没来 没有来 今年 去年 明天 昨天 今天 打来 打电话 发来 发给 送我 带我 陪我 约我 帮我 教我 借我 告诉我 写的 签字 签收 "
            "拉进 有没有 身份证"
        )
    )
)
_PAIR_NAMES = frozenset(
    listed(
        "光辉 胜利 江涛 长青 长生 富贵 富强 国华 国平 新华 海波 海峰 海龙 海英 大明 东升 荣华 红梅 红旗 春花 春雷 春生 春兰 春梅 "
        "金花 金龙 金山 金宝 金凤 "
        "思源 思思 向阳 朝阳 圆圆 笑笑 甜甜 萌萌 豆豆 一凡 一鸣 一博 乐乐 美华 宝珠 爱国 爱民 爱华 桂花 桂香 文静 立新 宏图 天佑 "
        "天宇 明明 建新 正国 承恩 红霞 "
        "玉兰 玉洁 雪梅 雪峰 雪莲 红英 红军 红卫 长江 振兴 大勇 大海 小满 小雨 小龙 晶晶 洋洋 欢欢 亮亮 冰冰 露露 丹丹 红红 超超 "
        "四清 文革 抗美 援朝 来福 进喜 双喜 双全 星辰 星河 云飞 有才 有福 有财 有田 一心 一航 一帆 一然 可人 可心 可为 安然 "
        "在天 卫红 听雨 听风 听澜 得胜 得福 来喜 来顺 满仓 根生 福气 乐天 清越 铁蛋 "
        "强强 飞飞 文文 玲玲 燕燕 艳艳"
    )
)
_ALONE = sorted(PAIRS - _PAIR_NAMES - WORDS)
_BEGINS = "".join(sorted({*"我叫你您亲@", *(name[0] for name in _ALONE)}))  # decides fast where nothing can begin
_PET = re.compile(
    "(?<![\\u3400-\\u9fff])(?:"
    + any_of(
        listed(
            "二狗 二狗子 狗子 狗蛋 狗剩 铁蛋 铁柱 大壮 二壮 二丫 大丫 三丫 丫丫 二妞 大妞 妞妞 胖虎 胖子 小胖 大胖 肥仔 肥佬 瘦子 黑子 "
            "小黑子 老幺 小虎子 虎子 "
            "柱子 栓子 小柱子 石头哥 强子 伟子 军子 辉子 亮子 小芳 小美 小丽 小娟 小敏 小玲 小霞 小燕 小梅 小兰 小英 小云 小华 小强 小刚 "
            "小军 小伟 小杰 小涛 小勇 "
            "小斌 小磊 小亮 小超 小鹏 小飞 小峰 小龙 小辉 小婷 小雯 小倩 小琳 小琪 小慧 小静 小洁 小莉 小薇 小蕾 小雅 小怡 小萱 小彤 "
            "小曼 大强 大伟 "
            "大军 大鹏 大勇 大毛 二毛 三毛 小毛 毛毛 豆豆 果果 糖糖 朵朵 萌萌 浩浩 轩轩 涵涵 宝宝贝 囡囡 阿妹 阿仔 老幺"
        )
    )
    + ")"
)
_GIVEN_ALONE = re.compile(
    f"(?<![\\u3400-\\u9fff])(?=[{_BEGINS}])(?:我叫|叫我|你好|您好|亲爱的|@)?({any_of(_ALONE)})"
    f"(?:(?=，(?:你|我|回|到|记得|麻烦|帮|明|今|别|快|能不|能帮|可以|什么|怎|请|下班|下课|晚上|谢|生日|排好|有空|有没|药|起床|吃|过来|在"
    f"吗)|"
    f"啊，|呀，|~|、{any_of(_ALONE)}|和{any_of(_ALONE)}|"
    f"说|问|的手机|的电话|的微信|告诉|昨天|今天|明天|打电话|帮我|和我|跟我|老师|同学|先生|女士|阿姨|叔叔|姐|哥)|(?<=我叫..)(?![\\u3400-\\"
    f"u9fff])|"
    f"(?<=叫我..)(?![\\u3400-\\u9fff])|(?<=亲爱的..)(?![\\u3400-\\u9fff]))"
)

# Behind what one does with a person, before what a person does: 外婆说建国小时候, 奶奶想浩浩了.
_GIVEN_AFTER = re.compile(
    f"[想接带给和跟让叫送陪问找诉喊替帮把看说](?=[{_BEGINS}])(?<!(?<![爸妈爷奶公婆哥姐弟妹叔姨师友事生家])说)({any_of(_ALONE)})"
    "(?=$|[，。！？!?,；;\\n]|了|小时候|说|去|来|回|吃|的作业|的妈|的爸|的老师|妈|爸|今天|明天|昨天|昨晚|今晚|打电话|买|接|送|在家|上学|"
    "放学|生日|不舒服|发烧)"
)


def owned_by_a_person(text: str, place: int) -> bool:
    """Whether words begin here that follow a person's name far oftener than a thing's: 的手机, 告诉, 毕业."""
    return _OWNED.match(text, place) is not None


def addressed(text: str, start: int, cued: bool) -> tuple[int, int] | None:
    """Begin and end of surname and title, or of 小 or 老 and a surname, when the surname stands at `start`."""
    one = text[start]
    before = text[start - 1 : start]
    width = 2 if text[start : start + 2] in COMPOUND else 1
    end = start + width
    after = text[end : end + 1]
    if after == " " and text[end + 1 : end + 2] in TITLE_BEGINS:
        end += 1
        after = text[end : end + 1]
    farther = text[start - 2 : start - 1] if start > 1 else ""
    young = one in _JUNIOR and (
        (before == "小" and farther not in _NOT_SMALL)
        or (before == "老" and farther not in _NOT_OLD)
        or (before == "大" and one in _BIG and (farther in _LEFT or farther in "了，。、" or not _han(farther)))
    )
    title = _LONG.match(text, end) if after in TITLE_BEGINS else None
    if young and text.startswith("总是", end):
        return start - 1, end
    if young and after in ("头", "子") and before == "老" and ends_here(text, end + 1):
        return start - 1, end + 1  # 老张头
    if after == "老" and one in _VENERABLE and not young and (not _han(before) or before in _LEFT or cued):
        farther_on = text[end + 1 : end + 2]
        if not _han(farther_on) or farther_on in "今说在的先也还已曾一" or text.startswith("先生", end + 1):
            return start, end + 1
    if title is None and (after not in _SHORT or after == ""):
        word = after in FOLLOWING.get(one, ()) and after not in _RIGHT and _OWNED.match(text, end) is None
        if young and width == 1 and not word and ends_here(text, end):
            return start - 1, end
        return None
    if width == 1 and not young and not _surname(text, start, before, cued, short=title is None):
        return None
    if title is not None:
        if one == "曾" and after == "经" and (_han(before) or not ends_here(text, title.end())) and not cued:
            return None  # 曾经理解
        return start - young, title.end()
    if (width == 1 and _NO_TITLE.match(text, end) is not None) or (width == 1 and after in FOLLOWING.get(one, ())):
        return None
    if after in _OFFICES and _han(before) and before not in _LEFT and not cued and not young:
        return None
    return (start - young, end + 1) if ends_here(text, end + 1) else None


def _surname(text: str, start: int, before: str, cued: bool, *, short: bool) -> bool:
    """Whether the character before a title is a surname and no part of another word."""
    one = text[start]
    weight = SURNAMES.get(one, -9.0)
    if one in _NO_SURNAME or weight < 0.5:
        return False
    if before == one or ((before in BEFORE.get(one, ()) or before + one in WORDS) and text[start - 2 : start] not in WORDS):
        return False
    if not before or not _han(before) or cued:
        return True
    if before in _LEFT:
        return weight >= 0.8
    return one not in _MARKED and weight >= (_LEAST_SHORT if short else _LEAST)


def ends_here(text: str, place: int) -> bool:
    """Whether what stands before `place` can end there: a mark, a particle, a verb or a word of two characters follows."""
    after = text[place : place + 1]
    return after == "" or not _han(after) or after in _RIGHT or text[place : place + 2] in WORDS or _OWNED.match(text, place) is not None


def nicknames(text: str) -> list[Report]:
    """Reports of 阿 with a character of names (阿强, 阿陈), and of given names alone that hardly are anything else."""
    out: list[Report] = []
    if "阿" in text:
        for match in _CALLED.finditer(text):
            start, end = match.span()
            if text[end : end + 1] not in _FOREIGN and ends_here(text, end) and text[start - 1 : start] not in ("·", "马", "沙", "卡"):
                out.append((*match.span(), "person", 0, GUESSED))
    for match in _PET.finditer(text):
        if ends_here(text, match.end()) or text.startswith(("妈", "爸", "家", "他", "啊", "呀", "放", "今", "嫌"), match.end()):
            out.append((*match.span(), "person", 0, GUESSED))
    if not text.isascii():
        out += [(*match.span(1), "person", 0, GUESSED) for match in _GIVEN_ALONE.finditer(text)]
        out += [(*match.span(1), "person", 0, GUESSED) for match in _GIVEN_AFTER.finditer(text)]
    return out


def _han(one: str) -> bool:
    return "\u3400" <= one <= "\u9fff"
