"""`lizi chat`: talk to a running service in the terminal, streaming.

A plain client of our own public API over `http.client`: what it shows is what an app gets. Keeps
the conversation in memory for as long as it runs, writes nothing.
"""

from __future__ import annotations

import http.client
import ssl
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec

from lizi.cli.output import UNREACHABLE, USAGE, Output
from lizi.wire.sse import EventReader

__all__ = ["converse"]

_TIMEOUT_S = 330.0
"""A little over the service's default for one whole exchange (300 s)."""


def _post(url: str, key: str, body: dict[str, Any], *, ca: str | None) -> http.client.HTTPResponse:
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=ca)
        connection = http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_S, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json", "accept": "text/event-stream"}
    connection.request("POST", parts.path.rstrip("/") + "/v1/chat/completions", msgspec.json.encode(body), headers)
    return connection.getresponse()


def _events(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    reader = EventReader()
    while data := response.read1(65_536):
        for payload in reader.feed(data):
            if payload != b"[DONE]":
                yield msgspec.json.decode(payload)


def _answer(output: Output, url: str, key: str, body: dict[str, Any], ca: str | None) -> tuple[str, dict[str, Any]]:
    """One turn: the whole text, and what was measured."""
    began = time.monotonic()
    try:
        response = _post(url, key, body, ca=ca)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        output.fail(f"{url} can't be reached: {reason}", hint="Start it with 'make run' or 'lizi serve', or give --url.", code=UNREACHABLE)
    if response.status != 200:
        error = msgspec.json.decode(response.read())["error"]
        output.fail(error["message"], hint=error.get("hint"), code=USAGE if response.status < 500 else UNREACHABLE, error=error["code"])
    text: list[str] = []
    facts: dict[str, Any] = {"request_id": response.headers.get("x-request-id"), "finish_reason": None, "usage": None}
    for event in _events(response):
        if "error" in event:
            output.fail(event["error"]["message"], hint=event["error"].get("hint"), code=UNREACHABLE, error=event["error"]["code"])
        for choice in event.get("choices", ()):
            delta = choice["delta"].get("content")
            if delta:
                facts.setdefault("first_token_ms", round((time.monotonic() - began) * 1000))
                text.append(delta)
                if not output.json:
                    sys.stdout.write(delta)
                    sys.stdout.flush()
            facts["finish_reason"] = choice.get("finish_reason") or facts["finish_reason"]
        facts["usage"] = event.get("usage") or facts["usage"]
    facts["whole_ms"] = round((time.monotonic() - began) * 1000)
    return "".join(text), facts


def converse(output: Output, url: str, key: str, model: str, prompt: str | None, system: str | None, max_tokens: int | None, ca: str | None) -> None:
    """One question when `prompt` is given, else a conversation until end of input or `/exit`."""
    messages: list[dict[str, str]] = [{"role": "system", "content": system}] if system else []
    body: dict[str, Any] = {"model": model, "messages": messages, "stream": True, "stream_options": {"include_usage": True}}
    if max_tokens is not None:
        body["max_tokens"] = max_tokens
    once = prompt is not None
    while True:
        if not once:
            try:
                output.people.print("[bold cyan]you ›[/bold cyan] ", end="")
                prompt = input()
            except EOFError:
                output.people.print()
                return
            if prompt.strip() in {"/exit", "/quit"}:
                return
            if not prompt.strip():
                continue
        messages.append({"role": "user", "content": prompt or ""})
        text, facts = _answer(output, url, key, body, ca)
        messages.append({"role": "assistant", "content": text})
        if output.json:
            output.data({"text": text, **facts}, lambda console: None)
        else:
            sys.stdout.write("\n")
            usage = facts["usage"] or {}
            output.say(
                f"[dim]{usage.get('prompt_tokens', '?')} → {usage.get('completion_tokens', '?')} tokens · first after "
                f"{facts.get('first_token_ms', '–')} ms · {facts['whole_ms']} ms · {facts['finish_reason']}[/dim]"
            )
        if once:
            return
