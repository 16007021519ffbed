"""Clock, names, secrets by reference, and the only place that starts a task.

Never prints or keeps a secret, and no task ends unseen: a failure is logged with its place and
never its values, since those may hold content. Bounds: one pool of random bytes per process; a
secret file is at most 64 KiB. Ids: 26 random characters of Crockford's base 32, 130 bits.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import stat
import struct
import time
import traceback
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

from lizi.errors import ConfigError

__all__ = ["SystemClock", "cancel_all", "local_peer", "resolve_secret", "spawn"]

_LOG = logging.getLogger("lizi.runtime")
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LETTERS = bytes(ord(_ALPHABET[octet & 31]) for octet in range(256))
"""Octet → letter. 256 is a multiple of 32, so that all letters are equally likely."""
_ID_LETTERS = 26
_POOL_IDS = 256
"""One system call and one translation give so many ids: 0.3 µs each instead of 3."""
_SECRET_BYTES = 64 * 1024
_TASKS: set[asyncio.Task[Any]] = set()


class SystemClock:
    """`lizi.ports.Clock` of this machine."""

    __slots__ = ("_at", "_pool", "monotonic", "now")

    def __init__(self) -> None:
        # The functions themselves: an id or an instant costs no extra call.
        self.now = time.time
        self.monotonic = time.monotonic
        self._pool = ""
        self._at = 0

    def new_id(self, prefix: str) -> str:
        """`prefix` + 26 letters of the system's generator, 5 random bits each, nothing else in them."""
        at = self._at
        if at >= len(self._pool):
            self._pool, at = os.urandom(_POOL_IDS * _ID_LETTERS).translate(_LETTERS).decode("ascii"), 0
        self._at = end = at + _ID_LETTERS
        return prefix + self._pool[at:end]


def resolve_secret(reference: str, environ: Mapping[str, str] | None = None, *, base: Path | None = None) -> str:
    """The secret behind `env:NAME` or `file:PATH` (relative to `base`); empty for an empty reference.

    One newline at the end of a file is dropped, since editors add it. Raises `ConfigError` that names
    the reference and never the value: missing, empty, too large, or readable by others than its owner.
    """
    kind, _, name = reference.partition(":")
    if not reference:
        return ""
    if kind == "env":
        value = (os.environ if environ is None else environ).get(name, "")
        if not value:
            hint = f"Set {name} in the service's environment and start it anew, or use file:PATH, which a reload reads."
            raise _unusable(reference, "the variable is not set or empty", hint)
        return _plain(reference, value)
    if kind != "file" or not name:
        # Perhaps the secret itself was pasted here: it is not repeated.
        raise _unusable("reference", "it begins with neither env: nor file:", "Write env:NAME or file:PATH.")
    path = Path(name) if base is None else base / name
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read(_SECRET_BYTES + 1)
    except OSError as error:
        raise _unusable(reference, f"the file can't be read: {error.strerror}", "Create it, readable by the service's user only.") from None
    # Mounted secrets of container platforms are often group-readable for the service's group; the world never needs them.
    if stat.S_ISREG(mode) and mode & 0o007:
        raise _unusable(reference, "every user of this machine may use the file", f"Run: chmod 600 {name}")
    if len(raw) > _SECRET_BYTES:
        raise _unusable(reference, "the file is larger than 64 KiB", "Name the file that holds the secret and nothing else.")
    try:
        value = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise _unusable(reference, "the file is not UTF-8 text", "Store the secret as plain text.") from None
    value = value.removesuffix("\n").removesuffix("\r")
    if not value:
        raise _unusable(reference, "the file is empty", "Write the secret into it.")
    return _plain(reference, value)


def _plain(reference: str, value: str) -> str:
    """A secret goes into a header line; one with a line break would break out of it."""
    if not value.isprintable():
        raise _unusable(reference, "the secret holds line breaks or control characters", "Store the bare secret, on one line.")
    return value


def _unusable(reference: str, what: str, hint: str) -> ConfigError:
    return ConfigError(f"The secret {reference} can't be used: {what}.", code="config_invalid", param=reference, hint=hint)


def spawn(work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
    """Start `work` on the running loop, keep it from being collected, and log its failure."""
    task = asyncio.get_running_loop().create_task(work, name=name)
    _TASKS.add(task)
    task.add_done_callback(_done)
    return task


async def cancel_all(deadline_s: float = 5.0) -> None:
    """Cancel what `spawn` started on this loop, the caller excepted, and wait `deadline_s` at the most."""
    loop, current = asyncio.get_running_loop(), asyncio.current_task()
    tasks = [task for task in _TASKS if task is not current and task.get_loop() is loop]
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=deadline_s)


def _done(task: asyncio.Task[Any]) -> None:
    _TASKS.discard(task)
    if task.cancelled():
        return
    error = task.exception()
    if error is not None:
        # Neither the message nor the frames' values: only where it happened, which is never content.
        frames = traceback.extract_tb(error.__traceback__)
        where = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames[-4:]))
        _LOG.error("task failed", extra={"task": task.get_name(), "error": type(error).__name__, "where": where})


def local_peer(sock: Any) -> str:
    """`uid:NUMBER` of who is at the other end of a Unix socket, by the kernel's word (SO_PEERCRED, unix(7)); else empty."""
    option = getattr(socket, "SO_PEERCRED", None)
    if sock is None or option is None or sock.family != socket.AF_UNIX:
        return ""
    try:
        _, uid, _ = struct.unpack("iII", sock.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("iII")))
    except OSError:  # it is gone already
        return ""
    return f"uid:{uid}"
