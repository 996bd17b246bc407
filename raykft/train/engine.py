"""A host's engine: one resident base model, one worker thread, several slots. No Ray in it.

Trials call from their own threads and wait. The worker takes packed training steps over every slot that still has
steps to do, and runs queued questions of several trials together once no slot can train or enough of them wait.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import psutil
import torch

from raykft.data.encode import PLAIN_PROMPT, EncodedRow, PromptFormat, encode_rows, encode_text
from raykft.data.mixture import Mixer, Pool
from raykft.errors import DivergedError, LostError, OutOfMemoryError, RaykftError, TrialError
from raykft.models.adapter_files import adapter_digest, load_adapter
from raykft.models.attention import attention_of
from raykft.models.dtype import has_bf16_units
from raykft.models.load import BaseModel
from raykft.models.packed import PackedModel
from raykft.models.soft_targets import SoftTargets, distilled, leash
from raykft.records import Document, Pick, Question, Reply, TrainRow
from raykft.train.admission import HostCapacity, HostCounters, StepLimit
from raykft.train.checkpoint import Snapshot, Taken
from raykft.train.inference import Inference, InferenceQueue, typed_error
from raykft.train.loop import packed_step
from raykft.train.measure import line_through, shape_of_model, time_steps
from raykft.train.parallel import ALONE, Replicas
from raykft.train.recipe import EpochResult, Recipe
from raykft.train.slot import Slot
from raykft.train.teacher import Teacher
from raykft.train.writers import Writers

T = TypeVar("T")
CLOSING_SECONDS = 30.0


@dataclass
class _Goal:
    """A trial's standing request to train up to `step`; the future resolves there."""

    step: int
    future: Future[EpochResult]
    started: float


class HostEngine:
    """Owns a base model and its slots. All model work happens on its one worker thread."""

    def __init__(
        self,
        base: BaseModel,
        *,
        train_rows: Sequence[TrainRow],
        distractors: Sequence[TrainRow],
        text: Sequence[Document] = (),
        system_prompt: str | None,
        plain_prompt: str = PLAIN_PROMPT,
        max_length: int,
        batch_size: int,
        told: Mapping[str, str] | None = None,
        teacher_cache: Path | None = None,
        replicas: Replicas = ALONE,
        sharing: int = 1,
        on_broken: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Args:
            batch_size: prompts that are read and decoded together.
            told: what a teacher reads in the place of a row's question, by the row's id.
            teacher_cache: a folder where what the base model says of rows is kept for other hosts and later runs.
            sharing: hosts among which this machine's main memory is divided.
            on_broken: called, last of all, where the worker meets an error that it cannot give to one trial.
        """
        self.packed = PackedModel(base)
        self.replicas = replicas
        self.writers = Writers()
        self._teacher = Teacher(self.packed, teacher_cache)
        self.prompts = PromptFormat(base.tokenizer, system_prompt, _generation_stop_ids(base.model), plain_prompt)
        encoded, self.shortened_rows = encode_rows([*train_rows, *distractors], self.prompts, max_length)
        pieces = encode_text((document.text for document in text), self.prompts, max_length)
        self.pool = Pool.of(train_rows, len(distractors), len(pieces))
        self.rows: list[EncodedRow] = [*encoded, *pieces]
        self._told = self._taught_rows(train_rows, told or {})
        self._followed: dict[int, tuple[int, int]] = {}  # by row: tokens of its answer, and those the teacher chose
        self.batch_size = batch_size
        self._tokens_trained = 0
        self._sharing = sharing
        self._slots: dict[str, Slot] = {}
        self._adapters: dict[str, int] = {}
        self._files: dict[str, Path] = {}  # by trial: where its adapter was last written, or a finished one was read
        self._goals: dict[str, _Goal] = {}
        self._calls: list[tuple[Callable[[], Any], Future[Any]]] = []
        self._limit = StepLimit()
        self._tried_alone: dict[str, int] = {}  # the last step of each trial that ran out of memory with it alone
        self._inference = InferenceQueue(self.packed, self.prompts, batch_size)
        self._wake = threading.Condition()
        self._closed: RaykftError | None = None  # why nothing is taken any more
        self._on_broken = on_broken
        self._worker = threading.Thread(target=self._work, name="raykft-engine", daemon=True)
        self._worker.start()

    # A `raykft.hosts.protocol.Host`; every method blocks until the worker has done it.

    def info(self) -> dict[str, Any]:
        """Facts about the loaded model, for environment.json and cache keys."""
        base, cuda = self.packed.base, self.packed.device.type == "cuda"
        return {
            "model_digest": base.source.digest,
            "device": torch.cuda.get_device_name() if cuda else "cpu",
            "dtype": str(base.model.dtype).removeprefix("torch."),
            "fast_bf16": cuda or has_bf16_units(),
            "residency": base.residency,
            "kernel": self.packed.kernels.report(),
            "attention": attention_of(base.model.config.get_text_config(), base.device, base.model.dtype),
            "threads": torch.get_num_threads(),
            "has_chat_template": self.prompts.has_template,
            "context_tokens": base.model.config.get_text_config().max_position_embeddings,
            "shortened_rows": self.shortened_rows,
            "taught_rows": len(self._told),
            "text_pieces": self.pool.text,
        }

    def capacity(self) -> HostCapacity:
        """What training steps cost here and what memory there is.

        Raises:
            OutOfMemoryError: there is no memory for steps of two sizes.
        """
        device, whole = self.packed.device, psutil.virtual_memory().total
        cuda = device.type == "cuda"
        return HostCapacity(
            line=line_through(self._call(lambda: time_steps(self.packed))),
            row_tokens=sum(len(row.ids) for row in self.rows) / len(self.rows),
            shape=shape_of_model(self.packed.base),
            memory_bytes=torch.cuda.get_device_properties(device).total_memory if cuda else whole // self._sharing,
            machine_bytes=whole,
            fast_bf16=self.packed.base.model.dtype is torch.bfloat16,
        )

    def counters(self) -> HostCounters:
        followed = list(self._followed.values())
        taught, right = sum(n for n, _ in followed), sum(n for _, n in followed)
        return HostCounters(self._tokens_trained, self._limit.tokens, taught, right)

    def attach(self, trial_id: str, recipe: Recipe, checkpoint: Path | None = None) -> list[str]:
        """Give `trial_id` a slot (a stale one of the same id is replaced); returns the adapted module names."""
        self.detach(trial_id)  # files of a stale one may still be written
        found = None if checkpoint is None else Snapshot.read(checkpoint)
        indices = Mixer(self.pool, recipe.seed).rows(recipe.share)
        rows = [self.rows[i] for i in indices]
        taught = {n: soft for n, i in enumerate(indices) if (soft := self._soft_targets(i, recipe))}
        return self._call(lambda: self._attach(trial_id, recipe, rows, taught, found))

    def attach_adapter(self, trial_id: str, directory: Path) -> None:
        """Give a finished adapter a slot to be evaluated in."""
        self._call(lambda: self._attach_adapter(trial_id, directory))

    def publish(self, trial_id: str) -> tuple[Path, str]:
        self.writers.await_begun(trial_id)
        source = self._files.get(trial_id)
        if source is None:
            self._slot(trial_id)
            raise TrialError(f"the adapter of trial {trial_id} has not been saved")
        return source, adapter_digest(source)

    def train_epoch(self, trial_id: str) -> EpochResult:
        """Train one epoch.

        Raises:
            DivergedError: the loss or gradient stopped being finite.
            OutOfMemoryError: the device is too small for this trial.
        """
        return self._submit_goal(trial_id).result()

    def save(
        self,
        trial_id: str,
        adapter: Path,
        checkpoint: Path | None = None,
        then: Callable[[], object] = lambda: None,
    ) -> None:
        """Have the trial written as it is now. The worker only copies it; a thread of its own writes the copy.

        Args:
            then: called by that thread once the files are whole.
        """
        with self.writers.of(trial_id):
            self.saved(trial_id)  # at most one copy a trial
            taken = self._call(lambda: self._take(trial_id, adapter, whole=checkpoint is not None))

            def write() -> None:
                taken.write(self.packed, adapter, checkpoint)
                then()

            self.writers.begin(trial_id, write)

    def saved(self, trial_id: str) -> None:
        """
        Raises:
            ModelError: PEFT would make another adapter of what was saved.
            StorageError: other numbers can be read than were written.
            OSError: it could not be written.
        """
        self.writers.finish(trial_id)

    def detach(self, trial_id: str) -> None:
        """Free the slot; unknown ids are fine, so that cleaning up twice is."""
        self._call(lambda: self._detach(trial_id))
        self.writers.wait(trial_id)

    def answer(self, trial_id: str | None, questions: Sequence[Question]) -> list[Reply]:
        """Greedy answers of the trial's adapter (None: the base model)."""
        return self._infer(lambda queue: queue.ask(self._number(trial_id), questions))

    def choose(self, trial_id: str | None, picks: Sequence[Pick]) -> list[list[float]]:
        """log P(candidate | question, lead-in) per UTF-8 byte, in nats, for every candidate."""
        return self._infer(lambda queue: queue.choose(self._number(trial_id), picks))

    def text_nats(self, trial_id: str | None, texts: Sequence[str]) -> list[float]:
        """Negative log-likelihood of each text in nats."""
        return self._infer(lambda queue: queue.text_nats(self._number(trial_id), texts))

    def drift(self, trial_id: str | None, exchanges: Sequence[tuple[str, str]]) -> list[tuple[float, int]]:
        """Summed KL(base || adapter) in nats and number of tokens, for questions with the base model's answers."""
        return self._infer(lambda queue: queue.drift(self._number(trial_id), exchanges))

    def __enter__(self) -> HostEngine:
        return self

    def __exit__(self, *details: object) -> None:
        self._close()

    def _close(self) -> None:
        with self._wake:
            self._closed = self._closed or RaykftError("this host has been closed")
            self._wake.notify()
        self._worker.join(CLOSING_SECONDS)
        self.writers.wait_for_all(CLOSING_SECONDS)

    # What trials are taught.

    def _taught_rows(self, rows: Sequence[TrainRow], told: Mapping[str, str]) -> dict[int, EncodedRow]:
        """What a teacher reads and then says, by the number of a row, where that is not too long for the model."""
        found = {}
        context = self.packed.base.model.config.get_text_config().max_position_embeddings
        for number, row in enumerate(rows):
            if row.id in told:
                prompt = self.prompts.prompt_ids(told[row.id], row.before)
                ids = (*prompt, *self.rows[number].answer)
                if len(ids) <= context:
                    found[number] = EncodedRow(ids, len(prompt))
        return found

    def _soft_targets(self, index: int, recipe: Recipe) -> SoftTargets | None:
        # The worker is asked for each row by itself, so that other trials need not stand still for all of them.
        row = self.rows[index]
        if self.pool.rows <= index < self.pool.first_piece:
            if not recipe.kl_weight:
                return None
            return leash(self._call(partial(self._teacher.about, row)), recipe.kl_weight)
        if not recipe.distill_weight or index not in self._told:
            return None
        said = self._call(partial(self._teacher.about, self._told[index]))
        soft = distilled(said, row.answer, recipe.distill_weight)
        self._followed[index] = row.answer_tokens, int(soft.weight_n.count_nonzero())
        return soft

    # Requests to the worker.

    def _call(self, function: Callable[[], T]) -> T:
        future: Future[T] = Future()
        with self._wake:
            self._check_open()
            self._calls.append((function, future))
            self._wake.notify()
        return future.result()

    def _infer(self, enqueue: Callable[[InferenceQueue], Inference]) -> list[Any]:
        with self._wake:
            self._check_open()
            item = enqueue(self._inference)
            self._wake.notify()
        results: list[Any] = item.future.result()
        return results

    def _submit_goal(self, trial_id: str) -> Future[EpochResult]:
        with self._wake:
            self._check_open()
            slot = self._slot(trial_id)
            if slot.failure:
                raise DivergedError(slot.failure)
            if slot.finished:
                raise TrialError(f"trial {trial_id} has already trained its {slot.recipe.epochs} epochs")
            slot.losses = []
            goal = _Goal((slot.epoch + 1) * slot.steps_per_epoch, Future(), time.monotonic())
            self._goals[trial_id] = goal
            self._wake.notify()
        return goal.future

    def _check_open(self) -> None:
        if self._closed:
            raise self._closed

    # The worker thread.

    def _work(self) -> None:
        try:
            while self._serve():
                pass
        except Exception as error:
            traceback.print_exc()
            self._closed = LostError(f"this host broke down: {error!r}")
            self._abandon()
            self._on_broken()

    def _serve(self) -> bool:
        """Do what waits; False once the host has been closed."""
        with self._wake:
            self._wake.wait_for(lambda: self._closed or self._calls or self._goals or self._inference)
            if self._closed:
                self._abandon()
                return False
            calls, self._calls = self._calls, []
            goals = dict(self._goals)
            due = self._inference.take() if not goals or self._inference.rows >= self.batch_size else []
        for function, future in calls:
            _fulfil(future, function)
        if due:
            self._inference.run(due)
        elif goals:
            self._train(goals)
        return True

    def _train(self, goals: dict[str, _Goal]) -> None:
        # A trial detached by a call just before has no slot any more.
        slots = {t: self._slots[t] for t in goals if t in self._slots}
        for trial_id in goals.keys() - slots.keys():
            self._resolve(trial_id, error=TrialError(f"trial {trial_id} was detached while it trained"))
        if not slots:
            return
        sizes = {trial_id: slot.next_tokens for trial_id, slot in slots.items()}
        slots = {trial_id: slots[trial_id] for trial_id in self._limit.choose(sizes)}
        before = sum(slot.tokens for slot in slots.values())
        try:
            packed_step(self.packed, list(slots.values()))
        except Exception as error:
            # First the trials hear of it: after some errors of a GPU nothing works there any more, no clean-up either.
            self._failed(typed_error(error), {trial_id: sizes[trial_id] for trial_id in slots})
            for slot in slots.values():
                slot.restart_step()
        # Of a step that failed some may have come to their end: those that stepped before the one that could not.
        self._tokens_trained += sum(slot.tokens for slot in slots.values()) - before
        for trial_id, slot in slots.items():
            goal = goals[trial_id]
            if slot.failure:
                self._resolve(trial_id, error=DivergedError(slot.failure))
            elif slot.step >= goal.step:
                seconds, loss = time.monotonic() - goal.started, sum(slot.losses) / len(slot.losses)
                untrained = tuple(slot.untrained_modules()) if slot.finished else ()
                self._resolve(trial_id, EpochResult(slot.epoch, slot.step, loss, slot.tokens, seconds, untrained))

    def _failed(self, error: Exception, sizes: dict[str, int]) -> None:
        """A step of micro-batches of `sizes` tokens failed. Where memory ran out, its trials go on in fewer."""
        if isinstance(error, OutOfMemoryError) and len(sizes) > 1:
            self._limit.halve(sum(sizes.values()))
            return
        again = (
            isinstance(error, OutOfMemoryError) and self.replicas.size == 1
        )  # replicas fail together, or lose each other
        for trial_id in sizes:
            step = self._slots[trial_id].step
            if again and self._tried_alone.get(trial_id) != step:
                self._tried_alone[trial_id] = step  # a second try, once what the failed step held is free
            else:  # a bug must reach every trial that waits, or they would wait for ever
                self._resolve(trial_id, error=error)

    def _resolve(self, trial_id: str, report: EpochResult | None = None, error: Exception | None = None) -> None:
        with self._wake:
            goal = self._goals.pop(trial_id, None)
        if goal is None:
            return
        if error is not None:
            goal.future.set_exception(error)
        elif report is not None:
            goal.future.set_result(report)

    def _abandon(self) -> None:
        with self._wake:
            waiting: list[Future[Any]] = [future for _, future in self._calls]
            waiting += [goal.future for goal in self._goals.values()]
            waiting += [item.future for item in self._inference.take()]
            self._calls, self._goals = [], {}
        for future in waiting:
            future.set_exception(self._closed)

    def _attach(
        self,
        trial_id: str,
        recipe: Recipe,
        rows: Sequence[EncodedRow],
        taught: Mapping[int, SoftTargets],
        found: Snapshot | None,
    ) -> list[str]:
        self._detach(trial_id)
        number = self._free_number()
        with self._nothing_left_of(number):
            slot = Slot(self.packed, number, recipe, rows, self.replicas, taught)
            if found is not None:
                slot.restore(found)
        self._slots[trial_id], self._adapters[trial_id] = slot, number
        return slot.modules

    def _attach_adapter(self, trial_id: str, directory: Path) -> None:
        self._detach(trial_id)
        number = self._free_number()
        with self._nothing_left_of(number):
            load_adapter(self.packed, number, directory)
        self._adapters[trial_id], self._files[trial_id] = number, directory

    @contextmanager
    def _nothing_left_of(self, number: int) -> Iterator[None]:
        """Where the body fails half-way: else the next adapter of that number would have its layers too."""
        try:
            yield
        except BaseException:
            self.packed.remove_adapter(number)
            raise

    def _free_number(self) -> int:
        taken = set(self._adapters.values())
        return next(n for n in range(len(taken) + 1) if n not in taken)

    def _detach(self, trial_id: str) -> None:
        self._resolve(trial_id, error=TrialError(f"trial {trial_id} was detached while it trained"))
        self._slots.pop(trial_id, None)
        self._tried_alone.pop(trial_id, None)
        self._files.pop(trial_id, None)
        number = self._adapters.pop(trial_id, None)
        if number is not None:
            self.packed.remove_adapter(number)

    def _take(self, trial_id: str, adapter: Path, *, whole: bool) -> Taken:
        taken = self._slot(trial_id).take(whole=whole)
        self._files[trial_id] = adapter
        return taken

    def _slot(self, trial_id: str) -> Slot:
        if trial_id not in self._slots:
            raise LostError(f"trial {trial_id!r} has no slot on this host")
        return self._slots[trial_id]

    def _number(self, trial_id: str | None) -> int | None:
        if trial_id is None:
            return None
        if trial_id not in self._adapters:
            raise LostError(f"trial {trial_id!r} has no adapter on this host")
        return self._adapters[trial_id]


class ReplicaEngine(HostEngine):
    """The engine of one of several processes that train every adapter together."""

    def stop_epoch(self, trial_id: str) -> None:
        """Let a trial end its running epoch with an error, on all replicas at the same step."""
        with self._wake:
            if trial_id in self._slots:
                self._slots[trial_id].stopping = True


def _fulfil(future: Future[Any], function: Callable[[], Any]) -> None:
    try:
        future.set_result(function())
    except Exception as error:  # handed to the caller that waits for it
        future.set_exception(typed_error(error))


def _generation_stop_ids(model: Any) -> list[int]:
    eos = model.generation_config.eos_token_id if model.generation_config is not None else None
    return [] if eos is None else [eos] if isinstance(eos, int) else list(eos)
