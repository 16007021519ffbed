"""Names of other peoples in Chinese characters: with a dot (艾米丽·约翰逊), Tibetan, Mongol, Japanese and Vietnamese without one.

A dotted name is read from the dot to both sides as far as characters reach with which foreign names are written. The names without
a dot are built of their languages' own parts (扎西+次仁, 乌云+其木格, 田中+健一), of which two together are hardly anything else.
Takes simplified characters. Bound: a part has at most eight characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from lizi.text.found import GUESSED, Report
from lizi.text.tries import any_of, listed

__all__ = ["dotted", "undotted"]

_DOTTED = re.compile(
    r"(?:(?![和与跟及是的在了])[\u3400-\u9fff]){1,6}(?:-[\u3400-\u9fff]{1,4})?"
    r"(?:[·•‧・](?:(?![和与跟及是的在了])[\u3400-\u9fff]){1,8}(?:-[\u3400-\u9fff]{1,4})?){1,3}"
)
# Characters with which foreign names are written; others end one.
_SOUNDS = re.compile(
    "(?:阿[不布]都|别克|提别克|玉素甫|古丽|大卫|大流士|让-|[阿艾埃爱安昂奥巴芭白班邦包保鲍北贝本比彼毕宾玻波伯博勃卜布蔡查察昌策车达戴丹"
    "当道德登邓迪蒂第丁东"
    "杜顿多厄恩尔发法范方菲费芬丰冯佛弗"
    "夫福富盖甘冈高戈格葛根贡古瓜圭郭果哈海汉豪赫黑亨洪侯胡花华怀霍基吉季加嘉贾简"
    "江杰金津京久居喀卡凯坎康考柯科克肯孔库夸奎昆拉腊莱来赖兰朗劳勒雷蕾累冷黎李里理丽利莉连廉良列烈林琳铃龙隆卢鲁露伦罗洛吕马玛麦迈曼毛茅"
    "梅门蒙孟米密敏明莫墨默姆木穆拿娜纳乃奈南内尼妮年涅宁牛纽农努诺欧帕派潘庞佩彭皮"
    "匹平普齐奇恰乔切琴丘热仁日荣茹儒瑞若萨塞赛桑瑟森沙莎山尚绍舍申生圣施石史士舒朔斯丝苏索塔泰坦汤唐陶特腾提汀图托瓦万旺威韦维薇魏温文翁"
    "沃乌吴武伍西希锡夏显香肖歇谢辛欣休许雅亚延扬杨耶叶伊依易意因英永尤约宰泽扎詹珍真芝治"
    "朱兹子佐巫妥吾买提力江木拜尼亚孜孜古丽热合曼努尔艾合麦吐尔逊地帕提洛桑扎西次仁卓玛央金旦增曲珍尼玛格桑多吉顿珠才让祖肉再佧孙衣迦麻且"
    "日再赛皮帕乎鼎则什玉阔"
    "翰逊卫娃堆强敦柴弥崔谬诗蜜妲黛娅朵缇缪珀葆蕙霓茨茜茵茱莹荻蓓彻蓝历歷幹干慕令路甫霞丁朴斐裴狄笛"
    "蒲兆琼钦晋措姬卢娃婷涅拖庄克辽柳柏瓊赵茉涛喜妹牙杉凡兄代旦赤贺奴哲]){1,8}"
)
_HEAD = re.compile(_SOUNDS.pattern + "(?:-" + _SOUNDS.pattern + ")?$")
_TAIL = re.compile(_SOUNDS.pattern + "(?:-" + _SOUNDS.pattern + ")?")
# The first character of these is a sound, too: 邓巴提出.
_NO_TAIL = frozenset(
    listed(
        "特别 明天 明年 明确 当时 当天 当选 当然 提出 提到 提议 提供 提醒 提交 发表 发现 发布 发明 发起 发给 发来 发言 发烧 来到 来自 "
        "来了 来信 加入 加盟 安排 安装 "
        "因为 因此 意识 意外 对此 对于 马上 随后 达成 达到 力争 力挺 里面 里程 立刻 立即 比较 比赛 尤其 若是 若要 列出 史上 德国 法国 "
        "英国 西班 奥运"
    )
)
_LEADS = frozenset("和与跟给被让请问找对向是、及同将等因但而在为把随到替帮陪教约见像比据有劝")
_HAN = "[\u3400-\u9fff]"
_ENDS = r"(?![\u3400-\u9fff]{0,2}(?:县|市|州|镇|乡|区|山|湖|河|寺|路|街|草原|机场|蛋糕|酒店|公司|电器|集团|汽车|摩托))"

_TIBETAN = listed(
    "扎西 次仁 卓玛 央金 次旦 多吉 格桑 旺堆 达瓦 达娃 尼玛 巴桑 拉姆 平措 顿珠 旦增 丹增 索朗 白玛 仁增 贡布 洛桑 强巴 德吉 曲珍 边巴 "
    "普布 "
    "米玛 拉巴 罗布 益西 晋美 土登 才让 才旦 卓嘎 曲扎 占堆 旺姆 群培 赤列 云丹 嘉措 次成 朗杰 桑珠 桑杰 坚赞 金巴 旺扎 旺久 旺杰 曲吉 "
    "措姆 "
    "贡嘎 群宗 白珍 仓决 仓曲 元旦 次珍 色珍 尼珍 央宗 德庆 德钦 欧珠 阿旺 加央 嘉央 江措 多杰 卓尕 拉毛 才仁 文毛 娘吉 完德 公保 项秀 "
    "旦巴 达杰 康珠 泽仁 泽郎 降初 四郎 向巴 曲批 曲培 次卓 玉珍 扎巴 顿旦 班觉 南杰 念扎 仁青 仁钦 洛珠 伦珠 觉色 "
    "平旺 次央 曲尼 罗旦 曲措 拉措 才措 吉毛 多旦 扎顿"
)
_MONGOL = listed(
    "乌云 其木格 其其格 斯琴 高娃 娜仁 托娅 图雅 萨仁 格日勒 格日乐 巴特尔 巴图 宝音 额尔德尼 巴雅尔 孟和 孟克 阿拉坦 阿拉腾 特木尔 布和 "
    "毕力格 "
    "敖登 呼和 朝鲁 朝克图 达来 那仁 那日苏 苏和 苏日娜 乌日娜 乌兰 乌仁 通拉嘎 萨如拉 花拉 满都拉 布日固德 青格勒 青格乐 哈斯 额尔敦 "
    "斯仁 道尔吉 "
    "苏布达 娜日苏 吉日嘎拉 吉雅 牧仁 查干 珠拉 塔娜 琪琪格 琪木格 阿古拉 腾格尔 嘎拉 必力格 扎布 宝力道 宝力高 满达 其格 赛罕 陶格斯 "
    "乌力吉 毕力格图 巴根 阿木尔 恩和 莫日根 包乐尔 奥登 额日和木"
)
_STEPPE_ALONE = listed(
    "其木格 其其格 琪琪格 苏日娜 乌日娜 巴雅尔 额尔德尼 特木尔 巴特尔 毕力格 吉日嘎拉 格日勒 通拉嘎 萨如拉 莫日根 娜日苏 那日苏 苏布达 "
    "古丽娜尔 阿依古丽 古丽米热 阿依努尔 迪丽娜尔 迪丽热巴 热依汗 帕丽旦 阿迪力 艾尼瓦尔 买买提 吐尔逊 艾合买提 阿布都拉 阿不都拉 古丽仙 "
    "阿孜古丽 "
    "努尔古丽 祖丽胡玛尔 米热古丽 凯赛尔 库尔班 木合塔尔 帕尔哈提 艾力江 阿力木 玉素甫 依布拉音 叶尔兰 努尔兰 赛力克 巴合提 古丽巴哈尔 "
    "热娜古丽"
)
_JAPANESE = listed(
    "田中 佐藤 铃木 高桥 渡边 渡辺 伊藤 山本 中村 小林 加藤 吉田 山田 佐佐木 山口 松本 井上 木村 斋藤 斎藤 山崎 池田 桥本 阿部 石川 藤田 "
    "前田 "
    "冈田 长谷川 村上 近藤 石井 坂本 远藤 青木 藤井 西村 福田 太田 三浦 藤原 冈本 松田 中岛 中野 原田 小野 田村 竹内 和田 上田 森田 小川 "
    "小岛 工藤 柴田 酒井 宫崎 宫本 内田 高木 谷口 大野 丸山 今井 河野 藤本 村田 武田 上野 杉山 增田 平野 大塚 千叶 松井 野口 小山 "
    "菅原 木下 佐野 野村 松尾 菊地 市川 水野 小松 岛田 大西 菊池 久保 安藤 川口 川崎 饭田 熊谷 石原 横山 新井 宫泽 黑田 星野 浅野 本田 "
    "服部 荒木 石田 松下 尾崎 西田 安田 大久保 早川 片山 秋山 矢野 樱井 福岛 堀内 泽田 川上 藤野 三宅 神田 吉川 吉冈 岩崎 森本 森川"
)
_JAPANESE_GIVEN = any_of(
    listed(
        "健一 健太 健二 翔太 翔平 大辅 大介 大辉 大树 拓也 拓海 直树 直人 直美 浩二 浩一 浩司 裕介 裕子 裕太 雄太 雄一 雄介 达也 哲也 "
        "和也 和彦 和子 和美 正人 正雄 "
        "隆史 隆之 悠真 悠斗 悠人 阳斗 阳太 阳子 阳菜 结衣 结爱 美咲 美穗 美香 美奈 美纪 美和子 美智子 由美 由美子 由纪 由纪子 由香 奈奈 "
        "奈美 奈央 真由美 真由 真理 "
        "真理子 真央 真一 真纪 理沙 理惠 里奈 里美 沙织 沙罗 彩香 彩花 彩乃 爱子 爱美 花子 花音 惠子 惠美 惠理 洋子 洋介 洋平 洋一 京子 "
        "幸子 幸一 幸太郎 明子 明美 "
        "明日香 麻衣 麻美 麻里 纱希 优子 优斗 友美 友子 智子 智也 智美 千春 千夏 千寻 千惠 太郎 一郎 次郎 二郎 三郎 健太郎 慎太郎 慎一 "
        "慎吾 龙之介 龙太郎 龙也 龙一 "
        "亮太 亮介 亮平 圭介 圭太 贵之 贵史 孝之 孝史 义男 义明 义人 清志 胜也 秀树 秀明 英树 英二 英明 博之 修一 聪子 静香 静子 文子 "
        "节子 昭子 久美子 久美 登美子 "
        "富美子 信子 信也 信之 光一 光男 晴香 晴人 遥香 步美 琴音 铃香 纯子 纯一"
    )
)
_ALL = (*_TIBETAN, *_MONGOL, *_STEPPE_ALONE, *_JAPANESE)
_PARTS = re.compile("[" + "".join(sorted({one[0] for one in _ALL})) + "][" + "".join(sorted({one[1] for one in _ALL})) + "]")
# Of the surnames above a few are ordinary words or Chinese places: they stand in the list only where a given name follows.
_UNDOTTED = re.compile(
    f"(?:{any_of(_TIBETAN)}){{2}}{_ENDS}|(?:{any_of(_MONGOL)}){{2}}{_ENDS}|(?:{any_of(_STEPPE_ALONE)}){_ENDS}|"
    f"(?:{any_of(_JAPANESE)}) ?(?:{_JAPANESE_GIVEN})(?![\u3400-\u9fff]{{0,1}}[县市町区站])"
)
_VIETNAMESE = re.compile(r"阮(?:氏[\u3400-\u9fff]{1,2}|文[\u3400-\u9fff])")


def dotted(text: str, ends_cue: Callable[[str, int], bool], opens_cue: Callable[[str, int], bool]) -> list[Report]:
    """Reports of names with a dot; `ends_cue` says whether a word that announces a name ends at a place, `opens_cue` whether one begins."""
    out: list[Report] = []
    for match in _DOTTED.finditer(text):
        parts = re.split("[·•‧・]", match.group())
        first, last = parts[0], parts[-1]
        if (
            _closed(text, *match.span())
            and not opens_cue(text, match.start())
            and 3 < len(first) + len(last) <= 13
            and _mostly_sounds(first)
            and _mostly_sounds(last)
        ):
            end = match.end() - (text[match.end() - 1] in "说问答称写")
            out.append((match.start(), end, "person", 0, GUESSED))
            continue
        head = _HEAD.search(first)
        tail = _TAIL.match(last)
        if head is None or tail is None or len(head.group()) + len(tail.group()) < 3:
            continue
        start = match.start() + head.start()
        # 儿子迪丽热巴·…: a cue's last character may be one of these.
        last_start = match.start() + len(first) - 2
        start = next((place for place in range(start + 1, min(start + 2, last_start) + 1) if ends_cue(text, place)), start)
        end = match.end() - len(last) + tail.end()
        if text[end - 1 : end + 1] in _NO_TAIL or (text[end - 1] in "来对当因意" and "\u3400" <= text[end : end + 1] <= "\u9fff"):
            end -= 1
        out.append((start, end, "person", 0, GUESSED))
    return out


def undotted(text: str, given: Callable[[str], bool]) -> list[Report]:
    """Reports of names without a dot; `given` says whether a character may stand at the end of a given name."""
    out: list[Report] = []
    for begin in _PARTS.finditer(text):
        # The pairs don't overlap, so a name may begin at a pair's second character.
        match = _UNDOTTED.match(text, begin.start()) or _UNDOTTED.match(text, begin.start() + 1)
        if match is not None:
            out.append((*match.span(), "person", 0, GUESSED))
    if "阮" in text:
        for match in _VIETNAMESE.finditer(text):
            end = match.end()
            if end - match.start() == 4 and not given(text[end - 1]):
                end -= 1  # 阮氏香是
            if given(text[match.start() + 2]):
                out.append((match.start(), end, "person", 0, GUESSED))
    return out


def _mostly_sounds(part: str) -> bool:
    return 3 * sum(_SOUNDS.match(one) is not None for one in part) >= 2 * len(part)


def _closed(text: str, start: int, end: int) -> bool:
    """Whether marks stand on both sides, and no particle opens what stands between."""
    before, after = text[start - 1 : start], text[end : end + 1]
    return not ("\u3400" <= before <= "\u9fff" or "\u3400" <= after <= "\u9fff") and text[start] not in _LEADS
