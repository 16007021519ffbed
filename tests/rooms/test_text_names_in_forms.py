"""Names that a form, a table, a dialogue or a signature announces, names of other peoples, nicknames, and what only looks like them."""

from __future__ import annotations

import pytest

from lizi.text import recognise

PERSON = frozenset({"person"})


def marked(text: str) -> tuple[str, list[str]]:
    """`a⟦b⟧c` → the text without the marks, and the parts between them."""
    parts = text.replace("⟦", "\x00").replace("⟧", "\x00").split("\x00")
    return "".join(parts), parts[1::2]


PLACED = [
    # labels, with words that are names only there
    "审批：⟦程诺⟧　复核：⟦时光⟧",
    "值班人（签名）：⟦温暖⟧",
    '{"receiver": "⟦白露⟧", "weight": 2}',
    '{"sender":"⟦金玉满⟧","note":"易碎"}',
    "联系人｜⟦康乐⟧",
    # tables
    "编号,姓名,分数\n7,⟦高洁⟧,81\n8,⟦成果⟧,77",
    "姓名\t部门\n⟦常青⟧\t财务\n⟦乐天⟧\t法务",
    "name,team\n⟦Tilda Marrow⟧,blue\n⟦赵可⟧,red",
    # dialogues, mentions, signatures
    "⟦苏芮⟧：我先说两句。\n⟦白云⟧：好。",
    "@⟦高远⟧ @⟦马丽⟧ 明天谁值日",
    "此致\n敬礼\n⟦文静⟧\n三月二日",
    "祝好！\n⟦孔笙⟧",
    "⟦万方⟧ 敬上",
    # introduced
    "隔壁班新来的学生叫⟦时雨⟧，话不多",
    "他真名叫⟦高兴⟧。",
    "女儿小名叫⟦朵朵⟧",
    # counted rows, sex behind a mark
    "感谢⟦江帆⟧、⟦白桦⟧、⟦方舟⟧三位老师",
    "患儿⟦安安⟧，男，两岁",
    "⟦严冬⟧（工号 3021）已离岗",
]

OF_OTHER_PEOPLES = [
    "客户⟦艾玛·汤普森⟧改签了机票",
    "外教⟦大卫·霍尔⟧下学期不来了",
    "⟦让-保罗·马丁⟧先生到了",
    "学者⟦约翰·德雷克⟧提出了质疑",
    "⟦扎西多吉⟧和⟦卓玛拉姆⟧来了",
    "⟦乌云其其格⟧阿姨做的奶茶",
    "⟦中村健太⟧下周回东京",
    "⟦阮氏梅⟧是我们的保洁",
    "收货人⟦阿依古丽⟧",
    "联系人 ⟦Zhou Lan⟧，会说英语",
    "护照姓名：⟦ZHANG MEILING⟧",
    "⟦WONG Ka Ming⟧ 已签到",
]

NICKNAMES = [
    "⟦大刘⟧说他晚点到",
    "⟦老赵头⟧又去钓鱼了",
    "⟦二丫⟧今天没来上学",
    "⟦胖虎⟧，出来玩",
    "⟦钱老⟧今年八十五了",
    "⟦贺副主任⟧在会上批评了我",
    "⟦欧阳总⟧和大家握了手",
    "奶奶想⟦浩宇⟧了",
    "⟦梓萱⟧，记得带伞",
]

PEOPLE_DO = [
    "⟦江山⟧请客，大家都来",
    "⟦白雪⟧和她男朋友分手了",
    "问问⟦常青⟧还打不打乒乓球",
    "⟦宁静⟧想换个座位",
    "后来⟦莫岚⟧也来了",
    "明天⟦童林⟧过生日",
    "这事⟦鲁元⟧知道吗",
    "⟦林陈淑芬⟧女士您好",
    "⟦Frank Stone⟧ never called back",
    "⟦Faith Okoro⟧ leads the choir",
    "Aunt ⟦Bisi⟧ brought cake",
]

NOBODY = [
    # heads and labels without a value
    "姓名：\n班级：\n座号：",
    "姓名,成绩,备注\n，，",
    "联系人：待定",
    "主席：通过。\n秘书：记录完毕。",
    "此致\n敬礼\n全体同学",
    "顺祝商祺",
    "甲方：同意。\n乙方：同意。",
    "@所有人 下午开会",
    # signs, shops, brands, dishes
    "郭字怎么写，赵字呢",
    "李记包子铺和王记烧饼都关门了",
    "周大福的戒指，李锦记的酱油，江小白的酒",
    "王守义十三香放一勺，宫保鸡丁不要花生",
    "叫花鸡和文思豆腐都点一份",
    "马应龙眼霜和云南白药牙膏",
    # places
    "陈家祠离李家沱很远，曹县的树",
    "莫高窟、王府井和张家界都去过",
    "林雪平大学的研究人员",
    # science
    "贝叶斯公式和余弦定理都要考",
    "黎曼猜想还没有证明，傅里叶变换很有用",
    # words that begin in other words
    "扫描下方二维码，官方解释已经发布",
    "极简主义和蓝绿发布，光伏发电",
    "相当于月球的重量，有助于领悟",
    "向农民收购，向前端请教，向用户道歉",
    "周六照常营业，于下周五截止",
    "任何东西都可以，不了解前端",
    "钱先付给店家，敬祝大家",
    "这道题可以转成方程来解",
    "方便请假吗，周末请客",
    "孙女刚满月",
    "我的名片上写错了",
    # a word of a saying follows a cue
    "金枪鱼寿司和三文鱼寿司",
    # Latin letters
    "Nick the edge with a knife. Don't push.",
    "Jack Daniel's and Calvin Klein",
    "San Jose and Mount Isabel",
    "Dear Admissions, thanks",
    "Jasmine rice takes ten minutes",
]


@pytest.mark.parametrize("example", PLACED + OF_OTHER_PEOPLES + NICKNAMES + PEOPLE_DO)
def test_a_name_that_its_place_or_its_form_tells_is_found_whole(example: str) -> None:
    text, names = marked(example)
    assert [text[one.start : one.end] for one in recognise(text, PERSON)] == names


@pytest.mark.parametrize("text", NOBODY)
def test_what_only_looks_like_such_a_name_is_left(text: str) -> None:
    assert [text[one.start : one.end] for one in recognise(text, PERSON)] == []
