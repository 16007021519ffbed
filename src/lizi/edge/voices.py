"""Which protocol an exchange is answered in: the one place where the wall chooses an encoder of `wire`.

Never encodes anything itself. A `Voice` is made once an exchange is opened and lives as long as it does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from lizi.features import FEATURES
from lizi.house import Opened
from lizi.types import Event
from lizi.wire.openai import StreamEncoder, whole
from lizi.wire.tasks import TaskRequest, TaskStreamEncoder, task_meta, whole_task

__all__ = ["Voice", "voice_for"]


class Voice(Protocol):
    """Events → the bytes of one exchange's answer."""

    def feed(self, events: Iterable[Event]) -> bytes:
        """The stream's bytes for these events; empty when they have none yet."""
        ...

    def whole(self, events: Iterable[Event]) -> bytes:
        """The body of an answer that is not streamed."""
        ...


class _ChatVoice:
    """OpenAI's chat protocol."""

    __slots__ = ("_created", "_id", "_model", "feed")

    def __init__(self, opened: Opened, include_usage: bool) -> None:
        exchange = opened.exchange
        self._id, self._model, self._created = exchange.id, exchange.model, int(exchange.started_at)
        if exchange.stream:
            self.feed = StreamEncoder(exchange_id=self._id, model=self._model, created=self._created, include_usage=include_usage).feed

    def whole(self, events: Iterable[Event]) -> bytes:
        return whole(events, exchange_id=self._id, model=self._model, created=self._created)


class _TaskVoice:
    """The writing features' protocol. Its `meta` needs the reservation, so it is made with the first bytes."""

    __slots__ = ("_encoder", "_opened", "_request")

    def __init__(self, opened: Opened, request: TaskRequest) -> None:
        self._opened = opened
        self._request = request
        self._encoder: TaskStreamEncoder | None = None

    def feed(self, events: Iterable[Event]) -> bytes:
        if self._encoder is None:
            self._encoder = TaskStreamEncoder(self._meta(), exchange_id=self._opened.exchange.id)
        return self._encoder.feed(events)

    def whole(self, events: Iterable[Event]) -> bytes:
        return whole_task(events, self._meta())

    def _meta(self) -> dict[str, object]:
        return task_meta(
            self._request,
            exchange_id=self._opened.exchange.id,
            feature_version=FEATURES[self._request.feature].version,
            ticket=self._opened.ticket,
        )


def voice_for(opened: Opened) -> Voice:
    """The protocol that the request came in."""
    request = opened.request
    if isinstance(request, TaskRequest):
        return _TaskVoice(opened, request)
    return _ChatVoice(opened, request.include_usage)
