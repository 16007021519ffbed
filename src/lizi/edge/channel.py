"""The control channel between supervisor and worker: tagged values, framed, over a socket pair.

A frame is a 4-byte big-endian length and that many bytes of MessagePack. The reader never raises
half-way: what can't be read sets `broken`, after which nothing more is read. Carries key digests
and counters, never a prompt, an answer or a partner's secret. Bounds: a frame is at most 32 MiB;
a peer that leaves 32 MiB unread is cut off. Format: MessagePack specification.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from lizi.admission import Ask, Grant, Refusal, Return
from lizi.callers import KeyRecord
from lizi.config import Config
from lizi.routing import LaneView
from lizi.types import PartnerState

__all__ = [
    "Applied",
    "Asks",
    "Answers",
    "Channel",
    "ClaimClosed",
    "Draining",
    "FrameReader",
    "Generation",
    "Keys",
    "Message",
    "Metrics",
    "MetricsWanted",
    "Pulse",
    "Ready",
    "Returns",
    "Secrets",
    "States",
    "Stop",
    "encode",
]

_FRAME_BYTES = 32 * 1024 * 1024
"""A key book of 100,000 keys is about 20 MB; nothing else comes near."""
_UNREAD_BYTES = 32 * 1024 * 1024


# --- worker → supervisor -------------------------------------------------------


class Ready(Struct, frozen=True, tag="ready"):
    """The worker accepts connections and serves `generation`."""

    pid: int
    generation: int


class Pulse(Struct, frozen=True, tag="pulse"):
    """The worker's loop turns. `late_ms`: how late this beat was, that is, how long the loop was held up."""

    in_flight: int
    late_ms: float
    health: dict[str, str] = {}
    """`partner/model` → `resting` or `failing`, as this worker found it; healthy targets are absent."""
    lanes: dict[str, LaneView] = {}
    """`partner/model@region` → load, health and limits of each lane that this worker has used."""


class Asks(Struct, frozen=True, tag="asks"):
    """All that one turn of the loop wants from the owner."""

    asks: list[Ask]


class Returns(Struct, frozen=True, tag="returns"):
    """Amounts that come back."""

    returns: list[Return]


class ClaimClosed(Struct, frozen=True, tag="claim"):
    """The exchange behind an idempotency key ended; `outcome` None: nothing ran."""

    key_hash: str
    exchange_id: str
    outcome: str | None


class Applied(Struct, frozen=True, tag="applied"):
    """A change acts on this worker from now on; or `error` says why the old state still does."""

    change: int
    error: str = ""


class Metrics(Struct, frozen=True, tag="metrics"):
    """One worker's numbers, as its telemetry packs them."""

    id: int
    data: bytes


# --- supervisor → worker -------------------------------------------------------


class Generation(Struct, frozen=True, tag="generation"):
    """A whole configuration generation: everything a worker builds its `House` from."""

    change: int
    number: int
    config: Config
    keys: list[KeyRecord]
    idempotency_key: bytes
    base_urls: dict[str, str]
    base_dir: str
    """Folder of the configuration file: relative `file:` references start there."""
    states: dict[str, PartnerState] = {}
    """Where each partner stands."""
    state_keys: dict[str, bytes] = {}
    """Key id → key that seals what devices carry, the current one last."""
    other_idempotency_keys: list[bytes] = []
    """Under these, too, an Idempotency-Key may have been remembered."""


class Keys(Struct, frozen=True, tag="keys"):
    """Keys that were created, changed or revoked since the last change; the others stay."""

    change: int
    keys: list[KeyRecord]


class States(Struct, frozen=True, tag="states"):
    """Where all partners stand from now on: a move, without the key book that a whole generation brings along."""

    change: int
    states: dict[str, PartnerState]


class Secrets(Struct, frozen=True, tag="secrets"):
    """The service's own keys that workers hold, from now on; as in `Generation`."""

    change: int
    idempotency_key: bytes
    other_idempotency_keys: list[bytes]
    state_keys: dict[str, bytes]


class Answers(Struct, frozen=True, tag="answers"):
    """The owner's answers to one `Asks`."""

    answers: list[Grant | Refusal]


class MetricsWanted(Struct, frozen=True, tag="metrics_wanted"):
    """Send `Metrics` with this id."""

    id: int


class Draining(Struct, frozen=True, tag="draining"):
    """Answer new requests with 503; after `grace_ms` stop listening; streams may last `drain_ms` more, then exit."""

    grace_ms: int
    drain_ms: int


class Stop(Struct, frozen=True, tag="stop"):
    """Exit now; what is under way is cancelled and recorded so."""


Message: TypeAlias = (
    Ready
    | Pulse
    | Asks
    | Returns
    | ClaimClosed
    | Applied
    | Metrics
    | Generation
    | Keys
    | States
    | Secrets
    | Answers
    | MetricsWanted
    | Draining
    | Stop
)

_ENCODER = msgspec.msgpack.Encoder()
_DECODER: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


def encode(message: Message) -> bytes:
    """One frame."""
    frame = bytearray(4)
    _ENCODER.encode_into(message, frame, 4)
    frame[:4] = (len(frame) - 4).to_bytes(4, "big")
    return bytes(frame)


class FrameReader:
    """A machine: bytes in, messages out. Holds at most one unfinished frame (32 MiB)."""

    __slots__ = ("_held", "broken")

    def __init__(self) -> None:
        self._held = bytearray()
        self.broken = False

    def feed(self, data: bytes) -> list[Message]:
        """The messages that `data` completes. After `broken` is set: none, ever."""
        messages: list[Message] = []
        if self.broken:
            return messages
        self._held += data
        at, held = 0, self._held
        while len(held) - at >= 4:
            size = int.from_bytes(held[at : at + 4], "big")
            if size > _FRAME_BYTES:
                self.broken = True
                break
            if len(held) - at - 4 < size:
                break
            try:
                messages.append(_DECODER.decode(held[at + 4 : at + 4 + size]))
            except msgspec.DecodeError:
                self.broken = True
                break
            at += 4 + size
        self._held = bytearray() if self.broken else held[at:]
        return messages

    def close(self) -> list[Message]:
        """The end of the stream: an unfinished frame means that the peer died while writing."""
        self.broken = self.broken or bool(self._held)
        self._held = bytearray()
        return []


class Channel(asyncio.Protocol):
    """One end. `on_message` and `on_closed` are called on the loop; `on_closed` exactly once."""

    def __init__(self, on_message: Callable[[Message], None], on_closed: Callable[[], None]) -> None:
        self._on_message = on_message
        self._on_closed: Callable[[], None] | None = on_closed
        self._reader = FrameReader()
        self._transport: Any = None

    @classmethod
    async def over(cls, sock: socket.socket, on_message: Callable[[Message], None], on_closed: Callable[[], None]) -> Channel:
        """A channel over one end of a socket pair, which it owns from now on."""
        sock.setblocking(False)
        _, channel = await asyncio.get_running_loop().create_connection(lambda: cls(on_message, on_closed), sock=sock)
        return channel

    @property
    def open(self) -> bool:
        """Whether messages still get through."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, *messages: Message) -> None:
        """Write `messages` in one go. To a closed channel it does nothing: `on_closed` has told already."""
        if not self.open:
            return
        self._transport.write(encode(messages[0]) if len(messages) == 1 else b"".join([encode(message) for message in messages]))
        if self._transport.get_write_buffer_size() > _UNREAD_BYTES:
            self._transport.abort()

    def close(self) -> None:
        """Flush what was sent and close."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's: the socket is ready."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """asyncio's: bytes came."""
        for message in self._reader.feed(data):
            self._on_message(message)
        if self._reader.broken and self.open:
            self._transport.abort()

    def connection_lost(self, exception: Exception | None) -> None:
        """asyncio's: the other end is gone, for whatever reason."""
        self._reader.close()
        on_closed, self._on_closed = self._on_closed, None
        if on_closed is not None:
            on_closed()
