"""Checksums and ranges of numbers that people and companies carry. Each takes digits and letters without separators; none raises.

Standards followed: GB 11643-1999 and GB 32100-2015 (ISO 7064), ISO/IEC 7812-1 (Luhn), ISO 13616 (IBAN), UPU S10, and the
published rules of the Hong Kong and Taiwan identity cards.
"""

from __future__ import annotations

from lizi.text.tries import listed

__all__ = [
    "alive_date",
    "card_prefix",
    "hong_kong_id",
    "iban",
    "iban_length",
    "luhn",
    "postal_item",
    "resident_id",
    "resident_id_15",
    "social_security",
    "taiwan_id",
    "uscc",
]

_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_REGIONS = frozenset(listed("11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 83 91"))
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_USCC_VALUES = {sign: value for value, sign in enumerate("0123456789ABCDEFGHJKLMNPQRTUWXY")}  # no I, O, S, V, Z
_USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_TAIWAN_LETTERS = {letter: 10 + value for value, letter in enumerate("ABCDEFGHJKLMNPQRSTUVXYWZIO")}
_IBAN_LENGTHS = {
    code: int(length)
    for code, length in (
        pair.split(":")
        for pair in listed(
            "AD:24 AE:23 AL:28 AT:20 AZ:28 BA:20 BE:16 BG:22 BH:22 BR:29 BY:28 CH:21 CR:22 CY:28 CZ:24 DE:22 DK:18 DO:28 EE:20 EG:29 ES:24 "
            "FI:18 FO:18 FR:27 GB:22 GE:22 GI:23 GL:18 GR:27 GT:28 HR:21 HU:28 IE:22 IL:23 IQ:23 IS:26 IT:27 JO:30 KW:30 KZ:20 LB:28 LC:32 "
            "LI:21 LT:20 LU:20 LV:21 LY:25 MC:27 MD:24 ME:22 MK:19 MR:27 MT:31 MU:30 NL:18 NO:15 PK:24 PL:28 PS:29 PT:25 QA:29 RO:24 RS:22 "
            "SA:24 SC:31 SE:24 SI:19 SK:24 SM:27 ST:25 SV:28 TL:23 TN:24 TR:26 UA:29 VA:22 VG:24 XK:20"
        )
    )
}


def alive_date(year: int, month: int, day: int) -> bool:
    """Whether a person may be born on it. 29 February needs a leap year."""
    if not (1850 <= year <= 2099 and 1 <= month <= 12 and 1 <= day <= _DAYS[month - 1]):
        return False
    return not (month == 2 and day == 29) or (year % 4 == 0 and (year % 100 != 0 or year % 400 == 0))


def resident_id(number: str) -> bool:
    """18 characters: region, date of birth, order, check character."""
    if number[:2] not in _REGIONS or not alive_date(int(number[6:10]), int(number[10:12]), int(number[12:14])):
        return False
    total = sum(int(digit) * weight for digit, weight in zip(number[:17], _ID_WEIGHTS, strict=True))
    return "10X98765432"[total % 11] == number[17].upper()


def resident_id_15(number: str) -> bool:
    """The form before 1999: no check character, so a word beside it must say what it is."""
    return number[:2] in _REGIONS and alive_date(1900 + int(number[6:8]), int(number[8:10]), int(number[10:12]))


def luhn(digits: str) -> bool:
    """The check digit of cards and device numbers."""
    total = sum(map(int, digits[-1::-2])) + sum(_DOUBLED[int(digit)] for digit in digits[-2::-2])
    return total % 10 == 0


def card_prefix(digits: str) -> bool:
    """Whether an issuer of cards has numbers of this beginning and length."""
    length, two, four = len(digits), int(digits[:2]), int(digits[:4])
    if digits[0] == "4":
        return length in (13, 16, 18, 19)
    if two in (34, 37):
        return length == 15
    if 51 <= two <= 55 or 2221 <= four <= 2720 or 3528 <= four <= 3589:
        return length == 16
    if two in (36, 38) or 300 <= four // 10 <= 305:
        return length == 14
    # UnionPay 62 and 81, Discover 60 and 64-65, Maestro 50 and 56-58, and old cards of one Chinese bank on 9558.
    return 16 <= length <= 19 and (two in (62, 81, 60, 64, 65, 50, 56, 57, 58) or four == 9558)


def uscc(code: str) -> bool:
    """Unified social credit code: 18 characters, MOD 31-3."""
    if code[0] not in "123456789ANY" or not code[2:8].isdigit():
        return False
    try:
        total = sum(_USCC_VALUES[sign] * weight for sign, weight in zip(code[:17], _USCC_WEIGHTS, strict=True))
        return _USCC_VALUES[code[17]] == (31 - total % 31) % 31
    except KeyError:
        return False


def hong_kong_id(letters: str, digits: str, check: str) -> bool:
    """One or two letters, six digits, a check character of 0-9 or A."""
    first, second = (36, ord(letters[0]) - 55) if len(letters) == 1 else (ord(letters[0]) - 55, ord(letters[1]) - 55)
    total = first * 9 + second * 8 + sum(int(digit) * weight for digit, weight in zip(digits, (7, 6, 5, 4, 3, 2), strict=True))
    return (total + (10 if check == "A" else int(check))) % 11 == 0


def taiwan_id(number: str) -> bool:
    """A letter and nine digits; the second place 1 or 2 for citizens, 8 or 9 for residents."""
    code = _TAIWAN_LETTERS.get(number[0])
    if code is None or number[1] not in "1289":
        return False
    total = code // 10 + code % 10 * 9 + sum(int(digit) * weight for digit, weight in zip(number[1:9], range(8, 0, -1), strict=True))
    return (total + int(number[9])) % 10 == 0


def iban(code: str) -> bool:
    """International bank account number: the country's length and MOD 97-10."""
    if _IBAN_LENGTHS.get(code[:2]) != len(code) or not code[2:4].isdigit():
        return False
    return int("".join(str(int(sign, 36)) for sign in code[4:] + code[:4])) % 97 == 1


def iban_length(country: str) -> int:
    """Signs of an account number of this country; 0 where it has none."""
    return _IBAN_LENGTHS.get(country, 0)


def social_security(digits: str) -> bool:
    """Nine digits that may be a US social security number: no area 000 or 666, no group 00, no serial 0000.

    Areas from 900 are not issued as such, but as tax numbers of the same form.
    """
    return digits[:3] not in ("000", "666") and digits[3:5] != "00" and digits[5:] != "0000"


def postal_item(code: str) -> bool:
    """UPU S10: two letters, eight digits, a check digit, the country."""
    total = sum(int(digit) * weight for digit, weight in zip(code[2:10], (8, 6, 4, 2, 3, 5, 9, 7), strict=True))
    check = 11 - total % 11
    return (0 if check == 10 else 5 if check == 11 else check) == int(code[10])
