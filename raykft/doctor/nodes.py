"""`raykft doctor`: is everything there that an experiment needs, on every node? One Ray task a node looks."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil
from rich.table import Table

from raykft import __version__
from raykft.cluster.connect import connected
from raykft.config import ExperimentConfig
from raykft.errors import ModelError, RaykftError, ResourceError, last_line
from raykft.leaderboard.lines import paragraph
from raykft.models.shape import is_local, local_directory
from raykft.paths import cache_dir
from raykft.search.extras import check_extras
from raykft.storage.store import StoredPath, StoredText, address, directory, is_url
from raykft.untrusted.escapes import plain
from raykft.wording import doctor as words
from raykft.wording.errors import STEP
from raykft.wording.messages import called
from raykft.wording.names import LIST

Status = Literal["ok", "warn", "fail"]
PACKAGES = ("ray", "torch", "transformers", "bitsandbytes", "peft", "optuna")
GIB = 2**30
LOW_MEMORY, LOW_DISK, NO_DISK = 4 * GIB, 10 * GIB, 1 * GIB
MAX_SKEW_S = 5.0
ANSWER_S = 180  # a fresh worker imports torch first


@dataclass(frozen=True)
class Check:
    """One thing that was looked at; `step` says what to do about it unless it is well."""

    node: str
    name: str
    status: Status
    detail: str
    step: str = ""
    data: dict[str, Any] | None = None


@dataclass(frozen=True)
class Request:
    """What a node is to look for.

    Attributes:
        storage: a folder or URL; "" where no experiment is asked about.
        marker: a file, or an object of a URL, that the driver left there.
    """

    base_model: str = ""
    storage: str = ""
    marker: str = ""


# On the node.


def inspect_node(request: Request) -> dict[str, Any]:
    """The facts of the node this runs on. Never raises for what is merely wrong there, and holds no secret."""
    # Ray hides GPUs from tasks that ask for none; a search may hold all of them.
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        del os.environ["CUDA_VISIBLE_DEVICES"]
    from raykft.models.probe_device import device_facts

    return {
        "versions": versions(),
        "device": device_facts(),
        "memory_bytes": psutil.virtual_memory().available,
        "cache": _folder(cache_dir()),
        "storage": _storage(request) if request.storage else None,
        "model": model_problem(request.base_model),
        "token": _has_token(),
    }


def versions() -> dict[str, str]:
    """Of everything that must be the same everywhere; "" for what is missing."""
    found = {"raykft": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = ""
    return found


def _folder(path: Path) -> dict[str, Any]:
    """Free disk, and what happens to a file written there. A folder that is not there yet is not created for it."""
    there = _nearest(path)
    file = there / f".{_scratch_name()}"
    problem = ""
    try:
        file.write_text(file.name, encoding="utf-8")
        if file.read_text(encoding="utf-8") != file.name:
            problem = "what is written does not come back"
        file.unlink()
    except OSError as error:
        problem = error.strerror or str(error)
    return {"path": str(path), "free_bytes": shutil.disk_usage(there).free, "problem": problem}


def _nearest(path: Path) -> Path:
    """`path`, or the nearest folder above it that exists."""
    return next(p for p in (path, *path.parents) if os.path.exists(p))


def _storage(request: Request) -> dict[str, Any]:
    marker = request.marker
    if not is_url(request.storage):
        return _folder(Path(request.storage)) | {"shared": not marker or Path(marker).is_file()}
    found = _objects(request.storage)
    shared = found["problem"] or not marker or _object(request.storage, marker).read() is not None
    return found | {"shared": bool(shared)}


def _objects(url: str) -> dict[str, Any]:
    """What happens to an object written to a storage; how much it still holds, nobody says."""
    name, problem = _scratch_name(), ""
    written = _object(url, name)
    try:
        written.write({"name": name})
        if written.read() != {"name": name}:
            problem = "what is written does not come back"
        written.remove()
    except ResourceError as error:
        problem = str(error)
    return {"path": url, "free_bytes": None, "problem": problem}


def _object(url: str, name: str) -> StoredText:
    return StoredText(StoredPath(directory(url, name)))


def _scratch_name() -> str:
    return f"raykft-doctor-{secrets.token_hex(8)}"


def model_problem(name: str) -> str:
    """Why the base model cannot be loaded here, "" if it can, or if none is asked for."""
    from raykft.models.source import check_model_present

    if not name:
        return ""
    try:
        check_model_present(name)
        found = local_directory(name)
    except ModelError as error:
        return str(error)
    return "" if found or is_local(name) else f"{name!r} is not in the Hugging Face cache here"


def _has_token() -> bool:
    from huggingface_hub import get_token

    return bool(get_token())


def now() -> float:
    return time.time()


# On the driver.


def diagnose(config: ExperimentConfig | None = None, address: str | None = None) -> list[Check]:
    """Look at every node of the Ray cluster at `address` (else the config's, RAY_ADDRESS, or this machine alone).

    Raises:
        ResourceError: the cluster cannot be reached.
    """
    address = address or (config.resources.address if config else None) or os.environ.get("RAY_ADDRESS")
    with connected(address):
        return list(_diagnose(config))


def _diagnose(config: ExperimentConfig | None) -> Iterator[Check]:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    if config is not None:
        yield from _judge_config(config)
    nodes = [node for node in ray.nodes() if node["Alive"]]
    storage = address(config.directory.parent) if config else ""
    marker = _leave_marker(storage) if storage and len(nodes) > 1 else ""
    request = Request(base_model=config.base_model if config else "", storage=storage, marker=marker)
    # Each runs in a process of its own that ends with it: what it changes touches no other task.
    look = ray.remote(num_cpus=0, max_calls=1, max_retries=0)(inspect_node)
    ask_time = ray.remote(num_cpus=0, max_retries=0)(now)
    without_gpu = 0
    try:
        places = [NodeAffinitySchedulingStrategy(node_id=node["NodeID"], soft=False) for node in nodes]
        refs = [look.options(scheduling_strategy=place).remote(request) for place in places]
        for node, place, ref in zip(nodes, places, refs, strict=True):
            clock = ask_time.options(scheduling_strategy=place)
            try:
                facts = ray.get(ref, timeout=ANSWER_S)
                skew = _skew(clock)
            except Exception as error:  # of whatever kind: the node cannot run raykft's tasks
                yield _unreachable(_node_name(node), error)
                continue
            gpus = node["Resources"].get("GPU", 0)
            without_gpu += not facts["device"]["gpus"]
            yield from judge(_node_name(node), facts, versions(), config, skew_s=skew, gpus=gpus)
        if config is not None and config.resources.device == "cuda" and without_gpu == len(nodes):
            yield Check("all nodes", "GPU", "fail", words.NO_GPU_ANYWHERE(), words.USE_GPUS())
    finally:
        if marker:
            _remove_marker(storage, marker)


def _judge_config(config: ExperimentConfig) -> Iterator[Check]:
    """What can be said of an experiment before any node is looked at; extras are those of the driver, here."""
    for caution in config.cautions:
        yield Check("config", "search", "warn", caution)
    try:
        check_extras(config)
    except RaykftError as error:
        found, _, step = str(error).partition(STEP())
        yield Check("config", "extras", "fail", found, step)


def _leave_marker(storage: str) -> str:
    """What every node must see if the storage is shared: a file's path, an object's name; "" if none can be written."""
    try:
        if is_url(storage):
            _object(storage, name := _scratch_name()).write({"name": name})
            return name
        file = _nearest(Path(storage)) / f".{_scratch_name()}"
        file.write_text("raykft doctor", encoding="utf-8")
    except (OSError, ResourceError):
        return ""
    return str(file)


def _remove_marker(storage: str, marker: str) -> None:
    if is_url(storage):
        _object(storage, marker).remove()
    else:
        Path(marker).unlink(missing_ok=True)


def _node_name(node: dict[str, Any]) -> str:
    return f"{node.get('NodeManagerHostname') or node['NodeManagerAddress']} ({node['NodeID'][:6]})"


def _skew(clock: Any) -> float:
    """Seconds by which a node's clock is off for certain: what the round trip to its `now` task cannot explain."""
    import ray

    ray.get(clock.remote(), timeout=ANSWER_S)  # starts the worker
    sent = time.time()
    there = float(ray.get(clock.remote(), timeout=ANSWER_S))
    received = time.time()
    return max(0.0, abs(there - (sent + received) / 2) - (received - sent) / 2)


def _unreachable(name: str, error: Exception) -> Check:
    said = f"{type(error).__name__}: {last_line(error).strip()}"
    return Check(name, "raykft task", "fail", said, words.NO_TASK())


def judge(
    node: str,
    facts: dict[str, Any],
    wanted: dict[str, str],
    config: ExperimentConfig | None,
    *,
    skew_s: float,
    gpus: float,
) -> Iterator[Check]:
    """What a node's facts mean.

    Args:
        wanted: the driver's versions.
        gpus: how many Ray believes the node to have.
    """
    yield _judge_versions(node, facts["versions"], wanted)
    yield from _judge_device(node, facts["device"], config, gpus)
    free = facts["memory_bytes"]
    short: Status = "warn" if free < LOW_MEMORY else "ok"
    step = words.LESS_MEMORY() if short != "ok" else ""
    yield Check(node, "free memory", short, words.FREE(size=free / GIB), step)
    yield _judge_folder(node, "cache", facts["cache"], words.MOVE_CACHE())
    if facts["storage"] is not None:
        yield _judge_folder(node, "storage", facts["storage"], words.MOVE_STORAGE())
        if not facts["storage"]["shared"]:
            yield Check(node, "shared storage", "fail", words.NOT_SHARED(), words.SHARE())
    if config is not None:
        yield from _judge_model(node, facts, config)
    elif facts["token"]:
        yield Check(node, "HF token", "ok", words.PRESENT())
    off = skew_s > MAX_SKEW_S
    step = words.TIME_SERVICE() if off else ""
    told = words.OFF_BY(seconds=skew_s) if off else words.IN_STEP()
    yield Check(node, "clock", "warn" if off else "ok", told, step)


def _judge_versions(node: str, found: dict[str, str], wanted: dict[str, str]) -> Check:
    missing = [name for name, version in found.items() if not version]
    if missing:
        told = words.NOT_INSTALLED(names=LIST().join(missing))
        return Check(node, "versions", "fail", told, words.INSTALL_AGAIN())
    differ = {name: version for name, version in wanted.items() if found.get(name) != version}
    other = [words.OTHER_VERSION(name=name, found=found.get(name), wanted=v) for name, v in differ.items()]
    if other:
        return Check(node, "versions", "fail", words.BETWEEN().join(other), words.INSTALL_SAME())
    shown = ("raykft", "python", "ray", "torch", "transformers", "bitsandbytes")
    return Check(node, "versions", "ok", ", ".join(f"{name} {found[name]}" for name in shown))


def _judge_device(node: str, device: dict[str, Any], config: ExperimentConfig | None, gpus: float) -> Iterator[Check]:
    wants_cuda = config is not None and config.resources.device == "cuda"
    if device["gpus"]:
        each = words.BETWEEN().join(
            words.GPU(name=g["name"], free=g["free_bytes"] / GIB, total=g["total_bytes"] / GIB) for g in device["gpus"]
        )
        driver = device["driver"] or words.UNKNOWN()
        yield Check(node, "GPU", "ok", words.GPUS(each=each, cuda=device["cuda"], driver=driver))
    elif gpus:
        built = words.BUILT_FOR(cuda=device["cuda"]) if device["cuda"] else words.BUILT_WITHOUT()
        yield Check(node, "GPU", "fail", words.UNSEEN_GPUS(n=gpus, built=built), words.INSTALL_CUDA())
    elif wants_cuda:
        yield Check(node, "GPU", "warn", words.NO_GPU_HERE(), words.USE_GPUS())
    else:
        yield Check(node, "GPU", "ok", words.ON_CPU())
    problem = device["quantization"]
    step = words.REINSTALL() if problem else ""
    yield Check(node, "bitsandbytes", "fail" if problem else "ok", problem or words.ROUND_TRIP(), step)
    rates = device["compute"]
    told = words.RATES(fp32=rates["fp32_gflops"], bf16=rates["bf16_gflops"], chosen=rates["chosen"])
    yield Check(node, "compute type", "ok", told, data=rates)


def _judge_folder(node: str, name: str, folder: dict[str, Any], step: str) -> Check:
    free = folder["free_bytes"]
    if folder["problem"]:
        return Check(node, name, "fail", words.NOT_WRITABLE(place=folder["path"], problem=folder["problem"]), step)
    if free is None:
        return Check(node, name, "ok", words.WRITABLE(place=folder["path"]))
    room = {"place": folder["path"], "size": free / GIB}
    if free < LOW_DISK:
        return Check(node, name, "fail" if free < NO_DISK else "warn", words.ROOM(**room), step)
    return Check(node, name, "ok", words.ROOM_WRITABLE(**room))


def _judge_model(node: str, facts: dict[str, Any], config: ExperimentConfig) -> Iterator[Check]:
    problem, local = facts["model"], is_local(config.base_model)
    offline = os.environ.get("HF_HUB_OFFLINE") == "1"
    if not problem:
        yield Check(node, "base model", "ok", config.base_model)
    elif local or offline or "no such" in problem or "not installed" in problem:
        yield Check(node, "base model", "fail", problem, words.PUT_MODEL())
    else:
        yield Check(node, "base model", "warn", words.DOWNLOADS(problem=problem), words.NEEDS_NETWORK())
    if facts["token"]:
        yield Check(node, "HF token", "ok", words.PRESENT())
    elif problem and not local:
        yield Check(node, "HF token", "warn", words.NONE(), words.LOG_IN())


def render_checks(checks: Sequence[Check]) -> Table:
    """A terminal table. Details may quote other machines: they become plain text."""
    table = Table(box=None, pad_edge=False)
    for title in words.HEADINGS.values():
        table.add_column(title(), overflow="fold")
    colours = {"ok": "green", "warn": "yellow", "fail": "bold red"}
    for check in checks:
        names = (called(words.NODES, check.node), called(words.CHECKS, check.name), words.STATUSES[check.status]())
        cells = (*names, check.detail, check.step)
        styles = ("", "", colours[check.status], "", "")
        table.add_row(*(paragraph(plain(cell), style) for cell, style in zip(cells, styles, strict=True)))
    return table


def checks_json(checks: Sequence[Check]) -> dict[str, Any]:
    """The checks as data; `compute` are the rates of the first node."""
    rates = next((check.data for check in checks if check.name == "compute type"), None)
    rows = [{"node": c.node, "check": c.name, "status": c.status, "found": c.detail, "next": c.step} for c in checks]
    return {"checks": rows, "compute": rates}


def failed(checks: Sequence[Check]) -> bool:
    return any(check.status == "fail" for check in checks)
