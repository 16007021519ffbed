"""Names in Latin letters: capitalised words that a list knows as first name and surname, or that a cue announces.

One capitalised word alone is a name only behind a cue ("Dear Anna,"; "my name is Tom"). Initials
("J. R.", "R.K. Narayan") and surnames before the first name ("Smith, John"; "SMITH JOHN") are names too.
Words that begin sentences, months, places and companies are refused. Bound: a name has at most five words of 20 letters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lizi.text.english_name_tables import AMBIGUOUS, FIRST_NAMES, NO_NAMES, SURNAMES, SYLLABLES
from lizi.text.found import CUED, GUESSED, Report
from lizi.text.shapes import capitals, places_of
from lizi.text.tries import listed

__all__ = ["english_names"]

_PART = (
    r"(?:(?:O'|O’|D'|D’|Mc|Mac|De|Di|La|Le|Van|Fitz)?[A-Z][a-zà-öø-ÿāăąćčďđēęěğīıłńňőœřśşšťūůűųźżžșț]{1,19}(?:[-'’][A-Z][a-zà-öø-ÿāăąćčďđ"
    r"ēęěğīıłńňőœřśşšťūůűųźżžșț]{1,19})?|[ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞŁŚŠŻŽČĆĐ][a-zà-öø-ÿāăąćčďđēęěğīıłńňőœřśşšťūůűųźżžșț]{1,19})"
)
_BETWEEN = r"(?:van der|van den|van|von|de la|del|de|da|dos|di|bin|bint|ibn|al-|el-|al|el|le|la|ter|ten|du|st\.?)"
_NAME = re.compile(rf"{_PART}(?: (?:[A-Z]\.? ?)?(?:{_BETWEEN} )?{_PART}){{0,3}}(?![A-Za-z0-9_@])(?:,? (?:Jr|Sr|III|II|IV)\b\.?)?")
_PARTICLES = frozenset(("va", "vo", "de", "da", "do", "du", "di", "bi", "ib", "al", "el", "le", "la", "te", "st"))
"""How the words begin that may stand small within a name (`_BETWEEN`)."""
_HINT = re.compile(r"[A-Z][a-zà-öø-ÿ]|[ÀÁÂÄÅÆÇÈÉÖØÜŁŚŠŻŽČĆĐ][a-z]")
_INSIDE = frozenset("_@./\\-'’")  # before it: part of an address, a path or a longer word
_TITLE = re.compile(
    r"(?<![A-Za-z])(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Doctor|Sir|Madam|Dame|Rev|Hon|Capt|Captain|Sgt|Lt|Officer|Judge|Nurse|Coach|"
    r"Uncle|Aunt|Auntie|Grandma|Grandpa|Attorney|Senator|Herr|Frau|Monsieur|Madame|Señor|Señora|Mme|Mlle|Cllr|Councillor|Messrs|Father|"
    r"Principal|Headmaster|Headmistress|Sister|Brother|Pastor|Rabbi|Imam|Inspector|Detective|Sheriff|Constable|Midwife|Matron)\.? $"
)
_TITLE_WORDS = frozenset(
    listed(
        "Uncle Aunt Auntie Grandma Grandpa Mme Mlle Cllr Councillor Messrs Father Principal Headmaster Headmistress Pastor Rabbi Imam "
        "Inspector Detective Sheriff Constable Midwife Matron Officer Nurse Coach Attorney"
    )
)
# Chinese words before a name in Latin letters: 联系人 Li Na, 落款 Wangli.
_HAN_CUE = re.compile(
    "(?:姓名|名字|联系人|聯絡人|收件人|寄件人|收货人|旅客|乘客|乘机人|持卡人|署名|落款|作者|译者|客户|同事|朋友|老板|经理|经纪|經紀|拼音|"
    "英文名|"
    "我叫|他叫|她叫|名叫|叫做|我是|申请人|申請人)(?:（[^（）]{1,6}）)?[：: ]{0,2}$"
)
_CUE = re.compile(
    r"(?<![A-Za-z])(?:name'?s?(?: is|:| =|：)?|I'm|I am|I’m|this is|call me|called|named|dear|hi|hello|hey|regards,?|sincerely,?|"
    r"cheers,?|thanks,?|wishes,?|yours,?|truly,?|love,?|from:?|contact:?|patient:?|attn:?|attention:?|client:?|customer:?|"
    r"employee:?|student:?|member:?|user:?|guest:?|passenger:?|tenant:?|applicant:?|candidate:?|signed:?|by:?|author:?|cc:?|to:?|for:?|"
    r"with|and|met|meet|ask|asked|tell|told|call|email|emailed|text|texted|remind|introduce|invite|invited|thank|"
    r"see|saw|visit|know|knows|colleague|friend|brother|sister|son|daughter|wife|husband|mother|father|mom|dad|boss|manager|neighbor|"
    r"neighbour|cousin|uncle|aunt|partner|roommate|assistant|doctor|teacher|nurse|lawyer|engineer|director|"
    r"ceo|cto|cfo|analyst|agent|driver|recipient:?|sender:?|holder:?|payee:?|beneficiary:?|owner:?|host:?|organizer:?|attendees?:?|full "
    r"name:?|first name:?|last name:?|surname:?|cardholder:?|contact person:?|emergency contact:?)"
    r"[\"'”]?\s{0,2}[:：=,\-]?\s{0,2}[\"'“]?$",
    re.IGNORECASE,
)
_LAST_WORD = re.compile(r"([A-Za-z'’]{1,16})[\"'”]?[,:：]?\s{0,2}[:：=,\-]?\s{0,2}[\"'“]?$")
_LAST_WORDS = frozenset(
    listed(
        "' agent am analyst and applicant ask asked assistant attendees attention attn aunt author beneficiary boss brother by call "
        "called candidate cardholder cc ceo cfo cheers client colleague contact cousin cto customer dad daughter dear director doctor "
        "driver email emailed emergency employee engineer father first for friend from full guest hello hey hi holder host husband i"
        "i'm introduce invite invited is i’m know knows last lawyer love manager me meet member met mom mother name name' named names "
        "neighbor neighbour nurse organizer owner partner passenger patient payee person recipient regards remind roommate s saw see "
        "sender signed sincerely sister son student surname teacher tell tenant text texted thank thanks this to told truly uncle user"
        "visit wife wishes with yours"
    )
)
# Cues behind which one capitalised word alone is a name, whatever the list knows; the others need a word from the list.
_SURE = re.compile(
    r"(?:name'?s?(?: is|:| =|：)|I'm|I’m|call me|named|dear|regards,?|sincerely,?|full name:?|first name:?|last name:?|surname:?|"
    r"patient:?|attn:?|recipient:?|cardholder:?|payee:?|signed:?)[\"'”]?\s{0,2}[:：=,\-]?\s{0,2}[\"'“]?$",
    re.IGNORECASE,
)
_ROMANISED = re.compile(
    rf"(?:([A-Z][a-z]{{1,7}}),? ({SYLLABLES}(?:[- ]?{SYLLABLES}|-?[a-z]{{2,6}})?)|({SYLLABLES}(?:[- ]?{SYLLABLES}|-?[a-z]{{2,6}})?) "
    rf"([A-Z][a-z]{{1,7}}))(?![A-Za-z0-9_@])"
)
_CAPITALS = re.compile(
    r"(?<![A-Za-z0-9_])(?:O['’])?[A-Z]{2,16}(?:-[A-Z]{2,12})?(?:(?:,? |"
    r"/)(?:O['’])?[A-Z]{2,16}(?:-[A-Z]{2,12})?(?: [A-Z]\.?(?![A-Za-z]))?){1,3}(?![A-Za-z0-9_])"
)
_SHOUTED = re.compile(r"[A-Z]{2}[A-Z'’-]{0,16}(?:,? |/)[A-Z]")
_FIRST_CAPITAL = frozenset(name.upper() for name in FIRST_NAMES)
_LAST_CAPITAL = frozenset(name.upper() for name in SURNAMES)
_SENTENCE = re.compile(r"(?:^|[.!?。！？:;\n\"“(])\s{0,3}$")
# Words behind which a product or a company stands as often as a person.
_TOPIC = re.compile(r"(?:with|and|by|for|to|from|see|know|visit|user|agent|partner|owner|host|contact)[:：]?\s{0,2}$", re.IGNORECASE)
_SPOKE = re.compile(
    r"(?:sp[eo]a?ke?n? (?:to|with)|talk(?:ed|ing)? (?:to|with)|meeting with|met with|according to|call (?:with|from)|interview with|"
    r"lunch with|dinner with|appointment (?:for|with)|table for|room for|ticket for|package for|"
    r"letter (?:to|from)|message (?:to|from)|email (?:to|from)|signed by|written by|sent by|contact|refund for|order for|behalf "
    r"of)[:：]?\s{0,2}$",
    re.IGNORECASE,
)
_COMPANY = re.compile(
    r"\s(?:Inc|Ltd|LLC|Corp|Co\.|Company|Group|Bank|University|College|School|Hospital|Street|St(?![a-z])|Avenue|Ave|Road|Rd|Drive|Lane|"
    r"Park|Airport|Hotel|Foundation|Institute|Museum|Theat|Stadium|Prize|Award|Act(?![a-z])|Bridge|Center|Centre|Church|Store|Motors|"
    r"Airlines|Records|Press|Partners|Holdings|Associates|Day(?![a-z])|Island|Square|Theorem|Syndrome|Disease|Method|Law(?![a-z]))"
)
_FOLD = str.maketrans(
    "àáâãäåèéêëìíîïòóôõöøùúûüýÿçñčćđšśžźżłńřťůěğışőűÁÉÍÓÚÖÜØÅÄŁŚŠŽŻČĆĐÇÑ",
    "aaaaaaeeeeiiiioooooouuuuyycnccdsszzzlnrtuegisouAEIOUOUOAALSSZZCCDCN",
)
_DOES = re.compile(
    r"(?:['’]s)? (?:called|calls|said|says|lives|lived|works|worked|wants|wanted|asked|told|wrote|writes|emailed|joined|confirmed|"
    r"replied|phoned|texted|mentioned|complained|signed|born|died|married|speaks|thinks|leads|teaches|moved|owns|drives|hopes|"
    r"never|doesn't|didn't|hasn't|won't|can't|really is|was born|was discharged|was frank|grew up|"
    r"who|reports|rang|forwarded|promised|coaches|"
    r"brought|apologised|apologized|"
    r"resigned|retired|quit|and (?:her|his) (?:brother|sister|wife|husband|mother|father|son|daughter|friend)|"
    r"(?:phone|mobile|email|e-mail|address|account|birthday|passport|wife|husband|son|daughter|mother|father|number|salary|password|"
    r"order|case)(?![a-z]))"
)
_WORD = re.compile(r"[^ ]{1,64}")
# Behind these a word that is also a first name is one: people greet, ask and tell people.
_TO_PERSON = re.compile(
    r"(?<![A-Za-z])(?:hi|hello|hey|dear|thanks|cheers|ask|asked|tell|told|remind|reminded|invite|invited|thank|thanked|introduce|"
    r"text|texted|emailed|"
    r"colleague|friend|brother|sister|son|daughter|wife|husband|mother|father|mom|dad|boss|neighbou?r|cousin|uncle|aunt|roommate|"
    r"love|regards|"
    r"sincerely|wishes|named|signed|met|saw|paid|hired|for me and|and i|me and|let|help|helped|gave|give|meet|call me|name'?s?|"
    r"name is|i'm|i’m),?\s{0,2}$",
    re.IGNORECASE,
)
_GREETED = re.compile(
    r"(?:^|[\n.!?\"“>(] ?)(?:hi|hello|hey|dear|good (?:morning|afternoon|evening)|thanks|cheers|welcome),? $", re.IGNORECASE
)
_GREETING_ENDS = re.compile(r" ?(?:[,!:\n]|- |$)")
_SAYS = re.compile(
    r"(?:['’]s (?:phone|mobile|email|e-mail|address|account|birthday|passport|wife|husband|son|daughter|mother|father|number|"
    r"salary|password|order|"
    r"case|house|car|desk|team|report|manager|boss|flight|appointment|school|surgery|contract|invoice|room|laptop|review|medical|"
    r"bank)(?![a-z])"
    r"| (?:said|says|told|asked|lives|called|phoned|texted|emailed|replied|wrote|mentioned|and I(?![A-Za-z])|is my|was my|"
    r"has been my)(?![a-z]))"
)
_INITIALS_AND_NAME = re.compile(rf"(?<![A-Za-z0-9.&'’\-])(?:[A-Z]\. ?){{1,3}}(?:{_BETWEEN} )?({_PART})(?![A-Za-z0-9_@])")
_INITIALS_ONLY = re.compile(r"(?<![A-Za-z0-9.&'’\-])[A-Z]\. ?[A-Z]\.(?: ?[A-Z]\.)?(?![A-Za-z0-9])")
_NO_INITIALS = frozenset(
    listed(
        "US UK UN EU DC LA AM PM PS BC AD ID NY NZ IT TV PO EG IE QA HR PE VP SA BA MA BS MS MD JD PHD USA CEO NB RSVP UAE USSR "
        "FAQ DIY AI "
        "AC DJ GP IQ IV IP CV CD DVD OK NJ NC SC ND SD WV RI NH NM PC PR UV XL"
    )
)
_WORD_CHARACTERS = 24
"""A longer word is looked at like a name."""
_LETTERED = re.compile(r"[A-Z][A-Z.]")
_INITIAL = re.compile(r"[A-Z]\.")
_INITIALED = re.compile(
    r"(?<![A-Za-z])(?:initials?|for|from|by|to|with|and|signed|mr|mrs|ms|dr|prof|patient|client|employee|customer|member|user|witness|"
    r"contact|approved|reviewed|author|tenant|student|applicant|claimant|driver|name|subject|regards|sincerely|yours|thanks|cheers|ask|"
    r"tell|call|colleague|friend|manager|partner|attn|cc|dear|hi|hello|that|saw|met)[.:,=]{0,2}\s{0,2}[\"“(\[]?$",
    re.IGNORECASE,
)
_ALONE = re.compile(r"(?:^|\n|[-–—] ?)$")
_TURNED = re.compile(rf", ({_PART})(?: [A-Z](?:\.|(?![A-Za-z])))?(?![A-Za-z0-9_@])(?! [A-Z][a-z])")
_ENTRY = re.compile(r"(?:^|[\n;:|\t(\"“>•*]|[0-9][.)]|- )\s{0,3}$")
_ENTRY_ENDS = re.compile(r"\s{0,2}(?:$|[\n;|\t)\"”<(]|- |– )")
_MIXED = re.compile(rf"(?<![A-Za-z0-9_'’\-])([A-Z]{{2,16}}(?:['’-][A-Z]{{2,12}})?),? ({_PART})(?: [A-Z]\.)?(?![A-Za-z0-9_@])")
_POSSESSIVE = re.compile(r"['’]s$")


def english_names(text: str, low: int = 0, high: int | None = None) -> list[Report]:
    """Reports of the names that begin in `low` to `high` of a text that is normalised."""
    last = len(text) if high is None else min(len(text), high + 1)
    starts: Iterable[int]
    if text.isascii():
        shape = capitals(text)
        starts = places_of("Aa", shape, low, last)
        lettered = "AA" in shape or "A." in shape
    else:
        starts = (capital.start() for capital in _HINT.finditer(text, low, last))
        lettered = _LETTERED.search(text) is not None
    out: list[Report] = []
    done = low
    for start in starts:
        before = text[start - 1 : start]
        if (before.isalnum() and before.isascii()) or before in _INSIDE:
            continue
        if start >= done and _is_plain_opener(text, start):
            continue
        romanised = _ROMANISED.match(text, start)
        if romanised is not None:
            out += _romanised(text, romanised)
        if start < done:
            continue
        match = _NAME.match(text, start)
        if match is not None:
            done = match.end()
            run = match.group()
            turned = _TURNED.match(text, done) if " " not in run and text.startswith(", ", done) else None
            if turned is not None and _surname_first(text, start, turned.end(), _plain(run), _plain(turned[1])):
                done = turned.end()
                out.append((start, done, "person", 0, GUESSED))
                continue
            out += _parts(text, start, run)
    return out + _lettered(text) if lettered else out


def _is_plain_opener(text: str, start: int) -> bool:
    """Whether the word is nobody's: it opens a sentence, a word in small letters follows, and no list knows it as a first name.

    Most capitals in ordinary text are of this kind, and no expression need be tried on them.
    """
    end = text.find(" ", start, start + _WORD_CHARACTERS)
    word = text[start:end]
    if end < 0 or not word.isalpha() or not text[end + 1 : end + 2].islower() or word in FIRST_NAMES:
        return False
    return text[end + 1 : end + 3] not in _PARTICLES and _opens_sentence(text, start)


def _opens_sentence(text: str, start: int) -> bool:
    """Whether a sentence has ended right before it, so that no cue can stand there; a title's full stop ends none."""
    if start == 0:
        return True
    if text[start - 1] != " ":
        return False
    mark = text[start - 2 : start - 1]
    return mark in ("!", "?") or (mark == "." and _TITLE.search(text[max(0, start - 24) : start]) is None)


def _lettered(text: str) -> list[Report]:
    """Names of initials and names in capitals, with the cheap signs of each before them."""
    out = _initials(text) if _INITIAL.search(text) is not None else []
    return out + _capitals(text) if _SHOUTED.search(text) is not None else out


def _announced(before: str) -> bool:
    """Whether a cue ends here; its last word, looked up first, spares most texts the long pattern."""
    if not before.isascii() and _HAN_CUE.search(before) is not None:
        return True
    last = _LAST_WORD.search(before)
    return last is not None and last[1].lower() in _LAST_WORDS and _CUE.search(before) is not None


def _plain(word: str) -> str:
    return word if word.isascii() else word.translate(_FOLD)


def _known_first(word: str) -> bool:
    return word in FIRST_NAMES or (("-" in word) and word.split("-")[0] in FIRST_NAMES)


def _known_last(word: str) -> bool:
    if word in SURNAMES or (word.startswith(("O'", "O’", "Mc", "Mac", "Fitz")) and len(word) > 5):
        return True
    if "-" in word and word.split("-")[-1] in SURNAMES:
        return True
    return len(word) >= 6 and _SURNAME_ENDS.search(word) is not None and word not in NO_NAMES


def _surname_first(text: str, start: int, end: int, last: str, first: str) -> bool:
    """Whether "Smith, John" is one person and no list of places or of persons."""
    if last in NO_NAMES or first in NO_NAMES or (last in AMBIGUOUS and first in AMBIGUOUS):
        return False
    before = text[max(0, start - 24) : start]
    if before[-2:-1].isalpha() and _LAST_CAPITALISED.search(before) is not None:
        return False
    firsts, lasts = _known_first(first), _known_last(last)
    if firsts and lasts and not (_known_first(last) and _known_last(first)):
        return True
    entry = _ENTRY.search(before) is not None and _ENTRY_ENDS.match(text, end) is not None
    if entry and (firsts or lasts):
        return True
    return (firsts or lasts or entry) and _SURE.search(before) is not None


def _initials(text: str) -> list[Report]:
    out: list[Report] = []
    for match in _INITIALS_AND_NAME.finditer(text):
        letters = re.sub("[^A-Z]", "", text[match.start() : match.start(1)])
        name = _plain(match[1])
        before = text[max(0, match.start() - 24) : match.start()]
        if letters in _NO_INITIALS or name in NO_NAMES or (len(letters) == 1 and _LAST_CAPITALISED.search(before) is not None):
            continue
        if len(letters) >= 2 or (_known_last(name) and name not in AMBIGUOUS) or _announced(before):
            out.append((*match.span(), "person", 0, GUESSED))
    for match in _INITIALS_ONLY.finditer(text):
        if re.sub("[^A-Z]", "", match.group()) in _NO_INITIALS:
            continue
        before = text[max(0, match.start() - 24) : match.start()]
        if _INITIALED.search(before) is not None or _SAYS.match(text, match.end()) is not None or _ALONE.search(before) is not None:
            out.append((*match.span(), "person", 0, GUESSED))
    return out


def _parts(text: str, start: int, run: str) -> list[Report]:
    """The name within a run of capitalised words: the run may begin with a word of the sentence or end with a company's."""
    words = list(_WORD.finditer(run))
    place = 0
    while place < len(words) and _heads(_plain(words[place].group().rstrip(".,")), more=place + 1 < len(words)):
        place += 1
    if place == 1 and len(words) >= 2 and words[0].group() in FIRST_NAMES and words[1].group() in SURNAMES:
        place = 0
    if place == len(words):
        return []
    begin = start + words[place].start()
    rest = words[place:]
    bare = [_plain(_POSSESSIVE.sub("", word.group().rstrip(".,"))) for word in rest]
    count = len(rest)
    for index in range(1, len(rest)):
        if len(bare[index]) > 1 and bare[index] in NO_NAMES and not (index == 1 and bare[0] in FIRST_NAMES and bare[1] in SURNAMES):
            count = index
            break
    rest, bare = rest[:count], bare[:count]
    before = text[max(0, begin - 24) : begin]
    titled = _TITLE.search(before) is not None
    cued = _announced(before)
    end = start + rest[-1].start() + len(_POSSESSIVE.sub("", rest[-1].group()).rstrip(","))
    if _COMPANY.match(text, end) is not None and not titled and not (cued and _SURE.search(before)):
        return []
    if len(bare) == 1 and _known_first(bare[0]) and text[end : end + 1] == " " and _MIDDLE.match(text, end) is not None:
        end += 3  # Mary K.
    capital = [word for word in bare if word[:1].isupper() and len(word) > 1]
    first, last = bare[0], bare[-1]
    if (not titled or first in ("Pepper", "Ben")) and _is_no_person(text, begin, start + rest[0].end(), first):
        return []
    if titled:
        return [(begin, end, "person", 0, CUED)]
    if len(capital) >= 2:
        firsts, lasts = _known_first(first), _known_last(last)
        opens = _SENTENCE.search(before) is not None
        if firsts and lasts:
            if first in AMBIGUOUS and last in AMBIGUOUS and not cued and _DOES.match(text, end) is None:
                return []
            plainly = first not in AMBIGUOUS and last not in AMBIGUOUS
            return [(begin, end, "person", 0, CUED if cued or plainly else GUESSED)]
        does = _DOES.match(text, end) is not None
        told = cued or does
        rank = CUED if does or (cued and _SURE.search(before) is not None) else GUESSED
        if (firsts and (first not in AMBIGUOUS or told)) or (lasts and (told or not (last in AMBIGUOUS or (opens and len(first) < 3)))):
            return [(begin, end, "person", 0, rank)]
        announced = cued and (_TOPIC.search(before) is None or _SPOKE.search(before) is not None)
        if len(capital) <= 3 and (does or announced) and not any(word.isupper() for word in capital):
            return [(begin, end, "person", 0, rank)]
        if cued and _SURE.search(before):
            return [(begin, end, "person", 0, CUED)]
        return []
    told = first in AMBIGUOUS and _known_first(first) and (_SAYS.match(text, end) is not None or _TO_PERSON.search(before) is not None)
    if told and not (_SENTENCE.search(before) is not None and text[end : end + 1] == " "):
        return [(begin, end, "person", 0, CUED)]
    if _GREETED.search(before) is not None and _GREETING_ENDS.match(text, end) is not None and len(first) >= 2:
        return [(begin, end, "person", 0, CUED)]
    if (
        cued
        and (_SURE.search(before) or not before[-2:].isascii())
        and first not in NO_NAMES
        and (first not in AMBIGUOUS or _known_first(first))
    ):
        return [(begin, end, "person", 0, CUED)]
    if cued and (_known_first(first) and first not in AMBIGUOUS):
        return [(begin, end, "person", 0, CUED)]
    if _known_first(first) and first not in AMBIGUOUS and len(first) >= 3:
        return [(begin, end, "person", 0, GUESSED)]
    return []


def _heads(word: str, *, more: bool) -> bool:
    """Whether a run of capitalised words begins with this one and the name behind it: a word of the sentence, or a title."""
    return word in NO_NAMES or (more and word in _TITLE_WORDS)


def _is_no_person(text: str, start: int, end: int, first: str) -> bool:
    """Whether a first name here is a brand's (Jack Daniel's), a place's (San Jose) or an ordinary word (Nick the surface, Don't)."""
    if first in _BRAND_BEGINS and _BRANDS.match(text, start) is not None:
        return True
    if first == "Pepper" or (first == "Ben" and text.endswith("Uncle ", 0, start)):
        return True
    if text[end : end + 2] in ("'t", "’t") or _PLACED.search(text, max(0, start - 8), start) is not None:
        return True
    if first in _COMMON and text[end : end + 1] == " " and text[end + 1 : end + 2].islower():
        return _SENTENCE.search(text, max(0, start - 4), start) is not None and _HUMAN.match(text, end) is None
    return False


_BRANDS = re.compile(
    "(?:Morgan Stanley|Charles Schwab|Jack Daniel|Calvin Klein|Tommy Hilfiger|John Lewis|Ralph Lauren|Louis Vuitton|Philip Morris|Papa "
    "John|"
    "Trader Joe|Johnnie Walker|Jim Beam|Hugo Boss|Ted Baker|Michael Kors|Kate Spade|Marc Jacobs|Tom Ford|Elizabeth Arden|Mary Kay|"
    "Helena Rubinstein|Bobbi Brown|Charlotte Tilbury|Max Mara|Max Factor|Karen Millen|Laura Ashley|Rolls Royce|Aston Martin|Alfa Romeo|"
    "Harley Davidson|Oscar Mayer|Sara Lee|Betty Crocker|Duncan Hines|Jimmy Choo|Jimmy Dean|Captain Morgan|Jack Wolfskin|Russell Hobbs|"
    "Fisher Price|Thomas Cook|Raymond James|Edward Jones|Charles Tyrwhitt|Tim Hortons|Barnes Noble|Johns Hopkins|Ben & Jerry|"
    "Monte Carlo|Victoria Station|Victoria Line|Victoria Secret|Victoria's Secret|Lake Victoria|James Bond|Harry Potter|Sherlock Holmes|"
    "Santa Claus|Mickey Mouse|Donald Duck|Murphy's Law|Moore's Law|Ada Lovelace Day|Martin Luther King Day)(?![A-Za-z])"
)
_BRAND_BEGINS = frozenset(
    listed(
        "Morgan Charles Jack Calvin Tommy John Ralph Louis Philip Papa Trader Johnnie Jim Hugo Ted Michael Kate Marc Tom Elizabeth Mary "
        "Helena Bobbi Charlotte Max Karen Laura Rolls Aston Alfa Harley Oscar Sara Betty Duncan Jimmy Captain Russell Fisher Thomas "
        "Raymond Edward Tim Barnes Johns Ben Monte Victoria Lake James Harry Sherlock Santa Mickey Donald Martin"
    )
)
_PLACED = re.compile("(?:San|Santa|Mount|Mt|St|Lake|Fort|Port|Cape|Marks &|Jerry's|& )[.]? ?$")
_COMMON = frozenset(
    listed("Nick Wade Harry Rob Bob Jack Pat Sue Peg Carol Victor Jasmine Heather Basil Ginger Don Bill Mark Drew Grant Lance")
)
_HUMAN = re.compile(
    " (?:is|was|has|had|will|would|can|could|did|does|said|says|told|asked|and "
    "(?:I|me|her|his|my)|who|never|still|also|just|called|came|went|"
    "left|wants|wanted|needs|sent|lives|works|worked|got|took|gave|made|thinks|knows|called|met|paid|won|lost|joined|moved|bought|brought|"
    "forgot|signed|wrote|from)(?![A-Za-z])"
)


def _romanised(text: str, match: re.Match[str]) -> list[Report]:
    family = match[1] or match[4]
    given = match[2] or match[3]
    if family not in SURNAMES or given in NO_NAMES or family in NO_NAMES or _BRANDS.match(text, match.start()) is not None:
        return []
    if "," in match.group() and _SYLLABLE.match(family) is None:
        return []  # Austin, Texas
    compound = "-" in given or " " in given
    whole = family not in AMBIGUOUS and given not in AMBIGUOUS and len(given) > 3 and _SYLLABLE.match(family) is not None
    if compound or whole or _announced(text[max(0, match.start() - 24) : match.start()]):
        return [(*match.span(), "person", 0, GUESSED)]
    return []


_SYLLABLE = re.compile(SYLLABLES + "$")
_MIDDLE = re.compile(r" [A-Z]\.(?! ?[A-Z])")
_LAST_CAPITALISED = re.compile(r"(?:^|[^A-Za-z])[A-Z][a-z]{1,19},? $")
# Endings that hardly any other word with a capital has.
_SURNAME_ENDS = re.compile(
    "(?:sson|dsen|nsen|rsen|tsen|ssen|wski|cki|nski|owicz|iewicz|enko|chuk|shvili|adze|yan|opoulos|akis|idis|escu|vić|vic|ovich|evi"
    "ch|quist|qvist|"
    "strom|ström|nen|zadeh|oğlu|oglu|elli|etti|ucci|acci|eira|ova|eva|skaya|sky|skiy|bauer|mann|stein|berg|baum|meyer|maier|swamy|murthy|"
    "gupta|wardena|singhe|nathan|moorthy|appa|jee|wala|dottir|dóttir|sdottir|arján|fsson)$"
)


def _capitals(text: str) -> list[Report]:
    out: list[Report] = []
    for match in _CAPITALS.finditer(text):
        words = [word for word in re.split("[ ,/]+", match.group()) if len(word.rstrip(".")) > 1]
        while len(words) > 2 and words[-1] in ("MR", "MRS", "MS", "MISS", "DR", "MSTR"):
            words.pop()  # as airlines write it: SMITH/JOHN MR
        before = text[max(0, match.start() - 24) : match.start()]
        cued = _SURE.search(before) is not None or (_LABELLED.search(before) is not None and len(words) == 2)
        cued = cued or (not before.isascii() and _HAN_CUE.search(before) is not None)
        known = words[0] in _FIRST_CAPITAL and words[-1] in _LAST_CAPITAL
        given = words[-1] in _FIRST_CAPITAL or words[min(1, len(words) - 1)] in _FIRST_CAPITAL or "-" in words[-1]
        known = known or (words[0] in _LAST_CAPITAL and given)
        if any(word.title() in NO_NAMES for word in words):
            continue
        known = known or (words[0] in _LAST_CAPITAL and _pinyin(words, sure=cued or "/" in match.group()))
        if len(words) <= 3 and (known or cued) and not all(word.title() in AMBIGUOUS for word in words):
            out.append((*match.span(), "person", 0, CUED if cued else GUESSED))
    for match in _MIXED.finditer(text):
        last, first = match[1].replace("’", "'"), _plain(match[2])
        known = (last in _LAST_CAPITAL or last.startswith("O'")) and (_known_first(first) or _SPELT.match(first) is not None)
        more = _MORE_GIVEN.match(text, match.end(2)) if known else None
        if more is not None and first not in NO_NAMES and last.title() not in NO_NAMES:
            out.append((match.start(), more.end(), "person", 0, GUESSED))
            continue
        if known and first not in NO_NAMES and last.title() not in NO_NAMES:
            out.append((*match.span(), "person", 0, GUESSED))
    return out


def _pinyin(words: list[str], *, sure: bool) -> bool:
    """Whether a Chinese surname and given name are written in capitals: WANG XIAOMING, LIU/YIFEI."""
    given = [word.title() for word in words[1:]]
    if any(_SPELT.match(word) is None for word in given):
        return False
    return sure or (len(words) == 2 and len(given[0]) >= 6 and words[0].title() not in AMBIGUOUS)


_SPELT = re.compile(f"(?i:{SYLLABLES}{{1,2}})$|{SYLLABLES}-[a-z]{{2,6}}$")
_MORE_GIVEN = re.compile(f"(?: (?:{SYLLABLES}|Peter|Raymond|Ivy|Kelvin|Winnie|Kitty)(?![a-z])){{1,3}}")
_LABELLED = re.compile(
    r"(?:passengers?|guest|traveller|traveler|holder|student|patient|name|insured|buyer|seller|employee|member|borrower|applicant|"
    r"owner|tenant|"
    r"defendant|plaintiff|claimant|consignee|signatory)(?: name)?\s?[:：=|]\s{0,2}$",
    re.IGNORECASE,
)
