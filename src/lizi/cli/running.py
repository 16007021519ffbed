"""The service's data folder as the command line sees it: the running service, or the store alone.

A running service is asked over its admin socket; without one the store is changed directly, under
its lock, so that no service can start in between. Never prints the admin token. Bound: every
answer of the service is waited for 10 s.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import pwd
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from lizi import __version__
from lizi.config import Config, load
from lizi.edge.store import Lock
from lizi.errors import CODES, ConfigError, LiziError, Refused

if TYPE_CHECKING:
    from lizi.edge.backup import Trust
    from lizi.edge.book import Book
    from lizi.edge.journal import HouseChain
    from lizi.edge.keyring import Keyring

__all__ = ["House", "Running", "landed", "user_name"]

_TIMEOUT_S = 10.0
"""A change acts within 1 s; changes go one after another, and a starting model may stand before ours."""
_Value = TypeVar("_Value")


class _OverSocket(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT_S)
        self.sock.connect(str(self._path))


class Running:
    """The admin plane of a service that runs."""

    def __init__(self, connection: _OverSocket, token: str) -> None:
        self._connection = connection
        self._token = token

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """What the service answers. Raises `LiziError` with the service's own words."""
        headers = {"authorization": f"Bearer {self._token}", "content-type": "application/json"}
        try:
            self._connection.request(method, path, None if body is None else msgspec.json.encode(body), headers)
            got = self._connection.getresponse()
            value = msgspec.json.decode(got.read())
        except (OSError, http.client.HTTPException, msgspec.DecodeError):
            hint = "It may be ending just now: look at its log, then try again."
            raise Refused("The running service does not answer.", code="shutting_down", hint=hint) from None
        finally:
            self._connection.close()  # the next question opens it again
        if got.status < 300:
            return value
        error = value["error"]
        known = error["code"] if error["code"] in CODES else "internal"
        raise LiziError(error["message"], code=known, param=error.get("param"), hint=error.get("hint"))


class House:
    """One configuration file and the data folder that it names."""

    def __init__(self, config_path: Path) -> None:
        """Raises `ConfigError` for a file that can't be served."""
        self.config: Config = load(config_path, time.time())
        self.folder = config_path.absolute().parent
        self.data_dir = self.folder / self.config.server.data_dir
        self.store_path = self.data_dir / "lizi.sqlite"

    def running(self) -> Running | None:
        """The service on this data, if one runs. Raises `ConfigError` when it belongs to another user."""
        connection = _OverSocket(self.data_dir / "admin.sock")
        try:
            connection.connect()
            token = (self.data_dir / "admin.token").read_text("utf-8").strip()
        except PermissionError:
            raise ConfigError(
                "The service's admin socket may be used by its own user only.",
                code="config_invalid",
                param="$.server.data_dir",
                hint="Run this command as the user that the service runs as.",
            ) from None
        except OSError:  # none there, or left by a killed one
            connection.close()
            return None
        return Running(connection, token)

    def alone(self, work: Callable[[Book], Awaitable[_Value]]) -> _Value:
        """Change the store of a service that does not run. Raises `StoreError` when one holds it after all."""
        from lizi.edge.book import Book

        async def inside() -> _Value:
            book = Book(self.store_path)
            try:
                await book.open()
                return await work(book)
            finally:
                await book.close()

        with Lock(self.store_path):
            return asyncio.run(inside())

    async def record(self, book: Book) -> tuple[HouseChain, Keyring]:
        """Within `alone`: an audit chain of this command's own, and the keyring, which is made where there is none.

        The chain is begun by this call; whoever is done with it adds the checkpoint that signs it.
        """
        from lizi.audit import Chain
        from lizi.edge.journal import HouseChain
        from lizi.edge.keyring import Keyring
        from lizi.edge.runtime import SystemClock

        clock = SystemClock()
        keyring = Keyring.open(self.data_dir / "keyring", clock.now())
        chain = Chain(boot=clock.new_id(""), worker=0, config_hash=self.config.hash, version=__version__, started_at=clock.now())
        return await book.run(lambda store: HouseChain(store, chain, keyring)), keyring

    def trust(self) -> Trust | None:
        """How to check a checkpoint's signature; `None` while there is no keyring. Makes no key."""
        folder = self.data_dir / "keyring"
        if not any(folder.glob("audit-signing.*.json")):
            return None
        from lizi.edge.keyring import Keyring

        return Keyring.read(folder).trusts


def landed(landing: dict[str, Any]) -> str:
    """On how many workers a change acts, and after what time."""
    workers = landing["workers"]
    killed = f"; {landing['killed']} that did not answer were replaced" if landing["killed"] else ""
    return f"on {workers} worker{'' if workers == 1 else 's'} after {landing['elapsed_ms']:.0f} ms{killed}"


def user_name() -> str:
    """The system's word for who runs this, not that of a variable."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user may have no name
        return f"uid {os.getuid()}"
