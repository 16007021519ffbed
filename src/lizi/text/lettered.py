"""Numbers with letters: plates, passports, permits, identity cards of Hong Kong and Taiwan, USCC, IBAN, parcels.

A token is a whole run of ASCII letters and digits; a part of one is never reported. Forms that many
strings have (a passport's letter and eight digits) need a word beside them. Bound: a token is at
most 34 characters, each is looked at once.
"""

from __future__ import annotations

import re

from lizi.text.checks import hong_kong_id, iban, iban_length, postal_item, taiwan_id, uscc
from lizi.text.found import CERTAIN, CUED, LIKELY, Report
from lizi.text.labels import labelled

__all__ = ["ibans", "plates", "tokens"]

_PLATE = re.compile(
    r"(?:[京津沪滬渝冀豫云雲辽遼黑湘皖鲁魯新苏蘇浙赣贛鄂桂甘晋晉蒙陕陝吉闽閩贵貴粤粵青藏川宁寧琼瓊使领領民航] ?[A-HJ-NP-Za-hj-np-z]|"
    r"军[A-Z](?=[·•.]?[0-9]{5})|WJ "
    r"?[·•.]?[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼])"
    r"[·•.\- ]?(?:"
    r"[A-HJ-NP-Za-hj-np-z0-9]{4}[A-HJ-NP-Za-hj-np-z0-9挂掛学學警港澳领領使试試超](?:(?<=[0-9]{5})[DFABCEGHJKdfabceghjk]|"
    r"(?<=[DFABCEGHJKdfabceghjk][0-9A-HJ-NP-Za-hj-np-z][0-9]{3})[0-9])?(?:(?<=[0-9A-Za-z])[挂掛学學警港澳领領使试試超])?"
    r")(?![0-9A-Za-z])"
)
_PLATE_HINT = re.compile(
    r"[京津沪滬渝冀豫云雲辽遼黑湘皖鲁魯新苏蘇浙赣贛鄂桂甘晋晉蒙陕陝吉闽閩贵貴粤粵青藏川宁寧琼瓊使领領民航军W](?= ?[A-Za-z0-9·•])"
)
_EMBASSY = re.compile(r"(?<![0-9])[0-9]{6}使")
# Embassies of both styles, armed police with the number of a corps, and a dot before the letter.
_PLATE_RARE = re.compile(
    r"使[·• ]?[0-9]{6}(?![0-9A-Za-z])|"
    r"[京津沪滬渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-Z][·•]?[临臨][0-9A-Z]{4,5}(?![0-9A-Za-z])|"
    r"WJ ?[·•]?[0-9]{2}[·•\- ]?[0-9A-Z]{5}(?![0-9A-Za-z])|"
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][·•][A-HJ-NP-Z][·• ]?[A-HJ-NP-Z0-9]{5,6}(?![0-9A-Za-z])"
)
_USCC_SPACED = re.compile(r"(?:[159][1239]|[ANY][1-9])(?:[ \-]{0,2}[0-9A-HJ-NP-RTUWXY]){16}(?![0-9A-Za-z])", re.IGNORECASE)
_USCC_JOINED = re.compile(r"([a-z]{2,12}[_:\-]?)?([159][1239][0-9]{6}[0-9A-HJ-NP-RTUWXY]{10})(?:[a-z]{2,12})?$", re.IGNORECASE)
_IBAN_REACH = 64  # characters of the longest one with a blank behind every second sign

_HEAD = re.compile(r"[A-Za-z0-9]{1,34}$")
_TAIL = re.compile(r"[A-Za-z0-9]{0,34}")
_GLUED = re.compile(r"(?:EMS|HKID|UPS|DHL|USPS|No)(?=[A-Z]{1,2}[0-9]{6})")
_CARD_OF_HONG_KONG = re.compile(r"([A-Z]{1,2})([0-9]{6})([0-9A])?$")
_BRACKETED_CHECK = re.compile(r"\s?[(（]([0-9Aa])[)）]")
_CARD_OF_TAIWAN = re.compile(r"[A-Z][1289][0-9]{8}$")
_OLD_RESIDENT_OF_TAIWAN = re.compile(r"[A-Z][A-D][0-9]{8}$")
_PASSPORT = re.compile(
    r"(?:[EGDSPKHMTLNRXC][0-9]{7,8}|E[A-HJ-NP-Z][0-9]{7}|[A-Z]{1,3}[0-9]{6,8}[A-Z]?|[0-9]{2}[A-Z]{2}[0-9]{5}|"
    r"[CFGHJKLMNPRTVWXYZ][0-9CFGHJKLMNPRTVWXYZ]{8})$"
)
_PERMIT = re.compile(r"(?:[HMCW][0-9]{8}(?:[0-9]{2})?|A[0-9]{8,9}|[A-Z]{3}[0-9]{12}|C[A-HJ-NP-Z][0-9]{7}|[TLD][0-9]{8,10})$")
_PARCEL = re.compile(
    r"(?:SF[0-9]{12,13}|1Z[0-9A-Z]{16}|(?:YT|ZT|ST|JT|DPK|JDVA|JDV|JDK|JD|JDX|YD|TT|HT|ANE|UC|LP|CNG|CNSH)[0-9]{10,15}|"
    r"TBA[0-9]{12}|1LS[0-9A-Z]{9,15}|C[0-9]{14}|[A-Z]{2}[0-9]{9}[A-Z]{2})$"
)
_UPS_SPACED = re.compile(r"(?<![0-9A-Za-z])1Z(?: ?[0-9A-Z]){16}(?![0-9A-Za-z])")
_POSTAL = re.compile(r"[A-Z]{2}[0-9]{9}[A-Z]{2}$")
_INSURANCE = re.compile(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][0-9]{6}[A-D]$")  # the United Kingdom's national insurance number
_INSURANCE_SPACED = re.compile(r"(?<![0-9A-Za-z])[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] [0-9]{2} [0-9]{2} [0-9]{2} [A-D](?![0-9A-Za-z])")

_ID_CUE = re.compile(r"身份|身分|证件|證件|hkid|id card|identity|id no|id number|resident|居留|居民")
_PASSPORT_CUE = re.compile(r"护照|護照|passport|证件|證件|travel document")
_PERMIT_CUE = re.compile(
    r"(?<![a-z])(?:eep|a-?(?:number|no|#)|alien|uscis|i-[0-9]{3})(?![a-z])|green card|通行[证證]|回[乡鄉][证證]|往来|往來|"
    r"台胞|臺胞|港澳|permit|[证證]件|居住[证證]|居留|工作[许許]可"
)
_COMPANY_CUE = re.compile(r"信用代[码碼]|[税稅][号號]|纳税|納稅|统一社会|統一社會|uscc|credit code|tax|开票")
_TRADE_CUE = re.compile(
    r"(?<![a-z])ems|[邮郵][政局件]|挂号|掛號|[单單][号號]|快[递遞]|物流|运[单單]|包裹|parcel|tracking|shipment|waybill|awb"
)


def _near(cue: re.Pattern[str], text: str, start: int, end: int) -> bool:
    return cue.search(text[max(0, start - 18) : start].lower()) is not None or cue.search(text[end : end + 10].lower()) is not None


def plates(text: str) -> list[Report]:
    """Chinese vehicle plates, six and seven places after the province, with police, trailer and border forms."""
    out: list[Report] = []
    if text.isascii() and "WJ" not in text:
        return out
    for hint in _PLATE_HINT.finditer(text):
        match = _PLATE.match(text, hint.start()) or _PLATE_RARE.match(text, hint.start())
        if match is not None and sum(map(str.isdigit, match.group())) >= 2:
            out.append((match.start(), match.end(), "plate", 0, CERTAIN))
    if "使" in text:
        out += [(match.start(), match.end(), "plate", 0, CERTAIN) for match in _EMBASSY.finditer(text)]
    return out


def ibans(text: str, groups: list[tuple[int, int]]) -> list[Report]:
    """Account numbers of ISO 13616, in groups or whole; `groups` are the text's digit groups."""
    out: list[Report] = []
    for begin, close in groups:
        start = begin - 2
        if close - begin < 2 or start < 0 or not (text[start:begin].isascii() and text[start:begin].isalpha()):
            continue
        before = text[max(0, start - 4) : start]
        if before[-1:].isascii() and before[-1:].isalnum() and before.lower() != "iban":
            continue
        # The country says how long the number is, so it needs no end of its own.
        length = iban_length(text[start:begin].upper())
        end, signs = start, ""
        while len(signs) < length and end < len(text) and end - start < _IBAN_REACH:
            sign = text[end]
            if sign.isascii() and sign.isalnum():
                signs += sign
            elif sign not in (" ", "-"):
                break
            end += 1
        after = text[end : end + 1]
        if length and len(signs) == length and not (after.isascii() and after.isalnum()) and iban(signs.upper()):
            out.append((start, end, "iban", 0, CERTAIN))
    return out


def tokens(text: str, groups: list[tuple[int, int]]) -> list[Report]:
    """Reports of the tokens in which letters stand with five digits and more; `groups` are the text's digit groups."""
    out: list[Report] = []
    done = 0
    for start, end in groups:
        if end - start == 2 and text[start - 1 : start] == " ":
            spaced = _INSURANCE_SPACED.match(text, max(0, start - 3))
            if spaced is not None:
                out.append((*spaced.span(), "account", 0, LIKELY))
        if end - start <= 8 and start >= done and text[end : end + 1] in (" ", "-") and text[start] in "159":
            parted = _USCC_SPACED.match(text, start)
            if parted is not None and not (text[start - 1 : start].isascii() and text[start - 1 : start].isalnum()):
                code = parted.group().replace(" ", "").replace("-", "").upper()
                if uscc(code) or (code[2:8].isdigit() and _near(_COMPANY_CUE, text, start, parted.end())):
                    out.append((*parted.span(), "uscc", 0, CERTAIN))
                    done = parted.end()
                    continue
        if end - start < 5 or start < done:
            continue
        before, after = text[start - 1 : start], text[end : end + 1]
        head = _HEAD.search(text, max(0, start - 35), start) if before.isascii() and before.isalpha() else None
        if head is None and not (after.isascii() and after.isalpha()):
            continue
        begin = head.start() if head is not None else start
        glued = _GLUED.match(text, begin) if head is not None else None
        begin = glued.end() if glued is not None else begin
        tail = _TAIL.match(text, end)
        stop = tail.end() if tail is not None else end
        done = stop
        if 18 <= stop - begin <= 34:
            joined = _USCC_JOINED.match(text[begin:stop])
            if joined is not None and uscc(joined[2].upper()):
                out.append((begin + joined.start(2), begin + joined.end(2), "uscc", 0, CERTAIN))
                continue
        if stop - begin > 34 or text[begin - 1 : begin] == "_" or text[stop : stop + 1] == "_":
            continue
        found = _token(text, begin, stop, text[begin:stop].upper())
        if found is not None:
            out.append(found)
    if not text.isascii():
        out += labelled(text, groups)
    if "1Z" in text:
        out += [(match.start(), match.end(), "order", 0, CERTAIN) for match in _UPS_SPACED.finditer(text)]
    return out


def _token(text: str, start: int, end: int, token: str) -> Report | None:
    length = len(token)
    if length == 18:
        if uscc(token):
            return start, end, "uscc", 0, CERTAIN
        if token[2:8].isdigit() and _near(_COMPANY_CUE, text, start, end):
            return start, end, "uscc", 0, CUED
    if length == 10 and _CARD_OF_TAIWAN.match(token):
        if taiwan_id(token):
            return start, end, "resident_id", 0, CERTAIN
        if _near(_ID_CUE, text, start, end):
            return start, end, "resident_id", 0, CUED
    if length == 10 and _OLD_RESIDENT_OF_TAIWAN.match(token) and _near(_ID_CUE, text, start, end):
        return start, end, "permit", 0, CUED
    found = _card_of_hong_kong(text, start, end, token)
    if found is not None:
        return found
    # A permit's form beside a permit's name is a permit, also where a word says "document".
    permitted = _PERMIT.match(token) is not None and _near(_PERMIT_CUE, text, start, end)
    # Two of one sentence, the old and the new, stand farther from the word.
    passported = _near(_PASSPORT_CUE, text, start, end) or (
        token[0] in "EG" and length == 9 and ("护照" in text[max(0, start - 40) : start] or "護照" in text[max(0, start - 40) : start])
    )
    if _PASSPORT.match(token) and passported and (not permitted or "照" in text[max(0, start - 18) : start]):
        return start, end, "passport", 0, CUED
    if permitted:
        return start, end, "permit", 0, CUED
    if _PARCEL.match(token) and (_POSTAL.match(token) is None or postal_item(token)):
        return start, end, "order", 0, CERTAIN if token[:2] in ("SF", "1Z") or _near(_TRADE_CUE, text, start, end) else LIKELY
    if length == 13 and _POSTAL.match(token) and _near(_TRADE_CUE, text, start, end):
        return start, end, "order", 0, CUED
    if length == 9 and _INSURANCE.match(token):
        return start, end, "account", 0, LIKELY
    return None


def _card_of_hong_kong(text: str, start: int, end: int, token: str) -> Report | None:
    match = _CARD_OF_HONG_KONG.match(token)
    if match is None:
        return None
    letters, digits, check = match.groups()
    if check is None:
        bracketed = _BRACKETED_CHECK.match(text, end)
        if bracketed is None:
            return None
        if hong_kong_id(letters, digits, bracketed[1].upper()) or _near(_ID_CUE, text, start, bracketed.end()):
            return start, bracketed.end(), "resident_id", 0, CERTAIN
        return None
    if _near(_ID_CUE, text, start, end):
        return start, end, "resident_id", 0, CUED
    return None
