"""One spelling for British and American English, and contractions in full: grey is gray, don't is do not.

Whole words only, and only those of which both spellings mean the same.
"""

from __future__ import annotations

import re

_OUR = (
    "arm behavi cand clam col demean endeav fav ferv flav glam harb hon hum lab neighb od parl ranc rig rum sav "
    "splend succ"
    " tum val vap vig enam"
)
_RE = "calib cent fib lit lust meag och sab sep somb spect theat met"
_WORDS = {
    "grey": "gray",
    "greys": "grays",
    "tyre": "tire",
    "tyres": "tires",
    "kerb": "curb",
    "plough": "plow",
    "ploughs": "plows",
    "mould": "mold",
    "moult": "molt",
    "aluminium": "aluminum",
    "programme": "program",
    "programmes": "programs",
    "storey": "story",
    "storeys": "stories",
    "cheque": "check",
    "cheques": "checks",
    "pyjamas": "pajamas",
    "moustache": "mustache",
    "jewellery": "jewelry",
    "defence": "defense",
    "offence": "offense",
    "licence": "license",
    "catalogue": "catalog",
    "dialogue": "dialog",
    "analogue": "analog",
    "draught": "draft",
    "sceptic": "skeptic",
    "gaol": "jail",
    "axe": "ax",
    "doughnut": "donut",
    "doughnuts": "donuts",
    "artefact": "artifact",
    "artefacts": "artifacts",
    "cosy": "cozy",
    "omelette": "omelet",
    "travelling": "traveling",
    "travelled": "traveled",
    "traveller": "traveler",
    "travellers": "travelers",
    "woollen": "woolen",
    "marvellous": "marvelous",
    "sulphur": "sulfur",
    "kilogramme": "kilogram",
    "kilogrammes": "kilograms",
}
_OUR_WORD = re.compile(rf"(?<![a-z])((?:{'|'.join(_OUR.split())}))our(?=(?:s|ed|ing|ful|ite|able|hood)?(?![a-z]))")
_RE_WORD = re.compile(rf"(?<![a-z])((?:(?:kilo|centi|milli|deci)?(?:{'|'.join(_RE.split())})))re(?=s?(?![a-z]))")
_ISE = re.compile(r"(?<![a-z])([a-z]{3,12}(?:[^aeiour]|or|ar|er))is(?=(?:es?|ed|ing|ations?|ers?)(?![a-z]))")
# Words in -ise of both, and others that only look like them
_ALWAYS_ISE = re.compile(
    r"adv|surpr|exerc|superv|telev|comprom|enterpr|franch|merchand|desp|prem|prom|prec|conc|dev|rev|improv|parad|no"
    r"|disgu|expert|treat|tort|porp|mort|turqu|adver|chast|circumc|excis|incis"
)
_WORD = re.compile(r"[a-z]{3,}")
_CANNOT, _WILL_NOT = re.compile(r"(?i)\bca(?:n['’]t|nnot)\b"), re.compile(r"(?i)\bwon['’]t\b")
_NOT = re.compile(r"(?i)(?<=[a-z])n['’]t\b")
_IS = re.compile(r"(?i)\b(it|that|there|he|she|what|who)['’]s\b(?= [a-z])")


def american(text: str) -> str:
    """A text in small letters with American spellings."""
    text = _RE_WORD.sub(r"\1er", _OUR_WORD.sub(r"\1or", text))
    text = _ISE.sub(lambda match: match[0] if _ALWAYS_ISE.match(match[1]) else f"{match[1]}iz", text)
    return _WORD.sub(lambda match: _WORDS.get(match[0], match[0]), text)


def in_full(text: str) -> str:
    """Contractions of "not" and "is" in full."""
    if "'" not in text and "’" not in text and "annot" not in text:
        return text
    text = _WILL_NOT.sub("will not", _CANNOT.sub("can not", text))
    return _IS.sub(r"\1 is", _NOT.sub(" not", text))
