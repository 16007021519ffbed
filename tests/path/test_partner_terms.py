"""Terms in the corridor: refused before any connection, drained at their end, named by each attempt."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from corridor import CONFIG, START, Corridor, end_of, text_of
from lizi.audit import Chain
from lizi.config import build_house, shut
from lizi.edge.telemetry import Telemetry
from lizi.errors import LiziError
from lizi.testing import Behaviour
from lizi.types import Fault, Plan, Terms
from planted_pictures import saved, scene, url_of

pytestmark = pytest.mark.asyncio
GOOD = Behaviour(text="The river is quiet this morning.", chunks=4)
DOWN = Behaviour(status=503, error={"error": {"message": "overloaded"}})
PICTURE = {"type": "image_url", "image_url": {"url": url_of(saved(scene(8, 8), "PNG"))}}
SEEING = {"model": "seeing", "messages": [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, PICTURE]}]}


def terms(*data: Any, regions: Any = ("local",), until_at: float = START + 1000, training: bool = False) -> Terms:
    return Terms(
        data=frozenset(data), regions=frozenset(regions), retention_days=0, training=training, contract="c", since_at=START - 10,
        until_at=until_at, hash="ab" * 32, signed_by="k",
    )  # fmt: skip


def stage(script: Any = GOOD, *, required: bool = False, plan: Plan | None = None, **agreed: Terms) -> Corridor:
    made = Corridor(script, plan=plan)
    veil = replace(made.config.veil, terms="required") if required else made.config.veil
    made.config = replace(made.config, agreed=agreed, veil=veil)
    built = build_house(made.config, [], idempotency_key=b"k" * 32, traffic=made.traffic, base_urls={}, at=START)
    made.house = replace(built, callers=made.house.callers)
    made.traffic.shut = shut(made.config, {})
    return made


def hosts(corridor: Corridor) -> list[str]:
    return ["first" if "first" in call.url else "second" for call in corridor.upstream.calls]


async def fault_of(corridor: Corridor, body: Any = None) -> LiziError:
    try:
        last = (await corridor.ask(body))[-1]
    except LiziError as error:
        return error
    assert isinstance(last, Fault)
    return last.error  # type: ignore[no-any-return]


@pytest.mark.requirement("S46")
async def test_an_image_that_the_terms_do_not_allow_is_refused_before_any_connection() -> None:
    corridor = stage(first=terms("text"))
    error = await fault_of(corridor, SEEING)
    assert (error.code, corridor.upstream.calls) == ("data_not_permitted", [])
    (record,) = corridor.journal.records
    assert (record.outcome, record.cause) == ("data_not_permitted", "first: its terms don't allow image: they allow text")
    assert text_of(await stage(first=terms("text", "image")).ask(SEEING)) == GOOD.text


async def test_the_log_says_which_term_and_the_device_does_not() -> None:
    corridor, lines = stage(first=terms("text")), []

    class Lines:
        dropped = 0

        def write(self, line: bytes) -> None:
            lines.append(line)

    error = await fault_of(corridor, SEEING)
    Telemetry(writer=Lines()).record(corridor.journal.records[0])  # type: ignore[arg-type]
    assert b"its terms don't allow image" in lines[0]
    assert "terms" not in error.message.lower()
    assert "first" not in f"{error.message}{error.hint}{error.extra}"


async def test_failover_never_reaches_a_partner_whose_terms_do_not_allow_the_region() -> None:
    corridor = stage(DOWN, first=terms("text"), second=terms("text", regions=["elsewhere"]))
    assert end_of(await corridor.ask()) == "upstream_failed"
    assert set(hosts(corridor)) == {"first"}


@pytest.mark.requirement("S46")
async def test_ended_terms_drain_the_partner_for_everybody() -> None:
    for plan in (None, Plan(synthetic=True)):
        corridor = stage(first=terms("text", until_at=START), second=terms("text"), plan=plan)
        assert text_of(await corridor.ask()) == GOOD.text
        assert hosts(corridor) == ["second"]


async def test_an_exchange_that_began_under_terms_ends_under_them() -> None:
    corridor = stage(lambda call: (corridor.clock.advance(60.0), DOWN if "first" in call.url else GOOD)[1],
                     first=terms("text", until_at=START + 30), second=terms("text", until_at=START + 30))  # fmt: skip
    assert text_of(await corridor.ask()) == GOOD.text
    assert hosts(corridor) == ["first", "second"]
    assert (await fault_of(corridor)).code == "feature_unavailable"
    assert len(hosts(corridor)) == 2


async def test_where_terms_are_required_users_reach_no_partner_without_and_examiners_do() -> None:
    users = stage(required=True, second=terms("text"))
    assert text_of(await users.ask()) == GOOD.text
    examiner = stage(required=True, second=terms("text"), plan=Plan(synthetic=True))
    assert text_of(await examiner.ask()) == GOOD.text
    assert (hosts(users), hosts(examiner)) == (["second"], ["first"])


@pytest.mark.requirement("S46")
async def test_where_terms_are_required_they_must_forbid_training() -> None:
    corridor = stage(required=True, first=terms("text", training=True), second=terms("text"))
    await corridor.ask()
    assert hosts(corridor) == ["second"]
    optional = stage(first=terms("text", training=True))
    await optional.ask()
    assert hosts(optional) == ["first"]


@pytest.mark.requirement("S46")
async def test_each_attempt_names_its_terms_in_the_audit_record() -> None:
    corridor = stage(lambda call: DOWN if "first" in call.url else GOOD, first=terms("text"))
    await corridor.ask()
    chain = Chain(boot="b", worker=1, config_hash="c", version="0", started_at=START)
    body = msgspec.json.decode(chain.append(corridor.journal.records[0]).body)
    assert [(each["partner"], each["terms"]) for each in body["attempts"]] == [("first", "ab" * 8), ("second", None)]


async def test_without_terms_nothing_changes() -> None:
    assert "terms" in CONFIG  # the switch is said, and optional
    assert text_of(await stage().ask(SEEING)) == GOOD.text
