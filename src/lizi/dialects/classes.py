"""Partners' failures → canonical classes → our errors (partners.md §3.4).

Reads a partner's wording to understand it and never repeats it. A policy block is final: it is
not offered to another target. The tables are dated November 2026; a code that is not in them
falls back to the HTTP status. Bound: looks at 64 KiB of a body and 2,000 characters of a message.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import msgspec
from msgspec import Struct

from lizi.errors import InvalidRequest, LiziError, PartnerError, ResultError, Retry
from lizi.types import BASE, Facts, Json

__all__ = ["CLASSES", "ERROR_BODY_BYTES", "classify", "error_of", "find_error"]

ERROR_BODY_BYTES = 64 * 1024
_MESSAGE_CHARACTERS = 2_000
_LONGEST_RETRY_S = 86_400.0  # a day: what is later than that is not "retry after" but "find another"


class _Meaning(Struct, frozen=True):
    error: type[LiziError]
    code: str
    retry: Retry
    message: str
    status: int | None = None


_AWAY = "the model behind this name is not available right now; try again later"
_BUSY = "the model behind this name is at its limit right now; try again later"
_UNFIT = "the model behind this name does not take this request as it stands"
_LONG = "the messages and the answer asked for are longer than the model's context; send less"

_MEANINGS: dict[str, _Meaning] = {
    "auth": _Meaning(PartnerError, "upstream_failed", Retry.OTHER_TARGET, _AWAY),
    "billing": _Meaning(PartnerError, "upstream_failed", Retry.OTHER_TARGET, _AWAY),
    "spend_cap": _Meaning(PartnerError, "upstream_failed", Retry.OTHER_TARGET, _AWAY),
    "not_found": _Meaning(PartnerError, "upstream_failed", Retry.OTHER_TARGET, _AWAY),
    # 503 and not 502: waiting helps, and a client may say so
    "rate_rpm": _Meaning(PartnerError, "upstream_failed", Retry.OTHER_TARGET, _BUSY, 503),
    "rate_tpm": _Meaning(PartnerError, "upstream_failed", Retry.OTHER_TARGET, _BUSY, 503),
    "rate_slope": _Meaning(PartnerError, "upstream_failed", Retry.LATER, _BUSY, 503),  # a ramp moved elsewhere is a ramp there
    "rate_concurrency": _Meaning(PartnerError, "upstream_failed", Retry.OTHER_TARGET, _BUSY, 503),
    "overloaded": _Meaning(PartnerError, "upstream_failed", Retry.OTHER_TARGET, _BUSY, 503),
    "server_error": _Meaning(PartnerError, "upstream_failed", Retry.OTHER_TARGET, _AWAY),
    "transport": _Meaning(PartnerError, "upstream_failed", Retry.OTHER_TARGET, _AWAY),
    "truncated": _Meaning(PartnerError, "stream_cut", Retry.OTHER_TARGET, "the answer broke off before its end; ask again"),
    "bad_request": _Meaning(PartnerError, "upstream_failed", Retry.NEVER, _UNFIT),
    "context_size": _Meaning(InvalidRequest, "context_size_exceeded", Retry.OTHER_TARGET, _LONG),
    "policy_input": _Meaning(ResultError, "policy_blocked", Retry.NEVER, "the content of the request was blocked"),
    "policy_output": _Meaning(ResultError, "policy_blocked", Retry.NEVER, "the answer was blocked"),
    "refused": _Meaning(ResultError, "refused", Retry.NEVER, "the model declined to answer"),
}

CLASSES = frozenset(_MEANINGS)
"""Every canonical class."""

_CODES: dict[str, str] = {
    code: name
    for name, codes in {
        "auth": "invalidapikey invalid_api_key authenticationerror authentication_error invalid_authentication_error "
        "invalid_iam_token unauthorized permission_error 1000 1001 1002 1003 1004",
        "billing": "arrearage accountoverdueerror insufficient_balance insufficient_balance_error "
        "exceeded_current_quota_error billing_not_active 1113",
        "spend_cap": "setlimitexceeded quotaexceeded enforced_spend_limit_reached billing_hard_limit_reached",
        "rate_rpm": "throttling throttling.ratequota limit_requests rpm_rate_limit_exceeded modelaccountrpmratelimitexceeded "
        "modelaccountipmratelimitexceeded apiaccountrpmratelimitexceeded ratelimitexceeded.endpointrpmexceeded "
        "rate_limit_reached_error rate_limit_exceeded rate_limit_error requests 1303 1304 1305",
        "rate_tpm": "throttling.allocationquota insufficient_quota tpm_rate_limit_exceeded modelaccounttpmratelimitexceeded "
        "ratelimitexceeded.endpointtpmexceeded tokens",
        "rate_slope": "throttling.burstrate limit_burst_rate requestbursttoofast",
        "rate_concurrency": "inflightbatchsizeexceeded concurrency_limit_exceeded 1302",
        "overloaded": "serveroverloaded engine_overloaded_error engine_overloaded overloaded_error service_unavailable "
        "serviceunavailable unavailable_error 1312",
        "context_size": "tokens_too_long characters_too_long context_length_exceeded exceed_context_size_error 1261",
        "policy_input": "data_inspection_failed datainspectionfailed unsafe_request content_filter content_policy_violation 1301",
        "not_found": "modelnotopen modelnotfound invalidendpointormodel.notfound model_not_found not_found_error "
        "modelidaccessdisabled 1211",
        "bad_request": "invalidparameter missingparameter invalid_parameter invalid_value invalid_request_error "
        "unsupported_parameter unsupported_value unknown_parameter 1210 1212 1213 1214 1215",
        "server_error": "server_error internal_error internal_server_error internalerror internalserviceerror api_error",
    }.items()
    for code in codes.split()
}
"""A partner's `code` or `type` in lower case → class. Numbers in text are GLM's."""

_BASE_RESP = {1002: "rate_rpm", 1039: "rate_tpm", 1004: "auth", 1008: "billing", 1026: "policy_input", 1027: "policy_output"}
_BASE_RESP |= {2013: "bad_request"}
"""MiniMax's `base_resp.status_code`; what is not here is its server's trouble."""

_WORDS = (
    ("range of input length", "context_size"),
    ("maximum context length", "context_size"),
    ("context length", "context_size"),
    ("context size", "context_size"),
    ("context window", "context_size"),
    ("token limit", "context_size"),
    ("prompt is too long", "context_size"),
    ("insufficient balance", "billing"),
    ("arrear", "billing"),
    ("output data may contain inappropriate content", "policy_output"),
    ("inappropriate content", "policy_input"),
    ("rate increased too quickly", "rate_slope"),
)
"""Phrases that settle a class which the code leaves open."""

_STATUSES = {400: "bad_request", 401: "auth", 402: "billing", 403: "auth", 404: "not_found", 413: "bad_request", 422: "bad_request"} | {
    429: "rate_rpm",
    503: "overloaded",
    529: "overloaded",
}
_OPEN = frozenset({None, "bad_request", "auth", "rate_rpm"})
"""Classes so general that the words may say it better."""


def error_of(name: str, *, retry_after_s: float | None = None) -> LiziError:
    """The error for a canonical class, which `internal` carries."""
    meaning = _MEANINGS[name]
    return meaning.error(
        meaning.message,
        code=meaning.code,
        status=meaning.status,
        retry=meaning.retry,
        retry_after_s=retry_after_s,
        extra={"stage": name.removeprefix("policy_")} if name.startswith("policy_") else None,
        internal=name,
    )


def classify(status: int, headers: Mapping[str, str], body: bytes, facts: Facts = BASE) -> LiziError:
    """What a failed reply means. `headers` in lower case; `facts` has the partner's own words. Never holds a word of `body`."""
    tree: Json = None
    try:
        tree = msgspec.json.decode(body[:ERROR_BODY_BYTES])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass  # an HTML page or a cut body: the status has to do
    found = find_error(tree, facts) if isinstance(tree, dict) else None
    name = "auth" if status == 401 else found
    if name is None or (name == "bad_request" and status in (401, 402, 403, 404, 429)):
        name = _by_status(status, facts)
    return error_of(name, retry_after_s=_retry_after(headers))


def find_error(tree: dict[str, Json], facts: Facts = BASE) -> str | None:
    """The class of the error in a body or a stream chunk; `None` when there is none or it says nothing known.

    Known forms: `error` object or text, `code`/`message` beside each other, `error_code`/`error_msg`,
    `details.error_code` within an error, `base_resp`, `Response.Error`, `promptFeedback.blockReason` (Gemini API, "Prompt feedback").
    """
    feedback = tree.get("promptFeedback")
    if isinstance(feedback, dict) and feedback.get("blockReason"):
        return "policy_input"  # a block without an answer is still a block: it is not taken elsewhere
    base = tree.get("base_resp")
    if isinstance(base, dict) and isinstance(base.get("status_code"), int) and base["status_code"] != 0:
        return facts.codes.get(str(base["status_code"])) or _BASE_RESP.get(base["status_code"], "server_error")
    response = tree.get("Response")
    error = tree.get("error") or (response.get("Error") if isinstance(response, dict) else None)
    if isinstance(error, str):
        error = {"message": error}
    elif not isinstance(error, dict):
        error = tree
    details = error.get("details")
    finer = details.get("error_code") if isinstance(details, dict) else None
    words = [error.get(key) for key in ("code", "Code", "type", "status", "error_code")]
    names = [_by_code(word, facts.codes) for word in (*words, finer)]
    known = [name for name in names if name is not None]
    name = next((name for name in known if name not in _OPEN), known[0] if known else None)
    if name is None and isinstance(error.get("code"), int) and 400 <= error["code"] < 600:
        name = _by_status(error["code"], facts)
    if name in _OPEN or name == "policy_input":
        said = next((error[key] for key in ("message", "Message", "error_msg", "msg") if isinstance(error.get(key), str)), "")
        said = said[:_MESSAGE_CHARACTERS].lower()
        better = next((better for phrase, better in (*facts.phrases.items(), *_WORDS) if phrase in said), name)
        name = better if name != "policy_input" or better == "policy_output" else name
    return name


def _by_status(status: int, facts: Facts) -> str:
    return facts.codes.get(str(status)) or _STATUSES.get(status, "bad_request" if 400 <= status < 500 else "server_error")


def _by_code(code: Json, codes: Mapping[str, str]) -> str | None:
    if isinstance(code, bool) or not isinstance(code, str | int):
        return None
    word = str(code)[:100].lower()
    name = codes.get(word) or _CODES.get(word)
    if name is None and word.endswith(("sensitivecontentdetected", "riskdetection")):
        return "policy_output" if word.startswith("output") else "policy_input"
    return name


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from `retry-after` (RFC 9110 §10.2.3: a number, or a date, read against the reply's own date)."""
    value = headers.get("retry-after", "").strip()
    seconds: float
    try:
        seconds = float(headers["retry-after-ms"]) / 1000 if "retry-after-ms" in headers else float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("date", ""))).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(seconds, _LONGEST_RETRY_S) if seconds >= 0 else None  # also drops "nan"
