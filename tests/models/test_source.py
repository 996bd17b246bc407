"""A GGUF file shipped in pieces by several packages."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from raykft.errors import ModelError
from raykft.models import source

PIECES = {"big-model-part1": b"first ", "big-model-part2": b"second"}


class _File:
    """The part of `importlib.metadata.PackagePath` that is used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name, self.suffix = path.name, path.suffix

    def locate(self) -> Path:
        return self._path

    def read_text(self, encoding: str) -> str:
        return self._path.read_text(encoding)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[_File]]:
    """Three packages: one that names the two others as its parts and promises a checksum."""
    files: dict[str, list[_File]] = {}
    for number, (package, content) in enumerate(PIECES.items()):
        path = tmp_path / package / f"big.gguf.part{number:02d}"
        path.parent.mkdir()
        path.write_bytes(content)
        files[package] = [_File(path)]
    sums = tmp_path / "SHA256SUMS"
    sums.write_text(f"{hashlib.sha256(b'first second').hexdigest()}  big.gguf\n")
    files["big-model"] = [_File(sums)]
    needs = ["big-model-part2==1.0", "big-model-part1 (>=1)", "numpy"]

    def listed(package: str) -> list[Any]:
        if package not in files:
            raise PackageNotFoundError(package)
        return files[package]

    monkeypatch.setattr(source.importlib.metadata, "files", listed)
    monkeypatch.setattr(source.importlib.metadata, "requires", lambda package: needs)
    monkeypatch.setenv("RAYKFT_CACHE", str(tmp_path / "cache"))
    return files


def test_pieces_are_joined_in_order_and_converted_once(
    installed: dict[str, list[_File]], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def convert(gguf: Path, out: Path) -> None:
        seen.append((gguf.name, gguf.read_bytes()))
        (out / "config.json").write_text("{}")

    monkeypatch.setattr(source, "_write_safetensors", convert)
    found = source.resolve_model("package:big-model")
    assert source.resolve_model("package:big-model") == found
    assert seen == [("big.gguf", b"first second")]
    assert found.digest == hashlib.sha256(b"first second").hexdigest()[:16]
    left = sorted(p.name for p in Path(found.location).parent.iterdir())
    assert left == [found.digest, f"{found.digest}.lock"]


def test_a_damaged_piece_is_noticed(installed: dict[str, list[_File]]) -> None:
    installed["big-model-part2"][0].locate().write_bytes(b"other")
    with pytest.raises(ModelError, match="SHA-256"):
        source.resolve_model("package:big-model")


def test_a_missing_part_is_named(installed: dict[str, list[_File]]) -> None:
    del installed["big-model-part2"]
    with pytest.raises(ModelError, match="pip install big-model-part2"):
        source.check_model_present("package:big-model")
