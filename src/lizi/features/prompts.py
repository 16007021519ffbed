"""The words put to the model: for each feature and locale an instruction and a few examples.

Data only. Short and closed, so that a model of 135 million parameters follows them: the
examples are turns of a conversation, the answer to each is the bare result. A change here
raises the feature's version.
"""

from __future__ import annotations

from msgspec import Struct

__all__ = ["PROOFREAD", "REWRITE", "TRANSFORM", "Prompt"]


class Prompt(Struct, frozen=True):
    """An instruction, and pairs of a text and its ideal answer."""

    system: str
    shots: tuple[tuple[str, str], ...] = ()
    opening: str = ""
    """Stands before every text, so that a small model works on the text and does not answer it."""


PROOFREAD: dict[str, Prompt] = {
    "en": Prompt(
        "Correct the spelling and grammar. Change nothing else.",
        (
            ("He dont like apples.", "He doesn't like apples."),
            ("The meeting starts at 10:00 in room 5.", "The meeting starts at 10:00 in room 5."),
            ("We was happy to recieve you're letter.", "We were happy to receive your letter."),
            ("Is you coming too the party tonite?", "Are you coming to the party tonight?"),
            ("I think there car is more faster then ours 🚙.", "I think their car is faster than ours 🚙."),
            ("Pleas write to help@example.com, its urgent.", "Please write to help@example.com, it's urgent."),
        ),
        "Text: ",
    ),
    "zh-Hans": Prompt(
        "你是校对员。改正错别字和语法错误，其他不要改。只输出改好的文字。",
        (
            ("我以后在也不迟到了。", "我以后再也不迟到了。"),
            ("会议十点开始，地点在五号会议室。", "会议十点开始，地点在五号会议室。"),
            ("她开心的笑了，唱歌唱的很好听。", "她开心地笑了，唱歌唱得很好听。"),
            ("他以径回家了，我门也走吧。", "他已经回家了，我们也走吧。"),
        ),
        "改正：",
    ),
    "zh-Hant": Prompt(
        "你是校對員。改正錯別字和語法錯誤，其他不要改。只輸出改好的文字。",
        (
            ("我以後在也不遲到了。", "我以後再也不遲到了。"),
            ("會議十點開始，地點在五號會議室。", "會議十點開始，地點在五號會議室。"),
            ("她開心的笑了，唱歌唱的很好聽。", "她開心地笑了，唱歌唱得很好聽。"),
            ("他以徑回家了，我門也走吧。", "他已經回家了，我們也走吧。"),
        ),
        "改正：",
    ),
    "zh-Hant-HK": Prompt(
        "你是香港的校對員。改正錯別字，其他不要改，粵語保留粵語。只輸出改好的文字。",
        (
            ("佢系我既朋友。", "佢係我嘅朋友。"),
            ("會議十點開始，地點在五號會議室。", "會議十點開始，地點在五號會議室。"),
            ("我以後在也不遲到了。", "我以後再也不遲到了。"),
            ("你黎左未呀？比本書我睇下。", "你嚟咗未呀？畀本書我睇下。"),
        ),
        "改正：",
    ),
}

_STYLES_EN = {
    "friendly": Prompt(
        "Rewrite the text in a warm, friendly tone. Keep all names, numbers and links.",
        (
            ("Submit the form by 4 pm.", "Could you please send in the form by 4 pm? Thank you!"),
            ("The shop is closed today. Come back on 3 May.", "Hi! We are closed today, but we would love to see you on 3 May!"),
        ),
        "Text: ",
    ),
    "professional": Prompt(
        "Rewrite the text in a polite, professional tone. Keep all names, numbers and links.",
        (
            ("hey, can u call Rita at 4 pm?", "Hello, could you please call Rita at 4 pm?"),
            ("sorry, we lost ur order 118, our bad", "Unfortunately, we have lost your order 118."),
        ),
        "Text: ",
    ),
    "concise": Prompt(
        "Make the text shorter. Keep all names, numbers and links.",
        (
            ("I just wanted to let you know that I am going to be there at 6 pm.", "I will be there at 6 pm."),
            (
                "Due to the fact that the weather was bad, we decided to stay at home for 2 days.",
                "The weather was bad, so we stayed home for 2 days.",
            ),
        ),
        "Text: ",
    ),
    "elaborate": Prompt(
        "Rewrite the text with a little more detail. Keep all names, numbers and links.",
        (
            ("The food was bad.", "Unfortunately, the food was bad, and we did not enjoy our meal at all."),
            ("Call Rita at 4 pm.", "Please remember to give Rita a call at 4 pm, so that she knows what we have planned."),
        ),
        "Text: ",
    ),
    "rephrase": Prompt(
        "Say the same thing in other words. Keep all names, numbers and links.",
        (
            ("The shop opens at 8:00 every day.", "Every day, the shop opens its doors at 8:00."),
            ("Rita likes the city because it is quiet.", "Since the city is quiet, Rita enjoys it."),
        ),
        "Text: ",
    ),
    "custom": Prompt(
        "Change the text as asked. Keep all names, numbers and links. Answer with the new text only.",
        (
            ("Make it polite.\n\nGive me 2 tickets.", "Could I please have 2 tickets?"),
            ("Make it happy.\n\nRita comes at 4 pm.", "Great news, Rita comes at 4 pm!"),
        ),
        "Text: ",
    ),
    "emojify": Prompt(
        "Answer with one or two emoji that fit the text.",
        (("We won the match!", "🏆🎉"), ("Good night, sleep well.", "🌙😴"), ("I am going to the dentist.", "🦷😬")),
    ),
}
_STYLES_HANS = {
    "friendly": Prompt(
        "用亲切友好的语气改写这段话，保留人名、数字和链接。只输出改写后的文字。",
        (
            ("下午四点前交表。", "麻烦你在下午四点前把表交给我哦，谢谢啦！"),
            ("今天停业，5 月 3 日再来。", "不好意思，今天停业啦，欢迎您 5 月 3 日再来哦！"),
        ),
    ),
    "professional": Prompt(
        "用礼貌、正式的语气改写这段话，保留人名、数字和链接。只输出改写后的文字。",
        (
            ("喂，4 点给老刘打个电话呗", "您好，请您在 4 点致电老刘，谢谢。"),
            ("你那个 118 的单我们弄丢了，对不住啊", "非常抱歉，我们遗失了您的 118 号订单。"),
        ),
    ),
    "concise": Prompt(
        "把这段话改得更短，保留人名、数字和链接。只输出改写后的文字。",
        (
            ("我只是想告诉你一声，我大概会在晚上 6 点的时候到达那里。", "我晚上 6 点到。"),
            ("因为天气实在是很不好的缘故，所以我们决定在家里面待 2 天。", "天气不好，我们在家待 2 天。"),
        ),
    ),
    "elaborate": Prompt(
        "把这段话写得更详细一点，保留人名、数字和链接。只输出改写后的文字。",
        (
            ("菜不好吃。", "很遗憾，这家店的菜不太好吃，我们都没有吃饱。"),
            ("4 点给老刘打电话。", "请记得在 4 点给老刘打个电话，把我们的安排告诉他。"),
        ),
    ),
    "rephrase": Prompt(
        "换一种说法表达同样的意思，保留人名、数字和链接。只输出改写后的文字。",
        (
            ("商店每天 8:00 开门。", "这家商店每天的开门时间是 8:00。"),
            ("老刘喜欢这座城市，因为它很安静。", "因为这座城市很安静，所以老刘很喜欢它。"),
        ),
    ),
    "custom": Prompt(
        "按要求修改文字，保留人名、数字和链接。只输出修改后的文字。",
        (
            ("要求：礼貌一点\n文字：给我 2 张票。", "请给我 2 张票，谢谢。"),
            ("要求：高兴一点\n文字：老刘 4 点来。", "太好了，老刘 4 点来！"),
        ),
    ),
    "emojify": Prompt(
        "只用一两个表情符号回答，表示这句话的意思。",
        (("我们赢了比赛！", "🏆🎉"), ("晚安，早点睡。", "🌙😴"), ("我要去看牙医。", "🦷😬")),
    ),
}
_STYLES_HANT = {
    "friendly": Prompt(
        "用親切友善的語氣改寫這段話，保留人名、數字和連結。只輸出改寫後的文字。",
        (
            ("下午四點前交表。", "麻煩你在下午四點前把表交給我喔，謝謝！"),
            ("今天公休，5 月 3 日再來。", "不好意思，今天公休喔，歡迎您 5 月 3 日再來！"),
        ),
    ),
    "professional": Prompt(
        "用禮貌、正式的語氣改寫這段話，保留人名、數字和連結。只輸出改寫後的文字。",
        (
            ("欸，4 點打電話給老劉啦", "您好，請您於 4 點致電老劉，謝謝。"),
            ("你那筆 118 的單我們弄丟了，歹勢", "非常抱歉，我們遺失了您的 118 號訂單。"),
        ),
    ),
    "concise": Prompt(
        "把這段話改得更短，保留人名、數字和連結。只輸出改寫後的文字。",
        (
            ("我只是想要跟你說一聲，我大概會在晚上 6 點的時候到達那裡。", "我晚上 6 點到。"),
            ("因為天氣實在是很不好的緣故，所以我們決定在家裡面待 2 天。", "天氣不好，我們在家待 2 天。"),
        ),
    ),
    "elaborate": Prompt(
        "把這段話寫得更詳細一點，保留人名、數字和連結。只輸出改寫後的文字。",
        (
            ("菜不好吃。", "很可惜，這家店的菜不太好吃，我們都沒有吃飽。"),
            ("4 點打電話給老劉。", "請記得在 4 點打電話給老劉，把我們的安排告訴他。"),
        ),
    ),
    "rephrase": Prompt(
        "換一種說法表達同樣的意思，保留人名、數字和連結。只輸出改寫後的文字。",
        (
            ("商店每天 8:00 開門。", "這家商店每天的開門時間是 8:00。"),
            ("老劉喜歡這座城市，因為它很安靜。", "因為這座城市很安靜，所以老劉很喜歡它。"),
        ),
    ),
    "custom": Prompt(
        "按照要求修改文字，保留人名、數字和連結。只輸出修改後的文字。",
        (
            ("要求：禮貌一點\n文字：給我 2 張票。", "請給我 2 張票，謝謝。"),
            ("要求：高興一點\n文字：老劉 4 點來。", "太好了，老劉 4 點來！"),
        ),
    ),
    "emojify": Prompt(
        "只用一兩個表情符號回答，表示這句話的意思。",
        (("我們贏了比賽！", "🏆🎉"), ("晚安，早點睡。", "🌙😴"), ("我要去看牙醫。", "🦷😬")),
    ),
}
_STYLES_HK = _STYLES_HANT | {
    "friendly": Prompt(
        "用親切友善的語氣改寫這段話，保留人名、數字和連結。只輸出改寫後的文字。",
        (
            ("下午四時前交表。", "麻煩你下午四時前交表，多謝你！"),
            ("今日休息，5 月 3 日再嚟。", "唔好意思，今日休息呀，歡迎你 5 月 3 日再嚟！"),
        ),
    ),
    "professional": Prompt(
        "用禮貌、正式的書面語改寫這段話，保留人名、數字和連結。只輸出改寫後的文字。",
        (
            ("喂，4 點打電話畀老劉吖", "您好，請於 4 時致電老劉，謝謝。"),
            ("你張 118 嘅單我哋整唔見咗，唔好意思", "非常抱歉，我們遺失了閣下的 118 號訂單。"),
        ),
    ),
    "concise": Prompt(
        "把這段話改得更短，保留人名、數字和連結。只輸出改寫後的文字。",
        (
            ("我只係想同你講一聲，我大概會喺夜晚 6 點嘅時候到達嗰度。", "我夜晚 6 點到。"),
            ("由於天氣實在是很不好的緣故，所以我們決定留在家中 2 天。", "天氣不好，我們留在家中 2 天。"),
        ),
    ),
}
REWRITE: dict[str, dict[str, Prompt]] = {"en": _STYLES_EN, "zh-Hans": _STYLES_HANS, "zh-Hant": _STYLES_HANT, "zh-Hant-HK": _STYLES_HK}

_SHAPES_EN = {
    "summary": Prompt(
        "Summarise the text in one short sentence.",
        (
            (
                "The pool opens on 1 June. This year it stays open until 9 pm. A ticket costs $4.",
                "The pool opens on 1 June and stays open until 9 pm.",
            ),
            (
                "Rita lost her keys on Monday. A neighbour found them in the park and gave them back.",
                "A neighbour found the keys that Rita had lost.",
            ),
        ),
        "Text: ",
    ),
    "key_points": Prompt(
        "Write the key points of the text, one short point per line.",
        (
            (
                "The pool opens on 1 June. It stays open until 9 pm. Children pay $2.",
                "- The pool opens on 1 June\n- It stays open until 9 pm\n- Children pay $2",
            ),
            (
                "We met Rita on Monday. She will paint the wall and repair the door.",
                "- We met Rita on Monday\n- She will paint the wall\n- She will repair the door",
            ),
        ),
        "Text: ",
    ),
    "list": Prompt(
        "Turn the text into a list, one item per line.",
        (
            ("We need paper, two pens and 3 kg of sugar.", "- paper\n- two pens\n- 3 kg of sugar"),
            ("First wash the car, then dry it and call Rita.", "- wash the car\n- dry it\n- call Rita"),
        ),
        "Text: ",
    ),
    "table": Prompt(
        "Turn the text into a table with a header. Separate the cells with |.",
        (
            ("Tea costs $2 and coffee costs $3.", "Drink | Price\nTea | $2\nCoffee | $3"),
            ("Rita is 30 and lives in Rome. Paul is 25 and lives in Bonn.", "Name | Age | City\nRita | 30 | Rome\nPaul | 25 | Bonn"),
        ),
        "Text: ",
    ),
}
_SHAPES_HANS = {
    "summary": Prompt("", opening="用一句更短的话概括下面的文字，只说最重要的事。\n"),
    "key_points": Prompt(
        "写出这段文字的要点，每行一个，简短。",
        (
            ("游泳池 6 月 1 日开放，开到晚上 9 点。儿童票 10 元。", "- 游泳池 6 月 1 日开放\n- 开到晚上 9 点\n- 儿童票 10 元"),
            ("我们周一见了老刘。他会刷墙，还会修门。", "- 周一见了老刘\n- 老刘会刷墙\n- 老刘会修门"),
        ),
        "文字：",
    ),
    "list": Prompt(
        "把这段文字变成清单，每行一项。",
        (("我们需要纸、两支笔和 3 公斤糖。", "- 纸\n- 两支笔\n- 3 公斤糖"),),
        "文字：",
    ),
    "table": Prompt(
        "把这段文字变成表格，第一行是表头，用 | 分隔。",
        (
            ("茶 15 元，咖啡 20 元。", "饮料 | 价格\n茶 | 15 元\n咖啡 | 20 元"),
            ("老刘 30 岁，住在苏州。老吴 25 岁，住在杭州。", "姓名 | 年龄 | 城市\n老刘 | 30 岁 | 苏州\n老吴 | 25 岁 | 杭州"),
        ),
    ),
}
_SHAPES_HANT = {
    "summary": Prompt("", opening="用一句更短的話概括下面的文字，只說最重要的事。\n"),
    "key_points": Prompt(
        "寫出這段文字的重點，每行一個，簡短。",
        (
            ("游泳池 6 月 1 日開放，開到晚上 9 點。兒童票 50 元。", "- 游泳池 6 月 1 日開放\n- 開到晚上 9 點\n- 兒童票 50 元"),
            ("我們星期一見了老劉。他會刷牆，還會修門。", "- 星期一見了老劉\n- 老劉會刷牆\n- 老劉會修門"),
        ),
        "文字：",
    ),
    "list": Prompt(
        "把這段文字變成清單，每行一項。",
        (("我們需要紙、兩支筆和 3 公斤糖。", "- 紙\n- 兩支筆\n- 3 公斤糖"),),
        "文字：",
    ),
    "table": Prompt(
        "把這段文字變成表格，第一行是標題，用 | 分隔。",
        (
            ("茶 50 元，咖啡 80 元。", "飲料 | 價格\n茶 | 50 元\n咖啡 | 80 元"),
            ("老劉 30 歲，住在台南。老吳 25 歲，住在宜蘭。", "姓名 | 年齡 | 城市\n老劉 | 30 歲 | 台南\n老吳 | 25 歲 | 宜蘭"),
        ),
    ),
}
_SHAPES_HK = _SHAPES_HANT | {
    "key_points": Prompt(
        "寫出這段文字的重點，每行一個，簡短。",
        (
            ("泳池 6 月 1 日開放，開到夜晚 9 點。小童飛 $10。", "- 泳池 6 月 1 日開放\n- 開到夜晚 9 點\n- 小童飛 $10"),
            ("我哋星期一見咗老劉。佢會油牆，仲會整門。", "- 星期一見咗老劉\n- 老劉會油牆\n- 老劉會整門"),
        ),
        "文字：",
    ),
    "list": Prompt(
        "把這段文字變成清單，每行一項。",
        (("我哋要紙、兩支筆同 3 公斤糖。", "- 紙\n- 兩支筆\n- 3 公斤糖"),),
        "文字：",
    ),
    "table": Prompt(
        "把這段文字變成表格，第一行是標題，用 | 分隔。",
        (
            ("茶 $15，咖啡 $20。", "飲品 | 價錢\n茶 | $15\n咖啡 | $20"),
            ("老劉 30 歲，住喺荃灣。老吳 25 歲，住喺沙田。", "姓名 | 年齡 | 地區\n老劉 | 30 歲 | 荃灣\n老吳 | 25 歲 | 沙田"),
        ),
    ),
}
TRANSFORM: dict[str, dict[str, Prompt]] = {"en": _SHAPES_EN, "zh-Hans": _SHAPES_HANS, "zh-Hant": _SHAPES_HANT, "zh-Hant-HK": _SHAPES_HK}
