"""What may stand in no tracked file: names of package registries, paths of one machine, secrets."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

# Written in pieces, so that this file keeps its own rules.
REGISTRIES = re.compile(
    r"\b(?:py" + r"pi|python" + r"hosted|npm" + r"js|crates|rubygems|goproxy|proxy\.golang)\.(?:org|com|io|cn)\b"
    r"|deb\.deb" + r"ian|archive\.ub" + r"untu"
)
"""Where packages come from is the business of the machine that installs them: a mirror must do as well."""

MACHINE_PATHS = re.compile(r"(?<![\w.{}~])/(?:wo" + r"rk|ro" + r"ot|ho" + r"me/[a-z]\w*|Us" + r"ers/[a-z]\w*|opt/pyp" + r"i)(?:/|\b)")
"""Folders of the machine that something was written on."""

SECRETS = re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----|\bsk-(?:proj|live)-[A-Za-z0-9_-]{20,}|\bAKIA[A-Z0-9]{16}\b")


def tracked() -> list[Path]:
    """Files of this commit and what is new beside them; without a clone (an unpacked archive), none."""
    try:
        done = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(reason="not a git clone, so nothing says which files are tracked")
    return [ROOT / name for name in done.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def offences(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in tracked():
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if match := pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {match[0]}")
    return found


@pytest.mark.parametrize("pattern", [REGISTRIES, MACHINE_PATHS, SECRETS], ids=["registries", "machine paths", "secrets"])
def test_no_tracked_file_holds(pattern: re.Pattern[str]) -> None:
    assert offences(pattern) == []


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (REGISTRIES, "--index-url https://" + "py" + "pi.org/simple"),
        (REGISTRIES, "https://files." + "python" + "hosted.org/packages"),
        (MACHINE_PATHS, "cd /" + "work/main"),
        (MACHINE_PATHS, "/" + "home/somebody/lizi"),
        (SECRETS, "-----BEGIN " + "PRIVATE KEY-----"),
    ],
)
def test_the_patterns_find_what_they_are_for(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)


@pytest.mark.parametrize("text", ["/wor" + "kers", "network/main", "$HOME/.local", "~/models", "$(CURDIR)/models", "/roo" + "ts"])
def test_the_patterns_leave_plain_words_alone(text: str) -> None:
    assert not MACHINE_PATHS.search(text)
