"""Keys and tokens of services by their fixed beginnings, private key blocks, and passwords inside connection strings.

Each form is looked for only where its literal stands in the text, so a text without any costs some
thirty substring searches. Bound: no form is longer than 16,384 characters, and none is tried twice
at one place.
"""

from __future__ import annotations

import re

from lizi.text.found import CUED, KEY, Report
from lizi.text.shapes import has_run
from lizi.text.tries import any_of

__all__ = ["LONGEST_KEY", "keys"]

LONGEST_KEY = 16_384
"""Characters of the longest block that is taken as one key: four times an RSA key of 8,192 bits."""

_EDGE = r"(?<![0-9A-Za-z])"
_END = r"(?![0-9A-Za-z])"

_FORMS: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = tuple(
    (tuple(literals.split(" ")), re.compile(pattern))
    for literals, pattern in (
        # OpenAI, Anthropic, DeepSeek, Qwen, Moonshot, OpenRouter and others that copied the form
        ("sk-", _EDGE + r"sk-(?:[a-z]{2,8}[0-9]{0,2}-){0,3}[A-Za-z0-9_\-]{16,256}"),
        ("AKIA ASIA AROA AIDA ABIA ACCA", _EDGE + r"(?:AKIA|ASIA|AROA|AIDA|ABIA|ACCA)[A-Z0-9]{16}" + _END),
        ("ghp_ gho_ ghu_ ghs_ ghr_", _EDGE + r"gh[pousr]_[A-Za-z0-9]{20,255}"),
        ("github_pat_", _EDGE + r"github_pat_[A-Za-z0-9_]{22,255}"),
        (
            "glpat- gldt- glrt- glsoat- glcbt- glptt- glft- glagent-",
            _EDGE + r"gl(?:pat|dt|rt|soat|cbt|ptt|ft|agent)-[A-Za-z0-9_\-.]{16,128}",
        ),
        ("xoxb- xoxp- xoxa- xoxr- xoxs- xoxe- xapp-", _EDGE + r"(?:xox[abeprs](?:\.xox[bp])?|xapp)-[A-Za-z0-9\-]{10,255}"),
        ("hooks.slack.com/", r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/_\-]{10,128}"),
        ("AIza", _EDGE + r"AIza[A-Za-z0-9_\-]{30,45}"),
        ("ya29.", _EDGE + r"ya29\.[A-Za-z0-9_\-]{20,512}"),
        ("GOCSPX-", _EDGE + r"GOCSPX-[A-Za-z0-9_\-]{20,40}"),
        ("sk_live_ sk_test_ rk_live_ rk_test_ pk_live_ pk_test_ whsec_", _EDGE + r"(?:[srp]k_(?:live|test)|whsec)_[A-Za-z0-9+/=]{10,255}"),
        ("AC SK", _EDGE + r"(?:AC|SK)[0-9a-f]{32}" + _END),  # Twilio
        ("SG.", _EDGE + r"SG\.[A-Za-z0-9_\-]{16,32}\.[A-Za-z0-9_\-]{16,64}"),
        ("key-", _EDGE + r"key-[0-9a-f]{32}" + _END),  # Mailgun
        ("npm_", _EDGE + r"npm_[A-Za-z0-9]{30,64}"),
        ("pypi-", _EDGE + r"pypi-[A-Za-z0-9_\-]{32,512}"),
        ("hf_", _EDGE + r"hf_[A-Za-z0-9]{20,64}"),
        (
            "gsk_ xai- pplx- nvapi- r8_ fw_ tvly- jina_ tp- ak-",
            _EDGE + r"(?:gsk_|xai-|pplx-|nvapi-|r8_|fw_|tvly-|jina_|[ta][pk]-)[A-Za-z0-9_\-]{24,256}",
        ),
        ("LTAI", _EDGE + r"LTAI[A-Za-z0-9]{12,26}" + _END),
        ("AKID", _EDGE + r"AKID[A-Za-z0-9]{13,40}" + _END),
        ("AKLT", _EDGE + r"AKLT[A-Za-z0-9_\-]{20,60}"),  # Volcano Engine
        ("dop_v1_ doo_v1_ dor_v1_", _EDGE + r"do[opr]_v1_[0-9a-f]{32,64}"),
        ("shpat_ shpca_ shppa_ shpss_", _EDGE + r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
        ("dckr_pat_", _EDGE + r"dckr_pat_[A-Za-z0-9_\-]{20,64}"),
        ("hvs. hvb. hvr.", _EDGE + r"hv[sbr]\.[A-Za-z0-9_\-]{20,300}"),
        (
            "lin_api_ ntn_ figd_ sntrys_ sntryu_ NRAK- glsa_ dapi",
            _EDGE + r"(?:lin_api_|ntn_|figd_|sntry[su]_|NRAK-|glsa_|dapi)[A-Za-z0-9_=\-]{24,256}",
        ),
        ("atlasv1. ATATT3 ATCTT3 EAACEdEose0cBA EAAC", _EDGE + r"(?:[A-Za-z0-9]{10,20}\.atlasv1\.|AT[AC]TT3|EAAC)[A-Za-z0-9_\-=]{40,300}"),
        (":AA", r"(?<![0-9])[0-9]{8,10}:AA[A-Za-z0-9_\-]{32,36}" + _END),  # Telegram bots
        (
            "discord.com/api/webhooks/ discordapp.com/api/webhooks/",
            r"discord(?:app)?\.com/api/webhooks/[0-9]{15,22}/[A-Za-z0-9_\-]{40,100}",
        ),
        ("oapi.dingtalk.com/robot/send?access_token=", r"oapi\.dingtalk\.com/robot/send\?access_token=[0-9a-f]{32,64}"),
        ("qyapi.weixin.qq.com/cgi-bin/webhook/send?key=", r"qyapi\.weixin\.qq\.com/cgi-bin/webhook/send\?key=[0-9a-fA-F\-]{32,36}"),
        (
            "sbp_ sb_secret_ rnd_ PMAK- nfp_ vck_ phc_ phx_ dp.pt. pul- xkeysib- sq0atp- sq0csp- fm2_ tfp_ rdme_ "
            "AGE-SECRET-KEY- ops_ patp_ "
            "cfut_ lsv2_ bce-v3/ALTAK- CCIPAT_ tskey- access_token$production$ rpa_ wandb_v1_",
            _EDGE + r"(?:sbp_|sb_secret_|rnd_|PMAK-|nfp_|vck_|ph[cx]_|dp\.pt\.|pul-|xkeysib-|sq0(?:atp|csp)-|fm2_|tfp_|rdme_|"
            r"AGE-SECRET-KEY-|ops_|patp_|"
            r"cfut_|lsv2_|bce-v3/ALTAK-|CCIPAT_|tskey-|access_token\$production\$|rpa_|wandb_v1_)[A-Za-z0-9_\-/+=$.]{20,512}",
        ),
        ("re_", _EDGE + r"re_[A-Za-z0-9]{8}_[A-Za-z0-9]{20,40}" + _END),  # Resend
        ("pat", _EDGE + r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}" + _END),  # Airtable
        ("SEC", _EDGE + r"SEC[0-9a-f]{64}" + _END),  # DingTalk
        ("EAA", _EDGE + r"EAA[A-Za-z0-9]{40,300}"),
        ("ATBB", _EDGE + r"ATBB[A-Za-z0-9]{24,40}" + _END),
        ("v1.0-", _EDGE + r"v1\.0-[0-9a-f]{16,64}-?[0-9a-f]{0,160}" + _END),
        # A signed token; of a long one only the beginning may be seen here
        ("eyJ", _EDGE + r"eyJ(?:[A-Za-z0-9_\-]{8,4096}\.[A-Za-z0-9_\-]{8,8192}(?:\.[A-Za-z0-9_\-]{4,2048}){0,3}|[A-Za-z0-9_\-]{100,4096})"),
        ("AccountKey= SharedAccessKey= sig=", r"(?:(?<=AccountKey=)|(?<=SharedAccessKey=)|(?<=[?&]sig=))[A-Za-z0-9+/%]{30,128}={0,2}"),
    )
)
_EXAMPLE = re.compile(r"[xX]{8}|[*]{4}|\.{3}")
_OF_LITERAL = {literal: form for literals, form in _FORMS for literal in literals}
_LITERAL = re.compile(any_of(_OF_LITERAL))
_BLOCK = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_BLOCK_END = re.compile(r"-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_CONNECTION = re.compile(r"(?<=://)([^\s:/@\"'<>，。、]{0,64}):([^\s/\"'<>，。、]{1,128}|[^\s\"'<>，。、]{1,128})@(?=[A-Za-z0-9\[.$\-{])")
_USER_PASSWORD = re.compile(r"(?<![A-Za-z0-9-])(?:-u|--user)[ =][\"']?[^\s:\"']{1,64}:([^\s\"']{3,128})")
_USER_OPTION = re.compile(r"login[^\n]{0,40}? -u [\"']?([A-Za-z0-9][A-Za-z0-9_.@\-]{2,40})")
_PASSWORD_OPTION = re.compile(
    r"(?:sshpass -p ?|mysql [^\n]{0,80}-p(?! )|redis-cli [^\n]{0,80}-a |--(?:password|passwd|pass|token|api-key|secret)[ "
    r"=])[\"']?([^\s\"'$<{]{4,128})"
)
_OF_HEX = re.compile(r"(?<![0-9A-Za-z.])[0-9a-f]{32}\.[A-Za-z0-9]{16}(?![0-9A-Za-z.])")  # Zhipu
_BEARER = re.compile(r"(?:bearer|basic|token)\s{1,3}(?=[A-Za-z0-9_\-.=+/~]{0,40}[0-9=_\-.])([A-Za-z0-9_\-.=+/~]{16,4096})", re.IGNORECASE)
# What every key has: sixteen signs in a row. Only these runs are searched for the literals.
_RUN_CHARACTERS = 16
_RUN = re.compile(r"[A-Za-z0-9_\-./:=?&+%]{16,4096}")


def keys(text: str, lower: str) -> list[Report]:
    """Reports of what must never reach a partner, whatever a profile says about names; `lower` is the text in lower case."""
    out: list[Report] = []
    runs = " ".join(_RUN.findall(text)) if not text.isascii() or has_run(text, _RUN_CHARACTERS) else ""
    if runs:
        for form in {_OF_LITERAL[literal]: None for literal in _LITERAL.findall(runs)}:
            out += [(*match.span(), "secret", 0, KEY) for match in form.finditer(text) if _EXAMPLE.search(match.group()) is None]
        if "." in runs:
            out += [(*match.span(), "secret", 0, KEY) for match in _OF_HEX.finditer(text)]
        if "bearer " in lower or "basic " in lower or "token " in lower:
            out += [(*match.span(1), "secret", 0, CUED) for match in _BEARER.finditer(text)]
    if "-----BEGIN " in text:
        for match in _BLOCK.finditer(text):
            closed = _BLOCK_END.search(text, match.end(), match.end() + LONGEST_KEY)
            # A block that doesn't end is cut at what is left: a half key is a secret too.
            end = closed.end() if closed is not None else min(len(text), match.end() + LONGEST_KEY)
            out.append((match.start(), end, "secret", 0, KEY))
    if "://" in text and "@" in text:
        out += [(*match.span(2), "secret", 0, KEY) for match in _CONNECTION.finditer(text)]
    if " -u " in text and "login" in lower:
        out += [(*match.span(1), "account", 0, CUED) for match in _USER_OPTION.finditer(text)]
    if " -" in text:
        out += [(*match.span(1), "secret", 0, KEY) for form in (_USER_PASSWORD, _PASSWORD_OPTION) for match in form.finditer(text)]
    return out
