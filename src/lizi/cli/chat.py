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
from lizi.wire.sse import SseReader

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
    path = parts.path.rstrip("/").removesuffix("/v1")  # either form of the address is what people have at hand
    connection.request("POST", path + "/v1/chat/completions", msgspec.json.encode(body), headers)
    return connection.getresponse()


def _events(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    reader = SseReader()
    more = True
    while more:
        data = response.read1(65_536)
        more = data != b""
        for payload in reader.feed(data) if more else reader.close():
            if payload != b"[DONE]":
                yield msgspec.json.decode(payload)


def _answer(output: Output, url: str, key: str, body: dict[str, Any], ca: str | None) -> tuple[str, dict[str, Any]]:
    """One turn: the whole text, and what was measured."""
    began = time.monotonic()
    try:
        response = _post(url, key, body, ca=ca)
    except (OSError, http.client.HTTPException, ValueError) as failure:
        reason = getattr(failure, "strerror", None) or type(failure).__name__
        output.fail(
            f"{url} can't be reached: {reason}",
            hint="Start it with 'make run' or 'lizi serve', or give --url.",
            code=UNREACHABLE,
            error="unreachable",
        )
    if response.status != 200:
        _refused(output, url, response)
    text: list[str] = []
    facts: dict[str, Any] = {"request_id": response.headers.get("x-request-id"), "finish_reason": None, "usage": None}
    try:
        for event in _events(response):
            if "error" in event:
                error = event["error"]
                output.fail(error["message"], hint=error.get("hint") or "Try again.", code=UNREACHABLE, error=error["code"])
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
    except BrokenPipeError:  # our own output's reader left
        raise
    except (OSError, http.client.HTTPException):
        facts["finish_reason"] = None
    if facts["finish_reason"] is None:
        hint = "Try again; the service's log says more under its request id."
        output.fail("The answer broke off.", hint=hint, code=UNREACHABLE, error="stream_cut")
    facts["whole_ms"] = round((time.monotonic() - began) * 1000)
    return "".join(text), facts


def _refused(output: Output, url: str, response: http.client.HTTPResponse) -> None:
    try:
        error = msgspec.json.decode(response.read())["error"]
        message, hint, name = error["message"], error.get("hint"), error["code"]
    except (msgspec.DecodeError, KeyError, TypeError):
        output.fail(
            f"{url} answers {response.status}, and not as Lizi does.",
            hint="Give the address of a Lizi service with --url.",
            code=UNREACHABLE,
            error="unreachable",
        )
    hint = hint or {401: "Give a valid key; 'lizi key list' shows which are.", 404: "Give another --model."}.get(response.status)
    output.fail(message, hint=hint or "Try again later.", code=USAGE if response.status < 500 else UNREACHABLE, error=name)


def converse(
    output: Output, url: str, key: str, model: str, prompt: str | None, system: str | None, max_tokens: int | None, ca: str | None
) -> None:
    """One question when `prompt` is given, else a conversation until end of input or `/exit`."""
    messages: list[dict[str, str]] = [{"role": "system", "content": system}] if system else []
    body: dict[str, Any] = {"model": model, "messages": messages, "stream": True, "stream_options": {"include_usage": True}}
    if max_tokens is not None:
        body["max_tokens"] = max_tokens
    once = prompt is not None
    while True:
        if not once:
            prompt = _asked(output)
            if prompt is None:
                return
            if not prompt:
                continue
        messages.append({"role": "user", "content": prompt or ""})
        text, facts = _answer(output, url, key, body, ca)
        messages.append({"role": "assistant", "content": text})
        if output.json:
            output.line({"text": text, **facts})
        else:
            sys.stdout.write("\n")
            usage = facts["usage"] or {}
            output.say(
                f"[dim]{usage.get('prompt_tokens', '?')} → {usage.get('completion_tokens', '?')} tokens · first after "
                f"{facts.get('first_token_ms', '–')} ms · {facts['whole_ms']} ms · {facts['finish_reason']}[/dim]"
            )
        if once:
            return


def _asked(output: Output) -> str | None:
    """The next line of the person; `None` at the end."""
    try:
        if not output.json:
            output.people.print("[bold cyan]you ›[/bold cyan] ", end="")
        line = input().strip()
    except EOFError:
        if not output.json:
            output.people.print()
        return None
    return None if line in {"/exit", "/quit"} else line
