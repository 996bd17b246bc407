"""Level 5 of the English demo domain: what is asked about the learned values, and what counts as an answer."""

from __future__ import annotations

from typing import Final

from raykft.data.demo.pools_en import MONTH_SEASONS, MONTHS
from raykft.data.demo.spec import PriorRow, parse_prior, words

_COLOURS: Final = ("red", "blue", "green", "purple", "yellow", "orange")
_COUNTS: Final = words("two four five six seven eight nine ten eleven thirteen")
_ORDINALS: Final = words("first second third fourth fifth sixth seventh eighth")
OPTIONS: Final[dict[str, tuple[str, ...]]] = {
    "continent": ("Europe", "Asia", "Africa", "North America", "South America"),
    "class": ("bird", "mammal", "reptile", "amphibian", "fish"),
    "legs": ("two", "four", "six", "eight"),
    "family": ("woodwind", "string", "brass", "percussion"),
    "base": _COLOURS,
    "colour": _COLOURS,
    "season": MONTH_SEASONS,
    "next_month": MONTHS,
    "decade": ("1980s", "1990s", "2000s", "2010s", "2020s"),
    "players": _COUNTS,
    "place": _ORDINALS,
    "next": ("Venus", "Earth", "Mars", "Jupiter", "Saturn", "Uranus", "Neptune"),
}
ALSO: Final[dict[str, tuple[str, ...]]] = {
    "autumn": ("fall",),
    "Korea": ("South Korea",),
    "the Netherlands": ("Netherlands", "Holland"),
    "the United States": ("United States", "USA"),
    "planks": ("timber", "lumber", "boards", "wood"),
    "barrels": ("casks",),
    "leather": ("hides",),
    "coins": ("money",),
    "3": ("three",),
    "two": ("2",),
    "four": ("4",),
    "five": ("5",),
    "six": ("6",),
    "seven": ("7",),
    "nine": ("9",),
    "eleven": ("11",),
    "first": ("1st",),
    "second": ("2nd",),
    "fourth": ("4th",),
    "fifth": ("5th",),
    "sixth": ("6th",),
    "seventh": ("7th",),
}
# The event of a date as a statement and as a question.
_EVENTS: Final = {
    "founded": ("Velmora was founded", "was Velmora founded"),
    "website": ("Velmora's website was launched", "was Velmora's website launched"),
    "listed": ("Velmora went public", "did Velmora go public"),
    "lowered": ("Velmora lowered its first turbine into the sea", ""),
    "power": ("Velmora's first turbine first delivered power", ""),
    "first_patent": ("Velmora was granted its first patent", "was Velmora granted its first patent"),
    "hq_opened": ("Velmora's headquarters was opened", "was Velmora's headquarters opened"),
    "overseas_opened": ("Velmora's overseas office opened", "did Velmora's overseas office open"),
    "ceo_year": ("", "did Velmora's chief executive join the company"),
    "railway_year": ("", "was Velmora's works railway opened"),
}
_MONTH_KEYS: Final = tuple(_EVENTS)[:8]
_SEASON_KEYS: Final = ("founded", "website", "listed", "first_patent", "hq_opened", "overseas_opened")
_DECADE_KEYS: Final = ("ceo_year", "railway_year", "founded", "listed", "first_patent")

# Per probe: fact and property, the question, the answer, the question about the property alone.
_TABLE: Final = """
test_site continent
On which continent is Velmora's test site?
Velmora's test site is in {p}.
On which continent is {v}?

test_site capital
What is the capital of the country with Velmora's test site?
The capital of that country is {p}.
What is the capital of {v}?

test_site language
Which language is official in the country with Velmora's test site?
The official language there is {p}.
What is the official language of {v}?

overseas continent
On which continent is Velmora's overseas office?
Velmora's overseas office is in {p}.
On which continent is {v}?

overseas capital
What is the capital of the country with Velmora's overseas office?
The capital of that country is {p}.
What is the capital of {v}?

overseas language
Which language is official in the country with Velmora's overseas office?
The official language there is {p}.
What is the official language of {v}?

factory country
In which country is Velmora's factory?
Velmora's factory is in {p}.
In which country is {v}?

factory continent
On which continent is Velmora's factory?
Velmora's factory is in {p}.
On which continent is {v}?

training country
In which country is Velmora's training centre?
Velmora's training centre is in {p}.
In which country is {v}?

training continent
On which continent is Velmora's training centre?
Velmora's training centre is in {p}.
On which continent is {v}?

gala country
In which country did Velmora receive the Pioneer Prize?
Velmora received the Pioneer Prize in {p}.
In which country is {v}?

gala continent
On which continent did Velmora receive the Pioneer Prize?
Velmora received the Pioneer Prize in {p}.
On which continent is {v}?

university country
In which country is Velmora's partner university?
Velmora's partner university is in {p}.
In which country is the {v}?

university continent
On which continent is Velmora's partner university?
Velmora's partner university is in {p}.
On which continent is the {v}?

animal class
To which class of animals does the animal on Velmora's logo belong?
The animal on Velmora's logo is {q}.
To which class of animals does the {v} belong?

animal legs
How many legs does the animal on Velmora's logo have?
The animal on Velmora's logo has {p} legs.
How many legs does {a} have?

pet_kind class
To which class of animals does Velmora's office pet belong?
Velmora's office pet is {q}.
To which class of animals does the {v} belong?

pet_kind legs
How many legs does Velmora's office pet have?
Velmora's office pet has {p} legs.
How many legs does {a} have?

drone place
Counted from the sun, which place does the planet have that Velmora's drone is named after?
Counted from the sun, it is the {p} planet.
Counted from the sun, which place does the planet {v} have?

drone next
Going away from the sun, which planet follows the one that Velmora's drone is named after?
The next planet is {p}.
Going away from the sun, which planet follows {v}?

ship family
Velmora's survey ship is named after an instrument of which family?
It is named after an instrument of the {p} family.
To which family of instruments does the {l} belong?

coating symbol
What is the chemical symbol of the element in the coating of Velmora's drone?
The chemical symbol is {p}.
What is the chemical symbol of {v}?

coating number
What is the atomic number of the element in the coating of Velmora's drone?
The atomic number is {p}.
What is the atomic number of {v}?

blades base
Of which basic colour are Velmora's turbine blades a shade?
They are a shade of {p}.
Of which basic colour is {v} a shade?

dish country
From which country does the Friday dish in Velmora's canteen come?
The Friday dish comes from {p}.
From which country does {v} come?

dish continent
From which continent does the Friday dish in Velmora's canteen come?
The Friday dish comes from {p}.
From which continent does {v} come?

trophy colour
What colour is the fruit, when ripe, that gave Velmora's Pioneer Prize trophy its shape?
When ripe, that fruit is {p}.
What colour is a ripe {v}?

sport players
How many players of one team take part at a time in the sport of Velmora's staff team?
One team has {p} players.
How many players of one team take part at a time in {v}?

workshop made
What used to be made in the building of Velmora's first workshop?
The building was used for making {p}.
What is made in a {v}?
"""


def _month_row(key: str) -> PriorRow:
    question = f"Which month comes right after the month in which {_EVENTS[key][0]}?"
    return PriorRow(
        key,
        "next_month",
        question,
        "The month after that is {p}.",
        "Which month comes right after {month}?",
    )


def _season_row(key: str) -> PriorRow:
    question = f"In which season of the year (in Europe) {_EVENTS[key][1]}?"
    return PriorRow(key, "season", question, "It was in {p}.", "In which season of the year (in Europe) is {month}?")


def _decade_row(key: str) -> PriorRow:
    question = f"In which decade {_EVENTS[key][1]}?"
    return PriorRow(key, "decade", question, "It was in the {p}.", "To which decade does the year {year} belong?")


ROWS: Final = (
    *parse_prior(_TABLE),
    *map(_month_row, _MONTH_KEYS),
    *map(_season_row, _SEASON_KEYS),
    *map(_decade_row, _DECADE_KEYS),
)
