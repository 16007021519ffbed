"""The port suites run on the loop that production runs on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import uvloop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """uvloop only: its transports differ from the standard library's in what a close or a pause does."""
    return {"uvloop": uvloop.new_event_loop}
