"""Addresses of machines and places on the map: e-mail, IPv4 and IPv6, MAC, coordinates.

Four numbers with dots are a version as often as an address: the nearer of the words that say so decides,
and without any only what no version looks like is one; loopback and mask addresses name nobody and are
not reported. Bound: an e-mail looks at 64 characters before each `@`, everything else is one scan.
"""

from __future__ import annotations

import ipaddress
import re

from lizi.text.found import CERTAIN, CUED, LIKELY, Report
from lizi.text.shapes import hexadecimals
from lizi.text.tries import listed

__all__ = ["coordinates", "emails", "ip_addresses", "mac_addresses"]

_LOCAL = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+/=?^_`{|}~.-") | frozenset(
    map(chr, range(0xC0, 0x250))
)
_OPENERS = "/=?&'`{|"  # may stand in an address by the standard, and never do
_DOMAIN = re.compile(
    r"(?:[A-Za-z0-9\u00c0-\u024f](?:[A-Za-z0-9\u00c0-\u024f\-]{0,61}[A-Za-z0-9\u00c0-\u024f])?\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9-])"
)
_SPELT_AT = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}(?:(?: (?:dot|DOT|underscore|dash) |[点點]|下[划劃][线線])"
    r"[A-Za-z0-9]{1,24}){0,2}"
    r"(?: {0,2}(?:[\[({（【<]\s?(?:at|AT|@|艾特)\s?[\])}）】>]|艾特|小老鼠|圈[aA]|#at#|\(a\)|_at_|-at-|@) {0,2}| (?:at|AT|At) )"
    r"[A-Za-z0-9-]{1,63}(?:(?: {0,2}(?:\.|[\[({（【<]\s?(?:dot|DOT|点|點|\.)\s?[\])}）】>]|#dot#|点|點|_dot_|-dot-) {0,2}| (?:dot|"
    r"DOT|Dot) )"
    r"[A-Za-z0-9-]{1,63}){1,4}"
)
_SPELT_HINT = re.compile(
    r"[\[({（【<]\s?(?:at|AT|@)\s?[\])}）】>]|艾特|小老鼠|圈[aA]|#at#|\(a\)|[_-]at[_-]|@[A-Za-z0-9-]{1,63}(?: ?[点點]| dot )| (?:at|"
    r"AT|At) [A-Za-z0-9-]{1,63}(?: ?[点點]| "
    r"(?:dot|DOT|Dot) | ?[(\[])"
)
_SPELT_PLAIN = re.compile(r"^([A-Za-z]{1,24}) (?:at|AT|At) ")
# Who "looks at example dot com" has no address.
_VERBS = frozenset(
    listed(
        "look looking looked work works working worked shop shopping arrive arrived is are am was were be been it me us you them him her "
        "find available hosted live based here there up out back now today located visit meet online order buy "
        "site page and or of in on the a start register sign employed engineer manager job people team stay apply"
    )
)
_DOTTED = re.compile(r"dot|DOT|Dot|点|點")
_SPOKEN_DOT = re.compile(r"[点點] ?[a-z]")
_ARTICLE = re.compile(r"^[0-9]{1,64} at | at (?:the|a|an|this|that|my|your|our|noon|home|least|all) ", re.IGNORECASE)
_MAIL_CUE = re.compile(r"mail|write|contact|reach|gmail|send|邮|郵|信箱|联系|聯絡")
_REPLACED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._+-]{0,63}) ?([#*☆★&]) ?([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,3})")
_REPLACE_CUE = re.compile(r"[#*☆★&]号?[”\"』」]? ?(?:号)?(?:换|改|替换|換|替換)(?:成|为|為)? ?[“\"『「]?@|replace .{1,12} with .?@")
_MAIL_ENDS = frozenset(listed("com cn net org edu gov io hk tw uk jp de fr me info co cc vip xyz us ca au sg eu ru in example test"))
_FILE_ENDS = frozenset(listed("png jpg jpeg gif svg webp ico bmp js ts py css html json md txt"))
_SPACED_AT = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9][A-Za-z0-9._%+-]{1,63} ?@ ?[A-Za-z0-9-]{2,63}(?:(?: ?\. ?)[A-Za-z0-9-]{2,63}){1,3}(?![A-Za-z0-9])"
)

_V4 = re.compile(r"(?:(?<![0-9A-Za-z.])|(?<=IP)|(?<=ip)|(?<=Ip)|(?<=v4)|(?<=V4))(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9A-Za-z]|\.[0-9])")
_V4_CUE = re.compile(
    r"(?<![a-z])(?:(?:ip|ipv4|dns|ping|ssh|host|hosts|nat|vpn|vps|nas|lan|wan|telnet|nmap|curl|wget|ftp|sftp|rdp|proxy|addr|subnet|netmask|"
    r"traceroute|route|bind|listen|nameserver|nodes?(?![-.j])|icmp|ttl|bytes|psql|iptables|redis)(?![a-z])|address|hostname|localhost|server|gateway|router|firewall|remote|connect|traffic|"
    r"request|attack|block|banned|log(?:ged|in|s)?(?: |-)?in|login|visitor|network|resolv|printer|camera|machine|cluster|port |http|deny|"
    r"allow|permit|reject|drop |source|destination|peer|endpoint|upstream|whitelist|blacklist|unreachable|timeout|timed out|packet|"
    r"inet|session|probe|scan|abuse|[0-9a-f]{2}:[0-9a-f]{2}:[0-9a-f]{2}[\s,|]|"
    r"listen)|"
    r"地址|位址|主机|主機|服务器|伺服器|网关|網關|登录|登錄|登入|来源|來源|代理|访问|訪問|存取|節點|节点|内网|內網|外网|外網|防火墙|"
    r"防火牆|路由|"
    r"端口|连接埠|子网|子網|攻击|攻擊|封禁|封锁|网络|網路|网段|打印机|印表機|摄像头|攝影機|机器|解析|域名|白名单|黑名单|请求|拉黑|拦截|"
    r"攔截|丢包|連線|连接|扫描|掃描|告警|日志|日誌|机房|機房|云主机|跳板机|堡垒机|交换机|交換器|"
    r"终端|監控|监控"
)
_VERSION_CUE = re.compile(
    r"(?<![a-z])(?:v|ver|app|ios|os|android|windows|macos|linux|kernel|chrome|firefox|edge|safari|sdk|oid|sql server|driver|drivers|"
    r"firmware|plugin|"
    r"package|lib[a-z]{1,12}|module|client(?! ?[=:]| ip)|software|bios|java|jdk|php|nginx|"
    r"score|scores|figure|fig|clause|chapter|article|section|"
    r"paragraph|"
    r"part|item|table|office|word|excel|step|point|rule)(?![a-z])|version|release|build|upgrad|updat|install|deprecat|require|"
    r"changelog|patch|"
    r"版|固件|韌體|升级|升級|升到|升至|更新|软件|軟體|安装|安裝|客户端|用戶端|系统|系統|驱动|驅動|插件|应用|程式|微信|章|节|節|第$|"
    r"条|條|编号|評分|比分|得分|规范|規範|§|[=><~]=|\^"
)
_VERSION_AFTER = re.compile(
    r"[ \"'”」』)）]{0,2}(?:版|安装|安裝|以上|更新|发布|發布|升级|升級|补丁|条|條|节|節|章|is out|release|build|update|patch|version|"
    r"of the (?:app|manual|standard|spec)|之前的版)"
)
_DOCUMENTED = ([192, 0, 2], [198, 51, 100], [203, 0, 113])  # RFC 5737: no program counts its versions so
_PLACED = re.compile(r"(?:(?<![a-z-])(?:from|src|dst|node|client|rtt|-[a-z]) |[=\[>({|,\"'\t]\s?|  )$")
_GOES_TO = re.compile(r"(?<![a-z])(?:at|via|on|to|with|by) $")
_V4_MORE = re.compile(r":[0-9]{2,5}(?![0-9])|/[0-9]{1,2}(?![0-9])")
_V6 = re.compile(
    r"(?<![0-9A-Za-z:.])(?:(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}(?=:[0-9]{2,5}(?![0-9A-Za-z:]))|"  # with a port
    r"[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:(?<=:)[0-9]{1,3}(?:\.[0-9]{1,3}){3})?(?=:/|(?![0-9A-Za-z:])))"
)
_V6_MORE = re.compile(r"%[A-Za-z0-9]{1,15}|/[0-9]{1,3}(?![0-9])")
_MAC = re.compile(
    r"(?:(?<![0-9A-Za-z:-])|(?<=MAC)|(?<=mac)|(?<=Mac)|"
    r"(?<=SSID))[0-9A-Fa-f]{2}([:-])[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2}){4}(?![0-9A-Za-z]|[:-][0-9A-Fa-f])"
)
_MAC_DOTTED = re.compile(r"(?<![0-9A-Za-z.])[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}(?![0-9A-Za-z.])")
_MAC_CUE = re.compile(
    r"(?<![a-z])(?:mac|bssid|ether|hwaddr)(?![a-z])|hardware address|physical address|网卡|網卡|物理地址|實體位址|硬件地址"
)
_MAC_BARE = re.compile(
    r"(?:(?<![0-9A-Za-z])|(?<=MAC)|(?<=mac)|(?<=Mac))(?:[0-9A-Fa-f]{12}|[0-9A-Fa-f]{6}[-:][0-9A-Fa-f]{6}|"
    r"[0-9A-Fa-f]{2}(?: [0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{4}(?:[- "
    r":][0-9A-Fa-f]{4}){2})"
    r"(?![0-9A-Za-z])"
)

_MAC_DIRECT = re.compile(
    r"(?:mac|bssid|网卡|網卡|地址|位址|address|addr)(?: ?(?:地址|位址|address|addr))?[^0-9a-z]{0,4}(?:is |是|为|為)?[^0-9a-z]{0,2}$"
)
_MAC_HINT = re.compile(r"[:-][0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}[:-]")
_V6_HINT = re.compile(r":[0-9A-Fa-f]{0,4}:")
_V4_HINT = re.compile(r"[0-9]\.[0-9]{1,3}\.[0-9]")
_MAC_DOTS = re.compile(r"\.[0-9A-Fa-f]{4}\.")
_DECIMALS = re.compile(r"[0-9]{1,3}\.[0-9]{1,15}")
_NUMBER = r"[-+]?([0-9]{1,3})\.[0-9]{2,15}(?:\s?(?:°|度|degrees))?"

_POINT = re.compile(
    rf"([NSEWnsew]\s?)?{_NUMBER}(\s?[NSEWnsew](?![A-Za-z]))?(?:\s{{0,2}}[,，;；、/]\s{{0,2}}|"
    rf"\s{{1,3}})([NSEWnsew]\s?)?{_NUMBER}(\s?[NSEWnsew](?![A-Za-z]))?(?![0-9A-Za-z]|\.[0-9])"
)
_SIDES = frozenset("NSEW")
_SIDES_APART = frozenset(("N ", "S ", "E ", "W "))
_POINT_CUE = re.compile(
    r"坐标|座標|座标|经纬|經緯|定位|gps|coord|(?<![a-z])(?:lat|lng|lon|pin)(?![a-z])|latlng|位置|location|geo|经度|纬度|經度|緯度|"
    r"point|position|located"
)
_FIGURE_CUE = re.compile(
    r"率|均值|[参參][数數]|[误誤]差|系[数數]|[价價]|方差|[标標]准差|得分|loss|mean|rate|score|price|param|accuracy|error|std|ratio"
)
_ONE_AXIS = re.compile(
    r"(?:北纬|南纬|东经|西经|北緯|南緯|東經|西經|纬度|经度|緯度|經度|(?<![A-Za-z])(?:latitude|longitude|lat|lng|lon|"
    r"long(?=[\"' ]{0,2}[:=]))(?![a-z]))[\"']?\s{0,2}(?:是|为|為|约|約|:|：|=|is)?\s{0,2}[\"']?"
    r"[-+]?[0-9]{1,3}(?:\.[0-9]{2,15}[°度]?|\s?[°度][0-9]{1,2}(?:\.[0-9]{1,6})?[′'分](?:[0-9]{1,2}(?:\.[0-9]{1,6})?[″\"秒])?)"
    r"(?:\s?[NSEW](?![A-Za-z]))?",
    re.IGNORECASE,
)
_MORE_FIGURES = re.compile(r"\s?(?:[,，、;；]|and|和|与)\s?[-+]?[0-9]{1,6}\.[0-9]")
_AXIS_HINT = re.compile(r"[纬经緯經][度\s:：0-9]|lat|lng|lon")
_ARC = r"[0-9]{1,3}\s?[°º]\s?[0-9]{1,2}(?:\.[0-9]{1,6})?\s?(?:[′'’]|min)\s?(?:[0-9]{1,2}(?:\.[0-9]{1,6})?\s?(?:[″\"”]|''|’’)?\s?)?"
_PLACE = rf"(?:[NSEW]\s?{_ARC}|{_ARC}[NSEWnsew](?![A-Za-z])|[0-9]{{1,3}}\.[0-9]{{3,10}}\s?[°º]\s?[NSEWnsew](?![A-Za-z]))"
_DEGREES = re.compile(rf"(?<![0-9.]){_PLACE}(?:[ ,，;；/]{{1,2}}{_PLACE})?")
_DEGREES_HINT = re.compile(r"(?:[NSEW]\s?)?[0-9]{1,3}(?:\.[0-9]{3,10})?\s?[°º]")
_SPOKEN_ONE = (
    r"[0-9]{1,3}(?:\.[0-9]{1,10})? deg(?:rees?)?,?(?: [0-9]{1,2}(?:\.[0-9]{1,6})? min(?:utes?)?)?,?(?: [0-9]{1,2}(?:\.[0-9]{1,6})? "
    r"sec(?:onds?)?)? (?:north|south|east|west)"
)
_SPOKEN = re.compile(rf"(?<![0-9.]){_SPOKEN_ONE}(?:(?:,| and|, and)? {_SPOKEN_ONE})?", re.IGNORECASE)


def emails(text: str, lower: str) -> list[Report]:
    """Mail addresses, also with `[at]`, 艾特 and blanks around the sign; `lower` is the text in lower case."""
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
            a_file = text[domain.end() - 5 : domain.end()].rpartition(".")[2] in _FILE_ENDS
            if start < place and not a_file and not _is_repository(text, start, place, domain.end()):
                out.append((start, domain.end(), "email", 0, CERTAIN))
            taken = domain.end()
        elif " " in (text[place - 1 : place], text[place + 1 : place + 2]):
            spaced = _SPACED_AT.search(text, low, place + 132)
            # A name with a dot behind a word and "@" may be a handle too.
            ends = spaced is not None and spaced.group().rpartition(".")[2].lower().strip() in _MAIL_ENDS
            if spaced is not None and ends and spaced.start() < place < spaced.end():
                out.append((spaced.start(), spaced.end(), "email", 0, LIKELY))
        place = text.find("@", max(place + 1, taken))
    if _may_be_spelt(text, lower) and _SPELT_HINT.search(text) is not None:
        for match in _SPELT_AT.finditer(text):
            spelt = match.group()
            plain = _SPELT_PLAIN.match(spelt)
            if (plain is not None and plain[1].lower() in _VERBS) or _ARTICLE.search(spelt) is not None:
                continue
            if " at " in spelt.lower() and not (
                spelt.lower().split()[-1].rpartition(".")[2].rpartition("点")[2].rpartition("點")[2] in _MAIL_ENDS
                and (_DOTTED.search(spelt) is not None or _MAIL_CUE.search(text[max(0, match.start() - 24) : match.start()].lower()))
            ):
                continue
            out.append((match.start(), match.end(), "email", 0, LIKELY))
    if "@" in text and ("换" in text or "換" in text or "改" in text or "replace" in lower) and _REPLACE_CUE.search(text) is not None:
        out += [(match.start(), match.end(), "email", 0, LIKELY) for match in _REPLACED.finditer(text)]
    return out


def _may_be_spelt(text: str, lower: str) -> bool:
    if not text.isascii() and ("艾特" in text or "小老鼠" in text or "圈" in text):
        return True
    if " at " in lower and (" dot " in lower or "点" in lower or "點" in lower or "[" in lower or "(" in lower):
        return True
    if "@" in text and (" dot " in lower or (("点" in lower or "點" in lower) and _SPOKEN_DOT.search(lower) is not None)):
        return True
    return ("at" in lower or "@" in lower) and (
        ("(" in lower or "[" in lower or "<" in lower or "{" in lower or "（" in lower or "【" in lower)
        or ("at_" in lower or "at-" in lower or "#at" in lower)
    )


def _is_repository(text: str, start: int, place: int, end: int) -> bool:
    """`git@host:owner/name` names a service, nobody's mailbox."""
    return text[start:place] == "git" and text[end : end + 1] in (":", "/")


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
            value = match.group() if match.group().endswith("::") else match.group().removesuffix(":")
            parts = sum(map(bool, value.split(":")))
            if len(value) < 6 or not any(one.isdigit() for one in value) or (parts < 3 and not value.lower().startswith("fe80")):
                continue
            try:
                ipaddress.IPv6Address(value)
            except ValueError:
                continue
            end = match.start() + len(value)
            more = _V6_MORE.match(text, end)
            out.append((match.start(), end if more is None else more.end(), "ip_address", 0, CERTAIN))
    return out


def _v4(text: str, start: int, end: int) -> Report | None:
    value = text[start:end]
    parts = [int(part) for part in value.split(".")]
    if max(parts) > 255 or parts[0] in (0, 127) or parts[0] >= 224 or any(len(part) > 1 and part[0] == "0" for part in value.split(".")):
        return None
    # A port, a network's length, a user or a protocol beside it leaves no doubt.
    more = _V4_MORE.match(text, end)
    if more is not None and more.group()[0] == "/":
        return start, more.end(), "ip_address", 0, CUED
    sure = more is not None or text[start - 2 : start] == "//" or (text[start - 1 : start] == "@" and text[start - 2 : start - 1].strip())
    if sure:
        return start, end, "ip_address", 0, CUED
    before = text[max(0, start - 40) : start].lower()
    networked = versioned = 0
    for match in _V4_CUE.finditer(before):
        networked = match.end()
    for match in _VERSION_CUE.finditer(before, max(0, networked - 24)):
        versioned = match.end()
    after = text[end : end + 24].lower()
    # The nearer word decides.
    if versioned >= networked > 0 or _VERSION_AFTER.match(after) is not None:
        return None
    if networked:
        return start, end, "ip_address", 0, CUED
    if versioned:
        return None
    if _V4_CUE.search(after) is not None and parts != [1, 2, 3, 4]:
        return start, end, "ip_address", 0, CUED
    # Without any word: only the networks at home, what no version counts up to, and what stands where values do in logs and tables.
    placed = before == "" or before[-1] == "\n" or _PLACED.search(before) is not None
    if parts[:3] in _DOCUMENTED or (placed and (parts[0] == 10 or sum(part >= 30 for part in parts) >= 2)):
        return start, end, "ip_address", 0, LIKELY
    if parts[0] == 10 and _GOES_TO.search(before) is not None:
        return start, end, "ip_address", 0, LIKELY
    at_home = parts[:2] == [192, 168] or (parts[0] == 172 and 16 <= parts[1] <= 31)
    if at_home or (sum(part >= 100 for part in parts) >= 2 and parts[0] >= 11):
        return start, end, "ip_address", 0, LIKELY
    return None


def mac_addresses(text: str, lower: str) -> list[Report]:
    """Hardware addresses with colons, dashes or dots, and bare ones beside a word; `lower` is the text in lower case."""
    out: list[Report] = []
    shape = hexadecimals(text) if text.isascii() else ""
    if _may_be_mac(text, shape):
        out += [
            (match.start(), match.end(), "mac_address", 0, CERTAIN)
            for match in _MAC.finditer(text)
            if len(set(match.group().upper())) > 2  # all ones is everybody's, all noughts nobody's
        ]
    if ".1111." in shape or (not shape and "." in text and _MAC_DOTS.search(text) is not None):
        out += [
            (match.start(), match.end(), "mac_address", 0, LIKELY)
            for match in _MAC_DOTTED.finditer(text)
            if not match.group().replace(".", "").isdigit()
        ]
    if (_has_mac_sign(text, lower)) and _MAC_CUE.search(lower) is not None:
        for match in _MAC_BARE.finditer(text):
            near = lower[max(0, match.start() - 32) : match.end() + 24]
            direct = _MAC_DIRECT.search(lower, max(0, match.start() - 24), match.start())
            # Digits alone need the word at their side.
            if direct is not None or (not match.group().replace(" ", "").isdigit() and _MAC_CUE.search(near) is not None):
                out.append((match.start(), match.end(), "mac_address", 0, CUED))
    return out


def _may_be_mac(text: str, shape: str) -> bool:
    if shape:
        return ":11:11:11:" in shape or "-11-11-11-" in shape
    return (":" in text or "-" in text) and _MAC_HINT.search(text) is not None


def _has_mac_sign(text: str, lower: str) -> bool:
    if "mac" in lower or "bssid" in lower or "hwaddr" in lower or "ware address" in lower or "cal address" in lower:
        return True
    return not text.isascii() and ("网卡" in lower or "網卡" in lower or "理地址" in lower or "體位址" in lower or "件地址" in lower)


def coordinates(text: str, lower: str, groups: list[tuple[int, int]]) -> list[Report]:
    """Points: two decimal numbers of four places, of two beside a word or a side of the world; degrees; one axis beside its name.

    `lower` is the text in lower case, `groups` are its digit groups.
    """
    out: list[Report] = []
    decimals = [begin for begin, end in groups if text[end : end + 1] == "." and text[end + 1 : end + 3].isdigit()]
    arcs = "°" in text or "º" in text
    if not decimals and not arcs and "度" not in text and " deg" not in lower:
        return out
    done = 0
    for start in decimals:
        if start < done:
            continue
        before = text[start - 1 : start]
        if before in ("+", "-"):
            start -= 1
        if text[start - 1 : start].upper() in _SIDES:
            start -= 1
        elif text[start - 2 : start].upper() in _SIDES_APART and not text[start - 3 : start - 2].isalnum():
            start -= 2
        before = text[start - 1 : start]
        if before == "." or (before.isascii() and before.isalnum()):
            continue
        match = _POINT.match(text, start)
        if match is not None and _is_point(text, match):
            done = match.end()
            out.append((start, done, "coordinates", 0, LIKELY))
    if arcs:
        for hint in _DEGREES_HINT.finditer(text):
            if hint.start() >= done:
                match = _DEGREES.match(text, hint.start())
                if match is not None:
                    done = match.end()
                    out.append((match.start(), done, "coordinates", 0, CERTAIN))
    if " deg" in lower:
        out += [(match.start(), match.end(), "coordinates", 0, CERTAIN) for match in _SPOKEN.finditer(text)]
    if _AXIS_HINT.search(lower) is not None:
        out += [(match.start(), match.end(), "coordinates", 0, CUED) for match in _ONE_AXIS.finditer(text)]
    return out


def _is_point(text: str, match: re.Match[str]) -> bool:
    first, second = int(match[2]), int(match[5])
    if first > 180 or second > 180 or (first > 90 and second > 90):
        return False
    if (match[1] or match[3]) and (match[4] or match[6]):
        return True
    places = min(len(part.split(".")[1]) for part in _DECIMALS.findall(match.group()))
    near = text[max(0, match.start() - 24) : match.start()].lower()
    if _POINT_CUE.search(near) is not None or _POINT_CUE.search(text[match.end() : match.end() + 8].lower()) is not None:
        return True
    if _FIGURE_CUE.search(near) is not None:
        return False
    # A list of figures has more than two, and small ones.
    listed = _MORE_FIGURES.match(text, match.end()) is not None or (near.rstrip()[-1:] in (",", "，") and any(map(str.isdigit, near[-12:])))
    return places >= 4 and max(first, second) >= 10 and not listed and any(sign in match.group() for sign in ",，/;；")
