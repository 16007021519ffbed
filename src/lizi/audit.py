"""The audit chain: one canonical record per exchange, hashed onto the one before it.

Never holds content, a secret, an Idempotency-Key or a float. `Chain` is a machine that turns
finished exchanges into records; `verify` names the first record that is not what was written, and the first row of
the partners' moves that is not what was recorded. Bound: a chain keeps one hash and one counter; verifying keeps one
row, and the records of moves.
Standards: bodies are RFC 8785 (JCS) restricted to integers, ASCII keys and UTF-8 strings;
SHA-256 is FIPS 180-4. A chain can't see its own missing tail: signed checkpoints can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Literal

import msgspec
from msgspec import Struct

from lizi.types import Exchange, Standing, Terms, Usage

__all__ = ["Broken", "Chain", "Head", "Record", "Verdict", "checkpoint_bytes", "heads_in", "verify"]

_LINK = b"lizi.audit.link.1\n"
"""Domain of a record's hash, so that it can't be mistaken for any other SHA-256 of the house."""
_SEAL = b"lizi.audit.checkpoint.1\n"
"""Domain of a checkpoint's signature."""
_LAST_S = 1e11
"""The year 5138: a time beyond it was written by nobody here, and must not stop the check of what was."""
_ROOT = sha256(b"lizi.audit.root.1\n").digest()
"""What the first record of every chain is linked to."""

# Structs below list their fields in alphabetical order, so that sorting dictionaries is all that is left to do; a test holds them to it.
_encode = msgspec.json.Encoder(order="deterministic").encode


class Record(Struct, frozen=True):
    """One link: `hash` is SHA-256(domain, hash of the record before, body)."""

    chain: str
    seq: int
    body: bytes
    hash: bytes


class Head(Struct, frozen=True):
    """Where a chain stood: the hash of its record `seq`."""

    chain: str
    seq: int
    hash: bytes


class _Tokens(Struct, frozen=True):
    cached: int
    estimated: bool
    input: int
    output: int
    reasoning: int


class _Try(Struct, frozen=True):
    """An attempt. Fields stand in alphabetical order, as the canonical form wants them."""

    cost_micros: int
    ended_ms: int
    finish: str | None
    hidden: dict[str, int]
    model: str
    number: int
    outcome: str
    partner: str
    price_key: str
    region: str
    released: bool
    sent: tuple[str, ...]
    started_ms: int
    status: int | None
    terms: str | None
    tokens: _Tokens


class _ExchangeBody(Struct, frozen=True):
    app: str
    attempts: list[_Try]
    chain: str
    charged_micros: int
    checks: dict[str, str]
    config_hash: str
    dropped_fields: tuple[str, ...]
    ended_ms: int
    feature: str
    finish: str | None
    id: str
    key_id: str
    kind: str
    model: str
    outcome: str
    released_after_ms: int | None
    reserved_micros: int
    seq: int
    spent_micros: int
    started_ms: int
    stream: bool
    synthetic: bool
    tokens: _Tokens


class _GenesisBody(Struct, frozen=True):
    boot: str
    chain: str
    config_hash: str
    kind: str
    seq: int
    started_ms: int
    version: str
    worker: int


class _HeadBody(Struct, frozen=True):
    chain: str
    hash: str
    seq: int


class _PartnerBody(Struct, frozen=True, rename={"came_from": "from"}):
    by: str
    chain: str
    came_from: str | None
    kind: str
    made_ms: int
    partner: str
    seq: int
    to: str
    why: str


class _TermsBody(Struct, frozen=True):
    by: str
    chain: str
    contract: str | None
    kind: str
    made_ms: int
    partner: str
    seq: int
    signed_by: str | None
    terms: str | None
    until_ms: int | None
    was: str | None


class _KeyBody(Struct, frozen=True):
    by: str
    chain: str
    key_id: str
    kind: str
    made_ms: int
    public: str | None
    purpose: str
    seq: int


class _CheckpointBody(Struct, frozen=True):
    chain: str
    heads: list[_HeadBody]
    kind: str
    made_ms: int
    seq: int


_decode_checkpoint = msgspec.json.Decoder(_CheckpointBody).decode


def _tokens(usage: Usage) -> _Tokens:
    return _Tokens(usage.cached_tokens, usage.estimated, usage.input_tokens, usage.output_tokens, usage.reasoning_tokens)


def _link(previous: bytes, body: bytes) -> bytes:
    return sha256(_LINK + previous + body).digest()


class Chain:
    """The chain of one worker process and boot. Machine: exchange in, record out; never raises half-way.

    `worker` numbers the processes of a boot and is not used twice in it: a replaced worker
    starts a chain of its own. The first record (`genesis`, seq 0) binds boot, worker, version
    and configuration. Bound: one hash and one counter.
    """

    def __init__(self, *, boot: str, worker: int, config_hash: str, version: str, started_at: float) -> None:
        self.name = f"{boot}.{worker}"
        self._seq = -1
        self._hash = _ROOT
        self.genesis = self._add(
            _encode(_GenesisBody(boot, self.name, config_hash, "genesis", 0, round(started_at * 1000), version, worker))
        )

    @property
    def head(self) -> Head:
        """The last record's place and hash."""
        return Head(self.name, self._seq, self._hash)

    def _add(self, body: bytes) -> Record:
        self._seq += 1
        self._hash = _link(self._hash, body)
        return Record(self.name, self._seq, body, self._hash)

    def append(self, exchange: Exchange) -> Record:
        """The record of a finished exchange: ids, names, outcomes, counts, money and times in ms; no content."""
        tries = [
            _Try(
                attempt.cost_micros,
                round(attempt.ended_at * 1000),
                attempt.finish,
                attempt.hidden,
                attempt.target.model,
                attempt.number,
                attempt.outcome,
                attempt.target.partner,
                attempt.target.price_key,
                attempt.target.region,
                attempt.released,
                attempt.sent,
                round(attempt.started_at * 1000),
                attempt.status,
                attempt.target.terms.short if attempt.target.terms is not None else None,
                _tokens(attempt.usage),
            )
            for attempt in exchange.attempts
        ]
        released = exchange.first_released_mono
        return self._add(
            _encode(
                _ExchangeBody(
                    exchange.app,
                    tries,
                    self.name,
                    exchange.charged_micros,
                    exchange.checks,
                    exchange.config_hash,
                    exchange.dropped_fields,
                    round(exchange.ended_at * 1000),
                    exchange.feature,
                    exchange.finish,
                    exchange.id,
                    exchange.key_id,
                    "exchange",
                    exchange.model,
                    exchange.outcome,
                    None if released is None else round((released - exchange.started_mono) * 1000),
                    exchange.reserved_micros,
                    self._seq + 1,
                    exchange.spent_micros,
                    round(exchange.started_at * 1000),
                    exchange.stream,
                    exchange.synthetic,
                    _tokens(exchange.usage),
                )
            )
        )

    def checkpoint(self, heads: Iterable[Head], made_at: float) -> Record:
        """A record that states where other chains stand; the wall signs `checkpoint_bytes` of it."""
        listed = [_HeadBody(head.chain, head.hash.hex(), head.seq) for head in sorted(heads, key=lambda head: head.chain)]
        return self._add(_encode(_CheckpointBody(self.name, listed, "checkpoint", round(made_at * 1000), self._seq + 1)))

    def key(self, key_id: str, purpose: str, *, made_at: float, public: str | None, by: str) -> Record:
        """A key of the service's own that was made: id, purpose, of a signing one the public half; who made it."""
        return self._add(_encode(_KeyBody(by, self.name, key_id, "keyring", round(made_at * 1000), public, purpose, self._seq + 1)))

    def terms(self, partner: str, terms: Terms | None, *, made_at: float, was: str | None, by: str) -> Record:
        """Under which terms a partner is used from now on: their whole hash, whose key signed them, which they follow; `None`: none."""
        return self._add(
            _encode(
                _TermsBody(
                    by,
                    self.name,
                    None if terms is None else terms.contract,
                    "terms",
                    round(made_at * 1000),
                    partner,
                    self._seq + 1,
                    None if terms is None else terms.signed_by,
                    None if terms is None else terms.hash,
                    None if terms is None else round(terms.until_at * 1000),
                    was,
                )
            )
        )

    def partner(self, standing: Standing) -> Record:
        """A move in a partner's life: from, to, who, why; no content."""
        return self._add(_moved(standing, self.name, self._seq + 1))


def _moved(standing: Standing, chain: str, seq: int) -> bytes:
    """The body of a move's record."""
    made_ms = round(min(max(standing.at, 0.0), _LAST_S) * 1000)
    return _encode(
        _PartnerBody(
            standing.by, chain, standing.came_from, "partner", made_ms, standing.partner, seq, standing.state, standing.why
        )
    )


def heads_in(body: bytes) -> list[Head]:
    """The heads that a checkpoint's body claims."""
    return [Head(head.chain, head.seq, bytes.fromhex(head.hash)) for head in _decode_checkpoint(body).heads]


def checkpoint_bytes(record: Record) -> bytes:
    """What the signature of a checkpoint covers: its place in its chain and, by the hash, all before it."""
    return _SEAL + record.hash


# --- verification --------------------------------------------------------------

Why = Literal["changed", "missing", "reordered", "truncated", "signature", "row_changed", "row_missing", "row_unrecorded"]


class Broken(Struct, frozen=True):
    """The first record, or row of the partners' moves, that is wrong.

    `changed`: body or hash is not what was written. `missing`: the record is not there, but later
    ones are. `reordered`: the record says that it belongs to another place. `truncated`: a checkpoint saw
    more. `signature`: a checkpoint's signature is not by a known key. `row_changed`: a partner's move stands otherwise, or
    elsewhere, in the store's rows than in its record. `row_missing`: its record has no row. `row_unrecorded`: its row has no
    record; then `chain` is empty and `seq` is -1.
    """

    chain: str
    seq: int
    why: Why
    row: int | None = None
    """The how manyth of all moves, from 1; `None` when a record itself is wrong."""

    @property
    def where(self) -> str:
        """The place, for people."""
        record = f"record {self.seq} of chain {self.chain}"
        if self.row is None:
            return record
        return f"row {self.row} of the partners' moves" + (f" ({record})" if self.chain else "")


class Verdict(Struct, frozen=True, kw_only=True):
    """What was read, and the first thing wrong with it; `broken is None` means all of it holds."""

    records: int
    chains: int
    checkpoints: int
    heads: list[Head]
    """The last record of each chain, in order."""
    broken: Broken | None


class _Envelope(Struct, frozen=True):
    """The fields that every body has."""

    chain: str
    seq: int
    kind: str


_decode = msgspec.json.Decoder(_Envelope).decode
_MOVE = b'"kind":"partner"'
"""Stands in the records of moves alone: within a string its quotes would be escaped."""
_END = Head("\U0010ffff", 0, b"")
"""Sorts behind every name of a chain."""
_NOWHERE = Head("", -1, _ROOT)


def verify(
    rows: Iterable[Record],
    claims: Iterable[Head] = (),
    trusted: Callable[[Record], bool] | None = None,
    *,
    moves: Sequence[Standing] | None = None,
    began: Mapping[str, int] | None = None,
) -> Verdict:
    """Check every link, every place, every head that a checkpoint claimed, and each partner's move against its record.

    `rows` and `claims` come ordered by chain and seq; `claims` are the heads listed in all
    checkpoints (`heads_in`). `trusted` says whether a checkpoint's signature is right; without
    it signatures are not looked at. Stops at the first broken link; a claim that fails is
    reported only when all links hold, since a claim is worth no more than the record it stands in; moves come last.
    `moves` are the store's rows, oldest first, and `began` says which chain began before which; without them moves are not
    looked at. Memory: one row, one head per chain, and the records of moves.
    """
    count = _Count()
    claimed = iter(claims)
    claim = next(claimed, _END)
    failed: Broken | None = None
    here = _NOWHERE
    recorded: list[Record] = []
    for row in rows:
        while (claim.chain, claim.seq) < (row.chain, row.seq):
            failed = failed or _absent(claim, here)
            claim = next(claimed, _END)
        if row.chain != here.chain:
            here = Head(row.chain, -1, _ROOT)
            count.heads.append(here)
        why = _fault(row, here, trusted, count)
        if why is not None:
            at = here.seq + 1 if why == "missing" else row.seq
            return count.verdict(Broken(row.chain, at, why))
        here = count.heads[-1] = Head(row.chain, row.seq, row.hash)
        count.records += 1
        if moves is not None and _MOVE in row.body:
            recorded.append(row)
        while claim.chain == row.chain and claim.seq == row.seq:
            if claim.hash != row.hash:
                failed = failed or Broken(row.chain, row.seq, "changed")
            claim = next(claimed, _END)
    if claim is not _END:
        failed = failed or _absent(claim, here)
    if failed is None and moves is not None:
        order = began or {}
        recorded.sort(key=lambda record: (order.get(record.chain, 0), record.chain, record.seq))
        failed = _unlike(recorded, moves)
    return count.verdict(failed)


class _Count(Struct):
    """What has been read so far."""

    records: int = 0
    checkpoints: int = 0
    heads: list[Head] = []

    def verdict(self, broken: Broken | None) -> Verdict:
        return Verdict(records=self.records, chains=len(self.heads), checkpoints=self.checkpoints, heads=self.heads, broken=broken)


def _fault(row: Record, here: Head, trusted: Callable[[Record], bool] | None, count: _Count) -> Why | None:
    """What is wrong with `row`, which follows `here`."""
    if row.seq > here.seq + 1:
        return "missing"
    if row.seq <= here.seq:
        return "reordered"
    try:
        envelope = _decode(row.body)
    except (msgspec.DecodeError, ValueError):
        return "changed"
    if envelope.chain != row.chain or envelope.seq != row.seq:
        return "reordered"
    if _link(here.hash, row.body) != row.hash:
        return "changed"
    if (envelope.kind == "genesis") != (row.seq == 0):
        return "reordered"
    if envelope.kind == "checkpoint":
        if trusted is not None and not trusted(row):
            return "signature"
        count.checkpoints += 1
    return None


def _unlike(records: list[Record], moves: Sequence[Standing]) -> Broken | None:
    """The first difference between the records of moves and the rows, both in the order in which they were made."""

    def same(record: int, move: int) -> bool:
        made = records[record]
        return made.body == _moved(moves[move], made.chain, made.seq)

    both = min(len(records), len(moves))
    at = next((at for at in range(both) if not same(at, at)), both)
    if at == len(records) == len(moves):
        return None
    if at == len(records) or (len(moves) > len(records) and same(at, at + 1)):
        return Broken("", -1, "row_unrecorded", at + 1)
    gone = at == len(moves) or (len(records) > len(moves) and same(at + 1, at))
    return Broken(records[at].chain, records[at].seq, "row_missing" if gone else "row_changed", at + 1)


def _absent(claim: Head, here: Head) -> Broken:
    """A claimed record that is not there: its chain's tail is cut, or the whole chain is gone."""
    if claim.chain == here.chain:
        return Broken(claim.chain, here.seq + 1, "truncated")
    return Broken(claim.chain, 0, "missing")
