"""Made-up names and addresses of five regions, put together by a random source that the caller hands in."""

from __future__ import annotations

import string
from random import Random
from typing import Any


class People:
    """Names and addresses. A value comes as text alone, or as (text, form, shape) where it is not written plainly."""

    def __init__(self, rng: Random, tables: dict[str, Any]) -> None:
        self.rng = rng
        self.tables = tables

    def digits(self, count: int) -> str:
        return "".join(self.rng.choice(string.digits) for _ in range(count))

    def number(self, count: int) -> str:
        return self.rng.choice("123456789") + self.digits(count - 1)

    def among(self, alphabet: str, count: int) -> str:
        return "".join(self.rng.choice(alphabet) for _ in range(count))

    def person(self, variant: str, region: str) -> tuple[str, str, str] | str:
        if region in {"us", "uk"}:
            return self.english_person(variant)
        names = self.tables["names"]["zh-Hans" if region == "cn" else region]
        roll = self.rng.random()
        if variant == "" and names["other"] and roll < 0.03:
            return str(self.rng.choice(names["other"]))
        surname = self.rng.choice(names["compound"]) if roll > 0.94 else self.rng.choice(names["rare"] if roll > 0.84 else names["common"])
        if variant == "nickname":
            surname = self.rng.choice(names["common"])
        if variant == "titled":
            return f"{surname}{self.rng.choice(names['titles'])}", "titled", ""
        roll = self.rng.random()
        given = self.rng.choice(names["given_two"])
        if variant == "given":
            return given, "given_only", ""
        if variant == "nickname":
            prefix = self.rng.choice({"cn": ["小", "老"], "tw": ["小", "阿"], "hk": ["阿"]}[region])
            return prefix + (surname if region == "cn" else given[-1]), "nickname", ""
        if roll < 0.18:
            given = self.rng.choice(names["given_one"])
        elif roll < 0.28:
            given = self.rng.choice(names["given_rare"])
        elif roll < 0.45:
            given = self.rng.choice(names["given_one"]) + self.rng.choice(names["given_rare"])
        if len(surname) == 1 and region == "cn" and roll > 0.97:
            return f"{surname} {given}", "spaced", ""
        return f"{surname}{given}"

    def english_person(self, variant: str) -> tuple[str, str, str] | str:
        names = self.tables["names"]["en"]
        first, last = self.rng.choice(names["first"]), self.rng.choice(names["last"])
        if variant == "given":
            return first, "given_only", ""
        if variant == "titled":
            return last, "surname_only", ""
        if variant == "listed":
            return f"{last}, {first}", "surname_first", ""
        if variant == "upper":
            return f"{first} {last}".upper(), "upper", ""
        roll = self.rng.random()
        if roll < 0.10:
            return f"{first} {self.rng.choice('ABCDEGHJKLMRST')}. {last}"
        if roll < 0.15:
            return f"{first[0]}. {last}", "initial", ""
        return f"{first} {last}"

    def address(self, variant: str, region: str) -> str:
        makers = {"cn": self.cn_address, "tw": self.tw_address, "hk": self.hk_address, "us": self.us_address, "uk": self.uk_address}
        return makers[region]()

    def cn_address(self) -> str:
        places, pick, roll = self.tables["places"]["cn"], self.rng.choice, self.rng.random()
        province, city, district = pick(places["rows"])[:3]
        head = self.rng.choices([province + city + district, city + district, district, city.removesuffix("市") + district], [4, 4, 2, 2])[
            0
        ]
        road, number = pick(places["roads"]), self.rng.randint(1, 699)
        block, floor, door = self.rng.randint(1, 28), self.rng.randint(1, 26), self.rng.randint(1, 4)
        room = f"{floor}{door:02d}"
        if roll < 0.30:
            home = pick(places["estates"]) + str(block) + pick(["栋", "幢", "号楼"]) + pick(["", f"{door}单元"])
            return f"{head}{road}{number}号{home}{room}{pick(['室', ''])}"
        if roll < 0.50:
            tower = pick(places["towers"]) + pick(["A座", "B座", "", "3号楼"])
            return f"{head}{road}{number}号{tower}{pick([f'{floor}层', f'{room}室', room])}"
        if roll < 0.62:
            return f"{head}{pick(places['towns'])}{pick(places['villages'])}{pick([f'{block}组', ''])}{number}号"
        if roll < 0.74:
            return f"{head}{road}{number}弄{block}号{room}室"
        if roll < 0.84:
            return f"{head}{pick(places['estates'])}{block}-{door}-{room}"
        if roll < 0.92:
            return f"{head}{road}{number}号"
        return f"{road}{number}号{pick(['', '院'])}{block}号楼{room}"

    def tw_address(self) -> str:
        places, pick, roll = self.tables["places"]["tw"], self.rng.choice, self.rng.random()
        city, district = pick(places["rows"])
        number, floor = self.rng.randint(1, 480), self.rng.randint(2, 15)
        lane = pick(["", f"{self.rng.randint(2, 320)}巷", f"{self.rng.randint(2, 320)}巷{self.rng.randint(2, 40)}弄"])
        head = pick(["", "", f"{self.number(3)} "]) + city + district if roll < 0.85 else district
        return f"{head}{pick(places['roads'])}{lane}{number}號{pick(['', f'{floor}樓', f'{floor}樓之{floor % 5 + 1}', f' {floor}F'])}"

    def hk_address(self) -> str:
        places, pick, roll = self.tables["places"]["hk"], self.rng.choice, self.rng.random()
        area, district = pick(places["rows"])
        floor, number, flat = self.rng.randint(1, 38), self.rng.randint(1, 780), pick("ABCDEFGH")
        if roll < 0.4:
            return (
                f"{pick([area, ''])}{district}{pick(places['roads'])}{number}號{pick(places['towers'])}{floor}樓{pick([f'{flat}室', ''])}"
            )
        if roll < 0.8:
            return f"{pick([area, ''])}{district}{pick(places['estates'])}{self.rng.randint(1, 40)}座{floor}樓{flat}室"
        return f"{district}{pick(places['roads'])}{number}號地下"

    def us_address(self) -> str:
        places, pick, roll = self.tables["places"]["us"], self.rng.choice, self.rng.random()
        city, state, code = pick(places["rows"])
        street = f"{self.rng.randint(3, 9800)} {pick(places['roads'])}"
        unit = pick(["", f", {pick(places['units'])}", f" {pick(places['units'])}"])
        if roll < 0.2:
            return street + unit
        if roll < 0.35:
            return f"{street}{unit}, {city}"
        return f"{street}{unit}, {city}, {state} {code}" + (f"-{self.number(4)}" if roll > 0.93 else "")

    def uk_address(self) -> str:
        places, pick, roll = self.tables["places"]["uk"], self.rng.choice, self.rng.random()
        town, code = pick(places["rows"])
        street = f"{pick(['', pick(places['units']) + ', '])}{self.rng.randint(1, 260)} {pick(places['roads'])}"
        return street if roll < 0.15 else f"{street}, {town} {code}" if roll < 0.7 else f"{street}, {town}, {code}"
