"""Tasks as plans: each yields a chat request, is sent an `Answer`, and returns a result or raises.

Never talks to a partner itself; the corridor drives the plan and keeps the answers bounded.
"""

from __future__ import annotations

from collections.abc import Mapping

from lizi.features import proofread, rewrite, transform
from lizi.features.asking import Answer, Feature

__all__ = ["FEATURES", "Answer", "Feature"]

FEATURES: Mapping[str, Feature] = {
    "writing.proofread": Feature(version=proofread.VERSION, plan=proofread.plan, repair=proofread.repair),
    "writing.rewrite": Feature(version=rewrite.VERSION, plan=rewrite.plan, repair=rewrite.repair, asks=lambda request: request.candidates),
    "writing.transform": Feature(version=transform.VERSION, plan=transform.plan, repair=transform.repair),
}
"""Name → how it is done. Each name is also its path: `writing.proofread` is `/v1/writing/proofread`."""
