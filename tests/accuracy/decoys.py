"""Made-up things that only look like personal data. Digits that could be a card, a device or a person fail their check."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from accuracy.check_digits import passes_luhn
from accuracy.values import Values


class Decoys(Values):
    """Makes decoys from the same random source as values."""

    def decoy(self, name: str) -> tuple[str, str]:
        """Something harmless as (text, the kind that it resembles)."""
        pick = self.rng.choice
        between = self.rng.randint
        moment = 1_767_000_000 + self.rng.randrange(40_000_000)
        when = self.day(date(2024, 1, 1), date(2027, 12, 31))
        makers: dict[str, Callable[[], tuple[str, str]]] = {
            "version": lambda: (f"{between(1, 18)}.{between(0, 30)}.{between(0, 99)}.{between(0, 250)}", "ip_address"),
            "isbn": lambda: (self.isbn(), "bank_card"),
            "sixteen": lambda: (self.failing(16), "bank_card"),
            "fifteen": lambda: (self.failing(15), "imei"),
            "eighteen": lambda: ("9" + self.digits(17), "resident_id"),
            "seconds": lambda: (str(moment), "phone"),
            "milliseconds": lambda: (f"{moment}{self.digits(3)}", "bank_card"),
            "compact_date": lambda: (f"{when:%Y%m%d}", "account"),
            "compact_time": lambda: (f"{when:%Y%m%d}{between(0, 23):02d}{between(0, 59):02d}{between(0, 59):02d}", "order"),
            "dates": lambda: (f"{when:%Y.%m.%d}-{when + timedelta(days=6):%m.%d}", "phone"),
            "part": lambda: (f"{self.among('ABCDKLMPRT', 2)}-{self.number(4)}-{self.among('ABXZ', 1)}{self.digits(2)}", "order"),
            "million": lambda: (f"{self.number(10)}", "phone"),
            "grouped": lambda: (f"{self.number(3)},{self.digits(3)},{self.digits(3)}.{self.digits(2)}", "account"),
            "commit": lambda: (self.among("0123456789abcdef", pick([7, 40])), "secret"),
            "uuid": lambda: ("-".join(self.among("0123456789abcdef", count) for count in (8, 4, 4, 4, 12)), "secret"),
            "digest": lambda: ("sha256:" + self.among("0123456789abcdef", 64), "secret"),
            "colour": lambda: ("#" + self.among("0123456789ABCDEF", 6), "secret"),
            "cas": lambda: (self.cas(), "ssn"),
            "flight": lambda: (pick(["MU", "CA", "CZ", "BA", "UA", "CX"]) + self.number(4), "plate"),
            "train": lambda: (pick("GDK") + self.number(pick([2, 3, 4])), "plate"),
            "bytes": lambda: (":".join(self.among("0123456789abcdef", 2) for _ in range(4)), "mac_address"),
            "clocks": lambda: (f"{self.rng.randint(0, 23):02d}:{self.rng.randint(0, 59):02d}:{self.rng.randint(0, 59):02d}", "mac_address"),
            "pair": lambda: (f"{self.rng.uniform(0, 5):.3f}, {self.rng.uniform(0, 5):.3f}", "coordinates"),
            "lotto": lambda: (" ".join(f"{ball:02d}" for ball in sorted(self.rng.sample(range(1, 34), 6))), "bank_card"),
            "pi": lambda: ("3.1415926535897932"[: self.rng.randint(12, 18)], "bank_card"),
            "standard": lambda: (pick(["GB/T ", "ISO ", "YY/T ", "IEC "]) + f"{self.number(5)}-{self.rng.randint(1995, 2025)}", "order"),
            "barcode": lambda: (self.barcode(), "bank_card"),
            "doi": lambda: (f"10.{self.number(4)}/{self.among('abcdefghjk', 3)}.{self.number(7)}", "ip_address"),
        }  # fmt: skip
        return makers[name]()

    def failing(self, count: int) -> str:
        while passes_luhn(text := self.number(count)):
            pass
        return text

    def barcode(self, prefix: str = "69") -> str:
        body = prefix + self.digits(12 - len(prefix))
        return body + str(-sum(int(char) * (3 if place % 2 else 1) for place, char in enumerate(body)) % 10)

    def isbn(self) -> str:
        text = self.barcode("9787")
        return f"{text[:3]}-{text[3]}-{text[4:7]}-{text[7:12]}-{text[12]}" if self.rng.random() < 0.6 else text

    def cas(self) -> str:
        body = self.number(self.rng.randint(4, 6))
        check = sum(int(char) * weight for weight, char in enumerate(reversed(body), 1)) % 10
        return f"{body[:-2]}-{body[-2:]}-{check}"
