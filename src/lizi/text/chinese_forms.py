"""Chinese names that their place in a form announces: behind a label, below a head, before a speaker's colon, behind @, as signature.

There even an ordinary word is a name (复核：盛开; 3,时光,75), so a value only has to begin with a surname and be no office, no word of
forms and no word for all ("全体员工"). Takes simplified characters. Bound: every expression looks at one line, rows at 16 of their items.
"""

from __future__ import annotations

import re

from lizi.text.chinese_name_tables import COMPOUND, PAIRS, SURNAMES, WORDS
from lizi.text.columns import below
from lizi.text.found import CUED, GUESSED, Report
from lizi.text.tries import any_of, listed

__all__ = ["INTRODUCED", "LITTLE_NAME", "NO_PERSON", "formed", "may_be_named"]

NO_PERSON = re.compile(
    r"本人|客服|部$|组$|处$|公司|未知|不详|匿名|用户|保密|暂无|先生$|女士$|电话|手机|地址|同上|必填|选填|^请|填写|姓名|中心|[店厂校院局]$|"
    r"^全[体部员班家校国年天场票价新款程民]|员工|团队|家长|委员会|班级|成绩|分机|部门|学号|工号|年龄|性别|备注|"
    r"单位|职[位务称]|金额|日期|时间|"
    r"科室|管理员?$|成员|房号|车[牌间号]|年级|应届|方[便案法式]|项目|党[委员支]|董事会|时[间长段]|官方|客户|商[家户]|司机|老板|经理$|主任$|"
    r"^[甲乙丙丁]方|敬[礼上启祝]|[商时文教春夏秋冬大筹勋台]祺|[商文教财]安$|待[定补]|^无$|^某|委托|代[理办]|工程|经费|金[融额]"
)
# Between an introduction and a mark any word is a name: "我叫高兴，".
INTRODUCED = re.compile(
    r"(?:[我名他她人女儿生员妹弟哥姐妈爸爷奶公婆友客伴桌学事导板东]叫|叫[做作]|姓名[是为]|名字[是叫]|本名[是叫]?|真名[是叫]?|"
    r"大名|笔名|艺名|曾用名|"
    r"(?:^|[，。,.！!？?\n])叫)[\"“「 ]?([\u3400-\u9fff]{2,4})(?=[\"”」]?(?:$|[^\u3400-\u9fff：:]|的[那这人男女同孩学]))"
)
LITTLE_NAME = re.compile(r"(?:小名|乳名|昵称|外号|绰号|花名)(?:叫[做作]|叫|是|：|:)?([\u3400-\u9fff]{2,3})(?![\u3400-\u9fff])")
_HAN = "[\u3400-\u9fff]"
_VALUE = f"({_HAN}{{2,4}}(?:[·•]{_HAN}{{1,8}})?)(?!{_HAN}|[·•：:])"
_FIELDS = (
    "姓名 联系人 联络人 收件人 寄件人 发件人 收货人 发货人 提货人 取件人 收信人 寄信人 申请人 审批人 审核人 审批 审核 复核 复核人 经办 "
    "经办人 承办人 办理人 负责人 责任人 报告人 报修人 检查人 检测人 验收人 验收 批准 批准人 制表 制表人 制单 制单人 填表人 填报人 登记人 "
    "登记员 记录人 记录 记录员 主持人 主讲人 主讲 主持 发言人 汇报人 值班人 值班员 值班 值日生 班长 组长 队长 司仪 作者 编辑 责编 校对 "
    "译者 撰稿 撰稿人 审稿人 摄影 编剧 导演 主演 监制 作词 作曲 演唱 设计 制作 朗诵 签名 签字 署名 落款 签收人 签收 户名 户主 车主 机主 "
    "房主 业主 租客 租户 承租人 出租人 持卡人 持有人 开户人 开户名 收款人 付款人 汇款人 借款人 出借人 担保人 投保人 被保险人 受益人 "
    "委托人 代理人 法人 法定代表人 监护人 患者 病人 患儿 病患 病历 产妇 学生 考生 家长 教师 班主任 指导教师 指导老师 导师 主治医生 "
    "主治医师 嘉宾 讲师 教练 选手 候选人 应聘者 面试者 面试官 推荐人 介绍人 证人 见证人 原告 被告 乘客 旅客 乘车人 乘机人 入住人 "
    "住客 客人 预订人 预约人 报名人 参会人 出席 缺席 列席 请假 迟到 到场 抄送 寻人 走失 新郎 新娘 伴郎 伴娘 借书人 借用人 领用人 "
    "使用人 保管人 捐赠人 挂号 会议记录 主席 主席团 秘书 股东 甲方代表 乙方代表 员工 员工姓名 学生姓名 患者姓名 客户姓名 真实姓名 "
    "中文名 中文姓名 曾用名 法定代理人 紧急联系人 投诉对象 被投诉人 店员 跟进人 对接人 接口人 处理人 执行人 提出人 提交人 创建人 "
    "更新人 修改人 发起人 参与人 参与者 与会人 协办人 督办人"
)
_LABELS = tuple(sorted(set(listed(_FIELDS)), key=len, reverse=True))
_LABEL_ENDS = frozenset(label[-1] for label in _LABELS)
# Values first: they are rarer than labels.
_VALUED = re.compile(f"[：:=|/][ \t]{{0,2}}[\"'“「【]?{_VALUE}")
_BRACKET = re.compile("(?:（[^（）\n]{1,6}）|\\([^()\n]{1,6}\\))$")
_CLOSING = frozenset("\"'” \t")
_LATIN_LABEL = re.compile(
    "(?<![A-Za-z])(?:name|sender|receiver|recipient|consignee|contact|author|owner|user|operator|approver|assignee|reviewer|reporter|crea"
    "tor|"
    "patient|student|teacher|customer|employee|passenger|guest|driver)$",
    re.IGNORECASE,
)
# The head of a column may be shorter than a label: what stands below it is checked as a whole cell.
_HEAD = re.compile(
    f"(?<!{_HAN})(?:{any_of(_LABELS)})(?!{_HAN})|"
    f"(?<![A-Za-z_])(?:full[_ ]?name|name|employee|student|patient|customer|contact|owner|assignee|"
    f"passenger|recipient|attendee|author|user)(?![A-Za-z_0-9])",
    re.IGNORECASE,
)
_CELL = re.compile(
    f"{_HAN}(?: {{0,3}}{_HAN}){{1,3}}|{_HAN}{{1,8}}(?:·{_HAN}{{1,8}}){{1,2}}|[A-Z][a-z'’-]{{1,15}}(?: [A-Z][A-Za-z.'’-]{{0,15}}){{1,3}}"
)
_SPEAKER = re.compile(f"^[ \t]?(?:\\[[0-9: ]{{4,16}}\\] ?)?({_HAN}{{2,4}})(?:[（(][^（）()\n]{{1,8}}[)）])?[ ]?[：:]", re.MULTILINE)
_MENTION = re.compile(f"@({_HAN}{{2,4}})(?!{_HAN})")
_SIGNED = re.compile(
    r"(?:此致[，,！!。]?\s{0,3}敬礼|祝好|祝安|敬上|[商时文教春夏秋冬台]祺|[商文教时]安|谢谢(?:大家|您|你|老师|各位)?|感谢|辛苦了|多谢|敬礼|"
    r"(?:你|您)的[\u3400-\u9fff]{2,5}|祝(?:您|你)?[\u3400-\u9fff]{2,8}|"
    r"[Bb]est(?: [Rr]egards)?|[Rr]egards|[Cc]heers|[Tt]hanks)[！!。，,~ ]{0,2}\n"
    f"\\s{{0,4}}({_HAN}{{2,4}})(?=[ \t]{{0,3}}(?:$|\n|敬上|谨上|拜上|谨启|上$|[0-9]|(?<= )))"
)
_DASHED = re.compile(f"(?:—{{1,2}}|-{{2,3}}) ?({_HAN}{{2,4}})(?=[ \t]{{0,2}}(?:$|\n|写于|敬上|于|[0-9]))")
_RESPECTFULLY = re.compile(f"(?<!{_HAN})({_HAN}{{2,3}})[ \t]{{0,2}}(?:敬上|谨上|拜上|谨启|顿首|敬启)")
_COUNT = re.compile(
    "[二两三四五六七八九几][位名](?!都|能|可以|来|想)|等(?:[二两三四五六七八九十]?[位名人]|同学|同志|同事)|兄[弟妹][俩二]|姐[妹弟]俩|夫["
    "妇妻]俩?|两口子|三人"
)
_COUNTED = re.compile(
    "(?:恭喜|祝贺|请|由|和|感谢|表扬|通知|邀请|欢迎|同学|老师)?[：:]?"
    f"({_HAN}{{2,4}}(?:[、，,]{_HAN}{{2,4}}){{0,12}}[、，,和与]{_HAN}{{2,3}})$"
)
_ITEMS = re.compile("[、，,和与]")
_SEXED = re.compile(
    f"(?<!{_HAN})((?:患者|患儿|病人|员工|学生|寻人|嫌疑人|被告人?|原告|候选人)?)({_HAN}{{2,4}})[ \t]{{0,2}}"
    f"(?:[，,|/][ \t]{{0,2}}[男女](?!{_HAN})|[（(](?:[男女](?!{_HAN})|工号|学号|身份证|手机|电话|病假|事假|年假|请假|已故|签[字名]|主持|"
    f"记录|组长|队长|班长|负责人|夫妻|父子|母子|母女|父女|时任|生于|[0-9]{{2}}岁))"
)


def may_be_named(value: str) -> bool:
    """Whether somebody may be called so: it begins with a surname and is no word of forms."""
    if NO_PERSON.search(value) is not None:
        return False
    if len(value) == 4:
        return value[:2] in COMPOUND or (value[0] in SURNAMES and value[1] in SURNAMES and value[2:] not in WORDS)
    return value[0] in SURNAMES or value[:2] in COMPOUND


def formed(text: str, known: list[Report]) -> list[Report]:
    """Reports of the names that stand in a form's places; `known` are the names that were found otherwise."""
    out: list[Report] = []
    if "：" in text or ":" in text or "=" in text or "|" in text or "/" in text:
        for match in _VALUED.finditer(text):
            if may_be_named(match[1]) and _labelled(text, match.start()):
                out.append((*match.span(1), "person", 0, CUED))
    if "\n" in text:
        if "," in text or "|" in text or "\t" in text or "，" in text or "  " in text:
            out += _below_heads(text)
        out += _speakers(text, known)
        for match in _SIGNED.finditer(text):
            if may_be_named(match[1]) or match[1] in PAIRS:
                out.append((*match.span(1), "person", 0, CUED))
    if "@" in text:
        out += _mentions(text)
    if "—" in text or "--" in text:
        for match in _DASHED.finditer(text):
            if may_be_named(match[1]):
                out.append((*match.span(1), "person", 0, CUED))
    if "敬" in text or "谨" in text or "拜上" in text:
        for match in _RESPECTFULLY.finditer(text):
            if may_be_named(match[1]):
                out.append((*match.span(1), "person", 0, CUED))
    out += _counted(text)
    if "男" in text or "女" in text or "（" in text or "(" in text:
        for match in _SEXED.finditer(text):
            if may_be_named(match[2]):
                out.append((*match.span(2), "person", 0, CUED))
    return out


def _labelled(text: str, place: int) -> bool:
    """Whether a label ends at `place`, with quotes or a note in brackets behind it or without."""
    while place and text[place - 1] in _CLOSING:
        place -= 1
    if place and text[place - 1] in "）)":
        note = _BRACKET.search(text, max(0, place - 8), place)
        place = note.start() if note is not None else place
    last = text[place - 1 : place]
    if last in _LABEL_ENDS:
        return text.endswith(_LABELS, max(0, place - 8), place)
    return last.isascii() and _LATIN_LABEL.search(text, max(0, place - 12), place) is not None


def _below_heads(text: str) -> list[Report]:
    """Cells below heads such as 姓名 and name."""
    out: list[Report] = []
    for head in _HEAD.finditer(text):
        for start, end in below(text, *head.span(), _CELL):
            if NO_PERSON.search(text[start:end]) is None:
                out.append((start, end, "person", 0, CUED))
    return out


def _speakers(text: str, known: list[Report]) -> list[Report]:
    """Who speaks in the lines of a dialogue: words too, when one of the speakers is a name that is known."""
    lines = list(_SPEAKER.finditer(text))
    if len(lines) < 2:
        return []
    spans = {one[:2] for one in known}
    if not any(line.span(1) in spans for line in lines):
        return []
    return [(*line.span(1), "person", 0, GUESSED) for line in lines if line.span(1) not in spans and may_be_named(line[1])]


def _mentions(text: str) -> list[Report]:
    """Who is mentioned with @; a word is a name when others are mentioned beside it."""
    several = text.count("@") > 1
    return [
        (*match.span(1), "person", 0, GUESSED)
        for match in _MENTION.finditer(text)
        if may_be_named(match[1]) and (several or match[1] not in WORDS)
    ]


def _counted(text: str) -> list[Report]:
    """The items of a row that is summed up as so many persons: 岳阳、洪亮、韶华三位同事."""
    out: list[Report] = []
    for count in _COUNT.finditer(text):
        match = _COUNTED.search(text, max(0, count.start() - 64), count.start())
        if match is None:
            continue
        place = match.start(1)
        for item in _ITEMS.split(match[1]):
            if may_be_named(item) and len(item) < 4:
                out.append((place, place + len(item), "person", 0, GUESSED))
            place += len(item) + 1
    return out
