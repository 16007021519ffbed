"""A picture as a chat request names it: inline as a `data:` URL, or a link.

Never decodes and never fetches: only what costs nothing is checked, since whoever cleans the picture reads all of it.
Standards followed: RFC 2397 with base64 (RFC 4648 §4) and no parameters; RFC 3986 for links.
"""

from __future__ import annotations

import binascii
import re

from lizi.errors import InvalidRequest
from lizi.types import Json

__all__ = ["IMAGE_BYTES", "is_inline"]

IMAGE_BYTES = 10 * 1024 * 1024  # decoded: a photo of 50 million pixels stays below, and two of them below the body's limit

_TYPES = {
    "image/png": (b"\x89PNG\r\n\x1a\n", 0),
    "image/jpeg": (b"\xff\xd8\xff", 0),
    "image/gif": (b"GIF8", 0),
    "image/webp": (b"WEBP", 8),
}
"""Types of images taken, each with the bytes it must hold and where: a wrong label is an error at once."""

_URL_LENGTH = 2048
_START_LENGTH = 32  # in base64: 24 bytes, above the 12 that the longest mark needs
_DATA_URL = re.compile(r"data:(image/[a-z]+);base64,")
_HTTPS_URL = re.compile(r"https://[A-Za-z0-9.\-]+(:\d{1,5})?([/?#][!-~]*)?")  # no user name, no blanks, no control characters


def is_inline(url: Json, path: str, *, remote_images: bool) -> bool:
    """Whether the picture at `path` came inline; else it is a link that its partner will fetch, which `remote_images` allows.

    Raises `InvalidRequest` naming `path` for anything else.
    """
    if type(url) is not str:
        raise InvalidRequest(f"{path}: must be a string", code="invalid_request", param=path)
    if not url.startswith("data:"):
        if not remote_images:
            # The partner would learn the address, which may name a user or carry a signature, and all that is in the file.
            raise _unsupported(path, "links to images are not passed on", hint="Send the image itself, as data:image/jpeg;base64,….")
        if len(url) > _URL_LENGTH or not _HTTPS_URL.fullmatch(url):
            raise _unsupported(path, "must be a data: URL or a plain https:// URL")
        return False
    head = _DATA_URL.match(url)
    if head is None or head[1] not in _TYPES:
        raise _unsupported(path, f"must be data:TYPE;base64,… with TYPE one of {', '.join(_TYPES)}")
    length = len(url) - head.end()
    if length * 3 // 4 > IMAGE_BYTES:
        rule = f"the image is larger than {IMAGE_BYTES // 1048576} MiB; send a smaller one"
        raise InvalidRequest(f"{path}: {rule}", code="body_too_large", param=path)
    try:
        start = binascii.a2b_base64(url[head.end() : head.end() + _START_LENGTH].encode("ascii"), strict_mode=True)
    except ValueError:
        start = b""
    if not start or length % 4:
        raise _unsupported(path, "is not valid base64 with padding")
    mark, offset = _TYPES[head[1]]
    if not start[offset:].startswith(mark):
        raise _unsupported(path, f"the bytes are not those of {head[1]}")
    return True


def _unsupported(path: str, rule: str, hint: str | None = None) -> InvalidRequest:
    return InvalidRequest(f"{path}: {rule}", code="unsupported_content", param=path, hint=hint)
