"""The failures, as data: eight classes, variety in `code`.

Never holds prompt or answer text, a partner's wording or a secret. Constructors have no
side effects. `CODES` is the one table that speaks errors to the wire; `wire` renders it for
every protocol, and one test drives each code through each protocol.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal

from msgspec import Struct

Side = Literal["caller", "partner", "lizi"]


class Retry(Enum):
    """What may help: nothing, another target, or the same a little later."""

    NEVER = "never"
    OTHER_TARGET = "other_target"
    LATER = "later"


class CodeSpec(Struct, frozen=True):
    """How one code looks outside."""

    status: int
    side: Side
    openai_type: str
    zh_hans: str
    zh_hant: str
    en: str


class LiziError(Exception):
    """A failure with everything needed to answer it.

    `message` is for the caller's engineer and says how to put it right; `param` is the path in
    the request; `retry_after_s` is honest or absent; `extra` holds the code's own documented
    fields (`context_size`, `token_count`, `errors` …); `internal` is for logs and the audit
    record only and is never sent to a device.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        retry: Retry = Retry.NEVER,
        param: str | None = None,
        hint: str | None = None,
        retry_after_s: float | None = None,
        extra: dict[str, Any] | None = None,
        internal: str | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        spec = CODES[code]
        self.message = message
        self.code = code
        self.status = status or spec.status
        self.side: Side = spec.side
        self.retry = retry
        self.param = param
        self.hint = hint
        self.retry_after_s = retry_after_s
        self.extra = extra
        self.internal = internal


class InvalidRequest(LiziError):
    """The caller's request can't be served as it stands (4xx)."""


class Unauthenticated(LiziError):
    """No valid app key (401)."""


class Forbidden(LiziError):
    """The app may not do this (403)."""


class Refused(LiziError):
    """Not now: a limit, a budget or the bound on work in flight (429, 503)."""


class PartnerError(LiziError):
    """The target failed; `internal` holds the canonical class of partners.md §3.4."""


class ResultError(LiziError):
    """An answer came, but it breaks the promise made to the caller (422, 502)."""


class ConfigError(LiziError):
    """The configuration is wrong; `param` is the path in the file."""


class StoreError(LiziError):
    """The ledger or the chain can't be read or written."""


_UNAVAILABLE = (
    "服务暂时不可用，请稍后再试。",
    "服務暫時無法使用，請稍後再試。",
    "This feature is not available right now. Please try again.",
)
_REQUEST = ("请求有误。", "請求有誤。", "The request is not valid.")
_QUOTA = ("使用次数已达上限，请稍后再试。", "使用次數已達上限，請稍後再試。", "You have reached the limit. Please try again later.")
_FAILED = ("未能完成，请再试一次。", "未能完成，請再試一次。", "That did not work. Please try again.")
_LONG = ("内容过长。", "內容過長。", "The text is too long.")
_DATA = ("此功能不支持处理这类内容。", "此功能不支援處理這類內容。", "This feature can't be used with this kind of content.")
_ACCESS = ("此应用无法使用该功能。", "此應用程式無法使用該功能。", "This app can't use this feature.")

CODES: dict[str, CodeSpec] = {
    # the request itself
    "invalid_request": CodeSpec(400, "caller", "invalid_request_error", *_REQUEST),
    "invalid_json": CodeSpec(400, "caller", "invalid_request_error", *_REQUEST),
    "unknown_field": CodeSpec(400, "caller", "invalid_request_error", *_REQUEST),
    "unsupported_parameter": CodeSpec(400, "caller", "invalid_request_error", *_REQUEST),
    "invalid_schema": CodeSpec(400, "caller", "invalid_request_error", *_REQUEST),
    "context_size_exceeded": CodeSpec(400, "caller", "invalid_request_error", *_LONG),
    "input_too_small": CodeSpec(400, "caller", "invalid_request_error", "内容过短。", "內容過短。", "The text is too short."),
    "unsupported_locale": CodeSpec(
        400, "caller", "invalid_request_error", "暂不支持该语言。", "暫不支援該語言。", "This language is not supported."
    ),
    "unsupported_market": CodeSpec(400, "caller", "invalid_request_error", "暂不支持该地区。", "暫不支援該地區。", "This market is not supported."),
    "unsupported_content": CodeSpec(400, "caller", "invalid_request_error", *_REQUEST),
    "model_not_found": CodeSpec(404, "caller", "invalid_request_error", *_REQUEST),
    "not_found": CodeSpec(404, "caller", "invalid_request_error", *_REQUEST),
    "method_not_allowed": CodeSpec(405, "caller", "invalid_request_error", *_REQUEST),
    "request_timeout": CodeSpec(408, "caller", "invalid_request_error", *_REQUEST),
    "idempotency_conflict": CodeSpec(
        409, "caller", "invalid_request_error", "该请求已处理。", "該請求已處理。", "This request was already handled."
    ),
    "length_required": CodeSpec(411, "caller", "invalid_request_error", *_REQUEST),
    "body_too_large": CodeSpec(413, "caller", "invalid_request_error", *_LONG),
    "unsupported_media_type": CodeSpec(415, "caller", "invalid_request_error", *_REQUEST),
    "header_too_large": CodeSpec(431, "caller", "invalid_request_error", *_REQUEST),
    # who and how much
    "invalid_api_key": CodeSpec(401, "caller", "authentication_error", *_ACCESS),
    "model_not_allowed": CodeSpec(403, "caller", "permission_error", *_ACCESS),
    "data_not_permitted": CodeSpec(403, "caller", "permission_error", *_DATA),
    "rate_limited": CodeSpec(429, "caller", "rate_limit_error", *_QUOTA),
    "quota_reached": CodeSpec(429, "caller", "insufficient_quota", *_QUOTA),
    "busy": CodeSpec(503, "lizi", "server_error", *_UNAVAILABLE),
    "shutting_down": CodeSpec(503, "lizi", "server_error", *_UNAVAILABLE),
    # what the answer did
    "policy_blocked": CodeSpec(
        422, "caller", "invalid_request_error", "该内容无法处理。", "該內容無法處理。", "This content can't be processed."
    ),
    "refused": CodeSpec(422, "caller", "invalid_request_error", "无法完成该请求。", "無法完成該請求。", "This request can't be completed."),
    "output_truncated": CodeSpec(502, "lizi", "server_error", *_FAILED),
    "structured_output_failed": CodeSpec(502, "lizi", "server_error", *_FAILED),
    "result_check_failed": CodeSpec(502, "lizi", "server_error", *_FAILED),
    # behind the feature: outward always the same words
    "feature_unavailable": CodeSpec(409, "lizi", "server_error", *_UNAVAILABLE),
    "upstream_failed": CodeSpec(502, "partner", "server_error", *_UNAVAILABLE),
    "upstream_timeout": CodeSpec(504, "partner", "server_error", *_UNAVAILABLE),
    "stream_cut": CodeSpec(502, "partner", "server_error", *_FAILED),
    "veil_failed": CodeSpec(500, "lizi", "server_error", *_FAILED),
    "internal": CodeSpec(500, "lizi", "server_error", *_FAILED),
    # never on the wire: command line and start-up
    "config_invalid": CodeSpec(500, "lizi", "server_error", *_UNAVAILABLE),
    "store_failed": CodeSpec(500, "lizi", "server_error", *_UNAVAILABLE),
}
"""Every code there is. Statuses follow api.md §4.7 where it names them, else the plain HTTP meaning."""
