"""Server-sent events: an incremental reader of any byte split, and a writer.

Never raises and never decodes text: payloads stay bytes, so a character cut by a read can't
break. Invariant: any split of the bytes gives the same events. Bound: one event of
`limit_bytes`; past it the reader stops for good with `fault` set. Standard followed: WHATWG
HTML §9.2 (event streams), except that `close` also gives the event that the peer did not end
with a blank line, since partners do send a bare last `data: [DONE]`.
"""

from __future__ import annotations

from msgspec import Struct

__all__ = ["DONE", "SseEvent", "SseEventReader", "SseReader", "write_comment", "write_event"]

DONE = b"data: [DONE]\n\n"
"""How OpenAI's protocol ends a stream."""

_EVENT_LIMIT_BYTES = 8 * 1024 * 1024  # a whole generated picture in base64 fits; no text answer comes near
_BOM = b"\xef\xbb\xbf"


class SseEvent(Struct, frozen=True, kw_only=True):
    """One dispatched event."""

    name: str
    """The `event:` field, `message` when there was none."""
    data: bytes
    """The `data:` lines joined by line feeds."""
    id: str
    """The last `id:` seen on the stream so far; empty when there was none."""


class _Framer:
    """Bytes → blocks between blank lines, with every line ending made a line feed."""

    __slots__ = ("_after_cr", "_begun", "_held", "_held_bytes", "_limit", "fault")

    def __init__(self, limit_bytes: int = _EVENT_LIMIT_BYTES) -> None:
        self._limit = limit_bytes
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._begun = False
        self._after_cr = False
        self.fault: str | None = None
        """`event_too_large` once an event passed the limit; nothing is read after it."""

    def _blocks(self, data: bytes) -> list[bytes]:
        if self.fault is not None:
            return []
        if not self._begun:
            data = self._begin(data)
        if self._after_cr or b"\r" in data:
            data = self._unify(data)
        if not data:
            return []
        held = self._held
        if held:
            # A large event in many reads is joined once, not once a read.
            if b"\n\n" not in data and not (data[0] == 10 and held[-1][-1] == 10):
                held.append(data)
                self._bound(self._held_bytes + len(data))
                return []
            held.append(data)
            data = b"".join(held)
            held.clear()
        blocks = data.split(b"\n\n")
        tail = blocks.pop()
        if tail:
            held.append(tail)
        self._bound(len(tail))
        if len(data) > self._limit:
            for number, block in enumerate(blocks):
                if len(block) > self._limit:
                    self._bound(len(block) + 1)
                    return blocks[:number]
        return blocks

    def _bound(self, size: int) -> None:
        self._held_bytes = size
        if size > self._limit + 1:  # + 1: half of the blank line may be held already
            self.fault = "event_too_large"
            self._held.clear()

    def _begin(self, data: bytes) -> bytes:
        data = b"".join(self._held) + data
        self._held.clear()
        if len(data) < 3 and _BOM.startswith(data):
            if data:
                self._held.append(data)
            return b""
        self._begun = True
        return data[3:] if data.startswith(_BOM) else data

    def _unify(self, data: bytes) -> bytes:
        if self._after_cr and data[:1] == b"\n":
            data = data[1:]
        elif not data:
            return data
        self._after_cr = data[-1:] == b"\r"
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _last(self) -> bytes:
        rest = b"".join(self._held)
        self._held.clear()
        self._begun = True
        return b"" if self.fault is not None else rest


class SseReader(_Framer):
    """The payloads only: what a chat stream needs, at about one `bytes.split` a read."""

    __slots__ = ()

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that `data` completed. Never raises; look at `fault`."""
        payloads: list[bytes] = []
        for block in self._blocks(data):
            if block[:6] == b"data: " and b"\n" not in block:
                payloads.append(block[6:])
            elif block[:7] == b"event: " and block.count(b"\n") == 1 and b"\ndata: " in block:
                payloads.append(block.partition(b"\ndata: ")[2])  # a named event, whose payload names it as well
            else:
                payload = _payload(block)
                if payload is not None:
                    payloads.append(payload)
        return payloads

    def close(self) -> list[bytes]:
        """The payload of an event that was not ended by a blank line, if there is one."""
        payload = _payload(self._last())
        return [] if payload is None else [payload]


class SseEventReader(_Framer):
    """Events with their names and ids, for protocols that use them."""

    __slots__ = ("_id",)

    def __init__(self, limit_bytes: int = _EVENT_LIMIT_BYTES) -> None:
        super().__init__(limit_bytes)
        self._id = ""

    def feed(self, data: bytes) -> list[SseEvent]:
        """The events that `data` completed. Never raises; look at `fault`."""
        return [event for block in self._blocks(data) if (event := self._event(block)) is not None]

    def close(self) -> list[SseEvent]:
        """The event that was not ended by a blank line, if there is one."""
        event = self._event(self._last())
        return [] if event is None else [event]

    def _event(self, block: bytes) -> SseEvent | None:
        name = "message"
        for line in block.split(b"\n"):
            field, value = _field(line)
            if field == b"event":
                name = value.decode("utf-8", "replace") or "message"
            elif field == b"id" and b"\0" not in value:
                self._id = value.decode("utf-8", "replace")
        data = _payload(block)
        return None if data is None else SseEvent(name=name, data=data, id=self._id)


def _field(line: bytes) -> tuple[bytes, bytes]:
    """Name and value of one line; a comment's name is empty."""
    name, _, value = line.partition(b":")
    return name, value[1:] if value[:1] == b" " else value


def _payload(block: bytes) -> bytes | None:
    """The `data` lines of a block; `None` when it has none, so that nothing is dispatched."""
    lines = [value for name, value in map(_field, block.split(b"\n")) if name == b"data"]
    return b"\n".join(lines) if lines else None


def write_event(data: bytes, *, name: bytes = b"", id: bytes = b"") -> bytes:
    """One event. `data` may hold line ends; `name` and `id` may not, and are the house's own."""
    head = b""
    if name:
        head = b"event: " + name + b"\n"
    if id:
        head += b"id: " + id + b"\n"
    if b"\n" in data or b"\r" in data:
        data = b"\ndata: ".join(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"))
    return head + b"data: " + data + b"\n\n"


def write_comment(text: bytes = b"") -> bytes:
    """A comment, the heartbeat of an open stream; `text` holds no line end."""
    return b": " + text + b"\n\n"
