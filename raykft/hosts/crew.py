"""The actors of one run, started, watched and ended: a training host per device, the evaluator, the broker of slots.

Every host sits in a placement group of its own, the other two on the driver's own node: losing a worker loses neither.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import copy_context
from functools import cached_property
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy
from rich.console import Console

from raykft.cluster import places
from raykft.config import ExperimentConfig
from raykft.data.domain import Domain, check_shares, trainable
from raykft.data.mixture import Pool
from raykft.data.told import told_rows
from raykft.errors import LostError, ModelError, OutOfMemoryError, RaykftError, ResourceError
from raykft.evaluation.evaluator import Context, Suite
from raykft.evaluation.graded import by_level
from raykft.evaluation.objective import Objective
from raykft.evaluation.retrieval import Contexts
from raykft.hosts.actor import FAKE, HOST_CLASSES, HostConfig, TrainingHost, faster_dtype
from raykft.hosts.broker import Broker, Hosts
from raykft.hosts.evaluator import EvaluatorActor
from raykft.hosts.remote import Sealed, get, on_this_node
from raykft.paths import ExperimentPaths, read_json
from raykft.planning.slots import most_slots, slots_for
from raykft.storage.store import address, keep
from raykft.train.admission import MAX_SLOTS, HostCapacity, HostCounters
from raykft.wording import running as words
from raykft.wording.names import LIST

# Room in the context window for a question and its answer, when all facts are put before it.
QUESTION_TOKENS = 256
GROWTH_SECONDS = 10.0  # between looks for devices that have joined
EMBEDDED_WAIT_MINUTES = 1.0  # for places in a Ray that this run has for itself: nobody else gives any back
TOKENS_SECONDS = 10.0  # for a host to say how many tokens it has trained
SHORT_DTYPES = {"bfloat16": "bf16", "float32": "fp32"}


class Crew:
    """A context manager: the actors live while its body runs.

    Attributes:
        hosts: the training hosts by name, those that join later included.
        evaluation_hosts: handles of the hosts that only answer questions.
        evaluator: the handle of the one actor that asks and scores.
        broker: the handle of the one actor that leases slots.
        slots: trials that a training host trains at once.
        infos: what every host said of itself, training hosts first.
    """

    hosts: Hosts
    evaluator: Any
    broker: Any
    infos: list[dict[str, Any]]

    def __init__(
        self,
        config: ExperimentConfig,
        domain: Domain,
        paths: ExperimentPaths,
        *,
        useful_trials: int,
        embedded: bool,
        console: Console,
        on_capacity: Callable[[int], object] = lambda _trials: None,
    ) -> None:
        """
        Args:
            on_capacity: told how many trials can train at once, when the hosts are up and whenever one has joined.
        """
        self.config = config
        self.domain = trainable(config, domain)
        self.paths = paths
        self.console = console
        self.evaluation_hosts: list[Any] = []
        asked = config.resources.slots_per_host
        self.slots = 1 if asked == "auto" else asked  # until a host has been measured
        self._most_slots = MAX_SLOTS if asked == "auto" else asked
        self._embedded = embedded
        self._trials = useful_trials
        self._on_capacity = on_capacity
        self._groups: list[Any] = []
        self._places: dict[str, Any] = {}  # the group of every training host
        self._actors: list[Any] = []
        self._replicated: list[Any] = []  # those of them that train over several devices
        self._joined = 0
        self._tokens = TokenCount()
        self._closing = threading.Event()
        # It speaks as this thread.
        work = (self._watch,)
        self._growth = threading.Thread(target=copy_context().run, args=work, name="raykft-growth", daemon=True)

    def __enter__(self) -> Crew:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *details: object) -> None:
        self._closing.set()
        if self._growth.is_alive():
            self._growth.join(timeout=places.QUIET_SECONDS + GROWTH_SECONDS)
        if self._replicated:
            from raykft.hosts import replicas

            replicas.close(self._replicated)
        # The broker goes first: whoever misses a host then sees that the run has ended.
        for actor in sorted(self._actors, key=lambda actor: actor is not getattr(self, "broker", None)):
            ray.kill(actor)
        for group in self._groups:
            places.release(group)
        if details and details[0] is None:  # else trials may have gone further than the driver has seen
            keep(self.paths.root, light=True)

    @contextmanager
    def attached(self, host: str, trial_id: str, adapter: Path) -> Iterator[None]:
        """`host` holds a finished adapter while the body runs."""
        with held(self.hosts[host], trial_id, adapter):
            yield

    def tokens_trained(self) -> int:
        """By all hosts since the run began, those that joined later or are gone included."""
        try:
            asked = {name: handle.counters.remote() for name, handle in self.hosts.items()}
        except ray.exceptions.RayError:  # the broker is starting again
            return self._tokens.total
        for name, answer in asked.items():
            try:
                self._tokens.hear(name, ray.get(answer, timeout=TOKENS_SECONDS).tokens)
            except ray.exceptions.RayError:
                continue  # a host that is gone has nothing more to tell
        return self._tokens.total

    def say_limits(self) -> None:
        """Tell which hosts ran out of memory and have trained in smaller steps since."""
        for name, known in _counters(self.hosts):
            if known.step_limit is not None:
                self.console.print(words.OUT_OF_MEMORY(host=name, slots=self.slots, tokens=known.step_limit))

    def say_teaching(self) -> None:
        """Tell how far the teacher of distillation was followed."""
        for _, known in _counters(self.hosts):
            if known.taught_tokens:
                share = known.followed_tokens / known.taught_tokens
                self.console.print(words.TEACHER_FOLLOWED(share=share, places=known.taught_tokens))
                return  # every host asks the same model about the same rows

    # Starting.

    def _start(self) -> None:
        kind = host_class(self.config.base_model)
        self.plan, self._groups = self._reserve()
        plan, config, groups = self.plan, self.config, self._groups
        kinds = words.REPLICAS(n=plan.replicas) if plan.replicas > 1 else ""
        kinds += words.FOR_EVALUATION(n=plan.evaluation) if plan.evaluation else ""
        about = {"quantization": config.quantization, "hosts": plan.hosts, "device": plan.device, "kinds": kinds}
        self.console.print(words.LOADING(model=config.base_model, **about))
        self._dtype = self._compute_dtype(kind)
        handles = [self._start_host(kind, group) for group in groups[: plan.hosts]]
        beside = groups if plan.gpu_share else groups[plan.hosts :]
        self.evaluation_hosts = [self._start_host(kind, group, evaluates=True) for group in beside]
        self.infos = self._heard([host.info.remote() for host in (*handles, *self.evaluation_hosts)])
        if text := self.domain.text:
            pieces = self.infos[0]["text_pieces"]
            self.console.print(words.TEXT_PIECES(n=len(text), pieces=pieces, length=config.train.max_length))
            check_shares(config, Pool.of(self.domain.train, len(self.domain.distractors), pieces))
        self._say_slow_bf16()
        if cut := self.infos[0]["shortened_rows"]:
            self.console.print(words.SHORTENED(n=cut, length=config.train.max_length))
        self._say_untaught()
        if config.resources.slots_per_host == "auto":
            self.slots = self._measured_slots(handles[0])
        known = {f"host{n}": handle for n, handle in enumerate(handles)}
        self._places = dict(zip(known, groups, strict=False))
        self.broker = self._keep(ray.remote(Broker).options(**on_this_node()).remote(Sealed(known), self.slots))
        self.hosts = Hosts(self.broker, known)
        self.evaluator = self._start_evaluator()
        self._on_capacity(self.slots * len(known))
        if not self._embedded:
            self._growth.start()

    def _say_untaught(self) -> None:
        rows, told, taught = len(self.domain.train), len(self._told), self.infos[0]["taught_rows"]
        if self.config.uses("train.distill_weight") and taught < rows:
            of = {"taught": taught, "rows": rows, "without": rows - told, "long": told - taught}
            self.console.print(words.UNTAUGHT(**of))

    def _say_slow_bf16(self) -> None:
        slow = [
            n for n, info in enumerate(self.infos) if info["dtype"] == "bfloat16" and info.get("fast_bf16") is False
        ]
        if slow:
            self.console.print(words.SLOW_BF16(hosts=LIST().join(map(str, slow))))

    def _start_evaluator(self) -> Any:
        config, domain, objective = self.config, self.domain, self.config.search.objective
        key, contexts = base_key(config, self.infos[0]), contexts_of(config, domain, self.infos[0])
        actor = ray.remote(EvaluatorActor).options(
            max_concurrency=4 * self.slots * self.plan.limit + 4, **on_this_node()
        )
        return self._keep(
            actor.remote(
                Sealed(suite_of(config, domain)),
                Objective(objective.name, objective.forgetting_budget, objective.penalty),
                rungs={k: getattr(config.evaluate, k) for k in ("rung_probes", "rung_general", "rung_passages")},
                hosts=Sealed(self.hosts),
                evaluation_hosts=Sealed(self.evaluation_hosts),
                slots=self.slots,
                base_key=key,
                contexts=Sealed(contexts),
            )
        )

    def _start_host(self, kind: type, group: Any, *, evaluates: bool = False) -> Any:
        place = PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=0)
        options = self.plan.actor_options(evaluates=evaluates)
        domain = self.domain
        arguments = [Sealed(a) for a in (self._host_config(), domain.train, domain.distractors, domain.text)]
        if self.plan.replicas > 1 and not evaluates and kind is TrainingHost:
            from raykft.hosts import replicas  # Ray Train imports torch; no driver needs it for other hosts

            host = replicas.start(
                self.plan, arguments, self.paths.ray, self.config.resources.wait_minutes, place, options
            )
            self._replicated.append(host)
            return self._keep(host)
        options |= self.plan.allocator(embedded=self._embedded) if kind is TrainingHost else {}
        actor = ray.remote(kind).options(
            max_concurrency=4 * self._most_slots + 16, max_restarts=-1, scheduling_strategy=place, **options
        )
        return self._keep(actor.remote(*arguments))

    def _host_config(self) -> HostConfig:
        config = self.config
        return HostConfig(
            base_model=config.base_model,
            quantization=config.quantization,
            residency=config.resources.residency,
            kernel=config.resources.kernel,
            compute_dtype=self._dtype,
            device=self.plan.device,
            system_prompt=config.data.system_prompt,
            plain_prompt=config.data.plain_prompt,
            told=self._told,
            max_length=config.train.max_length,
            batch_size=config.evaluate.batch_size,
            threads=self.plan.threads,
            hosts_on_node=self.plan.on_node,
        )

    @cached_property
    def _told(self) -> dict[str, str]:
        """What a teacher reads, where a recipe may have one."""
        if not self.config.uses("train.distill_weight"):
            return {}
        return told_rows(self.domain.train, self.domain.facts, self.config.data.facts_prompt)

    def _compute_dtype(self, kind: type) -> str:
        """One type for all hosts of an experiment: the one it began with, or that is faster on the first of them."""
        asked = self.config.resources.compute_dtype
        if asked != "auto" or self.plan.device == "cuda" or kind is not TrainingHost:
            return asked
        if self.paths.environment.is_file() and (hosts := read_json(self.paths.environment).get("hosts")):
            return SHORT_DTYPES.get(hosts[0]["dtype"], "fp32")
        place = PlacementGroupSchedulingStrategy(self._groups[0], placement_group_bundle_index=0)
        measure = ray.remote(faster_dtype).options(scheduling_strategy=place, **self.plan.actor_options())
        (dtype,) = self._heard([measure.remote(self.config.base_model, self.plan.threads)])
        return str(dtype)

    def _reserve(self) -> tuple[places.HostPlan, list[Any]]:
        """Places for all hosts; with `hosts: auto`, for as many as there are where an autoscaler brings no more."""
        resources, say = self.config.resources, self.console.print

        def plan(*, may_grow: bool) -> places.HostPlan:
            return places.plan_hosts(
                device=resources.device,
                hosts=resources.hosts,
                useful=-(-self._trials // self.slots),
                slots=self._most_slots,
                evaluation_hosts=resources.evaluation_hosts,
                embedded=self._embedded,
                patient=resources.wait_minutes is not None and not self._embedded,
                may_grow=may_grow,
                replicas=resources.gpus_per_trial,
            )

        wanted, minutes = plan(may_grow=True), resources.wait_minutes
        if self._embedded and minutes is None:
            minutes = EMBEDDED_WAIT_MINUTES
        try:
            return wanted, places.reserve(wanted, wait_minutes=minutes, say=say)
        except ResourceError:
            places.check_nodes()
            present = plan(may_grow=False)
            if resources.hosts != "auto" or present.hosts >= wanted.hosts:
                raise
        say(words.GOING_ON(n=present.hosts))
        return present, places.reserve(present, wait_minutes=0, say=say)

    def _measured_slots(self, host: Any) -> int:
        """As many slots as make steps efficient and as memory holds; other hosts are taken to be like `host`."""
        most = most_slots(self.config, self._trials, self.plan.hosts)
        if most == 1:
            return 1
        self.console.print(words.MEASURING())
        try:
            capacity: HostCapacity = get(host.capacity.remote())
        except OutOfMemoryError as error:
            self.console.print(words.NOT_MEASURED(error=error), markup=False)
            return 1
        slots, why = slots_for(self.config, self.domain, capacity, most, cuda=self.plan.device == "cuda")
        self.console.print(words.SLOTS(slots=slots, why=why))
        return slots

    def _heard(self, asked: Sequence[Any]) -> list[Any]:
        """What hosts say while they start."""
        place = shlex.quote(address(self.paths.root))
        return heard(
            asked, self._groups, f"a node died while its host was starting; start again: raykft resume {place}"
        )

    def _keep(self, actor: Any) -> Any:
        self._actors.append(actor)
        return actor

    # Watching.

    def _watch(self) -> None:
        """Start a host on every device that joins, up to the plan's limit, until the crew leaves."""
        while not self._closing.wait(GROWTH_SECONDS):
            try:
                self._drop_lost()
                self._grow()
            except (RaykftError, ray.exceptions.RayError) as error:
                self.console.print(words.NOT_USED(error=error), markup=False)

    def _drop_lost(self) -> None:
        """Give up the places on nodes that died: a host starts anew where a device is free, under another name."""
        for group in [group for group in self._groups if places.is_lost(group)]:
            self._groups.remove(group)
            places.release(group)
            for name in [name for name, place in self._places.items() if place is group]:
                del self._places[name]
                ray.get(self.broker.drop.remote(name))
                self.console.print(words.NODE_LOST(host=name))

    def _grow(self) -> None:
        handles, up = dict(self.hosts), self.hosts.loads()
        # A host whose process died is started again where it was.
        if len(up) < len(handles) or len(handles) >= self.plan.limit:
            return
        group = places.reserve_one(self.plan)
        if group is None:
            return
        self._groups.append(group)
        host = self._start_host(host_class(self.config.base_model), group)
        get(host.info.remote())
        self._joined += 1
        name = f"host{self.plan.hosts + self._joined - 1}"
        self._places[name] = group
        ray.get(self.broker.add.remote(name, host))
        self.console.print(words.JOINED(host=name))
        self._on_capacity(self.slots * (len(handles) + 1))


class TokenCount:
    """Tokens that hosts have trained, by their own counts, which begin anew when a host does."""

    def __init__(self) -> None:
        self._before: dict[str, int] = {}  # a host's tokens before it was last started
        self._last: dict[str, int] = {}

    def hear(self, host: str, tokens: int) -> None:
        if tokens < self._last.get(host, 0):
            self._before[host] = self._before.get(host, 0) + self._last[host]
        self._last[host] = tokens

    @property
    def total(self) -> int:
        return sum(self._before.values()) + sum(self._last.values())


def host_class(base_model: str) -> type:
    """The class of the actors that hold a base model.

    Raises:
        ModelError: it is one for tests, and this is none.
    """
    for prefix, kind in HOST_CLASSES.items():
        if base_model.startswith(prefix):
            return kind
    if base_model.startswith(FAKE):
        raise ModelError(
            f"base_model {base_model!r} trains nothing: it is for tests, inside `raykft.testing.fake_hosts()`"
        )
    return TrainingHost


def heard(asked: Sequence[Any], groups: Sequence[Any], lost: str) -> list[Any]:
    """What hosts in placement groups say while they start.

    Raises:
        ResourceError: the node of one has died, in the words of `lost`; Ray would wait for another without end.
    """
    waiting = list(asked)
    while waiting:
        _, waiting = ray.wait(waiting, num_returns=len(waiting), timeout=GROWTH_SECONDS)
        places.check_nodes()
        if waiting and any(map(places.is_lost, groups)):
            raise ResourceError(lost)
    answers: list[Any] = get(list(asked))
    return answers


@contextmanager
def held(handle: Any, trial_id: str, adapter: Path) -> Iterator[None]:
    """A host's actor holds a finished adapter while the body runs."""
    get(handle.attach_adapter.remote(trial_id, adapter))
    try:
        yield
    finally:
        with suppress(ray.exceptions.RayActorError, LostError):  # a host that died holds nothing
            get(handle.detach.remote(trial_id))


def _counters(hosts: Hosts) -> Iterator[tuple[str, HostCounters]]:
    """Of every host that still answers."""
    for name in hosts.loads():
        try:
            yield name, get(hosts[name].counters.remote())
        except (RaykftError, ray.exceptions.RayError):
            continue


def base_key(config: ExperimentConfig, info: Mapping[str, Any]) -> dict[str, Any]:
    """What the base model's scores depend on, besides what it is asked.

    Args:
        info: of a host that holds it.
    """
    return {
        "model": info["model_digest"],
        "dtype": info["dtype"],
        "quantization": config.quantization,
        # In int8 activations are rounded too where weights stay packed: other products than with their values.
        **({"residency": info["residency"]} if config.quantization == "int8" else {}),
        "system_prompt": config.data.system_prompt,
        "plain_prompt": config.data.plain_prompt,
    }


def suite_of(config: ExperimentConfig, domain: Domain) -> Suite:
    """All that adapters are asked, and what it counts."""
    weights = by_level(config.evaluate.level_weights)
    return Suite(domain.facts, domain.probes, domain.general, domain.passages, weights)


def contexts_of(config: ExperimentConfig, domain: Domain, info: Mapping[str, Any]) -> dict[str, Context]:
    """What the base model is shown before a probe, by the name of the baseline."""
    room = info["context_tokens"] - QUESTION_TOKENS
    contexts = Contexts(domain.facts, max_tokens=room, template=config.data.facts_prompt).by_name()
    return {name: contexts[name] for name in config.evaluate.baselines}
