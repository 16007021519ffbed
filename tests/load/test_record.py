from __future__ import annotations

from pathlib import Path

from lizi.load import Options, Planned, Record, run_open
from lizi.load.arrivals import poisson
from lizi.load.record import machine, read_run, write_run
from load.known_answers import Known, http, serving, whole


async def test_a_run_is_written_and_read_back_the_same(tmp_path: Path) -> None:
    async with serving(Known(lambda _: http(200, whole()))) as target:
        plan = [Planned(at_s=at, payload=target.request(b"{}")) for at in poisson(100, 0.3, seed=9)]
        run = await run_open(target, plan, Options(seed=9, schedule="poisson 100/s", timeout_s=5, drain_s=5))
    write_run(tmp_path, run.manifest, run.records)
    manifest, records = read_run(tmp_path)
    assert manifest == run.manifest
    assert manifest.seed == 9
    assert list(records) == run.records
    first = (tmp_path / "records.jsonl").read_bytes()
    write_run(tmp_path, run.manifest, run.records)
    assert (tmp_path / "records.jsonl").read_bytes() == first


def test_what_did_not_happen_is_null_and_never_zero(tmp_path: Path) -> None:
    import msgspec

    line = msgspec.json.decode(msgspec.json.encode(Record(index=0, stream=False, t_intended=0.0, outcome="timeout")))
    assert line["t_last"] is None
    assert line["input_tokens"] is None


def test_the_manifest_names_the_machine_and_no_host() -> None:
    import socket

    found = machine()
    assert found["cores"]
    assert found["python"]
    assert socket.gethostname() not in str(found)
