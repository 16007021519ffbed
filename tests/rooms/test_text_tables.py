"""Values in tables, by the head of their column, and addresses of machines where logs and commands have them."""

from __future__ import annotations

import pytest

from lizi.text import recognise


def found(text: str) -> list[str]:
    return [text[one.start : one.end] for one in recognise(text)]


TABLES = {
    "Guest | Phone | Room\nUli | 555-0166 | 12\nPat | 555-0177 | 14": ["555-0166", "555-0177"],
    "Name;SSN;Start\nUli;219099999;May\nPat;219 09 9998;June": ["219099999", "219 09 9998"],
    "Order,Item,Amount\nK5512,Lamp,2\n90311,Desk,1": ["K5512", "90311"],
    "Order #\tDate\tTotal\n70021\t2026-11-02\t$20\n70022\t2026-11-03\t$31": ["70021", "70022"],
    "| Invoice | Due |\n| --- | --- |\n| F-90112 | May |\n| F-90113 | June |": ["F-90112", "F-90113"],
    "订单;数量\nA90117;3\nA90118;5": ["A90117", "A90118"],
}
MACHINES = [
    'client=⟦52.118.24.71⟧ status=500', "⟦10.7.2.12⟧,up,3ms", "⟦87.123.34.107⟧ - - [26/Nov/2026] GET",
    "Reply from ⟦52.115.24.71⟧: bytes=32",
    "psql -h ⟦29.186.41.56⟧ -U app", "| ⟦10.8.4.12⟧ | up |", "iptables -A INPUT -s ⟦10.4.0.16⟧ -j DROP", "listen [⟦2001:db8::9⟧]:8080",
    "refused 8c98:9d70:deb2:311b:1ce9:b3cb:962d:a82d:443".replace("8c98", "⟦8c98").replace("82d:443", "82d⟧:443"),
    "scp f user@⟦2001:db8::55⟧:/tmp", "⟦fe80::1ff:fe23:4567:890a%eth0⟧ is up", "⟦2001:db8:a::/64⟧ is ours",
]  # fmt: skip
LEFT = [
    "Set the ratio to 12.20.30.144", "Please install Node-RED 10.2.30.44", "client 10.0.2.1 fixes the crash of version 9",
    "see 3.1.4.2, then 3.1.4.3",
    "The order of 10000000 parts", "purchase of 4155550132 shares",
    "提交号 9f3ac21d4e 已合并", "镜像ID：9f3ac21d4e71", "校验码是d41d8cd98f00b204e9800998ecf8427e", "頭獎號碼 88213",
    "编号为HD 209458的恒星",
    "Order | Day\nfirst | 2026-11-02\nsecond | 2026-11-03", "Name,Score\nUli,12.5\nPat,9.5",
]  # fmt: skip


@pytest.mark.parametrize("text", TABLES)
def test_cells_below_a_head_are_found(text: str) -> None:
    assert [one for one in found(text) if any(map(str.isdigit, one))] == TABLES[text]


@pytest.mark.parametrize("marked", MACHINES)
def test_an_address_of_a_machine_is_found_whole(marked: str) -> None:
    text, value = marked.replace("⟦", "").replace("⟧", ""), marked.partition("⟦")[2].partition("⟧")[0]
    assert value in found(text)


@pytest.mark.parametrize("text", LEFT)
def test_what_only_resembles_these_stays(text: str) -> None:
    assert [one for one in found(text) if any(map(str.isdigit, one))] == []


@pytest.mark.parametrize("plate", ["湘A12345学", "京A1234警", "粤Z1234港", "苏 E 8K39L", "浙B12345", "沪AD12345"])
def test_a_plate_is_found_with_its_last_sign(plate: str) -> None:
    assert plate in found(f"{plate}停在门口")
