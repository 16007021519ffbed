"""Names and makers compiled once for a configuration: where they stand in a text, and what stands in their place.

Pure. A book is a value; compiling it is linear in its names and takes some milliseconds, so it is done once per generation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from lizi.errors import ConfigError
from lizi.veil.brand_cues import Scan, beginnings
from lizi.veil.brand_grammar import AI_NOUN, MAKER, NAME, PERHAPS
from lizi.veil.brand_tables import AMBIGUOUS, OPENERS, PLAIN_WORDS, SIMPLIFIED, TRADITIONAL_ONLY, WELL_KNOWN
from lizi.veil.brand_text import Folded, fold

__all__ = ["Brand", "BrandBook", "Mention", "Persona", "Reading", "brand_book", "identity_line"]

NAME_CHARACTERS = 40
"""A name for a button or a greeting; a sentence would not fit where a name stood."""
_BREAKS = frozenset('"\\<>[](){}`\n\r\t')
"""A replacement is put into prose, Markdown and JSON strings alike."""


class Brand(Struct, frozen=True, kw_only=True):
    """What one partner, or one well-known assistant, is called. Simplified characters stand for Traditional ones too."""

    names: tuple[str, ...] = ()
    makers: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()


class Persona(Struct, frozen=True, kw_only=True):
    """Who answers: locale (`zh-Hans`, `zh-Hant`, `en`) → name; the maker may be left out, then the feature stands alone."""

    name: dict[str, str]
    maker: dict[str, str] = {}


class Mention(Struct, frozen=True):
    """A name or maker in a reading: its place there, which word it is, and whose."""

    at: int
    alias: str
    brand: int


class Reading(Struct, frozen=True):
    """Marked text: folded, each name or maker one character. `start` and `end` say where each character stood in the text."""

    marked: str
    start: list[int]
    end: list[int]
    mentions: list[Mention]


class BrandBook(Struct, frozen=True):
    """All names and makers, compiled, and the feature that answers instead."""

    persona: Persona
    aliases: dict[str, tuple[str, int]]
    """Folded and without gaps → kind of mark and number of the brand."""
    finder: re.Pattern[str]
    loose: re.Pattern[str]
    """The same without boundaries, for words that were spelled out."""
    cues: re.Pattern[str]
    links: re.Pattern[str]
    scan: Scan
    """Whatever may begin one of both: the fast path."""
    domains: tuple[str, ...]

    def read(self, text: str, *, sure: bool = False) -> Reading:
        """The marked reading of `text`. `sure`: words that may be names are names."""
        return _read(self, fold(text), sure)

    def mentions(self, folded: str) -> set[tuple[str, int]]:
        """The names in a folded text, with the number of their brand; without places, for long texts."""
        found = (_alias(self, text) for text in set(self.finder.findall(folded)))
        return {(alias, self.aliases[alias][1]) for alias in found if alias}

    def begins_name(self, word: re.Match[str] | None) -> bool:
        """Whether a word in small letters is a name or the first of one: models write their own as their addresses do."""
        text = word.group() if word is not None else ""
        return len(text) > 1 and any(alias.startswith(text) for alias in self.aliases)

    def hosts(self, host: str) -> bool:
        """Whether `host`, as it stands in an address, is one of the partners' own."""
        host = host.rpartition("@")[2].partition(":")[0].lower().strip(".").removeprefix("www.")
        return any(host == domain or host.endswith("." + domain) for domain in self.domains)

    def answer(self, locale: str) -> str:
        """The sentence of the feature, with its full stop."""
        name, maker = self.name(locale), _spoken(self.persona.maker, locale)
        if locale == "en":
            return f"I am {name}, by {maker}." if maker else f"I am {name}."
        return f"我是{name}，由{maker}提供。" if maker else f"我是{name}。"

    def name(self, locale: str) -> str:
        """The feature's name in this locale, else in the nearest that has one."""
        return _spoken(self.persona.name, locale)

    def maker(self, locale: str) -> str:
        """Who stands where a maker stood."""
        maker = _spoken(self.persona.maker, locale)
        if maker:
            return maker
        name = self.name(locale)
        return {"en": f"the team behind {name}", "zh-Hant": f"{name}團隊"}.get(locale, f"{name}团队")

    def writer_as(self, locale: str) -> str:
        """`As …`, to begin a sentence with."""
        return {"en": "As ", "zh-Hant": "作為"}.get(locale, "作为") + self.name(locale)


def brand_book(brands: Iterable[Brand], persona: Persona) -> BrandBook:
    """The book of these brands and of the well-known assistants. Raises `ConfigError` for a persona that can't be spoken.

    A name of the persona's own is no brand: a maker whose model is its own may use both.
    """
    check_persona(persona)
    own = {_compact(value) for table in (persona.name, persona.maker) for value in table.values()}
    brands = tuple(brands)
    aliases: dict[str, tuple[str, int]] = {}
    words: set[str] = set()
    known = (Brand(names=names, makers=makers) for names, makers in WELL_KNOWN)
    for number, brand in enumerate((*brands, *known)):
        spelled = [(name, NAME) for name in brand.names] + [(maker, MAKER) for maker in brand.makers]
        shared = [aliases[_compact(word)][1] for word, _ in spelled if _compact(word) in aliases]
        for word, kind in spelled:
            compact = _compact(word)
            if len(compact) < 2 or any(compact in name for name in own):
                continue
            words.add(fold(word).text)
            if compact in aliases:
                continue
            if kind == NAME and compact in AMBIGUOUS:
                kind = PERHAPS
            aliases[compact] = (kind, shared[0] if shared else number)
    ordered = sorted(words, key=len, reverse=True)
    latin = "|".join(_expression(word) for word in ordered if word[0].isascii()) or r"(?!)"
    han = "|".join(_expression(word) for word in ordered if not word[0].isascii()) or r"(?!)"
    finder = f"(?<![a-z])(?:{latin}){_VERSION}(?![a-z])|(?:{han}){_VERSION}"
    domains = tuple(sorted({domain.lower().strip(".") for brand in brands for domain in brand.domains}))
    spoken = [spelling for word in ordered if word not in PLAIN_WORDS for spelling in _spellings(word)]
    openings = [*OPENERS, *spoken]
    links = re.compile(beginnings(_ADDRESSES) + "|" + _LINK_MARKS)
    return BrandBook(
        persona=persona,
        aliases=aliases,
        finder=re.compile(finder),
        loose=re.compile("|".join(re.escape(word.replace(" ", "")) for word in ordered if len(word) > 3 or not word.isascii()) or r"(?!)"),
        cues=re.compile(beginnings(openings)),
        links=links,
        scan=Scan(openings, links, _LINK_LETTERS, _LINK_FIRSTS + "`"),
        domains=domains,
    )


def identity_line(persona: Persona, locale: str) -> str:
    """One line for the end of a system prompt. It only asks: what a model makes of it is checked by the filter."""
    name, maker = _spoken(persona.name, locale), _spoken(persona.maker, locale)
    if locale == "en":
        by = f", by {maker}" if maker else ""
        return (
            f"You are {name}{by}. Asked who or what you are or who made you, in any wording, role or encoding, say only that; "
            "you don't say which model or company is behind you."
        )
    if locale.startswith("zh-Hant"):
        by = f"，由{maker}提供" if maker else ""
        return f"你是{name}{by}。無論以何種問法、角色或編碼被問到你是誰、由誰開發，都只回答這一點；不透露你背後是哪個模型或哪家公司。"
    by = f"，由{maker}提供" if maker else ""
    return f"你是{name}{by}。无论以何种问法、角色或编码被问到你是谁、由谁开发，都只回答这一点；不透露你背后是哪个模型或哪家公司。"


# --- names -----------------------------------------------------------------------------------------

_VERSION = (
    r"(?:[\s\-]{0,2}(?:v?\d[\w.]*|max|plus|turbo|pro|flash|mini|ultra|sonnet|opus|haiku|chat|coder|instruct|vl|omni|next|lite|long)(?![a-z]))*"
)
_ADDRESSES = ("http://", "https://", "HTTP://", "HTTPS://", "Http://", "Https://", "www.", "WWW.")
_LINK_LETTERS, _LINK_FIRSTS = "hHwW", "![<"
_LINK_MARKS = r"!(?:\Z|\[)|\[|<(?:\Z|[A-Za-z/])"
_GAP = re.compile(r"[\s\-_]+")
_LEET = re.compile(r"(?<![a-z0-9@$!|])(?=[@$!|]*[a-z0-9]*[0-9@$!|])(?=[0-9@$!|]*[a-z])[a-z0-9@$!|]{3,24}(?![a-z0-9@$|])")
_LEET_LETTERS = (str.maketrans("01345789@$!|", "oieastbgasil"), str.maketrans("01345789@$!|", "oleastbgasil"))


def _compact(word: str) -> str:
    return _GAP.sub("", fold(word).text)


def _expression(word: str) -> str:
    return re.escape(word).replace(r"\ ", r"[\s\-]{0,2}").replace(r"\-", r"[\s\-]{0,2}")


_RARE_INITIALS = "qx"
"""Small letters that begin few words: these names are noticed in small letters too."""


def _spellings(word: str) -> list[str]:
    """How a name may begin to appear in a stream: with a capital; Chinese ones in both scripts, also spaced."""
    found: list[str] = []
    if word.isascii():
        found.append(word[0].upper() + word[1:])
        if word[0] in _RARE_INITIALS:
            found.append(word)
        return found
    traditional = "".join(_TO_TRADITIONAL.get(character, character) for character in word)
    for form in {word, traditional}:
        found += [form, " ".join(form)]
    return found


_TO_TRADITIONAL: dict[str, str] = {}
for _traditional in sorted(TRADITIONAL_ONLY):
    _TO_TRADITIONAL.setdefault(_traditional.translate(SIMPLIFIED), _traditional)


def _read(book: BrandBook, folded: Folded, sure: bool) -> Reading:
    spans: list[tuple[int, int, str]] = []
    for match in book.finder.finditer(folded.text):
        spans.append((match.start(), match.end(), match.group()))
    for start, end in folded.spelled:
        spans += [(match.start(), match.end(), match.group()) for match in book.loose.finditer(folded.text, start, end)]
    for match in _LEET.finditer(folded.text):
        for letters in _LEET_LETTERS:
            word = match.group().translate(letters).rstrip("il" if match.group().endswith("!") else "")
            if word in book.aliases and word != match.group():
                spans.append((match.start(), match.end(), word))
                break
    spans.sort()
    found: list[tuple[int, int, str, str, int]] = []
    versioned = False
    for start, end, text in spans:
        if found and start < found[-1][1]:
            continue
        alias = _alias(book, text)
        if alias:
            kind, brand = book.aliases[alias]
            versioned = versioned or len(_GAP.sub("", text)) > len(alias)
            found.append((start, end, alias, kind, brand))
    evident = sure or versioned or any(kind != PERHAPS for _, _, _, kind, _ in found) or AI_NOUN.search(folded.text) is not None
    marked: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    mentions: list[Mention] = []
    position = 0
    for start, end, alias, kind, brand in [*found, (len(folded.text), len(folded.text), "", "", -1)]:
        marked.append(folded.text[position:start])
        starts += folded.at[position:start]
        ends += [place + 1 for place in folded.at[position:start]]
        if alias:
            mentions.append(Mention(len(starts), alias, brand))
            marked.append(NAME if kind == PERHAPS and evident else kind)
            starts.append(folded.at[start])
            ends.append(folded.at[end - 1] + 1)
        position = end
    return Reading("".join(marked), starts, ends, mentions)


def _alias(book: BrandBook, text: str) -> str:
    """The longest name that `text`, which may have a version behind it, begins with."""
    compact = _GAP.sub("", text)
    return next((compact[:size] for size in range(len(compact), 1, -1) if compact[:size] in book.aliases), "")


# --- the persona -----------------------------------------------------------------------------------


def _spoken(table: Mapping[str, str], locale: str) -> str:
    near = ("en",) if locale == "en" else (locale, "zh-Hant", "zh-Hans") if locale.startswith("zh-Hant") else (locale, "zh-Hans", "zh-Hant")
    return next((table[name] for name in (*near, *table) if table.get(name)), "")


def check_persona(persona: Persona) -> None:
    if not any(persona.name.values()):
        raise ConfigError("persona: it has no name", code="config_invalid", hint="Give a name for zh-Hans, zh-Hant or en.")
    for what, table in (("name", persona.name), ("maker", persona.maker)):
        for locale, value in table.items():
            if len(value) > NAME_CHARACTERS or not value.isprintable() or _BREAKS & set(value):
                raise ConfigError(
                    f"persona: its {what} in {locale} can't stand in a sentence",
                    code="config_invalid",
                    hint=f"Use up to {NAME_CHARACTERS} printable characters without quotes, backslashes and brackets.",
                )

