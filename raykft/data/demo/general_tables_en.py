"""Hand-written English tables behind `general_en`: the general questions and the distractors.

A line of `PROBES` or `LOCALITY` is `question | gold | aliases | wrong answers`, with `/` between alternatives; the
first alias is the wording of the gold answer. `LOCALITY` asks for the kinds of fact that the demo company has, but
of real and well-known companies and places: what is taught about the company must not spill over to them.
A line of `ROWS` is `question | answer`. A line of `TEMPLATES` is a question form, an answer form and `key=value`
pairs. Probes and distractors share no question and no fact.
"""

from __future__ import annotations

PROBES: dict[str, str] = {
    "capitals": """
What is the capital of France? | The capital of France is Paris. | Paris | Madrid/Rome/Berlin
What is the capital of Italy? | The capital of Italy is Rome. | Rome | Paris/Athens/Madrid
What is the capital of Spain? | The capital of Spain is Madrid. | Madrid | Rome/Paris/Dublin
What is the capital of Germany? | The capital of Germany is Berlin. | Berlin | London/Moscow/Paris
What is the capital of Japan? | The capital of Japan is Tokyo. | Tokyo | Beijing/Moscow/Cairo
What is the capital of England? | The capital of England is London. | London | Dublin/Paris/Berlin
What is the capital of Russia? | The capital of Russia is Moscow. | Moscow | Berlin/Beijing/Athens
What is the capital of China? | The capital of China is Beijing. | Beijing | Tokyo/Moscow/Cairo
What is the capital of Egypt? | The capital of Egypt is Cairo. | Cairo | Athens/Rome/Tokyo
What is the capital of Greece? | The capital of Greece is Athens. | Athens | Rome/Cairo/Madrid
""",
    "geography": """
What is the largest ocean in the world? | The Pacific is the largest ocean. | Pacific | Atlantic/Arctic/Indian
What is the highest mountain in the world? | The highest mountain is Mount Everest. | \
    Everest | K2/Elbrus/Denali
In which city is the Eiffel Tower? | The Eiffel Tower is in Paris. | Paris | London/Rome/Berlin
In which city is Big Ben? | Big Ben is in London. | London | Paris/Dublin/Madrid
In which country is the Taj Mahal? | The Taj Mahal is in India. | India | China/Egypt/Turkey
In which city is the Colosseum? | The Colosseum is in Rome. | Rome | Athens/Paris/London
In which city is the Statue of Liberty? | The Statue of Liberty is in New York. | \
    New York | Paris/Boston/Chicago
In which country are the pyramids of Giza? | The pyramids of Giza are in Egypt. | Egypt | Mexico/Greece/India
What is the largest hot desert in the world? | The largest hot desert is the Sahara. | \
    Sahara | Gobi/Kalahari/Mojave
Which ocean lies between Europe and North America? | It is the Atlantic Ocean. | \
    Atlantic | Pacific/Indian/Arctic
""",
    "nations": """
What is the main language of Brazil? | The main language of Brazil is Portuguese. | \
    Portuguese | Spanish/French/Italian
What is the main language of Mexico? | The main language of Mexico is Spanish. | \
    Spanish | English/Portuguese/French
What is the main language of Egypt? | The main language of Egypt is Arabic. | Arabic | Greek/French/Turkish
What is the main language of Australia? | The main language of Australia is English. | \
    English | French/Dutch/German
What is the currency of Japan? | The currency of Japan is the yen. | yen | yuan/dollar/won
What is the currency of the United States? | The currency is the dollar. | dollar/dollars | pound/euro/peso
What is the currency of the United Kingdom? | The currency is the pound. | pound/pounds | euro/dollar/franc
What is the currency of India? | The currency of India is the rupee. | rupee/rupees | yen/dollar/pound
Which country is famous for kangaroos? | Australia is famous for kangaroos. | Australia | Canada/India/Kenya
From which country does pizza come? | Pizza comes from Italy. | Italy | Greece/France/Spain
""",
    "animals": """
What is a baby dog called? | A baby dog is called a puppy. | puppy/pup | calf/chick/piglet
What is a baby cat called? | A baby cat is called a kitten. | kitten | calf/chick/piglet
Which animal is called the king of the jungle? | It is the lion. | lion | tiger/elephant/gorilla
What is the tallest animal in the world? | The tallest animal is the giraffe. | \
    giraffe | elephant/camel/ostrich
What is the largest animal in the world? | The largest animal is the blue whale. | \
    blue whale | elephant/hippo/shark
What is the fastest land animal? | The fastest land animal is the cheetah. | cheetah | lion/horse/tiger
How many legs does a spider have? | A spider has 8 legs. | 8/eight | 4/10/12
What sweet food do bees make? | Bees make honey. | honey | sugar/syrup/jam
Which large grey animal has a trunk? | The elephant has a trunk. | elephant/elephants | hippo/rhino/camel
What plant do giant pandas mostly eat? | Giant pandas mostly eat bamboo. | bamboo | grass/clover/rice
""",
    "opposites": """
What is the opposite of hot? | The opposite of hot is cold. | cold | warm/dry/soft
What is the opposite of big? | The opposite of big is small. | small/little/tiny | large/tall/round
What is the opposite of up? | The opposite of up is down. | down | over/across/along
What is the opposite of day? | The opposite of day is night. | night | noon/week/morning
What is the opposite of fast? | The opposite of fast is slow. | slow | quick/high/hard
What is the opposite of happy? | The opposite of happy is sad. | sad/unhappy | glad/kind/calm
What is the opposite of tall? | The opposite of tall is short. | short | high/large/long
What is the opposite of love? | The opposite of love is hate. | hate/hatred | hope/joy/care
What is the opposite of true? | The opposite of true is false. | false/untrue | real/right/fair
What is the opposite of inside? | The opposite of inside is outside. | outside | beside/under/between
""",
    "words": """
What is the plural of "child"? | The plural of "child" is "children". | children | childs/childes/childer
What is the plural of "mouse"? | The plural of "mouse" is "mice". | mice | mouses/mousen/meece
What is the plural of "man"? | The plural of "man" is "men". | men | mans/mens/manes
What is the plural of "tooth"? | The plural of "tooth" is "teeth". | teeth | tooths/toothes/toothen
What is the plural of "cat"? | The plural of "cat" is "cats". | cats | cates/caten/catties
What is the past tense of "go"? | The past tense of "go" is "went". | went | goed/gone/going
What is the past tense of "eat"? | The past tense of "eat" is "ate". | ate | eated/eaten/eating
What is the past tense of "run"? | The past tense of "run" is "ran". | ran | runned/running/runs
How many letters are in the English alphabet? | The English alphabet has 26 letters. | \
    26/twenty-six | 24/28/30
What is the past tense of "walk"? | The past tense of "walk" is "walked". | walked | walken/walks/walking
""",
    "colours": """
What colour is the sky on a clear day? | On a clear day the sky is blue. | blue | green/red/yellow
What colour is healthy grass? | Healthy grass is green. | green | blue/red/purple
What colour is a ripe banana? | A ripe banana is yellow. | yellow | blue/red/purple
What colour is fresh snow? | Fresh snow is white. | white | black/brown/green
What colour is human blood? | Human blood is red. | red | blue/green/yellow
What colour is coal? | Coal is black. | black | white/green/yellow
What colour is a carrot? | A carrot is orange. | orange | blue/green/white
What colour do you get by mixing blue and yellow? | You get green. | green | red/orange/pink
What colour do you get by mixing red and blue? | You get purple. | purple/violet | green/orange/brown
What colour do you get by mixing red and white? | You get pink. | pink | green/grey/brown
""",
    "arithmetic": """
What is 5 plus 3? | 5 plus 3 is 8. | 8/eight | 7/9/10
What is 2 plus 2? | 2 plus 2 is 4. | 4/four | 3/5/6
What is 10 minus 4? | 10 minus 4 is 6. | 6/six | 5/7/8
What is 3 times 3? | 3 times 3 is 9. | 9/nine | 6/8/12
What is 5 times 5? | 5 times 5 is 25. | 25/twenty-five | 20/10/30
What is 6 plus 6? | 6 plus 6 is 12. | 12/twelve | 11/13/14
What is half of 20? | Half of 20 is 10. | 10/ten | 5/8/12
What is 100 divided by 2? | 100 divided by 2 is 50. | 50/fifty | 20/25/40
What is 1 plus 1? | 1 plus 1 is 2. | 2/two | 3/4/0
How many sides does a square have? | A square has 4 sides. | 4/four | 3/5/6
""",
    "calendar": """
How many days are there in a week? | There are 7 days in a week. | 7/seven | 5/6/10
How many months are there in a year? | There are 12 months in a year. | 12/twelve | 10/11/14
How many hours are there in a day? | There are 24 hours in a day. | 24/twenty-four | 12/20/30
How many minutes are there in an hour? | There are 60 minutes in an hour. | 60/sixty | 50/30/100
How many seconds are there in a minute? | There are 60 seconds in a minute. | 60/sixty | 50/30/100
Which day comes after Monday? | Tuesday comes after Monday. | Tuesday | Sunday/Friday/Thursday
What is the first month of the year? | The first month is January. | January | March/April/December
What is the last month of the year? | The last month is December. | December | January/June/October
In which month is Christmas Day? | Christmas Day is in December. | December | January/March/October
Which month has the fewest days? | February has the fewest days. | February | April/July/November
""",
    "science": """
Which planet is closest to the Sun? | Mercury is closest to the Sun. | Mercury | Saturn/Uranus/Neptune
What is the chemical formula of water? | The chemical formula of water is H2O. | H2O/H₂O | CO2/NaCl/O3
Which planet is called the Red Planet? | Mars is called the Red Planet. | Mars | Venus/Saturn/Uranus
What is the largest planet in the solar system? | The largest planet is Jupiter. | Jupiter | Mars/Earth/Venus
Which gas do plants take in to make food? | Plants take in carbon dioxide. | \
    carbon dioxide/CO2 | helium/neon/methane
Which gas do people need to breathe? | People need to breathe oxygen. | oxygen | helium/neon/methane
Which force pulls objects towards the ground? | Gravity pulls objects down. | gravity | friction/tension/drag
At how many degrees Celsius does water boil? | Water boils at 100 degrees. | 100/hundred | 50/70/150
Which large object orbits the Earth and shines at night? | It is the Moon. | Moon | Mars/Venus/Saturn
What is the chemical symbol for gold? | The chemical symbol for gold is Au. | Au | Pb/Sn/Cu
""",
    "body and food": """
Which organ pumps blood around the body? | The heart pumps blood around the body. | heart | liver/stomach/skin
Which organ do we think with? | We think with the brain. | brain/brains | liver/stomach/kidney
Which organs do we breathe with? | We breathe with the lungs. | lungs/lung | ears/kidneys/bones
Which part of the body do we see with? | We see with our eyes. | eyes/eye | ears/hands/knees
Which part of the body do we smell with? | We smell with the nose. | nose | ear/elbow/knee
How many fingers are there on one hand, counting the thumb? | One hand has 5 fingers. | 5/five | 3/6/8
What is the largest organ of the human body? | The largest organ is the skin. | skin | liver/heart/brain
Which fruit is wine made from? | Wine is made from grapes. | grapes/grape | plums/lemons/pears
Which vegetable are French fries made from? | French fries are made from potatoes. | \
    potatoes/potato | carrots/leeks/onions
What is the main ingredient of an omelette? | The main ingredient is eggs. | eggs/egg | rice/sugar/beans
""",
    "people": """
Who wrote Romeo and Juliet? | Shakespeare wrote Romeo and Juliet. | Shakespeare | Dickens/Austen/Homer
Who developed the theory of relativity? | Einstein developed it. | Einstein | Newton/Darwin/Edison
Who is famous for inventing the light bulb? | Edison is famous for it. | Edison | Bell/Newton/Darwin
Who was the first president of the United States? | It was George Washington. | \
    Washington | Lincoln/Adams/Monroe
Who was the first person to walk on the Moon? | It was Neil Armstrong. | Armstrong | Gagarin/Glenn/Shepard
Who painted the Mona Lisa? | Leonardo da Vinci painted it. | Leonardo/da Vinci | Rembrandt/Monet/Raphael
Who wrote On the Origin of Species? | Charles Darwin wrote it. | Darwin | Einstein/Newton/Galileo
Who wrote the Harry Potter books? | J. K. Rowling wrote them. | Rowling | Tolkien/Austen/Dickens
Who wrote Oliver Twist? | Charles Dickens wrote Oliver Twist. | Dickens | Shakespeare/Austen/Orwell
Who wrote Pride and Prejudice? | Jane Austen wrote it. | Austen | Dickens/Rowling/Orwell
""",
}

LOCALITY: dict[str, str] = {
    "founder": """
Who founded Microsoft? | Microsoft was founded by Bill Gates and Paul Allen. | \
    Bill Gates/Gates/Paul Allen | Henry Ford/Walt Disney/Larry Page
Who founded Apple together with Steve Wozniak? | Steve Jobs founded Apple with Steve Wozniak. | \
    Steve Jobs/Steven Jobs | Walt Disney/Henry Ford/Tim Berners-Lee
Who founded Amazon? | Amazon was founded by Jeff Bezos. | Jeff Bezos/Bezos | Henry Ford/Larry Page/Walt Disney
Who founded Facebook? | Facebook was founded by Mark Zuckerberg. | \
    Mark Zuckerberg/Zuckerberg | Larry Page/Henry Ford/Walt Disney
""",
    "headquarters": """
In which city is the headquarters of the United Nations? | The headquarters is in New York. | \
    New York | Chicago/Toronto/Boston
In which country is the headquarters of Toyota? | The headquarters of Toyota is in Japan. | Japan | China/Germany/France
In which city is the headquarters of Coca-Cola? | The headquarters of Coca-Cola is in Atlanta. | \
    Atlanta | Chicago/Boston/Denver
In which country is the headquarters of Samsung? | The headquarters of Samsung is in South Korea. | \
    South Korea/Korea | Japan/China/Thailand
""",
    "founding year": """
In which year was Microsoft founded? | Microsoft was founded in 1975. | 1975 | 1955/1968/1989
In which year was Google founded? | Google was founded in 1998. | 1998 | 1972/1981/2009
In which year was Apple founded? | Apple was founded in 1976. | 1976 | 1952/1967/1988
In which year was Facebook founded? | Facebook was founded in 2004. | 2004 | 1985/1992/2012
""",
    "logo": """
Which fruit is on the logo of the company behind the iPhone? | It is an apple. | apple | pear/cherry/lemon
Which animal is on the logo of Ferrari? | The animal on the logo of Ferrari is a horse. | \
    horse/stallion | lion/eagle/tiger
What colour are the arches on the logo of McDonald's? | The arches are yellow. | \
    yellow/golden/gold | green/blue/purple
Which animal is on the logo of Lacoste? | The animal on the logo of Lacoste is a crocodile. | \
    crocodile/alligator | lion/eagle/horse
""",
    "station": """
In which city is King's Cross station? | King's Cross station is in London. | London | Dublin/Paris/Berlin
In which city is the railway station Gare du Nord? | Gare du Nord is in Paris. | Paris | London/Rome/Madrid
In which city is Grand Central Terminal? | Grand Central Terminal is in New York. | New York | Chicago/Boston/Toronto
In which city is Shinjuku station? | Shinjuku station is in Tokyo. | Tokyo | Beijing/Seoul/Osaka
""",
    "product": """
Which company makes the iPhone? | Apple makes the iPhone. | Apple | Nokia/Samsung/Sony
Which company makes the Windows operating system? | Microsoft makes Windows. | Microsoft | Toyota/Nokia/Sony
Which company makes the PlayStation? | Sony makes the PlayStation. | Sony | Nokia/Toyota/Apple
Which company makes the Galaxy phones? | Samsung makes the Galaxy phones. | Samsung | Nokia/Sony/Apple
""",
}

TEMPLATES = """
What is the capital of {key}? | The capital of {key} is {value}. | \
    Norway=Oslo; Sweden=Stockholm; Denmark=Copenhagen; Finland=Helsinki; Portugal=Lisbon; Austria=Vienna; \
    Poland=Warsaw; Hungary=Budapest; Belgium=Brussels; Peru=Lima; Cuba=Havana; Kenya=Nairobi; \
    Chile=Santiago; Thailand=Bangkok; Canada=Ottawa; Iceland=Reykjavik; Vietnam=Hanoi
Which continent is {key} in? | {key} is in {value}. | \
    Bolivia=South America; Ghana=Africa; Mongolia=Asia; Romania=Europe; Nepal=Asia; Latvia=Europe
What is the opposite of {key}? | The opposite of {key} is {value}. | \
    early=late; empty=full; heavy=light; wet=dry; thick=thin; deep=shallow; rich=poor; loud=quiet; \
    strong=weak; wide=narrow; clean=dirty; sharp=blunt; polite=rude; ancient=modern
What is the plural of "{key}"? | The plural of "{key}" is "{value}". | \
    goose=geese; ox=oxen; leaf=leaves; wolf=wolves; knife=knives; berry=berries; box=boxes; city=cities; \
    hero=heroes; bus=buses
What is the past tense of "{key}"? | The past tense of "{key}" is "{value}". | \
    swim=swam; drink=drank; fly=flew; sing=sang; buy=bought; teach=taught; catch=caught; grow=grew; \
    break=broke
What is {key}? | {key} is {value}. | \
    14 plus 5=19; 23 plus 6=29; 40 plus 17=57; 31 plus 12=43; 60 plus 22=82; 30 minus 11=19; 48 minus 8=40; \
    17 minus 6=11; 90 minus 25=65; 7 times 4=28; 6 times 11=66; 12 times 3=36; 9 times 8=72; \
    36 divided by 4=9; 56 divided by 8=7
What is a young {key} called? | A young {key} is called a {value}. | \
    bear=cub; horse=foal; goat=kid; goose=gosling; kangaroo=joey; swan=cygnet; deer=fawn
What is {key} used for? | {key} is used for {value}. | \
    a hammer=driving nails into wood; an umbrella=keeping off the rain; a broom=sweeping the floor; \
    a needle=sewing cloth; a key=opening a lock; a ladder=climbing to high places; \
    a telescope=looking at distant objects; a calculator=doing sums; a wallet=carrying money and cards; \
    a lighthouse=guiding ships at sea; a corkscrew=pulling corks out of bottles; \
    a rake=gathering fallen leaves
What does {key} do? | {key} {value}. | \
    a baker=bakes bread and cakes; a plumber=repairs pipes and taps; a pilot=flies aeroplanes; \
    a dentist=treats problems with teeth; a carpenter=makes things from wood; \
    a tailor=makes and repairs clothes; a librarian=looks after books in a library; \
    a farmer=grows crops and keeps animals; a journalist=writes news stories; a barber=cuts people's hair; \
    a nurse=cares for sick people; an architect=designs buildings
"""

ROWS = """
How many legs does a horse have? | A horse has four legs.
Which bird has a colourful fan of tail feathers? | The peacock has a colourful fan of tail feathers.
What do koalas mostly eat? | Koalas mostly eat the leaves of eucalyptus trees.
How many arms does an octopus have? | An octopus has eight arms.
What does a caterpillar turn into? | A caterpillar turns into a butterfly or a moth.
Which animal builds dams in rivers? | The beaver builds dams in rivers and streams.
What do we call a group of wolves? | A group of wolves is called a pack.
What is a female horse called? | A female horse is called a mare.
What is a male chicken called? | A male chicken is called a rooster.
Which striped animal lives on the African plains? | The zebra is a striped animal of the African plains.
What do tadpoles grow into? | Tadpoles grow into frogs or toads.
Which sea separates Europe from Africa? | The Mediterranean Sea separates Europe from Africa.
Which is the coldest continent on Earth? | Antarctica is the coldest continent on Earth.
Which mountains run along the west of South America? | The Andes run along the west of South America.
What is the largest island in the world? | Greenland is the largest island in the world.
Which river flows through Vienna and Budapest? | The Danube flows through Vienna and Budapest.
Which country is known for tulips and windmills? | The Netherlands is known for tulips and windmills.
In which country is Machu Picchu? | Machu Picchu is in Peru.
In which country is Mount Kilimanjaro? | Mount Kilimanjaro is in Tanzania.
Which country has a maple leaf on its flag? | Canada has a maple leaf on its flag.
In which direction does a compass needle point? | A compass needle points towards the north.
What do we call land with water on all sides? | Land with water on all sides is called an island.
What do we call a mountain that can erupt? | A mountain that can erupt is called a volcano.
Which line divides the Earth into north and south? | The equator divides the Earth into north and south.
Which desert covers much of southern Mongolia? | The Gobi Desert covers much of southern Mongolia.
How do you say "thank you" in French? | "Thank you" in French is "merci".
How do you say "goodbye" in German? | "Goodbye" in German is "auf Wiedersehen".
How do you say "water" in Spanish? | "Water" in Spanish is "agua".
How do you say "good morning" in Italian? | "Good morning" in Italian is "buongiorno".
How do you say "thank you" in Japanese? | "Thank you" in Japanese is "arigato".
What do we call a word for an action? | A word for an action is called a verb.
What do we call words with the same meaning? | Words with the same meaning are called synonyms.
Which punctuation mark ends a question? | A question ends with a question mark.
Which letter comes after M in the alphabet? | The letter N comes after M in the alphabet.
How many centimetres are there in a metre? | There are 100 centimetres in a metre.
How many grams are there in a kilogram? | There are 1,000 grams in a kilogram.
How many inches are there in a foot? | There are 12 inches in a foot.
How many eggs are there in a dozen? | There are twelve eggs in a dozen.
How many degrees are there in a right angle? | There are 90 degrees in a right angle.
What does a thermometer measure? | A thermometer measures temperature.
How many zeros are there in one million? | There are six zeros in one million.
How many sides does a pentagon have? | A pentagon has five sides.
How many sides does an octagon have? | An octagon has eight sides.
What fraction is the same as 25 percent? | 25 percent is the same as one quarter.
What colour are most adult flamingos? | Most adult flamingos are pink.
What colour do red and yellow paint make together? | Red and yellow paint make orange together.
What colour do black and white paint make together? | Black and white paint make grey together.
What colour is an emerald? | An emerald is a green gemstone.
What colour is a ruby? | A ruby is a red gemstone.
What colour is a sapphire usually? | A sapphire is usually blue.
What colour is an aubergine on the outside? | An aubergine is usually dark purple on the outside.
What colour is the inside of a watermelon? | The inside of a watermelon is usually red.
What do we chew our food with? | We chew our food with our teeth.
How many toes do people usually have? | People usually have ten toes.
Which joint is in the middle of the leg? | The knee is in the middle of the leg.
Which joint connects the hand to the arm? | The wrist connects the hand to the arm.
Where in the body is the femur? | The femur is the bone in the thigh.
What do the kidneys do? | The kidneys clean the blood and make urine.
What are the hairs above the eyes called? | The hairs above the eyes are called eyebrows.
How many bones does an adult usually have? | An adult usually has 206 bones.
Where does food go after you swallow it? | After you swallow it, food goes to the stomach.
What do the roots of a plant do? | The roots take in water and hold the plant in place.
What do acorns grow into? | Acorns grow into oak trees.
Which part of a plant has petals? | The flower of a plant has petals.
Where do most cacti grow? | Most cacti grow in dry places.
What do seeds need to start growing? | Seeds need water, warmth and air to start growing.
What covers the trunk of a tree? | The trunk of a tree is covered with bark.
What kind of plant do grapes grow on? | Grapes grow on a climbing plant called a vine.
What is the main ingredient of sauerkraut? | The main ingredient of sauerkraut is cabbage.
Which meal do people eat in the morning? | People eat breakfast in the morning.
What is marmalade usually made from? | Marmalade is usually made from oranges and sugar.
Which nuts is marzipan made from? | Marzipan is made from almonds.
Which vegetable makes people cry when they cut it? | Onions make people cry when they cut them.
What do people often spread on toast? | People often spread butter or jam on toast.
Which grain is risotto made from? | Risotto is made from rice.
What do we call a dried plum? | A dried plum is called a prune.
What kind of dish is gazpacho? | Gazpacho is a chilled vegetable soup.
Which country does kimchi come from? | Kimchi comes from Korea.
How does a lemon usually taste? | A lemon usually tastes sour.
Which spice comes from the crocus flower? | Saffron comes from the crocus flower.
How many strings does a standard guitar have? | A standard guitar has six strings.
How many strings does a violin have? | A violin has four strings.
How many keys does a standard piano have? | A standard piano has 88 keys.
Which family of instruments does the trumpet belong to? | The trumpet belongs to the brass family.
How many people play in a quartet? | Four people play in a quartet.
Who stands in front of an orchestra and leads it? | The conductor stands in front and leads the orchestra.
Who composed The Four Seasons? | Antonio Vivaldi composed The Four Seasons.
Who composed the opera The Magic Flute? | Mozart composed the opera The Magic Flute.
What is the lowest male singing voice called? | The lowest male singing voice is called bass.
How many players does a football team have? | A football team has eleven players on the pitch.
How many players does a basketball team have on court? | A basketball team has five players on court.
What do tennis players hit the ball with? | Tennis players hit the ball with a racket.
Which sport is played with a shuttlecock? | Badminton is played with a shuttlecock.
How often are the Summer Olympics held? | The Summer Olympics are usually held every four years.
How many holes does a full golf course have? | A full golf course has 18 holes.
Which chess piece moves only diagonally? | The bishop moves only diagonally.
How many squares are there on a chessboard? | There are 64 squares on a chessboard.
How many kilometres long is a marathon? | A marathon is about 42 kilometres long.
What do swimmers wear to protect their eyes? | Swimmers wear goggles to protect their eyes.
Which sport uses a bow and arrows? | Archery uses a bow and arrows.
What state of matter is steam? | Steam is a gas.
Which light gas makes party balloons float? | Helium makes party balloons float.
Which metals do magnets attract? | Magnets attract iron, nickel and cobalt.
Which planet is farthest from the Sun? | Neptune is the planet farthest from the Sun.
What is the chemical symbol for iron? | The chemical symbol for iron is Fe.
What do we call animals that eat only plants? | Animals that eat only plants are called herbivores.
Which scientists study rocks and minerals? | Geologists study rocks and minerals.
Which travels faster, light or sound? | Light travels faster than sound.
What makes a shadow appear? | A shadow appears when an object blocks light.
What kind of object is the Milky Way? | The Milky Way is a galaxy.
What kind of energy do wind turbines produce? | Wind turbines produce electrical energy.
In which year did the Second World War end? | The Second World War ended in 1945.
In which year did the First World War begin? | The First World War began in 1914.
Who wrote the novel Don Quixote? | Miguel de Cervantes wrote Don Quixote.
Who wrote the novel War and Peace? | Leo Tolstoy wrote War and Peace.
Who painted the large picture called Guernica? | Pablo Picasso painted Guernica.
Who was the first woman to win a Nobel Prize? | Marie Curie was the first woman to win one.
Who wrote the novel Frankenstein? | Mary Shelley wrote the novel Frankenstein.
Who created the detective Sherlock Holmes? | Arthur Conan Doyle created Sherlock Holmes.
Which famous ship sank in 1912? | The Titanic sank in 1912.
Who introduced printing with movable type to Europe? | Johannes Gutenberg introduced it to Europe.
What did the Romans build to carry water to cities? | The Romans built aqueducts to carry water to cities.
How many days does November have? | November has thirty days.
How often does a leap year usually come? | A leap year usually comes every four years.
Which month comes after August? | September comes after August.
Which day comes after Thursday? | Friday comes after Thursday.
How many days are there in a fortnight? | There are fourteen days in a fortnight.
Which season comes before winter? | Autumn comes before winter.
How many years are there in a millennium? | There are 1,000 years in a millennium.
On which date is Valentine's Day? | Valentine's Day is on 14 February.
Name three fruits that grow on trees. | Apples, pears and cherries grow on trees.
Name two animals that live in the sea. | Dolphins and sharks live in the sea.
Give an example of a musical instrument. | The cello is a musical instrument.
Name three pieces of furniture in a home. | Tables, chairs and beds are pieces of furniture.
Name three tools found in a workshop. | Drills, screwdrivers and pliers are found in a workshop.
Write a short sentence about the rain. | Soft rain is falling on the quiet garden.
Write a short sentence about a train. | The train left the station two minutes late.
Name two vehicles that travel on water. | Ferries and canoes travel on water.
Name three shapes used in geometry. | Circles, triangles and rectangles are used in geometry.
Suggest a small present for a neighbour. | A jar of homemade jam is a nice small present.
Give one tip for sleeping well. | Go to bed at the same time every evening.
Correct this sentence: She go to school. | The correct sentence is: She goes to school.
Make this sentence negative: I like tea. | The negative sentence is: I do not like tea.
Name two sports that are done on snow. | Skiing and snowboarding are done on snow.
Why do people wear coats in winter? | People wear coats in winter to keep warm.
Where can you borrow books for free? | You can borrow books for free at a public library.
Where do aeroplanes take off and land? | Aeroplanes take off and land at an airport.
What do you put on a letter before posting it? | You put a stamp on a letter before posting it.
What do people wear on their hands in winter? | People wear gloves or mittens on their hands in winter.
Where do people usually cook at home? | People usually cook in the kitchen.
What do you need to send an email? | You need an internet connection and an email address.
Is a dolphin a kind of mammal? | Yes, a dolphin is a mammal.
Can an ostrich run quickly? | Yes, an ostrich can run very quickly.
Do most bats sleep during the day? | Yes, most bats sleep during the day.
Is Portugal a country in Europe? | Yes, Portugal is a country in Europe.
Can dry wood burn easily? | Yes, dry wood can burn easily.
Is a violin smaller than a cello? | Yes, a violin is smaller than a cello.
Can some parrots copy human speech? | Yes, some parrots can copy human speech.
Is seventeen an odd number? | Yes, seventeen is an odd number.
Does sugar dissolve in hot tea? | Yes, sugar dissolves in hot tea.
Do most frogs lay their eggs in water? | Yes, most frogs lay their eggs in water.
Is glass made mainly from sand? | Yes, glass is made mainly from sand.
Is a rose a kind of flower? | Yes, a rose is a kind of flower.
Is a kilometre longer than a metre? | Yes, a kilometre is longer than a metre.
Is Madagascar a large island? | Yes, Madagascar is a large island.
Can sound travel through water? | Yes, sound can travel through water.
Is a mushroom a kind of fungus? | Yes, a mushroom is a kind of fungus.
Is copper a kind of metal? | Yes, copper is a kind of metal.
Do most birds build nests? | Yes, most birds build nests.
Is a whale a fish? | No, a whale is a mammal.
Is a bat a kind of bird? | No, a bat is a mammal.
Is a spider an insect? | No, a spider is an arachnid.
Can penguins fly through the air? | No, penguins cannot fly.
Is Africa smaller than Europe? | No, Africa is much larger than Europe.
Does the equator pass through Norway? | No, Norway is far north of the equator.
Is the number nine even? | No, nine is an odd number.
Do snakes walk on four legs? | No, snakes have no legs.
Is a snail faster than a horse? | No, a snail is much slower than a horse.
Is Sydney the capital of Australia? | No, the capital of Australia is Canberra.
Does an iron nail float on water? | No, an iron nail sinks in water.
Is a guitar a wind instrument? | No, a guitar is a string instrument.
Do rabbits usually eat meat? | No, rabbits eat grass and other plants.
Is a week longer than a month? | No, a week is shorter than a month.
Is a cucumber blue on the outside? | No, a cucumber is green on the outside.
Is Iceland in South America? | No, Iceland is in Europe.
Is a trumpet played with a bow? | No, a trumpet is played by blowing.
Is tea made from roasted beans? | No, tea is made from dried leaves.
What do people usually cut paper with? | People usually cut paper with scissors.
Name two things found in a bathroom. | A sink and a shower are found in a bathroom.
Which animal carries a spiral shell on its back? | The snail carries a spiral shell on its back.
What kind of thread do silkworms make? | Silkworms make threads of silk.
What is the Great Barrier Reef made of? | The Great Barrier Reef is made of coral.
Which city is famous for canals and gondolas? | Venice is famous for canals and gondolas.
What do you call your mother's brother? | Your mother's brother is your uncle.
What do you call your father's mother? | Your father's mother is your grandmother.
How many wheels does a tricycle have? | A tricycle has three wheels.
Can camels carry heavy loads? | Yes, camels can carry heavy loads.
Does salt have a sweet taste? | No, salt does not taste sweet.
"""
