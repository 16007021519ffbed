"""`lizi serve --dev` prints a curl and a Python snippet; both are pasted as they stand."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import pytest

from running_program import ANSWER, Program


def test_both_snippets_work_when_pasted_and_the_key_of_the_start_before_no_longer_does(lizi: Program) -> None:
    if shutil.which("curl") is None:
        pytest.skip(reason="curl is not installed here")
    with lizi.serving("--dev") as said:
        blocks = said.split("\n\n")
        (curl,) = [block for block in blocks if block.startswith("curl ")]
        (python,) = [block for block in blocks if block.startswith("from openai")]
        key = re.search(r"development key: (\S+)", said)
        assert key is not None
        assert key[1] in curl
        assert key[1] in python
        pasted = subprocess.run(["sh", "-c", curl], env=lizi.environ, capture_output=True, text=True, timeout=30, check=False)
        assert json.loads(pasted.stdout)["choices"][0]["message"]["content"] == ANSWER, pasted.stderr
        ran = subprocess.run([sys.executable, "-c", python], env=lizi.environ, capture_output=True, text=True, timeout=30, check=False)
        assert ran.stdout == ANSWER + "\n", ran.stderr
    with lizi.serving("--dev", "--json") as said:
        line = json.loads(said)
        assert said.count("\n") == 1
        assert line["key"] in line["curl"]
        assert line["address"] in line["python"]
        assert line["key"] != key[1]
        states = {row["key_id"]: (row["app"], row["state"]) for row in lizi("key", "list", "--json").json}
        assert states == {key[1].split("-")[1]: ("dev", "revoked"), line["key_id"]: ("dev", "active")}
