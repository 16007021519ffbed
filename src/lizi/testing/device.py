"""A device that reads one streamed chat to its end and notes what it is made of, so that answers of different partners can be compared.

On a raw socket, since a client library would mend what must not need mending. Never retries. Bound: one answer in memory, and
`_PATIENCE_S` for it. Standard: OpenAI chat completions, streamed.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Seen", "read_stream", "shape_of"]

_PATIENCE_S = 20.0
"""For streams of a second; the rest is for a machine that is busy with something else."""
_TOLD = frozenset({"model", "finish_reason", "object"})
"""Fields on whose value a device acts."""


@dataclass
class Seen:
    """One stream as its device saw it."""

    status: int = 0
    headers: tuple[str, ...] = ()
    """Their names, in order."""
    shapes: list[str] = field(default_factory=list)
    """What each chunk is made of, values left out; neighbours that are alike count once, since a network may cut anywhere."""
    text: str = ""
    ended: bool = False
    """`[DONE]` came."""
    raw: bytes = b""

    @property
    def form(self) -> tuple[int, tuple[str, ...], tuple[str, ...]]:
        """All that a device could tell two answers apart by, but for their words."""
        return self.status, self.headers, tuple(self.shapes)


async def read_stream(port: int, key: str, body: dict[str, Any], *, host: str = "127.0.0.1") -> Seen:
    """Ask for `body` on a connection of its own, so that any worker may take it. Raises `TimeoutError`, `OSError`."""
    data = json.dumps(body | {"stream": True}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(head.encode() + data)
        raw = await asyncio.wait_for(reader.read(-1), _PATIENCE_S)
    finally:
        writer.close()
    return _seen(raw)


def _seen(raw: bytes) -> Seen:
    head, _, rest = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    status = int(first.split(" ")[1]) if " " in first else 0  # 0: closed before a byte
    seen = Seen(status=status, headers=tuple(line.partition(":")[0].lower() for line in lines), raw=raw)
    for line in rest.split(b"\n"):
        if line.startswith(b"data: [DONE]"):
            seen.ended = True
        elif line.startswith(b"data: "):
            chunk = json.loads(line[6:])
            shape = shape_of(chunk)
            if not seen.shapes or seen.shapes[-1] != shape:
                seen.shapes.append(shape)
            seen.text += (chunk["choices"][0]["delta"].get("content") or "") if chunk.get("choices") else ""
    return seen


def shape_of(value: Any) -> str:
    """Keys and kinds of a JSON value; of fields that a device acts on, the value as well."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{name}={inner}" if name in _TOLD else f"{name}:{shape_of(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(shape_of(item) for item in value) + "]"
    return type(value).__name__
