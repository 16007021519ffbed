"""Values that the words beside them name, whatever the words: open-ended labels, numbers taken apart, spoken numbers, pairs."""

from __future__ import annotations

import pytest

from lizi.text import ALL, recognise
from lizi.text.normal import plain, with_digits

STRUCTURED = ALL - {"person", "address"}


def marked(text: str) -> tuple[str, list[str]]:
    parts = text.replace("⟦", "\x00").replace("⟧", "\x00").split("\x00")
    return "".join(parts), parts[1::2]


def found(text: str) -> list[str]:
    return [text[one.start : one.end] for one in recognise(text, STRUCTURED)]


def whole(example: str) -> None:
    text, values = marked(example)
    assert found(text) == values


@pytest.mark.parametrize(
    "example",
    [
        "竞价登记号⟦88213⟧已缴费",
        "社区养老服务编号是⟦77120934⟧",
        "宠物登记号⟦A20311⟧",
        "借閱卡號碼 ⟦3300129⟧",
        "小区业主编号（北门） ⟦10233⟧",
        "远程协助识别码⟦391820371⟧",
        "物业报修单⟦839201⟧还没处理",
        "租车合同⟦ZL5918203⟧月底到期",
        "寄件代碼⟦K3078963437⟧",
        "汇款到交行⟦391827364501⟧",
        "用户⟦39182736⟧从昨天起登录不了",
        "卡号是⟦2821056506⟧",
        "⟦20391827⟧是我的供应商编号",
        "航空会员卡⟦CA 740106976⟧",
        "凭⟦6-1-3260⟧到南门店取件",
        "⟦(2023)沪01民终4821号⟧开庭",
        "不动产权证号⟦浙(2023)杭州市不动产权第5691042号⟧，业主",
        "警官证⟦政字第20193847号⟧",
        "載具⟦/JLZ8UZK⟧",
    ],
)
def test_a_chinese_word_that_names_a_number_is_understood_whatever_it_is(example: str) -> None:
    whole(example)


@pytest.mark.parametrize(
    "text",
    [
        "门牌号88-1-1203",
        "型号XR20391卖完了",
        "螺丝货号 4839201",
        "彩票号码 03 12 18 22 29 31",
        "基因编号NM_000546",
        "错误码500123",
        "国药准字H20203156",
        "食品生产许可证SC10133108200123",
        "课程编号MATH10240停开",
        "京ICP备12345678号",
        "平台用户1234567人，新增用户12345678",
        "简单20391827个",
        "名单20240118更新",
        "凭2024年的票据领取",
        "人社部发〔2023〕15号文件",
        "邮政编码100084",
    ],
)
def test_a_chinese_word_that_names_a_thing_explains_nothing(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "example",
    [
        "护照 ⟦E 2 7 7 7 5 5 4 4⟧ 过期了",
        "税号⟦9 1 3 5 0 1 0 0 M 0 0 0 1 0 0 Y 4 3⟧",
        "车牌⟦辽 B · 6 6 J 8 1⟧请挪车",
        "运单⟦七 三 九 九 四 九 三 七 三 六 零 五⟧",
        "电话⟦幺八九，幺零九七，幺七六五⟧",
        "门禁密码⟦五八六六⟧",
        "member no ⟦8 0 2 9 3 1 7⟧",
        "IBAN ⟦D E 8 9 3 7 0 4 0 0 4 4 0 5 3 2 0 1 3 0 0 0⟧",
        "call me on ⟦six four six, five five five, oh one five three⟧ tonight",
        "my pin is ⟦double four oh seven⟧",
        "patient number ⟦Six four three four eight one⟧ please",
    ],
)
def test_a_number_that_is_taken_apart_or_spoken_is_found_whole(example: str) -> None:
    whole(example)


@pytest.mark.parametrize(
    "text",
    [
        "1 2 3 4 5 6 7 8 9",
        "0 1 1 0 1 0 0 1",
        "1 3 5 7 9 11 13",
        "scores 5 4 3 5 4 2 5 1",
        "one two three four five six seven",
        "chapters seven, eight, nine and ten",
        "we won five four, then three two",
        "ten nine eight seven six five four three two one",
        "一二三，四五六，上山打老虎",
        "二〇二四年，一九九八年",
    ],
)
def test_counting_and_scores_are_no_number_taken_apart(text: str) -> None:
    assert found(text) == []


def test_what_is_joined_keeps_its_places() -> None:
    text = "id E 2 7 7 7 5 5 4 4, then four one five five five five zero one six seven"
    shown, places = plain(text)
    assert places is not None
    assert shown == "id E27775544, then 415-555-0167"
    assert list(places) == sorted(set(places))
    assert text[places[3] : places[11] + 1] == "E 2 7 7 7 5 5 4 4"
    assert text[places[-12] : places[-1] + 1] == "four one five five five five zero one six seven"
    assert len(with_digits("一二三四五，六七八")) == 9


@pytest.mark.parametrize(
    "example",
    [
        "serial ⟦C027RASHRLHK⟧ is under warranty",
        "luggage tag ⟦0016306163⟧",
        "Contract ⟦12290743-02⟧, since 2016",
        "claim ⟦HX/7487062⟧",
        "frequent flyer ⟦KL 2093847561⟧",
        "locker code ⟦4821⟧",
        "meeting passcode: ⟦8Fk2Lw⟧",
        "Your Lyft code is ⟦8392⟧",
        "backup codes: ⟦8632 9333⟧, ⟦7640 8014⟧",
        "the padlock is ⟦0417⟧",
        "the wifi is ⟦plumtree-77-otter⟧",
        "Key: ⟦GUdyuQ0woIlp⟧",
        "security answer = ⟦mr whiskers⟧",
        "高德Key ⟦1105aba89f11089b4eb69f5aa4f64051⟧",
        "the IMEI under the battery reads ⟦3590 0087 5581 461⟧",
        "EMS⟦EA277849514CN⟧",
        "收款iban⟦NL91ABNA0417164300⟧",
        "路由器MAC⟦00:1A:2B:3C:4D:5E⟧",
        "我ip⟦203.0.113.250⟧延迟高",
        "Macau ID ⟦7294994(1)⟧",
    ],
)
def test_labels_of_every_day_explain_their_values(example: str) -> None:
    whole(example)


@pytest.mark.parametrize(
    "text",
    [
        "group 12000 people and staff 12000 were hired",
        "user 1000000 registered",
        "combination 12345 of colours",
        "the primary key user_profile_2024_v2",
        "key value cache of 16384 tokens",
        "wifi: 802.11ac",
        "notice 2024-05 is out",
        "your promo code: 4821",
        "driver 535.104.05 is out",
        "contract worth 120000 dollars",
        "tracking your steps: 10432 today",
        "Chrome/119.0.0.0 and 239.255.255.250",
        "FF:FF:FF:FF:FF:FF",
        "loss 51.5074, 0.1278",
        "预算13800000000元，播放量破18888888888次",
        "the sample key sk-xxxxxxxxxxxxxxxx",
    ],
)
def test_words_of_every_day_before_figures_explain_nothing(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "example",
    [
        "admin / ⟦Admin@888⟧ 赶紧改",
        "login as ⟦qa_user_17⟧ / ⟦Testing!234⟧",
        "把密码从⟦Root!2020⟧改成⟦zY7#kk91mq⟧",
        "密码改成⟦Lp#8812wq⟧了，别再输旧的⟦lp8812⟧",
        "门锁密码？\n我：⟦5220⟧",
        "user=⟦pkowal⟧ tries=5",
        "order_no=⟦14366491537192⟧&buyer=⟦tb90314262⟧",
        "docker login -u ⟦fangyu_dev⟧ -p x",
        "stripe charge ⟦ch_8rajaJypvh6xIr0Zp2EQqjD1⟧",
    ],
)
def test_pairs_and_second_passwords_are_found(example: str) -> None:
    whole(example)


@pytest.mark.parametrize("text", ["and/or 12345", "f(user=author, owner=me)", "SELECT 1 WHERE user=author AND x", "re_render_all"])
def test_code_with_the_same_signs_is_no_pair(text: str) -> None:
    assert found(text) == []
