"""Experiments as Ray jobs: submit one to a running cluster, follow it, ask after it, stop it.

A job gets three things: this raykft package, a folder with the resolved config, the data files and an entry of `jobs/`,
and the environment variables that were named. Everything else is the cluster's: its Python packages and its storage.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import os
import secrets
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raykft.cluster import ray_compat
from raykft.cluster.secrets import hand_over
from raykft.config import ExperimentConfig, dump_yaml, load_config
from raykft.errors import ConfigError, DataError, ModelError, RaykftError, ResourceError
from raykft.paths import write_atomic
from raykft.storage.store import is_url

FORWARDED = ("HF_TOKEN", "HF_HOME", "HF_HUB_OFFLINE", "HF_ENDPOINT")
JOBS = ("tune", "evaluate", "leaderboard")
MAX_UPLOAD_BYTES = 50 << 20
ANSWER_S, UPLOAD_S = 10, 120
# A driver that is told to stop ends its trials first, which wait for the step they are in.
STOP_WAIT_S = 120
STOP_VARIABLES = {"RAY_JOB_STOP_SIGNAL": "SIGINT", "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WAIT_S)}
CONFIG_FILE, INPUTS = "config.yaml", "raykft-inputs"
STORED_INPUTS = ".inputs"  # beneath storage_path; no experiment can have this name
HEAD_INPUTS = Path("/tmp/raykft-inputs")  # of experiments whose storage is a URL
STOPPED_EXIT_CODE = 130
PACKAGE = Path(__file__).parents[1]
ENTRIES = PACKAGE.parent / "jobs"


@dataclass(frozen=True)
class Job:
    """What the job server knows of one job. `exit_code` is that of its command, None while it runs."""

    job_id: str
    status: str
    exit_code: int | None
    directory: str | None
    message: str

    @property
    def ended(self) -> bool:
        return self.status in {"SUCCEEDED", "FAILED", "STOPPED"}


@dataclass(frozen=True)
class Bundle:
    """A config as the cluster will read it, and the files to upload: stored path → path on this machine."""

    config: ExperimentConfig
    uploads: dict[Path, Path]


def submit(
    config: ExperimentConfig,
    address: str,
    *,
    job: str = "tune",
    arguments: Sequence[str] = (),
    environment: Sequence[str] = (),
    shared: Sequence[Path] = (),
    python: str = "python3",
) -> str:
    """Start `jobs/JOB.py` on the cluster and return the job's id.

    Args:
        address: the job server, e.g. `http://head:8265`.
        arguments: appended to the command that the job runs.
        environment: names of variables to forward besides those of `FORWARDED` that are set. Values go to the
            cluster as `raykft.cluster.secrets` says; they are written nowhere.
        shared: folders that every node sees at the same path; `storage_path` always is one.
        python: the interpreter on the head node that has Ray.

    Raises:
        RaykftError: something the cluster could not find or run, told before anything is uploaded where possible.
    """
    entry = ENTRIES / f"{job}.py"
    if job not in JOBS or not entry.is_file():
        raise ConfigError(f"there is no job {entry}; use one of {', '.join(JOBS)}, from a checkout of raykft")
    variables = forwarded_environment(environment)
    bundle = pack(config, shared)
    job_id = f"{config.name}-{secrets.token_hex(4)}"
    command = [python, f"jobs/{entry.name}", CONFIG_FILE, *arguments]
    with tempfile.TemporaryDirectory() as folder:
        _write_bundle(bundle, entry, Path(folder))
        with _server(address, hidden=variables.values()) as client:
            handed = hand_over(client, variables)
            client.submit_job(
                # `exec`: the signal that stops the job must reach Python and not a shell in front of it.
                entrypoint=f"exec {shlex.join(command)}",
                submission_id=job_id,
                runtime_env={
                    "working_dir": folder,
                    "py_modules": [str(PACKAGE)],
                    **handed,
                    "env_vars": handed["env_vars"] | STOP_VARIABLES,
                },
                metadata={"raykft_directory": str(config.directory)},
            )
    return job_id


def forwarded_environment(names: Sequence[str]) -> dict[str, str]:
    """The variables a job gets: the set ones of `FORWARDED`, and `names`, which must be set.

    Raises:
        ConfigError: a name is not set, or carries a value.
    """
    for name in names:
        if "=" in name:
            # Not the whole text: what follows may be a secret, and messages end up in logs.
            raise ConfigError(f"--env {name.split('=')[0]}=...: give the name only; its value is taken from here")
        if name not in os.environ:
            raise ConfigError(f"--env {name}: this variable is not set here; export it first")
    return {name: os.environ[name] for name in (*FORWARDED, *names) if name in os.environ}


def pack(config: ExperimentConfig, shared: Sequence[Path] = ()) -> Bundle:
    """Decide what is uploaded and where the cluster will find it.

    A data file is stored beneath `storage_path` in a folder named after its content, so that a job submitted again
    continues the same experiment and later commands find the data; where that is a URL, in a folder of the head node,
    which alone reads them. Files in `shared` folders stay where they are.

    Raises:
        ConfigError: `storage_path` is relative, which in a job is a temporary folder of the head node.
        ModelError: the base model is a path that the nodes do not share.
        DataError: a data file is missing, or all of them are too large to upload.
    """
    folders = [folder.absolute() for folder in shared]
    if not is_url(config.storage_path):
        storage = Path(config.storage_path)
        if not storage.is_absolute():
            raise ConfigError(
                f"storage_path {config.storage_path!r} is relative; a cluster needs a URL (s3://...) or an absolute "
                "path that every node mounts (--set storage_path=/mnt/shared/runs)"
            )
        folders.append(storage)
    _check_model(config.base_model, folders)
    uploads: dict[Path, Path] = {}

    def place(setting: str, path: str) -> str:
        file = Path(path)
        if _inside(file, folders):
            return path
        if not file.is_file():
            raise DataError(f"data.{setting}: there is no file {file} here, and it is in no --shared folder")
        stored = _stored_inputs(config.storage_path) / _digest(file) / file.name
        uploads[stored] = file
        return str(stored)

    data = config.data.with_files(place)
    size = sum(file.stat().st_size for file in uploads.values())
    if size > MAX_UPLOAD_BYTES:
        raise DataError(
            f"the data files are {size / 2**20:.0f} MiB together, more than the {MAX_UPLOAD_BYTES >> 20} MiB a job "
            "uploads; put large ones on storage that every node mounts and name it with --shared DIR, or use "
            "`data.train: {hub: ...}`"
        )
    changes = {
        "data": data,
        # A job connects to the cluster it runs on.
        "resources": config.resources.model_copy(update={"address": None}),
    }
    return Bundle(config.model_copy(update=changes), uploads)


def unpack(config_file: Path) -> Path:
    """On the head node: put the uploaded data files where the config expects them. Returns `config_file`.

    Harmless when repeated, and where nothing was uploaded beside the config.
    """
    inputs = config_file.absolute().parent / INPUTS
    stored = _stored_inputs(load_config(config_file).storage_path)
    for source in sorted(inputs.glob("*/*")):
        target = stored / source.relative_to(inputs)
        # Others may write to the head's temporary folder: what lies there counts only if it is the same.
        if not target.is_file() or _digest(target) != target.parent.name:
            try:
                _copy_whole(source, target)
            except OSError as error:
                raise ResourceError(
                    f"cannot write {target} on the head node: {error.strerror or error}; choose another `storage_path` "
                    "(--set storage_path=DIR)"
                ) from error
    return config_file


def _stored_inputs(storage_path: str) -> Path:
    return HEAD_INPUTS if is_url(storage_path) else Path(storage_path) / STORED_INPUTS


def _copy_whole(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        shutil.copyfile(source, partial)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def job_status(address: str, job_id: str) -> Job:
    """Ask the job server after one job.

    Raises:
        ResourceError: the server cannot be asked, or knows no such job.
    """
    with _server(address) as client:
        return _job(client, job_id)


def follow(address: str, job_id: str, write: Callable[[str], Any]) -> int:
    """Pass the job's log to `write` as it grows; returns the exit code of the job's command when it has ended.

    Raises:
        ResourceError: the server cannot be reached any more; the job may go on.
    """
    with _server(address) as client:
        asyncio.run(_tail(client, job_id, write))
        return _exit_code(_wait_until_ended(client, job_id, ANSWER_S))


def stop(address: str, job_id: str) -> Job:
    """Stop a job as Ctrl-C would, and wait until it has ended; what it finished is kept and can be continued.

    Raises:
        ResourceError: the server cannot be asked, knows no such job, or cannot end it.
    """
    with _server(address) as client:
        job = _job(client, job_id)
        if job.ended:
            return job
        client.stop_job(job_id)
        return _wait_until_ended(client, job_id, STOP_WAIT_S + 3 * ANSWER_S)


def _check_model(base_model: str, folders: Sequence[Path]) -> None:
    path = Path(base_model).expanduser()
    local = path.is_absolute() or base_model.startswith(".") or path.exists()
    if local and not (path.is_absolute() and _inside(path, folders)):
        raise ModelError(
            f"base_model {base_model!r} is a path, and models are not uploaded; put it on storage that every node "
            "mounts and name it with --shared DIR, or use a hub id"
        )


def _inside(path: Path, folders: Sequence[Path]) -> bool:
    return any(path.resolve().is_relative_to(folder.resolve()) for folder in folders)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def _write_bundle(bundle: Bundle, entry: Path, folder: Path) -> None:
    (folder / "jobs").mkdir()
    shutil.copyfile(entry, folder / "jobs" / entry.name)
    write_atomic(folder / CONFIG_FILE, dump_yaml(bundle.config))
    for stored, file in bundle.uploads.items():
        target = folder / INPUTS / stored.parent.name / stored.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


async def _tail(client: Any, job_id: str, write: Callable[[str], Any]) -> None:
    chunks = client.tail_job_logs(job_id)
    waiting: asyncio.Future[str | None] | None = None
    while True:
        waiting = waiting or asyncio.ensure_future(anext(chunks, None))
        done, _ = await asyncio.wait({waiting}, timeout=ANSWER_S)
        if not done:
            # A head that vanished without closing the connection would be waited for for ever.
            await asyncio.to_thread(client.get_job_info, job_id)
            continue
        chunk, waiting = waiting.result(), None
        if chunk is None:
            return
        write(chunk)


def _wait_until_ended(client: Any, job_id: str, seconds: float) -> Job:
    deadline = time.monotonic() + seconds
    while not (job := _job(client, job_id)).ended:
        if time.monotonic() > deadline:
            raise ResourceError(
                f"job {job_id} is still {job.status} after {seconds:.0f} s; see `raykft status {job_id}`"
            )
        time.sleep(0.2)
    return job


def _job(client: Any, job_id: str) -> Job:
    info = client.get_job_info(job_id)
    return Job(
        job_id=job_id,
        status=str(info.status.value),
        exit_code=info.driver_exit_code,
        directory=(info.metadata or {}).get("raykft_directory"),
        message=(info.message or "").partition("\n")[0],
    )


def _exit_code(job: Job) -> int:
    if job.status == "STOPPED":
        return STOPPED_EXIT_CODE
    if job.exit_code is None:
        raise RaykftError(f"job {job.job_id} ended without running its command: {job.message}")
    return job.exit_code


@contextmanager
def _server(address: str, hidden: Any = ()) -> Iterator[Any]:
    """A client of the job server at `address`; what goes wrong while it is used becomes a `ResourceError`.

    `hidden` are values that an error message of the server must not repeat.
    """
    if not address.startswith(("http://", "https://")):
        raise ConfigError(f"--address {address!r} must name the job server of the head node, e.g. http://head:8265")
    try:
        aiohttp: Any = importlib.import_module("aiohttp")
    except ImportError:
        raise ResourceError("Ray's job client is not installed here; pip install 'raykft[cluster]'") from None
    from ray.exceptions import AuthenticationError

    try:
        yield _connected(address)
    except AuthenticationError as error:
        raise ResourceError(_about_token(address, str(error))) from None
    except (OSError, aiohttp.ClientError) as error:  # those of `requests` are OSErrors
        raise ResourceError(
            f"no job server answers at {address} ({type(error).__name__}); is the head node up, its dashboard running "
            "and port 8265 reachable from here? Through ssh: ssh -L 8265:127.0.0.1:8265 HEAD"
        ) from None
    except RuntimeError as error:
        text = str(error)
        for value in sorted(filter(None, hidden), key=len, reverse=True):
            text = text.replace(value, "***") if len(value) > 3 else text
        raise ResourceError(f"the job server at {address} refused: {text.strip()}") from None


def _connected(address: str) -> Any:
    import ray

    token = _token()
    headers = {"Authorization": f"Bearer {token}"} if token else None
    try:
        with _only_address(address):
            client = ray_compat.job_client(address, headers, answer_s=ANSWER_S, upload_s=UPLOAD_S)
    except KeyError:
        raise ResourceError(f"what answers at {address} is no Ray job server; its port is 8265 by default") from None
    if (theirs := ray_compat.server_version(client)) != ray.__version__:
        raise ResourceError(
            f"the cluster at {address} runs Ray {theirs}, this machine Ray {ray.__version__}; they must be equal "
            f"(pip install ray=={theirs} here, or use the project's cluster.yaml there)"
        )
    return client


@contextmanager
def _only_address(address: str) -> Iterator[None]:
    """Ray prefers these variables to the address it is given."""
    before = {name: os.environ.pop(name, None) for name in ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")}
    os.environ["RAY_API_SERVER_ADDRESS"] = address
    try:
        yield
    finally:
        del os.environ["RAY_API_SERVER_ADDRESS"]
        os.environ.update({name: value for name, value in before.items() if value is not None})


def _token() -> str | None:
    """The cluster's token from where Ray looks for it: RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH, ~/.ray/auth_token."""
    if os.environ.get("RAY_AUTH_MODE", "token").lower() != "token":
        return None
    if token := os.environ.get("RAY_AUTH_TOKEN"):
        return token
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    file = Path(named or "~/.ray/auth_token").expanduser()
    try:
        return file.read_text(encoding="utf-8").strip() or None
    except OSError as error:
        if named:
            raise ResourceError(f"RAY_AUTH_TOKEN_PATH: cannot read {file}: {error.strerror or error}") from error
        return None


def _about_token(address: str, error: str) -> str:
    if "Authentication required" in error:
        return (
            f"the cluster at {address} asks for a token; put the head's ~/.ray/auth_token at the same place here, or "
            "set RAY_AUTH_TOKEN_PATH to a copy"
        )
    return f"the cluster at {address} refused the token; it must be that of the head's ~/.ray/auth_token"
