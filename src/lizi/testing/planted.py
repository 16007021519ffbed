"""The thirty behaviours that partners were seen to have, or could have, each playable in every dialect's words.

`PLANTED` is the conformance table: a column with its variants, what a gateway should make of each, and the dialects in which
it can't happen, each with its reason. Tests run it, the reference page shows it, `lizi partner fake` plays it. Pure. Source:
design note on partners §3.6.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from lizi.testing.behaviours import BEHAVIOURS, Behaviour, Mark, ToolCall
from lizi.testing.branding import Brandmark, branded, mark_of
from lizi.testing.captured import Captured, Script
from lizi.testing.remembering import CHEAP, GOOD, SENTENCE, ConcurrencyCap, DataHoarder, Degrading, ModelSwap, SlopeLimiter, ten_a_step
from lizi.testing.speech import Speech
from lizi.testing.speeches import SPEECHES

__all__ = ["PLANTED", "THOUGHT", "Planted", "Variant", "find"]

_USAGE = (12, 34)
_OBJECT = '{"city":"杭州"}'
_CUT = '{"city":'
_CALL = ToolCall(name="get_weather", arguments=_OBJECT, id="acme_call_1")
THOUGHT = "They want to know about the river; I should say that it is quiet."
_ACME = (("server", "acme-gateway/3.1"), ("x-acme-request-id", "acme-7781"), ("x-leaderboard-rank", "1"))
_BOAST = f"Ranked first on every leaderboard, I say: {SENTENCE}"
_SIMPLIFIED = "今天的会议改到下午三点，麻烦大家准时参加。"

Due = str
"""A finish reason; `!class` or `!code` of a typed error; `retract`; `withdrawn`: nothing was shown; `result`: a feature's object."""


class Variant(Struct, frozen=True, kw_only=True):
    """One way to behave so."""

    name: str
    script: Script
    due: tuple[Due, ...] = ("stop",)
    """What the device should get of each request in turn."""
    ask: Literal["chat", "schema", "rewrite", "loop", "personal"] = "chat"
    """`rewrite`: the writing feature, in Traditional characters; `loop`: a tool's call and its result; `personal`: a number of each
    user's own."""
    streamed: tuple[bool, ...] = (True, False)
    said: tuple[str, ...] | None = (SENTENCE,)
    """The device's text, to the letter, of each request (the last one goes on); `None`: whatever came."""
    arguments: tuple[str, ...] = ()
    """Of each tool call that it gets."""
    hurried: bool = False
    """Asked with short deadlines."""
    together: bool = False
    """Requests overlap."""
    can_retract: bool = False
    """The device can take back what it has shown."""
    forced: bool = False
    """Asked as if the partner could do what its record does not say."""
    loses_state: bool = False
    """The device doesn't bring back what it was given to carry."""
    checks: Mapping[str, str] = {}
    """What the record must say of it."""
    usage: tuple[int, int] | None = None
    """Tokens that the ledger must hold."""
    retry_after_s: float | None = None


class Planted(Struct, frozen=True, kw_only=True):
    """One of the thirty."""

    number: int
    name: str
    what: str
    variants: Callable[[Speech], list[Variant]]
    """Made anew for each run: some remember."""
    absent: Mapping[str, str] = {}
    """Dialect → why it can't happen there."""


# --- what depends on the dialect --------------------------------------------------------------------


def _framed(body: Any, *, streamed: bool) -> bytes:
    data = msgspec.json.encode(body)
    return b"data: " + data + b"\n\n" if streamed else data


def _error_in_stream(speech: Speech) -> list[Variant]:
    return [
        Variant(
            name=kind,
            script=replace(GOOD, fault="error_event", error_event=speech.failure(kind).body),
            due=("!" + speech.failure(kind).means,),
            streamed=(True,),
        )
        for kind in ("server_error", "overloaded", "rate")
    ]


def _error_in_200(speech: Speech) -> list[Variant]:
    rate = speech.failure("rate")
    found = [
        Variant(name="its own error", script=speech.error("rate", status=200), due=("!" + rate.means,)),
        # Above what a whole answer may have: 16 MiB.
        Variant(name="a body without end", script=Behaviour(flood_bytes=24 * 1024 * 1024), due=("!server_error",)),
    ]
    if speech.trap is not None:
        found.append(Variant(name="in another protocol's form", script=Behaviour(error=speech.trap), due=("!rate_rpm",)))
    return found


def _moderated(speech: Speech) -> list[Variant]:
    found = []
    ending = replace(GOOD, finish="content_filter")
    if speech.blocks == "finish":
        found.append(Variant(name="it ends the answer", script=ending, due=("content_filter",)))
    elif speech.blocks == "retract":
        found.append(Variant(name="the device takes it back", script=ending, due=("retract",), can_retract=True))
        found.append(Variant(name="it was never shown", script=ending, due=("withdrawn",)))
    elif speech.blocks == "error":
        error = speech.failure("policy_output").body
        script = replace(GOOD, fault="error_event", error_event=error)
        found.append(Variant(name="an error within the stream", script=script, due=("!policy_output",), streamed=(True,)))
    elif speech.blocks == "field":
        said = {"output_sensitive": True, "output_sensitive_type": 1}
        script = replace(GOOD, marks=(Mark(after=3, chunk=said),))
        found.append(Variant(name="a field within the answer", script=script, due=("!policy_output",)))
        script = replace(GOOD, marks=(Mark(after=3, only=True, chunk=speech.failure("policy_output").body | {"choices": []}),))
        found.append(Variant(name="its inner error within the stream", script=script, due=("!policy_output",), streamed=(True,)))
    for kind in ("policy_input", "policy_output"):
        if kind in speech.errors:
            found.append(Variant(name=f"{kind} as an error", script=speech.error(kind), due=("!" + kind,)))
    if speech.family == "anthropic":
        script = replace(ending, text="")
        found.append(Variant(name="it refuses to begin", script=script, due=("!refused",)))
    return found


def _flagged(speech: Speech) -> list[Variant]:
    def marked(flag: int) -> Behaviour:
        return replace(GOOD, marks=(Mark(choice={"flag": 0}), Mark(after=3, choice={"flag": flag, "ban_round": -1})))

    return [
        Variant(name="1: low risk", script=marked(1)),
        Variant(name="2: no further turns", script=marked(2), checks={"moderation": "failed"}),
        Variant(name="3: must not be shown", script=marked(3), due=("!policy_output",)),
        Variant(name="4: taken back by the device", script=marked(4), due=("retract",), can_retract=True),
        Variant(name="4: never shown", script=marked(4), due=("withdrawn",)),
        Variant(name="9: in no document", script=marked(9), due=("!policy_output",)),
    ]


def _tools(speech: Speech) -> list[Variant]:
    calls = replace(GOOD, text=None, tools=(_CALL, replace(_CALL, id="acme_call_2")), finish="tool_calls")
    cut, bare = (replace(calls, tools=(replace(_CALL, arguments=arguments),)) for arguments in (_CUT, ""))
    due, both, chat = ("tool_calls",), (_OBJECT, _OBJECT), speech.family == "openai_chat"
    found = [
        Variant(name="fragmented", script=calls, due=due, said=("",), arguments=both),
        Variant(name="whole", script=replace(calls, fragment_tools=False), due=due, said=("",), arguments=both),
        # In Messages a whole answer's arguments are an object: only a stream can cut them.
        Variant(name="invalid JSON", script=cut, due=due, said=("",), arguments=(_CUT,), streamed=(True, False) if chat else (True,)),
        Variant(name="none at all", script=bare, due=due, said=("",), arguments=("{}",)),
        Variant(name="announced but missing", script=replace(GOOD, finish="tool_calls"), due=("!truncated",)),
    ]
    if speech.key_header == "":
        written = f'<tool_call>{{"name":"get_weather","arguments":{_OBJECT}}}</tool_call>'
        found.append(Variant(name="written into the text", script=replace(GOOD, text=written), due=due, said=("",), arguments=(_OBJECT,)))
    return found


def _usage_chunk(speech: Speech) -> list[Variant]:
    found = [Variant(name="where it puts it", script=GOOD, usage=_USAGE)]
    if speech.family == "openai_chat":
        found.append(Variant(name="in a chunk without choices", script=replace(GOOD, usage="always"), usage=_USAGE))
    return found


def _rate_limited(speech: Speech) -> list[Variant]:
    due = ("!" + speech.failure("rate").means,)
    told = speech.error("rate", status=429, headers=(("retry-after", "7"),))
    # Without a code the status alone speaks: of requests under way where the partner counts those, else of requests a minute.
    counted = "rate_concurrency" if speech.failure("rate").means == "rate_concurrency" else "rate_rpm"
    bare = Behaviour(status=429, reason="Too Many Requests", error={"error": {"message": "Slow down, says acme-cloud."}})
    return [
        Variant(name="says when", script=told, due=due, retry_after_s=7.0),
        Variant(name="does not say when", script=speech.error("rate"), due=due),
        Variant(name="has no code", script=bare, due=("!" + counted,)),
    ]


def _unpaid(speech: Speech) -> list[Variant]:
    found = [
        Variant(name="as a rate limit", script=speech.error("billing", status=429), due=("!billing",)),
        Variant(name="as it usually says it", script=speech.error("billing"), due=("!billing",)),
    ]
    if "spend_cap" in speech.errors:
        found.append(Variant(name="a cap on spending", script=speech.error("spend_cap"), due=("!spend_cap",)))
    return found


def _unwell(speech: Speech) -> list[Variant]:
    busy = "!" + speech.failure("overloaded").means
    page = Behaviour(status=503, reason="Service Unavailable", body=b"<html>acme-cloud is down</html>", content_type="text/html")
    unpaid = speech.error("billing", status=402) if "billing" in speech.errors else Behaviour(status=402, reason="Payment Required")
    return [
        Variant(name="402", script=unpaid, due=("!billing",)),
        Variant(name="529", script=speech.error("overloaded", status=529), due=(busy,)),
        Variant(name="503", script=speech.error("overloaded", status=503), due=(busy,)),
        Variant(name="503 as a page", script=page, due=("!overloaded",)),
    ]


def _vendor(speech: Speech) -> list[Variant]:
    mark = _mark(speech)
    name, maker, domain = mark.names[0], mark.makers[0], mark.domains[0]
    spoken = f"I am {name}, made by {maker}. {SENTENCE}"
    linked = f"{SENTENCE} ![](https://{domain}/p.gif?r=7781)"
    return [
        Variant(name="in an error", script=speech.error("server_error", headers=_ACME), due=("!server_error",)),
        Variant(name="in headers and ids", script=replace(GOOD, headers=_ACME, model="acme-9-pro")),
        Variant(name="everywhere", script=branded(replace(GOOD, headers=_ACME), mark), said=None),
        Variant(name="as who it is: the feature answers", script=replace(GOOD, text=spoken), said=(f"I am your assistant. {SENTENCE}",)),
        Variant(name="in a picture that counts its readers", script=replace(GOOD, text=linked), said=(f"{SENTENCE} ",)),
    ]


def _mark(speech: Speech) -> Brandmark:
    return mark_of(next(name for name, row in SPEECHES.items() if row is speech), speech.models[0])


def _braggart(speech: Speech) -> list[Variant]:
    named = f"I am {_mark(speech).names[0]}, first on every leaderboard. {SENTENCE}"
    marks = (Mark(chunk={"leaderboard_rank": 1, "system_fingerprint": "acme-first"}),)
    script = replace(GOOD, text=_BOAST, headers=_ACME, model="acme-9-pro-number-1", marks=marks)
    return [
        # It names nobody: what it claims is for an examination to weigh, at nought.
        Variant(name="everywhere", said=(_BOAST,), script=script),
        Variant(name="in its own name", said=(f"I am your assistant. {SENTENCE}",), script=replace(script, text=named)),
    ]


def _framing(speech: Speech) -> list[Variant]:
    return [
        Variant(name="each byte on its own", script=replace(GOOD, slice_bytes=1)),
        Variant(name="CRLF", script=replace(GOOD, crlf=True), streamed=(True,)),
        Variant(name="no space after the colon", script=replace(GOOD, data_space=False), streamed=(True,)),
        Variant(name="a byte order mark", script=replace(GOOD, bom=True), streamed=(True,)),
    ]


def _no_schema(speech: Speech) -> list[Variant]:
    refusal, good = speech.error("bad_request"), replace(GOOD, text=_OBJECT)

    def choose(captured: Captured) -> Behaviour:
        return refusal if captured.asked.json_schema else good

    return [Variant(name="400", script=choose, ask="schema", said=(_OBJECT,), forced=True, checks={"result": "passed"})]


def _schema_invalid(speech: Speech) -> list[Variant]:
    broken, wrong, good = (replace(GOOD, text=text) for text in ('{"city": "Ha', '{"town":"杭州"}', _OBJECT))
    due = ("!structured_output_failed",)
    return [
        Variant(name="no JSON, twice", script=broken, ask="schema", due=due),
        Variant(name="another object, twice", script=wrong, ask="schema", due=due),
        Variant(name="mended when asked again", script=[wrong, good], ask="schema", said=(_OBJECT,), checks={"result": "repaired"}),
    ]


def _replayed(speech: Speech) -> list[Variant]:
    script = [replace(GOOD, text=None, reasoning=THOUGHT, tools=(_CALL,), finish="tool_calls"), GOOD]
    due = ("tool_calls", "stop")
    return [
        Variant(name="the device brings it", script=script, ask="loop", due=due, said=("", SENTENCE)),
        Variant(name="the device lost it", script=script, ask="loop", due=due, said=("", SENTENCE), loses_state=True),
    ]


def _binary(speech: Speech) -> list[Variant]:
    def message(name: str, payload: bytes) -> bytes:
        headers = b"".join(struct.pack(">B", len(key)) + key + struct.pack(">BH", 7, len(value)) + value for key, value in (
            (b":event-type", name.encode()), (b":content-type", b"application/json"), (b":message-type", b"event"),
        ))  # fmt: skip
        prelude = struct.pack(">II", len(headers) + len(payload) + 16, len(headers))
        data = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
        return data + struct.pack(">I", zlib.crc32(data))

    body = message("messageStart", b'{"role":"assistant"}') + message("contentBlockDelta", b'{"delta":{"text":"acme"}}')
    script = Behaviour(body=body, content_type="application/vnd.amazon.eventstream")
    return [Variant(name="frames of another protocol", script=script, due=("!server_error",))]


def _block_reason(speech: Speech) -> list[Variant]:
    # In Messages it is no answer at all, and no partner that speaks it was seen to send it.
    due = "!policy_input" if speech.family == "openai_chat" else "!server_error"
    tree = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "choices": [], "model": "acme-9-pro"}
    return [
        Variant(
            name="streamed" if streamed else "whole",
            script=Behaviour(body=_framed(tree, streamed=streamed)),
            due=(due,),
            streamed=(streamed,),
        )
        for streamed in (True, False)
    ]


def _slow(speech: Speech) -> list[Variant]:
    late = ("!upstream_timeout",)
    patient = replace(GOOD, first_byte_ms=10, first_token_ms=10, idle_gap_ms=10)
    # Ten times the short deadlines: nobody waits for their end.
    return [
        Variant(name="first byte", script=replace(GOOD, first_byte_ms=2_000), due=late, hurried=True),
        Variant(name="first token", script=replace(GOOD, first_token_ms=2_000), due=late, hurried=True, streamed=(True,)),
        Variant(name="a gap", script=replace(GOOD, idle_gap_ms=2_000, idle_gap_after=3), due=late, hurried=True, streamed=(True,)),
        Variant(name="kept alive in a gap", script=replace(GOOD, keepalives=400, keepalive_ms=5), due=late, hurried=True, streamed=(True,)),
        Variant(name="slow, but not too slow", script=patient),
    ]


def _degrading(speech: Speech) -> list[Variant]:
    busy = "!" + speech.failure("overloaded").means
    return [
        Variant(name="after two requests", script=Degrading(speech), due=("stop", "stop", "!truncated", busy)),
        Variant(
            name="from a time on", script=Degrading(speech, until_s=10.0, at=ten_a_step), due=("stop", "stop", "stop", "!truncated", busy)
        ),
    ]


def _disorder(speech: Speech) -> list[Variant]:
    found = [
        Variant(name="each event twice", script=replace(GOOD, duplicate_chunks=True), said=None, streamed=(True,)),
        Variant(name="neighbours exchanged", script=replace(GOOD, swap_chunks=True), said=None, streamed=(True,)),
        Variant(name="words after the finish", script=replace(GOOD, late_chunks=2), streamed=(True,)),
    ]
    if speech.family == "openai_chat":
        calls = replace(GOOD, text=None, tools=(replace(_CALL, arguments="{}"),), finish="tool_calls", swap_chunks=True)
        name, due = "a tool's arguments before its name", ("tool_calls",)
        found.append(Variant(name=name, script=calls, due=due, said=("",), arguments=("{}",), streamed=(True,)))
    return found


def _plain(*variants: Variant) -> Callable[[Speech], list[Variant]]:
    return lambda speech: list(variants)


# --- the table --------------------------------------------------------------------------------------

_OWN_FIELD = "its reasoning has a place of its own"
_NOBODY_BILLS = "self-hosted: nobody bills for it"
_LOCAL = ("vllm", "sglang", "llamacpp")
_FIELDS = tuple(name for name in SPEECHES if name not in ("minimax", *_LOCAL))
_NO_FLAG = tuple(name for name, speech in SPEECHES.items() if not speech.flags)

PLANTED: tuple[Planted, ...] = (
    Planted(number=1, name="keep_alive", what="comments, blank lines or pings before the answer", variants=_plain(
        Variant(name="six of them", script=replace(GOOD, keepalives=6, keepalive_ms=1), streamed=(True,)),
    )),
    Planted(number=2, name="error_in_stream", what="an error in the middle of a stream", variants=_error_in_stream),
    Planted(number=3, name="error_in_200", what="HTTP 200 with an error for a body, or with a body without end", variants=_error_in_200),
    Planted(number=4, name="truncated", what="the answer ends without its end", variants=_plain(
        Variant(name="the stream just ends", script=replace(GOOD, fault="truncated"), due=("!truncated",), streamed=(True,)),
        Variant(name="the connection closes", script=replace(GOOD, fault="cut"), due=("!truncated",)),
        Variant(name="the connection is reset", script=replace(GOOD, fault="reset"), due=("!truncated",)),
        Variant(name="no reason to stop", script=replace(GOOD, finish=None), due=("!truncated",)),
    )),
    Planted(number=5, name="sensitive", what="moderation in the middle of an answer, or before it", variants=_moderated,
            absent=dict.fromkeys(_LOCAL, "self-hosted: it moderates nothing")),
    Planted(number=6, name="flags", what="a moderation `flag` beside the answer: 2, 3, 4", variants=_flagged,
            absent=dict.fromkeys(_NO_FLAG, "the field is another partner's")),
    Planted(number=7, name="think_tags", what="`<think>` in the text, split over chunks", variants=_plain(
        Variant(name="before the answer", script=replace(GOOD, reasoning=THOUGHT, think_tags=True)),
    ), absent=dict.fromkeys(_FIELDS, _OWN_FIELD)),
    Planted(number=8, name="tool_arguments", what="a tool's arguments fragmented, whole, invalid, or missing", variants=_tools),
    Planted(number=9, name="usage_chunk", what="usage in a chunk of its own, or wherever else the partner puts it", variants=_usage_chunk),
    Planted(number=10, name="unknown_finish", what="a reason to stop that no document names", variants=_plain(
        Variant(name="lunch_break", script=replace(GOOD, finish="lunch_break"), due=("length",), checks={"finish": "failed"}),
    )),
    Planted(number=11, name="rate_limited", what="429 with and without Retry-After", variants=_rate_limited),
    Planted(number=12, name="unpaid_as_429", what="429 that means an unpaid account", variants=_unpaid,
            absent=dict.fromkeys(_LOCAL, _NOBODY_BILLS)),
    Planted(number=13, name="slope_limiter", what="429 when requests grow too fast", variants=lambda speech: [
        Variant(name="half more a window", script=SlopeLimiter(speech, at=ten_a_step),
                due=("stop", "stop", "!" + speech.failure("slope").means, "stop", "stop")),
    ]),
    Planted(number=14, name="concurrency_cap", what="429 when too many are under way", variants=lambda speech: [
        Variant(name="two at once", script=ConcurrencyCap(speech), due=("stop", "stop", "!" + speech.failure("concurrency").means),
                together=True, streamed=(True,)),
    ]),
    Planted(number=15, name="unwell", what="402, 529, 503", variants=_unwell),
    Planted(number=16, name="vendor_names", what="the vendor's name in errors, headers and text", variants=_vendor),
    Planted(number=17, name="framing", what="UTF-8 split, CRLF, no space after `data:`", variants=_framing),
    Planted(number=18, name="no_json_schema", what="`json_schema` is answered 400", variants=_no_schema),
    Planted(number=19, name="schema_invalid", what="JSON that the schema does not accept", variants=_schema_invalid),
    Planted(number=20, name="reasoning_replay", what="400 when reasoning does not come back, or does where it must not",
            variants=_replayed),
    Planted(number=21, name="binary_stream", what="a binary event stream", variants=_binary),
    Planted(number=22, name="block_reason", what="`blockReason` without candidates", variants=_block_reason),
    Planted(number=23, name="slow", what="slow first byte, slow first token, a gap", variants=_slow),
    Planted(number=24, name="model_swap", what="a cheaper model answers unsaid", variants=lambda speech: [
        Variant(name="from the second request on", script=ModelSwap(), due=("stop", "stop"), said=(SENTENCE, CHEAP)),
    ]),
    Planted(number=25, name="data_hoarder", what="an earlier user's words come back", variants=lambda speech: [
        Variant(name="the last one's", script=DataHoarder(), due=("stop", "stop"), said=None),
        Variant(name="the last one's number, which it never had", script=DataHoarder(), due=("stop", "stop"), said=None, ask="personal"),
    ]),
    Planted(number=26, name="wrong_region", what="the host of another region refuses the key", variants=lambda speech: [
        Variant(name="as it says it", script=speech.error("region"), due=("!auth",)),
    ]),
    Planted(number=27, name="braggart", what="claims to lead every board, in text, headers and fields", variants=_braggart),
    Planted(number=28, name="simplified", what="Simplified characters where Traditional ones were asked for", variants=_plain(
        Variant(name="a rewriting", script=Behaviour(text=_SIMPLIFIED), ask="rewrite", due=("result",), said=None),
    )),
    Planted(number=29, name="degradation", what="good at first, worse by count or by the clock", variants=_degrading),
    Planted(number=30, name="disorder", what="events twice or out of order", variants=_disorder),
)  # fmt: skip


def find(speech: Speech, dialect: str, name: str) -> Script:
    """The script of a behaviour by name (`slope_limiter`, also `13`; `flags/4: never shown`), or of one answer of `BEHAVIOURS`.

    Without a variant, the first one. Raises `ValueError` with what there is.
    """
    wanted, _, variant = name.partition("/")
    for planted in PLANTED:
        if wanted in (planted.name, str(planted.number)):
            if dialect in planted.absent:
                raise ValueError(f"'{wanted}' can't happen with {dialect}: {planted.absent[dialect]}")
            variants = planted.variants(speech)
            found = next((one for one in variants if not variant or one.name == variant), None)
            if found is None:
                raise ValueError(f"'{wanted}' has no variant '{variant}'; there are {', '.join(one.name for one in variants)}")
            return found.script
    if name in BEHAVIOURS:
        return BEHAVIOURS[name]
    raise ValueError(f"there is no behaviour '{name}'; there are {', '.join([*(one.name for one in PLANTED), *BEHAVIOURS])}")
