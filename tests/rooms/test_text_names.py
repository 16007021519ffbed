"""Names and addresses: in sentences, at both ends, in lists and forms, and ordinary sentences that have none."""

from __future__ import annotations

import pytest

from lizi.text import recognise

PERSON = frozenset({"person"})
ADDRESS = frozenset({"address"})


def marked(text: str) -> tuple[str, list[str]]:
    """`a⟦b⟧c` → the text without the marks, and the parts between them."""
    parts = text.replace("⟦", "\x00").replace("⟧", "\x00").split("\x00")
    return "".join(parts), parts[1::2]


NAMES = [
    "请联系⟦张伟⟧，谢谢",
    "我叫⟦林若曦⟧，今年三十岁",
    "⟦欧阳娜娜⟧和⟦司马懿⟧都到了",
    "患者⟦文嘉树⟧，男，48岁",
    "收件人：⟦周慕云⟧",
    "⟦陳雅婷⟧說她明天不來",
    "聯絡人：⟦黃淑芬⟧",
    "昨天和⟦李静⟧一起去吃饭",
    "⟦王芳⟧女士您好",
    "转账给⟦赵铁柱⟧五百元",
    "名单：⟦刘洋⟧、⟦孙悦⟧、⟦马超⟧",
    '{"name": "⟦韩雪松⟧"}',
    "邻居⟦陈建国⟧家的狗丢了",
    "⟦沈知行⟧",
    "给⟦唐婉如⟧写一封信",
    "⟦阿卜杜拉·买买提⟧是我同事",
    "迈克尔·乔丹和⟦列夫·托尔斯泰⟧".replace("迈克尔·乔丹", "⟦迈克尔·乔丹⟧"),
    "Contact ⟦Marcus Reilly⟧ at once",
    "⟦Priya Nair⟧, Senior Analyst",
    "Best regards, ⟦Hannah Brooks⟧ | Director",
    "Introduce ⟦Nina Kovač⟧, our new partner",
    "Patient ⟦Liam O'Donnell⟧, age 60",
    "My name is ⟦Xanthe Quillfeather⟧.",
    "Dear ⟦Anna⟧, thanks",
    "I talked to Mr. ⟦Smith⟧ yesterday",
    "⟦Ludwig van Beethoven⟧ lived here",
    "⟦Chan Tai Man⟧ went home",
    "⟦Emily⟧'s report",
    "我的同事⟦Jennifer Lopez⟧出差了",
]

NO_NAMES = [
    "今天是平安夜，大家都很高兴",
    "高铁站离这里很远，方便的话帮我看看",
    "他王者荣耀打得很好，马上就到",
    "黄山的云海，白天和晚上都好看",
    "时间不早了，成功在望",
    "周末我想去爬山，顺便看看日出",
    "万一下雨怎么办，常常有人问我",
    "于是他就走了，应该没有问题",
    "钱包丢了，车站在哪里，房间很大",
    "党员干部会议，方法有很多",
    "三张照片、两段时间、一封信",
    "这张桌子和那张椅子",
    "程序员加班，郑重声明，谢谢大家",
    "王老师和李医生请假了",
    "工作顺利，万事如意，恭喜发财",
    "金融市场波动，石油价格上涨",
    "許多人都喜歡，嚴重影響，謝謝大家",
    "Will you come in May? Mark the date. Paris is nice.",
    "The United States and New York City",
    "Hello World in Java Script",
    "Tesla Motors, Morgan Stanley Bank and Washington Post Company",
    "I'm going to Paris. I'm Happy.",
    "The Python Software Foundation",
]

ADDRESSES = [
    ("目前在⟦杭州市西湖区文三路88号⟧办公", "杭州市"),
    ("收货地址：⟦成都市武侯区天府大道500号A座1801室⟧", "成都市"),
    ("讨论下周在⟦上海市浦东新区世纪大道⟧的会议安排", "上海市"),
    ("我住在⟦北京市朝阳区建国路88号院3号楼2单元501室⟧，请送上门", "北京市"),
    ("⟦广东省深圳市南山区科技园南路2号⟧", "广东省深圳市"),
    ("寄到⟦江苏省苏州市工业园区星湖街328号创意产业园3-A⟧", "江苏省苏州市"),
    ("⟦河南省信阳市固始县张老埠乡李家村三组12号⟧", "河南省信阳市"),
    ("我家在⟦阳光花园3栋2单元501室⟧", ""),
    ("⟦内蒙古自治区呼和浩特市新城区中山东路10号⟧", "内蒙古自治区呼和浩特市"),
    ("⟦台北市大安區忠孝東路四段216巷33弄8號5樓之2⟧", "台北市"),
    ("⟦香港九龍旺角彌敦道688號旺角中心1座12樓A室⟧", "香港"),
    ("送到⟦上海市徐汇区漕溪北路1200弄35号602室⟧", "上海市"),
    ("⟦浙江省 杭州市 余杭区 文一西路969号⟧", "浙江省 杭州市"),
    ("在⟦文三路88号⟧等你", ""),
    ("Ship to ⟦123 Main Street, Springfield, IL 62701⟧ please", ""),
    ("⟦Flat 3, 221B Baker Street, London NW1 6XE⟧", ""),
    ("⟦10 Downing Street, London SW1A 2AA⟧", ""),
    ("⟦PO Box 1234, Austin, TX 78701⟧", ""),
    ("⟦45 W 25th St Apt 4B, New York NY 10010⟧", ""),
]

NO_ADDRESSES = [
    "北京是中国的首都，上海市的天气怎么样",
    "我在北京市海淀区上班",
    "地铁10号线在哪里换乘，3月5号去上海",
    "会议室在5楼，他住在3楼",
    "坐102路公交车到人民路下车",
    "南京路步行街很热闹，去中山路逛街",
    "请看第5章第2段，第3层第5个",
    "道路很长，道理很多，知道了",
    "2号楼在哪里，这个小区的3号楼漏水",
    "We have 3 Great Ways to improve. In 2024 The Way forward",
    "I ran 10 miles on Main Street",
    "5 Star Hotel near the Street",
]


@pytest.mark.parametrize("example", NAMES)
def test_a_name_in_a_sentence_is_found(example: str) -> None:
    text, names = marked(example)
    assert [text[one.start : one.end] for one in recognise(text, PERSON)] == names


@pytest.mark.parametrize("text", NO_NAMES)
def test_an_ordinary_sentence_has_no_name(text: str) -> None:
    assert [text[one.start : one.end] for one in recognise(text, PERSON)] == []


@pytest.mark.parametrize(("example", "kept"), ADDRESSES)
def test_an_address_is_found_whole_and_says_what_may_stay(example: str, kept: str) -> None:
    text, (address,) = marked(example)
    (one,) = recognise(text, ADDRESS)
    assert text[one.start : one.end] == address
    assert text[one.start : one.start + one.keep] == kept


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_a_place_alone_is_no_address(text: str) -> None:
    assert [text[one.start : one.end] for one in recognise(text, ADDRESS)] == []


def test_a_title_alone_leaves_the_person_nameless() -> None:
    assert recognise("王先生和小李在开会，张总来了", PERSON) == []


def test_what_may_stay_is_measured_in_the_original() -> None:
    text = "我住\u200b在杭\u200b州市西湖区文三路８８号"
    (one,) = recognise(text, ADDRESS)
    assert text[one.start : one.end] == "杭\u200b州市西湖区文三路８８号"
    assert text[one.start : one.start + one.keep] == "杭\u200b州市"
