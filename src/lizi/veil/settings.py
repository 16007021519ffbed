"""How the veil is configured, and which profile covers an exchange: values only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from lizi.text import KINDS, PHRASE, Matcher, Phrases
from lizi.veil import brand_book, marks
from lizi.veil.brand_book import Brand, BrandBook, Persona, identity_line
from lizi.veil.lexicon import Lexicon
from lizi.veil.masking import WORDS, Findings, Profile

__all__ = ["STANDARD", "VeilBook", "VeilSettings", "book", "profiles"]

Locale = Literal["zh-Hans", "zh-Hant", "en"]
Kind = Literal[
    "resident_id", "phone", "bank_card", "plate", "passport", "permit", "uscc", "address", "person", "email", "ip_address", "imei",
    "mac_address", "coordinates", "iban", "ssn", "secret", "account", "order",
]  # fmt: skip
_Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="lower-case letters, digits, `.`, `_`, `-`")]
STANDARD = "standard"
"""The profile that is always there: it masks every kind."""


class ProfileSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a partner may read of personal data. Every kind that is not named is masked, so that a new kind is, too."""

    keep: Annotated[tuple[Kind, ...], Meta(description="kinds that leave as they are")] = ()
    coarsen: Annotated[
        tuple[Literal["address", "coordinates"], ...],
        Meta(description="kinds that leave roughly: an address as province and city, coordinates to a tenth of a degree"),
    ] = ()


class PersonaSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who answers, where a model would name itself or its maker."""

    name: Annotated[dict[Locale, str], Meta(min_length=1, description="language → the feature's name")]
    maker: Annotated[dict[Locale, str], Meta(description="language → who makes it; left out: the feature stands alone")] = {}
    instruct: Annotated[
        Locale | None,
        Meta(description="tell partners' models who they are, in this language, behind the system prompt; left out: they are not told"),
    ] = None


class VeilRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which profile covers what. The first rule that fits stands; without one, `standard`."""

    features: Annotated[tuple[str, ...], Meta(description="`chat`, `writing.proofread` …; empty: every feature")] = ()
    markets: Annotated[tuple[str, ...], Meta(description="markets of the keys' plans; empty: every market")] = ()
    profile: Annotated[str, Meta(description="`standard` or one of [veil.profiles]")]


class VeilSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What partners don't get to know, and what users don't get to know of partners.

    Its switch over terms has no default: where one is needed, the file must say it.
    """

    profiles: Annotated[dict[_Name, ProfileSettings], Meta(description="name → what it keeps; `standard` masks every kind")] = {}
    rules: Annotated[tuple[VeilRule, ...], Meta(description="which profile covers which features and markets; the first that fits")] = ()
    on_fault: Annotated[
        Literal["refuse", "pass"],
        Meta(
            description="a text could not be searched for personal data. refuse: the exchange fails; pass: it leaves as it is, and its "
            "record says so"
        ),
    ] = "refuse"
    hidden_phrases: Annotated[
        tuple[Annotated[str, Meta(min_length=2)], ...],
        Meta(max_length=1_000, description="words that no partner may read, such as the maker's own names; they come back in answers"),
    ] = ()
    remote_images: Annotated[
        Literal["refuse", "allow"],
        Meta(
            description="links to pictures. refuse: 400, only data: URLs are taken, and cleaned; allow: the partner gets the link as it is"
            " and fetches what is there, metadata included; Lizi itself never fetches"
        ),
    ] = "refuse"
    terms: Annotated[
        Literal["required", "optional"] | None,
        Meta(
            description="required: only a partner whose signed terms forbid training gets users' requests; optional: so does one "
            "without terms; must be said as soon as a partner that is not the maker's own has none; terms that are there bind either way"
        ),
    ] = None
    terms_keys: Annotated[
        dict[_Name, Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/]{43}=$")]],
        Meta(description="who may sign terms: a name for people → Ed25519 public key, base64"),
    ] = {}
    brand: Annotated[
        Literal["hide", "show"],
        Meta(description="text in which a model names itself or its maker. hide: it answers as the feature; show: it is left as it is"),
    ] = "hide"
    persona: Annotated[PersonaSettings, Meta(description="who answers then")] = PersonaSettings(
        name={"en": "your assistant", "zh-Hans": "智能助手", "zh-Hant": "智慧助理"}
    )
    outbound_tools: Annotated[
        tuple[str, ...],
        Meta(description="tools that carry their arguments out of the device, such as a web search: nothing is restored in them"),
    ] = ()


class VeilBook(Struct, frozen=True, kw_only=True):
    """One generation of it, as the corridor asks for it."""

    profiles: Mapping[str, Profile]
    rules: tuple[VeilRule, ...] = ()
    passes_faults: bool = False
    outbound_tools: frozenset[str] = frozenset()
    brand: BrandBook | None = None
    """Whom an answer must not name as its writer; `None`: it may."""
    identity: str = ""
    """What a partner's model is told of who answers; empty: nothing."""
    words: str = WORDS
    """The most that the veil says in front of a request that leaves the house."""
    findings: Findings | None = None
    """What is known of texts that requests share."""
    key: bytes = b""
    """Makes salts, and the numbers of a conversation's placeholders."""

    def profile(self, feature: str, market: str) -> Profile:
        """What covers an exchange of this feature for this market."""
        for rule in self.rules:
            if (not rule.features or feature in rule.features) and (not rule.markets or market in rule.markets):
                return self.profiles[rule.profile]
        return self.profiles[STANDARD]

    def lexicon(self, app: str, conversation: str) -> Lexicon:
        """An empty one; for a conversation that has a name, with numbers that no other conversation shares."""
        if not conversation:
            return Lexicon()
        return Lexicon(blake2b(f"{app}\0{conversation}".encode(), key=self.key, digest_size=32, person=b"lizi.numbers").digest())

    def salt(self, exchange_id: str, attempt: int) -> str:
        """32 hex digits for one attempt; without the key nobody can tell whose."""
        return marks.salt(self.key, exchange_id, attempt)


def book(settings: VeilSettings, brands: Iterable[Brand], key: bytes) -> VeilBook:
    """The generation's book. `brands`: those of every partner that is known; `key`: 32 secret bytes.

    Raises `ConfigError` for a persona that can't be spoken.
    """
    persona = _persona(settings)
    told = settings.persona.instruct
    identity = identity_line(persona, told) if told is not None else ""
    made = VeilBook(
        profiles=profiles(settings),
        rules=settings.rules,
        passes_faults=settings.on_fault == "pass",
        outbound_tools=frozenset(settings.outbound_tools),
        brand=_compiled(msgspec.json.encode((list(brands), persona))) if settings.brand == "hide" else None,
        identity=identity,
        words=f"{WORDS}\n\n{identity}" if identity else WORDS,
        findings=Findings(blake2b(key, person=b"lizi.shared").digest()),
        key=key,
    )
    Matcher.prepare_all()
    return made


def check_persona(settings: VeilSettings) -> None:
    """Raise `ConfigError` for a persona that can't be spoken."""
    brand_book.check_persona(_persona(settings))


def _persona(settings: VeilSettings) -> Persona:
    return Persona(
        name={str(where): name for where, name in settings.persona.name.items()},
        maker={str(where): name for where, name in settings.persona.maker.items()},
    )


@lru_cache(maxsize=4)
def _compiled(encoded: bytes) -> BrandBook:
    """Brands and persona → their book. It takes a tenth of a second, and most reloads change neither."""
    brands, persona = msgspec.json.decode(encoded, type=tuple[list[Brand], Persona])
    return brand_book.brand_book(brands, persona)


def profiles(settings: VeilSettings) -> dict[str, Profile]:
    """Every profile of the settings, by name, `standard` among them."""
    phrases = Phrases(dict.fromkeys(settings.hidden_phrases, PHRASE)) if settings.hidden_phrases else None
    made = {STANDARD: Profile(name=STANDARD, phrases=phrases)}
    for name, profile in settings.profiles.items():
        left = frozenset(KINDS) - frozenset(profile.keep)
        coarse = frozenset(profile.coarsen) & left
        made[name] = Profile(name=name, mask=left - coarse, coarsen=coarse, phrases=phrases)
    return made
