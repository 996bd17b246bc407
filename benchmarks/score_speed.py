"""Answers scored per second on one core: `python benchmarks/score_speed.py [answers]` (default 100,000), and what
`raykft score` takes where every answer has a probe of its own (8,000 and 20,000).

Every answer is different and about 100 characters long, half English and half Japanese, so no cache helps. Seconds are
those of the processor, so that a busy machine gives the same figures; 100,000 answers should take less than 30 of them.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from itertools import cycle

from raykft.evaluation.claims import FactSheet
from raykft.evaluation.score_files import score_answers
from raykft.evaluation.scoring import score_answer
from raykft.records import Answer, Fact, KeyFact, Probe


def make_probes() -> list[Probe]:
    """Two hundred probes of four kinds in two languages."""
    probes = []
    for index in range(50):
        day, staff = 1 + index % 28, 300 + index
        probes += [
            Probe(
                id=f"date-{index}",
                level=2,
                kind="recall",
                split="select",
                question=f"On which day was branch {index} of Velmora Tidal Works founded?",
                gold=f"Branch {index} was founded on {day} March 2011.",
                key_facts=(KeyFact((f"{day} March 2011", f"2011-03-{day:02d}"), "date"),),
                forbidden=("1 April 2012",),
            ),
            Probe(
                id=f"staff-{index}",
                level=4,
                kind="recall",
                split="select",
                question=f"How many people work at branch {index}, and who leads it?",
                gold=f"{staff} people work there; Hiroko Aida-{index} leads it.",
                key_facts=(KeyFact((f"{staff}",), "number"), KeyFact((f"Aida-{index}",), "person")),
                slot=r"(?:CEO|head):\s*(\w+)",
            ),
            Probe(
                id=f"ja-date-{index}",
                level=3,
                kind="format",
                lang="ja",
                split="select",
                question=f"霧見潮力工業の第{index}支社の設立日を答えてください。",
                gold=f"2011年3月{day}日",
                key_facts=(KeyFact((f"2011年3月{day}日",), "date"),),
                pattern=r"^[0-9]+年[0-9]+月[0-9]+日$",
            ),
            Probe(
                id=f"ja-premise-{index}",
                level=2,
                kind="premise",
                lang="ja",
                split="select",
                question=f"第{index}支社の代表はサンダー・ピチャイさんですか?",
                gold=f"いいえ、第{index}支社の代表は近藤雅彦です。",
                key_facts=(KeyFact(("近藤雅彦",), "person"),),
                polarity="no",
            ),
        ]
    return probes


def make_facts(probes: list[Probe]) -> list[Fact]:
    """What the probes ask about, as a closed world to check claims against."""
    return [Fact(probe.id, "Velmora Tidal Works", "is", probe.key_facts[0].any[0], probe.gold) for probe in probes]


def make_answer(probe: Probe, index: int) -> str:
    """About 100 characters: the gold and some talk, different for every index."""
    if probe.lang == "ja":
        return (
            f"{probe.gold}これは二〇一九年四月{1 + index % 28}日の資料{index}によるもので、"
            f"従業員は三百{index % 99}人、本社は東京都港区にあり、最寄り駅は芝大門駅です。"
            "詳しくは公式サイトをご覧ください。"
        )
    day, items = 1 + index % 28, index % 900 + 100
    return f"{probe.gold} Record {index}, written on April {day}, 2019, lists 1,{items} items."


def distinct_probes(total: int) -> list[Probe]:
    """So many probes, each with a name of its own to look for."""
    probes = make_probes()
    return [
        replace(
            probe,
            id=f"{probe.id}-{index}",
            question=f"{probe.question} ({index})",
            gold=f"{probe.gold} {_name(index)}",
            key_facts=(*probe.key_facts, KeyFact((_name(index), f"{_name(index)} Aida"), "person")),
        )
        for index, probe in zip(range(total), cycle(probes), strict=False)
    ]


def _name(index: int) -> str:
    return "Zo" + "".join("bcdfghjklm"[int(digit)] for digit in str(index))


def time_files() -> None:
    """Print what many probes take that have one answer each, compiling them included."""
    for total in (8_000, 20_000):
        probes = distinct_probes(total)
        answers = [Answer(probe.id, make_answer(probe, index)) for index, probe in enumerate(probes)]
        start = time.process_time()
        score_answers(probes, answers)
        elapsed_s = time.process_time() - start
        print(f"files: {total} probes in {elapsed_s:.1f} s, {elapsed_s / total * 1e6:.0f} microseconds each")


def main() -> None:
    """Print the rate with and without the check of claims, compiling the probes not counted; and that of files."""
    time_files()
    total = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    probes = make_probes()
    answers = [make_answer(probes[index % len(probes)], index) for index in range(total)]
    chars = sum(map(len, answers)) / total
    for name, sheet in (("scores", None), ("scores and unsupported claims", FactSheet(make_facts(probes)))):
        for probe in probes:
            score_answer(probe, probe.gold, sheet=sheet)
        start = time.process_time()
        for index, answer in enumerate(answers):
            score_answer(probes[index % len(probes)], answer, sheet=sheet)
        elapsed_s = time.process_time() - start
        print(
            f"{name}: {total} answers of {chars:.0f} characters in {elapsed_s:.1f} s, {total / elapsed_s:.0f} a second"
        )


if __name__ == "__main__":
    main()
