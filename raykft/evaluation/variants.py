"""A second look for key facts that are not stated in so many letters.

What is looked for depends on the type: the lenient spelling for all, initials, middle names and surnames for persons,
quantities with other units' names or with the unit that the question names, months inside finer dates, and names in
katakana or hiragana. Longer aliases and forbidden values cover shorter ones here too.
"""

from __future__ import annotations

import re
from functools import lru_cache

from raykft.evaluation.matching import Matcher, compile_matcher
from raykft.evaluation.names import states_person
from raykft.evaluation.normalize import normalize
from raykft.evaluation.quantities import states_quantity
from raykft.evaluation.spelling import lenient, plain_letters
from raykft.records import KeyFact, Probe


def _split(words: str) -> list[str]:
    return words.split()


_MONTH_NAMES = _split("january february march april may june july august september october november december")
_MONTHS = {name: n for n, name in enumerate(_MONTH_NAMES, start=1)} | {f"{n}月": n for n in range(1, 13)}
_KANA = "\u3041-\u3096\u30a1-\u30fa\u30fc"
_TO_HIRAGANA = {code: code - 0x60 for code in range(0x30A1, 0x30F7)}
_KANA_MIN = 3
_COMPOUND_MIN, _COMPOUND_PART = 7, 3
_KATAKANA_WORD, _LONG_KATAKANA = re.compile("[\u30a1-\u30fa\u30fc]"), 7
_LEGAL_FORM = re.compile(
    r"株式会社|有限会社|合同会社|合資会社|(?:一般|公益)?(?:社団|財団)法人"
    r"|,? (?:Inc|Ltd|Limited|LLC|Corp|Corporation|GmbH|AG|Plc|PLC|Co)\.?(?:,? Ltd\.?)?(?=$|[\s.,;])"
)
_FIRM_MIN = 3
_PLAIN_WORDS = re.compile(r"[a-z]+(?: [a-z]+)?")


def found_again(probe: Probe, forbidden: tuple[str, ...], answer: str, hits: tuple[bool, ...]) -> tuple[bool, ...]:
    """`hits` with those key facts added that a second look at the answer finds."""
    spelled = lenient(answer)
    again = _lenient_matcher(probe.key_facts, forbidden).hits(spelled)
    return tuple(
        hit or second or _varied(fact, probe, forbidden, answer, spelled)
        for fact, hit, second in zip(probe.key_facts, hits, again, strict=True)
    )


@lru_cache(maxsize=1024)
def _lenient_matcher(key_facts: tuple[KeyFact, ...], forbidden: tuple[str, ...]) -> Matcher:
    facts = [KeyFact(tuple(lenient(alias) or alias for alias in fact.any), fact.type) for fact in key_facts]
    return compile_matcher(facts, [lenient(value) or value for value in forbidden])


def _varied(fact: KeyFact, probe: Probe, forbidden: tuple[str, ...], answer: str, spelled: str) -> bool:
    if fact.type == "person":
        rivals = (*forbidden, *probe.contrast)
        return any(
            states_person(alias, answer, probe.question, rivals) or _in_other_kana(alias, answer) for alias in fact.any
        )
    return any(
        states_quantity(lenient(alias), spelled, lenient(probe.question))
        or _states_month(alias, answer)
        or _is_compound(lenient(alias), spelled)
        or _in_other_kana(alias, answer)
        or _is_firm(alias, answer)
        for alias in fact.any
    )


def month_of(alias: str) -> int | None:
    """The month that an alias names and nothing else."""
    return _MONTHS.get(normalize(alias))


def _states_month(alias: str, answer: str) -> bool:
    """A month is stated by a date in it."""
    month = month_of(alias)
    return (
        month is not None
        and re.search(rf"⟨(?:--|[0-9]{{4}}-){month:02d}(?:-[0-9]{{2}})?⟩", normalize(answer)) is not None
    )


def _is_compound(alias: str, spelled: str) -> bool:
    """One word in two, or two in one: lighthouse, light house."""
    letters = alias.replace(" ", "")
    if len(letters) < _COMPOUND_MIN or not _PLAIN_WORDS.fullmatch(alias) or letters not in spelled.replace(" ", ""):
        return False
    splits = range(_COMPOUND_PART, len(letters) - _COMPOUND_PART + 1) if " " not in alias else ()
    forms = [letters, *(f"{letters[:at]} {letters[at:]}" for at in splits)]
    return any(re.search(rf"(?<!\w){form}s?(?!\w)", spelled) for form in forms)


def _in_other_kana(alias: str, answer: str) -> bool:
    """Hiragana for katakana and the other way round, between borders of their script."""
    plain, text = lenient(alias), lenient(answer)
    if len(_KATAKANA_WORD.sub("", plain)) == 0 and len(plain) >= _LONG_KATAKANA:
        # マシン and マシーン: in a word so long a vowel mark more or less makes no other word
        plain, text = plain.replace("ー", ""), text.replace("ー", "")
    if len(re.findall(f"[{_KANA}]", plain)) < _KANA_MIN:
        return False
    wanted, said = plain.translate(_TO_HIRAGANA), text.translate(_TO_HIRAGANA)
    start = said.find(wanted)
    while start >= 0:
        end = start + len(wanted)
        digits = wanted[0].isdigit() and text[max(0, start - 1) : start].isdigit()
        if not (digits or _one_script(text[start - 1 : start + 1]) or _one_script(text[end - 1 : end + 1])):
            return True
        start = said.find(wanted, start + 1)
    return False


def _is_firm(alias: str, answer: str) -> bool:
    """A firm without its legal form, unless the name goes on."""
    name = _LEGAL_FORM.sub("", plain_letters(alias)).strip(" ,")
    if name == plain_letters(alias).strip(" ,") or len(name) < _FIRM_MIN:
        return False
    text = _LEGAL_FORM.sub("", plain_letters(answer))
    after = r"(?! ?[A-Z&])(?!\w)" if name.isascii() else r"(?![\u30a1-\u30fa\u3400-\u9fff々A-Za-z])"
    before = r"(?<!\w)(?<![A-Z][a-z] )" if name.isascii() else r"(?<![\u30a1-\u30fa\u3400-\u9fff々])"
    return re.search(before + re.escape(name) + after, text) is not None


def _one_script(pair: str) -> bool:
    """Whether two characters are both katakana, so that no word ends between them."""
    return len(pair) == 2 and all("ァ" <= char <= "ー" for char in pair)
