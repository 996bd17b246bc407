"""How much an experiment will train and ask: tokens of its rows, draws from its space, what early stopping leaves of
them, and the questions of all its scores.

Arithmetic, no torch; docs/planning.md states every formula and assumption used here.
"""

from __future__ import annotations

import itertools
import math
import random
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from raykft.config import ExperimentConfig
from raykft.config.search import Dimension, is_fixed
from raykft.data.domain import Domain, check_shares, share_of, trainable
from raykft.data.encode import PromptFormat, encode_rows, encode_text
from raykft.data.mixture import Mixer, Pool, counts
from raykft.data.told import told_rows
from raykft.errors import ModelError
from raykft.evaluation.evaluator import Evaluator, Suite
from raykft.evaluation.graded import picks_of
from raykft.evaluation.objective import Objective
from raykft.evaluation.outcome import FACTS_NEEDED, SPLITS
from raykft.evaluation.picks import is_choice
from raykft.evaluation.retrieval import TOP
from raykft.evaluation.scoring import prior_probe
from raykft.models.shape import local_directory
from raykft.models.tokenizer_file import FileTokenizer
from raykft.records import Document, Pick, Probe, Split, TrainRow
from raykft.train.recipe import TEACHER_TOP
from raykft.wording import planning as words

DRAWS = 2000
# Where there is no tokenizer: ASCII letters a token, any other character a token of its own, and the chat template.
ASCII_PER_TOKEN, TEMPLATE_TOKENS = 4, 12
ANSWER_SHARE = 0.4  # of a row's tokens, where rows are not tokenized


@dataclass(frozen=True)
class Spread:
    """Of the draws from the search space."""

    minimum: float
    median: float
    mean: float
    maximum: float


@dataclass(frozen=True)
class Rows:
    """Token counts of every row and piece of text, and how they were found.

    `pool` says of what kind they are, `answer_share` is that of the rows alone, `count` that of a question with the
    prompt around it, `shortened` how many questions lose their beginning to `train.max_length`.
    """

    pool: Pool
    domain: tuple[int, ...]
    distractors: tuple[int, ...]
    answer_share: float
    how: str
    count: Callable[[str], int] = field(repr=False)
    shortened: int = 0
    text: tuple[int, ...] = ()

    def plain(self, text: str) -> int:
        """Tokens of `text` itself, without the prompt around it that `count` adds."""
        return self.count(text) - self.count("")

    @property
    def mean(self) -> float:
        return statistics.fmean(self.lengths)

    @property
    def longest(self) -> int:
        return max(self.lengths)

    @property
    def lengths(self) -> tuple[int, ...]:
        """In the order of `pool`."""
        return self.domain + self.distractors + self.text

    @property
    def taught_share(self) -> float:
        """Of all tokens those that a loss is counted on: answers, and text but for the first token of a piece."""
        answers = self.answer_share * sum(self.domain + self.distractors)
        return (answers + sum(self.text) - len(self.text)) / sum(self.lengths)


# Tokens.


def count_tokens(config: ExperimentConfig, domain: Domain) -> Rows:
    """Tokens of every row as training will see it: exact where the model's tokenizer is on this machine.

    Raises:
        DataError: an answer does not fit into `train.max_length` (where counts are exact).
    """
    rows, limit = (*domain.train, *domain.distractors), config.train.max_length
    prompts = _prompts(config)
    if prompts is None:
        full = [_estimate_row(row, config) for row in rows]
        lengths, shortened = [min(limit, n) for n in full], sum(n > limit for n in full)
        how = words.ESTIMATED(n=ASCII_PER_TOKEN)
        share, count = ANSWER_SHARE, estimate
    else:
        encoded, shortened = encode_rows(rows, prompts, limit)
        lengths = [len(row.ids) for row in encoded]
        answers = sum(row.answer_tokens for row in encoded)
        share, how = answers / max(1, sum(lengths)), words.COUNTED()

        def count(text: str) -> int:
            return len(prompts.prompt_ids(text))

    text, cut = _pieces(domain.text, prompts, limit), len(domain.train)
    pool = Pool.of(domain.train, len(domain.distractors), len(text))
    return Rows(pool, tuple(lengths[:cut]), tuple(lengths[cut:]), share, how, count, shortened, text)


def counted(config: ExperimentConfig, domain: Domain) -> tuple[Domain, Rows]:
    """The part of the domain that some recipe trains, and its tokens.

    Raises:
        DataError: as `count_tokens`, and where a recipe may ask for more than there is.
    """
    part = trainable(config, domain)
    rows = count_tokens(config, part)
    check_shares(config, rows.pool)
    return part, rows


def text_pieces(config: ExperimentConfig, domain: Domain) -> tuple[int, ...] | None:
    """Tokens of every piece of text that training will see; None where the model's tokenizer is not on this machine."""
    prompts = _prompts(config)
    return None if prompts is None else _pieces(domain.text, prompts, config.train.max_length)


def _pieces(documents: Sequence[Document], prompts: PromptFormat | None, limit: int) -> tuple[int, ...]:
    texts = [document.text for document in documents]
    if prompts is not None:
        return tuple(len(piece.ids) for piece in encode_text(texts, prompts, limit))
    whole, rest = divmod(sum(estimate(text) - TEMPLATE_TOKENS + 1 for text in texts), limit)
    return (*[limit] * whole, *([rest] if rest > 1 else []))


@dataclass(frozen=True)
class Taught:
    """What the base model of every host reads once as a teacher, and how many tokens of answers it is asked about."""

    rows: int
    tokens: int
    answers: int

    @property
    def memory_bytes(self) -> int:
        """Of what is kept: for every such token the likeliest ones (int64) and their shares (fp32)."""
        return self.answers * TEACHER_TOP * (8 + 4)


def taught(config: ExperimentConfig, domain: Domain, rows: Rows) -> Taught | None:
    """For distillation and the leash; None where no recipe has either."""
    found: list[tuple[int, int]] = []  # tokens of a row as the teacher reads it, and of its answer
    if config.uses("train.distill_weight"):
        told = told_rows(domain.train, domain.facts, config.data.facts_prompt)
        for row, length in zip(domain.train, rows.domain, strict=True):
            if row.id in told:
                more = rows.count(told[row.id]) - rows.count(row.question)
                found.append((length + more, round(length * rows.answer_share)))
    if config.uses("train.kl_weight"):
        found += [(length, round(length * rows.answer_share)) for length in rows.distractors]
    return Taught(len(found), sum(n for n, _ in found), sum(n for _, n in found)) if found else None


def _prompts(config: ExperimentConfig) -> PromptFormat | None:
    """As the model's tokenizer writes them; None where that is not on this machine."""
    try:
        directory = local_directory(config.base_model)
        tokenizer = FileTokenizer(directory) if directory is not None else None
    except ModelError:
        return None
    return PromptFormat(tokenizer, config.data.system_prompt, (), config.data.plain_prompt) if tokenizer else None


def estimate(text: str) -> int:
    ascii_chars = sum(char.isascii() for char in text)
    return TEMPLATE_TOKENS + math.ceil(ascii_chars / ASCII_PER_TOKEN) + len(text) - ascii_chars


def _estimate_row(row: TrainRow, config: ExperimentConfig) -> int:
    before = "".join(turn.text for turn in row.before)
    return estimate((config.data.system_prompt or "") + before + row.question + row.output)


def draw(config: ExperimentConfig, rng: random.Random) -> dict[str, Any]:
    """One configuration as a searcher without experience proposes it: uniform, or log-uniform, on every axis."""
    sample: dict[str, Any] = {}
    for path, dimension in config.search.ordered().items():
        if is_fixed(config.search, path):
            sample[path] = max(dimension.corners)
        elif dimension.applies(sample):
            sample[path] = _draw(dimension, rng)
    return sample


def _draw(dimension: Dimension, rng: random.Random) -> Any:
    if dimension.choice is not None:
        return rng.choice(dimension.choice)
    if dimension.log is not None:
        low, high = map(math.log, dimension.log)
        return math.exp(rng.uniform(low, high))
    if dimension.int is not None:
        return rng.randint(*dimension.int)
    assert dimension.uniform is not None
    return rng.uniform(*dimension.uniform)


def draws(config: ExperimentConfig, rows: Rows) -> tuple[list[int], list[int]]:
    """Epochs and tokens an epoch of `DRAWS` configurations."""
    lengths, mixer = rows.lengths, Mixer(rows.pool, config.seed)
    # What is taken of a kind are the first rows of one order, so sums over these need not be made for every draw.
    orders = (mixer.formats, mixer.distractors, mixer.text)
    formats, distractors, text = (_sums(lengths[n] for n in order) for order in orders)
    plain = cache(lambda phrasings: sum(lengths[n] for n in rows.pool.plain(phrasings)))
    epochs, tokens = [], []
    for sample in _samples(config):
        share = share_of(config, sample)
        taken = counts(rows.pool, share)
        epochs.append(int(sample.get("train.epochs", config.train.epochs)))
        own = plain(share.phrasings) + formats[taken.formats] + text[taken.text]
        tokens.append(own + distractors[taken.distractors])
    return epochs, tokens


def _sums(lengths: Iterable[int]) -> list[int]:
    """Of the first 0, 1, 2, ... of them."""
    return [0, *itertools.accumulate(lengths)]


def _samples(config: ExperimentConfig) -> Iterator[dict[str, Any]]:
    rng = random.Random(f"plan:{config.seed}")
    return (draw(config, rng) for _ in range(DRAWS))


def mean_batch(config: ExperimentConfig, rows: int) -> float:
    """Rows of a trial's micro-batch, the mean of `DRAWS` configurations; never more than there are."""
    path = "train.batch_size"
    if path not in config.search.space:
        return min(config.train.batch_size, rows)
    return statistics.fmean(min(sample.get(path, config.train.batch_size), rows) for sample in _samples(config))


def mixtures(config: ExperimentConfig, pool: Pool) -> int:
    """Different sets of training rows that trials can get; the seed is one for all of them."""
    found = {counts(pool, share_of(config, sample)) for sample in _samples(config)}
    return min(config.search.trials, len(found))


def spread(values: Sequence[float]) -> Spread:
    return Spread(min(values), statistics.median(values), statistics.fmean(values), max(values))


# Early stopping.


@dataclass(frozen=True)
class Stopping:
    """Per trial: epochs it trains on average, and the chance that it is not stopped."""

    epochs: float
    finished: float


def asha_milestones(config: ExperimentConfig) -> list[float]:
    """The epochs after which Ray's ASHA may stop a trial of this search."""
    search, longest = config.search, max(config.corner_values("train.epochs"))
    if search.scheduler != "asha" or longest <= search.grace_epochs:
        return []
    return [search.grace_epochs * search.reduction_factor**k for k in range(search.rungs(longest))]


def survivors(arrivals: float, factor: float) -> float:
    """How many of `arrivals` trials ASHA lets pass a rung, if they come in no order of merit.

    The next trial is stopped below the (1 - 1/factor) percentile of the m before it. Of m + 1 exchangeable scores it
    passes with probability 1 - ((1 - 1/factor)(m - 1) + 1) / (m + 1): always at first, 1/factor in the long run.
    """

    def passes(m: int) -> float:
        return 1.0 if m == 0 else 1 - ((1 - 1 / factor) * (m - 1) + 1) / (m + 1)

    whole = int(arrivals)
    return sum(passes(m) for m in range(whole)) + (arrivals - whole) * passes(whole)


def expected_epochs(config: ExperimentConfig, epochs: Sequence[int]) -> Stopping:
    """Epochs a trial trains on average when `epochs` are asked for equally often and rungs halve the field."""
    trials, total = config.search.trials, len(epochs)
    alive, before = 1.0, 0.0  # the share of trials that have passed all rungs so far, and the last rung
    trained, ended = 0.0, 0.0
    for milestone in map(math.ceil, asha_milestones(config)):
        trained += alive * sum(min(e, milestone) - min(e, before) for e in epochs) / total
        # A trial whose own last epoch lies before this rung has ended with its full score.
        ended += alive * sum(before < e <= milestone for e in epochs) / total
        arrivals = trials * alive * sum(e >= milestone for e in epochs) / total
        alive *= survivors(arrivals, config.search.reduction_factor) / arrivals if arrivals else 0.0
        before = milestone
    trained += alive * sum(max(0.0, e - before) for e in epochs) / total
    ended += alive * sum(e > before for e in epochs) / total
    return Stopping(trained, ended)


def race_runs(config: ExperimentConfig, scored: float) -> float:
    """Runs of the race with further seeds, if nobody leaves it early.

    Args:
        scored: trials that reach their last epoch.
    """
    race = config.search.race
    entrants = min(race.top, scored) if race else 0
    return entrants * (race.seeds - 1) if race and entrants >= 2 else 0.0


# Questions.


@dataclass(frozen=True)
class Asked:
    """Questions with the tokens read and at most written for them, and the decoding steps of their batches."""

    questions: float = 0
    tokens: float = 0
    steps: float = 0

    def __add__(self, other: Asked) -> Asked:
        return Asked(self.questions + other.questions, self.tokens + other.tokens, self.steps + other.steps)

    def __mul__(self, times: float) -> Asked:
        return Asked(self.questions * times, self.tokens * times, self.steps * times)


def asked(
    config: ExperimentConfig, domain: Domain, rows: Rows, *, scored: float, epochs: float, seeds: float = 0.0
) -> Asked:
    """All that is asked in a search: rungs after every epoch, `scored` trials on the select split, the best of them on
    the report split, and the baselines as `Evaluator.base` asks them.

    Args:
        scored: trials that reach their last epoch.
        epochs: trained by all trials and the race together.
        seeds: runs of the race, of which those of the best are reported too.
    """
    ask = config.evaluate
    evaluator = Evaluator(
        Suite(domain.facts, domain.probes, domain.general, domain.passages),
        Objective(),
        rung_probes=ask.rung_probes,
        rung_general=ask.rung_general,
        rung_passages=ask.rung_passages,
    )
    running = sum(rows.plain(passage.text) for passage in domain.passages)
    rung = _chosen([*evaluator.rung_picks, *evaluator.rung_general], rows)
    rung += Asked(0, sum(rows.plain(passage.text) for passage in evaluator.rung_passages))

    def full(split: Split) -> Asked:
        own = [p for p in (*domain.probes, *domain.general) if p.split == split]
        grades = _chosen(picks_of(evaluator.graded(split)), rows)
        return _questions(own, rows, ask.batch_size) + grades + Asked(0, running)

    def with_context(split: Split, tokens: float) -> Asked:
        own = [p for p in domain.probes if p.split == split]
        found = _questions(own, rows, ask.batch_size)
        return found + Asked(0, tokens * len(own))

    facts = [rows.plain(fact.text) for fact in domain.facts]
    few = TOP * statistics.fmean(facts) if facts else 0.0
    reported = min(ask.report_top, scored)
    priors = [prior_probe(p) for p in domain.probes if p.prior]
    total = _questions(priors, rows, ask.batch_size)
    total += rung * (epochs + 1) + full("select") * (scored + seeds + 1)
    again = min(seeds, reported * (config.search.race.seeds - 1)) if config.search.race else 0.0
    total += full("report") * (reported + again + 1)
    for name in ask.baselines:
        context = sum(facts) if name == "facts_all" else few
        total += with_context("report", context)
        if name == FACTS_NEEDED:
            total += with_context("select", few)
            picks = [p for split in SPLITS for p in picks_of(g for g in evaluator.graded(split) if g.probe.level)]
            total += _chosen(picks, rows) + Asked(0, few * len(picks))
    return total + (with_context("report", few) if "bm25" in ask.baselines else Asked())  # the winner with BM25


def _questions(probes: Sequence[Probe], rows: Rows, batch_size: int) -> Asked:
    """Probes as a full score asks them: written answers at their full length, or a choice among options."""
    written = [p for p in probes if not is_choice(p)]
    choices = [Pick(p.question, "", (p.gold, *p.contrast)) for p in probes if is_choice(p)]
    longest = max((p.max_new_tokens for p in written), default=0)
    tokens = sum(rows.count(p.question) + p.max_new_tokens for p in written)
    return Asked(len(written), tokens, math.ceil(len(written) / batch_size) * longest) + _chosen(choices, rows)


def _chosen(picks: Sequence[Pick], rows: Rows) -> Asked:
    tokens = sum(rows.count(p.question) + rows.plain(p.lead_in) + sum(map(rows.plain, p.candidates)) for p in picks)
    return Asked(len(picks), tokens)


def volume(
    config: ExperimentConfig,
    domain: Domain,
    rows: Rows,
    tokens_a_trial: float,
    epochs_a_trial: float,
    finished: float,
    *,
    longest: tuple[float, float],
) -> tuple[float, Asked]:
    """Tokens trained and all that is asked, by the trials and in the race.

    Args:
        finished: the share of trials that reach their last epoch.
        longest: tokens and epochs of the longest recipe of the space. Nobody knows which recipes will race, so every
            run of the race is counted as that.
    """
    trials, scored = config.search.trials, config.search.trials * finished
    seeds = race_runs(config, scored)
    epochs = trials * epochs_a_trial + seeds * longest[1]
    questions = asked(config, domain, rows, scored=scored, epochs=epochs, seeds=seeds)
    return trials * tokens_a_trial + seeds * longest[0], questions
