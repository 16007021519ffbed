"""The chain: canonical bodies, no content, and every change found with its place."""

from __future__ import annotations

import hashlib
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lizi import audit
from lizi.audit import Broken, Chain, Head, Record, checkpoint_bytes, heads_in, verify
from lizi.types import Attempt, Exchange, PartnerState, Standing, Target, Usage

CANARY = "canary-5f1c"


def exchange(number: int) -> Exchange:
    target = Target(
        partner="acme",
        model="large-1",
        region="test",
        dialect="openai_chat",
        base_url=f"http://{CANARY}.example",
        credential=f"env:{CANARY}",
        price_key="acme/large-1",
    )
    usage = Usage(input_tokens=12, output_tokens=7)
    attempt = Attempt(number=1, target=target, started_at=100.25, ended_at=101.5, status=200, outcome="ok", finish="stop", usage=usage)
    return Exchange(
        id=f"rq_{number}",
        feature="chat",
        started_at=100.125,
        started_mono=5.0,
        config_hash="cc",
        app="备忘录",
        key_id="k1",
        model="writer",
        idempotency=CANARY,
        ended_at=101.75,
        first_released_mono=5.5,
        outcome="ok",
        finish="stop",
        attempts=[attempt],
        usage=usage,
        charged_micros=3,
        spent_micros=3,
        reserved_micros=9,
        checks={"usage_plausible": "passed", "result": "repaired"},
        dropped_fields=("user",),
    )


def chain(worker: int = 1) -> Chain:
    return Chain(boot="b00t", worker=worker, config_hash="cc", version="0.1", started_at=99.0)


def grown(count: int, worker: int = 1) -> list[Record]:
    made = chain(worker)
    return [made.genesis, *(made.append(exchange(number)) for number in range(count))]


def test_a_body_is_canonical_json_without_floats_or_content() -> None:
    record = grown(1)[1]
    tree = json.loads(record.body, parse_float=lambda text: pytest.fail(f"a float: {text}"))
    assert record.body == json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()  # RFC 8785 for this subset
    assert CANARY not in record.body.decode()
    assert tree["released_after_ms"] == 500
    assert tree["started_ms"] == 100_125
    assert tree["tokens"] == {"cached": 0, "estimated": False, "input": 12, "output": 7, "reasoning": 0}


def test_every_body_lists_its_fields_in_order() -> None:
    bodies = [audit._ExchangeBody, audit._Try, audit._Tokens, audit._GenesisBody, audit._CheckpointBody, audit._HeadBody, audit._KeyBody]
    for body in bodies:
        assert list(body.__struct_fields__) == sorted(body.__struct_fields__), body


def test_the_hash_can_be_computed_from_the_description_alone() -> None:
    last = hashlib.sha256(b"lizi.audit.root.1\n").digest()
    for record in grown(3):
        last = hashlib.sha256(b"lizi.audit.link.1\n" + last + record.body).digest()
        assert record.hash == last


def test_the_first_record_binds_boot_worker_version_and_configuration() -> None:
    assert json.loads(chain(7).genesis.body) == {
        "boot": "b00t",
        "chain": "b00t.7",
        "config_hash": "cc",
        "kind": "genesis",
        "seq": 0,
        "started_ms": 99_000,
        "version": "0.1",
        "worker": 7,
    }


def test_whole_chains_verify_and_report_their_heads() -> None:
    rows = [*grown(3, 1), *grown(2, 2)]
    verdict = verify(rows)
    assert verdict.broken is None
    assert (verdict.records, verdict.chains) == (7, 2)
    assert verdict.heads == [Head("b00t.1", 3, rows[3].hash), Head("b00t.2", 2, rows[6].hash)]
    assert verify([]).broken is None


@given(st.data())
def test_one_changed_bit_is_found_with_its_place(data: st.DataObject) -> None:
    rows = [*grown(4, 1), *grown(4, 2)]
    at = data.draw(st.integers(0, len(rows) - 1))
    row = rows[at]
    field = data.draw(st.sampled_from(["body", "hash"]))
    blob = bytearray(getattr(row, field))
    bit = data.draw(st.integers(0, len(blob) * 8 - 1))
    blob[bit // 8] ^= 1 << bit % 8
    rows[at] = msgspec.structs.replace(row, **{field: bytes(blob)})
    broken = verify(rows).broken
    assert broken is not None
    assert (broken.chain, broken.seq) == (row.chain, row.seq)
    assert broken.why in ("changed", "reordered")  # a flipped digit of `seq` claims another place


@given(st.integers(0, 4), st.integers(1, 3))
def test_a_removed_record_is_missing_where_it_was(at: int, count: int) -> None:
    rows = grown(8)
    del rows[at : at + count]
    assert verify(rows).broken == Broken("b00t.1", at, "missing")


@given(st.integers(1, 5))
def test_swapped_records_are_found_at_the_first_of_them(at: int) -> None:
    rows = grown(6)
    first, second = rows[at], rows[at + 1] if at < 6 else rows[at]
    rows[at] = msgspec.structs.replace(second, seq=at)
    rows[at + 1] = msgspec.structs.replace(first, seq=at + 1)
    assert verify(rows).broken == Broken("b00t.1", at, "reordered")


def test_a_repeated_record_is_found() -> None:
    rows = grown(3)
    assert verify([*rows, rows[-1]]).broken == Broken("b00t.1", 3, "reordered")


def test_a_chain_spliced_from_two_boots_is_found() -> None:
    other = Chain(boot="0ther", worker=1, config_hash="cc", version="0.1", started_at=99.0)
    foreign = [other.genesis, *(other.append(exchange(n)) for n in range(4))]
    rows = [*grown(2), *(msgspec.structs.replace(row, chain="b00t.1") for row in foreign[3:])]
    assert verify(rows).broken == Broken("b00t.1", 3, "reordered")


def claimed(rows: list[Record]) -> tuple[list[Record], list[Head]]:
    """`rows` and the house's own chain with one checkpoint over them, and what it claims."""
    house = chain(0)
    heads = [rows[at] for at in range(len(rows)) if at + 1 == len(rows) or rows[at + 1].chain != rows[at].chain]
    record = house.checkpoint([Head(row.chain, row.seq, row.hash) for row in heads], 102.0)
    return [house.genesis, record, *rows], heads_in(record.body)


def test_a_checkpoint_sees_a_missing_tail_that_the_chain_itself_cannot() -> None:
    rows, claims = claimed(grown(5))
    assert verify(rows, claims).broken is None
    assert verify(rows[:-2]).broken is None
    assert verify(rows[:-2], claims).broken == Broken("b00t.1", 4, "truncated")


def test_a_checkpoint_sees_a_chain_that_is_gone() -> None:
    rows, claims = claimed([*grown(2, 1), *grown(2, 2)])
    assert verify([row for row in rows if row.chain != "b00t.1"], claims).broken == Broken("b00t.1", 0, "missing")
    assert verify([row for row in rows if row.chain != "b00t.2"], claims).broken == Broken("b00t.2", 0, "missing")


def test_a_checkpoint_sees_a_chain_that_was_written_anew() -> None:
    rows, claims = claimed(grown(3))
    forged = chain(1)
    anew = [forged.genesis, *(forged.append(exchange(number + 50)) for number in range(3))]
    assert verify([*rows[:2], *anew]).broken is None
    assert verify([*rows[:2], *anew], claims).broken == Broken("b00t.1", 3, "changed")


def test_a_broken_link_counts_before_a_claim_that_stands_in_it() -> None:
    rows, claims = claimed(grown(3))
    rows[1] = msgspec.structs.replace(rows[1], body=rows[1].body.replace(b'"seq":3', b'"seq":9'))
    wrong = [msgspec.structs.replace(claims[0], seq=9)]
    assert verify(rows, wrong).broken == Broken("b00t.0", 1, "changed")


def test_a_checkpoint_whose_signature_is_not_trusted_is_named() -> None:
    rows, claims = claimed(grown(2))
    assert verify(rows, claims, lambda record: True).checkpoints == 1
    assert verify(rows, claims, lambda record: False).broken == Broken("b00t.0", 1, "signature")


def test_what_is_signed_depends_on_all_records_before() -> None:
    left, _ = claimed(grown(2))
    right, _ = claimed(grown(3))
    assert checkpoint_bytes(left[1]) != checkpoint_bytes(right[1])
    assert checkpoint_bytes(left[1]) != left[1].hash


def test_a_key_of_the_services_own_stands_in_the_chain_with_its_public_half_and_who_made_it() -> None:
    made = chain(0)
    rows = [made.genesis, made.key("0a1b", "audit-signing", made_at=100.25, public="cHVibGlj", by="li.hua")]
    assert verify(rows).broken is None
    assert json.loads(rows[1].body) == {
        "by": "li.hua",
        "chain": "b00t.0",
        "key_id": "0a1b",
        "kind": "keyring",
        "made_ms": 100_250,
        "public": "cHVibGlj",
        "purpose": "audit-signing",
        "seq": 1,
    }
    assert rows[1].body == json.dumps(json.loads(rows[1].body), sort_keys=True, separators=(",", ":")).encode()


# --- the partners' moves ---------------------------------------------------------------------------

STATES: tuple[PartnerState, ...] = ("candidate", "approved", "active", "retired")


def lives(count: int) -> tuple[list[Record], list[Standing]]:
    """`count` moves, each third one of the same partner, recorded in two chains of which the second by name began first."""
    moves = [
        Standing(
            partner=f"p{at % 3}", state=STATES[at % 4], at=100.0 + at / 8, by="li.hua", why=f"trial {at}", came_from=STATES[at % 4 - 1]
        )
        for at in range(count)
    ]
    first, second = chain(worker=2), chain(worker=1)
    rows = [second.genesis, *(second.partner(move) for move in moves[count // 2 :]), second.append(exchange(1))]
    rows += [first.genesis, first.append(exchange(2)), *(first.partner(move) for move in moves[: count // 2])]
    return rows, moves


BEGAN = {"b00t.2": 1, "b00t.1": 2}


def of_moves(rows: list[Record], moves: list[Standing]) -> Broken | None:
    return verify(rows, moves=moves, began=BEGAN).broken


@given(st.integers(0, 8))
def test_moves_that_stand_as_they_were_recorded_are_whole(count: int) -> None:
    assert of_moves(*lives(count)) is None
    assert verify(lives(count)[0]).broken is None, "who has no rows to compare asks for none"


@given(st.integers(0, 5), st.sampled_from(["partner", "state", "at", "by", "why", "came_from"]))
def test_a_row_of_a_move_that_was_changed_is_named_with_its_record(at: int, field: str) -> None:
    rows, moves = lives(6)
    other = float("inf") if field == "at" else None if field == "came_from" else "other"
    moves[at] = msgspec.structs.replace(moves[at], **{field: other})
    found = Broken("b00t.2", at + 2, "row_changed", at + 1) if at < 3 else Broken("b00t.1", at - 2, "row_changed", at + 1)
    assert of_moves(rows, moves) == found
    assert f"row {at + 1} " in found.where and found.chain in found.where


@given(st.integers(0, 5))
def test_a_row_that_is_gone_or_came_in_is_named(at: int) -> None:
    rows, moves = lives(6)
    gone = moves.pop(at)
    broken = of_moves(rows, moves)
    assert broken is not None and (broken.why, broken.row) == ("row_missing", at + 1)
    moves[at:at] = [gone, msgspec.structs.replace(gone, why="never recorded")]
    assert of_moves(rows, moves) == Broken("", -1, "row_unrecorded", at + 2)
    moves.pop(at + 1)
    moves.append(msgspec.structs.replace(gone, state="active"))
    last = of_moves(rows, moves)
    assert last == Broken("", -1, "row_unrecorded", 7) and last.where == "row 7 of the partners' moves"


@given(st.integers(0, 4))
def test_rows_in_another_order_are_found_since_the_last_one_decides(at: int) -> None:
    rows, moves = lives(6)
    moves[at], moves[at + 1] = moves[at + 1], moves[at]
    broken = of_moves(rows, moves)
    assert broken is not None and (broken.why, broken.row) == ("row_changed", at + 1)


def test_a_broken_link_or_a_failed_claim_comes_before_moves_and_words_of_a_move_in_other_records_mislead_nobody() -> None:
    rows, moves = lives(4)
    cut = [Head("b00t.1", 9, b"")]
    assert verify(rows, cut, moves=moves[:1], began=BEGAN).broken == Broken("b00t.1", 4, "truncated")
    sly = chain(worker=3)
    told = [sly.genesis, sly.append(msgspec.structs.replace(exchange(3), app='"kind":"partner"'))]
    assert of_moves([*rows, *told], moves) is None
