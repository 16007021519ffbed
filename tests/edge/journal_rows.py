"""Exchanges as the corridor leaves them, for tests of the store, the journal and the ledger."""

from __future__ import annotations

from lizi.types import Attempt, Exchange, Target, Usage


def target(partner: str = "acme", model: str = "large-1") -> Target:
    """A target of a partner that does not exist."""
    return Target(
        partner=partner,
        model=model,
        region="test",
        dialect="openai_chat",
        base_url="http://127.0.0.1/v1",
        credential="",
        price_key=f"{partner}/{model}",
    )


def finished(
    number: int, *, app: str = "notes", feature: str = "chat", started_at: float = 1_764_000_000.0, partner: str = "acme"
) -> Exchange:
    """An exchange that one partner answered for 350 micro-units."""
    usage = Usage(input_tokens=120, output_tokens=80, cached_tokens=20)
    attempt = Attempt(
        number=1,
        target=target(partner),
        started_at=started_at + 0.01,
        ended_at=started_at + 1.2,
        status=200,
        outcome="ok",
        finish="stop",
        usage=usage,
        cost_micros=350,
        released=True,
    )
    return Exchange(
        id=f"rq_{number:026d}",
        feature=feature,
        started_at=started_at,
        started_mono=10.0,
        config_hash="c" * 64,
        app=app,
        key_id="key1",
        model="writer",
        ended_at=started_at + 1.3,
        first_released_mono=10.25,
        outcome="ok",
        finish="stop",
        attempts=[attempt],
        usage=usage,
        charged_micros=350,
        spent_micros=350,
        reserved_micros=900,
        checks={"usage_plausible": "passed"},
    )
