"""The words that explain a value, in Chinese and English, and the form that each asks of it. A table: `cued` reads it.

Bound: every form ends within 128 characters.
"""

from __future__ import annotations

import re

# A day is no number of an order.
_NO_DATE = (
    r"(?!(?:19|20)[0-9]{2}[-/](?:19|20)[0-9]{2}(?![0-9\-]))"
    r"(?!(?:19|20)[0-9]{2}[-/][0-9]{1,2}[-/][0-9]{1,2}(?![0-9\-])|[0-9]{1,2}[-/][0-9]{1,2}[-/](?:19|20)[0-9]{2}(?![0-9\-]))"
)
_SPACED = _NO_DATE + r"[0-9]{2,6}(?:[ \-][0-9]{2,6}){1,6}(?![0-9A-Za-z]|[-_][0-9A-Za-z])"
_CODED = _NO_DATE + r"(?=[A-Za-z\-_/]{0,12}[0-9])[A-Za-z0-9](?:[A-Za-z0-9\-_/]{2,38})[A-Za-z0-9](?![A-Za-z0-9])"
CODE = re.compile(rf"[A-Z]{{1,3}} [0-9]{{6,14}}(?![0-9A-Za-z])|(?:[A-Z]{{1,3}} )?{_SPACED}(?: [A-D](?![0-9A-Za-z]))?|{_CODED}")
LONG_CODE = re.compile(
    rf"(?:[A-Z]{{1,3}} )?{_SPACED}|{_NO_DATE}(?=[A-Za-z\-/]{{0,8}}[0-9])[A-Za-z0-9](?:[A-Za-z0-9\-_/]{{4,38}})[A-Za-z0-9](?![A-Za-z0-9])"
)
ONE_TIME = re.compile(
    rf"{_SPACED}|[0-9]{{3}}(?![0-9A-Za-z])|{_CODED}|[a-z]{{4}}(?: [a-z]{{4}}){{3}}(?![a-z ])|(?=[A-Za-z]{{0,6}}[a-z][A-Z])"
    rf"[A-Za-z]{{4,8}}(?=[\s，。,;；]|$)"
)
LOCATOR = re.compile(rf"{_SPACED}|{_CODED}|[A-Z]{{6}}(?![0-9A-Za-z])")
PREFIXED = re.compile(r"[-_#]{0,2}(?:[A-Z]{1,4}[-_])?[0-9][0-9A-Z]{0,19}(?:[-_/][0-9A-Z]{1,12}){0,3}(?![0-9A-Za-z])")
HANDLE = re.compile(
    rf"{_SPACED}|(?:live:\.?)?[@$]?[A-Za-z0-9][A-Za-z0-9_.\-]{{2,39}}(?<![.\-])(?:#[0-9]{{3,6}}|@[a-z]{{3,12}}(?![A-Za-z0-9.])"
    rf")?(?![A-Za-z0-9])"
)
# A plate has a letter; letters alone only where the owner chose them.
PLATE = re.compile(
    r"(?=[^0-9\n]{0,8}[0-9])(?:[\u4e00-\u9fff]?[·•]?[A-Z0-9]{1,4}[- ·•]?[A-Z0-9]{2,5}(?:[- ·](?:[A-Z0-9]{2,4}|"
    r"[A-HJ-Z](?![0-9A-Za-z'])))?[挂掛学學警港澳领領使试]?|"
    r"[A-Z0-9]{7,10}|[\u4e00-\u9fff][0-9]{6})(?![0-9A-Za-z])"
)
VEHICLE = re.compile(
    r"(?:[A-Z]{2,3}[- ]?(?!19|20)[0-9]{4}|[0-9][A-Z]{3}[0-9]{3}|[A-Z]{2}[0-9]{2} ?[A-Z]{3}|[0-9]{4}-[A-Z]{2}|T[0-9]{6}C|[A-Z][0-9]{1,3} "
    r"[A-Z]{3}|[A-Z]{3}-(?!19|20)[0-9]{4})(?![0-9A-Za-z]|-)"
)
TOKEN = re.compile(
    r"[\u4e00-\u9fff]{3,10}[0-9!@#]{1,8}(?=[\s，。；,;]|$)|[0-9]{3}(?![!-~])|[!#-&(-+\--:=?-_a-~]{4,128}"
)  # printable ASCII but quotes, commas, semicolons and angle brackets
COMPANY = re.compile(
    r"[0-9A-Z]{4}(?: [0-9A-Z]{4}){3} [0-9A-Z]{2}(?![0-9A-Za-z])|[0-9A-Za-z]{15,20}(?![0-9A-Za-z])|"
    r"[0-9]{8}(?:-[0-9]{3})?(?![0-9A-Za-z])|[0-9]{2}-[0-9]{7}(?![0-9A-Za-z])"
)
PASSPORT = re.compile(
    r"[CFGHJKLMNPRTVWXYZ](?=[A-Z]{0,4}[0-9])[0-9CFGHJKLMNPRTVWXYZ]{8}(?![0-9A-Za-z])|[0-9](?:-?[0-9]){7,8}(?![0-9A-Za-z])|"
    r"[A-Za-z]{0,3}[ -]?[0-9]{6,9}[A-Za-z]?(?![0-9A-Za-z])"
)
PERMIT = re.compile(
    r"[A-Z]{1,3}[0-9]{5}(?![0-9A-Za-z])|[A-Za-z]{0,3}[0-9]{6,18}[Xx]?(?![0-9A-Za-z])|[\u4e00-\u9fff]{1,3}字第?[0-9]{4,9}号?"
)
PERSONAL = re.compile(
    r"[0-9]{6}[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{3}[0-9Xx](?![0-9A-Za-z])|[0-9]{15}(?![0-9A-Za-z])|[A-Za-z]{1,2}[0-9]{6} "
    r"?[(（][0-9Aa][)）]|[A-Za-z]{1,2}[0-9]{7,9}(?![0-9A-Za-z])|"
    r"[1578][0-9]{6} ?[(（/][0-9][)）]?(?![0-9A-Za-z])"  # Macau's
)
PHONE = re.compile(r"\+?[(（]?[0-9](?:[ \-()（）.]{0,2}[0-9]){6,14}(?![0-9A-Za-z])")
DEVICE = re.compile(r"[0-9](?:[ \-]?[0-9]){13,15}(?![0-9A-Za-z])")
SOCIAL = re.compile(r"[0-9](?:[ -]?[0-9]){8}(?![0-9A-Za-z])")
SORT = re.compile(r"[0-9]{2}-[0-9]{2}-[0-9]{2}(?![0-9A-Za-z-])")
ANSWER = re.compile(r"[A-Za-z0-9\u4e00-\u9fff][^\n,，。.;；:：\"”|]{1,28}(?=[\n,，。.;；\"”|]|$)")
WIRELESS = re.compile(r"(?=[^\s]{0,40}[0-9])(?=[^\s]{0,40}[A-Za-z])[A-Za-z0-9!@#$%&*_\-]{8,63}(?![A-Za-z0-9])")
LONG_KEY = re.compile(
    r"(?=[^\s]{0,40}[0-9])(?=[^\s]{0,60}[A-Za-z])(?:[A-Za-z0-9_\-+/.]{16,128}={0,2}|(?=[^\s]{0,14}[a-z])(?=[^\s]{0,14}[A-Z])"
    r"[A-Za-z0-9]{10,15})(?![A-Za-z0-9])"
)
BANK = re.compile(r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![0-9A-Za-z])")
CARD = re.compile(r"[0-9](?:[ \-]?[0-9]){11,20}(?![0-9A-Za-z])")

RULES: dict[str, tuple[str, re.Pattern[str]]] = {}
"""Name of a rule → kind and form of its value."""
CHINESE: dict[str, str] = {}
ENGLISH: dict[str, str] = {}
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
    RULES[name] = (kind, form)
    CHINESE.update(dict.fromkeys((word for word in chinese.split() if not word.isascii()), name))
    CHINESE.update({word[:-2] + "id": name for word in chinese.split() if word.endswith("ID") and not word.isascii()})
    ENGLISH.update(dict.fromkeys((word.lower() for word in chinese.split() if word.isascii()), name))
    ENGLISH.update(dict.fromkeys(_spelt(english), name))


_rule(
    "password",
    "secret",
    TOKEN,
    "密码 密碼 卡密码 卡密碼 口令 凭据 憑據 密钥 密鑰 秘钥 秘鑰 私钥 私鑰 暗号 暗號 通行码 通行碼 PWD 访问令牌 存取權杖 令牌",
    "password passwd pwd passphrase pass~word passcode secret~key secret~access~key access~key~secret access~key client~secret "
    "app~secret appsecret "
    "api~key apikey secret access~token auth~token refresh~token private~key token api~token aws~secret~access~key login~password "
    "db~pass db~password credentials pw psw pass passkey pwd~hash root~password network~key wi~fi~key wifi~key bot~token "
    "session~token secret~token webhook~secret signing~key encryption~key master~key corp~secret corpsecret",
)
_rule(
    "one_time",
    "secret",
    ONE_TIME,
    "验证码 驗證碼 校验码 校驗碼 动态码 動態碼 短信码 安全码 安全碼 提取码 提取碼 取件码 取件碼 激活码 邀请码 兑换码 授权码 卡密 "
    "参会码 參會碼 入会码 会议码 會議碼 开门码 開門碼 开箱码 开柜码 柜门码 房门码 大门码 大門碼 门密码 解锁码 解鎖碼 认证码 "
    "認證碼 确认短信 "
    "一次性密码 PUK码 PUK碼 锁屏 鎖屏 核验码 授权码 授權碼 绑定码 登录验证 身份码 取货码 取貨碼 寄存码 存包码 储物柜码 "
    "兑换码 兌換碼 邀請碼 提款码 PIN码 PIN碼 PIN  "
    "门禁码 門禁碼 门锁码 开锁码 取餐码 核销码 恢复码 恢復碼 备用码 口令码 登录码",
    "verification~code otp one~time~{code,password,passcode} security~code cvv cvv2 cvc pin "
    "pin~{code,number} two~factor~code {auth,authentication}~code "
    "login~code activation~code "
    "recovery~code backup~code {recovery,backup}~codes app~{password,passwords} puk puk~{code,number} "
    "{uber,google,apple,whatsapp,facebook,bank,microsoft,amazon}~code "
    "padlock lockbox keypad combination {zoom,meeting,webinar,conference}~{passcode,pin} sms~code license~key pin mfa~code code passcode "
    "{locker,luggage,suitcase,bike,parking,pool,elevator,lift,storage,mailbox,dorm,flat,apartment,office}~code "
    "{house,door,gate,alarm,entry,access,unlock,lock,safe,garage,lockbox,keypad,building,entrance,confirmation~sms}~code "
    "{door,safe,locker,padlock,bike,lock}~combination",
)
_rule(
    "social",
    "account",
    HANDLE,
    "微信号 微信ID 微信 微訊 薇信 威信 V信 vx VX 加V 加v QQ号 QQ号码 QQ群 QQ 企鹅号 扣扣 支付宝账号 支付宝账户 支付宝 支付寶 抖音号 抖音 "
    "快手号 小红书号 小红书 小紅書 微博 B站 知乎 "
    "陌陌号 钉钉号 飞书号 推特 脸书 電報 电报 游戏ID 游戏账号 游戏id 遊戲ID 游戏昵称 加Q 加q 加我V 加我v 加我Q Q号 q号 Q號 企鹅 "
    "企鵝 好友码 好友碼 微信ID 抖音ID 微博ID IG帳號 IG LINE帳號 脸书账号 Telegram WhatsApp帳號 "
    "v信 v信号 wx号 WX号 wx WX 加賴 加赖 賴ID 微信號 QQ小号 QQ帐号 QQ账号 qq账号 淘宝会员名 淘宝账号 淘宝ID 淘宝 旺旺号 旺旺 钉钉 "
    "钉钉账号 飞书 快手 豆瓣 B站账号 B站ID 知乎账号 微博账号 抖音账号 小红书账号 "
    "快手账号 微信账号 微信帳號 推特ID 脸书ID 臉書 臉書帳號 IG號 Line帳號 Facebook帳號 Discord帳號 支付寶帳號 网易云ID 闲鱼号 闲鱼ID "
    "百度账号 百度ID 战网账号 战网ID 任天堂好友码 Xbox账号 PSN账号 "
    "SteamID 游戏名 游戏昵称 角色ID 角色名 玩家ID "
    "王者荣耀ID 王者ID 原神UID 小红书ID 快手ID 知乎ID 豆瓣ID 推特账号 推特號 Steam账号 苹果账号 Apple账号",
    "wechat~id wechat weixin wx~id qq~{number,id} qq telegram whatsapp~id twitter instagram insta snapchat discord skype line~id "
    "steam~id apple~id alipay venmo cashapp cash~app paypal tiktok facebook linkedin github~{user,username,handle} gamer~tag "
    "gamertag psn~{id,} "
    "xbox~{id,gamertag,live} battletag friend~code riot~id epic~id line reddit~{user,username,handle} twitch "
    "{instagram,twitter,telegram,venmo,tiktok,discord,line,skype,facebook,snapchat,wechat}~{handle,id,name,username,account,user} "
    "alipay~{id,account} player~id game~id fb fb~{id,name,account} ig~{id,name,account,handle} taobao~{id,account,name} douyin~id "
    "weibo~{id,account} kakao~id viber signal~username",
)
_rule(
    "account",
    "account",
    HANDLE,
    "账号 帐号 帳號 賬號 账户名 账户 帐户 帳戶 賬戶 用户名 账号名 账号名称 帐号名 帐号名称 账户名称 帳號名稱 帐户名 用戶名 使用者名稱 "
    "使用者名称 登录名 登錄名 登入名 用户ID 用户id 用戶ID UID "
    "昵称ID uid 登录账号 登錄帳號 登入帳號 登入账号",
    "user~name user~id userid login~{id,name} login uid account~name handle screen~name id nick nickname log~in~as logged~in~as "
    "login~as signed~in~as",
)
_rule(
    "number_of_account",
    "account",
    CODE,
    "会员号 会员卡号 會員號 會員編號 会员编号 会员卡 會員卡 会员ID 学号 學號 工号 工號 员工号 员工编号 員工編號 职工号 警号 社保号 "
    "社保卡号 社会保障号 社保 医保号 医保卡号 医保卡 医保 健保卡 "
    "公积金账号 公积金 病历号 病歷號 病历 病案号 就诊号 就诊卡号 住院号 门诊号 客户号 客户编号 客戶編號 客戶號碼 户号 戶號 电表号 "
    "准考证号 准考證號 考生号 驾驶证号 驾照号 駕照號碼 档案编号 车架号 发动机号 "
    "保单号 保單號碼 保單號 保险单号 合同号 合同编号 合約編號 设备号 设备编号 序列号 序號 储值卡号 交通卡号 八达通 八達通 公交卡号 "
    "积分卡 图书证号 借书证号 学籍号 党员编号 执业证号 资格证号 "
    "证书编号 房产证号 不动产权证号 编制号 基金账号 证券账号 股东账号 资金账号 银行账号 銀行帳號 收款账号 银行账户 户口号 里程卡号 "
    "常旅客号 SWIFT 宽带账号 宽带账户 宽带号 宽带编号 社保电脑号 社保编号 "
    "社會保障號碼 社保帳號 就诊卡 就診卡 就診號 診療卡號 病歷號碼 病歷號 病人编号 患者编号 患者ID 病患編號 住院號 门诊号码 燃气编号 "
    "燃气户号 燃气表号 燃气卡号 水表号 水表编号 "
    "电表编号 電錶號碼 電表號碼 水錶號碼 水费户号 水號 電號 电费户号 缴费户号 缴费编号 用户编号 用户号 用戶編號 用戶號碼 客户代码 客户ID "
    "航空里程卡 飞行常客卡 飛行常客卡 里程卡 里程号 飞行常客号 校园卡号 校园卡 饭卡号 一卡通号 一卡通 悠遊卡號 悠遊卡 健保卡號 "
    "健保卡號碼 会员账号 會員帳號 会员码 會員號碼 會員證號 "
    "VIP号 VIP卡号 积分卡号 购物卡号 储值卡 礼品卡号 员工ID 員工號 職員編號 職員證 教师编号 教工号 教职工号 警员编号 駕駛執照 "
    "駕駛執照號碼 驾驶证 驾照 驾驶证编号 "
    "准考證號碼 学籍 学生证号 學生證號 學生證 学生证 学员号 學員編號 保單編號 保单编号 保险号 投保单号 合约号 合約號 贷款合同号 "
    "贷款账号 貸款編號 "
    "公积金号 公积金个人账号 公积金单位账号 社会保障卡号 社会保障卡 医保卡号码 医疗证号 体检号 体检编号 条码号 样本号 档案号 檔案編號 "
    "收款帳號 匯款帳號 銀行戶口 戶口號碼 户口号码 存折号 存摺帳號 證券帳號 证券账户 股東號 期货账号 資金帳號 交易账号 机顶盒号 "
    "智能卡号 SIM卡号 ICCID 设备ID 裝置序號 "
    "机器码 机身号 机身序列号 车辆识别代号 車架號碼 引擎號碼 车架 房间预订号 图书证 借书证 图书卡号 读者证号 借閱證號 党员证号 "
    "工会会员号 志愿者编号 残疾证号 退伍证号 结婚证号 毕业证号 学位证号 "
    "毕业证书编号 出生证号 出生证编号 律师证号 执业证 居民健康卡号 健康卡号 疫苗编号 参保号 参保编号 个人编号 个人账号 人员编号 "
    "单位编号 租户号 住户编号 考号 考试号 户号 戶號 工牌 工牌号 工牌号码 工牌編號 员工证号 员工卡号 员编 員編 病人ID 病患ID 患者编码 "
    "水费编号 电费编号 燃气费编号 燃气费户号 物业户号 物业编号 供暖编号 供电编号 学生ID 学生编号 学生卡号 "
    "会员编码 会员卡编号 考籍号 准考证 准考證 社保编码 社保个人编号 ETC卡号 ETC卡 ETC 账单户号 煤气户号 煤气卡号 供电户号 供水户号 "
    "热力户号 暖气户号 用电户号 用水户号 用气户号 缴费户号 缴费账号 饭卡 借书卡号 读者编号 图书证号码 "
    "病人号 患者号 患者登记号 病人登记号 就诊登记号 检查号 影像号 检验单号 病理号 处方号 对公账号 结算账号 存款账号 理财账号 "
    "贷款编号 信托账号 保险合同号 客戶編碼 客户编码 客户帐号 客戶帳號 用户账号编号 會員卡號 會員證 貴賓卡號 "
    "捷運卡號 一卡通號碼 勞保號碼 勞保證號 病歷 病歷碼 掛號證號 學生編號 考生編號 准考證編號 保單號 帳戶號碼 戶號號碼 網路帳號 寬頻帳號 "
    "電話帳號 強積金帳號",
    "account~{number,no,num,id} acct~{number,no,num,id,} account a/c member{ship,}~{number,no,id} "
    "customer~{number,no,id,code,reference,ref,account} {gym,club}~membership membership member crew~id officer~id worker~id "
    "teacher~id personnel~{number,id} payroll~{number,id} "
    "client~{number,no,id} "
    "employee~{number,no,id} staff~{number,no,id} badge~{number,no,id} student~{number,no,id} patient~{number,no,id} mrn "
    "medical~record~{number,no,} policy~{number,no,id,} plan~{number,id} enrollee~id enrolment~{number,no,id} "
    "enrollment~{number,no,id} meter~{number,no,id,serial} "
    ""
    "{utility,electricity,electric,gas,water,broadband,internet,cable}~account~{number,no,id,} "
    "{phone~bill,energy,council~tax,tax,bank,savings,checking,current,brokerage,loan,mortgage,credit}~account~{number,no,id,} "
    "{loan,mortgage,pension,superannuation,student~loan}~{number,no,id,} supply~{number,point} mpan mprn nmi iccid "
    "sim~{number,card~number} "
    "skymiles mileageplus aadvantage avios rapid~rewards bonvoy hilton~honors air~miles clubcard nectar~{card,} krisflyer "
    "asia~miles marco~polo~club "
    "known~traveler~{number,} ktn redress~number global~entry~{number,} user~number uid~number login~number account~ref "
    "account~reference "
    "patient~record patient~ref patient hospital~{number,no,id} chart~{number,no,id} health~{number,id} medical~{id,number,card} "
    "chinese~student~id school~id college~id university~id campus~{id,card} national~insurance ni utr crn candidate~{number,no,id} "
    "applicant~{number,id} exam~number "
    "routing~{number,no,} routing sort~code {driver,drivers,driver's,driving}~{license,licence}~{number,no,} "
    "{license,licence}~{number,no} "
    "nhs~{number,no} nhs national~insurance~{number,no,} ni~number "
    "serial~{number,no} vin loyalty~{number,no,card,id} frequent~flyer~{number,no,} rewards~{number,no,id} subscriber~{number,no,id} "
    "device~id medicare~{number,no,id,} "
    "medicaid~{number,no,id,} insurance~{number,no,id} health~card~{number,no,} library~card~{number,no,} profile~id "
    "contract~{number,no} case~file~{number,no,} octopus~{card,number,} "
    "beneficiary~{number,no,id} iban~account gift~card loyalty~card registration~id tenant~{id,number} resident~number group~number "
    "swift swift~code bic bank~account",
)
_rule(
    "order",
    "order",
    CODE,
    "订单号 订单号码 订单编号 訂單號碼 訂單編號 訂單號 订单ID 订单id 订单码 订单流水 订单流水号 下单号 快递单号 快递单 快递号 "
    "快递编号 快遞單號 快遞號 物流单号 物流單號 物流编号 物流号 "
    "运单号 运单号码 运单编号 運單號碼 運單號 運單編號 追踪号 追踪号码 追踪码 追蹤號 追蹤號碼 跟踪号 查詢號碼 查询号 查询码 "
    "查詢編號 包裹查詢號碼 單號 单号 单号码 "
    "发票号码 发票号 发票编号 发票代码 發票號碼 發票號 發票編號 统一发票 統一發票 電子發票 电子发票号 交易号 交易号码 交易单号 "
    "交易编号 交易流水号 交易流水 交易編號 交易序號 交易號碼 交易參考編號 "
    "流水号 流水號 流水單號 商户单号 商户订单号 商戶單號 退款单号 退款编号 退款號碼 退款單號 退款号 退货单号 退货编号 退货单 "
    "退貨單號 退貨編號 退换货单号 换货单号 售后单号 售后编号 售后单 "
    "工单号 工单编号 工单 工單 工單號碼 工單編號 案件编号 案件號 案件号 案件編號 案件號碼 案号 案號 个案编号 個案編號 个案号 参考号 "
    "参考编号 參考編號 參考號碼 參考號 受理编号 受理号 受理單號 受理編號 "
    "收据号 收据编号 收據編號 收據號碼 支付单号 付款单号 付款編號 包裹号 包裹單號 包裹編號 采购单号 采购订单号 採購單號 提单号 "
    "提單號碼 提單號 报关单号 運單 运单 凭证号 憑證號碼 回执编号 回执号 回條編號 "
    "申请编号 申请号 申請編號 申請號碼 服务单号 服務單號 服务编号 投诉单号 投诉编号 投訴編號 投诉号 报案号 报案编号 報案編號 "
    "報案號碼 理赔号 理赔编号 理赔单号 理賠編號 理賠號碼 理赔案号 赔案号 賠案號碼 "
    "维修单号 维修编号 維修單號 维修单 報修單號 报修单号 报修编号 缴费单号 繳費單號 账单编号 账单号 帳單編號 帳單號碼 宅配單號 "
    "托運單號 寄件編號 寄件单号 取貨編號 取貨號碼 取件号 交貨便代碼 票据号 票据号码 票據號碼 单据号 单据编号 單據號碼 取件单号 行程单号 "
    "挂号单号 预约单号 取号 排队号 报价单号 報價單號 合同订单号 尾单号 出库单号 入库单号 发货单号 發貨單號 送货单号 配送单号 "
    "外卖单号 外卖订单号 团购券号 券码 券号 提货单号 提货号 提货码 批次号",
    "order~{number,no,num,id,code,ref,reference} tracking~{number,no,num,id,code,ref,reference} tracking "
    "invoice~{number,no,num,id,ref,reference} "
    "shipment~{number,no,id,reference} waybill~{number,no,} {air,airway}~waybill~{number,} awb "
    "transaction~{number,no,id,ref,reference,code} receipt~{number,no,id} "
    "reference~{number,no,id,code} ref~{number,no,id,code} case~{number,no,id,ref,reference} incident~{number,no,id} "
    "complaint~{number,no,id,ref,reference} "
    "ticket~{number,no,id,ref,reference} eticket~{number,no,} po~{number,no} purchase~order~{number,no,} consignment~{number,no,} "
    "parcel~{number,no,id} return~{number,no,id,code,authorization,authorisation,authorization~number} rma~{number,no,} "
    "claim~{number,no,id,ref,reference} "
    "package~{number,no,id} delivery~{number,no,id,reference} trade~no payment~{id,number,ref,reference} "
    "refund~{number,no,id,ref,reference} "
    "quote~{number,no,id,ref} quotation~{number,no,id} work~order~{number,no,id,} service~request~{number,no,id,} "
    "service~order~{number,no,id} job~{number,no,id,ref} "
    "docket~{number,no,} support~{ticket,case,request,id,ref,reference} repair~{number,no,id,ticket,order,ref} bill~{number,no,id} "
    "billing~{number,id} "
    "receipt~code request~{number,no,id} application~{number,no,id,ref,reference} appointment~{number,no,id,ref} "
    "credit~note~{number,no,} "
    "police~report~{number,no,} report~number crime~{number,reference} pickup~{number,code} collection~{number,code} "
    "voucher~{number,no,id} packing~slip~{number,no}",
)
_rule(
    "booking",
    "order",
    LOCATOR,
    "预订号 预订编号 预订号码 预定号 预定编号 預訂號 預訂編號 預訂號碼 预订编码 预订代码 預訂代碼 預約編號 預約號碼 预约号 预约编号 "
    "预约码 确认号 确认编号 確認號碼 確認號 确认码 確認碼 確認編號 票号 機票號碼 "
    "电子票号 电子客票号 客票号 電子票號 取票号 取票码 取票號 訂票代號 订票号 订票编号 訂位代號 訂位代碼 訂位編號 訂位紀錄 订位号 "
    "订座编码 订座记录 订座记录编号 訂房編號 訂房號碼 订房号 訂房代碼 "
    "机票编码 航班编码 航空编码 旅客订座记录 PNR 行程单号 行程編號 酒店确认号 车票号 火车票号 电影票号 座位预订号",
    "booking~{number,no,id,ref,reference,code,confirmation} confirmation~{number,no,id,code,ref,reference} "
    "reservation~{number,no,id,code,ref,reference} "
    "{flight,airline,hotel,train,travel,trip,rental}~{booking,confirmation,reservation,reference,ref,code,locator} "
    "pnr~{number,code,} record~locator "
    "booking reservation confirmation booking~locator locator itinerary~{number,no,id,}",
)
_rule(
    "order_bare",
    "order",
    LONG_CODE,
    "行程单 行程單 单子 單子 预约 預約 票据 订单 訂單 快递 快遞 发票 發票 包裹 退款 退货 退貨 理赔 理賠 保单 保單 提单 案件 预订 預訂 "
    "交易 采购单 采购订单 账单 帳單 顺丰 "
    "顺丰速运 顺丰快递 順豐 順豐速運 中通 中通快递 圆通 圆通速递 圓通 申通 韵达 韻達 极兔 "
    "極兔 京东 京东快递 京东物流 菜鸟 菜鸟裹裹 邮政 中国邮政 郵局 中華郵政 EMS 德邦 黑貓 黑貓宅急便 宅急便 宅配 新竹物流 嘉里大榮 "
    "跨越速运 百世 天天快递 安能 店到店 DHL UPS FedEx",
    "visit violation citation notice {luggage,bag,baggage}~tag prescription rx charge dispute conf conf~{number,no,code} eventbrite "
    "servicenow jira zendesk stripe booking.com agoda ticketmaster stubhub opentable klarna shopify walmart costco ikea "
    "doordash grubhub instacart "
    "temu shein aliexpress wish lazada shopee foodpanda deliveroo ubereats uber~eats skyscanner trip.com ctrip hotels.com "
    "vrbo payout deposit "
    "trk trk~{no,number} job docket pickup warranty rental subscription rma~{number,no} po~{number,no} file~ref our~ref "
    "your~ref booking~ref "
    "order shipment parcel package invoice transaction lading container application appointment incident receipt reference ref "
    "ticket case claim refund return quote "
    "complaint po docket authorization ups fedex usps dhl ems tnt aramex royal~mail evri hermes dpd gls canada~post australia~post "
    "auspost "
    "ontrac lasership yodel parcelforce amazon ebay etsy airbnb expedia sf~express jd~express sf payment delivery "
    "support~ticket support~case return~label rma order~from order~with purchase voucher",
)
_rule(
    "account_bare",
    "account",
    CODE,
    "",
    "user student client staff emp employee patient tenant subscriber policyholder serial sn microchip redress~control "
    "control~{number,no} group contract "
    "admission dl dl~{number,no} pass~id passid resident emp~{id,number,no} meter loan "
    "{zoom,meeting,webinar,teams,webex,conference}~{id,number,no} "
    "driver~{license,licence} pension~{ref,reference} {loan,mortgage,insurance,policy,tenancy,contract,account,plan}~{ref,reference,code} "
    "{agent,teacher,trainee,visitor,guest,user,volunteer,donor,voter}~{number,id,no} "
    "{taxpayer,inmate,trader,merchant,vendor,supplier,seller,buyer,dealer}~{number,id,no} "
    "{locker,membership,gym,pool,transit,bus,travel,metro,train,parking}~card~{number,no,} {pet,dog,cat}~{chip,microchip} "
    "chip~{number,no,id} "
    "{fps,payid,bpay,zelle,upi,alipay~hk,payme,wise}~{id,number,} {dental,vision,pharmacy,rx,group}~{id,group,member} ibkr "
    "schwab fidelity vanguard",
)
_rule(
    "answer",
    "secret",
    ANSWER,
    "密保答案 密碼提示答案 密保问题答案 安全问题答案 安全問題答案",
    "{security,secret}~{answer,answers} {security,secret}~question~answer",
)
_rule("wireless", "secret", WIRELESS, "", "wifi wi~fi")
_rule("sort", "account", SORT, "", "sort")
_rule(
    "long_key",
    "secret",
    LONG_KEY,
    "",
    "key ak sk app~key appkey ak/sk consumer~key consumer~secret publishable~key license credential credentials signature "
    "api~token map~key "
    "{wpa,webhook,bot,sdk,server,project,service}~key",
)
_rule(
    "generic",
    "account",
    CODE,
    "编号 編號 号码 號碼 编码 編碼 证号 證號 卡号码 员工 員工 学生 學生 患者 病人 客户 客戶 会员 會員 宽带 寬頻 账户号 戶口 代號 代号 "
    "挂号单 掛號單 "
    "理赔单 参考 參考",
    "number num",
)
_rule(
    "prefixed",
    "order",
    PREFIXED,
    "",
    "ord inv tkt tck clm bkg rsv txn trx rfd shp bk",
)
_rule(
    "company",
    "uscc",
    COMPANY,
    "统一社会信用代码 社会信用代码 统一信用代码 信用代码 統一社會信用代碼 税号 稅號 纳税人识别号 納稅人識別號 纳税识别号 "
    "組織機構代碼 组织机构代码 商業登記號碼 商业登记号 商業登記號 商業登記 BR號碼 统一代码 企业代码 社会统一信用代码 "
    "营业执照号 营业执照注册号 統一編號 统一编号 統編 统编 公司註冊編號",
    "uscc tax~{number,no,id} credit~code vat~{number,no,id} ein",
)
_rule(
    "passport",
    "passport",
    PASSPORT,
    "护照号码 护照号 护照 護照號碼 護照號 護照",
    "passport~{number,no,num,id,} passport travel~document~{number,no,}",
)
_rule(
    "permit",
    "permit",
    PERMIT,
    "通行证号码 通行证号 通行证 通行證號碼 通行證 回乡证号 回乡证 回鄉證 回鄉卡 台胞证号 台胞证 台胞證 臺胞證 往来港澳 居住证号 居住证 "
    "居住證 居留证号 居留证 居留證號 居留證 軍官證 军官证号 军官证 士兵证 警官证 港澳居民来往内地",
    "permit~{number,no,id,} residence~permit~{number,no,} home~return~permit~{number,no,} "
    "{travel,work,exit~entry,entry,mainland~travel,taiwan~compatriot}~permit~{number,no,id,} eep~{number,no,} eep "
    "green~card~{number,no,} visa~{number,no} alien~{registration,number} uscis~number visa "
    "{residence,resident,residency}~{permit,card}~{number,no,id,} brp~{number,} mainland~travel~document",
)
_rule(
    "identity",
    "resident_id",
    PERSONAL,
    "身份证号码 身份证号 身份证 身份證號碼 身份證號 身份證 身分證字號 身分證號 身分證 证件号码 证件号 證件號碼 公民身份号码 身份号码",
    "id~card~{number,no,} identity~card~{number,no,} hkid hkid~{number,no,card} national~id~{number,no,} resident~id~{number,no,} "
    "id~{number,no} {macau,macao,hong~kong,hk,taiwan}~{id,identity~card}",
)
_rule(
    "plate",
    "plate",
    PLATE,
    "车牌号码 车牌号 车牌 車牌號碼 車牌號 車牌 车号 車號 車牌号 牌照 牌照号 牌照号码 牌照號碼 牌照號 军牌 号牌 號牌 车辆牌照 機車車牌",
    "{license,licence}~plate~{number,no,} plate~{number,no} number~plate~{number,} registration~{plate,number,no,mark} "
    "{vehicle,car,auto,truck,van}~{registration,reg,plate,plates,tag,tags}~{number,no,} {uk,hk,us}~{registration,reg,plate} plate "
    "plates reg vrm rego tag~{number,no} {license,licence,number}~plates~{number,} "
    "license~tag {hong~kong,taiwan,mainland,chinese,california,texas,florida,ohio,nevada,new~york}~{plate,plates,registration,tag}",
)
_rule(
    "vehicle",
    "plate",
    VEHICLE,
    "的车 的車 架車 架车 登記車輛 登记车辆 车辆 車輛 電動車 电动车 公司車 公司车 車主 车主 私家車 貨車 泊車 辆车 輛車 台车 "
    "台車 部车 部車 开车 開車 车是 車是 停着 停著 停在 停了 坐车 搭車 打车 租车 租車 私家车 网约车 货柜车 "
    "大巴 汽车 汽車 轿车 出租车 货车 面包车 機車 摩托车 計程車 的士",
    "car truck van taxi vehicle motorcycle motorbike suv sedan pickup cab ford toyota tesla honda bmw audi nissan chevy chevrolet "
    "volvo mazda "
    "parking registration hyundai kia jeep lexus mercedes subaru volkswagen vw uber lyft parked driver drives",
)
_rule(
    "phone",
    "phone",
    PHONE,
    "电话 電話 手机号码 手机号 手机 手機號碼 手機號 手機 座机 座機 固话 联系方式 聯絡方式 联系电话 聯絡電話 热线 熱線 传真 傳真 分機 "
    "致电 致電 手提電話 手提电话 手提 行動電話 专线 專線 免付費專線 固定电话 固定電話 市話 室內電話",
    "tel telephone phone~{number,no,} mobile~{number,no,} cell~{phone,number,} fax~{number,no,} whatsapp hotline landline toll~free "
    "home~phone work~phone contact~number contact~no handphone",
)
_rule("device", "imei", DEVICE, "IMEI imei 串号 串號 串码", "imei meid")
_rule(
    "social_security",
    "ssn",
    SOCIAL,
    "社会安全号 社會安全碼 社会安全号码 社會安全號碼 社安号 社安號碼",
    "ssn social~security social~security~{number,no} social tax~id~itin itin",
)
_rule("iban", "iban", BANK, "", "iban")
_rule(
    "card",
    "bank_card",
    CARD,
    "银行卡号 银行卡 銀行卡號 銀行卡 卡号 卡號 信用卡号 信用卡 储蓄卡号 储蓄卡 借记卡 金融卡",
    "card~{number,no,num} credit~card debit~card bank~card card",
)
