"""The real worker, with a note of every address that it connects to, sends to or looks up, a line each in `sockets`.

Two hooks: the event loop's own ways out, which are libuv's and raise no audit event, and Python's audit events for all the rest.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import uvloop

from lizi.edge.worker import main

NOTES = os.open("sockets", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
OUTWARD = {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}


def note(how: str, *address: Any) -> None:
    os.write(NOTES, (f"{how} {':'.join(str(part) for part in address)}\n").encode())


def hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event in OUTWARD:
        note(event, arguments[1] if event.startswith("socket.send") or event == "socket.connect" else arguments[0])


class Recording(uvloop.Loop):
    """Every way of this loop to open something outward."""

    async def create_connection(self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any) -> Any:
        if options.get("sock") is None:  # the channel to the supervisor is inherited, and connected already
            note("connect", host, port)
        return await super().create_connection(protocol_factory, host, port, **options)

    async def create_unix_connection(self, protocol_factory: Any, path: Any = None, **options: Any) -> Any:
        if options.get("sock") is None:
            note("unix", path)
        return await super().create_unix_connection(protocol_factory, path, **options)

    async def create_datagram_endpoint(self, protocol_factory: Any, local_addr: Any = None, remote_addr: Any = None, **options: Any) -> Any:
        note("datagram", remote_addr)
        return await super().create_datagram_endpoint(protocol_factory, local_addr, remote_addr, **options)

    async def sock_connect(self, sock: Any, address: Any) -> Any:
        note("connect", *address)
        return await super().sock_connect(sock, address)

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        note("lookup", host, port)
        return await super().getaddrinfo(host, port, **options)


if __name__ == "__main__":
    sys.addaudithook(hear)
    uvloop.new_event_loop = Recording
    raise SystemExit(main())
