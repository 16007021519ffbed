"""Reasoning that a partner wants back, carried by the device without being readable there: sealed, bound, dated.

A partner's reasoning and its signatures have no field in the device's protocol, and Lizi keeps nothing between
requests: so they travel as one opaque word beside the turn (`x_state`) and come back with it. Never opens what
was sealed for another app, another turn or before its time ran out, and never fails a request over it: what
doesn't open is dropped. Pure: time and nonce are arguments. Cryptography: AES-256-GCM (NIST SP 800-38D) with the
app and the turn as associated data. Bounds: 48 KiB of reasoning a turn, 64 KiB sealed, 16 keys.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from lizi.types import Event, Json, Reasoning, Text, ToolDelta

__all__ = ["LIMIT_BYTES", "Carrier", "Memory", "Part", "Thoughts", "for_partner", "turn_digest"]

LIMIT_BYTES = 64 * 1024
"""Of a sealed word. Longer reasoning is dropped by rule: a device should not pay for it in every later request."""
_PLAIN_BYTES = 48 * 1024
"""Leaves room for base 64 and the frame."""
_CALL, _THOUGHT = 0, -1
_DOMAIN = b"lizi.state.1\0"
_VERSION = b"\x01"
_KEY_ID_BYTES = 8
_NONCE_BYTES = 12
_HEAD = len(_VERSION) + _KEY_ID_BYTES + _NONCE_BYTES
_TAG_BYTES = 16


class Part(Struct, frozen=True):
    """A block of reasoning as its partner gave it; `signature` is opaque."""

    text: str
    signature: str = ""


class Thoughts(Struct, frozen=True):
    """What one turn brings back: only to the partner that made it, and what is signed only to the model that did."""

    partner: str
    parts: list[Part]
    model: str = ""
    """Empty: not known, any of its partner's."""
    places: list[int] = []
    """The turn in order: so many characters of its text, 0 for a call, -1 for a signed part. Empty: all thoughts came first."""


class _Sealed(Struct, frozen=True, array_like=True):
    expires_at: int
    thoughts: Thoughts


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Sealed).decode


def turn_digest(content: Json, calls: Sequence[tuple[str, str]]) -> bytes:
    """What identifies an assistant's turn: its text and its calls (name, arguments), however the client writes them down."""
    text = content if isinstance(content, str) else ""
    if isinstance(content, list):
        text = "".join(part.get("text", "") for part in content if isinstance(part, dict))
    found = hashlib.sha256(text.encode("utf-8", "surrogatepass"))
    for name, arguments in calls:
        for word in (name, arguments):
            data = word.encode("utf-8", "surrogatepass")
            found.update(b"\0" + len(data).to_bytes(8, "big") + data)
    return found.digest()


class Carrier:
    """Seals and opens. `keys`: key id (16 hex digits) → 32 bytes; `current` seals, all open."""

    __slots__ = ("_current", "_keys", "_life_s")

    def __init__(self, keys: Mapping[str, bytes], current: str, life_s: int) -> None:
        self._keys = {bytes.fromhex(name): AESGCM(key) for name, key in keys.items()}
        self._current = bytes.fromhex(current)
        self._life_s = life_s

    def seal(self, thoughts: Thoughts, app: str, turn: bytes, now: float, unique: str) -> str | None:
        """The word for the device; `None` when it would be too long. `unique` is used for one seal ever: the nonce is made of it."""
        data = _encode(_Sealed(int(now) + self._life_s, thoughts))
        if len(data) + _HEAD + _TAG_BYTES > _PLAIN_BYTES:
            return None
        nonce = hashlib.sha256(_DOMAIN + unique.encode()).digest()[:_NONCE_BYTES]
        head = _VERSION + self._current + nonce
        return base64.urlsafe_b64encode(head + self._keys[self._current].encrypt(nonce, data, _bound(app, turn))).decode().rstrip("=")

    def open(self, word: str, app: str, turn: bytes, now: float) -> Thoughts | None:
        """What was sealed; `None` for anything that is not this app's, this turn's, in time and unchanged."""
        try:
            raw = base64.b64decode(word.encode("ascii") + b"=" * (-len(word) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        key = self._keys.get(raw[1 : 1 + _KEY_ID_BYTES])
        if len(word) > LIMIT_BYTES or len(raw) < _HEAD + _TAG_BYTES or raw[:1] != _VERSION or key is None:
            return None
        nonce = raw[1 + _KEY_ID_BYTES : _HEAD]
        try:
            sealed = _decode(key.decrypt(nonce, raw[_HEAD:], _bound(app, turn)))
        except (InvalidTag, msgspec.MsgspecError):
            return None
        return sealed.thoughts if now < sealed.expires_at else None


    def restore(self, messages: list[dict[str, Json]], app: str, now: float) -> tuple[list[dict[str, Json]], int]:
        """The messages with what their `x_state` opens to under `reasoning`, and how many did not open."""
        restored: list[dict[str, Json]] = []
        refused = 0
        for message in messages:
            word = message.get("x_state")
            if word is not None:
                calls = [(call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls") or ()]
                thoughts = self.open(word, app, turn_digest(message.get("content"), calls), now)
                refused += thoughts is None
                message = {name: value for name, value in message.items() if name != "x_state"} | {"reasoning": thoughts}
            restored.append(message)
        return restored, refused


def for_partner(messages: list[dict[str, Json]], partner: str, model: str) -> list[dict[str, Json]]:
    """The messages as a dialect takes them: reasoning as `[{text, signature}]` where this partner made it, and none of another's.

    Beside it stand its `places`. A signature holds for the model that gave it: another model gets the words of unsigned parts alone.
    """
    found = []
    for message in messages:
        if "reasoning" in message:
            thoughts = message["reasoning"]
            message = {name: value for name, value in message.items() if name != "reasoning"}
            if thoughts is not None and thoughts.partner == partner:
                same = thoughts.model in ("", model)
                kept = [part for part in thoughts.parts if same or not part.signature]
                message["reasoning"] = [{"text": part.text, "signature": part.signature} for part in kept]
                if same and thoughts.places:
                    message["places"] = thoughts.places
        found.append(message)
    return found


class Memory:
    """Machine: gathers one turn's reasoning, text and calls, and their order, as they pass.

    Bound: the turn itself, of its reasoning what `seal` takes, and of places three for each signature and one for each call.
    """

    __slots__ = ("_calls", "_parts", "_placed", "_places", "_size", "_text", "_thought")

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._thought: list[str] = []
        self._size = 0
        self._text: list[str] = []
        self._calls: dict[int, list[str]] = {}
        self._places: list[int] = []
        self._placed: set[int] = set()

    def feed(self, sent: list[Event], shown: list[Event] | None = None) -> None:
        """What passed: `sent` by the partner, whose thoughts and order they are, and `shown` to the device, which brings its text back."""
        for event in sent:
            if isinstance(event, Reasoning):
                self._size += len(event.text) + len(event.signature)
                if self._size > LIMIT_BYTES:  # too long to be sealed: nothing of it need be kept
                    self._parts.clear()
                    self._thought.clear()
                    continue
                self._thought.append(event.text)
                if event.signature:
                    self._parts.append(Part("".join(self._thought), event.signature))
                    self._thought.clear()
                    self._places.append(_THOUGHT)
            elif isinstance(event, Text):
                if self._places and self._places[-1] > 0:
                    self._places[-1] += len(event.text)
                elif event.text:
                    self._places.append(len(event.text))
            elif isinstance(event, ToolDelta) and event.index not in self._placed:
                self._placed.add(event.index)
                self._places.append(_CALL)
        for event in sent if shown is None else shown:
            if isinstance(event, Text):
                self._text.append(event.text)
            elif isinstance(event, ToolDelta):
                self._calls.setdefault(event.index, [event.name or ""]).append(event.arguments)

    @property
    def called(self) -> bool:
        """The turn calls tools."""
        return bool(self._calls)

    @property
    def too_long(self) -> bool:
        """There was more than may be carried."""
        return self._size > LIMIT_BYTES

    def thoughts(self, partner: str, model: str) -> Thoughts | None:
        """What is to be brought back; `None` when there was nothing, or too much."""
        parts = [*self._parts, *([Part("".join(self._thought))] if self._thought else [])]
        if not parts or self.too_long:
            return None
        first = _THOUGHT not in self._places[len(self._parts) :]  # the usual order needs no words
        return Thoughts(partner, parts, model, [] if first else self._places)

    def turn(self) -> bytes:
        """The digest that the turn will have when the device sends it back."""
        return turn_digest("".join(self._text), [(words[0], "".join(words[1:])) for _, words in sorted(self._calls.items())])


def _bound(app: str, turn: bytes) -> bytes:
    return _DOMAIN + app.encode() + b"\0" + turn
