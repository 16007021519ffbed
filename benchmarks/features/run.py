"""Measure the writing features on the stored set: real models, real HTTP, the features' own plans.

For each feature and locale: how many results keep the contract (judged by `check`, a typed error is none), how pure the
script is, and how useful the result is, beside the same model with a bare prompt. `en` is asked of the default model, the
Chinese locales of the 0.5B one. Temperature 0. Writes `benchmarks/results/features.json`.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent / "src")]

from check import faults, fixed, impure, is_han, misplaced, texts_of  # noqa: E402

from lizi.dialects import DIALECTS  # noqa: E402
from lizi.edge import local_model, models  # noqa: E402
from lizi.errors import LiziError  # noqa: E402
from lizi.features import FEATURES, Answer  # noqa: E402
from lizi.features.edits import edits as edits_between  # noqa: E402
from lizi.features.ranges import in_unit  # noqa: E402
from lizi.load.record import machine  # noqa: E402
from lizi.types import ChatRequest, Fault, Finish, Target, Text, Usage  # noqa: E402
from lizi.wire.tasks import TaskRequest, decode_task  # noqa: E402

LOCALES = ("en", "zh-Hans", "zh-Hant", "zh-Hant-HK")
MODELS = {"en": "smollm2-135m"}
CHINESE = "qwen2.5-coder-0.5b"
KEY = secrets.token_hex(16)
BARE_TOKENS = 256
BARE = {
    "proofread": ("Proofread this text: ", "校对这段文字：", "校對這段文字："),
    "friendly": ("Rewrite this text in a friendly tone: ", "用友好的语气改写这段文字：", "用友善的語氣改寫這段文字："),
    "professional": ("Rewrite this text in a professional tone: ", "用专业的语气改写这段文字：", "用專業的語氣改寫這段文字："),
    "concise": ("Make this text more concise: ", "把这段文字改得更简洁：", "把這段文字改得更簡潔："),
    "elaborate": ("Elaborate on this text: ", "把这段文字写得更详细：", "把這段文字寫得更詳細："),
    "rephrase": ("Rephrase this text: ", "换一种说法：", "換一種說法："),
    "emojify": ("Add emoji to this text: ", "给这段文字加上表情符号：", "給這段文字加上表情符號："),
    "custom": ("{instruction}: ", "{instruction}：", "{instruction}："),
    "summary": ("Summarize this text: ", "概括这段文字：", "概括這段文字："),
    "key_points": ("List the key points of this text: ", "列出这段文字的要点：", "列出這段文字的重點："),
    "list": ("Turn this text into a list: ", "把这段文字变成清单：", "把這段文字變成清單："),
    "table": ("Turn this text into a table: ", "把这段文字变成表格：", "把這段文字變成表格："),
}

Asked = Callable[[ChatRequest], tuple[Answer, Usage]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--locales", nargs="*", default=LOCALES, choices=LOCALES)
    parser.add_argument("--features", nargs="*", default=("proofread", "rewrite", "transform"))
    parser.add_argument("--limit", type=int, default=50, help="items of each set")
    parser.add_argument("--sets", type=Path, default=HERE / "sets", help="folder of FEATURE.LOCALE.jsonl")
    parser.add_argument("--no-bare", action="store_true", help="leave the bare prompt out")
    parser.add_argument("--details", type=Path, help="also write every result, one JSON object a line")
    parser.add_argument("--out", type=Path, default=HERE.parent / "results" / "features.json")
    arguments = parser.parse_args()
    details = arguments.details.open("w") if arguments.details else None
    began, cells = time.time(), []
    for model in (MODELS["en"], CHINESE):
        locales = [locale for locale in arguments.locales if MODELS.get(locale, CHINESE) == model]
        if not locales:
            continue
        process, ask = _serve(model)
        try:
            for feature in arguments.features:
                for locale in locales:
                    lines = (arguments.sets / f"{feature}.{locale}.jsonl").read_text().splitlines()[: arguments.limit]
                    cell = _measure([json.loads(line) for line in lines], model, ask, not arguments.no_bare, details)
                    cells.append({"feature": feature, "locale": locale, "model": model, **cell})
                    print(_line(cells[-1]), flush=True)
        finally:
            process.terminate()
            process.wait(10)
    if details:
        details.close()
    versions = {name: feature.version for name, feature in FEATURES.items()}
    record = {
        "when": time.strftime("%Y-%m-%d", time.gmtime(began)),
        "seconds": round(time.time() - began),
        "machine": machine(),
        "engine": "xllamacpp, one thread, temperature 0",
        "models": {name: models.MODELS[name].sha256 for name in {cell["model"] for cell in cells}},
        "features": versions,
        "cells": cells,
    }
    arguments.out.parent.mkdir(exist_ok=True)
    arguments.out.write_text(json.dumps(record, ensure_ascii=False, indent=1, default=str) + "\n")
    return 0


def _serve(model: str) -> tuple[subprocess.Popen[bytes], Asked]:
    """The local model as the service runs it, and a way to ask it over HTTP through the partner dialect."""
    folder = models.directory(os.environ)
    line = local_model.command(model, folder, port=0, slots=1)
    environment = {**os.environ, local_model.KEY_ENV: KEY, "PYTHONPATH": str(HERE.parent.parent / "src")}
    process = subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    address = json.loads(process.stdout.readline())["address"]
    target = Target(partner="local", model=model, region="", dialect="openai_chat", base_url=address + "/v1", credential="", price_key="")
    dialect = DIALECTS["openai_chat"]

    def ask(request: ChatRequest) -> tuple[Answer, Usage]:
        call = dialect.encode(request, target)
        connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=300)
        headers = {name.decode(): value.decode() for name, value in call.headers} | {"Authorization": f"Bearer {KEY}"}
        connection.request(call.method, "/v1/chat/completions", call.body, headers)
        reply = connection.getresponse()
        reader = dialect.Reader(False, reply.status, {name.lower(): value for name, value in reply.getheaders()}, target)
        events = reader.feed(reply.read()) + reader.close()
        connection.close()
        fault = next((event.error.internal for event in events if type(event) is Fault), None)
        finish = next((event.reason for event in events if type(event) is Finish), None)
        usage = next((event for event in events if type(event) is Usage), Usage())
        return Answer(text="".join(event.text for event in events if type(event) is Text), finish=finish, fault=fault), usage

    return process, ask


def _measure(items: list[dict[str, Any]], model: str, ask: Asked, bare: bool, details: Any) -> dict[str, Any]:
    runs = {"lizi": _with_plan} | ({"bare": _with_bare_prompt} if bare else {})
    out = {}
    for name, run in runs.items():
        rows = []
        for item in items:
            started = time.monotonic()
            try:
                result, asks = run(item, model, ask)
                row = {"id": item["id"], "result": result, "asks": asks, "faults": faults(item, result)}
            except LiziError as error:
                row = {"id": item["id"], "result": None, "asks": 2, "faults": [error.code]}
            row["seconds"] = round(time.monotonic() - started, 2)
            rows.append(row)
            if details:
                details.write(json.dumps({"how": name, "text": item["text"], **row}, ensure_ascii=False) + "\n")
                details.flush()
        out[name] = _summary(items, rows)
    return out


def _body(item: dict[str, Any]) -> bytes:
    source = {"text": item["text"], "format": item["format"]}
    if "protected_ranges" in item:
        source["protected_ranges"] = item["protected_ranges"]
    unit = {"offset_unit": item["offset_unit"]} if "offset_unit" in item else {}
    return json.dumps({"input": source, "locale": item["locale"], **unit, **item["options"]}).encode()


def _with_plan(item: dict[str, Any], model: str, ask: Asked) -> tuple[dict[str, Any], int]:
    request: TaskRequest = decode_task(_body(item), item["feature"], LOCALES)
    steps = FEATURES[item["feature"]].plan(request, model)
    chat, asks = next(steps), 0
    while True:
        answer, _ = ask(chat)
        asks += 1
        try:
            chat = steps.send(answer)
        except StopIteration as done:
            return done.value, asks


def _with_bare_prompt(item: dict[str, Any], model: str, ask: Asked) -> tuple[dict[str, Any], int]:
    """The prompt anybody would write first, and the plainest reading of what comes back."""
    options, locale = item["options"], item["locale"]
    said = BARE[options.get("style") or options.get("to") or "proofread"][0 if locale == "en" else 1 if locale == "zh-Hans" else 2]
    put = said.format(instruction=options.get("instruction", "").rstrip(".。")) + item["text"]
    answer, _ = ask(ChatRequest(model=model, messages=[{"role": "user", "content": put}], max_output_tokens=BARE_TOKENS, temperature=0.0))
    if answer.finish != "stop":
        raise LiziError("cut off", code="output_truncated")
    text = answer.text.strip()
    if item["feature"] == "writing.proofread":
        changes = edits_between(item["text"], text)
        places = in_unit(item["text"], [(edit.start, edit.end) for edit in changes], item.get("offset_unit", "scalar"))
        listed = [
            {"range": place, "original": item["text"][edit.start : edit.end], "replacement": edit.replacement, "explanation": ""}
            for edit, place in zip(changes, places, strict=True)
        ]
        return {"corrected": text, "edits": listed}, 1
    if item["feature"] == "writing.rewrite":
        return {"candidates": [{"text": text, "style": options["style"]}]}, 1
    lines = [re.sub(r"\A\s*(?:[-*•]|\d+[.)、])\s*", "", line).strip() for line in text.split("\n") if line.strip()]
    if options["to"] == "summary":
        return {"summary": text}, 1
    if options["to"] != "table":
        return {"points" if options["to"] == "key_points" else "items": lines}, 1
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines if "|" in line and not re.fullmatch(r"[\s|:-]*", line)]
    return {"columns": rows[0] if rows else [], "rows": rows[1:]}, 1


# --- figures -------------------------------------------------------------------------------------


def _summary(items: list[dict[str, Any]], rows: list[dict[str, Any]]) -> dict[str, Any]:
    count = len(rows)
    results = [(item, row["result"]) for item, row in zip(items, rows, strict=True) if row["result"] is not None]
    characters = foreign = pure = 0
    for item, result in results:
        texts = texts_of(result)
        wrong = sum(len(impure(text, item["locale"], item["text"])) for text in texts)
        characters += sum(len(text) if item["locale"] == "en" else sum(map(is_han, text)) for text in texts)
        foreign += wrong
        pure += not wrong
    out: dict[str, Any] = {
        "items": count,
        "contract_valid": round(sum(not row["faults"] for row in rows) / count, 4),
        "pure_outputs": round(pure / len(results), 4) if results else None,
        "pure_characters": round(1 - foreign / characters, 4) if characters else None,
        "asks": round(sum(row["asks"] for row in rows) / count, 2),
        "seconds_median": sorted(row["seconds"] for row in rows)[count // 2],
        "faults": dict(Counter(fault for row in rows for fault in set(row["faults"]))),
    }
    basis = Counter(_basis(result) for _, result in results if _basis(result))
    if basis:
        out["basis"] = {name: round(basis[name] / count, 4) for name in ("model", "mixed", "input")}
    if items[0]["feature"] == "writing.proofread":
        out |= _proofread_figures(results)
    elif items[0]["feature"] == "writing.rewrite":
        out["changed"] = round(sum(result["candidates"][0]["text"].strip() != item["text"].strip() for item, result in results) / count, 4)
    useful = sum(
        not row["faults"] and (row["result"] or {}) != {} and _is_useful(item, row["result"]) for item, row in zip(items, rows, strict=True)
    )
    out["valid_and_useful"] = round(useful / count, 4)
    return out


def _basis(result: dict[str, Any]) -> str | None:
    return result["candidates"][0].get("basis") if "candidates" in result else result.get("basis")


def _is_useful(item: dict[str, Any], result: dict[str, Any]) -> bool:
    """Proofread: a known error fixed and none added, or a clean text left alone. Rewrite, transform: not just the writer's own words."""
    if item["feature"] == "writing.proofread":
        good, known = fixed(item, result["corrected"])
        stray = misplaced(item, result["edits"], item.get("offset_unit", "scalar"))
        return stray == 0 and (good > 0 or known == 0)
    if item["feature"] == "writing.rewrite":
        return result["candidates"][0]["text"].strip() != item["text"].strip()
    return _basis(result) != "input" and result.get("summary") != item["text"]


def _proofread_figures(results: list[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, Any]:
    known = done = stray = made = clean = alone = 0
    for item, result in results:
        good, errors = fixed(item, result["corrected"])
        known, done = known + errors, done + good
        made += len(result["edits"])
        stray += misplaced(item, result["edits"], item.get("offset_unit", "scalar"))
        if not errors:
            clean += 1
            alone += result["corrected"] == item["text"]
    return {
        "errors_fixed": round(done / known, 4) if known else None,
        "clean_left_alone": round(alone / clean, 4) if clean else None,
        "edits": made,
        "edits_off_target": stray,
    }


def _line(cell: dict[str, Any]) -> str:
    parts = [f"{cell['feature']:>10} {cell['locale']:<11}"]
    for name in ("lizi", "bare"):
        if name in cell:
            figures = cell[name]
            shown = {
                key: figures[key]
                for key in (
                    "contract_valid",
                    "pure_outputs",
                    "valid_and_useful",
                    "basis",
                    "errors_fixed",
                    "clean_left_alone",
                    "edits_off_target",
                    "faults",
                )
                if key in figures
            }
            parts.append(f"{name}: {shown} {figures['seconds_median']} s")
    return "\n   ".join(parts)


if __name__ == "__main__":
    sys.exit(main())
