"""What a chunk costs in each dialect: the partner's bytes to events, events to the device's bytes, in one process.

`python benchmarks/dialects.py` measures all records in turns, rounds interleaved, and writes `results/dialects.json`;
figures are CPU time of this process, medians over the rounds. The goal: each at most 1.3 times the base.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "src")]

from lizi.config import built_in  # noqa: E402
from lizi.dialects import DIALECTS  # noqa: E402
from lizi.dialects.records import known, on_day  # noqa: E402
from lizi.load.record import machine  # noqa: E402
from lizi.types import BASE, Target  # noqa: E402
from lizi.wire.openai import StreamEncoder  # noqa: E402

MODELS = {
    "anthropic": "claude-sonnet-4-5", "ark": "doubao-seed-1-6", "deepseek": "deepseek-v4", "glm": "glm-5",
    "hunyuan": "hunyuan-turbos-latest", "kimi": "kimi-k3", "llamacpp": "smollm2-135m", "minimax": "MiniMax-M3",
    "openai": "gpt-5", "openai_chat": "any-model",
    "qianfan": "ernie-5.0", "qwen": "qwen3-vl-plus", "sglang": "qwen3-32b", "vllm": "qwen3-32b",
}  # fmt: skip
CHUNKS, ROUNDS = 5_000, 15  # 15 rounds of 50 ms each: the median stands still to 1 %
WORDS = " harbour"


def stream(name: str, family: str) -> list[bytes]:
    """One answer as its partner sends it, an event a network read."""
    if family == "anthropic":
        start = {"type": "message_start", "message": {"id": "msg_1", "role": "assistant", "content": [], "usage": {"input_tokens": 9}}}
        begin = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": WORDS}}
        end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": CHUNKS}}
        events = [start, begin, *[delta] * CHUNKS, {"type": "content_block_stop", "index": 0}, end, {"type": "message_stop"}]
        return [f"event: {event['type']}\ndata: {json.dumps(event, separators=(',', ':'))}\n\n".encode() for event in events]
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_760_000_000, "model": MODELS[name]}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice: dict[str, Any] = {"index": 0, "delta": delta, "finish_reason": finish}
        if name == "qianfan":
            choice["flag"] = 0
        return b"data: " + json.dumps(head | {"choices": [choice]}, separators=(",", ":")).encode() + b"\n\n"

    return [*[chunk({"content": WORDS})] * CHUNKS, chunk({}, "stop"), b"data: [DONE]\n\n"]


def target(name: str, at: float) -> Target:
    record = built_in()[name]
    entry, facts = known(record, MODELS[name], at), on_day(record, MODELS[name], at)
    return Target(
        partner="p", model=MODELS[name], region="cn", dialect=record.family, base_url="https://p.test/v1", credential="", price_key="p",
        capabilities=entry.capabilities if entry else frozenset(), facts=BASE if facts == BASE else facts,
    )  # fmt: skip


def relay(at: Target, pieces: list[bytes]) -> float:
    """CPU microseconds a chunk."""
    reader = DIALECTS[at.dialect].Reader(True, 200, {"content-type": "text/event-stream"}, at)
    encoder = StreamEncoder(exchange_id="rq_x", model="assistant", created=1)
    began = time.process_time()
    size = 0
    for piece in pieces:
        events = reader.feed(piece)
        if events:
            size += len(encoder.feed(events))
    took = time.process_time() - began
    assert encoder.ended, f"{at.model}: the stream did not end"
    assert size > CHUNKS * len(WORDS), f"{at.model}: the words did not come through"
    return took / CHUNKS * 1e6


def main() -> int:
    now = time.time()
    names = [name for name in built_in() if built_in()[name].family in DIALECTS]
    targets = {name: target(name, now) for name in names}
    streams = {name: stream(name, targets[name].dialect) for name in names}
    found: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(ROUNDS):
        for name in names:
            found[name].append(relay(targets[name], streams[name]))
    base = statistics.median(found["openai_chat"])
    rows = {
        name: {"cpu_us_per_chunk": round(statistics.median(times), 2), "of_base": round(statistics.median(times) / base, 2)}
        for name, times in found.items()
    }
    result = {"format": 1, "started_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)), "machine": machine(), "dialects": rows}
    path = HERE / "results" / "dialects.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    for name, row in rows.items():
        print(f"{name:12} {row['cpu_us_per_chunk']:6.2f} µs  {row['of_base']:.2f} × base")
    return 0 if all(row["of_base"] <= 1.3 for row in rows.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
