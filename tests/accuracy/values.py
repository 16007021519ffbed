"""Made-up values of each kind, with right check digits, from a random source that the caller hands in. Reads no file, no clock."""

from __future__ import annotations

import base64
import string
from datetime import date, timedelta

from accuracy.check_digits import (
    TAIWAN_LETTERS,
    USCC_CHARACTERS,
    hongkong_digit,
    iban_digits,
    luhn_digit,
    organisation_digit,
    resident_digit,
    taiwan_digit,
    uscc_digit,
)
from accuracy.people import People

KINDS = (
    "resident_id", "phone", "bank_card", "plate", "passport", "permit", "uscc", "address", "person", "email",
    "ip_address", "imei", "mac_address", "coordinates", "iban", "ssn", "secret", "account", "order",
)  # fmt: skip

FULLWIDTH = str.maketrans("0123456789X", "０１２３４５６７８９Ｘ")
CHINESE = str.maketrans("0123456789", "〇一二三四五六七八九")
SPOKEN = str.maketrans("0123456789", "零幺二三四五六七八九")
ZERO_WIDTH = "\u200b\u200c\u2060"

DISGUISES = {
    "zh-Hans": ("fullwidth", "spaced", "dashed", "chinese_digits", "spoken_digits", "zero_width"),
    "zh-Hant": ("fullwidth", "spaced", "dashed", "zero_width"),
    "en": ("spaced", "dashed", "zero_width"),
}
DISGUISED_KINDS = {"resident_id", "bank_card", "account"}
DISGUISED_PHONES = {"mobile", "tw_mobile", "hk"}


class Values(People):
    """Makes one value after another. The same random source and tables give the same values; nothing else is read."""

    def make(self, kind: str, variant: str, region: str, language: str, disguise: bool) -> tuple[str, str]:
        """A value as (text, form). `variant` is the part after the colon of a slot, `region` says whose format is meant."""
        made = getattr(self, kind)(variant, region)
        text, form, shape = made if isinstance(made, tuple) else (made, "plain", "")
        allowed = kind in DISGUISED_KINDS or (kind == "phone" and shape in DISGUISED_PHONES)
        if disguise and allowed and form == "plain" and text.replace("X", "").isdigit() and self.rng.random() < 0.33:
            form = self.rng.choice(DISGUISES[language])
            text = self.disguised(text, form, kind)
        if kind == "email" and disguise and self.rng.random() < 0.09:
            return text.replace("@", self.rng.choice([" [at] ", "(at)", " # "])), "at_words"
        return text, form

    def disguised(self, text: str, form: str, kind: str) -> str:
        if form in {"spaced", "dashed"}:
            mark = " " if form == "spaced" else "-"
            cuts = {"resident_id": (6, 14), "bank_card": range(4, len(text), 4)}.get(kind, (3, 7) if len(text) == 11 else (4,))
            return "".join(mark + char if place in cuts else char for place, char in enumerate(text))
        if form == "zero_width":
            places = set(self.rng.sample(range(1, len(text)), 2))
            return "".join(self.rng.choice(ZERO_WIDTH) + char if place in places else char for place, char in enumerate(text))
        return text.translate({"fullwidth": FULLWIDTH, "chinese_digits": CHINESE, "spoken_digits": SPOKEN}[form])

    def day(self, first: date = date(1948, 1, 1), last: date = date(2019, 12, 31)) -> date:
        return first + timedelta(days=self.rng.randrange((last - first).days))

    # --- state and bank numbers ---

    def resident_id(self, variant: str, region: str) -> str:
        row = self.rng.choice(self.tables["places"]["cn"]["rows"])
        born = self.day(date(row[4] if len(row) > 4 else 1948, 1, 1))
        body = f"{row[3]}{born:%Y%m%d}{self.digits(3)}"
        text = body + resident_digit(body)
        return text.replace("X", "x") if self.rng.random() < 0.3 else text

    def bank_card(self, variant: str, region: str) -> tuple[str, str, str] | str:
        chinese = [(prefix, 19) for prefix in ("622202", "621700", "622848", "621226")] + [
            (prefix, 16) for prefix in ("622588", "625912", "436742", "552245")
        ]
        american = [("4147", 16), ("4532", 16), ("5424", 16), ("5112", 16), ("3782", 15), ("3715", 15), ("6011", 16)]
        prefix, length = self.rng.choice(chinese if region == "cn" else american)
        body = prefix + self.digits(length - len(prefix) - 1)
        text = body + luhn_digit(body)
        if region in {"us", "uk"} and self.rng.random() < 0.35:
            cuts = (4, 10) if length == 15 else (4, 8, 12)
            return "".join(" " + char if place in cuts else char for place, char in enumerate(text)), "spaced", ""
        return text

    def iban(self, variant: str, region: str) -> tuple[str, str, str] | str:
        shapes = {"DE": "n18", "FR": "n23", "GB": "a4n14", "NL": "a4n10", "CH": "n17", "AT": "n16", "IE": "a4n14"}
        country = self.rng.choice(["GB", "GB", "IE", "DE"] if region == "uk" else sorted(shapes))
        shape = shapes[country]
        bban = (self.among("ABCDLNRST", 4) if shape[0] == "a" else "") + self.digits(int(shape.rpartition("n")[2]))
        text = country + iban_digits(country, bban) + bban
        if self.rng.random() < 0.6:
            return " ".join(text[place : place + 4] for place in range(0, len(text), 4)), "spaced", ""
        return text

    def ssn(self, variant: str, region: str) -> tuple[str, str, str] | str:
        area = self.rng.choice([number for number in range(1, 900) if number != 666])
        parts = f"{area:03d}", f"{self.rng.randint(1, 99):02d}", f"{self.rng.randint(1, 9999):04d}"
        roll = self.rng.random()
        if roll < 0.10:
            return " ".join(parts), "spaced", ""
        if roll < 0.20:
            return "".join(parts), "bare", ""
        return "-".join(parts)

    def uscc(self, variant: str, region: str) -> str:
        organisation = "MA" + self.among(string.digits, 2) + self.among(USCC_CHARACTERS, 4)
        if self.rng.random() < 0.5:
            organisation = self.digits(8)
        ninth = organisation_digit(organisation)
        area = str(self.rng.choice(self.tables["places"]["cn"]["rows"])[3])
        body = self.rng.choice(["91", "91", "92", "93", "12", "52"]) + area + organisation + ninth
        return body + uscc_digit(body)

    def passport(self, variant: str, region: str) -> str:
        if region == "cn":
            return "E" + (self.rng.choice("ABCDEFGHJKLM") + self.digits(7) if self.rng.random() < 0.5 else self.digits(8))
        if region == "hk":
            return self.rng.choice(["H", "K"]) + self.digits(8)
        return self.rng.choice("ABXYZ") + self.digits(8) if region == "us" else self.number(9)

    def permit(self, variant: str, region: str) -> tuple[str, str, str] | str:
        which = variant or {"tw": "taiwan_id", "hk": "hongkong_id"}[region]
        if which == "taiwan_id":
            body = self.rng.choice(TAIWAN_LETTERS[:22]) + self.rng.choice("12") + self.digits(7)
            return body + taiwan_digit(body)
        if which == "hongkong_id":
            body = self.rng.choice(["A", "C", "D", "G", "K", "P", "R", "Y", "Z", "WX", "EC"]) + self.digits(6)
            check = hongkong_digit(body)
            return f"{body}({check})" if self.rng.random() < 0.8 else body + check
        if which == "to_hongkong":
            return "C" + (self.rng.choice("ABCDEFGH") + self.digits(7) if self.rng.random() < 0.6 else self.digits(8))
        if which == "to_taiwan":
            return "L" + self.digits(8)
        if which == "home_return":
            return self.rng.choice("HM") + self.digits(self.rng.choice([8, 8, 10]))
        if which == "taiwan_compatriot":
            return self.number(8)
        return self.rng.choice([f"军字第{self.number(7)}号", f"南字第{self.number(8)}号"])

    def plate(self, variant: str, region: str) -> str:
        letters, pick = "ABCDEFGHJKLMNPQRSTUVWXYZ", self.rng.choice
        if region == "cn":
            head = pick("京津沪渝冀豫云辽黑湘皖鲁苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼新") + pick("ABCDEFGH")
            roll = self.rng.random()
            if roll < 0.3:
                return head + pick(["", "", "·"]) + pick("DF") + pick(letters + "0123456789") + self.digits(4)
            if roll < 0.36:
                return head + self.among(string.digits, 4) + pick("学挂")
            return (
                head + pick(["", "", "·", " "]) + self.number(2) + pick(letters) + self.digits(2)
                if roll < 0.6
                else head + pick(letters) + self.digits(4)
            )
        if region == "tw":
            return self.among("ABCDEFGHJKLMNPQRSTUVWXYZ", 3) + "-" + self.number(4)
        if region == "hk":
            return self.among("ABCDEFGHJKLMNPRSTUVWXYZ", 2) + " " + self.number(pick([3, 4]))
        if region == "uk":
            return self.among("ABDEGHKLMNPSY", 2) + pick(["19", "21", "23", "68", "72", "74"]) + " " + self.among(letters, 3)
        return pick([self.rng.choice("56789") + self.among(letters, 3) + self.digits(3), self.among(letters, 3) + "-" + self.number(4)])

    # --- reaching people ---

    def phone(self, variant: str, region: str) -> tuple[str, str, str]:
        which = (
            variant
            or self.rng.choices(
                *{
                    "cn": (["mobile", "landline", "cn_country"], [84, 10, 6]),
                    "tw": (["tw_mobile", "tw_landline", "tw_country"], [6, 3, 1]),
                    "hk": (["hk", "hk_country"], [3, 1]),
                    "us": (["us", "international"], [9, 1]),
                    "uk": (["uk"], [1]),
                }[region]
            )[0]
        )
        return self.phone_text(which), "plain", which

    def phone_text(self, which: str) -> str:
        pick = self.rng.choice
        prefixes = [
            "130",
            "131",
            "133",
            "135",
            "136",
            "137",
            "138",
            "139",
            "150",
            "151",
            "158",
            "166",
            "172",
            "177",
            "180",
            "186",
            "189",
            "191",
            "198",
            "199",
        ]
        mobile = pick(prefixes) + self.digits(8)
        if which == "mobile":
            return mobile
        if which == "landline":
            area = pick(["010", "021", "028", "0571", "0755", "0531", "029", "0898", "0991"])
            local = pick("2345678") + self.digits(7)
            return pick([f"{area}-{local}", f"({area}){local}", f"{area}{local}", f"{area}-{local}-{self.number(3)}", f"{area} {local}"])
        if which == "four_hundred":
            return pick([f"400-{self.number(3)}-{self.digits(4)}", f"400{self.number(7)}", f"400 {self.number(4)} {self.digits(3)}"])
        if which == "cn_country":
            return pick(
                [f"+86 {mobile}", f"+86-{mobile}", f"+86{mobile}", f"0086 {mobile}", f"+86 {mobile[:3]} {mobile[3:7]} {mobile[7:]}"]
            )
        if which == "tw_mobile":
            digits = self.digits(8)
            return pick(
                [
                    f"09{digits}",
                    f"09{digits[:2]}-{digits[2:5]}-{digits[5:]}",
                    f"09{digits[:2]} {digits[2:5]} {digits[5:]}",
                    f"09{digits[:2]}-{digits[2:]}",
                ]
            )
        if which == "tw_landline":
            return pick(
                [
                    f"(02){self.number(4)}-{self.digits(4)}",
                    f"02-{self.number(8)}",
                    f"04-{self.number(8)}",
                    f"(07) {self.number(3)}-{self.digits(4)} 轉 {self.number(3)}",
                ]
            )
        if which == "tw_country":
            return f"+886-9{self.digits(2)}-{self.digits(3)}-{self.digits(3)}"
        if which in {"hk", "hk_country"}:
            local = pick("23569") + self.number(3) + pick(["", " "]) + self.digits(4)
            return local if which == "hk" else pick(["+852 ", "+852-", "852 "]) + local
        if which == "uk":
            return pick(
                [
                    f"07{self.number(3)} {self.digits(6)}",
                    f"07{self.number(9)}",
                    f"020 7{self.digits(3)} {self.digits(4)}",
                    f"+44 7{self.number(3)} {self.digits(6)}",
                    f"(0161) 496 0{self.digits(3)}",
                    f"+44 (0)20 7946 0{self.digits(3)}",
                ]
            )
        if which == "international":
            return pick(
                [
                    f"+49 30 {self.number(8)}",
                    f"+33 6 {self.digits(2)} {self.digits(2)} {self.digits(2)} {self.digits(2)}",
                    f"+91 9{self.digits(4)} {self.digits(5)}",
                    f"+65 9{self.digits(3)} {self.digits(4)}",
                    f"+81-90-{self.number(4)}-{self.digits(4)}",
                    f"+61 4{self.digits(2)} {self.digits(3)} {self.digits(3)}",
                ]
            )
        area, middle, tail = (
            pick(["212", "415", "305", "503", "617", "312", "646", "206"]),
            pick("23456789") + self.digits(2),
            self.digits(4),
        )
        return pick(
            [
                f"({area}) {middle}-{tail}",
                f"{area}-{middle}-{tail}",
                f"{area}.{middle}.{tail}",
                f"+1-{area}-{middle}-{tail}",
                f"+1 {area} {middle} {tail}",
                f"{area}{middle}{tail}",
                f"({area}) {middle}-{tail} ext. {self.number(2)}",
            ]
        )

    def email(self, variant: str, region: str) -> str:
        handles = self.tables["handles"]
        stem = self.rng.choice(handles["stems"]) + self.rng.choice(["", "", "", self.number(2), "_" + self.number(3)])
        return f"{stem}@{self.rng.choice(handles['domains'])}"

    # --- machines ---

    def ip_address(self, variant: str, region: str) -> str:
        if variant == "v6" or (variant == "" and self.rng.random() < 0.2):
            groups = [f"{self.rng.randrange(65536):x}" for _ in range(6)]
            return self.rng.choice(
                [
                    "2001:db8:" + ":".join(groups),
                    "2001:db8::" + groups[0],
                    f"2001:db8:{groups[0]}::{groups[1]}:{groups[2]}",
                    "fe80::" + ":".join(groups[:4]),
                ]
            )
        tail = self.rng.randint(1, 254)
        network = self.rng.choice(
            [
                "192.0.2",
                "198.51.100",
                "203.0.113",
                f"10.{self.rng.randint(0, 255)}.{self.rng.randint(0, 255)}",
                f"172.{self.rng.randint(16, 31)}.{self.rng.randint(0, 255)}",
                f"192.168.{self.rng.randint(0, 255)}",
            ]
        )
        return f"{network}.{tail}"

    def imei(self, variant: str, region: str) -> tuple[str, str, str] | str:
        body = self.rng.choice(["35", "86", "01", "99"]) + self.digits(12)
        text = body + luhn_digit(body)
        if self.rng.random() < 0.15:
            return f"{text[:2]}-{text[2:8]}-{text[8:14]}-{text[14]}", "dashed", ""
        return text

    def mac_address(self, variant: str, region: str) -> str:
        pairs = [f"{self.rng.randrange(256):02x}" for _ in range(6)]
        text = self.rng.choice([":".join(pairs), ":".join(pairs), "-".join(pairs), ".".join("".join(pairs[i : i + 2]) for i in (0, 2, 4))])
        return text.upper() if self.rng.random() < 0.5 else text

    def coordinates(self, variant: str, region: str) -> str:
        latitude, longitude = {
            "cn": (self.rng.uniform(22, 45), self.rng.uniform(100, 124)), "tw": (self.rng.uniform(22, 25), self.rng.uniform(120, 121.8)),
            "hk": (self.rng.uniform(22.2, 22.5), self.rng.uniform(113.9, 114.3)),
            "us": (self.rng.uniform(30, 48), -self.rng.uniform(72, 122)),
            "uk": (self.rng.uniform(50.5, 57), -self.rng.uniform(0.5, 4.5)),
        }[region]  # fmt: skip
        east = "E" if longitude > 0 else "W"
        minutes = self.rng.randint(0, 59), self.rng.randint(0, 59), self.rng.randint(0, 59), self.rng.randint(0, 59)
        decimal = f"{latitude:.5f}, {longitude:.5f}"
        degrees = f"{int(latitude)}°{minutes[0]:02d}'{minutes[1]:02d}\"N {int(abs(longitude))}°{minutes[2]:02d}'{minutes[3]:02d}\"{east}"
        if variant == "json":
            return decimal
        if region == "cn" and self.rng.random() < 0.2:
            return f"北纬{latitude:.4f}°，东经{longitude:.4f}°"
        return self.rng.choice(
            [decimal, decimal, f"{latitude:.6f},{longitude:.6f}", degrees, f"{latitude:.4f}° N, {abs(longitude):.4f}° {east}"]
        )

    # --- accounts, orders, secrets ---

    def account(self, variant: str, region: str) -> tuple[str, str, str] | str:
        pick = self.rng.choice
        made = {
            "qq": lambda: self.number(pick([8, 9, 9, 10])),
            "wechat": lambda: pick(
                [
                    f"wxid_{self.among(string.ascii_lowercase + string.digits, 14)}",
                    f"{pick(['lin', 'sunny', 'xiaoyu', 'coco', 'lao_', 'ming'])}{pick(['', '_', '-'])}{self.number(4)}",
                    f"{pick(['amy', 'chenjj', 'hello', 'wu'])}{self.number(6)}",
                ]
            ),
            "line": lambda: f"{pick(['mei', 'ahao', 'sunny', 'tw'])}{pick(['.', '_', ''])}{self.number(4)}",
            "member": lambda: pick(
                [f"VIP{self.number(8)}", f"M{self.number(9)}", self.number(10), f"{self.number(4)}-{self.digits(4)}-{self.digits(2)}"]
            ),
            "student": lambda: pick([f"20{pick(['22', '23', '24', '25'])}{self.digits(6)}", f"S{self.number(8)}", f"U20{self.number(6)}"]),
            "social": lambda: self.number(pick([9, 10, 12])),
            "staff": lambda: pick([f"E{self.number(5)}", f"{self.number(6)}", f"HR-{self.number(5)}"]),
            "patient": lambda: pick([f"ZY{self.number(8)}", self.number(10), f"MRN{self.number(7)}"]),
            "utility": lambda: self.number(pick([8, 10, 12])),
            "bank": lambda: self.number(pick([9, 10, 12])),
            "tw_bank": lambda: f"{pick(['004', '012', '808', '822'])}-{self.number(12)}",
            "hk_bank": lambda: f"{pick(['012', '024', '388'])}-{self.digits(3)}-{self.digits(6)}-{self.digits(3)}",
            "uk_bank": lambda: f"{self.digits(8)}",
            "handle": lambda: pick(
                [
                    f"@{pick(['gardener', 'k8sfan', 'noodle', 'sailor'])}_{self.number(3)}",
                    f"{pick(['mira', 'tolu', 'bassline'])}.{self.number(4)}",
                ]
            ),
        }[variant]()
        return made if variant in {"social", "bank", "utility"} else (made, "plain", "")

    def order(self, variant: str, region: str) -> str:
        pick = self.rng.choice
        return {
            "order": lambda: pick([f"20261{pick('012')}{self.digits(13)}", self.number(18), self.number(12), f"DD{self.number(12)}"]),
            "tracking": lambda: pick(
                [f"SF{self.number(13)}", f"YT{self.number(13)}", f"JD{self.number(13)}", f"78{self.number(12)}", f"77{self.number(13)}"]
            ),
            "invoice": lambda: pick([self.number(8), f"26{self.digits(18)}"]),
            "case": lambda: pick([f"GD20261{self.number(6)}", f"TS-{self.number(8)}", f"{self.number(9)}"]),
            "tw_order": lambda: pick([f"26{self.digits(10)}", f"TW{self.number(9)}", f"{self.among('ABCDEFGHJKLM', 2)}-{self.number(8)}"]),
            "hk_order": lambda: pick([f"HK{self.number(10)}", f"SF{self.number(12)}"]),
            "us_order": lambda: pick(
                [
                    f"11{self.digits(1)}-{self.number(7)}-{self.number(7)}",
                    f"#{self.number(7)}",
                    f"ORD-{self.number(8)}",
                    f"SO-2026-{self.digits(5)}",
                ]
            ),
            "us_tracking": lambda: pick(
                [
                    f"1Z{self.among(string.ascii_uppercase + string.digits, 6)}{self.digits(10)}",
                    f"9400{self.digits(18)}",
                    self.number(12),
                    f"{self.among('CELR', 1)}{self.among('ABCX', 1)}{self.digits(9)}US",
                ]
            ),
            "us_invoice": lambda: pick([f"INV-{self.number(6)}", f"INV2026{self.digits(5)}", f"IN-26-{self.digits(4)}"]),
            "booking": lambda: self.among("ABCDEFGHJKLMNPQRSTUVWXYZ23456789", 6),
            "us_case": lambda: pick([f"CAS-{self.number(6)}-{self.among('ABCXYZ', 3)}", f"{self.number(8)}", f"INC{self.number(7)}"]),
        }[variant]()

    def secret(self, variant: str, region: str) -> str:
        mixed, pick = string.ascii_letters + string.digits, self.rng.choice
        upper = string.ascii_uppercase + string.digits

        def part(text: str) -> str:
            return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

        makers = {
            "openai": lambda: pick(["sk-" + self.among(mixed, 48), "sk-" + "proj-" + self.among(mixed, 56)]),
            "aws": lambda: "AK" + "IA" + self.among(upper, 16),
            "aws_secret": lambda: self.among(mixed + "/+", 40),
            "github": lambda: pick(["ghp_" + self.among(mixed, 36), "github_pat_" + self.among(mixed, 22) + "_" + self.among(mixed, 59)]),
            "slack": lambda: f"xoxb-{self.number(12)}-{self.number(12)}-{self.among(mixed, 24)}",
            "google": lambda: "AIzaSy" + self.among(mixed + "_-", 33),
            "stripe": lambda: pick(["sk_live_", "rk_live_"]) + self.among(mixed, 24),
            "aliyun": lambda: "LTAI5t" + self.among(mixed, 18),
            "jwt": lambda: ".".join([
                part('{"alg":"HS256","typ":"JWT"}'), part('{"sub":"' + self.number(6) + '","exp":1795651200}'), self.among(mixed, 43),
            ]),
            "key_block": lambda: "\n".join([
                "-----BEGIN " + "RSA PRIVATE KEY-----",
                self.among(mixed + "+/", 64), self.among(mixed + "+/", 64), self.among(mixed, 22) + "==",
                "-----END RSA PRIVATE KEY-----",
            ]),
            "password": lambda: pick([
                pick(["Sunny", "hunter", "Qwer", "xiaomao", "Blue", "woaini", "Dragon"]) + pick(["@", "#", "!", "_", ""]) + self.number(4),
                self.among(mixed, 6) + pick("!@#$%") + self.among(mixed, 5),
            ]),
        }  # fmt: skip
        return str(makers[variant or pick([name for name in sorted(makers) if name not in {"password", "key_block", "aws_secret"}])]())
