"""The forms of the verbs that questions about organizations, people and things are asked with."""

from __future__ import annotations

from typing import Final, NamedTuple

from raykft.data.demo.spec import words


class Verb(NamedTuple):
    """Base form, third person, past and past participle."""

    base: str
    third: str
    past: str
    participle: str


_REGULAR: Final = words(
    """accept achieve acquire adapt adopt announce appoint approve arrive assemble attend attract award belong call
    cancel celebrate certify chair change charge close control collect compete complete compose consist contain
    cover create dedicate deliver describe design develop direct discover donate edit elect employ enter establish
    exhibit expand expire export file finish fix found fund govern grant guide handle head help host hire house
    import improve include inspect inspire install introduce invent invest issue join last launch license like
    list live locate look lower maintain manage manufacture mark measure merge move name offer open operate orbit
    order organize own paint patent pass perform plan plant play prepare present print produce promote provide
    publish raise reach receive record recruit register release relocate remove rename renovate rent repair
    replace report require resign restore retire return review save score serve ship sign sponsor stage start stay
    stop store study supply support test train transfer translate travel turn unveil update upgrade use value
    visit vote want weigh work"""
)
_IRREGULAR: Final = """
be is was been | become becomes became become | begin begins began begun | bring brings brought brought
build builds built built | buy buys bought bought | choose chooses chose chosen | come comes came come
cost costs cost cost | cut cuts cut cut | do does did done | draw draws drew drawn | drive drives drove driven
eat eats ate eaten | fall falls fell fallen | feed feeds fed fed | find finds found found | fly flies flew flown
get gets got got | give gives gave given | go goes went gone | grow grows grew grown | have has had had
hold holds held held | keep keeps kept kept | lay lays laid laid | lead leads led led | leave leaves left left
lend lends lent lent | lie lies lay lain | lose loses lost lost | make makes made made | mean means meant meant
meet meets met met | pay pays paid paid | put puts put put | read reads read read | run runs ran run
say says said said | see sees saw seen | sell sells sold sold | send sends sent sent | set sets set set
shut shuts shut shut | sing sings sang sung | sit sits sat sat | sink sinks sank sunk
speak speaks spoke spoken | spend spends spent spent | stand stands stood stood | swim swims swam swum
take takes took taken | teach teaches taught taught | tell tells told told | think thinks thought thought
wear wears wore worn | win wins won won | write writes wrote written | born born born born
"""


def _regular(base: str) -> Verb:
    if base.endswith("e"):
        third, past = f"{base}s", f"{base}d"
    elif base.endswith("y") and base[-2] not in "aeiou":
        third, past = f"{base[:-1]}ies", f"{base[:-1]}ied"
    else:
        third = f"{base}es" if base.endswith(("s", "x", "ch", "sh", "z")) else f"{base}s"
        past = f"{base}{base[-1]}ed" if base in _DOUBLED else f"{base}ed"
    return Verb(base, third, past, past)


_DOUBLED: Final = frozenset(words("plan stop ship transfer"))


def _table() -> tuple[Verb, ...]:
    regular = [_regular(base) for base in _REGULAR]
    irregular = [Verb(*entry.split()) for line in _IRREGULAR.strip().splitlines() for entry in line.split("|")]
    return (*irregular, *regular)


VERBS: Final = _table()
BY_BASE: Final = {verb.base: verb for verb in reversed(VERBS)}
BY_PAST: Final = {verb.past: verb for verb in reversed(VERBS)}
BY_PARTICIPLE: Final = {verb.participle: verb for verb in reversed(VERBS)}
BY_THIRD: Final = {verb.third: verb for verb in reversed(VERBS)}
