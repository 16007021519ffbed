"""Reasoning and calls that a model writes into its text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lizi.dialects.tagged import Tagged
from lizi.types import Event, Reasoning, Text, ToolDelta


def read(text: str, size: int) -> list[Event]:
    tagged = Tagged()
    events = [event for at in range(0, len(text), size) for event in tagged.feed(text[at : at + size])]
    return joined(events + tagged.close())


def joined(events: list[Event]) -> list[Event]:
    """Neighbours of one kind as one."""
    found: list[Event] = []
    for event in events:
        if found and type(found[-1]) is type(event) and isinstance(event, Text | Reasoning):
            found[-1] = type(event)(found[-1].text + event.text)  # type: ignore[union-attr]
        else:
            found.append(event)
    return found


CALL = '<tool_call>\n{"name": "f", "arguments": {"city": "杭州"}}\n</tool_call>'


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 1000])
@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("hello", [Text("hello")]),
        ("<think>so</think>\n\nhello", [Reasoning("so"), Text("hello")]),
        ("\n<think>so</think>hello", [Reasoning("so"), Text("hello")]),
        ("<think>never closed", [Reasoning("never closed")]),
        ("<think></think>hello", [Text("hello")]),
        ("a <think> in the middle </think>", [Text("a <think> in the middle </think>")]),
        ("<thin", [Text("<thin")]),
        ("a < b and <tool_ca", [Text("a < b and <tool_ca")]),
        (CALL, [ToolDelta(index=0, name="f", arguments='{"city":"杭州"}')]),
        ("I ask. " + CALL + " Done.", [Text("I ask. "), ToolDelta(index=0, name="f", arguments='{"city":"杭州"}'), Text(" Done.")]),
        ("<think>so</think>" + CALL, [Reasoning("so"), ToolDelta(index=0, name="f", arguments='{"city":"杭州"}')]),
        ("<tool_call>no JSON</tool_call>", [Text("<tool_call>no JSON</tool_call>")]),
        ("<tool_call>{", [Text("<tool_call>{")]),
        ("<tool_call>", [Text("<tool_call>")]),
    ],
)
def test_what_stands_in_a_text(text: str, events: list[Event], size: int) -> None:
    assert read(text, size) == events


def test_a_call_that_never_ends_becomes_text_and_is_not_kept() -> None:
    tagged = Tagged()
    piece = "x" * 100_000
    events = [event for _ in range(4) for event in tagged.feed(("<tool_call>" if _ == 0 else "") + piece)] + tagged.close()
    assert "".join(event.text for event in events if isinstance(event, Text)) == "<tool_call>" + piece * 4


PIECES = st.lists(st.sampled_from(["<think>", "</think>", "<tool_call>", "</tool_call>", "<", "a", "\n", json.dumps({"name": "f"}), "<th"]))


@given(PIECES, st.integers(1, 9))
def test_any_split_gives_the_same_and_nothing_is_lost(pieces: list[str], size: int) -> None:
    text = "".join(pieces)
    whole = read(text, 10_000)
    assert read(text, size) == whole
    said = sum(len(event.text) for event in whole if isinstance(event, Text | Reasoning))
    calls = sum(isinstance(event, ToolDelta) for event in whole)
    dropped = len(text) - said
    assert dropped >= 0
    assert calls or dropped <= len("<think></think>") + text.count("\n")
