"""What leaves: every leaf masked, nothing else changed, everything comes back."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lizi import text as text_machines
from lizi.types import ChatRequest, Facts, JsonSchemaFormat, Target
from lizi.veil import masking
from lizi.veil.lexicon import Lexicon, Restorer
from lizi.veil.masking import SLICE_CHARACTERS, WORDS, Findings, Profile, mask, salted

PHONE, MAIL = "13912345678", "li.lei@mail.example"
EVERYTHING = Profile(name="all")


def asking(*messages: dict[str, Any], **more: Any) -> ChatRequest:
    return ChatRequest(model="m", messages=list(messages), **more)


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def ended(work: Generator[None, None, Any]) -> Any:
    """What the work returns when nobody makes it wait."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            return done.value


def masked(
    request: ChatRequest, profile: Profile = EVERYTHING, lexicon: Lexicon | None = None, findings: Findings | None = None
) -> ChatRequest:
    result: ChatRequest = ended(mask(request, profile, Lexicon() if lexicon is None else lexicon, findings))
    return result


def one(text: str, profile: Profile = EVERYTHING) -> str:
    content: str = masked(asking(user(text)), profile).messages[-1]["content"]
    return content


def test_every_string_leaf_that_leaves_is_masked() -> None:
    lexicon = Lexicon()
    said = f"I am at {PHONE} or {MAIL}"
    request = asking(
        {"role": "system", "content": f"The owner's mail is {MAIL}, that's all"},
        user([{"type": "text", "text": said}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]),
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "call_abc_0", "type": "function", "function": {"name": "dial", "arguments": json.dumps({"to": [PHONE], MAIL: 1})}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_abc_0", "content": f'{{"owner": "{MAIL}"}}'},
        {"role": "assistant", "refusal": f"I can't call {PHONE}.", "content": None},
        tools=[
            {
                "type": "function",
                "function": {
                    "name": "dial",
                    "description": f"Calls, for instance {PHONE}",
                    "parameters": {
                        "type": "object",
                        "properties": {"to": {"type": "string", "enum": [PHONE, "x"], "description": MAIL, "pattern": "^1"}},
                    },
                },
            }
        ],
        response_format=JsonSchemaFormat(name="x", schema={"type": "object", "examples": [{"a": PHONE}]}),
        stop=(PHONE, "END"),
    )
    before = msgspec.json.encode(request)
    made = masked(request, lexicon=lexicon)
    assert msgspec.json.encode(request) == before, "the request itself is what it was"
    sent = msgspec.json.encode(made).decode()
    assert PHONE not in sent
    assert MAIL not in sent, "nor in a key of arguments"
    assert made.stop == ("⟦PHONE_1⟧", "END")
    assert made.tools is not None
    assert made.tools[0]["function"]["parameters"]["properties"]["to"]["pattern"] == "^1"
    assert made.messages[1]["content"][0] == {"type": "text", "text": "I am at ⟦PHONE_1⟧ or ⟦EMAIL_1⟧"}
    assert made.messages[1]["content"][1] == request.messages[1]["content"][1]
    assert json.loads(made.messages[2]["tool_calls"][0]["function"]["arguments"])["to"] == ["⟦PHONE_1⟧"]


def test_ids_of_tool_calls_are_made_anew_and_still_belong_together() -> None:
    call = {"id": "call_0123exchange_0", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    made = masked(
        asking(
            user("Hi"),
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": call["id"], "content": "7"},
        )
    )
    assert made.messages[1]["tool_calls"][0]["id"] == made.messages[2]["tool_call_id"] == "call_1"


def test_a_partner_is_told_what_the_words_stand_for_only_where_there_are_some() -> None:
    assert [message["role"] for message in masked(asking(user("Hello"))).messages] == ["user"]
    made = masked(asking({"role": "system", "content": "Be kind."}, user(PHONE)))
    assert [message["role"] for message in made.messages] == ["system", "user"]
    assert made.messages[0]["content"].startswith("Be kind.\n\nWords in ⟦ ⟧")


def test_escapes_in_json_hide_nothing() -> None:
    hidden = "".join(f"\\u{ord(character):04x}" for character in PHONE)
    for content in (f'{{"a": "{hidden}"}}', f'["{hidden}"]'):
        assert "PHONE_1" in one(content)
        assert hidden not in one(content)


def test_a_text_that_only_looks_like_json_is_still_searched() -> None:
    assert "⟦PHONE_1⟧" in one(f'{{"a": "\\u0031", {PHONE}')
    assert "⟦PHONE_1⟧" in one("[" * 3_000 + PHONE + '"\\u0031"')


def test_a_users_own_placeholder_becomes_one_of_ours() -> None:
    lexicon = Lexicon()
    made = masked(asking(user(f"{PHONE} and ⟦PHONE_1⟧ and [phone 1]")), lexicon=lexicon).messages[-1]["content"]
    assert made == "⟦PHONE_1⟧ and ⟦TEXT_1⟧ and ⟦TEXT_2⟧"
    restorer = Restorer(lexicon)
    assert restorer.feed(made) + restorer.close() == f"{PHONE} and ⟦PHONE_1⟧ and [phone 1]"


def test_a_web_address_with_personal_data_is_hidden_whole_and_comes_back_whole() -> None:
    lexicon = Lexicon()
    text = f"See https://shop.example/?p={PHONE}&x=1, please"
    made = masked(asking(user(text)), lexicon=lexicon).messages[-1]["content"]
    assert made == "See ⟦LINK_1⟧ please"
    restorer = Restorer(lexicon)
    assert restorer.feed(made) + restorer.close() == text
    assert one("See https://shop.example/?x=1, please") == "See https://shop.example/?x=1, please"


def test_numbers_stay_when_a_history_grows() -> None:
    turns = [user(f"my number is {PHONE}"), {"role": "assistant", "content": "ok"}]
    first = masked(asking(*turns)).messages
    second = masked(asking(*turns, user(f"and {MAIL}, again {PHONE}"))).messages
    assert second[: len(first)] == first
    assert second[-1]["content"] == "and ⟦EMAIL_1⟧, again ⟦PHONE_1⟧"


def test_a_profile_keeps_and_coarsens_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert one(f"{PHONE} {MAIL}", Profile(name="some", mask=frozenset({"email"}))) == f"{PHONE} ⟦EMAIL_1⟧"
    text, keep = "浙江省杭州市文三路88号", len("浙江省杭州市")

    def findings(*_: object, **__: object) -> Any:
        yield [text_machines.Found(0, len(text), "address", keep)]

    monkeypatch.setattr(masking, "passages", findings)
    rough = Profile(name="rough", mask=frozenset(), coarsen=frozenset({"address"}))
    assert one(text, rough) == "浙江省杭州市⟦ADDRESS_1⟧"
    assert one(text) == "⟦ADDRESS_1⟧"


def test_kept_is_what_is_neither_masked_nor_coarsened() -> None:
    profile = Profile(name="x", mask=frozenset(text_machines.KINDS) - {"phone", "address"}, coarsen=frozenset({"address"}))
    assert profile.kept == {"phone"}


def test_a_long_prompt_is_worked_through_in_slices() -> None:
    pauses = sum(1 for _ in mask(asking(user("word " * 20_000)), EVERYTHING, Lexicon()))
    assert pauses >= 100_000 // SLICE_CHARACTERS // 4
    assert sum(1 for _ in mask(asking(user("word")), EVERYTHING, Lexicon())) == 0
    many = sum(1 for _ in mask(asking(*[user("word " * 20)] * 1_000), EVERYTHING, Lexicon()))
    assert many >= 100, "many short leaves are a long prompt, too"


@given(
    st.lists(st.text(max_size=40) | st.sampled_from([PHONE, MAIL, "⟦PHONE_1⟧", "PERSON_1", "[", "⟦", " ", "\n"]), max_size=12).map("".join)
)
def test_what_was_masked_comes_back(text: str) -> None:
    lexicon = Lexicon()
    made = ended(masking._Masking(EVERYTHING, lexicon).text(text))
    restorer = Restorer(lexicon)
    back = restorer.feed(made) + restorer.close()
    if "\\u" not in text and "//" not in text and "](" not in text and "www." not in text.lower():
        assert back == text


def test_instructions_are_searched_once_and_known_by_a_hash_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    look = masking.passages

    def passages(text: str, *rest: Any, **more: Any) -> Any:
        looked.append(text)
        return look(text, *rest, **more)

    monkeypatch.setattr(masking, "passages", passages)
    findings = Findings(b"k" * 32)
    request = asking({"role": "system", "content": f"You help {MAIL}, kindly."}, user(PHONE))
    made = [masked(request, findings=findings) for _ in range(2)]
    assert made[0] == made[1]
    assert "⟦EMAIL_1⟧" in made[1].messages[0]["content"]
    assert looked == [request.messages[0]["content"], PHONE, PHONE]
    kept = repr(findings._known)
    assert MAIL not in kept and "kindly" not in kept
    assert findings.digest(b"x", "a") != Findings(b"o" * 32).digest(b"x", "a") != findings.digest(b"x", "b")


def test_what_was_found_by_one_profile_is_not_taken_for_anothers() -> None:
    findings = Findings(b"k" * 32)
    request = asking({"role": "system", "content": f"{PHONE} {MAIL}"})
    seen = []
    for profile in (EVERYTHING, Profile(name="some", mask=frozenset({"email"}))):
        seen.append(masked(request, profile, findings=findings).messages[0]["content"].partition("\n")[0])
    assert seen == ["⟦PHONE_1⟧ ⟦EMAIL_1⟧", f"{PHONE} ⟦EMAIL_1⟧"]


def test_tools_are_known_again_only_when_nothing_of_them_has_to_stay() -> None:
    findings = Findings(b"k" * 32)
    plain = [{"type": "function", "function": {"name": "f", "description": "Calls", "parameters": {"type": "object"}}}]
    telling = [
        {"type": "function", "function": {"name": "f", "description": f"Calls {PHONE}", "parameters": {"type": "object", "x-user": "u"}}}
    ]
    for tools, left in ((plain, plain), (telling, None)):
        for _ in range(2):
            made = masked(asking(user("Hi"), tools=tools), findings=findings).tools
            assert (made == plain) if left else (PHONE not in str(made) and "x-user" not in str(made))


def test_only_so_many_texts_are_remembered() -> None:
    findings = Findings(b"k" * 32)
    for number in range(3_000):
        findings.put(number.to_bytes(4, "big"), ())
    assert len(findings._known) == 1_024
    assert findings.get((2_999).to_bytes(4, "big")) == ()
    assert findings.get(bytes(4)) is None


# --- what is random in it ------------------------------------------------------------------------


def target(**facts: Any) -> Target:
    return Target(
        partner="p",
        model="m",
        region="r",
        dialect="openai_chat",
        base_url="https://p.example",
        credential="",
        price_key="p/m",
        facts=Facts(**facts),
    )


def test_a_random_line_stands_after_what_all_users_share() -> None:
    request = asking({"role": "system", "content": "Shared."}, {"role": "developer", "content": "Also."}, user("Hello"))
    made = salted(request, target(), "0123456789abcdef" * 2)
    assert made.messages[0] == request.messages[0]
    assert made.messages[1]["content"] == "Also.\n\n(abcdefghijklmnop)"
    assert made.messages[2:] == request.messages[2:]
    assert made.salt == "0123456789abcdef" * 2


def test_without_instructions_the_line_stands_alone_and_where_the_partner_has_a_salt_of_its_own_there_is_none() -> None:
    made = salted(asking(user("Hello")), target(), "f" * 32)
    assert made.messages[0] == {"role": "system", "content": f"({'p' * 16})"}
    assert salted(asking(user("Hello")), target(cache="request"), "f" * 32).messages == [user("Hello")]


def test_no_line_of_the_veil_is_longer_than_what_is_reserved_for_it() -> None:
    made = salted(masked(asking(user(PHONE))), target(), "f" * 32)
    assert len(made.messages[0]["content"]) <= len(WORDS)
