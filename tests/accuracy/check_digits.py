"""The check digits of the numbers that the set makes up, each by the standard that defines it."""

from __future__ import annotations

import string


def luhn_digit(digits: str) -> str:
    """The digit that makes `digits` plus itself pass the Luhn sum (ISO/IEC 7812-1)."""
    total = 0
    for place, char in enumerate(reversed(digits)):
        doubled = int(char) * (2 if place % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return str(-total % 10)


def passes_luhn(digits: str) -> bool:
    return luhn_digit(digits[:-1]) == digits[-1]


def resident_digit(body: str) -> str:
    """GB 11643-1999: ISO 7064 MOD 11-2 over 17 digits."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return "10X98765432"[sum(int(char) * weight for char, weight in zip(body, weights, strict=True)) % 11]


USCC_CHARACTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def uscc_digit(body: str) -> str:
    """GB 32100-2015: MOD 31 over 17 characters."""
    total = sum(USCC_CHARACTERS.index(char) * pow(3, place, 31) for place, char in enumerate(body))
    return USCC_CHARACTERS[-total % 31]


def organisation_digit(body: str) -> str:
    """GB 11714-1997: the ninth character of the organisation code inside a USCC."""
    weights = (3, 7, 9, 10, 5, 8, 4, 2)
    total = sum((string.digits + string.ascii_uppercase).index(char) * weight for char, weight in zip(body, weights, strict=True))
    return "0123456789X0"[-total % 11]


def iban_digits(country: str, bban: str) -> str:
    """ISO 13616: the two check digits that leave 1 modulo 97."""
    number = "".join(str(int(char, 36)) for char in bban + country + "00")
    return f"{98 - int(number) % 97:02d}"


TAIWAN_LETTERS = "ABCDEFGHJKLMNPQRSTUVXYWZIO"


def taiwan_digit(body: str) -> str:
    """Check digit of a Taiwan national identity number, `body` being the letter and eight digits."""
    code = TAIWAN_LETTERS.index(body[0]) + 10
    total = code // 10 + code % 10 * 9 + sum(int(char) * weight for char, weight in zip(body[1:], range(8, 0, -1), strict=True))
    return str(-total % 10)


def hongkong_digit(body: str) -> str:
    """Check character of a Hong Kong identity card, `body` being one or two letters and six digits."""
    padded = body.rjust(8)
    values = [36 if char == " " else int(char, 36) for char in padded]
    total = sum(value * weight for value, weight in zip(values, range(9, 1, -1), strict=True))
    return "0123456789A"[-total % 11]
