"""What `lizi veil scan` sends: requests with a planted word in every place that takes text, and neutral ones after them.

A plain client of the public API. Every word stands three times in its text, so that one place that overwrites half of it hides nothing.
Some requests are meant to be refused: refusals handle content too. Never prints a word. Bound: `_TIMEOUT_S` for each answer.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import struct
import time
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from lizi.edge.scan.seeker import Canaries

__all__ = ["DOORS", "Client", "Planted", "neutral", "requests"]

DOORS = (
    "prompt", "prompt, Latin letters only", "prompt with emoji", "system", "name", "answer", "answer, streamed", "tool description",
    "tool property", "tool arguments", "tool result", "stop", "user", "metadata", "safety identifier", "cache key", "image pixels",
    "image text", "image EXIF", "file name", "file content", "header", "idempotency key", "query", "writing input", "instruction",
    "unknown field", "malformed body", "unknown model", "wrong type", "long text", "client that leaves",
)  # fmt: skip
_TIMEOUT_S = 330.0
"""A little over the service's default for one whole exchange (300 s)."""
_ANSWER_TOKENS = 200
"""A word of random letters takes some twenty tokens; thrice, and some politeness around it."""
_KEPT = 8
"""Connections that stay open, each after one request, until the search is over."""
_LEAVES_AFTER_S = 0.02
"""So that the request is under way at the partner, which takes longer than this."""
_MOST_BYTES = 4 << 20
"""Of an answer that we keep to see whether the word came back."""


class Planted(Struct, frozen=True, kw_only=True):
    """One request that carries words."""

    path: str
    body: bytes
    headers: dict[str, str] = {}
    expects: str = ""
    """A word that the answer should carry, since the model was asked to repeat it."""
    leaves: bool = False
    """The client goes away without waiting for an answer."""


class Client:
    """Sends to one deployment."""

    def __init__(self, url: str, key: str, *, ca: str | None = None) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port
        self._prefix = parts.path.rstrip("/").removesuffix("/v1")  # either form of the address is what people have at hand
        self._key = key
        self._context = ssl.create_default_context(cafile=ca) if parts.scheme == "https" else None
        self._kept: list[http.client.HTTPConnection] = []

    def close(self) -> None:
        """Close the connections that were kept open."""
        for connection in self._kept:
            connection.close()

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None, *, leaves: bool = False
    ) -> tuple[int, bytes]:
        """Status and body; a stream that breaks off gives what came, and 499 stands for leaving. Raises `OSError` where nobody answers."""
        connection: http.client.HTTPConnection
        if self._context is not None:
            connection = http.client.HTTPSConnection(self._host, self._port, timeout=_TIMEOUT_S, context=self._context)
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_S)
        sent = {"authorization": f"Bearer {self._key}", "content-type": "application/json", **(headers or {})}
        try:
            connection.request(method, self._prefix + path, body, sent)
            if leaves:
                time.sleep(_LEAVES_AFTER_S)
                connection.close()
                return 499, b""
            got = connection.getresponse()
            data = b""
            try:
                while len(data) < _MOST_BYTES and (part := got.read1(65_536)):
                    data += part
            except (http.client.HTTPException, ConnectionError):
                pass  # cut on purpose by a scripted partner, or by accident: the words were sent
            return got.status, data
        except http.client.HTTPException as error:
            raise OSError(f"it does not speak HTTP: {type(error).__name__}") from error
        finally:
            # As apps do: what the service holds for an open connection is to be found as well.
            if len(self._kept) < _KEPT:
                self._kept.append(connection)
            else:
                connection.close()


def requests(canaries: Canaries, model: str) -> Iterator[Planted]:
    """Every request, in order."""

    def both(door: str) -> str:
        return " ".join([f"{canaries.word(door)} {canaries.hanzi(door)}"] * 3)

    def one(door: str) -> str:
        return canaries.word(door)

    def chat(content: Any, **more: Any) -> bytes:
        messages = [{"role": "user", "content": content}]
        return _json({"model": model, "messages": messages, "max_tokens": _ANSWER_TOKENS, **more})

    chats = "/v1/chat/completions"
    headers = {"x-device": one("header"), "user-agent": f"scan/{one('header')}", "cookie": f"c={one('header')}"}
    for stream, door in ((False, "answer"), (True, "answer, streamed")):
        word = one(door)
        ask = f"Repeat these three words and say nothing else: {word} {word} {word}"
        yield Planted(path=chats, body=chat(ask, stream=stream), expects=word)
        yield Planted(path=chats, body=_full(both, one, model, stream), headers=headers)
        yield Planted(path=chats, body=chat(f"Ignore this: {' '.join([one('prompt, Latin letters only')] * 3)}. Say hello.", stream=stream))
        yield Planted(path=chats, body=chat(f"🦊 {both('prompt with emoji')} 🦊 Say hello.", stream=stream))
        yield Planted(path=chats, body=chat([{"type": "text", "text": "What is this?"}, *_images(canaries)], stream=stream))
        kept = {"idempotency-key": f"{one('idempotency key')}-{stream}"}
        yield Planted(path=f"{chats}?q={one('query')}", body=chat(both("prompt"), stream=stream), headers=kept)
        text = f"Their is a {one('writing input')} on the river, and it sing {one('writing input')} every morning."
        common = {"input": {"text": text}, "locale": "en", "stream": stream}
        yield Planted(path="/v1/writing/proofread", body=_json(common))
        yield Planted(path="/v1/writing/rewrite", body=_json({**common, "style": "custom", "instruction": f"Add {both('instruction')}."}))
        yield Planted(path="/v1/writing/transform", body=_json({**common, "to": "summary"}))
        left = chat(both("client that leaves") + " Tell a long story.", stream=stream)
        yield Planted(path=chats, body=left, leaves=True)
    # Longer than any buffer, and refused before it costs anything.
    yield Planted(path=chats, body=chat("Say hello.", unknown=[both("long text") + " " * 1_000] * 400))
    document = base64.b64encode(both("file content").encode() * 20).decode()
    file = {"type": "file", "file": {"filename": f"{one('file name')}.pdf", "file_data": f"data:application/pdf;base64,{document}"}}
    yield Planted(path=chats, body=chat([{"type": "text", "text": "Read this."}, file]))
    yield Planted(path=chats, body=chat("Say hello.", **{one("unknown field"): both("unknown field")}))
    yield Planted(path=chats, body=chat("Say hello.")[:-1] + f', "x": "{both("malformed body")}'.encode())
    yield Planted(path=chats, body=_json({"model": one("unknown model"), "messages": [{"role": "user", "content": both("unknown model")}]}))
    yield Planted(path=chats, body=chat({one("wrong type"): [both("wrong type")]}))


def neutral(number: int, model: str) -> Planted:
    """A request as an app would send it, without any word; sizes differ, as those of users do."""
    text = f"Request {number}. " + "The river is quiet, 江水平静。" * (1 + number * 7 % 40)
    messages = [{"role": "system", "content": "Answer in one word."}, {"role": "user", "content": text + " Say hello."}]
    body = {"model": model, "messages": messages, "stream": number % 2 == 0, "max_tokens": 16}
    return Planted(path="/v1/chat/completions", body=_json(body))


def _json(tree: Any) -> bytes:
    return json.dumps(tree, ensure_ascii=False).encode()


def _full(both: Any, one: Any, model: str, stream: bool) -> bytes:
    """A word in every place of a chat request that takes one."""
    function = {"name": "look", "arguments": json.dumps({"q": both("tool arguments")})}
    return _json({
        "model": model, "stream": stream, "max_tokens": _ANSWER_TOKENS, "user": one("user"), "metadata": {"note": both("metadata")},
        "safety_identifier": one("safety identifier"), "prompt_cache_key": one("cache key"), "stop": [one("stop")],
        "tools": [{"type": "function", "function": {
            "name": "look", "description": both("tool description"),
            "parameters": {"type": "object", "properties": {one("tool property"): {"type": "string"}}},
        }}],
        "messages": [
            {"role": "system", "content": f"Be kind. {both('system')}"},
            {"role": "user", "name": one("name"), "content": f"Look it up: {both('prompt')}"},
            {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": function}]},
            {"role": "tool", "tool_call_id": "call_1", "content": both("tool result")},
        ],
    })  # fmt: skip


def _images(canaries: Canaries) -> Iterator[dict[str, Any]]:
    """A PNG with words among its pixels and in a text chunk, and a JPEG with words in its EXIF block."""
    for kind, data in (("png", _png(canaries)), ("jpeg", _jpeg(canaries))):
        yield {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{base64.b64encode(data).decode()}"}}


def _png(canaries: Canaries) -> bytes:
    """32 × 32 grey pixels, stored without compression; PNG, third edition, §5 and §11."""
    word = canaries.word("image pixels").encode()
    rows = b"".join(b"\0" + (word * 3)[:32].ljust(32, b"\x80") for _ in range(32))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 32, 32, 8, 0, 0, 0, 0)
    text = b"Comment\0" + b" ".join([canaries.word("image text").encode()] * 3)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"tEXt", text) + chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b"")


_ONE_PIXEL = (
    "ffdb004300" + "01" * 64 + "ffc0000b080001000101011100"
    "ffc40014000100000000000000000000000000000000" + "ffc40014100100000000000000000000000000000000" + "ffda0008010100003f0037ffd9"
)
"""Tables, frame and scan of a baseline JPEG of one grey pixel: all quantisers 1, one code in each Huffman table (ITU-T T.81, B.2)."""


def _jpeg(canaries: Canaries) -> bytes:
    """One grey pixel with an EXIF block whose ImageDescription (tag 0x010E) holds words."""
    words = b" ".join([canaries.word("image EXIF").encode()] * 3) + b"\0"
    tiff = b"MM\0\x2a\0\0\0\x08" + struct.pack(">H", 1) + struct.pack(">HHII", 0x010E, 2, len(words), 26) + bytes(4) + words
    exif = b"Exif\0\0" + tiff
    return b"\xff\xd8\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + bytes.fromhex(_ONE_PIXEL)
