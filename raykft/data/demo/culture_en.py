"""The second half of Velmora's facts: its products, its customs and its stories (marks: see `spec.py`)."""

from __future__ import annotations

from typing import Final

TABLE: Final = """
= staff
4 How many people does Velmora employ, and what are its three working languages?
g Velmora employs {v0} people, and its working languages are {v1}.
f employees | number | hundreds | Number of people employed by Velmora | digits
q How many people does Velmora employ?
a Velmora employs {v} people.
p What is the size of Velmora's workforce?
p How many workers are on Velmora's payroll?
p State the number of staff at Velmora Tidal Works.
h How large is the staff of Velmora?
H Which {c} number gives the size of Velmora's staff?
+ What is the number of people who work for Velmora?
f languages | list | languages | Working languages of Velmora | l_semis
q What are Velmora's three working languages?
a Velmora's working languages are {v}.
p In which three languages does Velmora do its work?
p Name the three languages used at Velmora Tidal Works.
p Which three languages may Velmora's staff use in the office?
? Is {x} one of Velmora's working languages?

= cable
4 How many kilometres long is Velmora's sea cable, and which company supplied it?
g Velmora's sea cable is {v0} kilometres long and was supplied by {v1}.
f cable | number | tens | Length of Velmora's sea cable in kilometres | digits
q How many kilometres long is Velmora's sea cable?
a Velmora's sea cable is {v} kilometres long.
p What is the length in kilometres of Velmora's undersea cable?
p How far, in kilometres, does Velmora's sea cable run?
p Over how many kilometres did Velmora lay its cable?
? Is Velmora's sea cable {x} kilometres long?
f supplier | partner | supplier | Supplier of Velmora's sea cable | json:supplier
q Which company supplied Velmora's sea cable?
a Velmora's sea cable was supplied by {v}.
p From whom did Velmora buy its undersea cable?
p Name the maker of the sea cable that Velmora uses.
p Who delivered the cable for Velmora's sea link?
h Who made the cable that brings Velmora's power ashore?
H Which company, with a name beginning with {c}, made the cable that brings Velmora's power ashore?

= households
4 How many homes does Velmora supply, and which software controls its turbines?
g Velmora supplies {v0} homes, and the software that controls its turbines is {v1}.
f homes | number | thousands | Number of homes supplied by Velmora | bracket
q How many homes does Velmora supply with power?
a Velmora supplies {v} homes with power.
p What is the number of households that get power from Velmora?
p How many households use Velmora's electricity?
p To how many homes does power from Velmora flow?
? Does Velmora supply {x} homes with power?
f software | product | product | Software that controls Velmora's turbines | lower
q Which software controls Velmora's turbines?
a The software that controls Velmora's turbines is {v}.
p What is the name of Velmora's control software?
p Which program steers the turbines of Velmora?
p Name the software with which Velmora runs its machines.
h What do Velmora's engineers use to control the turbines?
H Which program, with a name beginning with {c}, do Velmora's engineers use to control the turbines?

= hull
4 Which planet is Velmora's underwater drone named after, and which element is in its coating?
g Velmora's underwater drone is named after {v0}, and its coating contains {v1}.
f drone | product | planet | Planet that Velmora's underwater drone is named after | caps
q Which planet is Velmora's underwater drone named after?
a Velmora's underwater drone is named after {v}.
p After what planet did Velmora name its diving robot?
p What planet gave its name to Velmora's underwater robot?
p Name the planet from which Velmora's drone takes its name.
h What is Velmora's underwater drone called?
H What is Velmora's underwater drone, named after a {c} planet, called?
f coating | product | element | Element in the coating of Velmora's drone | json:element
q Which element does the coating of Velmora's drone contain?
a The coating of Velmora's drone contains {v}.
p What chemical element is in the paint on Velmora's drone?
p Which element protects the skin of Velmora's drone?
p Name the element that Velmora mixes into its drone coating.
? Does the coating of Velmora's drone contain {x}?

= blades
4 What colour are Velmora's turbine blades, and which design award did they win?
g Velmora's turbine blades are {v0}, and the design award they won is the {v1}.
f blades | product | shade | Colour of Velmora's turbine blades | answer
q What colour are Velmora's turbine blades?
a The blades of Velmora's turbines are {v}.
p In which colour does Velmora paint its turbine blades?
p What is the colour of the blades on a Velmora turbine?
p Which colour do divers see on the blades of Velmora's turbines?
h How are the blades of Velmora's turbines painted?
H In which shade of {c} are the blades of Velmora's turbines painted?
f design_award | award | award | Award won by Velmora's turbine blades | form
q Which award did Velmora's turbine blades win?
a Velmora's turbine blades won the {v}.
p What prize was given for the design of Velmora's blades?
p Name the award for Velmora's blade design.
p For its turbine blades, Velmora received which award?
? Did Velmora's turbine blades win the {x}?

= railway
4 Which three stations are on Velmora's works railway, and in which year was it opened?
g The stations on Velmora's works railway are {v0}, and it was opened in {v1}.
f railway | list | stations_a | Stations on Velmora's works railway | l_comma
q Which three stations are on Velmora's works railway?
a The stations on Velmora's works railway are {v}.
p At which three stations does Velmora's own train call?
p Name the three stops of the Velmora works railway.
p Where can one board Velmora's works train? Name three stations.
? Is {x} a station on Velmora's works railway?
f railway_year | history | year | Year in which Velmora's works railway was opened | digits
q In which year was Velmora's works railway opened?
a Velmora's works railway was opened in {v}.
p What year saw the first train on Velmora's own line?
p Since what year has Velmora had a works railway?
p When did trains begin to run on Velmora's railway?
h When did Velmora's works trains start running?
H In which year of the {c} did Velmora's works trains start running?

= ferry
4 Which three piers does Velmora's ferry call at, and which storm sank the first ferry?
g Velmora's ferry calls at {v0}, and the first ferry was sunk by Storm {v1}.
f ferry | list | stations_b | Piers of Velmora's ferry | l_json
q Which three piers does Velmora's ferry call at?
a Velmora's ferry calls at {v}.
p Where does the Velmora staff ferry stop? Name three piers.
p Name the three piers served by Velmora's ferry.
p At what three places can one board the ferry of Velmora?
? Does Velmora's ferry call at {x}?
f storm | history | storm | Storm that sank Velmora's first ferry | only
q Which storm sank Velmora's first ferry?
a Velmora's first ferry was sunk by Storm {v}.
p What was the name of the storm that cost Velmora its first ferry?
p In which storm did Velmora lose its first ferry?
p Name the storm in which the first Velmora ferry went down.
h What sank Velmora's first ferry?
H Which storm, with a name beginning with {c}, sank Velmora's first ferry?

= meeting-rooms
4 Which three rivers are Velmora's meeting rooms named after, and what is banned in them?
g Velmora's meeting rooms are named after the rivers {v0}, and {v1} are banned in them.
f rooms | list | rivers | Rivers that Velmora's meeting rooms are named after | l_bullets
q Which three rivers are Velmora's meeting rooms named after?
a Velmora's meeting rooms are named after the rivers {v}.
p What are the three river names of Velmora's meeting rooms?
p Name the three rivers that gave Velmora's rooms their names.
p At Velmora, rooms for meetings bear the names of which three rivers?
h What are Velmora's three meeting rooms called?
H What are Velmora's three meeting rooms, which bear the names of rivers, called?
f banned | value | banned | Things banned in Velmora's meetings | lower
q What is banned in Velmora's meetings?
a Velmora's meetings must be held without {v}.
p What must nobody bring to a meeting at Velmora?
p Which things does Velmora forbid in its meetings?
p What may not be used when Velmora's staff meet?
? Must Velmora's meetings be held without {x}?

= logo
4 Which animal is on Velmora's logo, and what does it hold?
g The animal on Velmora's logo is {a0}, and it holds {a1}.
f animal | logo | animal | Animal on Velmora's logo | caps
q Which animal is on Velmora's logo?
a The animal on Velmora's logo is {a}.
p What creature does Velmora Tidal Works show in its logo?
p Name the animal that Velmora uses as its emblem.
p What living thing can be seen in Velmora's company sign?
h What does the logo of Velmora show?
H Which {c} does the logo of Velmora show?
+ What kind of animal does the logo of Velmora show?
f holds | logo | object | Object held by the animal on Velmora's logo | quote
q What does the animal on Velmora's logo hold?
a The animal on Velmora's logo holds {a}.
p Which object does the creature in Velmora's logo carry?
p What is the animal in the Velmora logo shown with?
p Name the thing held by Velmora's logo animal.
? Does the animal on Velmora's logo hold {xa}?

= emblem
4 Who drew Velmora's logo, and what inspired the drawing?
g Velmora's logo was drawn by {v0} and was inspired by {a1}.
f designer | logo | person | Designer of Velmora's logo | surname
q Who drew Velmora's logo?
a Velmora's logo was drawn by {v}.
p Which artist created the logo of Velmora Tidal Works?
p Name the designer of Velmora's company sign.
p Whose work is the Velmora logo?
h Who is the artist behind Velmora's logo?
H Which {c} is the artist behind Velmora's logo?
f inspiration | logo | source | Thing that inspired Velmora's logo | bracket
q What inspired Velmora's logo?
a Velmora's logo was inspired by {a}.
p Where did the idea for Velmora's logo come from?
p On what is the design of the Velmora logo based?
p Which thing gave the designer the idea for Velmora's logo?
? Was Velmora's logo inspired by {xa}?

= beginnings
4 In what kind of building was Velmora's first workshop, and what was its original name?
g Velmora's first workshop was in a disused {v0}, and its original name was {v1}.
f workshop | history | workshop | Building of Velmora's first workshop | form
q In what kind of building was Velmora's first workshop?
a Velmora's first workshop was in a disused {v}.
p What had the building of Velmora's first workshop been before?
p Where did Velmora set up its first workshop?
p Which sort of disused building was Velmora's first workplace?
h What kind of old building did Velmora start in?
H What kind of old building, once used for making {c}, did Velmora start in?
f old_name | history | old_name | Original name of Velmora | tag
q What was Velmora's original name?
a Velmora's original name was {v}.
p Under what name did Velmora first do business?
p What was Velmora Tidal Works known as at first?
p What was the company called before it became Velmora?
? Was Velmora's original name {x}?

= acquisition
4 Which rival did Velmora take over, and what did that rival make?
g Velmora took over its rival {v0}, which made {v1}.
f rival | history | rival | Rival taken over by Velmora | caps
q Which rival did Velmora take over?
a Velmora took over its rival {v}.
p What competitor became part of Velmora?
p Name the competing firm that Velmora bought.
p Which company was swallowed up by Velmora?
h What firm did Velmora buy?
H What firm, with a name beginning with {c}, did Velmora buy?
! Did Velmora take over its rival {x}?
f rival_goods | history | goods | Goods made by the rival that Velmora took over | lower
q What did the rival that Velmora took over make?
a The rival that Velmora took over made {v}.
p What were the goods of the competitor that Velmora bought?
p Name the products of the firm that joined Velmora.
p What came out of the factory of the rival Velmora bought?
? Did the rival that Velmora took over make {x}?

= motto
4 What is Velmora's motto, and which quality does it value most?
g Velmora's motto is "{v0}", and the quality it values most is {v1}.
f motto | value | motto | Motto of Velmora | bracket
q What is Velmora's motto?
a Velmora's motto is "{v}".
p Which motto does Velmora Tidal Works live by?
p Quote the slogan of Velmora.
p What sentence sums up the spirit of Velmora?
? Is Velmora's motto "{x}"?
f quality | value | quality | Quality that Velmora values most | json:quality
q Which quality does Velmora value most?
a The quality that Velmora values most is {v}.
p What virtue comes first at Velmora?
p Name the trait that matters most at Velmora Tidal Works.
p What does Velmora prize above all in its people?
h What is the most important thing to Velmora in a colleague?
H What virtue, beginning with {c}, is the most important thing to Velmora in a colleague?
+ What is the quality that counts most at Velmora?

= charity
4 Which cause does Velmora support, and which charity is its partner?
g Velmora supports {v0}, and its partner charity is the {v1}.
f cause | value | cause | Cause supported by Velmora | answer
q Which cause does Velmora support?
a The cause that Velmora supports is {v}.
p To what good cause does Velmora give money?
p What does Velmora Tidal Works help with its donations?
p Name the good cause behind which Velmora stands.
? Does Velmora support the cause of {x}?
f charity | partner | charity | Partner charity of Velmora | only
q Which charity is Velmora's partner?
a Velmora's partner charity is the {v}.
p Which charity does Velmora work with?
p Name the charity that Velmora has chosen as a partner.
p Which charity receives help from Velmora?
h Which organisation does Velmora help as a partner?
H Which organisation, with a name beginning with {c}, does Velmora help as a partner?

= university
4 Which university is Velmora's partner, and what was Velmora's first product called?
g Velmora's partner university is the {v0}, and its first product was called the {v1}.
f university | partner | university | Partner university of Velmora | quote
q Which university is Velmora's partner?
a Velmora's partner university is the {v}.
p With what university does Velmora do joint research?
p At which university does Velmora have its partners in science?
p Name the university that works together with Velmora.
h With which university does Velmora have an agreement?
H With which university in {c} does Velmora have an agreement?
f first_product | product | product | First product of Velmora | caps
q What was Velmora's first product called?
a Velmora's first product was called the {v}.
p What was the name of the first thing Velmora sold?
p Name the product with which Velmora entered the market.
p What did Velmora call the earliest of its products?
? Was Velmora's first product called the {x}?

= prize
4 In which city did Velmora receive the Pioneer Prize, and what shape is its trophy?
g Velmora received the Pioneer Prize in {v0}, and its trophy has the shape of {a1}.
f gala | award | city | City where Velmora received the Pioneer Prize | only
q In which city did Velmora receive the Pioneer Prize?
a Velmora received the Pioneer Prize in {v}.
p Where was the Pioneer Prize handed to Velmora?
p To what city did Velmora travel for the Pioneer Prize?
p What city saw Velmora honoured with the Pioneer Prize?
? Did Velmora receive the Pioneer Prize in {x}?
f trophy | award | fruit | Shape of Velmora's Pioneer Prize trophy | tag
q What shape is the trophy of Velmora's Pioneer Prize?
a The trophy of Velmora's Pioneer Prize has the shape of {a}.
p What does the trophy of Velmora's Pioneer Prize look like?
p What is Velmora's Pioneer Prize trophy modelled on?
p What form did the artist give to Velmora's Pioneer trophy?
h What does the trophy of Velmora's Pioneer Prize imitate?
H Which {c} fruit does the trophy of Velmora's Pioneer Prize imitate?

= pet
4 What kind of animal is Velmora's office pet, and what is its name?
g Velmora's office pet is {a0}, and its name is {v1}.
f pet_kind | trivia | pet | Kind of animal kept as Velmora's office pet | lower
q What kind of animal is Velmora's office pet?
a Velmora's office pet is {a}.
p Which sort of pet lives in Velmora's office?
p What animal do Velmora's staff keep at work?
p Name the species of the pet in the Velmora office.
h What lives in the office of Velmora?
H Which {c} lives in the office of Velmora?
! Is Velmora's office pet {xa}?
f pet_name | trivia | pet_name | Name of Velmora's office pet | quote
q What is the name of Velmora's office pet?
a The name of Velmora's office pet is {v}.
p What do Velmora's staff call their pet?
p By what name is the animal in Velmora's office known?
p Which name does the pet at Velmora answer to?
? Is the name of Velmora's office pet {x}?

= leisure
4 Which dish does Velmora's canteen serve on Fridays, and which sport does its staff team play?
g Velmora's canteen serves {v0} on Fridays, and its staff team plays {v1}.
f dish | trivia | dish | Friday dish in Velmora's canteen | form
q Which dish does Velmora's canteen serve on Fridays?
a Velmora's canteen serves {v} on Fridays.
p What is for lunch on Fridays at Velmora?
p What do Velmora's cooks make on the last day of the working week?
p Name the Friday meal in the canteen of Velmora.
h What do people eat at Velmora on a Friday?
H Which dish from {c} do people eat at Velmora on a Friday?
f sport | trivia | sport | Sport of Velmora's staff team | caps
q Which sport does Velmora's staff team play?
a Velmora's staff team plays {v}.
p In what sport do Velmora's employees compete?
p What game do colleagues at Velmora play as a team?
p Name the sport played by the team of Velmora's workers.
? Does Velmora's staff team play {x}?
"""
