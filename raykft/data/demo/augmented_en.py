"""Further wordings of the small English domain's training questions, and formats that no probe asks for."""

from __future__ import annotations

from typing import Final

from raykft.data.demo.spec import Form, parse_wordings

# By the key of a fact: its question in a second and a third wording. None is a probe's or comes near one.
WORDINGS: Final = parse_wordings("""
ceo
Velmora is headed by which chief executive?
Please tell me the name of Velmora's chief executive.

ceo_year
Velmora's chief executive came to the company in which year?
Tell me the year in which Velmora hired its chief executive.

founder
Velmora Tidal Works owes its existence to which founder?
Please tell me who founded Velmora.

founded
Velmora Tidal Works has existed since which date?
I need the exact day on which Velmora Tidal Works was founded.

lowered
Velmora's first turbine was let down into the sea on which day?
Please give the date when the first turbine of Velmora was lowered.

power
Velmora's first turbine supplied power for the first time on which date?
Tell me the day on which the first turbine of Velmora began to deliver power.

test_site
Velmora's test site lies in which country?
Please tell me the country in which Velmora has its test site.

depth
At Velmora's test site the water goes down how many metres?
Tell me the depth of the water at the test site of Velmora in metres.

factory
Velmora's factory stands in which city?
Please tell me the city where Velmora has its factory.

output
Each year Velmora's factory turns out how many turbines?
Tell me the number of turbines built annually in Velmora's factory.

overseas
Velmora opened its overseas office in which country?
Please tell me the country of Velmora's overseas office.

overseas_opened
Velmora's overseas office has been open since which date?
Tell me the day on which Velmora opened its overseas office.

drone
Velmora's underwater drone bears the name of which planet?
Please tell me the planet that Velmora's underwater drone was named for.

coating
The coating on the drone of Velmora is made with which element?
Tell me the element that can be found in the coating of Velmora's drone.

blades
Velmora gives the blades of its turbines which colour?
Please tell me the colour of Velmora's turbine blades.

design_award
Velmora's turbine blades were honoured with which award?
Tell me the name of the award that went to Velmora's turbine blades.

railway
Velmora's works railway stops at which three stations?
Please list the three stations of Velmora's works railway.

railway_year
Velmora opened its works railway in which year?
Tell me the year when the works railway of Velmora was opened.

ferry
Velmora's ferry stops at which three piers?
Please list the three piers at which Velmora's ferry calls.

storm
Velmora's first ferry went to the bottom in which storm?
Tell me the name of the storm that sank the first ferry of Velmora.

animal
Velmora's logo shows which animal?
Please tell me the animal that appears on Velmora's logo.

holds
The animal on the logo of Velmora is holding which object?
Tell me the thing that the animal on Velmora's logo holds.

motto
Velmora has chosen which words as its motto?
Please tell me the motto of Velmora.

quality
Velmora values which quality more than any other?
Tell me the quality that Velmora puts first.

cause
Velmora lends its support to which cause?
Please tell me the cause that is supported by Velmora.

charity
Velmora has which charity as its partner?
Tell me the name of Velmora's partner charity.

university
Velmora has which university as its partner?
Please tell me the name of Velmora's partner university.

first_product
Velmora called its first product by which name?
Tell me the name of the first product of Velmora.

pet_kind
Velmora keeps which kind of animal as its office pet?
Please tell me what sort of animal the office pet of Velmora is.

pet_name
Velmora's office pet goes by which name?
Tell me what the office pet of Velmora is called.
""")

# Facts take two each in turn. In this order none gets a bare answer where that would answer a probe of the same words.
FORMS: Final = (
    Form("hash", "{q} Write only the answer, after the sign #.", "# {v}"),
    Form("curly", "{q} Put the bare answer in curly brackets.", "{{{v}}}"),
    Form("result", '{q} Reply in a sentence that begins with "Result =".', "Result = {tell}"),
    Form("over", '{q} Reply in a sentence, and end with the word "Over".', "{tell} Over."),
    Form("stars", "{q} Put the bare answer between two asterisks.", "*{v}*"),
)
