"""The parent process: socket, counters, generations, keys, workers, the embedded model, the admin plane.

Never serves an exchange and never swallows a bad file: a reload that fails leaves the old
generation serving and says why. Changes (reload, revocation) go one after another and return
when all workers acknowledged them. SIGHUP reloads, SIGTERM and SIGINT drain, a second one stops.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import uvloop

from lizi import __version__
from lizi.admission import Moment, Owner
from lizi.audit import Chain
from lizi.callers import KeyRecord
from lizi.config import Config, critical, load
from lizi.edge import local_model, models, partners, wiping
from lizi.edge.admin import AdminPlane
from lizi.edge.book import Book
from lizi.edge.channel import Generation, Keys, Secrets, States
from lizi.edge.embedded import EmbeddedModel
from lizi.edge.fleet import Fleet, Landing
from lizi.edge.journal import HouseChain
from lizi.edge.keyring import Keyring, Purpose
from lizi.edge.logs import LineWriter, install
from lizi.edge.runtime import SystemClock, cancel_all, resolve_secret, spawn
from lizi.edge.store import Lock
from lizi.errors import ConfigError, LiziError
from lizi.metering.prices import Periods, periods
from lizi.settings import ServerSettings
from lizi.types import Plan, Standing

__all__ = ["Supervisor", "main", "run"]

_LOG = logging.getLogger("lizi.supervisor")
_BACKLOG = 2_048
"""Connections that wait for a worker to accept: a burst of a fifth of a second at 10,000 a second. The kernel may cap it."""
_SEAL_S = 10.0
"""Heads of all chains are sealed this often when they moved: a cut tail older than this shows."""

_AT_START_ONLY = (
    *(("server", name) for name in ServerSettings.__struct_fields__),
    *(("store", name) for name in ("durability", "batch_ms", "queue_records")),
    *(("telemetry", name) for name in ("log_level", "otlp_endpoint")),
)
"""What a worker takes when it starts: sockets, its journal's thread, its log and trace writers."""
_LATE_S = 10.0
"""A key of the keyring may be in use for this long after the next was made: all workers have that after two acknowledgements."""
_TO_COME = 100
"""Workers that may start while a settlement runs, which takes milliseconds."""


class Supervisor:
    """One running service."""

    def __init__(self, path: Path, *, environ: dict[str, str] | None = None, worker_module: str = "lizi.edge.worker") -> None:
        self.path = path.absolute()
        self.clock = SystemClock()
        self.config = load(self.path, self.clock.now())
        self.data_dir = self.path.parent / self.config.server.data_dir
        self.number = 1
        self.started_at = self.clock.now()
        self.address = ""
        self._environ = dict(os.environ if environ is None else environ)
        self._environ[local_model.KEY_ENV] = secrets.token_urlsafe(32)
        self._worker_module = worker_module
        self._changing = asyncio.Lock()
        self._periods: Periods | None = None
        self._models: dict[str, EmbeddedModel] = {}
        self._sockets: tuple[socket.socket, ...] = ()
        self._dead: set[int] = set()
        self._ending = asyncio.Event()
        self._stop_now = asyncio.Event()

    # --- start and end ---

    async def start(self) -> None:
        """Everything up and ready, or a `LiziError` that says what is in the way."""
        self._check_secrets(self.config)
        settings = self.config.store
        store_path = self.data_dir / "lizi.sqlite"
        self._lock = Lock(store_path)
        self.keyring = Keyring.open(self.data_dir / "keyring", self.clock.now())
        self.book = Book(store_path)
        await self.book.open()
        self._boot = self.clock.new_id("")
        chain = Chain(boot=self._boot, worker=0, config_hash=self.config.hash, version=__version__, started_at=self.started_at)
        self.chain = await self.book.run(lambda store: HouseChain(store, chain, self.keyring))
        await self.book.run(lambda _: self.chain.keys(self.keyring.keys(), "service"))
        # Nobody lives yet: whatever is open was left by an earlier boot.
        await self.book.run(lambda _: self.chain.settle_unclosed((), self.clock.now()))
        self.owner = Owner(
            workers=self.config.server.workers,
            in_flight=self.config.admission.exchanges_in_flight,
            claim_life_s=float(settings.idempotency_life_s),
        )
        await self._restore()
        await partners.introduce(self, self.config)
        partners.warn(self, aloud=True)
        self._listen(self.config.server)
        for partner in self.config.partners:
            await self._start_model(self.config, partner)
        self.fleet = Fleet(
            workers=self.config.server.workers,
            owner=self.owner,
            moment=self.moment,
            sockets=self._sockets,
            environ=wiping.environment(self._environ, wipe=self.config.server.wipe_memory),
            generation=self._generation(self.config),
            boot=self._boot,
            on_death=self._buried,
            module=self._worker_module,
        )
        await self.fleet.start()
        self.admin = AdminPlane(self)
        await self.admin.listen()
        spawn(self._seal_regularly(), "supervisor-seals")
        spawn(partners.remind(self), "supervisor-reminds")

    async def _restore(self) -> None:
        moment = self.moment()
        past = await self.book.past(
            day_start=moment.day_start, month_start=moment.month_start, claims_since=moment.at - self.owner.claim_life_s
        )
        for app, micros in past.month_micros.items():
            self.owner.restore(app, moment, day_micros=past.day_micros.get(app, 0), month_micros=micros)
        for _, key_hash, exchange_id, at, state in past.claims:
            self.owner.restore_claim(key_hash, exchange_id, state, at)

    def moment(self) -> Moment:
        """Now, on both clocks, with the budget periods of the configured zone."""
        at = self.clock.now()
        current = self._periods
        if current is None or not current.day_start <= at < current.day_end:
            current = self._periods = periods(at, ZoneInfo(self.config.metering.time_zone))
        return Moment(
            mono=self.clock.monotonic(),
            at=at,
            day_start=current.day_start,
            day_end=current.day_end,
            month_start=current.month_start,
            month_end=current.month_end,
        )

    def _listen(self, server: ServerSettings) -> None:
        host, _, port = server.listen.rpartition(":")
        host = host.strip("[]")
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                host or None, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            sock = socket.socket(family, kind, protocol)
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(address)
                sock.listen(_BACKLOG)
            except OSError:
                sock.close()
                raise
        except (OSError, ValueError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or "it is no host:port"
            raise ConfigError(
                f"Can't listen on {server.listen}: {reason}.",
                code="config_invalid",
                param="$.server.listen",
                hint="Choose another port, or end what uses this one.",
            ) from None
        self._sockets = (sock,)
        shown, number = sock.getsockname()[:2]
        shown = f"[{shown}]" if ":" in shown else shown
        self.address = f"{'https' if server.tls_certificate else 'http'}://{shown}:{number}"

    def request_end(self) -> None:
        """Drain and end; when asked a second time, stop at once."""
        if self._ending.is_set():
            self._stop_now.set()
        self._ending.set()

    async def until_ended(self) -> None:
        """Serve until `request_end`, then drain, or stop when asked again."""
        await self._ending.wait()
        server = self.config.server
        # After the grace nobody accepts any more; a connection must then be refused and not wait in vain.
        asyncio.get_running_loop().call_later(server.grace_ms / 1000, self._close_sockets)
        draining = asyncio.ensure_future(self.fleet.drain(server.grace_ms, server.drain_ms))
        stopping = asyncio.ensure_future(self._stop_now.wait())
        try:
            await asyncio.wait([draining, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not draining.done():
                await self.fleet.stop()
        finally:
            draining.cancel()
            stopping.cancel()

    async def close(self) -> None:
        """Release everything, also after a start that failed half-way."""
        if fleet := getattr(self, "fleet", None):
            await fleet.stop()
        for model in self._models.values():
            await model.stop()
        if admin := getattr(self, "admin", None):
            await admin.close()
        await cancel_all()
        self._close_sockets()
        if book := getattr(self, "book", None):
            if hasattr(self, "chain"):
                await self._written(lambda: self.chain.checkpoint(self.clock.now()))
            await book.close()
        if lock := getattr(self, "_lock", None):
            lock.release()

    def _close_sockets(self) -> None:
        for sock in self._sockets:
            sock.close()

    # --- the embedded model ---

    async def _start_model(self, config: Config, partner: str) -> None:
        settings = config.partners[partner]
        if not settings.embedded or partner in self._models:
            return
        model = EmbeddedModel(
            partner,
            settings.embedded,
            models.directory(self._environ),
            key=self._environ[local_model.KEY_ENV],
            environ=wiping.environment(self._environ, wipe=self.config.server.wipe_memory),
            on_address=self._moved,
        )
        await model.start()
        self._models[partner] = model
        spawn(model.watch(), f"embedded-{partner}")

    def _moved(self, partner: str, base_url: str) -> None:
        """A restarted model has another port: tell the workers, once there are any."""
        if hasattr(self, "fleet"):
            spawn(self._push(self.config), "supervisor-address")

    # --- changes ---

    def _generation(self, config: Config) -> Generation:
        fleet, now = getattr(self, "fleet", None), self.clock.now()
        return Generation(
            change=fleet.next_change() if fleet is not None else 0,
            number=self.number,
            config=config,
            keys=list(self.book.keys.values()),
            idempotency_key=self.keyring.idempotency_secret(),
            base_urls={partner: model.base_url for partner, model in self._models.items()},
            base_dir=str(self.path.parent),
            states=partners.states(self),
            state_keys=self.keyring.state_secrets(now - config.carry.life_s - _LATE_S),
            other_idempotency_keys=self.keyring.other_idempotency_secrets(now - config.store.idempotency_life_s - _LATE_S),
        )

    async def _push(self, config: Config) -> Landing:
        async with self._changing:
            generation = self._generation(config)
            self.fleet.follow(generation)
            return await self.fleet.apply(generation)

    def _check_secrets(self, config: Config) -> None:
        """Each reference resolves here as it will in the workers, which have the same environment."""
        for partner in config.partners.values():
            if not partner.embedded:
                resolve_secret(partner.credential, self._environ, base=self.path.parent)
        resolve_secret(config.server.metrics_token, self._environ, base=self.path.parent)

    async def reload(self) -> Landing:
        """Read the file again and swap it in on all workers. Raises `LiziError`; the old generation serves on then."""
        async with self._changing:
            config = load(self.path, self.clock.now())
            for section, name in _AT_START_ONLY:
                if getattr(getattr(config, section), name) != getattr(getattr(self.config, section), name):
                    raise ConfigError(
                        f"{section}.{name} needs a restart; nothing was changed.",
                        code="config_invalid",
                        param=f"$.{section}.{name}",
                        hint="Put the old value back to reload the rest, or restart the service.",
                    )
            for name, settings in config.partners.items():
                before = self.config.partners.get(name)
                if before is not None and before.embedded and settings.embedded != before.embedded:
                    raise ConfigError(
                        f"partners.{name}.embedded needs a restart; nothing was changed.",
                        code="config_invalid",
                        param=f"$.partners.{name}.embedded",
                        hint="Add the other model as a partner of another name, or restart the service.",
                    )
            self._check_secrets(config)
            for name in config.partners:
                await self._start_model(config, name)
            before_config, self.number = self.config, self.number + 1
            generation = self._generation(config)
            # First what new workers start with, then the running ones: one that starts meanwhile has it either way.
            self.fleet.follow(generation)
            landing = await self.fleet.apply(generation)
            if landing.errors:
                # Some may have taken it: all go back to what served before.
                self.number += 1
                generation = self._generation(before_config)
                self.fleet.follow(generation)
                await self.fleet.apply(generation)
                raise ConfigError(landing.errors[0], code="config_invalid", hint="Nothing was changed; mend it and reload again.")
            self.config = config
            self._periods = None
            self.owner.in_flight_limit = config.admission.exchanges_in_flight
            self.owner.claim_life_s = float(config.store.idempotency_life_s)
            for name in [name for name in self._models if name not in config.partners]:
                await self._models.pop(name).stop()
            await partners.introduce(self, config)
            partners.warn(self, aloud=True)
            _LOG.info("reloaded", extra={"generation": self.number, "config_hash": config.hash})
            return landing

    async def move_partner(self, name: str, wanted: str, *, by: str, why: str, force: bool = False) -> tuple[Standing, Landing]:
        """See `edge.partners.move`."""
        async with self._changing:
            return await partners.move(self, name, wanted, by=by, why=why, force=force)

    async def rotate_keyring(self, purpose: Purpose, *, by: str) -> tuple[str, Landing]:
        """A new current key of the service's own; acts on all workers when this returns. The next checkpoint is signed by it."""
        async with self._changing:
            now = self.clock.now()
            # In the book's thread, where checkpoints are signed.
            key_id = await self.book.run(lambda _: self.keyring.add(purpose, now, lambda key: self.chain.keys([key], by)))
            # First all know it, then they use it: what one worker writes, every other can read at any moment.
            await self._land_secrets()
            self.keyring.turn(purpose)
            _LOG.warning("keyring rotated", extra={"reason": purpose, "key": key_id})
            return key_id, await self._land_secrets()

    async def _land_secrets(self) -> Landing:
        generation = self._generation(self.config)
        self.fleet.follow(generation)
        keys = (generation.idempotency_key, generation.other_idempotency_keys, generation.state_keys)
        return await self.fleet.apply(Secrets(generation.change, *keys))

    async def land_states(self) -> Landing:
        """Where partners stand, on all workers; under the lock for changes."""
        generation = self._generation(self.config)
        self.fleet.follow(generation)
        return await self.fleet.apply(States(generation.change, generation.states))

    async def _land(self, *records: KeyRecord) -> Landing:
        generation = self._generation(self.config)
        self.fleet.follow(generation)
        return await self.fleet.apply(Keys(generation.change, list(records)))

    async def create_key(self, app: str, plan: Plan, expires_at: float | None = None) -> tuple[str, KeyRecord, Landing]:
        """A new key, usable on all workers when this returns."""
        async with self._changing:
            shown, record = await self.book.create(app, plan, self.clock.now(), expires_at)
            return shown, record, await self._land(record)

    async def revoke_key(self, key_id: str) -> tuple[KeyRecord, Landing]:
        """Refused on all workers when this returns, within 1 s: a worker that does not answer is killed."""
        async with self._changing:
            record = await self.book.revoke(key_id, self.clock.now())
            return record, await self._land(record)

    async def rotate_key(self, key_id: str, overlap_s: float) -> tuple[str, KeyRecord, Landing]:
        """A new key beside the old one, which ends after `overlap_s`."""
        async with self._changing:
            shown, record, old = await self.book.rotate(key_id, self.clock.now(), overlap_s)
            return shown, record, await self._land(record, old)

    async def set_plan(self, key_id: str, plan: Plan) -> tuple[KeyRecord, Landing]:
        """Another plan for a key."""
        async with self._changing:
            record = await self.book.set_plan(key_id, plan)
            return record, await self._land(record)

    # --- what is seen ---

    def status(self) -> dict[str, Any]:
        """What an operator wants to know first. No secrets, no content."""
        workers = self.fleet.states
        found: dict[str, dict[str, Any]] = {}
        for name, settings in self.config.partners.items():
            model = self._models.get(name)
            trouble = {target: state for worker in workers for target, state in worker.health.items() if target.startswith(f"{name}/")}
            found[name] = {"embedded": settings.embedded, "region": settings.region, "targets_in_trouble": trouble}
            found[name] |= {"standing": self.book.standings.get(name), "terms": self.config.agreed.get(name)}
            found[name]["in_flight"] = sum(
                view.requests for worker in workers for lane, view in worker.lanes.items() if lane.startswith(f"{name}/")
            )
            if model is not None:
                found[name] |= {"process": model.state, "restarts": model.restarts}
        return {
            "address": self.address,
            "pid": os.getpid(),
            "generation": self.number,
            "config_hash": self.config.hash,
            "uptime_s": round(self.clock.now() - self.started_at, 1),
            "draining": self.fleet.draining,
            "in_flight": self.owner.in_flight,
            "worker_restarts": self.fleet.restarts,
            "workers": workers,
            "partners": found,
            "critical": critical(self.config, partners.states(self), self.clock.now()),
            "keys": len(self.book.keys),
        }

    async def metrics(self) -> bytes:
        """The numbers of all workers and of this process, as Prometheus text."""
        return await self.fleet.metrics()

    def _buried(self, number: int) -> None:
        """A worker's process has ended: what it left open settles at the reserved maximum (law 5)."""
        self._dead.add(number)
        # Those that start while this runs live, too.
        live = {f"{self._boot}.{number}" for number in range(1, self.fleet.started + _TO_COME) if number not in self._dead}
        spawn(self._written(lambda: self.chain.settle_unclosed(live, self.clock.now())), "supervisor-settles")

    async def _written(self, work: Callable[[], object]) -> None:
        try:
            await self.book.run(lambda _: work())
        except LiziError as error:
            # A full disk may have space later: seals and settlements are made up for then, or at the next start.
            _LOG.error("store not written", extra={"error": error.code, "reason": error.internal})

    async def _seal_regularly(self) -> None:
        while True:
            await asyncio.sleep(_SEAL_S)
            await self._written(lambda: self.chain.checkpoint(self.clock.now()))


async def run(
    path: Path, on_started: Callable[[Supervisor], Awaitable[None]] | None = None, *, worker_module: str = "lizi.edge.worker"
) -> None:
    """Serve `path` until SIGTERM. `on_started` is awaited when everything is ready. Raises `LiziError` when it can't start."""
    supervisor = Supervisor(path, worker_module=worker_module)
    writer = LineWriter()
    install(supervisor.config.telemetry.log_level, writer)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.request_end)
    loop.add_signal_handler(signal.SIGHUP, lambda: spawn(_reload(supervisor), "supervisor-reload"))
    try:
        starting = asyncio.ensure_future(supervisor.start())
        ending = asyncio.ensure_future(supervisor._ending.wait())
        await asyncio.wait([starting, ending], return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        if not starting.done():
            starting.cancel()
            await asyncio.wait([starting])
            return
        await starting
        if on_started is not None:
            await on_started(supervisor)
        await supervisor.until_ended()
    finally:
        await supervisor.close()
        writer.close()


async def _reload(supervisor: Supervisor) -> None:
    try:
        await supervisor.reload()
    except LiziError as error:
        _LOG.error("reload refused", extra={"reason": error.message, "hint": error.hint})


def main(argv: list[str] | None = None) -> int:
    """`python -m lizi.edge.supervisor --config lizi.toml`: prints the address as soon as it serves."""
    parser = argparse.ArgumentParser(prog="python -m lizi.edge.supervisor", description="Serve a configuration until SIGTERM.")
    parser.add_argument("--config", type=Path, default=Path("lizi.toml"))
    arguments = parser.parse_args(argv)

    async def started(supervisor: Supervisor) -> None:
        sys.stdout.write(supervisor.address + "\n")
        sys.stdout.flush()

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run(arguments.config, started))
    except LiziError as error:
        sys.stderr.write(f"{error.message} {error.hint or ''}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
