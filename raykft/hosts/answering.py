"""Hosts that answer and train nothing: a base model alone, on as many devices as there is work for and are free.

They need neither broker nor evaluator, nor an experiment: whoever asks deals the questions out here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import ray
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from raykft.cluster import places
from raykft.data.encode import PLAIN_PROMPT
from raykft.errors import LostError, RaykftError, ResourceError, first_line
from raykft.hosts.actor import HostConfig
from raykft.hosts.crew import EMBEDDED_WAIT_MINUTES, SHORT_DTYPES, heard, host_class
from raykft.hosts.remote import get
from raykft.records import Question, Reply
from raykft.wording import running as words

NO_ROWS_LENGTH = 256  # of training rows, of which these hosts have none


class AnsweringHosts:
    """A context manager: hosts of one base model live while its body runs.

    The first is waited for, as a search waits for its own. Others come where devices are free when there is more work.
    """

    def __init__(
        self,
        base_model: str,
        *,
        quantization: str,
        batch_size: int,
        most: int,
        embedded: bool,
        say: Callable[[str], None],
        plain_prompt: str = PLAIN_PROMPT,
    ) -> None:
        """
        Args:
            batch_size: questions that a host reads and decodes together.
            most: hosts at most, whatever there is to do.
            embedded: whether this Ray was started for these hosts alone.
            say: told what a user should know.
            plain_prompt: what a model without a chat template reads.
        """
        self.base_model, self.quantization = base_model, quantization
        self._batch_size, self._plain_prompt = batch_size, plain_prompt
        self._most, self._embedded, self._say = most, embedded, say
        self._hosts: list[tuple[Any, Any]] = []  # actors and their placement groups
        self._dtype = "auto"

    def __len__(self) -> int:
        return len(self._hosts)

    def __enter__(self) -> AnsweringHosts:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *details: object) -> None:
        while self._hosts:
            self._end(*self._hosts[-1])

    def grow(self, questions: int) -> None:
        """Start as many more hosts as `questions` fill with batches and as devices are free for."""
        useful = min(self._most, -(-questions // self._batch_size))
        before = len(self._hosts)
        while len(self._hosts) < useful and (group := places.reserve_one(self._plan)) is not None:
            self._hosts.append((None, group))
        new = [group for _, group in self._hosts[before:]]
        if not new:
            return
        self._say_loading(len(new))
        for number, group in enumerate(new, start=before):
            self._hosts[number] = (self._host(group, min(len(new), self._plan.on_node)), group)
        for host, group in self._hosts[before:]:
            try:
                heard([host.info.remote()], [group], "its node died")
            except (RaykftError, ray.exceptions.RayError) as error:  # such as memory for fewer hosts than cores
                self._say(words.NOT_USED(error=first_line(error)))
                self._end(host, group)
        if len(self._hosts) < before + len(new):
            self._most = len(self._hosts)  # what did not come up is not tried again

    def answer(self, questions: Sequence[Question]) -> list[Reply]:
        """The base model's greedy answers, in order; the hosts share the questions.

        Raises:
            ResourceError: a host died.
            OutOfMemoryError: a question is too long for a device.
        """
        count = len(self._hosts)
        hands = [questions[n::count] for n in range(count)]
        asked = [host.answer.remote(None, hand) for (host, _), hand in zip(self._hosts, hands, strict=True) if hand]
        try:
            dealt: list[list[Reply]] = get(asked)
        except (LostError, ray.exceptions.RayActorError) as error:
            raise self._died(error) from error
        return [dealt[n % count][n // count] for n in range(len(questions))]

    def _start(self) -> None:
        kind = host_class(self.base_model)
        plan = places.plan_hosts(device="auto", hosts="auto", useful=self._most, embedded=self._embedded)
        self._plan = plan
        if self._embedded:  # it counts a CPU more than there are cores
            self._most = plan.hosts
        minutes = EMBEDDED_WAIT_MINUTES if self._embedded else places.DEFAULT_WAIT_MINUTES
        self._say_loading(1)
        try:
            (group,) = places.reserve(replace(plan, hosts=1), wait_minutes=minutes, say=self._say)
        except ResourceError as error:
            places.check_nodes()
            device = "GPU" if plan.device == "cuda" else "CPU core"
            raise ResourceError(
                f"no {device} was free for {self.base_model} within {minutes:g} min: other jobs use them, or no node "
                "came; run the same command again when one is free"
            ) from error
        self._hosts.append((None, group))
        host = self._host(group, 1, kind)
        self._hosts[0] = (host, group)
        try:
            (info,) = heard([host.info.remote()], [group], "its node died")
        except (LostError, ray.exceptions.RayActorError) as error:
            raise self._died(error) from error
        if plan.device == "cpu":  # all hosts compute alike, whichever type each machine is faster in
            self._dtype = SHORT_DTYPES.get(info["dtype"], "fp32")

    def _host(self, group: Any, on_node: int, kind: type | None = None) -> Any:
        config = HostConfig(
            base_model=self.base_model,
            quantization=self.quantization,
            residency="auto",
            compute_dtype=self._dtype,
            device=self._plan.device,
            system_prompt=None,
            plain_prompt=self._plain_prompt,
            max_length=NO_ROWS_LENGTH,
            batch_size=self._batch_size,
            threads=self._plan.threads,
            hosts_on_node=on_node,
        )
        place = PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=0)
        actor = ray.remote(kind or host_class(self.base_model))
        options = self._plan.actor_options() | self._plan.allocator(embedded=self._embedded)
        return actor.options(max_concurrency=4, scheduling_strategy=place, **options).remote(config, (), ())

    def _end(self, host: Any, group: Any) -> None:
        self._hosts.remove((host, group))
        with suppress(ray.exceptions.RayError):  # of a Ray that has ended
            if host is not None:
                ray.kill(host)
            places.release(group)

    def _say_loading(self, hosts: int) -> None:
        about = {"quantization": self.quantization, "device": self._plan.device, "kinds": ""}
        self._say(words.LOADING(model=self.base_model, hosts=hosts, **about))

    def _died(self, error: BaseException) -> ResourceError:
        places.check_nodes()
        return ResourceError(
            f"a host of {self.base_model} died ({first_line(error)}); what it has answered is kept: run the same "
            "command again to go on"
        )
