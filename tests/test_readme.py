"""README.ja.md says what README.md says: the same sections, figures and commands."""

from __future__ import annotations

import re
from itertools import pairwise, takewhile, zip_longest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENGLISH, JAPANESE = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.ja.md"))
BLOCK = re.compile(r"^ *```\w*\n.*?^ *```", re.DOTALL | re.MULTILINE)
NUMBER = re.compile(r"\d+(?:[.,:]\d+)*|(?<!\w)\.\d+", re.ASCII)
# Numbers that one language writes in words.
WORDS = dict.fromkeys(("one", "a"), "1") | dict.fromkeys(("two", "second", "twice", "half"), "2")
WORDS |= {"three": "3", "third": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "ten": "10"}
WORDS |= {"twelve": "12", "sixteen": "16", "thirty": "30", "forty": "40"}


def prose(text: str) -> str:
    return BLOCK.sub("", text)


def numbers(text: str) -> set[str]:
    return set(NUMBER.findall(text))


def in_words(text: str) -> set[str]:
    return {WORDS[word] for word in re.findall(r"[a-z]+", text.lower()) if word in WORDS}


def code(text: str) -> list[str]:
    """Lines of code without their comments, and the names of the tree without what they are."""
    lines = []
    for block in BLOCK.findall(text):
        tree = "raykft/\n" in block
        lines += [names(line) if tree else line.split(" # ")[0].strip() for line in block.splitlines()]
    return lines


def names(line: str) -> str:
    """The files and folders with which a line of the tree begins."""
    is_name = re.compile(r"[\w./]+(\.py|\.yaml|/)", re.ASCII).fullmatch
    return " ".join(takewhile(is_name, line.split()))


def commands(text: str) -> set[str]:
    return set(re.findall(r"`([^`\n]+)`", prose(text)))


def translated(text: str) -> str:
    """With the Japanese ones of pages and pictures that exist in both languages."""
    return re.sub(r"(README|reading-the-board)(\.ja)?\.md", r"\1.ja.md", text).replace("-en-", "-ja-")


def test_both_link_to_each_other_and_have_the_same_sections() -> None:
    assert "[日本語](README.ja.md)" in ENGLISH
    assert "[English](README.md)" in JAPANESE
    levels = [re.findall(r"^(#+) ", prose(text), re.MULTILINE) for text in (ENGLISH, JAPANESE)]
    assert levels[0] == levels[1]
    items = [re.findall(r"^(- |\d\. )", prose(text), re.MULTILINE) for text in (ENGLISH, JAPANESE)]
    assert items[0] == items[1]


def test_the_figures_are_the_same() -> None:
    english, japanese = prose(ENGLISH), prose(JAPANESE)
    assert numbers(japanese) <= numbers(english) | in_words(english)
    assert numbers(english) <= numbers(japanese)


def test_every_block_of_code_is_the_same_but_for_its_comments() -> None:
    for ours, theirs in zip_longest(code(JAPANESE), code(ENGLISH)):
        assert ours == theirs


def test_commands_files_and_links_are_the_same() -> None:
    assert commands(JAPANESE) - commands(ENGLISH) <= {"--lang ja"}
    assert commands(ENGLISH) - commands(JAPANESE) == set()
    ours, theirs = translated(ENGLISH), translated(JAPANESE)
    links = [sorted(re.findall(r"\]\(([^)]+)\)", text)) for text in (ours, theirs)]
    assert links[0] == links[1]
    documents = [set(re.findall(r"docs/[\w/.-]*\w", text)) for text in (ours, theirs)]
    assert documents[0] == documents[1]
    assert all((ROOT / link).exists() for link in links[0] if "://" not in link and not link.startswith("#"))


def test_a_paragraph_of_japanese_is_one_line() -> None:
    """Where Markdown is broken a space is shown, which Japanese has not."""
    lines = prose(JAPANESE).splitlines()
    starts = re.compile(r" *(- |\d\. |#|!?\[)|$")
    assert not [line for before, line in pairwise(lines) if before and not starts.match(line)]
