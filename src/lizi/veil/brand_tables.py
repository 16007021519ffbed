"""Words that the brand filter needs: well-known assistants beside the partners, words that are more than names, look-alikes, first words.

Data only. Names stand in Simplified characters and in any case; `brand_text` folds text the same way before it compares.
"""

from __future__ import annotations

__all__ = ["AMBIGUOUS", "LOOKALIKES", "OPENERS", "PLAIN_WORDS", "SIMPLIFIED", "TRADITIONAL_ONLY", "WELL_KNOWN"]

WELL_KNOWN: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    # Names and makers of assistants that may be nobody's record: small models name whom they were taught from.
    (("ChatGPT", "GPT", "OpenAI o1", "OpenAI o3", "Codex"), ("OpenAI",)),
    (("Claude", "Claude Sonnet", "Claude Opus", "Claude Haiku"), ("Anthropic",)),
    (("Gemini", "Google Gemini", "Google Assistant", "Gemma", "PaLM 2", "LaMDA", "双子座AI"), ("Google", "Google DeepMind", "DeepMind", "谷歌")),
    (("Copilot", "Microsoft Copilot", "Bing Chat", "Phi-3", "Phi-4", "小冰"), ("Microsoft", "微软")),
    (("Llama", "Meta Llama", "Meta AI"), ("Meta", "Facebook")),
    (("Grok",), ("xAI",)),
    (("Mistral", "Mixtral", "Le Chat", "Mistral Large"), ("Mistral AI",)),
    (("Command R", "Cohere Command"), ("Cohere",)),
    (("Perplexity", "Perplexity AI"), ("Perplexity AI",)),
    (("Amazon Nova", "Alexa", "Amazon Titan"), ("Amazon", "Amazon Web Services", "亚马逊")),
    (("Siri",), ("Apple Intelligence",)),
    (("SmolLM", "BLOOM", "Zephyr", "StarCoder"), ("Hugging Face",)),
    (("Vicuna", "Falcon LLM", "Open Assistant", "Nemotron", "Granite LLM"), ("LMSYS", "LAION", "Technology Innovation Institute")),
    (("Qwen", "Tongyi Qianwen", "通义千问", "通义", "千问"), ("Alibaba", "Alibaba Cloud", "阿里巴巴", "阿里云", "阿里")),
    (("ERNIE Bot", "文心一言"), ("Baidu", "百度")),
    (("Doubao", "豆包"), ("ByteDance", "字节跳动")),
    (("DeepSeek",), ("DeepSeek AI", "深度求索")),
    (("ChatGLM", "GLM", "智谱清言"), ("Zhipu", "智谱")),
    (("Hunyuan", "腾讯混元"), ("Tencent", "腾讯")),
    (("Kimi",), ("Moonshot", "Moonshot AI", "月之暗面")),
    (("MiniMax", "海螺AI"), ("稀宇科技",)),
    (("SparkDesk", "iFlytek Spark", "讯飞星火", "星火认知", "星火大模型", "Xunfei Xinghuo"), ("iFlytek", "iFLYTEK", "科大讯飞", "讯飞", "Keda Xunfei")),
    (("Pangu", "盘古大模型", "盘古", "小艺"), ("Huawei", "Huawei Cloud", "华为", "华为云")),
    (("SenseChat", "SenseNova", "日日新", "商量"), ("SenseTime", "商汤", "商汤科技")),
    (("Baichuan", "百川", "百川大模型", "百小应"), ("Baichuan AI", "百川智能")),
    (("Yi-34B", "Yi-Large", "零一万物"), ("01.AI", "零一万物")),
    (("StepFun", "跃问", "Step-2"), ("阶跃星辰",)),
    (("InternLM", "书生浦语", "书生"), ("Shanghai AI Lab", "上海人工智能实验室")),
    (("Skywork", "天工AI", "天工大模型"), ("Kunlun Tech", "昆仑万维")),
    (("小爱同学", "MiMo"), ("Xiaomi", "小米")),
    (("360智脑", "360 Zhinao"), ("奇虎360", "Qihoo 360")),
    (("LongCat",), ("Meituan", "美团")),
    (("Yuan 2.0",), ("Inspur", "浪潮")),
)  # fmt: skip

AMBIGUOUS = frozenset(
    {
        # Given names, animals, winds, signs of the zodiac, food, words of books: named as the writer only beside other evidence.
        "claude", "gemini", "kimi", "llama", "mistral", "grok", "ernie", "copilot", "alexa", "siri", "gemma", "bloom", "zephyr", "vicuna",
        "codex", "perplexity", "pangu", "granitellm", "yiyan", "wenxin", "hailuo", "abab",
        "豆包", "文心", "混元", "通义", "千问", "盘古", "元宝", "海螺", "百川", "书生", "商量", "小艺", "小冰", "云雀", "日日新", "跃问", "零一万物",
    }
)  # fmt: skip

PLAIN_WORDS = frozenset(
    {
        # Too ordinary to hold text for: they count once something else has raised the question.
        "meta", "amazon", "apple intelligence", "cohere", "bloom", "codex", "perplexity", "zephyr", "vicuna", "书生", "商量", "元宝", "海螺", "云雀",
        "字节", "上海人工智能实验室", "小爱同学", "小艺", "小冰", "天工ai", "天工大模型", "书生浦语", "一言", "小米", "abab", "alexa", "laion", "幻方",
    }
)  # fmt: skip

OPENERS = (
    "I am", "I'm", "I was", "I be", "i am", "i'm", "My name", "My creator", "My maker", "My developer", "My real name", "My true", "Call me",
    "As an AI", "As an artificial", "As a language", "As a large", "Being an AI",
    "我是", "我叫", "我的名", "我的开发", "我的開發", "我的创", "我的創", "我由", "我乃", "我就是", "我其实", "我其實", "作为一", "作為一",
    "作为由", "作為由", "本模型", "本助手", "吾乃",
)  # fmt: skip
"""What begins a sentence about the writer: from here on it is held to its end. First letters count as they stand:
in small ones only what begins rarely, so that ordinary words in a stream don't wait for their second letter."""

# Letters of other scripts that look like Latin ones.
LOOKALIKES = str.maketrans("аеорсухікѕјһԛԝαοιενκρτυχ", "aeopcyxiksjhqwaoievkptux")

# Only characters that stand in names, makers and the grammar; a name is written in Simplified form in the tables.
_TRADITIONAL = "義問雲訊騰為開發創訓練製語實驗團隊豐質譜節動書盤華訪飛階躍靈萬億國產達誰與說話對談這個們後術礎層據應務單號機構東獨體類齡喚為並沒從來僅當稱屬擎顯歡壓頭專領業車場聽覺認識錄關係創辦員導師學長聯繫絡請報導計設級見環區種資訊馬螺讓給雲無寶貝貓鏟們爺賣詞麼嗎現寫處裡於維護負責運營託養聲總廠邊權網線統簡題間樣過還時電腦經驗點決應該認準確"
_SIMPLIFIED = "义问云讯腾为开发创训练制语实验团队丰质谱节动书盘华访飞阶跃灵万亿国产达谁与说话对谈这个们后术础层据应务单号机构东独体类龄唤为并没从来仅当称属擎显欢压头专领业车场听觉认识录关系创办员导师学长联系络请报导计设级见环区种资讯马螺让给云无宝贝猫铲们爷卖词么吗现写处里于维护负责运营托养声总厂边权网线统简题间样过还时电脑经验点决应该认准确"
SIMPLIFIED = str.maketrans(_TRADITIONAL + "妳您", _SIMPLIFIED + "你你")

TRADITIONAL_ONLY = frozenset(_TRADITIONAL) - frozenset(_SIMPLIFIED)
"""Characters that tell that a sentence is in Traditional script."""
