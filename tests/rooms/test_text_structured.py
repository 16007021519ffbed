"""Recognisers with a form, a checksum or a word beside them: what they must find, under disguise too, and what they must leave."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lizi.text import ALL, recognise
from lizi.text.checks import iban, luhn, postal_item, resident_id, taiwan_id, uscc
from lizi.text.cues import ENGLISH, RULES

STRUCTURED = ALL - {"person", "address"}


def marked(text: str) -> tuple[str, list[str]]:
    """`a⟦b⟧c` → the text without the marks, and the parts between them."""
    parts = text.replace("⟦", "\x00").replace("⟧", "\x00").split("\x00")
    return "".join(parts), parts[1::2]


def found(text: str, kinds: frozenset[str] = STRUCTURED) -> list[tuple[str, str]]:
    return [(text[one.start : one.end], one.kind) for one in recognise(text, kinds)]


TRUE = [
    # resident IDs of the mainland, Hong Kong and Taiwan
    ("resident_id", "身份证号⟦11010519491231002X⟧，请核对"),
    ("resident_id", "⟦11010519491231002x⟧是我的身份证"),
    ("resident_id", "身份证：⟦110105 19491231 002X⟧"),
    ("resident_id", "我的证件号码是⟦310115199005120882⟧"),  # its check digit is wrong: the word says what it is
    ("resident_id", "旧身份证号⟦110105491231002⟧"),
    ("resident_id", "香港身份證⟦A123456(3)⟧"),
    ("resident_id", "身份證字號⟦A123456789⟧"),
    # phones
    ("phone", "我的手机号是⟦13800138000⟧，打给我"),
    ("phone", "电话⟦138-0013-8000⟧"),
    ("phone", "打⟦138 0013 8000⟧找我"),
    ("phone", "⟦+86 138 0013 8000⟧"),
    ("phone", "⟦8613800138000⟧"),
    ("phone", "座机⟦010-88776655转123⟧"),
    ("phone", "⟦(0571)88776655⟧"),
    ("phone", "客服⟦400-820-8820⟧"),
    ("phone", "手機⟦0912-345-678⟧"),
    ("phone", "市話⟦(02) 2345-6789⟧"),
    ("phone", "⟦+852 9123 4567⟧"),
    ("phone", "香港電話⟦2345 6789⟧"),
    ("phone", "Call ⟦(212) 555-0147⟧ now"),
    ("phone", "reach me at ⟦+1-415-555-0182⟧."),
    ("phone", "mobile ⟦6465550199⟧"),
    ("phone", "office ⟦305-555-0100 ext. 22⟧"),
    ("phone", "⟦07700 900123⟧"),
    ("phone", "⟦+44 20 7946 0958⟧"),
    # cards
    ("bank_card", "卡⟦4111111111111111⟧"),
    ("bank_card", "⟦4111 1111 1111 1111⟧"),
    ("bank_card", "银行卡⟦6228480012345678901⟧"),  # Luhn fails
    ("bank_card", "account no. ⟦4716-3829-5510-2271⟧"),
    ("bank_card", "Amex ⟦378282246310005⟧"),
    # vehicles, passports, permits, companies
    ("plate", "车牌⟦京A12345⟧"),
    ("plate", "停着⟦沪AD12345⟧和别的车"),
    ("plate", "⟦粤Z1234港⟧过关"),
    ("plate", "車牌號碼：⟦ABC-1234⟧"),
    ("passport", "护照号⟦E12345678⟧"),
    ("passport", "⟦EA1234567⟧是他的护照"),
    ("passport", "passport number: ⟦533380006⟧"),
    ("permit", "港澳通行证⟦C12345678⟧"),
    ("permit", "回乡证⟦H1234567800⟧"),
    ("permit", "台胞证号：⟦12345678⟧"),
    ("uscc", "统一社会信用代码⟦91350100M000100Y43⟧"),
    ("uscc", "税号：⟦110105123456789⟧"),
    # machines and places
    ("email", "邮箱⟦ruoxi.lin@example.com⟧谢谢"),
    ("email", "写信到⟦a@b.cn⟧"),
    ("email", "⟦john [at] example [dot] com⟧"),
    ("email", "⟦zhang艾特example.com⟧"),
    ("ip_address", "服务器⟦10.0.0.1⟧:8080"),
    ("ip_address", "登录IP：⟦1.2.3.4⟧"),
    ("ip_address", "from ⟦203.0.113.77⟧"),
    ("ip_address", "⟦2001:db8:85a3::8a2e:370:7334⟧"),
    ("imei", "IMEI⟦490154203237518⟧"),
    ("mac_address", "网卡⟦00:1A:2B:3C:4D:5E⟧"),
    ("mac_address", "⟦00-1a-2b-3c-4d-5e⟧"),
    ("coordinates", "坐标⟦31.2304,121.4737⟧"),
    ("coordinates", "⟦31°14′22″N⟧"),
    ("coordinates", "⟦北纬39.9042⟧"),
    ("iban", "⟦GB82 WEST 1234 5698 7654 32⟧"),
    ("iban", "IBAN ⟦DE89370400440532013000⟧"),
    ("ssn", "SSN ⟦536-22-1234⟧"),
    ("ssn", "social security number ⟦536221234⟧"),
    # secrets
    ("secret", "key ⟦sk-" + "proj-abcdefghijklmnop1234567890⟧"),
    ("secret", "⟦sk-ant-api03-abcdefghijklmnopqrstuvwx⟧"),
    ("secret", "⟦AK" + "IAIOSFODNN7EXAMPLE⟧"),
    ("secret", "aws_secret_access_key=⟦wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY⟧"),
    ("secret", "⟦ghp_abcdefghijklmnopqrstuvwxyz1234567890⟧"),
    ("secret", "⟦github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz⟧"),
    ("secret", "⟦glpat-abcdefghij1234567890⟧"),
    ("secret", "⟦xoxb-123456789012-abcdefghijkl⟧"),
    ("secret", "⟦AIzaSyA1234567890abcdefghijklmnopqrstuv⟧"),
    ("secret", "⟦" + "sk_" + "live_abcdefghijklmnop123456⟧"),
    ("secret", "⟦npm_abcdefghijklmnopqrstuvwxyz0123456789⟧"),
    ("secret", "⟦hf_abcdefghijklmnopqrstuvwxyz⟧"),
    ("secret", "阿里云⟦LTAI5tAbCdEfGhIjKlMnOpQr⟧"),
    ("secret", "腾讯云⟦AKIDabcdefghijklmnop1234567890abcdef⟧"),
    ("secret", "Authorization: Bearer ⟦abcdefghijklmnop123456⟧"),
    ("secret", "⟦eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N⟧"),
    ("secret", "postgres://admin:⟦p@ssw0rd⟧@db.internal:5432/x"),
    ("secret", "密码：⟦Abc123!⟧"),
    ("secret", "我的密码是⟦qwerty99⟧"),
    ("secret", "password: ⟦hunter2⟧"),
    ("secret", "口令 ⟦open5esame⟧"),
    ("secret", "password: ⟦admin⟧"),
    ("secret", "密码：⟦music⟧"),
    ("account", "账号：⟦admin⟧"),
    ("secret", "验证码 ⟦845123⟧，5分钟内有效"),
    ("secret", "⟦845123⟧是您的验证码"),
    ("secret", "⟦123456⟧ is your verification code"),
    # accounts and orders
    ("account", "QQ号⟦12345678⟧"),
    ("account", "加我微信 ⟦zhang_san88⟧"),
    ("account", "微信号：⟦wxid_abc123⟧"),
    ("account", "会员号 ⟦88001234⟧"),
    ("account", "学号⟦2021123456⟧"),
    ("account", "工号：⟦A10234⟧"),
    ("account", "病历号：⟦MZ20231108⟧"),
    ("account", "My user name is ⟦johnny99⟧"),
    ("account", "routing ⟦021000021⟧"),
    ("account", "member ID: ⟦M-4471-22⟧"),
    ("order", "订单号：⟦2024010512345678⟧"),
    ("order", "快递单号⟦SF1234567890123⟧"),
    ("order", "發票號碼 ⟦AB-12345678⟧"),
    ("order", "Order #⟦A-10023-55⟧"),
    ("order", "tracking number ⟦1Z999AA10123456784⟧"),
]

LEFT_ALONE = [
    "iPhone 15 Pro Max 售价9999元",
    "会议时间：2024-01-05 14:30:00，共3人",
    "版本号1.2.3.4，升级到10.0.19041.1",
    "Python 3.11.7 released; use v2.10.3",
    "ISBN 978-7-111-12345-6",
    "圆周率约为3.14159265358979",
    "人口1411778724人",
    "MD5 5f4dcc3b5aa765d61d8327deb882cf99",
    "UUID 550e8400-e29b-41d4-a716-446655440000",
    "commit 3f2a9c1e8b7d6f5a4e3d2c1b0a9f8e7d6c5b4a39",
    "http://127.0.0.1:8080/health 和 255.255.255.0",
    "std::vector<int>::iterator",
    "总额1,234,567.89元，比分3:2",
    "12345678901和11111111111",
    "11010519491231002A",  # no check character
    "编号110105194912310021",  # the wrong check digit, and no word for an identity card
    "6222021234567890124",  # Luhn fails and nothing says that it is a card
    "1234567890123456",
    "型号XJ-900-1234，邮编100000",
    "Error code: 0x80070005",
    "RFC 9180 section 5.1.3.2",
    "密码长度不少于8位，账号已锁定",
    "密码学是研究加密的学科",
    "微信支付和支付宝都可以，订单已发货，快递三天内到达",
    "Your password must be at least 8 characters.",
    "password: str, token: string",
    "The order of 12345 items; user name is required",
    "The account is closed. Room 1203 on floor 12",
    "一二三四，二〇二四年",
    "价格13800138000.50元",
    "0.13800138000123",
    "138001380001380013800013800138000",
]


@pytest.mark.parametrize(("kind", "example"), TRUE)
def test_it_finds_what_the_form_or_the_word_says(kind: str, example: str) -> None:
    text, values = marked(example)
    assert found(text) == [(value, kind) for value in values]


@pytest.mark.parametrize(("kind", "example"), TRUE)
def test_it_finds_it_between_chinese_characters_and_marks(kind: str, example: str) -> None:
    text, values = marked(example)
    for around in ("好的{}吧", "“{}”", "\n{}\n", "（{}）", "😀{}😀", "他说：{}。"):
        assert set(values) <= {value for value, _ in found(around.format(text))}, around


@pytest.mark.parametrize(("kind", "example"), TRUE)
def test_it_finds_it_in_a_json_text(kind: str, example: str) -> None:
    text, values = marked(example)
    document = json.dumps({"message": text, "n": 1}, ensure_ascii=False)
    assert {kind} <= {one.kind for one in recognise(document, STRUCTURED)}
    assert set(values) <= {value for value, _ in found(document)}


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_it_leaves_what_only_looks_alike(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("label", "kind"),
    [("order_no", "order"), ("orderId", "order"), ("tracking-number", "order"), ("user_name", "account"), ("memberId", "account")],
)
def test_a_label_of_json_explains_its_value(label: str, kind: str) -> None:
    assert found(json.dumps({label: "ab12345678"})) == [("ab12345678", kind)]


CARD = "1234 5678 9012 3456"
VALUES = (
    *("ab12345678", "12345678", "AB12 3456", "123456789", "123456789012345", CARD, "GB29NWBK60161331926819", "ABC-1234", "40-12-93"),
    "9aB8cD7eF6gH5iJ4",
)


@pytest.mark.parametrize("joint", ["", " ", "_", "-"])
def test_every_english_label_is_known_with_every_joint(joint: str) -> None:
    for word, rule in ENGLISH.items():
        label = word.replace("~", joint)
        kind, form = RULES[rule]
        if rule == "prefixed":
            label = label.upper()
            assert found(f"{label}-123456") == [(f"{label}-123456", "order")]
            continue
        label = "LINE" if word == "line" else label
        owner = "my " if word in ("code", "id") else "locker " if rule == "generic" else ""
        for value in VALUES:
            if form.fullmatch(value) and found(f"{owner}{label}: {value}", frozenset({kind})) == [(value, kind)]:
                break
        else:
            raise AssertionError(f"{label} explains no value")


TABLES = [
    ("| 姓名 | 学号 | 成绩 |\n|---|---|---|\n| 李雷 | 20210931 | 88 |\n| 韩梅 | 20210932 | 91 |", "account", ["20210931", "20210932"]),
    ("姓名,工号,部门\n王芳,00918,财务", "account", ["00918"]),
    ("name\tmember no\tsum\nkim\tHY331927\t20", "account", ["HY331927"]),
    ("Order No  Amount\nA-10023-55  12.50\nA-10024-56  9.00", "order", ["A-10023-55", "A-10024-56"]),
    ("user,password\nkim,hunter2", "secret", ["hunter2"]),
    ("| Order | Date |\n| pizza | 2024-01-05 |", "order", []),
    ("order number, then\nname, 12345678", "order", []),
]


@pytest.mark.parametrize(("table", "kind", "values"), TABLES)
def test_the_head_of_a_column_explains_the_cells_below_it(table: str, kind: str, values: list[str]) -> None:
    assert found(table) == [(value, kind) for value in values]


DISGUISES = {
    "full width": "１３８００１３８０００",
    "circled": "①③⑧⓪⓪①③⑧⓪⓪⓪",
    "spoken": "一三八零零一三八零零零",
    "written": "壹叁捌零零壹叁捌〇〇〇",
    "mixed": "1三8零0一3八零00",
    "blanks": "1 3 8 0 0 1 3 8 0 0 0",
    "zero width": "138\u200b0013\u200d8000",
    "keycaps": "1\ufe0f\u20e33\ufe0f\u20e38\ufe0f\u20e30\ufe0f\u20e30\ufe0f\u20e313800\ufe0f\u20e30",
    "mathematical": "𝟏𝟑𝟖𝟎𝟎𝟏𝟑𝟖𝟎𝟎𝟎",
    "dashes": "138–0013–8000",
    "no-break": "138\u00a00013\u00a08000",
    "letters before": "Tel13800138000",
}


@pytest.mark.parametrize("written", DISGUISES.values(), ids=DISGUISES)
def test_a_disguised_number_is_found_where_it_stands(written: str) -> None:
    text = f"请打{written}谢谢"
    (one,) = recognise(text, STRUCTURED)
    assert one.kind == "phone"
    assert text[one.start : one.end] == written.removeprefix("Tel")


def test_disguised_mail_and_identity_are_found() -> None:
    assert found("写到ｚｈａｎｇ＠ｅｘａｍｐｌｅ．ｃｏｍ") == [("ｚｈａｎｇ＠ｅｘａｍｐｌｅ．ｃｏｍ", "email")]
    assert found("证件一一零一零五一九四九一二三一零零二X") == [("一一零一零五一九四九一二三一零零二X", "resident_id")]


def test_two_numbers_with_a_blank_between_are_two() -> None:
    assert found("13800138000 13900139000") == [("13800138000", "phone"), ("13900139000", "phone")]
    assert found("2024-01-05 13800138000") == [("13800138000", "phone")]


def test_a_key_is_one_finding_however_long() -> None:
    block = "-----BEGIN" + " RSA PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEA" * 200 + "\n-----END RSA PRIVATE KEY-----"
    token = "eyJ" + "a" * 3000 + "." + "b" * 3000 + "." + "c" * 300
    text = f"前{block}中{token}后，电话13800138000"
    assert found(text) == [(block, "secret"), (token, "secret"), ("13800138000", "phone")]


def test_only_the_kinds_asked_for_are_reported() -> None:
    text = "电话13800138000，邮箱a@b.cn"
    assert found(text, frozenset({"email"})) == [("a@b.cn", "email")]
    assert found(text, frozenset()) == []


def test_the_checks_know_published_examples() -> None:
    assert resident_id("11010519491231002X")  # GB 11643-1999's own
    assert not resident_id("110105194912310021")
    assert not resident_id("11010519490231002X")  # 31 February
    assert luhn("79927398713")
    assert not luhn("79927398710")
    assert uscc("91350100M000100Y43")  # GB 32100-2015's own
    assert not uscc("91350100M000100Y44")
    assert iban("GB82WEST12345698765432")
    assert not iban("GB82WEST12345698765431")
    assert taiwan_id("A123456789")
    assert not taiwan_id("A123456788")
    assert postal_item("RB123456785GB")
    assert not postal_item("RB123456784GB")


MEDICAL = {"冠心病", "2型糖尿病", "epilepsy", "hypertension", "high cholesterol"}
"""What the published cases count as personal and no recogniser of forms can know."""


@pytest.mark.shared
def test_everything_but_illnesses_is_found_in_the_published_cases(shared: Callable[[str], Path]) -> None:
    cases = json.loads(shared("vectors/pii/prvl_cases.json").read_text(encoding="utf-8"))
    left = []
    for case in cases:
        text = case["text"]
        covered = {place for one in recognise(text) for place in range(one.start, one.end)}
        for value in case["pii"]:
            start = text.index(value)
            if not covered.issuperset(range(start, start + len(value))):
                left.append(value)
    assert len(cases) == 20
    assert set(left) == MEDICAL
