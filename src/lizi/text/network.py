"""Addresses of machines and places on the map: e-mail, IPv4 and IPv6, MAC, coordinates.

Four numbers with dots are a version as often as an address, so they need a form or a word that no
version has; loopback and mask addresses name nobody and are not reported. Bound: an e-mail looks at
64 characters before each `@`, everything else is one scan.
"""

from __future__ import annotations

import ipaddress
import re

from lizi.text.found import CERTAIN, CUED, LIKELY, Report

__all__ = ["coordinates", "emails", "ip_addresses", "mac_addresses"]

_LOCAL = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+/=?^_`{|}~.-") | frozenset(
    map(chr, range(0xC0, 0x250))
)
_OPENERS = "/=?&'`{|"  # may stand in an address by the standard, and never do
_DOMAIN = re.compile(
    r"(?:[A-Za-z0-9\u00c0-\u024f](?:[A-Za-z0-9\u00c0-\u024f\-]{0,61}[A-Za-z0-9\u00c0-\u024f])?\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9-])"
)
_SPELT_AT = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9][A-Za-z0-9._%+-]{0,63} {0,2}(?:[\[({（【]\s?(?:at|AT|@|艾特)\s?[\])}）】]|艾特|#at#|\(a\)) {0,2}"
    r"[A-Za-z0-9-]{1,63}(?: {0,2}(?:\.|[\[({（【]\s?(?:dot|DOT|点|點|\.)\s?[\])}）】]|#dot#|点|點) {0,2}[A-Za-z0-9-]{1,63}){1,4}"
)
_SPELT_HINT = re.compile(r"[\[({（【]\s?(?:at|AT|@)\s?[\])}）】]|艾特|#at#|\(a\)")
_SPACED_AT = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9][A-Za-z0-9._%+-]{1,63} ?@ ?[A-Za-z0-9-]{2,63}(?:(?: ?\. ?)[A-Za-z0-9-]{2,63}){1,3}(?![A-Za-z0-9])"
)

_V4 = re.compile(r"(?<![0-9A-Za-z.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9A-Za-z]|\.[0-9])")
_V4_CUE = re.compile(
    r"ip|地址|位址|主机|主機|服务器|伺服器|网关|網關|host|server|ping|ssh|登录|登錄|登入|来源|來源|gateway|dns|client|addr|remote|"
    r"connect|from|proxy|代理|访问|存取|節點|节点|内网|外网|curl|http"
)
_VERSION_CUE = re.compile(
    r"v(?:er(?:sion)?)?[ .:：]{0,2}$|版本|release|build|固件|韌體|firmware|sdk|chrome|升级|升級|更新|section|章节|第$|§|oid|==|>=|<=|~=|"
    r"\^"
)
_V4_MORE = re.compile(r":[0-9]{2,5}(?![0-9])|/[0-9]{1,2}(?![0-9])")
_V6 = re.compile(r"(?<![0-9A-Za-z:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:(?<=:)[0-9]{1,3}(?:\.[0-9]{1,3}){3})?(?![0-9A-Za-z:])")
_MAC = re.compile(r"(?<![0-9A-Za-z:-])[0-9A-Fa-f]{2}([:-])[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2}){4}(?![0-9A-Za-z]|[:-][0-9A-Fa-f])")
_MAC_DOTTED = re.compile(r"(?<![0-9A-Za-z.])[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}(?![0-9A-Za-z.])")
_MAC_BARE = re.compile(
    r"(?:mac|网卡|網卡|物理地址|實體位址)[^0-9A-Za-z]{0,2}(?:地址|位址|address|addr)?[^0-9A-Za-z]{0,4}((?<![0-9A-Za-z])[0-9A-Fa-f]{12})(?"
    r"![0-9A-Za-z])",
    re.IGNORECASE,
)

_MAC_HINT = re.compile(r"[:-][0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}[:-]")
_V6_HINT = re.compile(r":[0-9A-Fa-f]{0,4}:")
_V4_HINT = re.compile(r"[0-9]\.[0-9]{1,3}\.[0-9]")
_MAC_DOTS = re.compile(r"\.[0-9A-Fa-f]{4}\.")
_DECIMALS = re.compile(r"[0-9]{1,3}\.[0-9]{1,15}")
_DECIMAL = re.compile(r"[0-9](?:\.[0-9]{2}|\s?[°度])")

_POINT = re.compile(
    r"(?<![0-9A-Za-z.])[-+]?([0-9]{1,3})\.[0-9]{3,15}°?\s?([NSns])?\s{0,2}[,，;；/ ]\s{0,2}[-+]?([0-9]{1,3})\.[0-9]{3,15}°?"
    r"(?:\s?[EWew](?![A-Za-z]))?(?![0-9A-Za-z.])"
)
_POINT_CUE = re.compile(r"坐标|座標|座标|经纬|經緯|定位|gps|coord|lat|lng|lon|位置|location|geo|经度|纬度|經度|緯度|point")
_ONE_AXIS = re.compile(
    r"(?:北纬|南纬|东经|西经|北緯|南緯|東經|西經|纬度|经度|緯度|經度|(?<![A-Za-z])(?:latitude|longitude|lat|lng|lon|"
    r"long))[\"']?\s{0,2}(?:是|为|為|约|約|:|：|=|is)?\s{0,2}[\"']?"
    r"[-+]?[0-9]{1,3}(?:\.[0-9]{2,15}°?|\s?[°度][0-9]{1,2}(?:\.[0-9]{1,6})?[′'分](?:[0-9]{1,2}(?:\.[0-9]{1,6})?[″\"秒])?)"
    r"(?:\s?[NSEW](?![A-Za-z]))?",
    re.IGNORECASE,
)
_DEGREES = re.compile(
    r"(?<![0-9.])[0-9]{1,3}\s?°\s?[0-9]{1,2}(?:\.[0-9]{1,6})?\s?[′'’]\s?(?:[0-9]{1,2}(?:\.[0-9]{1,6})?\s?[″\"”]?\s?)?[NSEWnsew](?![A-Za-z])"
    r"|(?<![0-9.])[0-9]{1,3}\.[0-9]{3,10}\s?°\s?[NSEWnsew](?![A-Za-z])"
)


def emails(text: str) -> list[Report]:
    """Mail addresses, also with `[at]`, 艾特 and blanks around the sign."""
    out: list[Report] = []
    place = text.find("@")
    taken = 0
    while place >= 0:
        start, low = place, max(taken, place - 64)
        while start > low and text[start - 1] in _LOCAL:
            start -= 1
        domain = _DOMAIN.match(text, place + 1) if start < place else None
        if domain is not None:
            # What stands before these in a link is not the address.
            start = max(start, *(text.rfind(sign, start, place - 1) + 1 for sign in _OPENERS))
            out.append((start, domain.end(), "email", 0, CERTAIN))
            taken = domain.end()
        elif " " in (text[place - 1 : place], text[place + 1 : place + 2]):
            spaced = _SPACED_AT.search(text, low, place + 132)
            if spaced is not None and spaced.start() < place < spaced.end():
                out.append((spaced.start(), spaced.end(), "email", 0, LIKELY))
        place = text.find("@", max(place + 1, taken))
    if ("艾特" in text or "at" in text or "AT" in text or "@" in text or "(a)" in text) and _SPELT_HINT.search(text) is not None:
        out += [(match.start(), match.end(), "email", 0, LIKELY) for match in _SPELT_AT.finditer(text)]
    return out


def ip_addresses(text: str) -> list[Report]:
    """IPv4 that no version looks like or that a word names; IPv6 of three groups and more."""
    out: list[Report] = []
    done = 0
    for hint in _V4_HINT.finditer(text):
        start = hint.start()
        if start < done:
            continue
        low = max(0, start - 2)
        while start > low and text[start - 1].isdigit():
            start -= 1
        match = _V4.match(text, start)
        if match is not None:
            done = match.end()
            found = _v4(text, start, done)
            if found is not None:
                out.append(found)
    if ":" in text and _V6_HINT.search(text) is not None:
        for match in _V6.finditer(text):
            value = match.group()
            parts = sum(map(bool, value.split(":")))
            if len(value) < 6 or not any(one.isdigit() for one in value) or (parts < 3 and not value.lower().startswith("fe80")):
                continue
            try:
                ipaddress.IPv6Address(value)
            except ValueError:
                continue
            out.append((match.start(), match.end(), "ip_address", 0, CERTAIN))
    return out


def _v4(text: str, start: int, end: int) -> Report | None:
    parts = [int(part) for part in text[start:end].split(".")]
    if max(parts) > 255 or parts[0] in (0, 127, 255) or any(len(part) > 1 and part[0] == "0" for part in text[start:end].split(".")):
        return None
    before = text[max(0, start - 16) : start].lower()
    if _VERSION_CUE.search(before):
        return None
    more = _V4_MORE.match(text, end)
    if more is not None or _V4_CUE.search(before) or _V4_CUE.search(text[end : end + 8].lower()):
        return start, end, "ip_address", 0, CUED
    # Versions count up from small numbers: one part of three digits, or two of two with a net's first part, is no version.
    private = parts[0] == 10 or parts[:2] == [192, 168] or (parts[0] == 172 and 16 <= parts[1] <= 31)
    large = max(parts) >= 100 and parts[0] >= 11
    many = sum(part >= 20 for part in parts) >= 3
    if large or many or (private and sum(part >= 10 for part in parts[1:]) >= (2 if parts[0] == 10 else 1)):
        return start, end, "ip_address", 0, LIKELY
    return None


def mac_addresses(text: str, lower: str) -> list[Report]:
    """Hardware addresses with colons, dashes or dots, and bare ones beside a word; `lower` is the text in lower case."""
    out: list[Report] = []
    if (":" in text or "-" in text) and _MAC_HINT.search(text) is not None:
        out += [(match.start(), match.end(), "mac_address", 0, CERTAIN) for match in _MAC.finditer(text)]
    if "." in text and _MAC_DOTS.search(text) is not None:
        out += [
            (match.start(), match.end(), "mac_address", 0, LIKELY)
            for match in _MAC_DOTTED.finditer(text)
            if not match.group().replace(".", "").isdigit()
        ]
    if "mac" in lower or "网卡" in lower or "物理地址" in lower:
        out += [(match.start(1), match.end(1), "mac_address", 0, CUED) for match in _MAC_BARE.finditer(text)]
    return out


def coordinates(text: str) -> list[Report]:
    """Points: two decimal numbers of four places, or three beside a word; degrees and minutes; one axis beside its name."""
    out: list[Report] = []
    if _DECIMAL.search(text) is None:
        return out
    for match in _POINT.finditer(text):
        first, second = int(match[1]), int(match[3])
        decimals = min(len(part.split(".")[1]) for part in _DECIMALS.findall(match.group()))
        if first > 180 or second > 180 or (first > 90 and second > 90):
            continue
        near = text[max(0, match.start() - 16) : match.start()].lower()
        if (decimals >= 4 and (match[2] or "," in match.group() or "，" in match.group())) or _POINT_CUE.search(near):
            out.append((match.start(), match.end(), "coordinates", 0, LIKELY))
    if "°" in text:
        out += [(match.start(), match.end(), "coordinates", 0, CERTAIN) for match in _DEGREES.finditer(text)]
    for match in _ONE_AXIS.finditer(text):
        out.append((match.start(), match.end(), "coordinates", 0, CUED))
    return out
