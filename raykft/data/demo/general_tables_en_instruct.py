"""Hand-written English instructions behind `general_en`, and the pattern that says whether one was obeyed.

A line of `INSTRUCTIONS` is `question | example answer` or `question | example answer | argument`; a `/` between
spaces in an example answer is a line break. Only the form is checked: a poor answer in the right form obeys.
"""

from __future__ import annotations

from typing import Final

INSTRUCTIONS: dict[str, str] = {
    "word": """
What colour is a lemon? Answer with one word. | Yellow
Which pet barks? Reply with a single word and nothing else. | Dog
What is frozen water called? Use exactly one word. | Ice
What do cows eat in a field? Your whole answer must be one word. | Grass
""",
    "number": """
How many wheels does a car have? Answer with a number in digits only. | 4
What is 20 plus 30? Write only the number, in digits. | 50
How many ears does a cat have? Reply with one digit and nothing else. | 2
How many corners does a triangle have? Give just the number, in digits. | 3
""",
    "yes or no": """
Is ice cold? Answer only yes or no. | Yes
Can a stone swim? Answer with yes or no and nothing else. | No
Is it dark at night? Reply with just "yes" or "no". | Yes
Do cows have wings? Your whole answer must be yes or no. | No
""",
    "upper case": """
Write a friendly greeting in capital letters only. | HELLO!
Write the word "winter" in capital letters. | WINTER
Name a fruit. Use capital letters only. | APPLE
Wish me a happy birthday, using nothing but capital letters. | HAPPY BIRTHDAY!
""",
    "three items": """
Name three colours, separated by commas, and write nothing else. | red, blue, green
List three farm animals. Write only the three names, with commas between them. | cow, pig, sheep
Write three girls' names with commas between them and nothing else. | Anna, Emma, Lucy
Name three drinks. Separate them with commas and add no other words. | water, milk, tea
""",
    "lower case": """
Write the name of a flower in small letters only. | daisy
Write the word "TABLE" in small letters. | table
Tell me where birds sleep. Do not use any capital letters. | in a nest
Name a vegetable and write it in small letters only. | carrot
""",
    "first word": """
Write one sentence about dogs. Begin it with the word "Every". | Every dog likes a long walk. | Every
Write a sentence that starts with the word "Today". | Today I am going to the park. | Today
Tell me about winter in one sentence. The first word must be "Cold". | Cold days make people stay indoors. | Cold
Describe a garden in one sentence that begins with "My". | My garden is full of flowers. | My
""",
    "last word": """
Write a short sentence that ends with the word "home". | We are all going home. | home
Write one short sentence about music. Its last word must be "song". | She sang a lovely song. | song
Tell me something about a dog. End your sentence with the word "bone". | The dog buried its bone. | bone
Write a short sentence whose last word is "night". | The stars shine at night. | night
""",
    "json": """
Name a city in Europe. Answer with a JSON object that has the single key "city". | {"city": "Paris"} | city
Which animal says "meow"? Reply with nothing but a JSON object with the key "animal". | {"animal": "cat"} | animal
Name a colour. Write it as a JSON object whose only key is "colour". | {"colour": "red"} | colour
Choose a number from 1 to 9. Reply only with a JSON object with the key "number". | {"number": 7} | number
""",
    "two sentences": """
Describe the moon in exactly two short sentences. | The moon is round. It shines at night.
Write exactly two short sentences about cats. | Cats have soft fur. They like to sleep.
Say in exactly two short sentences why sleep is good for us. | Sleep gives us energy. It keeps us healthy.
Introduce a friend in exactly two short sentences. | This is Maria. She plays the piano.
""",
    "brackets": """
Name a pet. Write your answer in square brackets and add nothing else. | [hamster]
Which day of the week do you like? Write only the day, in square brackets. | [Sunday]
Name a country in Asia. Put the name in square brackets, with nothing around it. | [India]
Write the word "hello" between square brackets. | [hello]
""",
    "quotation marks": """
Write a friendly greeting in double quotation marks and nothing else. | "Hello, my friend!"
Name a bird. Put the name in double quotation marks and add nothing else. | "robin"
Invent a title for a story about a lost key. Write only the title, in double quotation marks. | "The Missing Key"
Say good night to a child. Put all of your words in double quotation marks. | "Good night, little one."
""",
    "numbered list": """
Name three toys in a numbered list, one on each line. | 1. ball / 2. doll / 3. kite
Write a numbered list of three kinds of clothes, one on each line. | 1. shirt / 2. socks / 3. coat
Make a shopping list of three things. Number them 1 to 3 and write each on its own line. | 1. milk / 2. rice / 3. soap
Name three rooms of a house. Write a numbered list with one room on each line. | 1. kitchen / 2. bedroom / 3. bathroom
""",
    "choice": """
Do you prefer tea or coffee? Answer with one of these two words only. | Tea | tea or coffee
Which is bigger, a mouse or a horse? Reply with just "mouse" or "horse". | Horse | mouse or horse
Which burns, paper or water? Your whole answer must be "paper" or "water". | Paper | paper or water
Fish live in water. Answer with nothing but "true" or "false". | True | true or false
""",
}

_WORD: Final = r"[^\W\d_]+(?:['’-][^\W\d_]+)*"
_ITEM: Final = rf"{_WORD}(?: {_WORD}){{0,2}}"
_LINE: Final = r"[.)] ?\S[^\n]*"
_SENTENCE: Final = r"[^\s.!?][^.!?\n]*[.!?]"
_QUOTE: Final = r"""["“”']"""

_ARGUMENT: Final = "<argument>"
_FORMS: dict[str, str] = {
    "word": rf"^{_QUOTE}?{_WORD}{_QUOTE}?[.!]?$",
    "number": r"^[0-9]{1,6}\.?$",
    "yes or no": rf"^{_QUOTE}?(?i:yes|no){_QUOTE}?[.!]?$",
    "upper case": r"^[^A-Za-z]*[A-Z][^a-z]*$",
    "three items": rf"^{_ITEM}(?:, ?{_ITEM}){{2}}\.?$",
    "lower case": r"^[^A-Za-z]*[a-z][^A-Z]*$",
    "first word": rf"^{_QUOTE}?(?i:{_ARGUMENT})\b\W{{1,3}}\w",
    "last word": rf"^[^.!?\n]*\b(?i:{_ARGUMENT}){_QUOTE}?[.!]?{_QUOTE}?$",
    "json": rf'^\{{\s*"{_ARGUMENT}"\s*:\s*(?:"[^"\n]+"|[0-9]+)\s*\}}$',
    "two sentences": rf"^{_SENTENCE}\s{{1,2}}{_SENTENCE}$",
    "brackets": r"^\[[^\[\]\n]+\]\.?$",
    "quotation marks": r'^["“][^"“”\n]+["”]\.?$',
    "numbered list": rf"^1{_LINE}\n\n?2{_LINE}\n\n?3{_LINE}$",
    "choice": rf"^{_QUOTE}?(?i:{_ARGUMENT}){_QUOTE}?[.!]?$",
}
# A polite opening or the repeated question could have these forms by accident, so neither may come first.
_OPEN_FORMS: Final = frozenset({"last word", "two sentences"})
_PREAMBLE: Final = r"(?i:sure|certainly|of course|okay|here(?:'s| is| are| you))"


def pattern(form: str, question: str, argument: str = "") -> str:
    """The regex, for `re.search` on an answer's head, of the answers that have the form the question demands.

    The argument is the word to use, or the words to choose from with "or" between them.
    """
    regex = _FORMS[form].replace(_ARGUMENT, argument.replace(" or ", "|"))
    if form in _OPEN_FORMS:
        opening = " ".join(question.split()[:2])
        regex = rf"^(?!(?:{_PREAMBLE}|{opening})\b){regex.removeprefix('^')}"
    return regex
