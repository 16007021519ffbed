"""Numbers and codes that a Chinese word right before them names, whatever the word: "竞买号81414", "公积金客户号：20391", "报修单60687488".

Goes from the value to its word, since there is no end of such words: what ends in 号, 编号, 单, 码, 卡 or 证 and is no name of a thing
("型号", "门牌号", "航班号", "简单") says that a code behind it is somebody's. Also official numbers of which a word is a part
("(2024)浙0106民初1564号"). Bound: each value looks at 32 characters before it and 24 behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lizi.text.found import CUED, GUESSED, Report
from lizi.text.tries import listed

__all__ = ["labelled", "names_a_thing"]

_REACH = 32
_VALUE = re.compile(r"(?:[A-Z]{1,4} )?[0-9A-Za-z]{1,40}(?:[-_/][0-9A-Za-z]{1,40}){0,6}(?: [0-9]{2,6}(?![0-9A-Za-z.:：/年月日\-])){0,6}")
_GLUED = re.compile(r"(?:U?ID|id|N[Oo]|no|code)[-_]?(?=[A-Z]{0,3}[0-9])")
_SERIES = re.compile(r"[\u4e00-\u9fff:：]\s?([A-Z]{1,4} )$")
_LEFT = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_/")
_LEFT_OR_BLANK = _LEFT | {" "}
_AROUND = frozenset(" \"'“”「」『』‘’`*#（(【[\t")
_JOINTS = frozenset(":：=＝是为為係系→|填写寫")
_ASIDE = re.compile(r"[（(【\[][^()（）【】\[\]\n]{1,12}[)）】\]]$")
_NAMES_IT = frozenset("号號")
"""The last sign of words that name a code: five signs are enough behind them."""
_MAY_NAME_IT = frozenset("单單卡证證")
"""The last sign of words that stand before figures of another sense too: the code must be long."""
_NOUNS = listed(
    "识别码 識別碼 参会码 參會碼 会议码 會議碼 设备码 身份码 员工码 学生码 健康码 订单码 入场码 入場碼 付款码 收款码 会员码 "
    "客户码 用户码 好友码 "
    "配对码 配對碼 房间码 绑定码 綁定碼 签到码 簽到碼 串码 关联码 注册码 註冊碼 序列码 礼品码 充值码 領取碼 领取码 机主码 "
    "报名码 報名碼 推荐码 推薦碼 "
    "燃气表 煤气表 天然气表 水表 电表 電錶 水錶 气表 热表 用户 用戶 客户 客戶 开户 住户 住戶 租户 租戶 商户 商戶 储户 账户 帐户 帳戶 賬戶 "
    "合同 合約 合约 协议 協議 流水 车票 車票 机票 機票 船票 发票 發票 支票 汇票 匯票 登机牌 登機牌 行李牌 行李條 行李条 "
    "回执 回執 回條 保函 收据 收據 票据 "
    "票據 单据 單據 凭证 憑證 面单 账单 帳單 快件 邮件 郵件 包裹 案件 芯片 晶片 银行 銀行 信託 信托 农行 工行 建行 中行 "
    "招行 交行 邮储 農會 条码载具 患者 病人 考生 学员 學員 学籍 卡片 腾讯会议 騰訊會議 飞书会议 钉钉会议 视频会议"
)
"""Nouns that need as long a code."""
_THINGS = listed(
    # What has a number and belongs to nobody, or is a sign of writing
    "版 型 楼 樓 房 室 门 門 栋 棟 幢 座 厅 廳 院 弄 巷 街 路 层 層 期 款 货 貨 批 文 国 國 年 口 信 符 括 引 冒 逗 句 问 問 叹 歎 顿 頓 "
    "破折 书 書 井 星 等 加 减 減 称 稱 外 绰 綽 略 旗 军 大 小 中 几 幾 多少 哪 某 这 這 那 每 按 叫 吹 船 舰 艦 列车 列車 次 神舟 图 圖 "
    "料 件 色 尺 鞋 线 線 端口 进程 進程 行 页 頁 章 节 節 题 題 标 標 钢 鋼 教材 许可证 許可證 墙 牆 门牌 門牌 专利 專利 "
    "商标 商標 标准 標準 批准文 准字 备案 備案 "
    "频道 頻道 班次 航班 车次 車次 站 桌 台 铺 鋪 柜 櫃 窗 股票 基金 期货 彩票 参 參 规格 規格 产品 產品 商品 物料 零件 配件 "
    "条形 條形 邮政 郵政 区 區 组 組 队 隊 排 列 级 級 届 屆 轮 輪 集 话 話 回 场 場 局 步 遍 点 點 日 月 一 二 三 四 五 六 七 八 九 十 百 "
    "零 两 兩 的 了 挂 掛 编译 暗 法 逆 负 負 正 乘 除 斜 波浪 根 大于 小于 等于 不等 百分 连接 "
    "语句 标签 节点 端 信令 卫星 火箭 飞船 嫦娥 天宫 长征 探测器 高铁 地铁 线路 公交 巴士 开奖 開獎 中奖 中獎 幸运 幸運 "
    "随机 隨機 统计 統計 样本 樣本 "
    "提交 版本 构建 構建 镜像 鏡像 容器 任务 任務 请求 請求 追踪 追蹤 调用 呼叫 流水线 批次 修订 修訂 补丁 補丁 会话 會話 消息 訊息 "
    "事件 对象 物件 资源 資源 校验 校驗 哈希 雜湊 样品 樣品 集群 实例 實例 函数 线程 執行緒 缓存 快取 队列 分支 快照 数据集 資料集 "
    "彩券 彩票 乐透 樂透 大奖 头奖 頭獎 奖 獎 兌獎 兑奖 货柜 貨櫃 集装箱 "
    "会址 會址 屋苑 楼宇 樓宇 图则 圖則 地段 宪报 憲報 展位 专案 專案 格式 船只 船隻 股份 药物注册 藥物註冊 标书 標書 水样 水樣 "
    "优惠 優惠 折扣 推广 推廣 校服 赛事 賽事 组别 組別 电路板 電路板 维修 維修 "
    "小行星 恒星 恆星 行星 星系 门店 "
    "权登记 權登記 课 課 课程 課程 错误 錯誤 故障 材料 试剂 試劑 药品 藥品 标本 图书 圖書 索书 索書 资产 資產 仓库 倉庫 "
    "库存 庫存 库 庫 架 箱 罐 "
    "许可 許可 批准 核准文 检疫 检验 公告 通知 发文 發文 公文 议案 提案 法案 项目 項目 工程 型材 纱 紗 砂 油 电池 電池 耳机 "
    "教室 会议室 會議室 考场 考場 "
    "座位 车厢 車廂 车间 車間 机台 機台 生产 生產 批 模 菌 株 基因 位点 化学 化學 物质 物質 元素 原子 序列 种 種 样 樣"
)
_OF_SOMEBODY = listed(
    "寄件 收件 取件 快件 邮件 郵件 案件 证件 證件 稿件 提货 提貨 取货 取貨 退货 退貨 换货 換貨 发货 發貨 订货 訂貨 收货 "
    "收貨 送货 送貨 户口 戶口 微信 短信 入库 入庫 出库 出庫 "
    "信箱 邮箱 郵箱 接种 接種 参军 參軍 从军 開戶 开户 报名 報名 挂号 掛號 家门 取件柜 更衣柜 储物柜 寄存柜 儲物櫃 置物櫃 "
    "参保 參保 投保 网点 站点 报考 預約 预约 "
    "单行 银行 銀行 会员级 会员等级 电话 電話 通话"
)
"""Ends that make somebody's what they end with, in spite of the list above."""
_NAMES_THINGS = listed(
    "简 簡 名 菜 清 榜 孤 被 床 传 傳 买 買 歌 书 書 价 價 显 顯 网 網 声 聲 打 点 點 磁 读 讀 刷 开 開 内存 显存 存储 皮 "
    "贺 賀 插 发 發 办 辦 奥斯 卡 认 認 验 驗 保 论 論 求 印 佐 例 旁 公 查 报 報 接 派 抢 搶 下 几 幾 每 "
    "生产许可 生產許可 经营许可 經營許可 卫生许可 衛生許可 排污许可 采矿许可 销售许可 预售许可 品许可 工程规划许可 施工许可 "
    "见 見 反 明 考 存 "
    "许可 許可"
)
_CODING = frozenset("号號代编編识識别別")
_COUNTING = frozenset("编編序单單账帳賬证證卡户戶代")
_LATIN = listed("qq vip etc id imei sn sim uid wx ig line ktn fps zoom pnr npi nhs vpn app ukey bp")
_VERSION = re.compile(r"[0-9]{1,5}(?:\.[0-9]{1,5}){1,3}$")
_COUNTED = re.compile(
    r"[总總]|累[计計]|新增|活[跃躍]|[注註][册冊]|日活|月活|超|突破|人[数數]|[数數]量|[达達]|[约約]|近|[仅僅]|共|[增减減][长長加少]|金[额額]"
)
_OF_COURTS = re.compile(
    r"[（(〔\[](?:19|20)[0-9]{2}[)）〕\]](?:[\u4e00-\u9fff]{1,2}[0-9]{0,4}[\u4e00-\u9fff]{0,3}"
    r"(?:[民刑行执執知破赔賠仲劳勞商][初终終再申监監特保执執异異他字督辖催调]|仲案|仲裁)[\u4e00-\u9fff]{0,3}第?[0-9]{1,8}[号號]|"
    r"([\u4e00-\u9fff]{2,14}[权權证證][第字][0-9]{4,10}[号號]))"
)
_OF_SERIES = re.compile(r"(?:[军軍空海火武参政后装联][\u4e00-\u9fff]{0,2}|[0-9]{3,6})字第[0-9]{4,10}[号號]")
_UNIT = re.compile(
    r"\s?(?:[元块塊万萬股笔筆度亿億克吨噸秒周集期年月日天个個位人次件岁歲%％分米字条條份版张張台臺套名家户戶倍页頁层層]|"
    r"[点點](?![数數])|小时|小時|公里|毫|美|kg|km|rmb|usd|ml|"
    r"mm|cm|\.[0-9]|,[0-9]{3}|[:：][0-9]{2})",
    re.IGNORECASE,
)
_DATE = re.compile(r"(?:19|20)[0-9]{2}(?:[-/.]?(?:0?[1-9]|1[0-2])(?:[-/.]?(?:0?[1-9]|[12][0-9]|3[01]))?)?$")
_AFTERWARDS = re.compile(
    r"(?<![0-9A-Za-z\-_.])([0-9A-Z][0-9A-Za-z\-]{4,30})[\"'”」』）)]?\s?[，,]?\s?(?:[这這]个?)?(?:就|才)?[是係](?:[我你他她您]们?|本人)的?"
    r"([\u4e00-\u9fff]{0,8}?(?:[号號][码碼]?|编号|編號|代码|代碼|识别码|ID))(?=[\s，,。.！!？?；;、）)吧啊呢吗嗎]|$)"
)
_CARRIER = re.compile(r"[载載]具[^\n/]{0,6}(/[0-9A-Z.+\-]{7})(?![0-9A-Za-z])")
_PICKED_UP = re.compile(
    r"[凭憑][取提验驗]?[货貨件餐证證]?[码碼]?[ :：“\"「『]{0,2}([0-9A-Z]{1,4}(?:-[0-9A-Z]{1,5}){1,3}|[0-9]{4,8})"
    r"(?![0-9A-Za-z年月日元块塊张張折])"
    r"(?=[^0-9\n。]{0,16}[取领領提])"
)
_OF_TRADE = re.compile("[单單案票订訂预預报報流运運件包挂退货貨函据據]|交易|物流|快[递遞]|合同|行李|[参參]考|[确確][认認]|受理|申[请請]")
_STANDARD = re.compile(r"(?:SHA|MD|RFC|ISO|GB|UTF|AES|RSA|IEEE|RTX|GTX|USB|IP|DDR|HTTP|CVE|ISBN|ISSN)[-/T]{0,2}[0-9]|0x")


def names_a_thing(before: str) -> bool:
    """Whether what stands before a number's word is a thing of some kind and nobody's: 镜像, 頭獎, 提交."""
    return before.endswith(_THINGS) and not before.endswith(_OF_SOMEBODY)


def labelled(text: str, groups: list[tuple[int, int]]) -> list[Report]:
    """Reports of the codes whose words say that they are somebody's; `groups` are the text's digit groups."""
    out: list[Report] = []
    done = 0
    for start, end in groups:
        # "12" and "3.5" between other signs are too short for a code.
        if start < done or (end - start < 4 and text[end : end + 1] not in _LEFT_OR_BLANK and text[start - 1 : start] not in _LEFT):
            continue
        while start > done and text[start - 1] in _LEFT:
            start -= 1
        while start < end and text[start] in "-_/":
            start += 1
        if text[start - 1 : start] == " " and text[start].isdigit():
            series = _SERIES.search(text, max(0, start - 6), start)
            start = series.start(1) if series is not None else start
        glued = _GLUED.match(text, start)
        if glued is not None:
            start = glued.end()
        match = _VALUE.match(text, start)
        if match is None or match.end() <= end - 1:
            done = end
            continue
        done = match.end()
        kind = _named(text, start, done, match.group())
        if kind:
            out.append((start, done, kind, 0, GUESSED))
    if "号" in text or "號" in text:
        out += _official(text)
    if "载具" in text or "載具" in text:
        out += [(*match.span(1), "account", 0, CUED) for match in _CARRIER.finditer(text)]
    if "凭" in text or "憑" in text:
        out += [(*match.span(1), "secret", 0, CUED) for match in _PICKED_UP.finditer(text)]
    if "是" in text or "係" in text:
        out += _explained_afterwards(text)
    return out


def _official(text: str) -> Iterator[Report]:
    for match in _OF_COURTS.finditer(text):
        # "浙(2023)杭州市不动产权第5691042号"
        start = match.start() - (match[1] is not None and _is_word(text[match.start() - 1 : match.start()] or " "))
        yield start, match.end(), "order", 0, CUED
    if "字第" in text:
        for match in _OF_SERIES.finditer(text):
            yield match.start(), match.end(), "permit", 0, CUED


def _explained_afterwards(text: str) -> Iterator[Report]:
    """ "20391827是我的供应商编号"."""
    for match in _AFTERWARDS.finditer(text):
        value, label = match[1], match[2]
        digits = sum(map(str.isdigit, value))
        if digits >= (6 if value.isdigit() else 4) and not _DATE.match(value) and not _STANDARD.match(value) and _is_named_by(label):
            yield match.start(1), match.end(1), _kind(label), 0, GUESSED


def _is_named_by(label: str) -> bool:
    stem = label.removesuffix("码").removesuffix("碼").removesuffix("ID").removesuffix("代")
    stem = stem[:-1] if stem[-1:] in _NAMES_IT else stem
    owner = stem[:-1] if stem[-1:] in _COUNTING else stem
    return bool(owner) and (_owns(owner) or owner[-1] == "的")


def _named(text: str, start: int, end: int, value: str) -> str:
    """The kind of a value that a word right before it, or behind an "is", explains; empty where none does."""
    digits = sum(map(str.isdigit, value))
    letters = any(map(str.isupper, value))
    counted = value.isdigit() and _UNIT.match(text, end) is not None
    if digits < 4 or (digits < 5 and not letters) or _DATE.match(value) or counted or _STANDARD.match(value):
        return ""
    at = start
    low = max(0, start - _REACH)
    while at > low and text[at - 1] in _AROUND:
        at -= 1
    told = False
    while at > low and text[at - 1] in _JOINTS:
        at -= 1
        told = True
    while at > low and text[at - 1] in _AROUND:
        at -= 1
    aside = _ASIDE.search(text, low, at)
    if aside is not None:
        at = aside.start()
    if at <= low + 1:
        return ""
    last = text[at - 1]
    begin = at - 1
    while begin > low and begin > at - 9 and _is_word(text[begin - 1]):
        begin -= 1
    stem = text[begin : at - 1]
    if last in _NAMES_IT or (last in "码碼" and stem[-1:] in _CODING) or (last == "D" and stem[-1:] == "I"):
        if last in "码碼D":
            stem = stem[:-1]
        owner = stem[:-1] if stem[-1:] in _COUNTING else stem
        if (not owner and (not stem or stem in "编編序" or digits < 7)) or (owner and not _owns(owner)):
            return ""
        return _kind(text[max(low, at - 16) : at]) if digits >= 5 or (letters and len(value) >= 5) else ""
    long = digits >= (5 if letters else 6 if last in "单單" else 7) and len(value) >= 6
    if not long or _COUNTED.search(stem) is not None or (_VERSION.match(value) and not letters):
        return ""
    if last in _MAY_NAME_IT and stem:
        permitted = stem.endswith(("工作许可", "工作許可"))
        return _kind(stem + last) if permitted or not stem.endswith(_NAMES_THINGS) else ""
    if (stem + last).endswith(_NOUNS):
        return _kind(stem + last) if told or digits >= 8 or letters or last not in "户戶" else ""
    return ""


def _owns(owner: str) -> bool:
    """Whether what has this number is somebody's: no thing of a kind, no sign of writing, no word in letters but these."""
    last = owner[-1]
    if last.isascii():
        return last.isalpha() and owner.lower().endswith(_LATIN)
    return "一" <= last <= "鿿" and (owner.endswith(_OF_SOMEBODY) or not owner.endswith(_THINGS))


def _is_word(sign: str) -> bool:
    return "一" <= sign <= "鿿" or (sign.isascii() and sign.isalpha())


def _kind(stem: str) -> str:
    return "order" if _OF_TRADE.search(stem) is not None else "account"
