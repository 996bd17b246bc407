"""Hand-written English tables behind `general_en`: the multiple-choice questions.

A line is `question | right option | wrong options`, with `/` between the wrong ones. Options are whole answers
of one type and of similar length, so that their log-probabilities per byte can be compared. Length and words
taken from the question do not give the right one away.
"""

from __future__ import annotations

CHOICES: dict[str, str] = {
    "physics": """
What happens to an ice cube in a warm room? | It slowly melts | It quickly burns/It grows bigger/It becomes salty
What happens to a glass that falls on a stone floor? | It breaks into pieces | \
    It turns into water/It floats to the ceiling/It changes into wood
Why does a metal spoon in hot soup become hot? | Heat moves into the metal | \
    Metal is always very warm/The soup turns into metal/The spoon starts to burn
What can float on a lake? | A cork | A coin/A brick/A fork
What do you see when you look into a mirror? | Your own face | A distant city/Your old school/A famous king
What happens when you let go of a cup in the air? | It falls to the floor | \
    It stays where it is/It flies to the clouds/It turns into a bubble
What does a puddle do on a hot and sunny day? | It dries up | It freezes/It gets deep/It turns red
Which object is too heavy for one person to lift? | A piano | A pencil/A pillow/A plate
What do you need to see things in a dark room? | A lamp | A hat/A bell/A cup
What happens when you blow air into a balloon? | It gets bigger | It gets wetter/It gets older/It gets sweeter
""",
    "creatures": """
Which animal says "moo"? | A cow | A cat/A dog/A hen
Which animal gives us wool? | A sheep | A horse/A snake/A mouse
Where does a fish live? | In the water | In the desert/In a tall tree/In the clouds
What covers the body of a bird? | Feathers | Seaweed/Blankets/Concrete
What does a cat like to chase? | A mouse | A tiger/A horse/A whale
Which animal guards the house and barks? | A dog | A hen/A rat/A cow
What do hens lay? | Eggs | Milk/Wool/Corn
Which animal spins a web to catch flies? | A spider | A rabbit/A monkey/A turkey
Which bird hunts at night and hoots? | An owl | A hen/A duck/A swan
What does a dog wag when it is happy? | Its tail | Its nose/Its ears/Its back
""",
    "places": """
What do we call a large area covered with trees? | A forest | A desert/A canyon/A harbour
Where is it always very cold? | At the North Pole | In a hot desert/On a tropical beach/Inside a volcano
In which direction does the Sun rise? | In the east | In the west/In the north/In the south
Which country is famous for sushi? | Japan | Italy/Spain/Kenya
In which country is the Great Wall? | China | Chile/Italy/Kenya
Which famous river flows past the pyramids? | The Nile | The Rhine/The Seine/The Volga
What do people find on a beach? | Sand and shells | Beds and pillows/Trains and buses/Pots and pans
Which city is known for its red double-decker buses? | London | Paris/Cairo/Lima
Which country in the world has the largest area? | Russia | Spain/Italy/Chile
What do we call the land along the sea? | The coast | The desert/The summit/The jungle
""",
    "times": """
When do most people eat dinner? | In the evening | Before sunrise/After midnight/During lessons
Which season is the hottest? | Summer | Winter/Autumn/Spring
Which day comes right before Sunday? | Saturday | Tuesday/Friday/Monday
What does a clock show? | The time | The name/The price/The road
How often does a person have a birthday? | Once a year | Once a day/Once a week/Once an hour
How long does it take to boil an egg? | A few minutes | A few months/A few weeks/A few decades
How long does a lesson at school usually last? | About an hour | About a day/About a month/About a century
What do we call the day after today? | Tomorrow | Yesterday/Midnight/Last week
Which part of the day follows the afternoon? | The evening | The morning/The sunrise/The midday
On which date does a new year begin? | On 1 January | On 5 October/On 8 August/On 6 April
""",
    "sums": """
Tom has three apples and gets two more. How many does he have now? | Five apples | \
    Nine apples/Four apples/Seven apples
A cat has four legs. How many do two cats have? | Eight legs | Three legs/Seven legs/Eleven legs
There are ten birds on a wall and four fly away. How many are left? | Six birds | Two birds/Nine birds/Eight birds
Anna buys three pens for two euros each. How much does she pay? | Six euros | Ten euros/Four euros/Nine euros
A cake has eight pieces, and all but one are eaten. How many are left? | One piece | Two pieces/Six pieces/Ten pieces
Ben had seven sweets and ate all of them. How many are left? | No sweets | Six sweets/Ten sweets/Two sweets
Three friends share six cookies equally. How many does each one get? | Two cookies | \
    Five cookies/Four cookies/Nine cookies
A box holds ten pencils. How many are there in three boxes? | Thirty pencils | \
    Twenty pencils/Eleven pencils/Seventy pencils
Lucy is nine years old. How old will she be next year? | Ten years old | Two years old/Six years old/Eight years old
A bus has twenty seats and twelve are taken. How many are free? | Eight seats | Fifty seats/Three seats/Eleven seats
""",
    "meanings": """
What does the word "huge" mean? | Very big | Very old/Very sad/Very wet
What is another word for "begin"? | Start | Sleep/Break/Forget
What does the word "silent" mean? | Making no sound | Having no money/Feeling no pain/Needing no help
What do we call someone who does not tell the truth? | A liar | A twin/A king/A chef
What does it mean to whisper? | To speak softly | To shout loudly/To walk slowly/To sleep deeply
What do we call a person who lives next door? | A neighbour | A customer/A passenger/A colleague
What does it mean to purchase something? | To buy it | To eat it/To hide it/To lose it
What is a person who writes books called? | An author | A sailor/A waiter/A butcher
What does the word "annually" mean? | Every year | Every hour/Every night/Every minute
What does it mean when someone is hungry? | They need food | They need sleep/They need money/They need water
""",
    "manners": """
What do you say when someone gives you a present? | Thank you | Goodbye/I am sorry/Good night
What should you do if you break a friend's cup? | Say you are sorry | \
    Hide the pieces/Laugh out loud/Break another cup
Why might a child cry after falling off a bicycle? | Because it hurts | \
    Because it rains/Because it is late/Because it is fun
How do people usually feel when they win a game? | Happy | Angry/Bored/Ashamed
What should you do before you enter someone's room? | Knock on the door | \
    Lie on the floor/Run up the stairs/Climb onto the roof
What do people do when they hear a funny joke? | They laugh | They sleep/They faint/They argue
How should you speak in a library? | Quietly | Loudly/Rudely/Wildly
What should you do when a friend is talking to you? | Listen carefully | \
    Walk away quickly/Cover your ears/Start whistling
Why do people shake hands? | To greet each other | To wash each other/To hurt each other/To avoid each other
What does a person who yawns a lot probably need? | Some sleep | Some paint/Some money/Some shoes
""",
    "meals": """
What is bread made from? | Flour | Glass/Paper/Stone
What is cheese made from? | Milk | Rice/Corn/Salt
Which cold, sweet food do children eat from a cone? | Ice cream | Pea soup/Fried fish/Roast beef
How does honey taste? | Sweet | Salty/Bitter/Sour
What do you need to eat soup? | A spoon | A ruler/A brush/A pencil
Which fruit is long, yellow and curved? | A banana | A cherry/A walnut/A melon
Where do people keep milk cold? | In the fridge | In the oven/In the kettle/In the toaster
What do people put on a pizza before baking it? | Tomatoes and cheese | \
    Jam and ice cream/Milk and cereal/Coffee and biscuits
What do you do to an orange before you eat it? | Peel it | Iron it/Read it/Paint it
What happens to bread in a toaster? | It turns brown | It turns blue/It turns to ice/It turns to mud
""",
    "tools": """
What do you use to write on a blackboard? | Chalk | Bread/Honey/Butter
What do you use to dry yourself after a bath? | A towel | A spoon/A brick/A plate
What is a saw used for? | Cutting wood | Washing cups/Mixing paint/Writing notes
Which tool turns a screw? | A screwdriver | A lawnmower/A paintbrush/A wheelbarrow
What do you use to talk to a friend who is far away? | A telephone | A saucepan/A hairdryer/A toothbrush
What does a gardener use to dig a hole? | A spade | A towel/A candle/A ribbon
What do you clean your teeth with? | A toothbrush | A dishcloth/A paintbrush/A hairbrush
What do people use at home to clean dirty clothes? | A washing machine | \
    A coffee machine/A sewing machine/A vending machine
What do you use to draw a straight line? | A ruler | A kettle/A bucket/A pillow
What keeps you warm in bed? | A blanket | A bicycle/A magazine/A suitcase
""",
    "body": """
Which part of the body do we hear with? | The ears | The hair/The neck/The lips
What do your legs help you to do? | Walk and run | Hear music/Smell food/Taste sweets
On which part of the body do you wear a hat? | The head | The foot/The knee/The hand
Where do you wear a shoe? | On your foot | On your head/On your hand/On your nose
What happens to your body when you run fast? | You start to sweat | \
    You start to shrink/You start to float/You start to freeze
What do people do with their eyes when they sleep? | They close them | \
    They open them/They wash them/They paint them
What does a person with a cold often do? | Sneeze and cough | Dance and sing/Jump and shout/Swim and dive
What grows on the top of most people's heads? | Hair | Moss/Rice/Corn
How do you feel when you have drunk nothing all day? | Thirsty | Proud/Clever/Jealous
What should you do with a small cut on your finger? | Wash it and cover it | \
    Rub dirt into it/Paint it dark blue/Put it into an oven
""",
    "nature": """
What falls from the sky when it is freezing? | Snow | Sand/Milk/Dust
What do you see when the Sun shines through the rain? | A rainbow | A ladder/A castle/A bridge
What do most trees lose in autumn? | Their leaves | Their roots/Their bark/Their wood
What shines in the sky during the day? | The Sun | The sea/The rug/The bus
What do you hear in a storm after the lightning? | Thunder | Birds/Bells/Cheers
What keeps a kite up in the air? | The wind | The rain/The moon/The snow
What do bees visit in a garden? | Flowers | Bricks/Stones/Fences
What makes the ground wet? | Heavy rain | Bright light/Strong wind/Loud music
Where do potatoes grow? | Under the ground | On tall branches/Inside a beehive/In the clouds
What is most of the ground in a desert covered with? | Dry sand | Wet grass/Deep snow/Tall corn
""",
    "everyday life": """
Who comes to save people from a burning house? | A firefighter | A shopkeeper/A hairdresser/A goalkeeper
Who helps children to learn at school? | A teacher | A butcher/A sailor/A miner
Where do people go to see a film? | To the cinema | To the farm/To the bakery/To the dentist
Where do very sick people go to get better? | To a hospital | To a theatre/To a factory/To a car park
What do you buy before you travel by train? | A ticket | A carpet/A candle/A hammer
Where do people keep a car at night? | In the garage | In the oven/In the sink/In the attic
What do drivers do at a red light? | They stop | They sleep/They swim/They dance
In which room do people sleep? | The bedroom | The kitchen/The bathroom/The garage
What do you hand over in a shop to pay? | Some money | Some grass/Some water/Some smoke
Who travels to space? | An astronaut | An accountant/A shoemaker/A bus driver
""",
}
