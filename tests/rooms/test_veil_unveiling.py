"""An answer on its way back, channel by channel."""

from __future__ import annotations

from lizi.types import Event, Finish, Reasoning, Text, ToolDelta, Usage
from lizi.veil import Lexicon, Unveiling
from lizi.veil.brand import Brand, Persona, brand_book

PHONE = "13912345678"


def lexicon() -> Lexicon:
    made = Lexicon()
    made.placeholder("phone", PHONE)
    made.placeholder("person", 'Ann "A" Lee')
    return made


def run(*events: Event, outbound: frozenset[str] = frozenset(), json: bool = False) -> list[Event]:
    unveiling = Unveiling(lexicon(), None, json=json, outbound_tools=outbound)
    out: list[Event] = []
    for event in events:
        out += unveiling.feed([event])
    return out + unveiling.close()


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


def test_text_and_reasoning_are_channels_of_their_own() -> None:
    events = run(Text("Call ⟦PHO"), Reasoning("it is ⟦PHONE"), Text("NE_1⟧ now"), Reasoning("_1⟧"))
    assert text_of(events) == f"Call {PHONE} now"
    assert "".join(event.text for event in events if isinstance(event, Reasoning)) == f"it is {PHONE}"


def test_arguments_of_each_call_are_restored_as_json() -> None:
    pieces = ['{"who": "⟦PERSON', '_1⟧", "no": "⟦PHONE_1⟧"', "}"]
    events: list[Event] = [
        ToolDelta(index=index, id=None, name="f" if number == 0 else None, arguments=piece)
        for number, piece in enumerate(pieces)
        for index in (0, 1)
    ]
    for index in (0, 1):
        joined = "".join(event.arguments for event in run(*events) if isinstance(event, ToolDelta) and event.index == index)
        assert joined == '{"who": "Ann \\"A\\" Lee", "no": "' + PHONE + '"}'


def test_a_tool_that_carries_data_out_gets_placeholders() -> None:
    call = ToolDelta(index=0, id="x", name="web_search", arguments='{"q": "⟦PHO')
    more = ToolDelta(index=0, arguments='NE_1⟧"}')
    assert run(call, more, outbound=frozenset({"web_search"})) == [call, more]


def test_what_is_held_at_the_end_comes_out() -> None:
    assert text_of(run(Text("see [PERSON"))) == "see [PERSON"
    assert run(ToolDelta(index=3, name="f", arguments='{"a": "[PHONE'))[-1] == ToolDelta(index=3, arguments="[PHONE")


def test_json_answers_are_restored_as_json() -> None:
    assert text_of(run(Text('{"name": "⟦PERSON_1⟧"}'), json=True)) == '{"name": "Ann \\"A\\" Lee"}'


def test_where_nothing_was_hidden_nothing_is_touched() -> None:
    events: list[Event] = [Text("⟦PHONE_1⟧"), Usage(), Finish("stop")]
    unveiling = Unveiling(Lexicon(), None)
    assert unveiling.feed(events) is events
    assert unveiling.close() == []


def test_a_call_of_a_tool_that_nobody_offered_does_not_bring_its_name() -> None:
    book = brand_book([Brand(names=("Qwen",))], Persona(name={"en": "Lining"}))
    machine = Unveiling(Lexicon(), book, asked=("Hello",), tools={"dial"})
    calls = [ToolDelta(index=at, id="c", name=name, arguments="{}") for at, name in enumerate(("dial", "qwen_search"))]
    assert [event.name for event in machine.feed(list(calls))] == ["dial", "unknown_tool"]
    shown = Unveiling(Lexicon(), None, tools={"dial"})
    assert [event.name for event in shown.feed(list(calls))] == ["dial", "qwen_search"], "a partner that may be shown says what it likes"


def test_arguments_that_are_held_make_no_empty_events() -> None:
    book = brand_book([Brand(names=("Qwen",))], Persona(name={"en": "Lining"}))
    machine = Unveiling(Lexicon(), book, asked=("Hello",), tools={"dial"})
    machine.feed([ToolDelta(index=0, id="c", name="dial", arguments="")])
    events = [event for piece in '{"to":"I am Qwen, a model."}' for event in machine.feed([ToolDelta(index=0, arguments=piece)])]
    assert all(event.arguments for event in events)
    assert "".join(event.arguments for event in [*events, *machine.close()]) == '{"to":"I am Lining."}'
