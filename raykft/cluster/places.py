"""Places for hosts: how many there are, on what, and the placement groups that reserve them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from raykft.cluster.ray_compat import bundled_allocator, free_resources, node_kinds
from raykft.errors import ResourceError
from raykft.provenance import available_cores
from raykft.untrusted.yaml_text import parse_yaml
from raykft.wording import running as words

# What a thin trial reserves. Hosts leave it free on their cores: where hosts take every CPU, no trial starts.
TRIAL_CPUS = 0.01
DEFAULT_WAIT_MINUTES = 15.0
PRELOAD = "LD_PRELOAD"
QUIET_SECONDS = 5.0  # of waiting, before it is said


@dataclass(frozen=True)
class HostPlan:
    """How many hosts, on what, with how many CPU threads each.

    Attributes:
        hosts: hosts that train.
        evaluation: hosts that only answer questions.
        gpu_share: what an evaluation host takes of the GPU of a training host; 0 where it has a device of its own.
        on_node: the most hosts that one node may hold.
        limit: training hosts at most, once nodes have joined.
        replicas: devices that a training host trains one trial on. Several get their places from Ray Train, so that the
            host itself takes next to nothing (`raykft.hosts.replicas`).
    """

    hosts: int
    device: str
    threads: int = 1
    slots: int = 2
    evaluation: int = 0
    gpu_share: float = 0.0
    on_node: int = 1
    limit: int = 1
    replicas: int = 1

    @property
    def bundle(self) -> dict[str, float]:
        """What one device's place in the cluster holds."""
        cpus = _host_cpus(self.slots)
        return {"CPU": cpus, "GPU": 1} if self.device == "cuda" else {"CPU": cpus}

    @property
    def place(self) -> dict[str, float]:
        """What a training host's own place in the cluster holds."""
        return self.bundle if self.replicas == 1 else {"CPU": TRIAL_CPUS}

    @property
    def places(self) -> list[dict[str, float]]:
        """What is reserved for this plan: the places of training hosts, then those of evaluation hosts."""
        return [self.place] * self.hosts + [self.bundle] * (0 if self.gpu_share else self.evaluation)

    def actor_options(self, *, evaluates: bool = False) -> dict[str, Any]:
        """The share of a bundle that a host takes."""
        part = (self.gpu_share if evaluates else 1 - self.gpu_share) if self.gpu_share else 1.0
        held = self.bundle if evaluates else self.place
        return {f"num_{kind.lower()}s": round(amount * part, 4) for kind, amount in held.items()}

    def allocator(self, *, embedded: bool) -> dict[str, Any]:
        """Options of a host on a CPU of this machine: jemalloc, unless the user preloads something.

        A step makes thousands of tensors, and glibc 2.36 spends up to a fifth of a bf16 step on finding memory for
        them (docs/log.md). Which libraries other nodes have, this one does not know.
        """
        library = bundled_allocator() if embedded and self.device == "cpu" else None
        if library is None or os.environ.get(PRELOAD):
            return {}
        return {"runtime_env": {"env_vars": {PRELOAD: str(library)}}}


def plan_hosts(
    *,
    device: str,
    hosts: int | str,
    useful: int,
    slots: int = 2,
    evaluation_hosts: float = 0,
    embedded: bool = True,
    patient: bool = False,
    may_grow: bool = True,
    replicas: int = 1,
) -> HostPlan:
    """Decide hosts and threads: one per GPU, or one single-threaded host per core; never more than `useful` train.

    Args:
        patient: devices that nobody knows of may come; the user said how long to wait.
        may_grow: count nodes that a known autoscaler may add.
        replicas: devices of every training host.

    Raises:
        ResourceError: more hosts than devices could ever be there, or CUDA asked for where the cluster has none.
    """
    now = [(node, 1) for node in _nodes()]
    later = autoscaled_nodes() if may_grow and not embedded else []
    has_gpus = any(node.get("GPU") for node, _ in [*now, *later])
    if device == "cuda" and not has_gpus and not patient:
        raise ResourceError(
            "resources.device 'cuda': Ray sees no GPU; use 'auto' or 'cpu', or start Ray on a GPU machine"
        )
    cuda = device == "cuda" or (device == "auto" and has_gpus)
    plan = HostPlan(hosts=1, device="cuda" if cuda else "cpu", slots=slots, replicas=replicas)
    units = available_cores() if embedded and not cuda else max(_places(plan, now), _places(plan, later))
    share = evaluation_hosts if evaluation_hosts < 1 else 0.0
    if share and not cuda:
        raise ResourceError(
            f"resources.evaluation_hosts {share:g} is a share of a GPU, but hosts run on CPUs here; "
            "use 0, or a whole number of hosts"
        )
    apart = int(evaluation_hosts)
    training = max(1, min((units - apart) // replicas, useful)) if hosts == "auto" else int(hosts)
    needed = training * replicas + apart
    if needed > units and not patient:
        kind = f"GPUs with {plan.bundle['CPU']:g} CPU beside each" if cuda else "CPU cores"
        asked = f"resources.hosts {hosts}" + (f" and resources.evaluation_hosts {apart}" if apart else "")
        asked += f" with resources.gpus_per_trial {replicas}" if replicas > 1 else ""
        fewer = "lower gpus_per_trial or the others" if replicas > 1 else "use 'auto' or fewer"
        hint = (
            "" if embedded else ", or resources.wait_minutes where an autoscaler that Ray does not know of adds nodes"
        )
        raise ResourceError(f"{asked}: {needed} {kind} are needed, only {units} are available; {fewer}{hint}")
    most = units if embedded else max((_places(plan, [(node, 1)]) for node, _ in [*now, *later]), default=1)
    return replace(
        plan,
        hosts=training,
        threads=1 if cuda or hosts == "auto" else max(1, units // needed),
        evaluation=training if share else apart,
        gpu_share=share,
        on_node=max(1, min(needed, most)),
        limit=useful if hosts == "auto" else training,
    )


def _places(plan: HostPlan, nodes: Sequence[tuple[Mapping[str, float], int]]) -> int:
    """How many hosts fit into nodes, given as their resources and how many there are of each.

    Without a GPU a core each, though a host's own place leaves room for its trials beside it.
    """

    def fitting(node: Mapping[str, float]) -> int:
        room = int(min(node.get(kind, 0) / amount for kind, amount in plan.bundle.items()))
        return room if plan.device == "cuda" else min(room, int(node.get("CPU", 0)))

    return sum(count * fitting(node) for node, count in nodes)


def autoscaled_nodes() -> list[tuple[dict[str, float], int]]:
    """Resources of the kinds of nodes that a known autoscaler may add, and how many of each.

    Known is one that the cluster's control store tells of, or whose launcher file lies where `ray up` puts it on the
    head. Of the autoscaler of Kubernetes a driver sees nothing.
    """
    if kinds := node_kinds():
        unlimited = 4096  # what the store writes as -1
        return [(resources, unlimited if count < 0 else count) for resources, count in kinds]
    bootstrap = Path("~/ray_bootstrap_config.yaml").expanduser()
    if not bootstrap.is_file():
        return []
    tree = parse_yaml(bootstrap.read_text(encoding="utf-8"), str(bootstrap))
    total = int(tree.get("max_workers", 0))
    return [
        (kind.get("resources", {}), min(int(kind.get("max_workers", 0)), total))
        for name, kind in tree.get("available_node_types", {}).items()
        if name != tree.get("head_node_type")
    ]


def reserve(plan: HostPlan, *, wait_minutes: float | None, say: Callable[[str], None]) -> list[Any]:
    """A placement group for every host, all asked for at once, so that an autoscaler learns of all of them.

    One group of a bundle each, not one of all: a placed group that loses a bundle for good keeps a core of the control
    store busy (Ray 2.60) until it is removed, and with it would go the hosts that live.

    Raises:
        ResourceError: the bundles are not free after `wait_minutes`, though the cluster has them or may have.
    """
    from ray.util import placement_group

    groups = [placement_group([place]) for place in plan.places]
    minutes = DEFAULT_WAIT_MINUTES if wait_minutes is None else wait_minutes
    if _ready(groups, min(QUIET_SECONDS, 60 * minutes)):
        return groups
    kind = "GPUs" if plan.device == "cuda" else "CPU cores"
    if minutes:
        say(words.WAITING(minutes=minutes, n=len(groups), kind=words.DEVICES[plan.device]()))
    if _ready(groups, 60 * minutes):
        return groups
    found = sum(_ready([group], 0) for group in groups)
    for group in groups:
        release(group)
    raise ResourceError(
        f"{len(groups)} {kind} were not free within {minutes:g} min ({found} were): other jobs use them, or "
        "no node came; set resources.hosts to what is free, or a longer resources.wait_minutes"
    )


def reserve_one(plan: HostPlan) -> Any | None:
    """A placement group for one more host where a device is free now, else None."""
    from ray.util import placement_group

    if _free(plan) < plan.replicas:
        return None
    group = placement_group([plan.place])
    if _ready([group], QUIET_SECONDS):
        return group
    release(group)
    return None


def check_nodes() -> None:
    """See that any node lives. An embedded Ray has one, which nothing starts again: calls to it would wait for ever.

    Raises:
        ResourceError: none does.
    """
    import ray

    if not any(node["Alive"] for node in ray.nodes()):
        raise ResourceError(
            "Ray's own processes on this machine have ended (was raylet killed, or memory short?); what is finished is "
            "kept, and `raykft resume` goes on"
        )


def is_lost(group: Any) -> bool:
    """Whether the node of a placed group has died."""
    from ray.util import placement_group_table

    return bool(placement_group_table(group)["state"] == "RESCHEDULING")


def release(group: Any) -> None:
    """Give a placement group back; actors in it end."""
    from ray.util import remove_placement_group

    remove_placement_group(group)


def _ready(groups: Sequence[Any], seconds: float) -> bool:
    import ray

    pending = ray.wait([group.ready() for group in groups], num_returns=len(groups), timeout=max(seconds, 0.1))[1]
    return not pending


def _free(plan: HostPlan) -> int:
    """How many hosts would find a place now."""
    return _places(plan, [(node, 1) for node in free_resources()])


def _nodes() -> list[dict[str, float]]:
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _host_cpus(slots: int) -> float:
    """What a host reserves of its core: all but the room for its own thin trials."""
    return max(TRIAL_CPUS, round(1 - TRIAL_CPUS * slots, 2))
