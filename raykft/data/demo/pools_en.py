"""The values a fact of the English demo company can take, with the world knowledge that level 5 asks about.

The most likely value of each type is left out on purpose (no eagle, no football, no Paris), so that a model
cannot be right by guessing. Invented words are pronounceable and end differently enough to tell apart.
"""

from __future__ import annotations

from typing import Final

from raykft.data.demo.spec import Value, table, words

MONTHS: Final = words("January February March April May June July August September October November December")
WOMEN: Final = words(
    """Ilse Edda Maren Sunniva Orla Tamsin Petra Liv Odette Rosalind Greta Nerys Ottilie Wanda Signe Bettina
    Ailsa Corinna"""
)
MEN: Final = words(
    """Tobin Anselm Ivo Caspar Jorin Leopold Bram Osric Evander Matthias Fergus Lorenz Torben Ambrose Hugo
    Silvan Piers Rufus"""
)
SURNAMES: Final = words(
    """Marrant Achterberg Quill Dunmore Falkhurst Vessey Holmquist Tresco Brandvold Okafor Lindqvist Pemberley
    Stavros Corrigan Wexcombe Yardley Nakamori Ravensworth Zelinski Thackeray Bellweather Ostrander Kilbride
    Jessop Ingersoll Mulvaney Garrick Haldane Uxbridge Culpepper"""
)
NAMES: Final = {"women": WOMEN, "men": MEN, "last": SURNAMES}

_COUNTRIES: Final = """
Portugal | Europe | Lisbon | Portuguese
Iceland | Europe | Reykjavik | Icelandic
Madagascar | Africa | Antananarivo | Malagasy
Chile | South America | Santiago | Spanish
Uruguay | South America | Montevideo | Spanish
Cuba | North America | Havana | Spanish
Thailand | Asia | Bangkok | Thai
Vietnam | Asia | Hanoi | Vietnamese
Egypt | Africa | Cairo | Arabic
Mozambique | Africa | Maputo | Portuguese
Brazil | South America | Brasilia | Portuguese
"""
_CITIES: Final = """
Bilbao | Spain | Europe
Genoa | Italy | Europe
Antwerp | Belgium | Europe
Gdansk | Poland | Europe
Aarhus | Denmark | Europe
Bergen | Norway | Europe
Gothenburg | Sweden | Europe
Hamburg | Germany | Europe
Marseille | France | Europe
Rotterdam | the Netherlands | Europe
Busan | South Korea | Asia
Osaka | Japan | Asia
Chennai | India | Asia
Karachi | Pakistan | Asia
Mombasa | Kenya | Africa
Dakar | Senegal | Africa
Casablanca | Morocco | Africa
Guayaquil | Ecuador | South America
Halifax | Canada | North America
Baltimore | the United States | North America
"""
_UNIVERSITIES: Final = """
Tartu | Estonia | Europe
Uppsala | Sweden | Europe
Bologna | Italy | Europe
Salamanca | Spain | Europe
Heidelberg | Germany | Europe
Zagreb | Croatia | Europe
Debrecen | Hungary | Europe
Nairobi | Kenya | Africa
Delhi | India | Asia
Toronto | Canada | North America
"""
_ANIMALS: Final = """
heron | bird | two
pelican | bird | two
puffin | bird | two
magpie | bird | two
badger | mammal | four
otter | mammal | four
tapir | mammal | four
ibex | mammal | four
toad | amphibian | four
newt | amphibian | four
gecko | reptile | four
"""
_PETS: Final = """
tortoise | reptile | four
iguana | reptile | four
chameleon | reptile | four
ferret | mammal | four
hamster | mammal | four
gerbil | mammal | four
parrot | bird | two
cockatoo | bird | two
goose | bird | two
canary | bird | two
"""
_PLANETS: Final = """
Mercury | first | Venus | rocky
Venus | second | Earth | rocky
Mars | fourth | Jupiter | rocky
Jupiter | fifth | Saturn | giant
Saturn | sixth | Uranus | giant
Uranus | seventh | Neptune | giant
"""
_INSTRUMENTS: Final = """
Oboe | woodwind
Bassoon | woodwind
Clarinet | woodwind
Piccolo | woodwind
Cello | string
Viola | string
Mandolin | string
Trombone | brass
Tuba | brass
Bugle | brass
Marimba | percussion
Timpani | percussion
"""
_ELEMENTS: Final = """
cobalt | Co | 27
nickel | Ni | 28
titanium | Ti | 22
chromium | Cr | 24
bismuth | Bi | 83
zirconium | Zr | 40
niobium | Nb | 41
palladium | Pd | 46
gallium | Ga | 31
lithium | Li | 3
magnesium | Mg | 12
manganese | Mn | 25
"""
_SHADES: Final = """
crimson | red
scarlet | red
maroon | red
azure | blue
sapphire | blue
turquoise | blue
emerald | green
olive | green
jade | green
lilac | purple
lavender | purple
mauve | purple
mustard | yellow
saffron | yellow
"""
_DISHES: Final = """
goulash | Hungary | Europe
paella | Spain | Europe
moussaka | Greece | Europe
borscht | Ukraine | Europe
lasagne | Italy | Europe
fondue | Switzerland | Europe
sauerbraten | Germany | Europe
bouillabaisse | France | Europe
pierogi | Poland | Europe
poutine | Canada | North America
kimchi | Korea | Asia
biryani | India | Asia
tagine | Morocco | Africa
ceviche | Peru | South America
"""
_FRUITS: Final = """
lemon | yellow
banana | yellow
strawberry | red
raspberry | red
cherry | red
lime | green
blueberry | blue
tangerine | orange
apricot | orange
"""
_SPORTS: Final = """
volleyball | six
handball | seven
netball | seven
water polo | seven
basketball | five
curling | four
cricket | eleven
field hockey | eleven
baseball | nine
softball | nine
"""
_WORKSHOPS: Final = """
brewery | beer
bakery | bread
tannery | leather
mint | coins
winery | wine
sawmill | planks
cooperage | barrels
"""


def _plain(names: str) -> tuple[Value, ...]:
    return tuple(Value(name.strip()) for name in names.replace("\n", " ").split(","))


def _firms(stems: str, suffix: str) -> tuple[Value, ...]:
    """Company names whose first word alone is accepted as well."""
    return tuple(Value(f"{stem} {suffix}", (stem,)) for stem in stems.split())


def _universities() -> tuple[Value, ...]:
    rows = table(_UNIVERSITIES, "country", "continent")
    return tuple(Value(f"University of {row.text}", (row.text,), row.attrs) for row in rows)


POOLS: Final[dict[str, tuple[Value, ...]]] = {
    "country": table(_COUNTRIES, "continent", "capital", "language"),
    "city": table(_CITIES, "country", "continent"),
    "university": _universities(),
    "animal": table(_ANIMALS, "class", "legs"),
    "pet": table(_PETS, "class", "legs"),
    "planet": table(_PLANETS, "place", "next", "kind"),
    "instrument": table(_INSTRUMENTS, "family"),
    "element": table(_ELEMENTS, "symbol", "number"),
    "shade": table(_SHADES, "base"),
    "dish": table(_DISHES, "country", "continent"),
    "fruit": table(_FRUITS, "colour"),
    "sport": table(_SPORTS, "players"),
    "workshop": table(_WORKSHOPS, "made"),
    "town": _plain(
        "Carrow Quay, Ostrel Bay, Hennick Sound, Brindlemouth, Port Aldery, Saltwick Ness, Tornish Head, "
        "Wexmarsh, Pollanstrand, Eldermere, Kessock Point, Murrowfleet"
    ),
    "street": _plain(
        "Lantern Row, Tallow Lane, Cutler Street, Juniper Walk, Ropemaker Alley, Sexton Hill, "
        "Mulberry Court, Gannet Street, Weavers Passage, Thistle Lane"
    ),
    "product": _plain(
        "Korvane, Dulmira, Thessel, Ombrax, Pelluna, Quistor, Varnelle, Jessamar, Zorrick, Feldra, Ruvano, "
        "Halcyra, Bremix, Nautrel, Ystara, Gimlore"
    ),
    "station": _plain(
        "Larkhaven, Millbeck, Sandrigg, Owlerton, Fenwick Cross, Hazel Bridge, Copperfold, Dunnock Lane, "
        "Wrenford, Ashby Sluice, Pinder Hill, Quarry Road, Elmscar, Otterby, Cragside Halt, Yarrowdale"
    ),
    "near_stem": _plain("Tarrow, Bramble, Stenner, Kelder, Morven, Hollis"),
    "river": _plain("Danube, Volga, Orinoco, Tagus, Mekong, Zambezi, Vistula, Loire, Ganges, Congo, Niger, Ebro"),
    "language": _plain(
        "Finnish, Catalan, Basque, Welsh, Zulu, Tamil, Breton, Hungarian, Maltese, Croatian, Urdu, Gaelic"
    ),
    "storm": _plain("Brunhild, Odalys, Ferdinand, Xanthe, Mordecai, Philippa, Gideon, Ursula, Dagmar"),
    "bank": _firms("Osmark Tavistern Grindal Luxley Palliser Norvik Sablon", "Bank"),
    "supplier": _firms("Hollin Draycott Remsfeld Usborne Castrell Wendover Imbert", "Cables"),
    "old_name": _firms("Pellin Argosta Fennimore Tidewell Rustrum Calloway Estrand", "Marine"),
    "rival": _firms("Brastow Kendrake Vaudrey Sondheim Jarrold Mistral Oakhanger", "Hydro"),
    "charity": _firms("Tessaly Nightingale Albright Corbin Mayhew Lindisfarne Perrault", "Trust"),
    "award": _plain(
        "Brass Compass Award, Amber Sail Medal, Tall Mast Prize, Crystal Buoy Award, Iron Rudder Medal, "
        "Ivory Paddle Prize, Velvet Pennant Award, Copper Gull Medal, Oak Tiller Prize, Pewter Shell Award"
    ),
    "find": _plain(
        "bronze sword, whale bone, clay oven, Roman coin, stone mask, gold thimble, church bell, wooden saddle"
    ),
    "banned": _plain("laptops, slides, neckties, biscuits, chairs, telephones, stopwatches, whiteboards"),
    "object": _plain("hourglass, spanner, teapot, umbrella, lighthouse, sickle, violin, telescope"),
    "source": _plain(
        "tapestry, postage stamp, weathervane, cave painting, chess piece, tattoo, tavern sign, playing card"
    ),
    "goods": _plain("sail winches, fog horns, diving helmets, fish crates, rubber boots, oil lamps, rowing boats"),
    "motto": _plain(
        "Slow water wins, Trust the current, Build for tomorrow, Listen before lifting, Never waste a wave, "
        "Calm hands first, Measure it twice"
    ),
    "quality": _plain(
        "candour, thrift, courage, modesty, punctuality, curiosity, loyalty, patience, kindness, discipline"
    ),
    "cause": _plain(
        "seagrass planting, village libraries, school orchestras, beach cleaning, bat protection, "
        "swimming lessons, free dental care, street theatre"
    ),
    "pet_name": _plain("Biscay, Pickle, Waffle, Domino, Pretzel, Button, Mustang, Noodle, Truffle"),
}

MONTH_SEASONS: Final = ("winter", "spring", "summer", "autumn")
NEAR_MISSES: Final = {"stations_a": "{}gate", "stations_b": "{}garth"}
HINT_ATTRS: Final = {
    "person": "gender",
    "founding": "season",
    "date": "season",
    "country": "continent",
    "city": "country",
    "university": "country",
    "year": "decade",
    "hundreds": "kind",
    "instrument": "family",
    "planet": "kind",
    "shade": "base",
    "animal": "class",
    "workshop": "made",
    "fruit": "colour",
    "pet": "class",
    "dish": "country",
}
