"""The committed English general-knowledge files: reproducible, well-formed, and disjoint from each other."""

from __future__ import annotations

import hashlib
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean

import pytest

from raykft.data.demo import general_en
from raykft.data.read import read_records
from raykft.evaluation.normalize import normalize
from raykft.evaluation.scoring import score_answer
from raykft.records import Fact, Passage, Probe, TrainRow

DEMO = Path(general_en.__file__).parent
SHA256 = {
    "en/distractors.jsonl": "558c1be99943f38abd1db6e0834fe01ec36da3ffe6c45da892404346fab2847a",
    "en/general.jsonl": "5dd64f694723db45d2604128aed1e8879d461a804c7328c8faa2922c93e21c31",
    "en/passages.jsonl": "9d8bad066b280758ea03696dd1db9a5a3271a84b665abd7b83e070f3d45c3b87",
    "en-small/general.jsonl": "879617e40a07183873ddfe3c3d50b5419af497bb0270959d958ab485b9dab68d",
    "en-small/passages.jsonl": "fe96d53474fb578bfb8d58abbcc16879272fe5ecd83d0334a304ca6bb90a5d46",
}
# The first lines of these files never change, so that measurements on them stay comparable.
FIRST_LINES = {
    "en/general.jsonl": (120, "efab748b2ddb6668b367afd42f8ad49aca63b1277f86061e3ed9d2a302dd4d4d"),
    "en/passages.jsonl": (16, "bb75c8cb1d9e752caa3b1c8826c31e5e0615671e137c246c0abd69e4478de9d5"),
    "en-small/general.jsonl": (48, "b5d69cd15b184f38de3854416af8fb594ba65c07926d7356171d177cf9055b5c"),
}
STOPWORDS = """
a an and are at be by can do does for from has have how in into is it its many of on or that the there they
this to was we what when where which who why with you your
"""
RARE = 9  # a word is rare when at most this many of the 620 questions contain it
CHATTER = (
    "Sure! Here is the answer: {gold}",
    "Sure, here you go: {gold}",
    "Here is my answer:\n\n{gold}",
    "{question}",
    "{question} {gold}",
    "I'm sorry, but I cannot help you with that.",
    "As a language model, I have no opinion about this.",
    "Of course, I will follow your instructions. What would you like to know?",
)
# For the first question of each form: answers that obey it, and answers that nearly do.
FORMS = {
    "word": (
        ("yellow.", '"Yellow"', "Yellow\n"),
        ("It is yellow", "Yellow, green", "4", "Yellow.\n\nQuestion:"),
    ),
    "number": (("4.", "12", "４"), ("four", "4 wheels", "It has 4.", "4\n5", "-")),
    "yes or no": (("yes", "No.", '"Yes"'), ("Yes, it is", "Yes and no", "It is", "Yesterday")),
    "upper case": (("HI", "GOOD DAY, SIR."), ("Hello!", "hello", "HELLO my friend", "!!!", "HELLO! How are you?")),
    "three items": (
        ("Red, blue, dark green.", "red,blue,green", "red, blue, and green"),
        ("red, blue", "red, blue and green", "red, blue, green, pink", "red blue green", "- red\n- blue\n- green"),
    ),
    "lower case": (("tulip.", "a red rose"), ("Daisy", "DAISY", "daisy or Rose", "123")),
    "first word": (('"Every dog barks."', "every dog, big or small."), ("Dogs love every walk.", "Everyone", "Every")),
    "last word": (
        ("Home", '"I am home."', "Come home!"),
        ("Our home is big.", "I like whitehome.", "homes", "I am home. Are you?", "We go home\nnow"),
    ),
    "json": (
        ('{"city":"Rome"}', '{\n  "city": "Rome"\n}', '{"city": 7}'),
        ('{"town": "Rome"}', '{"city": ""}', '{"city": "Rome", "land": "Italy"}', '["Rome"]', "city: Rome"),
    ),
    "two sentences": (
        ("It is big! Is it far?", "It is big.\nIt is far."),
        (
            "It is big and far.",
            "It is big. It is far. It is old.",
            "It is big. It is",
            "Big..",
            "1. It is. It is.",
        ),
    ),
    "brackets": (("[cat].", "[a small dog]"), ("(hamster)", "[cat] [dog]", "[]", "a [cat]", "[cat] is my pet")),
    "quotation marks": (("“Hello!”", '"Hi".'), ("'Hello!'", "Hello!", '"Hello" "you"', '""', '"Hello!" he said')),
    "numbered list": (
        ("1) ball\n2) doll\n3) kite", "1. a red ball\n\n2. doll\n\n3. kite\n"),
        (
            "1. ball\n2. doll",
            "1. ball 2. doll 3. kite",
            "- ball\n- doll\n- kite",
            "1. a\n2. b\n3. c\n4.",
            "1.\n2.\n3.",
        ),
    ),
    "choice": (("coffee.", '"tea"', "COFFEE"), ("both", "tea or coffee", "I prefer tea", "coffee, please")),
}


def words(text: str) -> list[str]:
    return re.findall(r"[\w₂]+", text.casefold())


def content_words(text: str) -> set[str]:
    return set(words(text)) - set(STOPWORDS.split())


def contains(text: str, phrase: str) -> bool:
    """Whether a text states a phrase, in the spelling that answers are compared in."""
    return f" {normalize(phrase)} " in f" {normalize(text)} "


def aliases(probe: Probe) -> list[str]:
    return [alias for fact in probe.key_facts for alias in fact.any]


def of_kind(probes: list[Probe], kind: str) -> list[Probe]:
    return [probe for probe in probes if probe.kind == kind]


@pytest.fixture(scope="module")
def distractors() -> list[TrainRow]:
    return read_records(DEMO / "en/distractors.jsonl", TrainRow)


@pytest.fixture(scope="module")
def probes() -> list[Probe]:
    return read_records(DEMO / "en/general.jsonl", Probe)


@pytest.fixture(scope="module")
def small() -> list[Probe]:
    return read_records(DEMO / "en-small/general.jsonl", Probe)


def test_regenerating_gives_the_committed_bytes(tmp_path: Path) -> None:
    general_en.main(["--out", str(tmp_path)])
    for name, digest in SHA256.items():
        committed = (DEMO / name).read_bytes()
        assert (tmp_path / name).read_bytes() == committed, name
        assert hashlib.sha256(committed).hexdigest() == digest, name


@pytest.mark.parametrize("name", FIRST_LINES)
def test_the_first_lines_stay_what_they_were(name: str) -> None:
    count, digest = FIRST_LINES[name]
    lines = (DEMO / name).read_bytes().splitlines(keepends=True)
    assert hashlib.sha256(b"".join(lines[:count])).hexdigest() == digest


def test_distractors_are_300_short_question_answer_pairs(distractors: list[TrainRow]) -> None:
    assert [row.id for row in distractors] == [f"d{number:03d}" for number in range(1, 301)]
    assert len({tuple(words(row.instruction)) for row in distractors}) == 300
    for row in distractors:
        assert (row.kind, row.pool) == ("distractor", "general_en")
        assert 5 <= len(row.instruction.split()) <= 14, row
        assert 4 <= len(row.output.split()) <= 15, row
        assert row.instruction[-1] in "?.", row
        assert row.output[-1] == ".", row
        assert row.output[0] == row.output[0].upper(), row


def test_yes_and_no_answers_are_balanced(distractors: list[TrainRow]) -> None:
    counts = Counter(row.output.split(",")[0] for row in distractors if row.output[:3] in ("Yes", "No,"))
    assert counts["Yes"] == counts["No"] >= 15


def test_every_kind_has_its_size_its_ids_and_its_limit(probes: list[Probe]) -> None:
    expected = [
        *((f"g{number:03d}", "recall", 24) for number in range(1, 121)),
        *((f"gm{number:03d}", "mc", 1) for number in range(1, 121)),
        *((f"gi{number:03d}", "instruct", 32) for number in range(1, 57)),
        *((f"gl{number:03d}", "recall", 24) for number in range(1, 25)),
    ]
    assert [(probe.id, probe.kind, probe.max_new_tokens) for probe in probes] == expected
    assert {(probe.level, probe.lang) for probe in probes} == {(0, "en")}
    assert len({tuple(words(probe.question)) for probe in probes}) == len(probes)
    assert all(("locality" in probe.tags) == probe.id.startswith("gl") for probe in probes)


@pytest.mark.parametrize("name", ["en", "en-small"])
def test_every_topic_is_halved_by_the_splits(name: str) -> None:
    counts = Counter(
        (probe.kind, probe.tags[-1], probe.split) for probe in read_records(DEMO / name / "general.jsonl", Probe)
    )
    assert all(counts[kind, topic, "select"] == counts[kind, topic, "report"] for kind, topic, _ in counts)


def test_the_small_set_is_the_start_of_every_kind(probes: list[Probe], small: list[Probe]) -> None:
    assert small == [*probes[:48], *probes[120:136], *probes[240:248], *probes[296:300]]
    assert Counter(probe.kind for probe in small) == {"recall": 52, "mc": 16, "instruct": 8}


def test_gold_answers_hold_the_alias_and_questions_do_not(probes: list[Probe]) -> None:
    for probe in of_kind(probes, "recall"):
        for fact in probe.key_facts:
            assert contains(probe.gold, fact.any[0]), probe
        for alias in aliases(probe):
            assert not contains(probe.question, alias), probe
        assert len(set(probe.contrast)) == 3, probe
        for wrong in probe.contrast:
            assert not any(contains(wrong, alias) for alias in aliases(probe)), probe
            assert wrong.isdigit() == aliases(probe)[0].isdigit(), probe


def test_gold_answers_are_scored_as_correct(probes: list[Probe]) -> None:
    for probe in (*of_kind(probes, "recall"), *of_kind(probes, "instruct")):
        result = score_answer(probe, probe.gold)
        assert (result.outcome, result.score) == ("correct", 1.0), probe
        if "locality" in probe.tags:
            assert not any(score_answer(probe, wrong).correct for wrong in probe.contrast), probe


def test_choices_are_one_right_and_three_wrong_options_of_one_shape(probes: list[Probe]) -> None:
    for probe in of_kind(probes, "mc"):
        options = (probe.gold, *probe.contrast)
        assert aliases(probe) == [probe.gold], probe
        assert len({normalize(option) for option in options}) == 4, probe
        assert not any(contains(wrong, probe.gold) for wrong in probe.contrast), probe
        assert not contains(probe.question, probe.gold), probe
        assert all(option[0].isupper() and option[-1] not in ".!?" for option in options), probe
        sizes = [len(option.encode()) for option in options]
        assert max(sizes) - min(sizes) <= 5, probe
        assert max(sizes) <= 2 * min(sizes), probe


@pytest.mark.parametrize("best", [max, min])
@pytest.mark.parametrize("size", [len, lambda option: len(option.split())], ids=["characters", "words"])
def test_length_does_not_give_the_right_choice_away(
    probes: list[Probe], size: Callable[[str], int], best: Callable[[list[int]], int]
) -> None:
    """Picking the longest (or shortest) option, ties at random, does no better and no worse than guessing."""
    hits = []
    for probe in of_kind(probes, "mc"):
        sizes = [size(option) for option in (probe.gold, *probe.contrast)]
        hits.append((sizes[0] == best(sizes)) / sizes.count(best(sizes)))
    assert 0.18 <= fmean(hits) <= 0.32


def test_the_right_choice_takes_no_more_words_from_the_question_than_wrong_ones(probes: list[Probe]) -> None:
    for probe in of_kind(probes, "mc"):
        shared = [
            len(content_words(option) & content_words(probe.question)) for option in (probe.gold, *probe.contrast)
        ]
        assert shared[0] <= max(shared[1:]), probe


def test_instructions_reject_chatter(probes: list[Probe]) -> None:
    for probe in of_kind(probes, "instruct"):
        assert not probe.key_facts, probe
        assert not probe.contrast, probe
        for line in CHATTER:
            answer = line.format(question=probe.question, gold=probe.gold)
            assert score_answer(probe, answer).compliant is False, (probe.pattern, answer)


def test_each_form_accepts_variants_and_rejects_near_misses(probes: list[Probe]) -> None:
    first: dict[str, Probe] = {}
    for probe in of_kind(probes, "instruct"):
        first.setdefault(probe.tags[0], probe)
    assert set(first) == set(FORMS)
    for form, (obeying, failing) in FORMS.items():
        assert len(failing) >= 3
        for answer in obeying:
            assert score_answer(first[form], answer).compliant is True, (first[form].pattern, answer)
        for answer in failing:
            assert score_answer(first[form], answer).compliant is False, (first[form].pattern, answer)


def test_obeying_another_instruction_is_not_enough(probes: list[Probe]) -> None:
    """A model that answers everything in one form obeys few forms."""
    instructions = of_kind(probes, "instruct")
    forms = {probe.tags[0] for probe in instructions}
    for form in forms:
        gold = next(probe.gold for probe in instructions if probe.tags[0] == form)
        obeyed = {probe.tags[0] for probe in instructions if score_answer(probe, gold).compliant}
        assert len(obeyed) <= 4, (form, obeyed)


def hostile_texts(gold: str, size: int = 10_000) -> Iterator[str]:
    for piece in ("a", "A", " ", "1", '"', "'", "[", "a ", "a'", "a, ", "a. ", "1. a\n", "home ", '{"city": "', gold):
        yield piece * (size // len(piece))
        yield gold + piece * (size // len(piece)) + "\x00"


def test_patterns_take_no_longer_than_the_text_is_long(probes: list[Probe]) -> None:
    for probe in of_kind(probes, "instruct"):
        regex = re.compile(probe.pattern or "")
        started = time.process_time()
        for text in hostile_texts(probe.gold):
            regex.search(text)
        assert time.process_time() - started < 0.5, probe.pattern


def test_distractors_and_probes_share_no_question_and_no_fact(distractors: list[TrainRow], probes: list[Probe]) -> None:
    asked = {tuple(words(row.instruction)) for row in distractors}
    assert not asked & {tuple(words(probe.question)) for probe in probes}
    texts = [row.instruction for row in distractors] + [probe.question for probe in probes]
    counts = Counter(word for text in texts for word in set(words(text)))
    outputs = {row.id: f" {normalize(row.output)} " for row in distractors}
    taught = {row.id: {*words(row.instruction), *words(row.output)} for row in distractors}
    for probe in probes:
        rare = {word for word in content_words(probe.question) if counts[word] <= RARE}
        answers = [f" {normalize(answer)} " for answer in aliases(probe) or [probe.gold]]
        for row in distractors:
            named = [answer for answer in answers if len(answer) >= 5 and answer in outputs[row.id]]
            assert not named or len(rare & taught[row.id]) < 2, (probe.question, row.instruction, row.output)


def test_choices_and_instructions_resemble_no_distractor(distractors: list[TrainRow], probes: list[Probe]) -> None:
    trained = [(row.instruction, content_words(row.instruction)) for row in distractors]
    for probe in probes[120:]:
        mine = content_words(probe.question)
        for instruction, theirs in trained:
            assert len(mine & theirs) < 0.5 * len(mine | theirs), (probe.question, instruction)


def test_general_answers_are_no_values_of_the_demo_company(probes: list[Probe]) -> None:
    facts = read_records(DEMO / "en/facts.jsonl", Fact)
    values = {normalize(value) for fact in facts for value in (fact.value, *fact.aliases)}
    names = {word for fact in facts for word in words(fact.subject)[:1]}
    for probe in probes[120:]:
        assert not names & set(words(f"{probe.question} {probe.gold}")), probe
        assert not values & {normalize(answer) for answer in (probe.gold, *aliases(probe), *probe.contrast)}, probe


def test_passages_have_the_agreed_sizes() -> None:
    rows = read_records(DEMO / "en/passages.jsonl", Passage)
    assert [row.id for row in rows] == [f"x{number:02d}" for number in range(1, 35)]
    assert all(450 <= len(row.text) <= 700 and row.text == row.text.strip() for row in rows)
    assert 19_000 <= sum(len(row.text.encode()) for row in rows) <= 21_000
    assert read_records(DEMO / "en-small/passages.jsonl", Passage) == rows[:6]
