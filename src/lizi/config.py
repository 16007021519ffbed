"""`lizi.toml` → one frozen `Config`: strict, hashed, secrets only by reference.

Unknown keys are refused with their path. `[server]` needs a restart; everything else swaps
atomically on reload, and a bad file leaves the old one serving. Never reads a secret: those
stay references (`env:NAME`, `file:PATH`) that the wall resolves.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from lizi.callers import CallerBook, KeyRecord
from lizi.carry import Carrier
from lizi.dialects.records import Record, known, on_day, unknown_words
from lizi.dialects.records import parse as parse_record
from lizi.errors import ConfigError
from lizi.house import Deadlines, House
from lizi.metering import MeteringSettings, PriceBook
from lizi.notices import Notice
from lizi.routing import Route, RoutingSettings, Traffic
from lizi.settings import (
    AdmissionSettings,
    CarrySettings,
    DeadlineSettings,
    Name,
    Reference,
    ServerSettings,
    StoreSettings,
    Strict,
    TelemetrySettings,
)
from lizi.standing import serves
from lizi.terms import LIMIT_BYTES, accept, suffices
from lizi.types import BASE, Capability, LaneLimits, PartnerState, Target, Terms
from lizi.veil import VeilBook, VeilSettings
from lizi.veil.brand import Brand
from lizi.veil.marks import veil_key
from lizi.veil.settings import STANDARD, book, check_persona


class PartnerSettings(Strict, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One partner: where it is and how it speaks."""

    dialect: Annotated[Name, Meta(description="record of how it speaks: one that comes with Lizi, or of [records]")] = "openai_chat"
    base_url: Annotated[str, Meta(description="up to and including the version segment, without a trailing slash")] = ""
    credential: Annotated[Reference, Meta(description="sent as a bearer token; never printed")] = ""
    region: Annotated[str, Meta(description="where the partner computes")] = "local"
    state: Annotated[
        PartnerState, Meta(description="where it stands when it is first seen; later only `lizi partner move` changes that")
    ] = "active"
    private_network: Annotated[bool, Meta(description="its name may lead into a private network; never to metadata")] = False
    connections: Annotated[int, Meta(ge=1, le=65_535, description="connections to it per worker")] = 1_000
    embedded: Annotated[str, Meta(description="name of a local model that Lizi serves itself as this partner")] = ""
    own: Annotated[
        bool,
        Meta(
            description="the maker's own machines, no partner: they need no terms, and nothing is masked or salted for them; an embedded "
            "model always is"
        ),
    ] = False
    terms: Annotated[str, Meta(description="file with its signed terms, beside which FILE.sig lies; relative to this file")] = ""
    lane: Annotated[LaneLimits, Meta(description="what each of its models may be sent, by the whole service")] = LaneLimits()
    lanes: Annotated[dict[str, LaneLimits], Meta(description="the same for one of its models, by the partner's name of it")] = {}


class TargetSettings(Strict, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to answer a logical model."""

    partner: Name
    model: Annotated[str, Meta(min_length=1, description="the partner's own name of the model")]
    weight: Annotated[int, Meta(ge=1, le=1_000, description='share under `strategy = "weighted"`; size under `"balanced"`')] = 1
    rank: Annotated[int, Meta(ge=0, le=100, description="lower ranks are asked first; the strategy decides within a rank")] = 0
    markets: Annotated[tuple[str, ...], Meta(description="markets that it may answer for, as the keys' plans name them; empty: all")] = ()
    capabilities: Annotated[
        tuple[Capability, ...] | None, Meta(description="what this target can do beyond text; left out: what the record of the day says")
    ] = None
    strict_schema: Annotated[
        bool | None, Meta(description="the partner enforces json_schema itself, text is not held; left out: as the record says")
    ] = None
    context_tokens: Annotated[
        Annotated[int, Meta(ge=128)] | None, Meta(description="context window, prompt and answer together; left out: as the record says")
    ] = None
    price_key: Annotated[str, Meta(description="entry in the price book; left out: as the record says, else `partner/model`")] = ""


class ModelSettings(Strict, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A logical model: the name that apps see."""

    targets: Annotated[tuple[TargetSettings, ...], Meta(min_length=1)]
    strategy: Annotated[
        Literal["ordered", "weighted", "balanced", "cheapest"],
        Meta(description="within a rank. ordered: as written; weighted: by share; balanced: by load and speed; cheapest: by price"),
    ] = "ordered"
    default_output_tokens: Annotated[int, Meta(ge=1, description="answer limit when the app gives none")] = 4_096
    critical: Annotated[bool, Meta(description="warn loudly while fewer than two active partners can answer it")] = False


class FeatureSettings(Strict, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One writing feature."""

    model: Annotated[Name, Meta(description="logical model that answers it")] = "writer"
    critical: Annotated[bool, Meta(description="warn loudly while fewer than two active partners can answer it")] = False
    locales: Annotated[tuple[Literal["en", "zh-Hans", "zh-Hant", "zh-Hant-HK"], ...], Meta(description="locales that it is offered in")] = (
        "en",
        "zh-Hans",
        "zh-Hant",
        "zh-Hant-HK",
    )


class Sections(Strict, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    server: ServerSettings = ServerSettings()
    admission: AdmissionSettings = AdmissionSettings()
    deadlines: DeadlineSettings = DeadlineSettings()
    routing: RoutingSettings = RoutingSettings()
    metering: MeteringSettings = MeteringSettings()
    store: StoreSettings = StoreSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    carry: CarrySettings = CarrySettings()
    veil: VeilSettings = VeilSettings()
    records: dict[Name, Record] = {}
    """Partners that Lizi has no record of, or another one; the keys are those of dialects/records/*.toml."""
    partners: dict[Name, PartnerSettings] = {}
    models: dict[Name, ModelSettings] = {}
    notices: tuple[Notice, ...] = ()
    features: dict[Literal["writing.proofread", "writing.rewrite", "writing.transform"], FeatureSettings] = {}


class Config(Sections, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file, with what the files that it names say."""

    agreed: dict[Name, Terms] = {}
    """Partner → its terms, signature checked."""

    @property
    def hash(self) -> str:
        """SHA-256 of the effective configuration, defaults and terms included; stands in each audit record."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()


@cache
def built_in() -> Mapping[str, Record]:
    """The records that come with Lizi, by name."""
    files = resources.files("lizi.dialects.records").iterdir()
    named = {file.name.removesuffix(".toml"): file for file in files if file.name.endswith(".toml")}
    return {name: parse_record(named[name].read_text("utf-8"), f"{name}.toml") for name in sorted(named)}


def record_of(config: Config, partner: str) -> Record:
    """How `partner` speaks: the configuration's own record before the one that comes with Lizi."""
    name = config.partners[partner].dialect
    return config.records.get(name) or built_in()[name]


def load(path: Path, at: float) -> Config:
    """Read and check a file; `at` is now (Unix seconds): each target must have a price from then on.

    Raises `ConfigError`, also when the file can't be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(
            f"{path} can't be read: {reason}", code="config_invalid", hint="Give a readable file with --config, or make one from examples/."
        ) from error
    config = parse(text, at, source=path.name)
    return replace(config, agreed={name: _agreed(config, name, path.parent) for name, each in config.partners.items() if each.terms})


def _agreed(config: Config, partner: str, folder: Path) -> Terms:
    """The terms of one partner, from their file and the signature beside it."""
    path = folder / config.partners[partner].terms
    try:
        with path.open("rb") as record, path.with_name(path.name + ".sig").open("rb") as signature:
            text, signed = record.read(LIMIT_BYTES + 1), signature.read(LIMIT_BYTES).decode("latin-1")
    except OSError as error:
        reason = f"The terms of the partner '{partner}', or FILE.sig beside them, can't be read: {error.strerror}"
        hint = "Put the record there; 'lizi partner terms sign' writes the signature beside it."
        raise ConfigError(reason, code="config_invalid", param=f"$.partners.{partner}.terms", hint=hint) from None
    return accept(text, signed, config.veil.terms_keys, partner=partner, source=path.name)


def parse(text: str, at: float, *, source: str = "lizi.toml") -> Config:
    """The text of a `lizi.toml` → `Config`.

    Raises `ConfigError` naming the path in the file (`$.admission.exchanges_in_flight`), what is
    wrong there and how to put it right; a TOML syntax error is named with its line.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{source} is not valid TOML: {error}", code="config_invalid", hint="Mend the line named, then try again."
        ) from error
    try:
        sections = msgspec.convert(tree, Sections, strict=True)
    except msgspec.ValidationError as error:
        message, path = _placed(error, tree)
        hint = "docs/reference/config.md lists every key; 'lizi config check' tries a file without serving it."
        if path.endswith((".credential", ".metrics_token")):
            hint = "Write env:NAME or file:PATH. A secret that was written here should be replaced at whoever issued it."
        raise ConfigError(f"{source}: {message} (at {path})", code="config_invalid", param=path, hint=hint) from None
    config = Config(**{name: getattr(sections, name) for name in Sections.__struct_fields__})
    _check(config, source, at)
    return config


_TABLES: dict[str, type[Struct]] = {
    "records": Record,
    "partners": PartnerSettings,
    "models": ModelSettings,
    "features": FeatureSettings,
}


def _placed(error: msgspec.ValidationError, tree: Mapping[str, Any]) -> tuple[str, str]:
    """What is wrong and where. The decoder leaves out which entry of a table it was in: look for it."""
    message, _, path = str(error).partition(" - at `")
    path = path.rstrip("`") or "$"
    section = path.removeprefix("key` in `").removeprefix("$.").split("[", 1)[0]
    key_type: Any = get_args(get_type_hints(Sections, include_extras=True)[section])[0] if section in _TABLES else None
    for name, entry in tree.get(section, {}).items() if section in _TABLES else ():
        try:
            msgspec.convert({name: entry}, dict.__class_getitem__((key_type, _TABLES[section])), strict=True)
        except msgspec.ValidationError as inner:
            message, _, rest = str(inner).partition(" - at `")
            return message, f"$.{section}.{name}" + rest.rstrip("`").removeprefix("key` in `$").removeprefix("$[...]")
    return message, path


def build_house(
    config: Config,
    keys: Iterable[KeyRecord],
    *,
    idempotency_key: bytes,
    traffic: Traffic,
    base_urls: Mapping[str, str],
    at: float,
    states: Mapping[str, PartnerState] = {},
    state_keys: Mapping[str, bytes] | None = None,
    other_idempotency_keys: Sequence[bytes] = (),
) -> House:
    """One configuration generation for the corridor, with what the records say of the day of `at` (Unix seconds).

    `base_urls` holds the addresses of embedded partners, known only once they run; a target whose
    embedded partner is not up yet keeps an empty address and its attempts fail over. `states` is where partners
    stand now; one that is not in it stands where its settings say. `state_keys`, the current one last,
    seal what devices carry; without them nothing is carried.
    """
    waits = config.deadlines
    users, synthetic = both_routes(config, base_urls, at, states)
    return House(
        callers=CallerBook(keys),
        routes=users,
        synthetic_routes=synthetic,
        features={name: feature.model for name, feature in config.features.items()},
        locales={name: feature.locales for name, feature in config.features.items()},
        prices=PriceBook(config.metering),
        deadlines=Deadlines(
            connect_s=waits.connect_ms / 1000,
            first_token_s=waits.first_token_ms / 1000,
            idle_gap_s=waits.idle_gap_ms / 1000,
            whole_s=waits.whole_ms / 1000,
        ),
        traffic=traffic,
        idempotency_key=idempotency_key,
        other_idempotency_keys=tuple(other_idempotency_keys),
        carrier=carrier(config, state_keys),
        remote_images=config.veil.remote_images == "allow",
        notices=config.notices,
        veil=_veil(config, veil_key(idempotency_key)),
        config_hash=config.hash,
    )


def _veil(config: Config, key: bytes) -> VeilBook:
    brands = [Brand(names=record.brand.names, makers=record.brand.makers, domains=record.brand.domains) for record in _records(config)]
    return book(config.veil, brands, key)


def _records(config: Config) -> Iterable[Record]:
    """All that are known, served or not: a model may take itself for another company's."""
    return (*built_in().values(), *config.records.values())


def carrier(config: Config, state_keys: Mapping[str, bytes] | None) -> Carrier | None:
    """What seals by the last of `state_keys` and opens by all; without any, nothing is carried."""
    return Carrier(state_keys, list(state_keys)[-1], config.carry.life_s) if state_keys else None


def both_routes(
    config: Config, base_urls: Mapping[str, str], at: float, states: Mapping[str, PartnerState]
) -> tuple[dict[str, Route], dict[str, Route]]:
    """The routes of users and those of synthetic traffic: each with the targets of the partners that may serve it.

    Touches neither disk nor secrets: a partner's move can't fail for what has become of a file since the last reload.
    """
    targets = {name: [_target(config, target, base_urls, at) for target in model.targets] for name, model in config.models.items()}
    users, synthetic = (
        {
            name: Route(
                model=name,
                targets=tuple(target for target in targets[name] if target.partner not in out),
                strategy=model.strategy,
                default_output_tokens=model.default_output_tokens,
            )
            for name, model in config.models.items()
        }
        for out in shut(config, states)
    )
    return users, synthetic


def shut(config: Config, states: Mapping[str, PartnerState]) -> tuple[frozenset[str], frozenset[str]]:
    """The partners that may not be asked: for users, and for synthetic traffic. One that `states` lacks stands as its settings say.

    Where terms are required, one without them gets nothing of users'; an examination comes before the contract.
    """
    now = {name: states.get(name, partner.state) for name, partner in config.partners.items()}
    users, synthetic = (frozenset(name for name, state in now.items() if not serves(state, synthetic=flag)) for flag in (False, True))
    return users | lacking(config), synthetic


def lacking(config: Config) -> frozenset[str]:
    """The partners that `[veil] terms` shuts out: not the maker's own, and without terms that suffice."""
    if config.veil.terms != "required":
        return frozenset()
    return frozenset(name for name, partner in config.partners.items() if not is_own(partner) and suffices(config.agreed.get(name)))


def is_own(partner: PartnerSettings) -> bool:
    """Whether what goes there stays with the maker: its own machines, by its word, or this one."""
    if partner.own or partner.embedded:
        return True
    host = urlsplit(partner.base_url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def critical(config: Config, states: Mapping[str, PartnerState], at: float) -> dict[str, list[str]]:
    """Each feature and model that is marked critical → its active partners whose terms hold at `at`. Fewer than two is one failure
    away from none."""
    out = lacking(config) | {name for name, terms in config.agreed.items() if not terms.since_at <= at < terms.until_at}
    wanted = {name: name for name, model in config.models.items() if model.critical}
    wanted |= {feature: settings.model for feature, settings in config.features.items() if settings.critical}
    found = {}
    for name, model in wanted.items():
        partners = dict.fromkeys(target.partner for target in config.models[model].targets)
        found[name] = [each for each in partners if states.get(each, config.partners[each].state) == "active" and each not in out]
    return found


def _price_key(config: Config, target: TargetSettings, at: float) -> str:
    entry = known(record_of(config, target.partner), target.model, at)
    return target.price_key or (entry.price_key if entry is not None else "") or f"{target.partner}/{target.model}"


def _target(config: Config, target: TargetSettings, base_urls: Mapping[str, str], at: float) -> Target:
    partner = config.partners[target.partner]
    record = record_of(config, target.partner)
    entry = known(record, target.model, at)
    facts = on_day(record, target.model, at)
    capabilities = frozenset(target.capabilities) if target.capabilities is not None else None
    strict, context = target.strict_schema, target.context_tokens
    if entry is not None:
        capabilities = entry.capabilities if capabilities is None else capabilities
        strict = entry.schema == "strict" if strict is None else strict
        context = entry.context_tokens if context is None else context
    return Target(
        partner=target.partner,
        model=target.model,
        region=partner.region,
        dialect=record.family,
        base_url=base_urls.get(target.partner, partner.base_url),
        # The supervisor makes the embedded partner's key and hands it to the workers under this name.
        credential="env:LIZI_LOCAL_MODEL_KEY" if partner.embedded else partner.credential,
        price_key=_price_key(config, target, at),
        weight=target.weight,
        rank=target.rank,
        markets=frozenset(target.markets),
        lane=partner.lanes.get(target.model, partner.lane),
        capabilities=capabilities or frozenset(),
        strict_schema=bool(strict),
        context_tokens=context,
        own=partner.own or bool(partner.embedded),
        facts=BASE if facts == BASE else facts,
        terms=config.agreed.get(target.partner),
        filing=entry.filing if entry is not None else "",
    )


def _check(config: Config, source: str, at: float) -> None:
    """What no type can say: names that must exist, pairs that belong together."""

    def refuse(path: str, message: str, hint: str) -> None:
        raise ConfigError(f"{source}: {message} (at {path})", code="config_invalid", param=path, hint=hint)

    if bool(config.server.tls_certificate) != bool(config.server.tls_key):
        refuse("$.server", "TLS needs both tls_certificate and tls_key", "Give both, or neither for plain HTTP.")
    for name, record in config.records.items():
        wrong = unknown_words(record)
        if wrong is not None:
            refuse(f"$.records.{name}", wrong, "docs/reference/config.md says what may stand there.")
    for name, partner in config.partners.items():
        path = f"$.partners.{name}"
        if bool(partner.base_url) == bool(partner.embedded):
            refuse(path, "a partner has either base_url or embedded", "Give the partner's address, or the name of a local model.")
        if partner.base_url and not partner.base_url.startswith(("https://", "http://")):
            refuse(f"{path}.base_url", "base_url must start with https:// or http://", "Give it up to and including the version segment.")
        if partner.dialect not in config.records and partner.dialect not in built_in():
            hint = f"Use one of {', '.join(built_in())}, or write [records.{partner.dialect}]."
            refuse(f"{path}.dialect", f"there is no record '{partner.dialect}'", hint)
        if partner.base_url.endswith("/"):
            refuse(f"{path}.base_url", "base_url must not end in a slash", "Leave the last slash out.")
    for name, partner in config.partners.items():
        served = {target.model for model in config.models.values() for target in model.targets if target.partner == name}
        for lane in sorted(partner.lanes.keys() - served):
            refuse(f"$.partners.{name}.lanes", f"no target names the model '{lane}'", "Write it as the targets do, or remove it.")
    book = PriceBook(config.metering)
    for name, model in config.models.items():
        for number, target in enumerate(model.targets):
            path = f"$.models.{name}.targets[{number}]"
            if target.partner not in config.partners:
                refuse(f"{path}.partner", f"there is no partner '{target.partner}'", "Add [partners.…] or mend the name.")
            entry = known(record_of(config, target.partner), target.model, at)
            region = config.partners[target.partner].region
            if entry is not None and entry.regions and region not in entry.regions:
                offered = ", ".join(entry.regions)
                refuse(f"{path}.model", f"the record says that '{target.model}' is not offered in '{region}'", f"It is in {offered}.")
            key = _price_key(config, target, at)
            # A key that has a price now has one at every later time: a settlement can't fail for want of it.
            book.check((key,), at)
    try:
        check_persona(config.veil)
    except ConfigError as error:
        refuse("$.veil.persona", error.message, error.hint or "Give each language a name.")
    for number, rule in enumerate(config.veil.rules):
        if rule.profile != STANDARD and rule.profile not in config.veil.profiles:
            refuse(f"$.veil.rules[{number}].profile", f"there is no profile '{rule.profile}'", "Add [veil.profiles.…] or mend the name.")
    for feature, settings in config.features.items():
        if settings.model not in config.models:
            refuse(f'$.features."{feature}".model', f"there is no model '{settings.model}'", "Add [models.…] or mend the name.")
    for number, notice in enumerate(config.notices):
        if notice.partner not in config.partners:
            refuse(f"$.notices[{number}].partner", f"there is no partner '{notice.partner}'", "Add [partners.…] or mend the name.")
    bare = [name for name, partner in config.partners.items() if not partner.terms and not is_own(partner)]
    if bare and config.veil.terms is None:
        hint = f'Give [partners.{bare[0]}] terms, or write [veil] terms = "required" (it gets nothing of users\' then) or "optional".'
        refuse("$.veil.terms", f"the partner '{bare[0]}' has no terms, and the file does not say whether it may be used so", hint)
