"""Values that only the word before them explains: accounts, orders, passwords and codes, and numbers whose own form is too common.

One scan finds the words, in Chinese and English, as labels of JSON and as prose ("订单号是", "my user name is", `"order_no": "`);
each has its kind and the form that its value must have. Never reports the word itself, nor a value that is a plain word
of a sentence. Bound: a value is at most 128 characters and begins at most 24 after its word.
"""

from __future__ import annotations

import re

from lizi.text.found import CUED, KEY, LIKELY, Report
from lizi.text.tries import any_of, listed

__all__ = ["cued"]

# How a value may follow its word: a noun ("号码", "no."), a verb or a sign, quotes and brackets.
_NOUN = r"(?:号码|號碼|号|號|编号|編號|账号|帳號|賬號|代码|代碼|(?:id|no\.?|number)(?![A-Za-z0-9])|#)?"
_LINK = re.compile(
    rf"(?:\.?\s?{_NOUN})(?:[\"'”」』`*]{{0,3}})\s{{0,3}}(?:[(（【\[][^()（）【】\[\]\n]{{0,12}}[)）】\]]\s?)?"
    r"(?:(?:就|也|还|都)?(?:是|为|為|改成|改为|改為|设为|設為|填|写)(?:了|：|:)?|(?:is|was|are|to|of)(?= )|[:：=＝]{1,2}>?|->|→|#|\||"
    r",(?=\"))?\s{0,3}[\"'“「『`（(\[【*]{0,3}\s?",
    re.IGNORECASE,
)
_STRONG = re.compile(r"[:：=]|\||->|→|是|为|為")

_DIGITS = re.compile(r"[0-9](?:[ \-]?[0-9]){3,24}(?![0-9A-Za-z])")
_SHORT_DIGITS = re.compile(r"[0-9](?:[ \-]?[0-9]){3,7}(?![0-9A-Za-z])")
_CODE = re.compile(r"(?=[A-Za-z\-]{0,12}[0-9])[A-Za-z0-9](?:[A-Za-z0-9\-_/]{2,38})[A-Za-z0-9](?![A-Za-z0-9])")
_LONG_CODE = re.compile(r"(?=[A-Za-z\-]{0,8}[0-9])[A-Za-z0-9](?:[A-Za-z0-9\-_/]{6,38})[A-Za-z0-9](?![A-Za-z0-9])")
_HANDLE = re.compile(r"@?[A-Za-z0-9][A-Za-z0-9_.\-]{2,39}(?<![.\-])(?![A-Za-z0-9])")
_TOKEN = re.compile(r"[!#-&(-+\--:=?-_a-~]{4,128}")  # printable ASCII but quotes, commas, semicolons and angle brackets
_COMPANY = re.compile(r"[0-9A-Za-z]{15,20}(?![0-9A-Za-z])|[0-9]{8}(?![0-9A-Za-z])|[0-9]{2}-[0-9]{7}(?![0-9A-Za-z])")
_PASSPORT = re.compile(r"[A-Za-z]{0,3}[ -]?[0-9]{6,9}[A-Za-z]?(?![0-9A-Za-z])")
_PERMIT = re.compile(r"[A-Za-z]{0,3}[0-9]{6,18}[Xx]?(?![0-9A-Za-z])|[\u4e00-\u9fff]{1,3}字第?[0-9]{4,9}号?")
_PERSONAL = re.compile(
    r"[0-9]{6}[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{3}[0-9Xx](?![0-9A-Za-z])|[0-9]{15}(?![0-9A-Za-z])|[A-Za-z]{1,2}[0-9]{6} "
    r"?[(（][0-9Aa][)）]|[A-Za-z]{1,2}[0-9]{7,9}(?![0-9A-Za-z])"
)
_PLATE = re.compile(r"(?=[A-Z \-·]{0,4}[0-9])[A-Z0-9]{1,4}[- ·]?[A-Z0-9]{2,5}(?![0-9A-Za-z])")
_PHONE = re.compile(r"\+?[(（]?[0-9](?:[ \-()（）.]{0,2}[0-9]){6,14}(?![0-9A-Za-z])")
_DEVICE = re.compile(r"[0-9](?:[ \-]?[0-9]){13,15}(?![0-9A-Za-z])")
_SOCIAL = re.compile(r"[0-9]{3}[ -]?[0-9]{2}[ -]?[0-9]{4}(?![0-9A-Za-z])")
_BANK = re.compile(r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![0-9A-Za-z])")
_CARD = re.compile(r"[0-9](?:[ \-]?[0-9]){11,20}(?![0-9A-Za-z])")

_RULES: dict[str, tuple[str, re.Pattern[str]]] = {}
"""Name of a rule → kind and form of its value."""
_CHINESE: dict[str, str] = {}
_ENGLISH: dict[str, str] = {}
"""Word → its rule. In English `~` stands for every joint of a label: "order no", `order_no`, `orderNo`, `order-no`."""


def _spelt(words: str) -> list[str]:
    """`order~{no,id,}` → every word that it means."""
    out: list[str] = []
    for word in re.findall(r"(?:[^\s{]|\{[^}]*\})+", words):
        forms = [""]
        for plain, choice in re.findall(r"([^{}]+)|\{([^}]*)\}", word):
            forms = [form + option for form in forms for option in (choice.split(",") if choice else [plain])]
        out += [form.rstrip("~") for form in forms]
    return out


def _rule(name: str, kind: str, form: re.Pattern[str], chinese: str = "", english: str = "") -> None:
    _RULES[name] = (kind, form)
    _CHINESE.update(dict.fromkeys((word for word in chinese.split() if not word.isascii()), name))
    _ENGLISH.update(dict.fromkeys((word.lower() for word in chinese.split() if word.isascii()), name))
    _ENGLISH.update(dict.fromkeys(_spelt(english), name))


_rule(
    "password",
    "secret",
    _TOKEN,
    "密码 密碼 口令 密钥 密鑰 秘钥 私钥 暗号 通行码",
    "password passwd pwd passphrase pass~word passcode secret~key secret~access~key access~key~secret access~key client~secret "
    "app~secret appsecret "
    "api~key apikey secret access~token auth~token refresh~token private~key token api~token aws~secret~access~key login~password "
    "db~pass db~password credentials",
)
_rule(
    "one_time",
    "secret",
    _CODE,
    "验证码 驗證碼 校验码 校驗碼 动态码 動態碼 短信码 安全码 安全碼 提取码 提取碼 取件码 取件碼 激活码 邀请码 兑换码 授权码 卡密 "
    "支付密码 交易密码 取款密码 开机密码 锁屏密码 PIN码",
    "verification~code otp one~time~{code,password,passcode} security~code cvv cvv2 cvc pin "
    "pin~code two~factor~code {auth,authentication}~code "
    "login~code activation~code "
    "recovery~code backup~code sms~code license~key",
)
_rule(
    "social",
    "account",
    _HANDLE,
    "微信号 微信ID 微信 微訊 薇信 威信 V信 vx VX 加V 加v QQ号 QQ号码 QQ群 QQ 企鹅号 扣扣 支付宝账号 支付宝账户 支付宝 支付寶 抖音号 抖音 "
    "快手号 小红书号 小红书 小紅書 微博 B站 知乎 "
    "陌陌号 钉钉号 飞书号 推特 脸书 電報 电报 游戏ID 游戏账号 Steam账号 苹果账号 Apple账号",
    "wechat~id wechat weixin wx~id qq~{number,id} qq telegram whatsapp~id twitter instagram insta snapchat discord skype line~id "
    "steam~id apple~id alipay venmo cashapp",
)
_rule(
    "account",
    "account",
    _HANDLE,
    "账号 帐号 帳號 賬號 账户名 账户 帐户 帳戶 賬戶 用户名 用戶名 使用者名稱 使用者名称 登录名 登錄名 登入名 用户ID 用户id 用戶ID UID "
    "昵称ID",
    "user~name user~id userid login~{id,name} login uid account~name handle screen~name",
)
_rule(
    "number_of_account",
    "account",
    _CODE,
    "会员号 会员卡号 會員號 會員編號 会员编号 会员卡 會員卡 会员ID 学号 學號 工号 工號 员工号 员工编号 員工編號 职工号 警号 社保号 "
    "社保卡号 社会保障号 社保 医保号 医保卡号 医保卡 医保 健保卡 "
    "公积金账号 公积金 病历号 病歷號 病历 病案号 就诊号 就诊卡号 住院号 门诊号 客户号 客户编号 客戶編號 客戶號碼 户号 戶號 电表号 "
    "准考证号 准考證號 考生号 驾驶证号 驾照号 駕照號碼 档案编号 车架号 发动机号 "
    "保单号 保單號碼 保單號 保险单号 合同号 合同编号 合約編號 设备号 设备编号 序列号 序號 储值卡号 交通卡号 八达通 八達通 公交卡号 "
    "积分卡 图书证号 借书证号 学籍号 党员编号 执业证号 资格证号 "
    "证书编号 房产证号 不动产权证号 编制号 基金账号 证券账号 股东账号 资金账号 银行账号 銀行帳號 收款账号 银行账户 户口号 里程卡号 "
    "常旅客号 SWIFT 宽带账号",
    "account~{number,no,num,id} acct~{number,no,num,id,} account a/c member{ship,}~{number,no,id} customer~{number,no,id,code} "
    "client~{number,no,id} "
    "employee~{number,no,id} staff~{number,no,id} badge~{number,no,id} student~{number,no,id} patient~{number,no,id} mrn "
    "medical~record~{number,no,} policy~{number,no,id} "
    "routing~{number,no,} routing sort~code {driver,drivers,driver's}~{license,licence}~{number,no,} {license,licence}~{number,no} "
    "nhs~{number,no} nhs national~insurance~{number,no,} ni~number "
    "serial~{number,no} vin loyalty~{number,no,card,id} frequent~flyer~{number,no,} rewards~{number,no,id} subscriber~{number,no,id} "
    "device~id medicare~{number,no,id,} "
    "medicaid~{number,no,id,} insurance~{number,no,id} health~card~{number,no,} library~card~{number,no,} profile~id "
    "contract~{number,no} case~file~{number,no,} octopus~{card,number,} "
    "beneficiary~{number,no,id} group~number swift swift~code bic bank~account",
)
_rule(
    "order",
    "order",
    _CODE,
    "订单号 订单编号 訂單號碼 訂單編號 訂單號 订单ID 订单id 订单码 快递单号 快递号 快遞單號 物流单号 物流單號 运单号 運單號碼 運單號 "
    "追踪号 追蹤號碼 追蹤號 單號 单号 发票号码 发票号 发票代码 發票號碼 發票號 "
    "统一发票 交易号 交易单号 交易编号 交易流水号 交易編號 流水号 流水號 商户单号 商户订单号 退款单号 退货单号 预订号 预定号 預訂號 "
    "預約編號 预约号 预约编号 确认号 確認號碼 確認號 票号 電子票號 取票号 "
    "工单号 工单编号 工单 案件编号 案件編號 案号 参考号 參考編號 受理编号 受理号 收据号 收據編號 支付单号 包裹号 包裹單號 采购单号 "
    "提单号 提單號碼 运单 凭证号 回执编号 申请编号 申請編號 服务单号",
    "order~{number,no,num,id,code,ref,reference} tracking~{number,no,num,id,code} tracking invoice~{number,no,num,id} invoice "
    "shipment~{number,no,id} waybill~{number,no,} awb booking~{number,no,id,ref,reference,code} booking confirmation~{number,no,id,code} "
    "confirmation reservation~{number,no,id,code} "
    "reservation transaction~{number,no,id,ref,reference} receipt~{number,no,id} receipt reference~{number,no,id,code} ref~{number,no} "
    "ref case~{number,no,id} "
    "ticket~{number,no,id} po~{number,no} purchase~order~{number,no,} purchase~order consignment~{number,no,} parcel~{number,no,id} "
    "rma~{number,no,} pnr record~locator "
    "claim~{number,no,id} package~{number,no,id} delivery~{number,no,id} trade~no out~trade~no payment~id refund~{number,no,id} "
    "quote~{number,no}",
)
_rule("order_bare", "order", _LONG_CODE, "订单 訂單 快递 快遞 运单 發票 发票 包裹", "order shipment parcel package")
_rule(
    "company",
    "uscc",
    _COMPANY,
    "统一社会信用代码 社会信用代码 统一信用代码 信用代码 統一社會信用代碼 税号 稅號 纳税人识别号 納稅人識別號 纳税识别号 組織機構代碼 "
    "营业执照号 营业执照注册号 統一編號 统一编号 統編",
    "uscc tax~{number,no,id} credit~code vat~{number,no,id} ein",
)
_rule("passport", "passport", _PASSPORT, "护照号码 护照号 护照 護照號碼 護照號 護照", "passport~{number,no,num,} passport")
_rule(
    "permit",
    "permit",
    _PERMIT,
    "通行证号码 通行证号 通行证 通行證號碼 通行證 回乡证号 回乡证 回鄉證 回鄉卡 台胞证号 台胞证 台胞證 臺胞證 往来港澳 居住证号 居住证 "
    "居住證 居留证号 居留证 居留證號 居留證 軍官證 军官证号 军官证 士兵证 警官证 港澳居民来往内地",
    "permit~{number,no,} residence~permit~{number,no,} home~return~permit~{number,no,}",
)
_rule(
    "identity",
    "resident_id",
    _PERSONAL,
    "身份证号码 身份证号 身份证 身份證號碼 身份證號 身份證 身分證字號 身分證號 身分證 证件号码 证件号 證件號碼 公民身份号码 身份号码",
    "id~card~{number,no,} identity~card~{number,no,} hkid hkid~{number,no,card} national~id~{number,no,} resident~id~{number,no,} "
    "id~{number,no}",
)
_rule(
    "plate",
    "plate",
    _PLATE,
    "车牌号码 车牌号 车牌 車牌號碼 車牌號 車牌",
    "{license,licence}~plate~{number,no,} plate~{number,no} number~plate registration~{plate,number}",
)
_rule(
    "phone",
    "phone",
    _PHONE,
    "电话 電話 手机号码 手机号 手机 手機號碼 手機號 手機 座机 座機 固话 联系方式 聯絡方式 联系电话 聯絡電話 热线 熱線 传真 傳真 分機 "
    "致电 致電",
    "tel telephone phone~{number,no,} mobile~{number,no,} cell~{phone,number,} fax~{number,no,} whatsapp hotline",
)
_rule("device", "imei", _DEVICE, "IMEI imei 串号 串號 串码", "imei meid")
_rule("social_security", "ssn", _SOCIAL, "社会安全号 社會安全碼 社会安全号码", "ssn social~security social~security~{number,no} social")
_rule("iban", "iban", _BANK, "", "iban")
_rule(
    "card",
    "bank_card",
    _CARD,
    "银行卡号 银行卡 銀行卡號 銀行卡 卡号 卡號 信用卡号 信用卡 储蓄卡号 储蓄卡 借记卡 金融卡",
    "card~{number,no,num} credit~card debit~card bank~card card",
)

_CHINESE_WORD = re.compile(any_of(_CHINESE))
_ENGLISH_WORD = re.compile(r"(?<![a-z0-9])" + any_of(_ENGLISH, "[ _-]?") + "(?![a-z_]|-[a-z])")
_ENGLISH_RULE = {word.replace("~", ""): name for word, name in _ENGLISH.items()}
_ENGLISH_HINT = re.compile(r"[a-z][a-z/]{1,39}")
_JOINT = re.compile("[ _-]")

_SIGN = re.compile("[0-9A-Za-z@]")
_RANKS = {(True, True): KEY, (True, False): CUED, (False, True): CUED, (False, False): LIKELY}
"""Whether it is a secret, whether a sign joins it to its word → the rank."""
_UNIT = re.compile(
    r"\s?(?:[元块塊万萬年月日天个個位人次件岁歲%％点點分米字条條份张張號号版]|小时|小時|公里|毫|美|kg|km|rmb|usd|dollars?|days?|hours?|"
    r"items?|people|years?|minutes?|times|characters|digits|\.[0-9])",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(?:19|20)[0-9]{2}(?:-(?:0?[1-9]|1[0-2]))?(?:-[0-9]{1,2})?")
_SPOKEN_CODE = re.compile(
    r"(?<![0-9A-Za-z])([0-9]{4,8})\s?(?:是|为|為|is|,|，|[（(【\[])\s?(?:您|你|your|the)?的?[^0-9。；;!！]{0,16}$", re.IGNORECASE
)
_NOTHING = frozenset(
    listed(
        "str string none null true false required optional hidden bool boolean int integer number text any type password username example "
        "test undefined unknown default value empty blank is not the and or for with your this that here below above from to in on of "
        "missing invalid incorrect wrong forgotten expired reset change changed login email phone name n/a field input secret token "
        "changeme object array details information"
    )
)
_MASKED = re.compile(
    r"[(\[)]|[*xX•.●·\-_#]{1,128}$|(?:\$\{|\{\{|<|\$\(|%\(|\[)|(?:os|process|env|self|config|settings|secrets)[.\[(]|[A-Za-z_.]{1,40}\("
)
_IDENTIFIER = re.compile(r"[a-z_./\-]{1,128}$")
_OF_PEOPLE = re.compile(r"[Pp](?:ass|wd)|PASS|PWD|密码|密碼|口令|暗号|通行码|[Ll]ogin")
_WORD = re.compile(r"[A-Za-z][a-z]{0,127}[.:!?]?$")
_DIGITS_ONLY = re.compile(r"[0-9]{1,128}$")


def cued(text: str, lower: str) -> list[Report]:
    """Reports of values that their words explain; `lower` is the text in lower case, of the same length."""
    out: list[Report] = []
    for match in _CHINESE_WORD.finditer(text):
        _follow(text, match.start(), match.end(), _CHINESE[match.group()], out)
    done = 0
    for hint in _ENGLISH_HINT.finditer(lower):
        start = hint.start()
        if start < done:
            continue
        word = _ENGLISH_WORD.match(lower, start)
        if word is not None:
            done = word.end()
            _follow(text, start, done, _ENGLISH_RULE[_JOINT.sub("", word.group())], out)
    return out


def _follow(text: str, start: int, end: int, name: str, out: list[Report]) -> None:
    kind, form = _RULES[name]
    if _SIGN.search(text, end, end + 24) is None and name != "one_time":
        return
    if name == "one_time":
        spoken = _SPOKEN_CODE.search(text, max(0, start - 32), start)
        if spoken is not None:
            out.append((*spoken.span(1), "secret", 0, CUED))
    link = _LINK.match(text, end)
    begin = link.end() if link is not None else end
    joint = text[end:begin]
    match = form.match(text, begin)
    if match is None:
        return
    value, stop = match.group(), match.end()
    if name in ("password", "social", "account"):
        stripped = value.rstrip(".,:?)]}") if name == "password" else value
        if len(stripped) >= 3:
            value, stop = stripped, begin + len(stripped)
    strong = _STRONG.search(joint) is not None
    if not _plausible(text, name, start, value, stop, strong, joint):
        return
    out.append((begin, stop, kind, 0, _RANKS[kind == "secret", strong]))


def _plausible(text: str, name: str, start: int, value: str, stop: int, strong: bool, joint: str) -> bool:
    """Whether the value is one, and not the next word, an amount or a year of the sentence."""
    marked = any(sign.isdigit() or sign in "_@" for sign in value)
    if name in ("password", "social", "account"):
        if value.lower() in _NOTHING or _MASKED.match(value) or (name == "password" and text[stop : stop + 1] == "("):
            return False
        if not strong:
            mine = "is" in joint and text[max(0, start - 12) : start].lower().rstrip().endswith(("my", "the new", "new", "your"))
            if (not marked and not mine) or (not joint and name != "social" and len(value) < 6):
                return False
            if name == "password" and not marked and value.islower() and len(value) < 8:
                return False
        if name == "password" and _IDENTIFIER.match(value) and not _OF_PEOPLE.match(text, start):
            return False  # "token: upstream_timeout" explains a field
        if name != "password" and not marked and _WORD.match(value) and text[stop : stop + 2].strip()[:1].isalpha():
            return False  # a sentence goes on
        return not (_DIGITS_ONLY.match(value) and _UNIT.match(text, stop)) and not (len(value) < 4 and not strong)
    if name in ("number_of_account", "order", "order_bare", "one_time"):
        if _UNIT.match(text, stop) and (value.isdigit() or not strong or _YEAR.match(value)):
            return False
        if not strong and (len(value) < 5 or _YEAR.fullmatch(value)):
            return False
        if value.isupper() and not value.isdigit() and 5 <= len(value) <= 8 and name == "order":
            return True  # the locators of airlines and hotels have few digits
        if strong and _YEAR.fullmatch(value) and len(value) > 4:
            return False
        return sum(sign.isdigit() for sign in value) >= (2 if strong else 3)
    if name in ("plate", "company", "passport", "permit"):
        return strong or len(value) >= 6
    return True
