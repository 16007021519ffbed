"""A worker: serves exchanges on the inherited socket until the supervisor says otherwise, or is gone.

Never owns a counter, a key or a configuration: all come over the channel, and each change is
acknowledged once it acts. Without the supervisor it admits nothing: it cuts what is open, writes
the last records and ends. Signals are the supervisor's business; a worker ignores SIGTERM and SIGINT.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import random
import signal
import socket
import ssl
from pathlib import Path

import msgspec
import uvloop
from msgspec.structs import replace

from lizi import __version__
from lizi.audit import Chain
from lizi.callers import CallerBook, KeyRecord
from lizi.config import Config, both_routes, build_house, carrier, shut
from lizi.edge import wiping
from lizi.edge.channel import (
    Answers,
    Applied,
    Channel,
    Draining,
    Generation,
    Keys,
    Message,
    Metrics,
    MetricsWanted,
    Pulse,
    Ready,
    Secrets,
    States,
    Stop,
)
from lizi.edge.images import ImageCleaner
from lizi.edge.journal import Journal
from lizi.edge.limits import OwnerLimits
from lizi.edge.logs import LineWriter, install
from lizi.edge.numbers import MEDIA_TYPE, pack
from lizi.edge.runtime import SystemClock, cancel_all, resolve_secret, spawn
from lizi.edge.server import App, Server
from lizi.edge.telemetry import Telemetry
from lizi.edge.traces import Traces
from lizi.edge.upstream import HttpUpstream
from lizi.errors import LiziError
from lizi.house import House, Ports
from lizi.routing import Traffic
from lizi.text import stretches  # noqa: F401 - loads the recognisers before the first request, not with it
from lizi.types import PartnerState

__all__ = ["Worker", "main"]

_LOG = logging.getLogger("lizi.worker")
_PULSE_S = 1.0
_DAY_S = 86_400
_FIRST_WORD_S = 10.0
"""The first generation lies in the channel already; a supervisor that hasn't sent it by then is stuck."""
_LAST_RECORDS_S = 1.5
"""For the last batch: a commit takes milliseconds, and the supervisor kills after 2 s."""
_GARBAGE_THRESHOLDS = (20_000, 20, 50)
"""Requests make few cycles, so the youngest generation may fill further than the default 700 before it is searched."""


class Worker:
    """One worker process. `app_for` may be replaced by a test's own app."""

    def __init__(self, *, number: int, boot: str, channel: socket.socket, listening: list[socket.socket]) -> None:
        self.number = number
        self.boot = boot
        self.clock = SystemClock()
        self._channel_socket = channel
        self._listening = listening
        self._early: list[Message] | None = []
        self._first: asyncio.Future[Generation] = asyncio.get_running_loop().create_future()
        self._ended = asyncio.Event()
        self._metrics: dict[int, asyncio.Future[bytes]] = {}
        self._asked = 0
        self._keys: dict[str, KeyRecord] = {}
        self._described: tuple[object, bytes] = (None, b"")
        self._tls: ssl.SSLContext | None = None
        self.scrub: wiping.Scrub | None = None

    # --- start ---

    async def run(self) -> None:
        """From the first generation to the end. Raises `LiziError` when it can't start."""
        self.channel = await Channel.over(self._channel_socket, self._heard, self._orphaned)
        async with asyncio.timeout(_FIRST_WORD_S):
            generation = await self._first
        self.base_dir = Path(generation.base_dir)
        self.config = generation.config
        self.traffic = Traffic(self.config.routing, self.config.server.workers)
        self.telemetry = self._start_telemetry()
        self.limits = OwnerLimits(self.channel.send, self.clock)
        self.journal = self._start_journal()
        try:
            self.upstream = HttpUpstream(self._secret, connections=self._connections(generation), private=_private(generation.config))
            self.images = ImageCleaner()
            self.house = self._house(generation)
            self._follow(generation)
            ports = Ports(
                upstream=self.upstream,
                limits=self.limits,
                journal=self.telemetry.journal(self.journal),
                images=self.images,
                clock=self.clock,
                draw=random.Random().random,  # noqa: S311 - a share among targets is no secret
            )
            self.app = self.app_for(self.house, ports)
            self._load_certificate()
            self.server = Server(self.app, self.config.server, ssl_context=self._tls)
            self._catch_up()
            for sock in self._listening:
                await self.server.listen(sock)
            self.channel.send(Ready(os.getpid(), generation.number))
            self.scrub = wiping.Scrub() if self.config.server.wipe_memory else None
            spawn(self._pulse(), "worker-pulse")
            self._settle_memory()
            await self._ended.wait()
        finally:
            await self._end()

    def _catch_up(self) -> None:
        """Changes that came while this worker started act before its first request."""
        early, self._early = self._early or [], None
        for message in early:
            self._heard(message)

    def app_for(self, house: House, ports: Ports) -> App:
        """What the server serves."""
        # Not at the top: a worker that serves another app (tests do) needs neither the features nor their memory.
        from lizi.edge.http import HttpApp, Operations

        operations = Operations(
            ready=lambda: self.channel.open and self.journal.room(),
            metrics=self._all_metrics,
            metrics_token=self._secret(self.config.server.metrics_token),
            openapi=self._openapi,
            started_at=int(self.clock.now()),
        )
        return HttpApp(house, ports, operations, self.telemetry)

    def _openapi(self) -> bytes:
        """The document of what this generation serves, made when it is first asked for."""
        from lizi.wire.openapi import document

        features = self.house.features
        if self._described[0] is not features:
            self._described = (features, msgspec.json.encode(document(version=__version__, features=features)))
        return self._described[1]

    def _start_telemetry(self) -> Telemetry:
        settings = self.config.telemetry
        writer = LineWriter()
        install(settings.log_level, writer)
        traces = Traces(settings.otlp_endpoint, instance=str(self.number)) if settings.otlp_endpoint else None
        return Telemetry(writer=writer, level=settings.log_level, traces=traces)

    def _start_journal(self) -> Journal:
        settings = self.config.store
        chain = Chain(boot=self.boot, worker=self.number, config_hash=self.config.hash, version=__version__, started_at=self.clock.now())
        journal = Journal(
            self.base_dir / self.config.server.data_dir / "lizi.sqlite",
            chain,
            durability=settings.durability,
            batch_ms=settings.batch_ms,
            queue_records=settings.queue_records,
            on_trouble=_tell_of_store,
        )
        journal.start()
        return journal

    def _load_certificate(self) -> None:
        """Also at each reload: a renewed certificate serves new connections without a restart."""
        server = self.config.server
        if not server.tls_certificate:
            return
        if self._tls is None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
            self._tls.set_alpn_protocols(["http/1.1"])
        try:
            self._tls.load_cert_chain(self.base_dir / server.tls_certificate, self.base_dir / server.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise LiziError(
                f"The TLS certificate can't be used: {type(error).__name__}.",
                code="config_invalid",
                param="$.server.tls_certificate",
                hint="Both files must be PEM, belong together, and be readable by the service's user.",
            ) from None

    @staticmethod
    def _settle_memory() -> None:
        """What start-up made lives as long as the process: take it out of every later search of the collector.

        Without it each full collection walks some 100,000 objects of modules and tables, a pause of
        tens of milliseconds in the middle of streams.
        """
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GARBAGE_THRESHOLDS)

    # --- generations ---

    def _secret(self, reference: str) -> str:
        return resolve_secret(reference, base=self.base_dir)

    def _house(self, generation: Generation) -> House:
        config = generation.config
        for partner in config.partners.values():
            if not partner.embedded:
                self._secret(partner.credential)
        self._keys = {record.key_id: record for record in generation.keys}
        house = self._house_at(generation, self.clock.now())
        self._generation = generation
        return house

    def _house_at(self, generation: Generation, at: float) -> House:
        self._day = int(at // _DAY_S)
        return build_house(
            generation.config,
            generation.keys,
            idempotency_key=generation.idempotency_key,
            traffic=self.traffic,
            base_urls=generation.base_urls,
            at=at,
            states=generation.states,
            state_keys=generation.state_keys,
            other_idempotency_keys=generation.other_idempotency_keys,
        )

    @staticmethod
    def _connections(generation: Generation) -> dict[str, int]:
        found: dict[str, int] = {}
        for name, partner in generation.config.partners.items():
            base_url = generation.base_urls.get(name, partner.base_url)
            if base_url:
                found[base_url] = max(partner.connections, found.get(base_url, 0))
        return found

    def _apply(self, generation: Generation) -> None:
        before: Config = self.config
        serving = self._generation
        house = self._house(generation)
        self.config = generation.config
        try:
            self._load_certificate()
        except LiziError:
            self.config, self._generation = before, serving
            raise
        self.upstream.configure(self._connections(generation), _private(generation.config))
        self.traffic.settings = generation.config.routing
        self.traffic.keep(target for route in house.synthetic_routes.values() for target in route.targets)
        self._follow(generation)
        self._swap(house)

    def _follow(self, generation: Generation) -> None:
        """`generation` is what serves. Whom it shuts out gets nothing new, whatever an exchange under way began with."""
        self._generation = generation
        self.traffic.shut = shut(generation.config, generation.states)

    def _move(self, states: dict[str, PartnerState]) -> None:
        generation = replace(self._generation, states=states)
        users, synthetic = both_routes(generation.config, generation.base_urls, self.clock.now(), states)
        self._follow(generation)
        self._swap(replace(self.house, routes=users, synthetic_routes=synthetic))

    def _rekey(self, secrets: Secrets) -> None:
        """Exchanges under way keep the keys that they began with: whoever reads knows those as well."""
        keys = {
            "idempotency_key": secrets.idempotency_key,
            "other_idempotency_keys": secrets.other_idempotency_keys,
            "state_keys": secrets.state_keys,
        }
        self._generation = replace(self._generation, **keys)
        self._swap(
            replace(
                self.house,
                idempotency_key=secrets.idempotency_key,
                other_idempotency_keys=tuple(secrets.other_idempotency_keys),
                carrier=carrier(self._generation.config, secrets.state_keys),
            )
        )

    def _begin_day(self) -> None:
        """Records of partners have dates: on a new day (UTC) the targets are made anew, all else stays."""
        at = self.clock.now()
        if int(at // _DAY_S) != self._day:
            house = self._house_at(self._generation, at)
            self._swap(replace(self.house, routes=house.routes, synthetic_routes=house.synthetic_routes))

    def _swap(self, house: House) -> None:
        self.house = house
        self.app.house = house  # type: ignore[attr-defined]

    # --- the channel ---

    def _heard(self, message: Message) -> None:
        if self._early is not None and not isinstance(message, Stop):
            if isinstance(message, Generation) and not self._first.done():
                self._first.set_result(message)
            else:
                self._early.append(message)
        elif isinstance(message, Answers):
            self.limits.answered(message.answers)
        elif isinstance(message, Generation):
            try:
                self._apply(message)
            except LiziError as error:
                self.channel.send(Applied(message.change, error.message))
            else:
                self.channel.send(Applied(message.change))
        elif isinstance(message, Keys):
            self._keys |= {record.key_id: record for record in message.keys}
            self._swap(replace(self.house, callers=CallerBook(self._keys.values())))
            self.channel.send(Applied(message.change))
        elif isinstance(message, States):
            self._move(message.states)
            self.channel.send(Applied(message.change))
        elif isinstance(message, Secrets):
            self._rekey(message)
            self.channel.send(Applied(message.change))
        elif isinstance(message, MetricsWanted):
            self.channel.send(Metrics(message.id, pack(self._numbers())))
        elif isinstance(message, Metrics):
            future = self._metrics.pop(message.id, None)
            if future is not None and not future.done():
                future.set_result(message.data)
        elif isinstance(message, Draining):
            spawn(self._drain(message), "worker-drain")
        elif isinstance(message, Stop):
            self._ended.set()

    def _orphaned(self) -> None:
        """The supervisor is gone: nothing may start any more."""
        if not self._first.done():
            self._first.cancel()
        if limits := getattr(self, "limits", None):
            limits.closed()
        self._ended.set()

    async def _pulse(self) -> None:
        loop = asyncio.get_running_loop()
        scrub = self.scrub
        if scrub is not None:
            await scrub.start()
        while True:
            due = loop.time() + _PULSE_S
            await asyncio.sleep(_PULSE_S)
            self._begin_day()
            late_ms = (loop.time() - due) * 1000
            now = self.clock.monotonic()
            self.channel.send(Pulse(self.limits.in_flight, late_ms, dict(self.traffic.trouble(now)), self.traffic.views(now)))
            if scrub is not None:
                scrub.turn(self.server.requests, self.server.active)

    # --- numbers ---

    def _numbers(self) -> dict[str, float]:
        server, upstream, journal, images = self.server, self.upstream, self.journal.state, self.images
        return {
            **self.telemetry.numbers(),
            "lizi_exchanges_in_flight": self.limits.in_flight,
            "lizi_client_connections": len(server.connections),
            "lizi_client_connections_total": server.connections_opened,
            "lizi_client_connections_refused_total": server.connections_refused,
            "lizi_client_timeouts_total": server.timeouts,
            "lizi_clients_left_total": server.clients_left,
            "lizi_slow_readers_total": server.slow_readers,
            "lizi_sent_bytes_total": server.bytes_out,
            "lizi_partner_connections": upstream.open_connections,
            "lizi_partner_connections_total": upstream.opened,
            "lizi_partner_requests_failed_total": upstream.failed,
            "lizi_partner_requests_cancelled_total": upstream.cancelled,
            "lizi_images_pending": images.pending,
            "lizi_images_cleaned_total": images.cleaned,
            "lizi_images_refused_total": images.refused,
            "lizi_images_failed_total": images.failures,
            "lizi_journal_waiting": journal.waiting,
            "lizi_journal_committed_total": journal.committed,
            "lizi_journal_failures_total": journal.failures,
            "lizi_lanes_full_total": self.traffic.full,
            "lizi_retries_total": self.traffic.retries,
            "lizi_retries_refused_total": self.traffic.retries_refused,
            **{
                f'lizi_partner_alarms_total{{partner="{partner}",cause="{cause}"}}': count
                for (partner, cause), count in self.traffic.alarms.items()
            },
        }

    async def _all_metrics(self) -> tuple[str, bytes]:
        """The numbers of the whole service, from the supervisor."""
        self._asked += 1
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._metrics[self._asked] = future
        self.channel.send(MetricsWanted(self._asked))
        try:
            async with asyncio.timeout(2.0):  # the supervisor waits 0.9 s for the slowest worker
                return MEDIA_TYPE, await future
        except TimeoutError:
            raise LiziError("The metrics could not be gathered in time.", code="busy", retry_after_s=1.0) from None
        finally:
            self._metrics.pop(self._asked, None)

    # --- end ---

    async def _drain(self, draining: Draining) -> None:
        """New requests get 503 and readiness is off, then the door closes, then streams may finish."""
        self.server.drain()
        await asyncio.sleep(draining.grace_ms / 1000)
        await self.server.closed(self.clock.monotonic() + draining.drain_ms / 1000)
        self._ended.set()

    async def _end(self) -> None:
        """Cut what is open, which settles and records it, then write the last records."""
        if server := getattr(self, "server", None):
            await server.closed(self.clock.monotonic())
        if limits := getattr(self, "limits", None):
            limits.flush()
        if upstream := getattr(self, "upstream", None):
            await upstream.close()
        if images := getattr(self, "images", None):
            await images.close()
        await cancel_all(1.0)
        if self.scrub is not None:
            self.scrub.close()
        lost = self.journal.close(_LAST_RECORDS_S)
        if lost:
            _LOG.error("records not written", extra={"lost": lost})
        self.channel.close()
        self.telemetry.close()


def _private(config: Config) -> list[str]:
    """Addresses of partners whose names may lead into a private network."""
    return [partner.base_url for partner in config.partners.values() if partner.private_network and partner.base_url]


def _tell_of_store(trouble: str | None) -> None:
    """On the journal's thread: once when the store fails, once when it works again."""
    if trouble is None:
        _LOG.warning("store is written again")
    else:
        _LOG.error("store not written", extra={"error": trouble})


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lizi.edge.worker", description="Started by the supervisor only.")
    parser.add_argument("--number", type=int, required=True)
    parser.add_argument("--boot", required=True)
    parser.add_argument("--channel-fd", type=int, required=True)
    parser.add_argument("--listen-fds", required=True)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None, kind: type[Worker] = Worker) -> int:
    """0 after a wanted end, 2 when it can't start."""
    arguments = _arguments(argv)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    wiping.close()

    async def serve() -> None:
        worker = kind(
            number=arguments.number,
            boot=arguments.boot,
            channel=socket.socket(fileno=arguments.channel_fd),
            listening=[socket.socket(fileno=int(number)) for number in arguments.listen_fds.split(",")],
        )
        await worker.run()

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())
    except LiziError as error:
        # Also before the configuration came with its level: the supervisor passes standard error on.
        writer = LineWriter()
        install("info", writer)
        _LOG.error("worker can't serve", extra={"code": error.code, "reason": error.message, "hint": error.hint, "param": error.param})
        writer.close()
        return 2
    except asyncio.CancelledError:
        return 0  # orphaned before it began
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
