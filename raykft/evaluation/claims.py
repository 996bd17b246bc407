"""Claims that nothing in the domain supports: a deterministic count of what a model makes up.

A domain is a closed world. What an answer states is therefore checked against everything that its facts say, the
question, and the probe's own gold and prior answers. Counted are, in this order and each value once:

- web addresses, mail addresses and telephone numbers;
- Japanese names that say what they name: 株式会社X, X株式会社, X駅, X町 (other runs of kanji are mostly words);
- in English answers, names of two capitalized words and more, unless they consist of pairs of words that the domain
  knows side by side: "Dr Signe Uxbridge" is supported by "Signe Uxbridge", "Signe Garrick" by nothing;
- dates, months and years that no known date states in full;
- numbers in digits, but neither idioms like 一つ nor list markers. "three" supports 3, as does a list fact of three.

A value of another fact is supported, whatever the question: it may be a true aside. Where it is the wrong answer, it
is a *wrong claim* (`forbidden`, `slot` or a rival date or number, see `raykft.evaluation.scoring`), and that lowers the
score. A date that was asked for and made up is in both columns; only wrong claims enter any score.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, product

from raykft.evaluation.behaviour import without_list_markers
from raykft.evaluation.matching import Date, dates_in, numbers_in
from raykft.evaluation.normalize import normalize
from raykft.records import Fact, Probe

# More claims than these are told of no answer: a single one that never ends must not decide a mean.
MAX_CLAIMS = 50


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# ---- addresses. Bounded repetitions, or a start that only the first character of a run can make: linear in the text.
_MAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.ASCII)
_URL_CHAR = r"[!#-&*-;=?-~]"  # ASCII without quotes, parentheses and angle brackets
_HOST_ENDS = "com|org|net|info|biz|edu|gov|io|eu|jp|uk|de|fr"
_URL = re.compile(
    rf"https?://{_URL_CHAR}+|(?<![\w.@-])www\.{_URL_CHAR}+"
    rf"|(?<![\w.@-])(?:[a-z0-9-]{{1,63}}\.){{1,4}}(?:{_HOST_ENDS})(?![\w-])(?:/{_URL_CHAR}*)?",
    re.IGNORECASE | re.ASCII,
)
_URL_START = re.compile(r"https?://(?:www\.)?|www\.")
_TELEPHONE = re.compile(r"(?<![\w.+-])\+?\(?[0-9]{1,5}\)?(?:[ -]\(?[0-9]{1,5}\)?){2,4}(?![\w-])")
_TELEPHONE_DIGITS = range(9, 16)

# ---- Japanese names
_NAME_CHAR = "\u3400-\u9fff々〆\u30a1-\u30fa\u30fc"
_JAPANESE_NAMES = (
    re.compile(rf"[{_NAME_CHAR}A-Za-z0-9]{{1,20}}株式会社|株式会社[{_NAME_CHAR}A-Za-z0-9]{{1,20}}"),
    re.compile(rf"(?:(?!駅)[{_NAME_CHAR}]){{1,12}}駅"),
    re.compile(rf"(?:(?!町)[{_NAME_CHAR}]){{1,8}}町(?![長民内役])"),
)
_NO_NAMES_JA = _words(
    "最寄駅 各駅 同駅 当駅 両駅 隣駅 主要駅 鉄道駅 地下鉄駅 乗換駅 終着駅 始発駅 同町 当町 各町 下町 港町 城下町"
)
# After one of these a name begins anew: 港区大門駅 is 大門駅, 東大門駅 is not.
_PLACE_ENDS = frozenset("都道府県市区町村郡線")

# ---- English names
_CAPITAL = "A-ZÀ-ÖØ-Þ"
_NAME_WORD = rf"[{_CAPITAL}][^\W_]*(?:['’-][^\W_]+)*"
_NAME = re.compile(rf"(?<![\w'’-]){_NAME_WORD}(?: (?:(?:of|de|del|der|van|von|la|du) (?:the )?)?{_NAME_WORD})+")
_CONNECTORS = _words("of de del der van von la du")
# Capitalized at the start of a sentence, or as a title; never half of a name that is made up.
_NO_NAMES = _words(
    "i he she it we they you his her its their our my your this that these those there here yes no not and but or so "
    "if as at by in on to for from with when while where who whom whose what which how why is was are were be do does "
    "did has have had can could will would should may after before since during until then also however although "
    "because both all each one two three some many most other another today now currently originally formerly located "
    "founded question answer note please sorry mr mrs ms dr prof sir chief executive officer ceo managing director "
    "manager president chairman chairwoman chair founder co head company corporation monday tuesday wednesday thursday "
    "friday saturday sunday january february march april june july august september october november december"
)
_NO_NAMES_FIRST = re.compile(rf"^(?:(?:the|an?|{'|'.join(_NO_NAMES)}) )+", re.IGNORECASE)
_COUNTS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NUMBER_WORDS = {word: str(number) for number, word in enumerate(_COUNTS, start=1)}
_NUMBER_WORD = re.compile(rf"(?<![\w-])(?:{'|'.join(_NUMBER_WORDS)})(?![\w-])")  # not the two of fifty-two


@dataclass(frozen=True, slots=True)
class _World:
    """What some texts support, normalized."""

    addresses: frozenset[str]
    japanese_names: frozenset[str]
    pairs: frozenset[tuple[str, str]]  # words side by side
    words: frozenset[str]  # that support a name by themselves
    dates: frozenset[Date]  # with every coarser form
    numbers: frozenset[str]

    def has_address(self, address: str) -> bool:
        """A known address, or the beginning of one: the host of a known page."""
        return address in self.addresses or any(known.startswith(f"{address}/") for known in self.addresses)

    def has_japanese_name(self, name: str) -> bool:
        return any(_same_place(name, known) for known in self.japanese_names)


class FactSheet:
    """Everything that the facts of a domain state. Build it once; it never changes."""

    __slots__ = ("_world",)

    def __init__(self, facts: Iterable[Fact]) -> None:
        facts = tuple(facts)
        values = [value for fact in facts for value in (fact.subject, fact.value, *fact.aliases)]
        self._world = _world(
            texts=[*values, *(fact.text for fact in facts)],
            values=values,
            words=[word for fact in facts for word in normalize(fact.subject).split()],
            numbers=[str(len(fact.aliases)) for fact in facts if fact.type == "list"],
        )

    def unsupported(self, probe: Probe, answer: str) -> tuple[str, ...]:
        """The distinct claims of an answer that neither the facts nor the probe support, at most MAX_CLAIMS."""
        worlds = (self._world, _world_of(probe))
        claims: dict[str, str] = {}  # normalized → as shown
        text = unicodedata.normalize("NFKC", answer)
        for address, shown in _addresses(text):
            text = text.replace(shown, " ")
            if not any(world.has_address(address) for world in worlds):
                claims[address] = shown
        for name in _japanese_names(text):
            if not any(world.has_japanese_name(name) for world in worlds):
                claims[name] = name
        if probe.lang == "en" and not text.isupper():
            for capitalized in _NAME.findall(text):
                name = _NO_NAMES_FIRST.sub("", capitalized)
                normalized = normalize(name)
                if _is_new_name(normalized, worlds):
                    claims[normalized] = name
        for quantity in _new_quantities(normalize(without_list_markers(text)), worlds):
            claims[quantity] = quantity
        return tuple(claims.values())[:MAX_CLAIMS]


@lru_cache(maxsize=8192)
def _world_of(probe: Probe) -> _World:
    values = [alias for fact in probe.key_facts for alias in fact.any]
    values += probe.prior.any if probe.prior else ()
    texts = [probe.question, probe.gold, probe.prior.question if probe.prior else "", *values]
    return _world(texts, values)


def _world(
    texts: Iterable[str], values: Iterable[str], words: Iterable[str] = (), numbers: Iterable[str] = ()
) -> _World:
    """What `texts` support; of the `values`, those of a single word support it wherever it stands."""
    compatible = [unicodedata.normalize("NFKC", text) for text in texts]
    normalized = [normalize(text) for text in compatible]
    split = [_name_words(text.split()) for text in normalized]
    single = [value for value in map(normalize, values) if " " not in value]
    stated = [number for text in normalized for number in numbers_in(text)]
    spelled_out = [_NUMBER_WORDS[word] for text in compatible for word in _NUMBER_WORD.findall(text.casefold())]
    return _World(
        addresses=frozenset(address for text in compatible for address, _ in _addresses(text)),
        japanese_names=frozenset(name for text in compatible for name in _japanese_names(text)),
        pairs=frozenset(pair for row in split for pair in pairwise(row)),
        words=frozenset([*words, *single]),
        dates=frozenset(
            coarser
            for text in normalized
            for year, month, day in dates_in(text, with_years=True).values()
            for coarser in product({year, ""}, {month, ""}, {day, ""})
        ),
        numbers=frozenset([*numbers, *stated, *spelled_out]),
    )


def _addresses(text: str) -> Iterator[tuple[str, str]]:
    """Mail addresses, web addresses and telephone numbers, as (one spelling, as written)."""
    if "@" in text:
        for match in _MAIL.finditer(text):
            yield match[0].casefold(), match[0]
        text = _MAIL.sub(" ", text)
    if "." in text:
        for match in _URL.finditer(text):
            shown = match[0].rstrip(".,;:!?/")
            yield _URL_START.sub("", shown.casefold(), count=1), shown
        text = _URL.sub(" ", text)
    for match in _TELEPHONE.finditer(text):
        digits = "".join(filter(str.isdigit, match[0]))
        if len(digits) in _TELEPHONE_DIGITS and "⟨" not in normalize(match[0]):  # no date with a time
            yield digits, match[0]


def _japanese_names(text: str) -> Iterator[str]:
    if text.isascii():
        return
    for pattern in _JAPANESE_NAMES:
        for name in pattern.findall(text):
            if name not in _NO_NAMES_JA:
                yield name
        text = pattern.sub(" ", text)  # 浜松町 is no town in 浜松町駅


def _same_place(name: str, other: str) -> bool:
    short, long = sorted((name, other), key=len)
    return short == long or (long.endswith(short) and long[-len(short) - 1] in _PLACE_ENDS)


def _name_words(words: Iterable[str]) -> list[str]:
    return [word for word in words if word not in _CONNECTORS]


def _is_new_name(normalized: str, worlds: Sequence[_World]) -> bool:
    """Whether two words in a row are known neither by themselves nor side by side with a neighbour."""
    words = _name_words(normalized.split())
    paired = [any(pair in world.pairs for world in worlds) for pair in pairwise(words)]
    new = [
        not (before or after or word in _NO_NAMES or any(word in world.words for world in worlds))
        for word, before, after in zip(words, [False, *paired], [*paired, False], strict=True)
    ]
    return any(first and second for first, second in pairwise(new))


def _new_quantities(normalized: str, worlds: Sequence[_World]) -> Iterator[str]:
    """Dates, months, years and numbers; a number that can be a year is looked for among both."""

    def is_known(number: str) -> bool:
        return any(number in world.numbers for world in worlds)

    dates = dates_in(normalized, with_years=True)
    for spelling, date in dates.items():
        if not is_known(spelling) and not any(date in world.dates for world in worlds):
            yield spelling
    for number, spelling in numbers_in(normalized).items():
        if number not in dates and not is_known(number):
            yield spelling
