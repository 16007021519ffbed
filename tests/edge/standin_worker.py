"""A worker with a small app of its own in the place of the routes: real sockets, limits, journal and channel."""

from __future__ import annotations

import asyncio
import os

import msgspec

from lizi.edge.request_reading import Request
from lizi.edge.responder import Reply, Responder
from lizi.edge.worker import Worker, main
from lizi.errors import LiziError
from lizi.house import House, Ports
from lizi.types import Claim, Demand, Exchange, Usage


class Order(msgspec.Struct):
    tokens: int = 1
    used: int = 1
    money: int = 0
    hold_ms: int = 0
    stream: bool = False
    key: str = ""


class StandInApp:
    def __init__(self, house: House, ports: Ports, worker: Worker) -> None:
        self.house, self.ports, self.worker = house, ports, worker

    def screen(self, request: Request) -> Reply | None:
        if request.draining:
            return Reply(status=503, headers=(("retry-after", "1"),), body=b"draining")
        return None

    def fault(self, error: LiziError, request: Request | None) -> Reply:
        headers = (("retry-after", str(error.retry_after_s)),) if error.retry_after_s is not None else ()
        return Reply(status=error.status, headers=headers, body=msgspec.json.encode({"code": error.code, "extra": error.extra}))

    def handle(self, request: Request, responder: Responder):
        if request.path == "/metrics":
            return self.metrics()
        if request.path == "/who":
            body = {"pid": os.getpid(), "default_output_tokens": [route.default_output_tokens for route in self.house.routes.values()]}
            return Reply(status=200, body=msgspec.json.encode(body))
        try:
            caller = self.house.callers.authenticate(request.headers.get("authorization"), self.ports.clock.now())
        except LiziError as error:
            return self.fault(error, request)
        return self.exchange(request, caller)

    async def metrics(self) -> Reply:
        _, text = await self.worker._all_metrics()
        return Reply(status=200, body=text)

    async def exchange(self, request: Request, caller) -> Reply:
        order = msgspec.json.decode(request.body, type=Order)
        clock = self.ports.clock
        exchange = Exchange(
            id=clock.new_id("rq_"), feature="chat", started_at=clock.now(), started_mono=clock.monotonic(),
            config_hash=self.house.config_hash, app=caller.app, key_id=caller.key_id, model="m", idempotency=order.key or None,
        )  # fmt: skip
        claim = Claim(key_hash=order.key, exchange_id=exchange.id) if order.key else None
        demand = Demand(tokens=order.tokens, money_micros=order.money, streams=1 if order.stream else 0)
        try:
            ticket = await self.ports.limits.reserve(caller, demand, claim)
        except LiziError as error:
            return self.fault(error, request)
        exchange.reserved_micros = order.money
        exchange.outcome = "cancelled"
        try:
            await self.ports.journal.intend(exchange)
            if order.hold_ms:
                await asyncio.sleep(order.hold_ms / 1000)
            exchange.outcome = "ok"
        finally:
            exchange.ended_at = clock.now()
            exchange.charged_micros = exchange.spent_micros = order.money
            usage = Usage(input_tokens=order.used)
            self.ports.limits.settle(ticket, usage, order.money, exchange.outcome)
            self.ports.journal.append(exchange)
        return Reply(status=200, body=msgspec.json.encode({"pid": os.getpid(), "state": ticket.quota_state, "id": exchange.id}))


class StandInWorker(Worker):
    def app_for(self, house: House, ports: Ports):
        return StandInApp(house, ports, self)


if __name__ == "__main__":
    raise SystemExit(main(kind=StandInWorker))
