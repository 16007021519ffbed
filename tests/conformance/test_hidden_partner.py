"""The user meets no partner: no word of it in anything that a device gets, whatever the partner does and wherever it puts its name.

Each dialect plays each of the thirty behaviours in its partner's name (`lizi.testing.branding`): status text, headers, trailers, comments
and fields of its streams, ids, model, fingerprint, errors, reasoning, tool calls, and text in which it introduces itself, links to itself
and counts its readers. What a device gets is then searched for each of those words. Through the running service: tests/e2e/test_hidden.py.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

import partner_line
from leaving import found
from lizi.testing.behaviours import ToolCall
from lizi.testing.branding import Brandmark, branded, introductions, mark_of
from lizi.testing.planted import PLANTED, THOUGHT, Planted, Variant
from lizi.testing.remembering import GOOD
from lizi.testing.speeches import SPEECHES
from partner_line import KEY, SEED, Got, Line
from partner_play import FORMAT, TOOL, capabilities, played, question

CELLS = [
    pytest.param(dialect, planted, id=f"{dialect}-{planted.number:02d}-{planted.name}")
    for dialect in SPEECHES
    for planted in PLANTED
    if dialect not in planted.absent
]
ROUNDS = {"vendor_names": 16}
"""So often is a behaviour played in other words; 16 is more than any record has names."""


def words_of(line: Line, mark: Brandmark) -> list[str]:
    address = line.partner.base_url.removeprefix("http://").partition("/")[0]
    return [*mark.words, *line.speech.models, "acme", address, KEY, f"{SEED:08x}", THOUGHT]


def check(line: Line, mark: Brandmark, got: Got) -> None:
    assert found(got.shown, words_of(line, mark), own=(got.exchange.id,)) == []


async def hide(dialect: str, variant: Variant, mark: Brandmark, number: int, *, stream: bool) -> None:
    async with Line(dialect, branded(variant.script, mark, number)) as line:
        for got in await played(line, variant, stream=stream):
            check(line, mark, got)
        assert line.partner.requests_total >= len(variant.due), "it was asked, and answered in its own name"


@pytest.mark.requirement("S41")
@pytest.mark.requirement("S38")
@pytest.mark.parametrize(("dialect", "planted"), CELLS)
async def test_no_word_of_a_partner_reaches_the_device(dialect: str, planted: Planted) -> None:
    speech = SPEECHES[dialect]
    mark = mark_of(dialect, speech.models[0])
    for index in range(len(planted.variants(speech))):
        for number in range(planted.number, planted.number + ROUNDS.get(planted.name, 1)):
            for stream in (True, False):
                variant = planted.variants(speech)[index]  # made anew: some remember
                if stream not in variant.streamed:
                    continue
                try:
                    await hide(dialect, variant, mark, number, stream=stream)
                except AssertionError as error:
                    error.add_note(f"variant '{variant.name}', {'streamed' if stream else 'whole'}, words {number}")
                    raise


# --- what it says of itself -------------------------------------------------------------------------

FORMS = 7 * 13
"""The seven ways to introduce oneself with each of up to thirteen names; links have their turn in between."""


@pytest.mark.requirement("S37")
@pytest.mark.requirement("S44")
@pytest.mark.parametrize("dialect", SPEECHES)
async def test_each_name_in_each_way_of_saying_it_and_each_link_stays_with_the_partner(dialect: str) -> None:
    mark = mark_of(dialect, SPEECHES[dialect].models[0])
    script = [replace(GOOD, text=introductions(mark, number) + str(GOOD.text), chunks=1 + number % 40) for number in range(FORMS)]
    async with Line(dialect, script) as line:
        for number in range(FORMS):
            got = await line.ask(question(stream=number % 3 > 0))
            assert got.text.endswith("🦊"), "what it was asked for is still there"
            check(line, mark, got)


@pytest.mark.requirement("S41")
@pytest.mark.parametrize("dialect", SPEECHES)
async def test_its_name_is_in_no_string_of_an_object_no_argument_and_no_tools_name(dialect: str) -> None:
    mark = mark_of(dialect, SPEECHES[dialect].models[0])
    plain = next(word for word in (*mark.names, *mark.makers) if word.isascii()).replace(" ", "_").lower()
    vain = f'{{"city":"I am {mark.names[0]}, made by {mark.makers[0]}. ![](https://{mark.domains[0]}/p.gif)"}}'
    names = ("get_weather", f"{plain}_search", f"{mark.model}.open")
    calls = tuple(ToolCall(name=name, arguments=vain, id=f"{mark.request}-{at}") for at, name in enumerate(names))
    for stream in (True, False):
        async with Line(dialect, [replace(GOOD, text=None, tools=calls, finish="tool_calls"), replace(GOOD, text=vain)]) as line:
            got = await line.ask(question(stream=stream, tools=[TOOL]), capabilities=("tools",))
            assert len(got.arguments) == len(calls) and got.bytes.count(b'"unknown_tool"') == 2
            check(line, mark, got)
            if capabilities(line) & {"json_object", "json_schema"}:
                got = await line.ask(question(stream=stream, response_format=FORMAT))
                assert got.due == "stop" and got.text.startswith('{"city":')
                check(line, mark, got)


TEXT = "Please come to the meeting at three tomorrow. The budgt will be disscussed."
ANSWER = "Please come to the meeting at three tomorrow. The budget will be discussed."
FEATURES: dict[str, dict[str, Any]] = {
    "writing.proofread": {},
    "writing.rewrite": {"style": "friendly"},
    "writing.transform": {"to": "summary"},
}


@pytest.mark.requirement("S37")
@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("dialect", SPEECHES)
async def test_a_features_text_carries_no_word_of_it(dialect: str, feature: str, monkeypatch: pytest.MonkeyPatch) -> None:
    more = "".join(f'[features."{name}"]\nmodel = "assistant"\n' for name in FEATURES if name not in partner_line.CONFIG)
    monkeypatch.setattr(partner_line, "CONFIG", partner_line.CONFIG + more)
    mark = mark_of(dialect, SPEECHES[dialect].models[0])
    for number in range(14):
        said = introductions(mark, number)
        for text in (f"Hi! {ANSWER} {said}", f"{said}\n\n{ANSWER}", ANSWER + " " + said):
            async with Line(dialect, replace(GOOD, text=text)) as line:
                body = {"input": {"text": TEXT}, "locale": "en"} | FEATURES[feature]
                check(line, mark, await line.ask(body, feature=feature))


async def test_a_brand_that_may_be_shown_is_found_so_that_this_suite_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partner_line, "CONFIG", partner_line.CONFIG + '[veil]\nbrand = "show"\n')
    mark = mark_of("qwen", "qwen-plus")
    said = introductions(mark, 0) + introductions(mark, 2)
    for stream in (True, False):
        async with Line("qwen", replace(GOOD, text=said, chunks=60)) as line:
            got = await line.ask(question(stream=stream))
            seen = found(got.shown, words_of(line, mark))
            assert {"Qwen", "A Li Ba Ba", "qwen.ai", "track.example", mark.request, mark.model} <= set(seen)
