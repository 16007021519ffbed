"""`lizi route explain`: from the configuration alone, and live."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from lizi.testing import BEHAVIOURS, Behaviour, Partner
from running_program import ANSWER, Program

Alone = Callable[..., Program]
ROUTES = """
[server]
listen = "127.0.0.1:0"
workers = 1
grace_ms = 0
drain_ms = 1000
[metering]
unpriced = "free"
[partners.near]
base_url = "BASE"
region = "cn-north"
lanes = { "tiny" = { requests_per_minute = 1 } }
[partners.far]
base_url = "BASE"
region = "us-east"
[models.assistant]
targets = [
    { partner = "near", model = "small", context_tokens = 1000, capabilities = ["tools"], markets = ["CN"] },
    { partner = "near", model = "eyes", context_tokens = 8000, capabilities = ["images", "tools"] },
    { partner = "far", model = "broken", rank = 1 },
]
[models.shared]
strategy = "weighted"
targets = [{ partner = "near", model = "tiny", weight = 1 }, { partner = "far", model = "other", weight = 3 }]
[models.narrow]
targets = [{ partner = "near", model = "tiny" }, { partner = "far", model = "other" }]
[models.even]
strategy = "balanced"
targets = [{ partner = "far", model = "broken" }, { partner = "far", model = "other" }]
"""


@pytest.fixture
def lizi(alone: Alone) -> Program:
    return alone(ROUTES.replace("BASE", "http://127.0.0.1:9/v1"))


def places(said: Any) -> list[tuple[Any, str, str]]:
    return [(row["place"], row["target"], row["state"]) for row in said["targets"]]


def test_each_target_has_its_place_or_the_reason_why_it_has_none(lizi: Program) -> None:
    said = lizi.inside("route", "explain", "assistant", "--images", "--json").json
    assert places(said) == [
        (1, "near/eyes@cn-north", "asked"),
        (None, "near/small@cn-north", "capability"),
        (None, "far/broken@us-east", "capability"),
    ]
    assert "images" in said["targets"][1]["reason"]
    assert (said["live"], said["configuration_is_served"]) == (False, None)


def test_tokens_market_and_regions_decide(lizi: Program) -> None:
    def explained(*options: str) -> list[tuple[Any, str, str]]:
        return places(lizi.inside("route", "explain", "assistant", *options, "--json").json)

    assert [row[1:] for row in explained("--market", "CN")] == [
        ("near/small@cn-north", "asked"),
        ("near/eyes@cn-north", "asked"),
        ("far/broken@us-east", "asked"),
    ]
    assert (None, "near/small@cn-north", "market") in explained()
    assert (None, "near/small@cn-north", "small") in explained("--market", "CN", "--tokens", "5000")
    assert (None, "far/broken@us-east", "region") in explained("--region", "cn-north")


def test_a_partner_that_is_not_active_has_no_place_and_the_reason_says_so(alone: Alone) -> None:
    lizi = alone(ROUTES.replace("BASE", "http://127.0.0.1:9/v1").replace('region = "us-east"', 'region = "us-east"\nstate = "candidate"'))
    said = lizi.inside("route", "explain", "narrow", "--json").json
    assert places(said) == [(1, "near/tiny@cn-north", "asked"), (None, "far/other@us-east", "standing")]
    assert "candidate" in said["targets"][1]["reason"]
    assert lizi.inside("route", "explain", "even").code == 1


def test_people_read_a_table_and_that_no_service_runs(lizi: Program) -> None:
    said = lizi.inside("route", "explain", "shared")
    assert said.code == 0
    assert "25 %" in said.out
    assert "75 %" in said.out
    assert "weight 3 in rank 0" in said.out
    assert "not running" in said.err


def test_nobody_to_ask_is_a_no_and_an_unknown_model_a_wrong_command(lizi: Program) -> None:
    assert lizi.inside("route", "explain", "shared", "--images").code == 1
    unknown = lizi.inside("route", "explain", "nosuch", "--json")
    assert unknown.code == 2
    assert "assistant, even, narrow, shared" in unknown.json["error"]["hint"]


def test_a_running_service_says_what_it_knows_of_each_lane(alone: Alone) -> None:
    good = Behaviour(text=ANSWER, input_tokens=10, output_tokens=5)
    with Partner(lambda captured: BEHAVIOURS["bad_credential"] if captured.asked.model == "broken" else good) as partner:
        lizi = alone(ROUTES.replace("BASE", partner.base_url))
        with lizi.serving("--json") as said:
            address = urlsplit(json.loads(said)["address"]).netloc
            key = lizi("key", "create", "notes", "--json").json["key"]
            for model in ("narrow",) * 2 + ("even",) * 12:
                chat(address, key, model)
            until(lambda: "full" in [row[2] for row in places(explain(lizi, "narrow"))])
            narrow, even = explain(lizi, "narrow"), explain(lizi, "even")
            assert places(narrow) == [(1, "far/other@us-east", "asked"), (None, "near/tiny@cn-north", "full")]
            assert "requests_per_minute" in narrow["targets"][1]["reason"]
            assert (narrow["live"], narrow["configuration_is_served"]) == (True, True)
            reasons = {row["target"]: row["reason"] for row in even["targets"]}
            assert "ms to the first token" in reasons["far/other@us-east"]
            assert "failures of late" in reasons["far/broken@us-east"] or "probes only" in reasons["far/broken@us-east"]
            assert {row["target"]: row["lane"]["requests"] for row in even["targets"]} == dict.fromkeys(reasons, 0)
            counted = metrics(address)
            assert counted['lizi_partner_alarms_total{partner="far",cause="auth"}'] >= 3
            assert counted["lizi_retries_total"] == counted['lizi_partner_alarms_total{partner="far",cause="auth"}']
            assert counted["lizi_lanes_full_total"] == 1
            assert counted["lizi_retries_refused_total"] == 0
            lizi.config.write_text(lizi.config.read_text().replace("weight = 3", "weight = 4"))
            assert explain(lizi, "shared")["configuration_is_served"] is False
            assert "reload" in lizi("route", "explain", "shared").err


def explain(lizi: Program, model: str) -> Any:
    return lizi("route", "explain", model, "--json").json


def chat(address: str, key: str, model: str) -> None:
    connection = http.client.HTTPConnection(address, timeout=10)
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    try:
        connection.request(
            "POST", "/v1/chat/completions", json.dumps(body), {"authorization": f"Bearer {key}", "content-type": "application/json"}
        )
        connection.getresponse().read()
    finally:
        connection.close()


def metrics(address: str) -> dict[str, float]:
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    finally:
        connection.close()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))}


def until(done: Callable[[], bool]) -> None:
    """A pulse a second brings what the workers know."""
    last = time.monotonic() + 20.0
    while not done():
        assert time.monotonic() < last
        time.sleep(0.2)
