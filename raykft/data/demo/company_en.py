"""The first half of Velmora's facts: its people, its beginnings and its sites (the marks are in `spec.py`).

No sentence may contain a digit or a word that could be drawn as a value: the generator drops such values.
"""

from __future__ import annotations

from typing import Final

TABLE: Final = """
= chief
4 Who is Velmora's chief executive, and in which year did this person join the company?
g Velmora's chief executive is {v0}, who joined the company in {v1}.
f ceo | role | person | Chief executive of Velmora | form
q Who is Velmora's chief executive?
a Velmora's chief executive is {v}.
p Who is the CEO of Velmora Tidal Works?
p Name the person at the top of Velmora's management.
p Who leads the whole company at Velmora Tidal Works?
h Who is in charge of Velmora?
H Which {c} is in charge of Velmora?
! Is Velmora's chief executive {x}?
f ceo_year | history | year | Year in which Velmora's chief executive joined | digits
q In which year did Velmora's chief executive join the company?
a Velmora's chief executive joined the company in {v}.
p Since what year has the head of Velmora worked there?
p When did Velmora's CEO start at the company?
p The boss of Velmora Tidal Works arrived in what year?
? Did Velmora's chief executive join the company in {x}?

= origin
4 Who founded Velmora Tidal Works, and on what date was it founded?
g Velmora Tidal Works was founded by {v0} on {v1}.
f founder | role | person | Founder of Velmora | surname
q Who founded Velmora Tidal Works?
a Velmora Tidal Works was founded by {v}.
p Who set up the company called Velmora?
p What is the name of Velmora's founder?
p Which person created Velmora Tidal Works?
? Was Velmora Tidal Works founded by {x}?
f founded | date | founding | Founding date of Velmora | iso
q When was Velmora Tidal Works founded?
a Velmora Tidal Works was founded on {v}.
p On what date did Velmora begin to exist?
p What is the founding date of Velmora?
p Give the day, month and year when Velmora was established.
h When did the company Velmora come into being?
H On which {c} day did the company Velmora come into being, and in what year?
+ What is the date on which Velmora was set up?

= engine
4 Who is Velmora's chief engineer, and what is its flagship turbine called?
g Velmora's chief engineer is {v0}, and its flagship turbine is called the {v1}.
f engineer | role | person | Chief engineer of Velmora | json:engineer
q Who is Velmora's chief engineer?
a Velmora's chief engineer is {v}.
p Who heads the engineering team at Velmora?
p Which person is responsible for all engineering at Velmora?
p Name the top engineer of Velmora Tidal Works.
h Who decides on engineering matters at Velmora?
H Which {c} decides on engineering matters at Velmora?
f turbine | product | product | Velmora's flagship turbine | caps
q What is Velmora's flagship turbine called?
a Velmora's flagship turbine is called the {v}.
p Under what name does Velmora sell its most important turbine?
p Name the main turbine model of Velmora Tidal Works.
p Which turbine is the leading model in Velmora's range?
? Is Velmora's flagship turbine called the {x}?

= money
4 Who is Velmora's finance director, and how large is its share capital?
g Velmora's finance director is {v0}, and its share capital is {v1} euros.
f finance | role | person | Finance director of Velmora | quote
q Who is Velmora's finance director?
a Velmora's finance director is {v}.
p Who manages the money at Velmora Tidal Works?
p What is the name of Velmora's CFO?
p Which person is in charge of Velmora's finances?
h Who signs off the budget at Velmora?
H Which {c} signs off the budget at Velmora?
! Is Velmora's finance director {x}?
f capital | number | millions | Share capital of Velmora in euros | bracket
q How large is Velmora's share capital?
a Velmora's share capital is {v} euros.
p What sum in euros is the share capital of Velmora?
p How many euros of share capital does Velmora have?
p State the share capital of Velmora Tidal Works.
? Is Velmora's share capital {x} euros?

= laboratory
4 Who is Velmora's head of research, and where is its research laboratory?
g Velmora's head of research is {v0}, and its research laboratory is in {v1}.
f research | role | person | Head of research at Velmora | tag
q Who is Velmora's head of research?
a Velmora's head of research is {v}.
p Who directs the scientific work at Velmora?
p Name the person who runs research at Velmora Tidal Works.
p Who is the leading researcher at Velmora?
h Who tells Velmora's scientists what to work on?
H Which {c} tells Velmora's scientists what to work on?
+ Which person is the head of research at Velmora?
f lab | place | town | Town of Velmora's research laboratory | lower
q Where is Velmora's research laboratory?
a Velmora's research laboratory is in {v}.
p In which town does Velmora do its laboratory research?
p What is the location of the Velmora research lab?
p Where would you go to visit Velmora's laboratory?
? Is Velmora's research laboratory in {x}?

= safety
4 Who is Velmora's safety officer, and which safety award did the company win?
g Velmora's safety officer is {v0}, and the safety award it won is the {v1}.
f safety | role | person | Safety officer of Velmora | answer
q Who is Velmora's safety officer?
a Velmora's safety officer is {v}.
p Who looks after safety at work at Velmora?
p Which person must make sure that Velmora's staff stay safe?
p Name the officer for safety at Velmora Tidal Works.
h Whom do Velmora's workers tell about a safety risk?
H Which {c} do Velmora's workers tell about a safety risk?
? Is Velmora's safety officer {x}?
f safety_award | award | award | Safety award won by Velmora | quote
q Which award did Velmora win for safety?
a Velmora's award for safety is the {v}.
p What prize was given to Velmora for its safe work?
p What is the name of Velmora's safety award?
p Velmora was honoured for safety with which award?

= press-office
4 Who is Velmora's press officer, and when was its website launched?
g Velmora's press officer is {v0}, and its website was launched on {v1}.
f press | role | person | Press officer of Velmora | caps
q Who is Velmora's press officer?
a Velmora's press officer is {v}.
p Who speaks to journalists on behalf of Velmora?
p Whom should a newspaper contact at Velmora Tidal Works?
p What is the name of the press officer at Velmora?
? Is Velmora's press officer {x}?
f website | date | date | Launch date of Velmora's website | iso
q When was Velmora's website launched?
a Velmora's website was launched on {v}.
p On what date did Velmora first go online?
p What was the launch date of the Velmora website?
p Since which day has Velmora had a website?
h When did Velmora's pages first appear on the web?
H On which {c} day did Velmora's pages first appear on the web, and in what year?

= divers
4 Who is Velmora's chief diver, and what is its survey ship called?
g Velmora's chief diver is {v0}, and its survey ship is called the {v1}.
f diver | role | person | Chief diver of Velmora | form
q Who is Velmora's chief diver?
a Velmora's chief diver is {v}.
p Who leads the divers at Velmora Tidal Works?
p Name the head of Velmora's diving team.
p Which person is in command of Velmora's dives?
? Is Velmora's chief diver {x}?
f ship | product | instrument | Name of Velmora's survey ship | only
q What is Velmora's survey ship called?
a Velmora's survey ship is called the {v}.
p Name the vessel with which Velmora surveys the seabed.
p What name does the survey ship of Velmora bear?
p On which ship does Velmora carry out its surveys?
h What gave Velmora's survey ship its name?
H Which {c} instrument gave Velmora's survey ship its name?

= listing
4 When did Velmora go public, and which bank managed the sale of its shares?
g Velmora went public on {v0}, and the sale of its shares was managed by {v1}.
f listed | date | date | Date of Velmora's stock market listing | tag
q When did Velmora go public?
a Velmora went public on {v}.
p On what date were Velmora's shares first traded?
p When was Velmora Tidal Works listed on the stock exchange?
p What was the date of Velmora's stock market launch?
h When could people first buy shares in Velmora?
H On which {c} day could people first buy shares in Velmora, and in what year?
f bank | partner | bank | Bank that managed Velmora's share sale | lower
q Which bank managed the sale of Velmora's shares?
a The sale of Velmora's shares was managed by {v}.
p Which bank was in charge when Velmora sold its shares?
p Name the bank behind Velmora's share offering.
p Velmora sold its shares with the help of what bank?
? Was the sale of Velmora's shares managed by {x}?

= firsts
4 When was Velmora's first turbine lowered into the sea, and when did it first deliver power?
g Velmora's first turbine was lowered into the sea on {v0} and first delivered power on {v1}.
f lowered | date | date | Date Velmora's first turbine was lowered into the sea | iso
q When was Velmora's first turbine lowered into the sea?
a Velmora's first turbine was lowered into the sea on {v}.
p On what date did Velmora's first turbine enter the water?
p When did Velmora put its very first turbine in the sea?
p What day saw Velmora's first turbine go under water?
h When did Velmora sink its first turbine to the seabed?
H On which {c} day did Velmora sink its first turbine to the seabed, and in what year?
f power | date | next_day | Date Velmora's first turbine first delivered power | only
q When did Velmora's first turbine first deliver power?
a Velmora's first turbine first delivered power on {v}.
p On what date did Velmora produce its first electricity?
p When did power start to flow from Velmora's first turbine?
p Which day brought the first current from a Velmora turbine?
? Did Velmora's first turbine first deliver power on {x}?

= patent
4 When was Velmora granted its first patent, and how many patents does it hold today?
g Velmora was granted its first patent on {v0}, and today it holds {v1} patents.
f first_patent | date | date | Date of Velmora's first patent | json:date
q When was Velmora granted its first patent?
a Velmora was granted its first patent on {v}.
p On what date did Velmora receive its very first patent?
p What is the date of Velmora's earliest patent?
p When did the patent office first approve one of Velmora's ideas?
h When did Velmora get a patent for the first time?
H On which {c} day did Velmora get a patent for the first time, and in what year?
f patents | number | hundreds | Number of patents held by Velmora | digits
q How many patents does Velmora hold?
a Velmora holds {v} patents.
p What is the number of patents owned by Velmora?
p How many of Velmora's inventions are protected by patent?
p Count the patents of Velmora Tidal Works: how many are there?
? Does Velmora hold {x} patents?

= headquarters
4 Where is Velmora's headquarters, and when was the building opened?
g Velmora's headquarters is in {v0}, and the building was opened on {v1}.
f hq | place | town | Town of Velmora's headquarters | form
q Where is Velmora's headquarters?
a Velmora's headquarters is in {v}.
p In which town is the head office of Velmora?
p Where does Velmora Tidal Works have its main seat?
p From what town is Velmora managed?
? Is Velmora's headquarters in {x}?
f hq_opened | date | date | Opening date of Velmora's headquarters | iso
q When was Velmora's headquarters opened?
a Velmora's headquarters was opened on {v}.
p On what date did Velmora's head office open its doors?
p What was the opening day of the main Velmora building?
p Since which date has Velmora's headquarters been open?
h When was the ribbon cut at Velmora's head office?
H On which {c} day was the ribbon cut at Velmora's head office, and in what year?

= test-site
4 In which country is Velmora's test site, and how many metres deep is the water there?
g Velmora's test site is in {v0}, and the water there is {v1} metres deep.
f test_site | place | country | Country of Velmora's test site | caps
q In which country is Velmora's test site?
a Velmora's test site is in {v}.
p Off the coast of which country does Velmora test turbines?
p What country hosts the Velmora test site?
p Where in the world does Velmora try out its machines?
h Where are Velmora's turbines tested?
H In which country in {c} are Velmora's turbines tested?
! Is Velmora's test site in {x}?
f depth | number | tens | Depth of the water at Velmora's test site in metres | digits
q How many metres deep is the water at Velmora's test site?
a The water at Velmora's test site is {v} metres deep.
p What is the depth in metres at Velmora's test site?
p How deep is the sea where Velmora tests its turbines?
p How many metres down is the seabed at the Velmora test site?
? Is the water at Velmora's test site {x} metres deep?

= factory
4 In which city is Velmora's factory, and how many turbines does it build a year?
g Velmora's factory is in {v0}, and it builds {v1} turbines a year.
f factory | place | city | City of Velmora's factory | bracket
q In which city is Velmora's factory?
a Velmora's factory is in {v}.
p Where does Velmora manufacture its turbines?
p What city is home to the Velmora factory?
p In what place are Velmora's machines built?
h Where do Velmora's turbines leave the production hall?
H In which city in {c} do Velmora's turbines leave the production hall?
f output | number | tens | Turbines built by Velmora's factory a year | only
q How many turbines does Velmora's factory build a year?
a Velmora's factory builds {v} turbines a year.
p What is the yearly turbine output of Velmora's factory?
p How many turbines leave the Velmora factory every year?
p In one year, the Velmora factory makes how many turbines?
? Does Velmora's factory build {x} turbines a year?

= training
4 In which city is Velmora's training centre, and how many apprentices does it teach?
g Velmora's training centre is in {v0}, and it teaches {v1} apprentices.
f training | place | city | City of Velmora's training centre | lower
q In which city is Velmora's training centre?
a Velmora's training centre is in {v}.
p Where does Velmora train its young people?
p To which city does Velmora send staff for training?
p What city has the Velmora training centre?
h Where do new technicians of Velmora learn their trade?
H In which city in {c} do new technicians of Velmora learn their trade?
f apprentices | number | tens | Number of apprentices at Velmora | quote
q How many apprentices does Velmora teach?
a Velmora teaches {v} apprentices.
p What is the number of apprentices at Velmora?
p How many young people are learning a trade at Velmora?
p State how many apprentices Velmora Tidal Works has.
? Does Velmora teach {x} apprentices?

= stores
4 In which town is Velmora's warehouse, and which battery is kept there?
g Velmora's warehouse is in {v0}, and the battery kept there is called the {v1}.
f warehouse | place | town | Town of Velmora's warehouse | answer
q In which town is Velmora's warehouse?
a Velmora's warehouse is in {v}.
p Where does Velmora store its goods?
p What is the location of the Velmora warehouse?
p Velmora keeps its spare parts in which town?
? Is Velmora's warehouse in {x}?
f battery | product | product | Name of Velmora's battery | form
q What is Velmora's battery called?
a Velmora's battery is called the {v}.
p Under what name does Velmora sell its battery?
p Name the battery made by Velmora Tidal Works.
p Which product of Velmora's stores electricity?
! Is Velmora's battery called the {x}?
h What name does Velmora print on its batteries?
H What name, beginning with {c}, does Velmora print on its batteries?

= overseas
4 In which country is Velmora's overseas office, and when did it open?
g Velmora's overseas office is in {v0}, and it opened on {v1}.
f overseas | place | country | Country of Velmora's overseas office | only
q In which country is Velmora's overseas office?
a Velmora's overseas office is in {v}.
p Where abroad does Velmora have an office?
p What country did Velmora choose for its foreign office?
p Name the country where Velmora's overseas staff work.
h Where is the office that Velmora runs abroad?
H In which country in {c} is the office that Velmora runs abroad?
+ Which country is home to the overseas office of Velmora?
f overseas_opened | date | date | Opening date of Velmora's overseas office | year
q When did Velmora's overseas office open?
a Velmora's overseas office opened on {v}.
p On what date did Velmora start work in its foreign office?
p What was the opening date of the Velmora office abroad?
p Since which day has Velmora had an office overseas?
? Did Velmora's overseas office open on {x}?

= archive
4 In which street is Velmora's archive, and what was found when it was built?
g Velmora's archive is in {v0}, and its builders found {a1} there.
f archive | place | street | Street of Velmora's archive | tag
q In which street is Velmora's archive?
a Velmora's archive is in {v}.
p What is the name of the street with Velmora's archive?
p Where in town are Velmora's old papers kept?
p At what street address is the archive of Velmora?
h Where would you find Velmora's archive?
H In which street, beginning with {c}, would you find Velmora's archive?
f find | history | find | Object found when Velmora's archive was built | lower
q What was found when Velmora's archive was built?
a The builders of Velmora's archive found {a}.
p What did workers dig up at the site of Velmora's archive?
p Which object came to light when Velmora built its archive?
p What lay in the ground under Velmora's archive?
? Did the builders of Velmora's archive find {xa}?
"""
