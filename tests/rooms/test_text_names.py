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
    "⟦李伟⟧、⟦于和平⟧、⟦王芳⟧",
    "1 | ⟦安宁⟧ | 女 | 三年级",
    "负责人：⟦方向⟧。",
    "我找⟦冯听雨⟧",
    "出席的有⟦陈翀⟧和⟦何彧⟧",
    "申请人⟦高引弟⟧、⟦胡满仓⟧",
    "主讲：⟦帕尔哈提·肉孜⟧",
    "儿子⟦迪丽热巴·迪力木拉提⟧今年上小学",
    "听说⟦独孤信⟧辞职了",
    "⟦王强⟧ ⟦崔雨文⟧ ⟦刘洋⟧",
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
    "工作顺利，万事如意，恭喜发财",
    "金融市场波动，石油价格上涨",
    "田埂上开满了蒲公英，唐三彩是镇馆之宝",
    "姚安县的花灯，邬桥镇的油菜花，靳家河的水",
    "江鲜要当天吃，裘皮大衣要放樟脑丸",
    "杜鹃花和郁金香都开了，汪洋里的一叶扁舟",
    "路由器重启一下就好了，方糖和白砂糖",
    "妈妈温柔，老师：安静。",
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


CALLED = [
    "⟦王老师⟧和⟦李医生⟧请假了",
    "今天⟦王老师⟧没来",
    "⟦王先生⟧和⟦小李⟧在开会，⟦张总⟧来了",
    "⟦陳醫師⟧您好，我想掛號",
    "让⟦欧阳经理⟧看一下合同",
    "⟦张阿姨⟧做饭很好吃，⟦刘哥⟧也来了",
    "找⟦王工⟧要图纸",
    "约⟦小陈老师⟧吃饭",
    "⟦老李⟧的电话是多少",
    "⟦阿强⟧说他不来了",
    "⟦李Sir⟧在吗",
    "⟦老王⟧总是迟到",
    "⟦丽华⟧说她明天来",
]

NOT_CALLED = [
    "谢谢老师，语文老师来了，连老师都不知道",
    "向老师请教，祝老师节日快乐",
    "请问经理在吗，对方律师提出了异议",
    "他曾经理解过我",
    "基金经理和大堂经理都在",
    "施工单位在高处作业，何处去",
    "小王子、小米手机和小李子",
    "小时候，老家在湖南，老实说",
    "阿里巴巴、阿姨和阿拉伯",
    "总是这样，总共三个，太太太多了",
    "万里长城、公安局和邮局",
]

SPACED = [
    "请联系⟦张 伟⟧，谢谢",
    "收件人：⟦李 明 华⟧，电话",
    "姓　名：⟦王　芳⟧",
    "我叫⟦张 晓明⟧",
    "请联系⟦欧 阳 娜 娜⟧",
    "名单：⟦张 伟⟧、⟦李 娜⟧",
]

NOT_SPACED = ["今 天 天 气 很 好", "红 黄 蓝 白 黑", "高 兴 的 时 候", "第三章 方 法"]

WRITTEN_OTHERWISE = [
    "Patient ⟦R.K.⟧ was admitted",
    "Signed, ⟦J. R.⟧",
    "⟦J. R. Smith⟧ and ⟦R.K. Narayan⟧ wrote it",
    "I met ⟦A. Sharma⟧ there",
    "⟦Smith, John⟧; ⟦Doe, Jane⟧",
    "⟦SMITH, JOHN⟧",
    "Passenger: ⟦SMITH JOHN⟧",
    "⟦SMITH/JOHN MR⟧",
    "⟦DUPONT Jean⟧ called",
    "Name: ⟦Quillfeather, Xanthe⟧",
    "Hi ⟦Sam⟧, can you check?",
    "Hello ⟦Xanthe⟧, welcome",
    "Please ask ⟦Mark⟧ about it",
    "It is ⟦Grace⟧'s phone",
    "⟦Mary K.⟧ came",
    "⟦Bjarne Halvorsen⟧ and ⟦Tomasz Wiśniewski⟧",
]

NOT_OTHERWISE = [
    "The U.S. and the U.K. agreed. At 5 p.m. in D.C.",
    "Paris, London and Austin, Texas",
    "Boston, Chicago and Denver, Colorado. In Jackson, Mississippi",
    "Hi team, Hi Everyone, Hi There!",
    "Plan A. B. was better. Vitamin C. A. Then B.",
    "NASA API and HTTP REST API, USA TODAY, NEW YORK",
    "May I come in? Mark my words. Will he?",
    "Dear Customer, Dear Sir, Hello World",
]


@pytest.mark.parametrize("example", CALLED)
def test_a_surname_and_what_one_is_called_by_are_one_finding(example: str) -> None:
    text, names = marked(example)
    assert [text[one.start : one.end] for one in recognise(text, PERSON)] == names


@pytest.mark.parametrize("example", SPACED)
def test_a_name_with_spaces_between_its_characters_is_found_whole(example: str) -> None:
    text, names = marked(example)
    assert [text[one.start : one.end] for one in recognise(text, PERSON)] == names


@pytest.mark.parametrize("example", WRITTEN_OTHERWISE)
def test_initials_and_surnames_that_stand_first_are_names(example: str) -> None:
    text, names = marked(example)
    assert [text[one.start : one.end] for one in recognise(text, PERSON)] == names


@pytest.mark.parametrize("text", NOT_CALLED + NOT_SPACED + NOT_OTHERWISE)
def test_words_that_look_like_these_forms_are_no_names(text: str) -> None:
    assert [text[one.start : one.end] for one in recognise(text, PERSON)] == []


def test_a_full_name_is_found_without_its_title() -> None:
    assert [(one.start, one.end) for one in recognise("张伟老师好", PERSON)] == [(0, 2)]


@pytest.mark.parametrize(
    "example",
    [
        "我叫⟦沈知夏⟧，是设计师。⟦知夏⟧喜欢画画，⟦沈知夏⟧住在杭州。",
        "My name is ⟦Xanthe Quill⟧. So ⟦Xanthe⟧ asked. We told ⟦Quill⟧ so, not Quill Street.",
        "我叫⟦高兴⟧，今天很高兴",
    ],
)
def test_a_name_that_was_announced_once_is_known_in_the_rest_of_the_text(example: str) -> None:
    text, names = marked(example)
    assert [text[one.start : one.end] for one in recognise(text, PERSON)] == names


def test_a_name_is_known_in_later_stretches_too_and_forgotten_with_the_text() -> None:
    text = "我叫沈知夏。" + "今天天气不错。" * 200 + "那知夏说她会来"
    assert [text[one.start : one.end] for one in recognise(text, PERSON)] == ["沈知夏", "知夏"]
    assert recognise("那知夏说她会来", PERSON) == []


def test_what_may_stay_is_measured_in_the_original() -> None:
    text = "我住\u200b在杭\u200b州市西湖区文三路８８号"
    (one,) = recognise(text, ADDRESS)
    assert text[one.start : one.end] == "杭\u200b州市西湖区文三路８８号"
    assert text[one.start : one.start + one.keep] == "杭\u200b州市"
