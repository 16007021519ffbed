"""Every partner row takes its turn as the old and as the new partner, under streams: the device sees nothing of it.

A ring: the first row hands over to the second, that one to the third, the last to the first again. The real service, the real
`lizi partner move`, scripted partners in their own dialects on sockets.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from e2e.outside import admin
from lizi.testing.device import Seen, read_stream
from lizi.testing.partners import Behaviour, Partner
from lizi.testing.speeches import SPEECHES
from running_service import PARTNER_KEY, Served, serving

WORDS = "The harbour was quiet before the ships came in, 港口靜了, and then it was not. 🦊"
CHUNKS, GAP_MS, DEVICES = 20, 10, 12
"""A stream of 0.2 s, so that each swap finds all devices in the middle of one."""
GOOD = Behaviour(text=WORDS, chunks=CHUNKS, interval_ms=GAP_MS, reasoning="The question is about a harbour.")
DEATHS = (Behaviour(fault="close_before_headers"), Behaviour(text=WORDS, fault="reset", fault_after=0))
"""Before a byte of the answer, and after its head."""
SILENT = Behaviour(first_byte_ms=60_000)
"""It has taken the request and said nothing when it dies."""
ASK = {
    "model": "assistant",
    "messages": [{"role": "user", "content": "Tell me of the harbour."}],
    "stream_options": {"include_usage": True},
    "max_tokens": 100,
}
RING = (*SPEECHES, next(iter(SPEECHES)))
NAMES = [f"{dialect.replace('_', '-')}-cloud-{number}" for number, dialect in enumerate(RING)]
# One death takes some thirty second tries in each worker before the target rests, well within the usual hundred a minute. Here
# the ring has one every two seconds.
CONFIG = """
[server]
listen = "127.0.0.1:0"
workers = 2
grace_ms = 0
drain_ms = 2000
[metering]
unpriced = "free"
[routing]
retry_floor = 1000
{partners}
[models.assistant]
targets = [{targets}]
"""


def configuration(partners: list[Partner]) -> str:
    """All rows, in the order of the ring; the first serves, the others are approved and wait."""
    blocks, targets = [], []
    for number, (name, dialect, partner) in enumerate(zip(NAMES, RING, partners, strict=True)):
        speech = SPEECHES[dialect]
        blocks.append(f'[partners.{name}]\ndialect = "{dialect}"\nbase_url = "{partner.base_url}"')
        blocks += ['credential = "env:ACME_KEY"'] if speech.key_header else []
        blocks += ['state = "approved"'] if number else []
        targets.append(f'{{ partner = "{name}", model = "{speech.models[0]}" }}')
    return CONFIG.format(partners="\n".join(blocks), targets=", ".join(targets))


class Devices:
    """So many devices, each of which asks again as soon as it has its answer."""

    def __init__(self, served: Served) -> None:
        self.seen: list[Seen] = []
        self.enough = False
        self._served = served

    async def one(self) -> None:
        while not self.enough:
            self.seen.append(await read_stream(self._served.port, self._served.key, ASK))

    def check(self) -> None:
        """No exchange failed, and none looked otherwise than the first."""
        first = self.seen[0]
        assert first.status == 200 and first.shapes
        for seen in self.seen:
            assert seen.ended and seen.text == WORDS, seen.raw
            assert seen.form == first.form
        named = {*SPEECHES, *NAMES, *(model for speech in SPEECHES.values() for model in speech.models), "acme", "cloud", PARTNER_KEY}
        told = re.compile(rb"(?<![\w.-])(" + b"|".join(re.escape(name.lower().encode()) for name in sorted(named)) + rb")(?!\w)")
        for seen in self.seen:
            assert told.search(seen.raw.lower()) is None, seen.raw


class Stage:
    """The ring, served."""

    def __init__(self, served: Served, partners: list[Partner], devices: Devices) -> None:
        self.served, self.partners, self.devices = served, partners, devices

    async def move(self, at: int, state: str) -> None:
        """As the operator does it."""
        done = await asyncio.to_thread(self.served.lizi, "partner", "move", NAMES[at], state, "--why", "the next one")
        assert done["state"] == state

    async def moved(self, at: int, state: str) -> None:
        """The same without a process for the command: what it asks of the service."""
        wanted = {"state": state, "why": "the next one", "user": "olga"}
        done = await asyncio.to_thread(admin, self.served, "POST", f"/partners/{NAMES[at]}/move", wanted)
        assert done["state"] == state

    async def busy(self, at: int) -> None:
        """All devices are in the middle of an answer of this one, or between two."""
        partner = self.partners[at]
        so_far = partner.completed_total
        await partner.until(lambda: partner.completed_total >= so_far + DEVICES and partner.in_flight >= DEVICES // 2, 20)


@asynccontextmanager
async def ring(folder: Path) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        partners = [await stack.enter_async_context(Partner(GOOD, dialect=dialect, key=PARTNER_KEY, capture=10_000)) for dialect in RING]
        served = stack.enter_context(serving(folder, configuration(partners)))
        devices = Devices(served)
        async with asyncio.TaskGroup() as group:
            for _ in range(DEVICES):
                group.create_task(devices.one())
            try:
                yield Stage(served, partners, devices)
            finally:
                devices.enough = True
        for partner in partners:
            assert not partner.refused


async def test_each_row_hands_over_to_the_next_and_drains(tmp_path: Path) -> None:
    async with ring(tmp_path) as stage:
        for at, old in enumerate(stage.partners[:-1]):
            await stage.busy(at)
            await stage.moved(at + 1, "active")
            await stage.move(at, "retired")
            asked = old.requests_total
            await stage.busy(at + 1)
            await old.until(lambda old=old: old.in_flight == 0)
            assert old.requests_total == asked, "nobody is sent to it any more"
            assert not old.cancelled and old.completed_total == asked, "its answers ended as they began"
    stage.devices.check()
    assert all(partner.completed_total >= DEVICES for partner in stage.partners)


async def test_each_row_dies_at_once_and_the_next_answers_for_it(tmp_path: Path) -> None:
    async with ring(tmp_path) as stage:
        for at, old in enumerate(stage.partners[:-1]):
            await stage.moved(at + 1, "active")
            await stage.busy(at)  # what began before had nobody else to go to
            old.play(SILENT)
            began = old.requests_total
            await old.until(lambda old=old, began=began: old.requests_total == began + DEVICES == began + old.in_flight, 20)
            old.play(lambda captured: DEATHS[captured.number % 2])
            old.drop()  # all devices wait for it now, and none has seen anything
            await stage.busy(at + 1)
            await old.until(lambda old=old: old.in_flight == 0)
            assert old.requests_total > began + DEVICES, "asked again, it dies again"
            await old.stop()  # from here on its address takes no connections
            await stage.busy(at + 1)
            await stage.moved(at, "retired")
            assert not old.cancelled
    stage.devices.check()
