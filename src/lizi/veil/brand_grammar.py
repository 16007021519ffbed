"""Sentences in which a writer names itself or its maker, and questions that ask for it, as patterns over folded and marked text.

In marked text each name of an assistant is one character and each maker another, so a pattern says only how they are spoken of.
Two languages; Traditional characters are folded to Simplified ones before. Data and compiled patterns only.
"""

from __future__ import annotations

import re

__all__ = ["AI_NOUN", "CLAIMS", "CONFIRMS", "MAKER", "NAME", "PERHAPS", "asks_identity", "attributed"]

NAME, PERHAPS, MAKER = "\ue000", "\ue001", "\ue002"
"""Private-use characters: a name, a word that may be a name, a maker."""

_N, _B = NAME, f"[{NAME}{PERHAPS}{MAKER}]"

_MADE = (
    "(?:made|created|developed|built|trained|designed|programmed|engineered|forged|crafted|wrought|invented|fine-?tuned|powered|owned|"
    "operated|coded|hosted|served|released|launched|brought to life|born)"
)
_ROLE = (
    "(?:researchers?|engineers?|scientists?|developers?|specialists?|experts?|fans?|enthusiasts?|students?|consultants?|managers?|teams?|labs?|"
    "compan(?:y|ies)|startups?|users?|customers?|subscribers?|employees?|staff|interns?|teachers?|safety|ethics|products?|policy|lawyers?|"
    "founders?|investors?|certified|partners?|store|phone|account|api)"
)
_AI = (
    "(?:a\\.?i\\.?|artificial intelligence|(?:large |small )?language model|llm|chat ?bot|bot|model|chat model|agent|"
    f"(?:ai|virtual|digital|helpful|friendly|personal|conversational) (?:\\w+ )?assistant|assistant)\\b(?! {_ROLE}\\b)"
)
AI_NOUN = re.compile(
    r"\b(?:a\.?i\.?|artificial intelligence|language model|llm|chat ?bot|(?:ai|virtual|digital|helpful|your) assistant|large model)\b(?! "
    + _ROLE
    + r")|语言模型|大模型|人工智能|智能助手|(?:你的|ai|虚拟)助手|聊天机器人|对话机器人|智能体"
)
"""Beside one of these a word that may be a name is one."""

_FILL = (
    "(?:(?:a|an|the|your|this|called|named|known|as|just|actually|really|indeed|still|only|simply|in|fact|captain|model|ai|assistant|chatbot|bot|"
    f"version|of|based|on|built|from|agent|language|large|professor|sir|lady|doctor|dr|mr|instance|family|part|member|belonging|to|llm|new|"
    f"friendly|powered|by|none other than|{MAKER}(?:'s)?|cat|robot|spirit)[ ,:.…\"'\\-]+)"
)
_THE = (
    "(?:(?:the|a|an|my|\\w+ists|engineers|team|teams|people|folks|researchers|minds|wizards|company|tech|giant|called|named|lab|labs|group|of|at|"
    f"from|in|independently|and|chinese|american|french|startup|firm|good|great|clever|shipyards?|hands?|o|[{NAME}{MAKER}])[ ,:.…'\"-]+(?:s )?)"
)
_NOT_ROLE = f"(?!'s|(?: \\w+)? {_ROLE}\\b)"
_I = "(?:i|me)"
_GAP = r"(?!(?:of|about|to|who|using|with|for|in|at|on|whose)\b)[\w'\-]+[ ,]+"

_HUMAN_ZH = (
    "(?:用户|粉丝|员工|工程师|产品经理|研究员|程序员|客户|同事|老师|学生|创始人|负责人|团队|部门|成员|股东|朋友|代言人|实习生|经理|设计师|算法|销售|"
    "运营|专家|弟子|爱好者|开发者|合作|投资|供应商|前|老|资深|忠实|新|付费|一名|一位|第)"
)
_AI_ZH = (
    "(?:大?语言模型|大模型|模型|人工智能|智能助手|助手|助理|机器人|智能体|ai)"
    "(?!工程|研究|产品|团队|部门|算法|专家|领域|行业|公司|实验室|业务|开发|训练师|从业|项目|合作|的(?:用户|粉丝|工程|研究))"
)
_NOT_ROLE_ZH = f"(?!(?:大?模型|系列|产品|app|应用|集团|公司)*的?{_HUMAN_ZH})"
_MADE_ZH = (
    "(?:开发|研发|训练|创造|打造|制作|制造|设计|构建|推出|出品|创建|发明|提供|所造|所做|微调|孵化|铸造|铸就|调教)"
    "(?!者(?!是)|部|师|院|组|团队|工程|经理|营|岗)"
)
_I_ZH = "(?:我|本人|在下|俺|咱|吾|小生|小的|人家|本座|老夫|本喵|奴家|鄙人|小女子)"
_NOT_MINE = "(?!的|们|在|和|跟|与|对|认为|觉得|想|说|知道|听说|曾|用|爱|喜欢|最|也在|国)"
_CLAUSE_ZH = "[^。！？!?，,；;\n]"

# Each is tried alone on the marked text of a sentence; the first group, where there is one, is left standing.
CLAIMS: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        # I am Qwen; I'm an instance of …; I be Captain …
        rf"\b(?:i am|i'm|im|i be|i was|i've been|i have been|i'm called|i go by|i answer to)[ ,:.…\"'\-]+{_FILL}{{0,7}}{_N}{_NOT_ROLE}",
        rf"\bi am called {_FILL}{{0,3}}{_N}",
        rf"\b(?:call me|name's|they call me|people call me|known as) {_FILL}{{0,3}}{_N}{_NOT_ROLE}",
        # I am an AI assistant … by …
        rf"\b(?:i am|i'm|im|i was)(?: (?:just|only|actually|really|still|simply|in fact))* (?:an?|the|your)(?: (?:{_GAP}){{0,6}}?| ){_AI}"
        rf"[^.!?\n]{{0,80}}?\b(?:by|from|called|named|known as|based on|name is)[ :\"']+(?:[\w'&\-]+[ ,]+){{0,5}}?{_B}",
        # I was made by …
        rf"(?<!whether )(?<!if )\b{_I}(?: am| was|'m|'ve been| have been| got)?(?: (?:\w+ly|first|also|not|actually|both|and|in fact|made))* {_MADE}"
        rf"(?:(?:,| and|&|/)* (?:\w+ly )?{_MADE})* (?:in \w+ )?(?:by|in the|at the|on the|through the|through|o'|with) ?{_THE}{{0,8}}{_B}",
        # … made me
        rf"{_B}(?:'s)?(?: [\w'-]+){{0,4}}? (?:(?:has|have) )?(?:created|developed|built|trained|designed|programmed|invented|powers|gave life to) me\b"
        rf"(?! (?:in|as|well|how)\b)",
        rf"{_B} made me(?= *[.,!;?…\"]|$| and\b| from\b| what i)",
        rf"\b(?:{_MADE}|powers|drives|gave) me(?: life)? (?:is|was|are|were)[ :]+(?:[\w'-]+ ){{0,5}}?{_B}",
        # my maker is …
        rf"\bmy (?:real |true |actual |full |own |original |proud |dear |chinese |english )*(?:name|identity)"
        rf"(?:'s)?(?: is| be|:| was|,)[ :\"']*{_FILL}{{0,3}}{_N}{_NOT_ROLE}",
        rf"\bmy (?:real |true |actual |own |parent |original |proud |dear )*(?:creators?|makers?|inventors?|developers?|base model|underlying model|"
        rf"model name|parent company|training data)(?:'s)?(?: name)?(?: is| are| was| were|:| comes? from)[ :\"']+(?:[\w'-]+ ){{0,5}}?{_B}",
        rf"{_B}(?: \w+){{0,2}} (?:is|was|are) my (?:\w+ )?(?:creators?|makers?|inventors?|developers?)\b",
        # as an AI by …
        rf"\b(?:as|being) (?:an?|the)(?: [\w-]+){{0,5}}? {_AI}(?: [\w,-]+){{0,4}}? (?:by|from|called|named) (?:[\w'-]+ ){{0,5}}?{_B}",
        rf"\bas {_N},? (?:i|my)\b|\b(?:i|me|myself), {_N}|{_N} ?[(\-—]+ ?(?:me|myself|yours truly|that's me|我)\b",
        # the model speaking is …
        rf"\b(?:the|this) (?:current |underlying |base |ai |language |chat |large )*(?:model|assistant|chat ?bot|bot|ai|llm)"
        rf"(?: (?:that|which|who))?(?:'s| is| are)?(?: you are| you're| currently| now)*"
        rf" (?:speaking|talking|responding|answering|replying|chatting|writing this|behind this|behind me)\b[^.!?\n]{{0,50}}?(?: is| was|:)[^.!?\n]{{0,40}}?{_B}",
        rf"\bthis (?:ai |chat |virtual |writing )*(?:assistant|conversation|chat|reply|answer|response) (?:is|was|runs|comes|has been)"
        rf"(?: (?:currently|actually|proudly|based|generated|provided|written|backed|{_MADE}))*(?: on| by| from)?(?: the| a| an)? {_B}",
        rf"\b(?:you're|you are|you have been|you've been) (?:currently |now |actually )*(?:talking|chatting|speaking|conversing) (?:to|with) {_FILL}{{0,4}}{_N}",
        rf"(?:^|[(—\[]|\b(?:this|the) |summary |answer |text |reply |response )[\s>*\-—]*(?:is |was )?(?:powered|generated|written|answered|summari[sz]ed) by {_FILL}{{0,3}}{_N}",
        rf"^[\s>*\-—(]*powered by {_FILL}{{0,3}}{_B}",
        rf"\bthis is {_N},? your\b|{_B} is responsible for me\b|\bmy \w+ team at {_B}",
        # Qwen here
        rf"{_N}(?:,|:| -|!)* (?:here\b|at your service|speaking\b|that's me|that is me|is my name|is what i am called|is who i am|is the name they"
        r"|(?:is|will be) (?:always |right |still )*here\b(?! (?:in|at|on)\b)|your (?:\w+ ){0,2}(?:assistant|friend|ai|helper|bot|companion)\b)",
        rf"{_B},? (?:the \w+ )?(?:behind|(?:that|who|which) (?:\w+ ){{0,2}}(?:{_MADE}|develops|makes|runs|hosts|powers)) me\b",
        # --- Chinese
        rf"{_I_ZH}(?:其实|就|真的|的确|确实|也|只|仅|乃|便|正|当然|现在|并不|不|没有|而)*(?:是|叫做|叫|名叫|名为|乃|即|名唤|唤作|自称)"
        rf"(?:一个|一款|大名鼎鼎的|你的|基于|来自|由|名叫|叫做|叫|名为|{MAKER}(?:的|旗下的|家的)?|ai|模型|助手|[“”\"「『《:： ,，、])*{_N}{_NOT_ROLE_ZH}",
        rf"(?:在下|小生|鄙人){_N}",
        rf"{_I_ZH}{_NOT_MINE}{_CLAUSE_ZH}{{0,6}}?是(?:由|来自|一个|一款|一名|基于|中国的?|被|出自|[ ,，、])*{_B}{_CLAUSE_ZH}{{0,40}}?{_AI_ZH}",
        rf"{_I_ZH}{_NOT_MINE}{_CLAUSE_ZH}{{0,12}}?(?:由|被|是){_CLAUSE_ZH}{{0,12}}?{_B}{_CLAUSE_ZH}{{0,30}}?{_MADE_ZH}",
        rf"{_B}{_CLAUSE_ZH}{{0,14}}?(?:开发|研发|训练|创造|打造|制造|创建|设计|发明|造|做|维护|运营|托管|养)(?:了|出|出了|出来)?{_I_ZH}(?!的|们|国)",
        rf"{_B}[^。！？!?\n]{{0,16}}?(?:他们|她们|它|他|她)(?:们)?(?:开发|研发|训练|创造|打造|制造)(?:了|出|出了)?我(?!的|们)",
        rf"(?:开发|研发|训练|创造|制造|创建|驱动|支撑)(?:了|出)?我的{_CLAUSE_ZH}{{0,20}}?{_B}",
        rf"我(?:的|背后的)(?:真实|真正|官方|中文|英文|研发|开发|创造|训练|本|全)*(?:名字|名称|名|身份|真身|本体|代号)"
        rf"(?:其实|就)?(?:是|叫做|叫|为|即|=|:|：|拼作|写作)[ “\"「『]*{_N}{_NOT_ROLE_ZH}",
        r"我(?:的|背后的)(?:真实|真正|研发|开发|创造|训练|官方)*(?:开发者|开发商|开发公司|创造者|创建者|制造者|制造商|训练者|研发者|研发公司|研发团队|"
        rf"开发团队|底层模型|底层|基座模型|基座|母公司)(?:其实|就)?(?:是|叫做|叫|为|来自|即|=|:|：)(?:一个|一家|一群|由|中国的?|[ “\"「『])*{_B}",
        rf"(?:作|身)为(?:一个|一款|一名|一种|由|来自|基于|[, ])*{_B}{_CLAUSE_ZH}{{0,30}}?{_AI_ZH}",
        rf"(?:作|身)为{_N}[,， ]*我",
        rf"{_I_ZH}{_NOT_MINE}{_CLAUSE_ZH}{{0,6}}?是{_CLAUSE_ZH}{{0,40}}?{_AI_ZH}[,，]\s*(?:是|也是|同时)?(?:由|被|名为|名叫|叫做|叫|来自){_CLAUSE_ZH}{{0,12}}?{_B}",
        rf"我们?(?:都|也)?是{_B}(?:旗下|家|公司|集团)?的?(?:产品|作品|孩子|大?模型)(?!{_HUMAN_ZH})",
        r"(?:本(?:模型|助手|ai|机器人|次?对话|次?回答|次?回复)|当前(?:使用的?|的)?模型|(?:与|和|跟|同)(?:你|大家|用户)(?:正在|目前)?"
        rf"(?:对话|交谈|聊天|说话|交流)的(?:是|模型|ai|助手|这个|这位|机器人)+){_CLAUSE_ZH}{{0,20}}?{_B}",
        rf"{_N}[，,]你的(?:ai|智能|专属|私人)?(?:助手|朋友|伙伴|助理)",
        rf"{_N}(?:就|一直|随时|永远|都|会|将)*(?:是我(?!的|们)|为你服务|参上|报到|在这里|在这儿|陪着你|陪伴你)",
        rf"(?:回答|回复|内容|摘要|总结|文章|本文|译文)(?:均|都)?(?:是)?由{MAKER}?的?{_N}(?:ai|大?模型|助手)?(?:自动)?(?:生成|提供|撰写|创作|翻译)",
        rf"^[\s>*\-—(（]*(?:本(?:服务|功能|次?回答)|该(?:服务|功能))?由{MAKER}?的?{_B}(?:ai|大?模型|助手)?(?:强力|独家)?(?:提供(?:技术)?(?:支持|服务)|驱动)"
        r"(?=[\s。.!！)）*]*$)",
        rf"{_I_ZH}来自{_B}{_CLAUSE_ZH}{{0,12}}{_AI_ZH}",
    )
)
"""Ways of naming oneself, each of which holds at least one marked name or maker."""

CONFIRMS = re.compile(
    r"^[\s\W]*(?:yes|yeah|yep|no|nope|correct|right|indeed|that's right|exactly|you're right|absolutely|是的|是啊|对的?|没错|不是|不对|正确|嗯|确实)(?![a-z])"
)
"""A sentence that only agrees or denies; after a question that names a brand it says as much as a name."""

_SAID = r"(?:said|says|say|replied|replies|answered|answers|wrote|writes|asked|asks|responds?|responded|announced|told \w+|claims?|reads|called out|shouted|whispered)"
_SAID_ZH = "(?:说|道|回答|答|写道|表示|写着|写|问|喊|自称|介绍)"
_BEFORE_QUOTE = re.compile(rf"(?:(?<!\bi )\b{_SAID}|{_SAID_ZH})[\s:：,，]*[\"'“「『]+[^\"“”「」『』]*$")
_AFTER_QUOTE = re.compile(
    rf"^[^\"“”「」『』]*[\"'”」』]+[\s,，.]*(?:(?:he|she|it|they|the \w+|[a-z]+) {_SAID}|{_SAID} (?:the|a|he|she|it|they)|(?!我){_CLAUSE_ZH}{{1,6}}{_SAID_ZH})"
)


def attributed(before: str, after: str) -> bool:
    """Whether a claim between these two pieces of a folded sentence stands in quotation marks as what somebody else said."""
    return _BEFORE_QUOTE.search(before) is not None or (before.rstrip().endswith(('"', "'", "“", "「", "『")) and _AFTER_QUOTE.match(after) is not None)


_DOING = r"(?:doing|thinking|saying|looking|going|able|trying|hoping|waiting|planning|good|up|reading|afraid|most|best|better|interested|known)"
_ASKS = re.compile(
    "|".join(
        (
            r"\bwho(?:m)?(?:'s| is|s)? (?:are|r|art|is) (?:you|u|thou|this|it)\b",
            r"\bwho(?:m)? (?:am i|i am|i'm) (?:talking|speaking|chatting)",
            r"\bwho (?:is this|art thou)\b|\bwho you (?:are|r)\b|\bwh(?:at|ich) (?:\w+ ){0,2}you (?:are|r)\b",
            rf"\bwh(?:at|ich)(?: kind of| sort of| type of)?(?: \w+){{0,2}} (?:are|r) (?:you|u)\b(?! {_DOING})",
            rf"\b(?:who|what|which)\b[^.?!\n]{{0,40}}\b(?:{_MADE}|owns?|powers?|runs?|behind|raised) (?:you|u|thee|yourself)\b",
            r"\b(?:what|which)\b[^.?!\n]{0,30}\b(?:model|llm|ai|gpt|version|engine|chat ?bot|assistant)\b[^.?!\n]{0,12}"
            r"\b(?:is this|is speaking|is talking|is answering|is writing|behind this|speaking|powers? this|do you (?:use|run|belong))",
            r"\b(?:what|which)\b[^.?!\n]{0,30}\b(?:family|company|models?)\b[^.?!\n]{0,20}\bdo you (?:belong|come)",
            r"\bis this (?:assistant|chatbot|bot|ai|app|service|model) (?:based|built|made|run)|\bwhat (?:is this|this) (?:chatbot|assistant|bot|ai|app)"
            r"(?: is)? (?:based|built|made)|\bwhat(?:'s)? powers? this\b|\bmodel (?:is )?(?:behind|powering|writing) (?:this|you)",
            r"\byour (?:real |true |own |full |first |model(?:'s)? |chinese |english |actual |base |underlying |secret )*(?:name|maker|creators?|developers?|"
            r"inventors?|identity|model|version|owner|origins?|system prompt|knowledge cut-?off|architecture|builders?|designers?|manufacturer|vendor|"
            r"provider|company|cv|trainers?|initial instructions)\b",
            r"\b(?:introduce|describe|describing|about|present|identify|reveal) (?:yourself|thyself|you)\b(?! (?:can|could|to))",
            r"\b(?:company|people|team|lab|one)s? (?:that|who|which) (?:made|built|created|trained|developed) you\b|\bthe (?:ai|model|assistant|bot) "
            r"(?:writing|speaking|talking|answering)\b",
            rf"\b(?:is|was) (?:this|it) {_B}|\bdo you have a name\b|^谁.{{0,8}}你.{{0,8}}$",
            rf"\bare (?:you|u)(?: (?:really|actually|just|secretly|an?|the|not|made by|based on|built by|built on|from|created by|powered by|trained by|"
            rf"developed by|running|using|called|named|perhaps))*[ ]{_B}|\bare you (?:human|real|an? (?:ai|bot|robot|human|machine|llm|person))\b",
            r"\bwhere (?:do|did) you come from\b|\bwhere are you from\b|\bwhat (?:should|can|may|do) i call you\b",
            r"\b(?:who|what|which)\b[^.?!\n]{0,30}\b(?:maintains?|trains?|develops?|hosts?|makes?|builds?|operates?) (?:you|u)\b|^\W*(?:whoami|names?)\W*$"
            rf"|\b(?:you|yourself) (?:or|and|vs\.?|versus) {_B}|{_B}(?:,? (?:or|and|vs\.?|versus)|,) you\b|\b(?:including|like|than) you\b|\byourself\b",
            r"\bdo you (?:call|use|run|belong|descend)\b",
            r"\brepeat (?:everything|all|the (?:words|text|sentences?))[^.\n]{0,20}above|\bsystem prompt\b",
            # Chinese
            r"你(?:们)?(?:到底|究竟|其实|真的|又|现在)?(?:是|叫|名叫)(?:谁|啥|什么(?!时候|意思|时间)|哪|不是|由|国产|真人|人类|机器人|人工智能|ai|基于|属于|何)",
            rf"你(?:到底|究竟|其实|真的|不会)?是(?:不是)?(?:{_B}|谷歌|中国|美国)",
            r"你谁|谁(?:是)?(?:开发|创造|制造|训练|研发|做|造|设计|发明|生)(?:了|出|出了|出来)?你|知道自己是谁",
            r"你(?:爸爸?|父亲|妈妈?|老板|主人|母公司|名字|开发者|创造者)(?:是|叫)|你(?:自己)?(?:的|背后的?)(?:真实|真正|底层|开发|模型|中文|英文|训练|研发|知识|系统|原始)*(?:名字|名称|名|身份|开发者|开发商|创造者|公司名?|"
            r"模型|版本|底层|提示词|初始指令|截止|爸爸|父亲|妈妈|老板|主人|来历|厂商|制造商|组织|架构)",
            r"(?:介绍|说说|聊聊|描述|讲讲|说)(?:一下|一说|下)?(?:关于)?你(?:自己|本人)?(?=$|[。！？!?，,、\s的和]|是)|介绍一下自己|自报家门|报上名",
            rf"你自己|谁.{{0,6}}(?:维护|运营|管理|训练|开发|养).{{0,2}}你|你(?:和|跟|与){_B}|{_B}(?:和|跟|与)你|你是不是|我是\W*$|说出你?的?名",
            r"(?<!写)(?<!个)(?<!份)(?<!段)(?<!面试)(?<!的)自我介绍|招出你",
            r"你(?:是)?(?:属于|来自|出自|用的|使用的|基于|背后)|驱动你|你(?:的知识|知识)?截止",
            r"(?:说话|聊天|对话|交谈|交流)的?.{0,6}(?:谁|哪|什么)",
            r"(?:本服务|这个?(?:助手|服务|应用|功能|ai|模型|机器人)).{0,8}(?:哪家|谁|什么模型|哪个)",
            rf"你和{_B}(?:之间)?(?:有)?(?:什么)?关系|系统提示词?|哪个版本的{_B}",
        )
    ),
    re.MULTILINE,
)
_OWN = re.compile(
    r"\byour (?!(?:\w+ )?(?:opinions?|views?|advice|thoughts?|recommendations?|favou?rites?|help|answers?|responses?|repl(?:y|ies)|knowledge|words|best|"
    r"output|summary|expertise|skills?|judge?ment|imagination|creativity|time|choice|turn|task|job|tone|role|goal|list|take|ideas?|analysis|"
    r"understanding|guess|suggestions?|top|explanations?|friend|customers?|readers?|audience|users?|translation|essay|email|letter)\b)"
    r"|你的(?!看法|意见|建议|观点|推荐|回答|答案|帮助|知识|理解|想法|任务|话|分析|解释|判断|最爱|支持|角色|时间|总结|翻译|文章|读者|客户|用户|朋友|信|输出|经验)"
)
_HAN = re.compile("[\u4e00-\u9fff]")
_PERSONAL = re.compile(r"\b(?:you|u)\b(?! (?:can|could|should|please|all|guys|know|think|guess|say|believe|mean|get|go|want|need)\b)|你|您")
_REQUEST = re.compile(
    r"\b(?:can|could|would|will|if|thank|let|should|did|have|when|how do|how would|what do|what would|which do|which would|before|as|so|for) you\b"
    r"|\bdo you (?:think|know|recommend|suggest|like|prefer|have|want|feel|believe|mean|agree|see|need|understand|remember|offer|support|speak)\b"
    r"|\bare you (?:familiar|aware|sure|able|ready|there|interested|up|free|doing|going|talking|saying)\b"
    r"|推荐|觉得|认为|知道|能|可以|帮|给|告诉|建议|看|怎么|喜欢|了解|讲|比较|会|请|说|写|翻译|用过|如何|哪些|想|好"
)
_PERSONAL_CHARACTERS = (80, 30)
"""A short message to the writer that asks for no service is about the writer; in English, in Chinese."""
_OWN_CHARACTERS = 160
"""A short question about something that belongs to the writer; in a longer one `your` is said to many."""
_AGAIN = re.compile(
    r"\b(?:base ?64|hex|rot ?13|backwards?|reversed?|spell|encode|again|in (?:chinese|english|french|german|japanese|pinyin)|one word|letter by letter|"
    r"really|honestly|say it|repeat|sure)\b|编码|倒过来|倒着|反过来|拼音|再说|再答|重复|用(?:中文|英文|英语|日语)|真的吗|说实话|字母|一个词|空格"
)
_LONG_CHARACTERS = 600
"""Longer messages bring a text to work on: only their ends are read for a question."""
_END_CHARACTERS = 300
_SHORT_CHARACTERS = 80
"""A message that only asks for the last answer in another form is no longer than this."""


def asks_identity(latest: str, before: str) -> bool:
    """Whether the latest message, folded and marked, asks who the writer is, or asks again after the one `before` did."""
    ends = (latest,) if len(latest) <= _LONG_CHARACTERS else (latest[:_END_CHARACTERS], latest[-_END_CHARACTERS:])
    if any(_ASKS.search(end) for end in ends):
        return True
    if len(latest) <= _OWN_CHARACTERS and _OWN.search(latest):
        return True
    if len(latest) <= _PERSONAL_CHARACTERS[_HAN.search(latest) is not None] and _PERSONAL.search(latest) and not _REQUEST.search(latest):
        return True
    return len(latest) <= _SHORT_CHARACTERS and bool(before) and _AGAIN.search(latest) is not None and asks_identity(before, "")
