"""Addresses by country, in Latin letters and in Chinese ones; and what has a number or a unit and is none."""

from __future__ import annotations

import pytest

from lizi.text import recognise

WHOLE = {
    "Canada": [
        "904-12 Harbour Street, Halifax, NS B3J 1K9", "88 Osborne Street, Winnipeg, Manitoba R3L 1Y5",
        "RR 4, Site 2, Box 9, Nelson, BC V1L 5P6", "512 Rue Saint-Denis, app. 3, Montréal, QC H2J 2L1",
    ],
    "Ireland": ["4 Pembroke Terrace, Dublin 4, D04 K7X2", "Carrowmore, Sligo, F91 X2P4", "31 Patrick Street, Cork T12 W8KP"],
    "Australia": [
        "Unit 3/77 Brunswick Street, Fitzroy VIC 3065", "8/41 Marine Parade, Cottesloe WA 6011",
        "19 Pitt Street, Sydney NSW 2000",
    ],
    "Singapore": [
        "Blk 77 Marine Drive #12-345, Singapore 440077", "9 Jalan Merah Saga, Singapore 278116",
        "210 Orchard Road #05-02, Singapore 238852",
    ],
    "India": [
        "Flat 12, Shanti Niwas, 4th Cross, Jayanagar, Bengaluru 560011", "C-41, Lajpat Nagar, New Delhi - 110024",
        "H.No. 5-9-22/B, Road No. 3, Begumpet, Hyderabad 500016", "Plot 8, Sector 30, Vashi, Navi Mumbai 400703",
    ],
    "Hong Kong": ["Flat 8C, 21/F, Block 2, Taikoo Shing, Quarry Bay"],
    "mainland China": ["Room 1203, Building 5, No. 66 Zhongshan Road, Xuhui, Shanghai"],
    "Britain": ["11b Leadenhall Passage", "Flat 6, Ivy House, Mill Road, Cambridge", "Rose Cottage, Church Lane, Lavenham, CO10 9QT"],
    "France": ["14 Rue de la Paix, 75002 Paris", "7 bis Boulevard Voltaire, 75011 Paris"],
    "Germany": ["Hauptstraße 12a, 10827 Berlin", "Marienplatz 8, 80331 München"],
    "America": ["2250 Elm Hollow Road, Austin, TX 78704", "1 Market Street, San Francisco, CA 94105"],
}  # fmt: skip
NONE = [
    "It costs 12 Euros, 50 Cents.", "Route 66 is long.", "Via 5 G networks we stream.", "The score was 3, Arsenal 2.",
    "Room 5 is free.", "Unit 7 Review: fractions", "He ran 10 Km, London to Kew.", "In place 3 we have Norway.", "Model S 100, Tesla",
    "SKU A1B 2C3",
    "The ring 5 of the dance", "Version 12, Build 3045", "Apartment 5, please", "We met at 10, Monday.", "Figure 2, Section 14",
]  # fmt: skip


def addresses(text: str) -> list[str]:
    return [text[one.start : one.end] for one in recognise(text) if one.kind == "address"]


@pytest.mark.parametrize("address", [address for some in WHOLE.values() for address in some])
@pytest.mark.parametrize(
    "around", ["{}", "Send it to {}, please call first.", "Address: {}\nPhone: later", "She lives at {} and likes it."]
)
def test_an_address_is_found_whole(address: str, around: str) -> None:
    (found,) = addresses(around.format(address))
    assert len(found) >= 0.9 * len(address)
    assert address.startswith(found[:6])
    assert len(found) <= len(address) + len(", please call first."), "not the sentence behind it"


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_address_stays(text: str) -> None:
    assert addresses(text) == []


CHINESE = (
    "湖北省宜昌市长阳土家族自治县磨市镇花桥村6组 430070@武汉市洪山区珞喻路129号 合肥路35号院甲楼2门301 解放路与建设路交叉口金龙大厦1806室 "
    "桂林路12号住宅区3栋502 兰州市城关区和政东街8号 大栅栏四条17号院 农大北路家属院3-2-402 云锦名都5栋11C 中华路66号地下 人民南路9号底商 "
    "新北市板橋區文化路二段182巷3弄33號7樓之2 220新北市板橋區縣民大道二段7號 觀塘彩雲邨白鳳樓1204室 "
    "龍崗區坂田街道吉華路與五和大道交匯處創意廣場1606"
)
NO_CHINESE = (
    "修了3门课 四条建议里第2条最好 这路与那路不同 第7号门口集合 100089人参加了北京马拉松 小区1-2-3月的账 红旗小区很大 和平路很长"
)


@pytest.mark.parametrize("address", [one.replace("@", " ") for one in CHINESE.split()])
@pytest.mark.parametrize("around", ["{}", "麻烦送到{}，谢谢", "地址：{}\n电话另发", "他住在{}，离这儿不远"])
def test_a_chinese_address_is_found_whole(address: str, around: str) -> None:
    text = around.format(address)
    found = [one for one in recognise(text) if one.kind == "address"]
    assert found, text
    start, end = text.index(address), text.index(address) + len(address)
    assert sum(max(0, min(end, one.end) - max(start, one.start)) for one in found) >= 0.9 * len(address)
    assert all(start <= one.start and one.end <= end for one in found), "and nothing beside it"


@pytest.mark.parametrize("text", NO_CHINESE.split())
def test_units_without_a_place_are_no_address(text: str) -> None:
    assert addresses(text) == []


def test_a_postcode_in_front_is_hidden_with_its_address_and_nothing_of_it_is_kept() -> None:
    (found,) = recognise("430070 武汉市洪山区珞喻路129号")
    assert (found.start, found.keep) == (0, 0)
    (found,) = recognise("武汉市洪山区珞喻路129号")
    assert found.keep == len("武汉市")
