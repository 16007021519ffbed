"""Bytes → one HTTP/1.1 request: head, length of its body, chunked body, believed client address.

Never does I/O, never guesses: what two readers could understand differently (two lengths, a
bare line feed, a folded header, a second Host) is refused, since disagreement between readers
is how requests are smuggled. Framing is counted here, octet by octet; llhttp checks the
grammar of the head as a second opinion. Bound: the head limit that the caller keeps,
`HEADER_COUNT_LIMIT` headers, one chunk-size line. Follows RFC 9110 and RFC 9112.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

import httptools

from lizi.errors import InvalidRequest

__all__ = ["HEADER_COUNT_LIMIT", "ChunkedBody", "ProxyBelief", "Request", "read_head"]

HEADER_COUNT_LIMIT = 100
"""Official clients send 12 to 20 headers, and a chain of proxies adds a dozen."""

_CHUNK_LINE_LIMIT = 256
"""16 hex digits are enough for any size; the rest is room for an extension, which is ignored."""

_FREE_CHUNKS = 1024
_CRUMB_BYTES = 64
"""Past `_FREE_CHUNKS`, chunks must hold 64 octets on average: a crumb costs as much time as a chunk."""

_SINGLE = frozenset({"host", "content-length", "transfer-encoding", "content-type", "authorization", "idempotency-key", "expect"})
"""Headers that mean something else when they are there twice."""

_HOST = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=%\-]*(:[0-9]{0,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{0,5})?")
"""RFC 3986 §3.2.2, without user information (RFC 9110 §4.2.4)."""

_ABSOLUTE = re.compile(r"(https?)://([^/?#@]+)(.*)", re.IGNORECASE)


class Request:
    """One request. `screen` sees it before its body is read; `handle` with `body` filled in.

    Header names are in lower case; values are latin-1 text, so that any octet survives; a
    header that came several times is joined by `, ` (RFC 9110 §5.3). `content_length` is
    `None` when the length is unknown (chunked) or not stated.
    """

    __slots__ = (
        "body",
        "chunked",
        "client_address",
        "content_length",
        "draining",
        "expects_continue",
        "headers",
        "keep_alive",
        "method",
        "note",
        "path",
        "query",
        "scheme",
        "version",
    )

    def __init__(self) -> None:
        self.method = ""
        self.path = ""
        self.query = ""
        self.version = ""
        """`1.1` or `1.0`."""
        self.headers: dict[str, str] = {}
        self.content_length: int | None = None
        self.chunked = False
        self.keep_alive = True
        self.expects_continue = False
        self.client_address = ""
        self.scheme = "http"
        self.draining = False
        """The server is about to stop: no new work."""
        self.body = b""
        self.note: Any = None
        """Whatever `screen` found out and `handle` wants to know."""

    @property
    def has_body(self) -> bool:
        """Whether body octets follow the head."""
        return self.chunked or bool(self.content_length)


class _Head:
    """Where llhttp puts what it reads."""

    __slots__ = ("count", "headers", "repeated", "target")

    def __init__(self) -> None:
        self.target = b""
        self.headers: dict[str, str] = {}
        self.count = 0
        self.repeated = ""

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.count += 1
        key = name.decode("ascii").lower()
        text = value.decode("latin-1").strip(" \t")
        headers = self.headers
        if key not in headers:
            headers[key] = text
        elif key in _SINGLE:
            self.repeated = key
        else:
            headers[key] += ", " + text


def _broken(message: str) -> InvalidRequest:
    return InvalidRequest(message, code="invalid_request")


def read_head(head: bytes) -> Request:
    """The request whose head is `head`: everything up to and with the empty line.

    Raises `InvalidRequest` (`invalid_request`, or `header_too_large` for too many headers)
    with what is wrong; the connection must then be closed, as its framing can't be trusted.
    """
    line_feeds = head.count(b"\n")
    if head.count(b"\r\n") != line_feeds or head.count(b"\r") != line_feeds:
        raise _broken("A line of the request's head does not end in CR LF. Send CR LF, and no bare CR or LF.")
    line = head[: head.index(b"\r\n")]
    if not line.endswith((b" HTTP/1.1", b" HTTP/1.0")) or line.count(b" ") != 2:
        raise _broken("The request line is not valid. Send `METHOD target HTTP/1.1` with single spaces.")
    reader = _Head()
    parser = httptools.HttpRequestParser(reader)
    try:
        parser.feed_data(head)
    except httptools.HttpParserUpgrade:
        pass  # RFC 9110 §7.8: a server may ignore Upgrade and go on in HTTP/1.1. CONNECT is refused below.
    except httptools.HttpParserInvalidMethodError:
        raise _broken("The request's method is not known.") from None
    except httptools.HttpParserInvalidURLError:
        raise _broken("The request's target is not valid. Percent-encode everything outside printable ASCII.") from None
    except httptools.HttpParserError:
        raise _broken("The request's head is not valid HTTP/1.1.") from None
    if reader.count > HEADER_COUNT_LIMIT:
        raise InvalidRequest(f"The request has more than {HEADER_COUNT_LIMIT} headers.", code="header_too_large")
    if reader.repeated:
        raise _broken(f"The header `{reader.repeated}` is there more than once.")

    request = Request()
    request.method = parser.get_method().decode("ascii")
    request.headers = headers = reader.headers
    request.version = "1.1" if line.endswith(b"1") else "1.0"
    _read_target(request, reader.target)
    _read_framing(request, headers)
    connection = headers.get("connection")
    if connection is None:
        request.keep_alive = request.version == "1.1"
    else:
        options = {option.strip() for option in connection.lower().split(",")}
        request.keep_alive = "close" not in options and (request.version == "1.1" or "keep-alive" in options)
    return request


def _read_target(request: Request, raw: bytes) -> None:
    """Path and query of the target, and agreement between its authority and `Host` (RFC 9112 §3.2)."""
    if request.method == "CONNECT":
        raise _broken("CONNECT is not served: this is not a proxy.")
    target = raw.decode("ascii")
    host = request.headers.get("host")
    if host is None:
        if request.version == "1.1":
            raise _broken("The header `host` is missing. HTTP/1.1 requires exactly one.")
    elif not _HOST.fullmatch(host):
        raise _broken("The header `host` is not a valid host and port.")
    if not target.startswith("/") and target != "*":
        absolute = _ABSOLUTE.fullmatch(target)
        if absolute is None:
            raise _broken("The request's target is neither a path nor an http(s) address.")
        if host is not None and absolute[2].lower() != host.lower():
            raise _broken("The request's target names another host than the header `host`.")
        target = absolute[3] if absolute[3].startswith("/") else "/" + absolute[3]
    if "#" in target:
        raise _broken("The request's target has a fragment. Fragments are never sent.")
    request.path, _, request.query = target.partition("?")


def _read_framing(request: Request, headers: dict[str, str]) -> None:
    """How long the body is (RFC 9112 §6.3), refusing each case in which two readers could differ."""
    length = headers.get("content-length")
    coding = headers.get("transfer-encoding")
    if coding is not None:
        if length is not None:
            raise _broken("The request has both `content-length` and `transfer-encoding`. Send one of them.")
        if coding.lower() != "chunked" or request.version == "1.0":
            raise _broken("The transfer encoding is not served. Send `content-length`, or `transfer-encoding: chunked` in HTTP/1.1.")
        request.chunked = True
    elif length is not None:
        # Eighteen digits fit in 63 bits everywhere; `isdigit` alone would take digits of other scripts.
        if not (length.isascii() and length.isdigit() and len(length) <= 18):
            raise _broken("The header `content-length` is not a whole number.")
        request.content_length = int(length)
    expect = headers.get("expect")
    if expect is not None:
        if expect.lower() != "100-continue":
            raise _broken("The header `expect` has a value that is not served; only `100-continue` is.")
        # RFC 9110 §10.1.1: an HTTP/1.0 client must not be sent a 100.
        request.expects_continue = request.version == "1.1"


class ChunkedBody:
    """Takes a chunked body apart (RFC 9112 §7.1) and knows the octet at which it ends.

    `feed(data)` returns True once the body is complete; then `body()` is the content and `rest`
    what came after it. Raises `InvalidRequest` for broken framing, for trailers (nothing here
    needs one, and a trailer taken for a header is an attack), for a body cut into crumbs and,
    before holding more, for a body beyond `limit_bytes`. Bound: `limit_bytes`, one read, and one
    size line of 256 octets.
    """

    __slots__ = ("_at", "_buffer", "_chunks", "_content", "_left", "_limit_bytes", "_state", "rest", "size_bytes")

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._buffer = b""
        self._at = 0
        self._content = bytearray()
        self._chunks = 0
        self._left = 0
        self._state: Callable[[], bool] = self._size_line
        self.size_bytes = 0
        self.rest = b""

    def feed(self, data: bytes) -> bool:
        """Take what arrived. True: complete, and `rest` is the first of the next request."""
        self._buffer = self._buffer[self._at :] + data
        self._at = 0
        while self._state():
            if self._state == self._done:
                self.rest, self._buffer = self._buffer[self._at :], b""
                return True
        return False

    def body(self) -> bytes:
        """The content, chunks joined."""
        return bytes(self._content)

    def _size_line(self) -> bool:
        end = self._buffer.find(b"\n", self._at, self._at + _CHUNK_LINE_LIMIT)
        if end < 0:
            if len(self._buffer) - self._at >= _CHUNK_LINE_LIMIT:
                raise _broken("A chunk's size line is too long.")
            return False
        line = self._buffer[self._at : end]
        if line.find(b"\r") != len(line) - 1 or not line:
            raise _broken("A chunk's size line does not end in CR LF.")
        digits = line[:-1].partition(b";")[0].rstrip(b" \t")
        if not digits or len(digits) > 16 or digits.strip(b"0123456789abcdefABCDEF"):
            raise _broken("A chunk's size is not a hexadecimal number.")
        self._left = int(digits, 16)
        self.size_bytes += self._left
        self._chunks += 1
        if self.size_bytes > self._limit_bytes:
            raise InvalidRequest(f"The request's body is larger than {self._limit_bytes} bytes.", code="body_too_large")
        if self._chunks > _FREE_CHUNKS and self.size_bytes < self._chunks * _CRUMB_BYTES:
            raise _broken("The chunked body is cut into too many tiny chunks.")
        self._at = end + 1
        self._state = self._chunk if self._left else self._last_line
        return True

    def _chunk(self) -> bool:
        end = min(len(self._buffer), self._at + self._left)
        if end == self._at:
            return False
        self._content += self._buffer[self._at : end]
        self._left -= end - self._at
        self._at = end
        if not self._left:
            self._state = self._chunk_end
        return True

    def _chunk_end(self) -> bool:
        return self._line_end(self._size_line, "A chunk is longer or shorter than its size says.")

    def _last_line(self) -> bool:
        return self._line_end(self._done, "The chunked body has trailers, which are not served.")

    def _line_end(self, then: Callable[[], bool], message: str) -> bool:
        start = self._buffer[self._at : self._at + 2]
        if not b"\r\n".startswith(start):
            raise _broken(message)
        if len(start) < 2:
            return False
        self._at += 2
        self._state = then
        return True

    def _done(self) -> bool:
        return True


class ProxyBelief:
    """Whose word about the client's address is taken.

    `X-Forwarded-For` is read from the right, past trusted hops, to the first that is not
    trusted: everything to its left could have been written by the client.
    """

    def __init__(self, trusted_proxies: tuple[str, ...]) -> None:
        networks = [ip_network(entry, strict=False) for entry in trusted_proxies]

        @lru_cache(maxsize=4096)  # an entry is some 200 octets: under 1 MiB
        def trusts(address: str) -> bool:
            try:
                parsed: Any = ip_address(address)
            except ValueError:
                return False
            parsed = getattr(parsed, "ipv4_mapped", None) or parsed
            return any(parsed in network for network in networks)

        self._any = bool(networks)
        self._trusts: Callable[[str], bool] = trusts

    def trusts(self, address: str) -> bool:
        """Whether `address` is one of the maker's own proxies."""
        return self._any and self._trusts(address)

    def apply(self, request: Request) -> None:
        """Put the believed client's address and scheme into a request that a trusted proxy sent."""
        forwarded = request.headers.get("x-forwarded-for")
        if forwarded is not None:
            for hop in reversed(forwarded.split(",")):
                address = hop.strip()
                try:
                    ip_address(address)
                except ValueError:
                    break  # not an address: the last hop that was one stays the client
                request.client_address = address
                if not self._trusts(address):
                    break
        scheme = request.headers.get("x-forwarded-proto", "").lower()
        if scheme in ("http", "https"):
            request.scheme = scheme
