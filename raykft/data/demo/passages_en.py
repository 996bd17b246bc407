"""Original pieces of everyday English prose, about twenty kilobytes, on which bits per byte are measured.

Paragraphs of `TEXT` are separated by empty lines; the line breaks inside a paragraph are only layout.
"""

from __future__ import annotations

from raykft.records import Passage

TEXT = """
The rain began before breakfast, so lightly at first that nobody noticed it until the washing on the line
had turned a darker shade of grey. By nine o'clock it had settled into the steady kind of rain that seems to
have no particular plans for the rest of the day. Water ran along the gutters, gathered in the dip by the
bus stop and spread slowly across the pavement. A boy in yellow boots walked straight through the middle of
it, twice, while his mother pretended to look the other way. Towards evening the clouds broke apart in the
west, and for a few minutes every wet roof in the street shone like polished metal.

To make a simple vegetable soup, begin by chopping two onions and letting them soften in a little oil over a
low heat. Do not hurry this step, because onions that are cooked slowly become sweet, while onions that are
cooked quickly only become brown. Add sliced carrots, a stick of celery and a large potato cut into cubes,
then pour in enough stock to cover everything by the width of a finger. Let the pan simmer for half an hour
with the lid slightly open. When the potato falls apart under a spoon, season the soup with salt and pepper,
and serve it with thick slices of bread.

On Saturdays the square in front of the town hall fills with stalls long before most people are awake. The
fish seller comes first, stacking crates of crushed ice beside his van, and after him the woman who sells
cheese and knows the name of every dog that passes. By ten the paths between the stalls are so crowded that
shoppers move in one slow stream, holding their baskets high. Prices are written in chalk and tend to fall
as the morning goes on. At two o'clock a whistle blows, the awnings come down, and within an hour there is
nothing left but a few cabbage leaves and a great many pigeons.

Dear Margaret, thank you for the photographs, which arrived on Tuesday and have already been passed around
the whole family. We are all well here, although the move took far longer than we had expected and half of
our books are still in boxes in the hall. The house is smaller than the old one but much lighter, and from
the kitchen window we can see a strip of the river and the backs of some very untidy gardens. Tom has
started at his new school and says that he likes it, which from him is high praise. Do come and stay in the
spring, when the spare room will have a bed in it. With love, Helen.

Anyone who spends a whole day at the seaside will notice that the water does not stay in one place. It
creeps up the sand, pauses, and then draws back again, usually about twice a day. The chief cause is the
pull of the Moon, which draws the water on the near side of the Earth slightly towards itself and leaves a
second bulge on the far side. As the planet turns, each stretch of coast passes through both bulges in turn.
The shape of the shore matters as well: in a narrow bay the water has nowhere to spread, so it rises much
higher than it does on an open beach.

"Have you seen my glasses?" asked the old man, lifting one cushion after another. "You had them when you
were reading the paper," said his granddaughter, without looking up from her drawing. "I know that. The
question is what I did afterwards." She put down her pencil and thought about it. "Afterwards you made tea,
and then you went out to shout at the cat." He walked to the back door, looked along the garden wall and
came back shaking his head. "Not there. I suppose I shall have to buy another pair." "Before you do," she
said, beginning to laugh, "try touching the top of your head."

Residents of three streets near the railway station were without water for most of Thursday after a pipe
burst beneath the main road. Engineers were called shortly after six in the morning, when a bus driver
reported that part of the surface had begun to sink. Nobody was hurt, but two shops were flooded and the
road will remain closed until the weekend. Bottled water was handed out at the primary school, where lessons
went ahead as usual. A spokeswoman said that the pipe was more than eighty years old and had been due for
replacement next year. Traffic is being sent along the ring road for the time being.

A pot of basil will last for months on a kitchen windowsill if it is treated with a little care. Choose the
brightest place you have, but keep the leaves from touching cold glass in winter. Water the soil rather than
the plant, and only when the surface feels dry, since roots that stand in water soon begin to rot. Pinch out
the growing tips every week or so, even when you do not need them for cooking, because this makes the stem
divide and the plant grow bushy. If flowers appear, remove them at once. Should the leaves turn pale, move
the pot to a slightly larger one with fresh compost.

Nobody can say exactly when people in the valley began to build their walls without mortar, but the method
has changed very little since. The largest stones are laid at the bottom in two rows, and the gap between
them is filled with small pieces packed tightly by hand. Every so often a long stone is set across both rows
to tie them together. A good waller, it is said, never puts down a stone once he has picked it up, because
he has already seen where it belongs. Built in this way, a wall bends with the movement of the ground, lets
the wind pass through, and may stand for longer than the house beside it.

The last train of the evening was almost empty. In the front carriage a student slept with his cheek against
the window, and across from him a nurse in a long blue coat was eating an apple with great attention. At
each stop the doors opened, let in a breath of cold air and closed again on nobody. Somewhere past the canal
the lights flickered and the train slowed to a walking pace. The voice of the driver, sounding tired and
rather amused, explained that there were sheep on the line and that he had been promised they would not be
long. The nurse offered the student half of her apple.

Learning to ride a bicycle is mostly a matter of learning not to look down. The beginner stares at the front
wheel, as though it might wander off if left alone, and the bicycle, obediently following the eyes of its
rider, heads for the ground. Sooner or later someone says to look at the tree at the end of the path
instead. The first few metres are no less shaky than before, but then something odd happens: the handlebars
grow quiet, the wheels seem to find the way by themselves, and the helper who was holding the saddle is
suddenly a long way behind, waving both hands in the air.

The village library is open on two afternoons a week and is run entirely by volunteers. It occupies what
used to be the waiting room of a doctor's surgery, and the hard wooden benches have been kept for the sake
of tradition. Crime novels are by far the most popular books, followed by anything about gardens. There is a
shelf for children under the window, low enough for the smallest of them to reach, and a box of toys that
grows a little noisier every year. Fines for late returns were given up long ago. Instead there is a jar on
the desk with a label that says, in careful handwriting, "We trust you."

When you paint a room, the work that matters most is done before the tin is opened. Move the furniture into
the middle of the floor and cover it with old sheets. Wash the walls, fill any holes, and rub the filler
smooth once it has dried. Then stick tape along the edges of windows and doors, pressing it down firmly with
a thumb. Only now should you start to paint, first with a small brush in the corners and afterwards with a
roller on the open wall. Two thin coats look better than one thick coat. Peel the tape away while the paint
is still slightly soft, or it may tear the edge.

My grandfather kept bees at the far end of his orchard, and as children we were allowed to watch him on the
condition that we stood perfectly still. He wore no gloves. He moved as if he were underwater, lifting each
frame so slowly that the insects hardly seemed to notice, and all the while he talked to them in a low voice
about the weather. In late summer he cut the honey from the combs in the kitchen, with the doors and windows
shut. For days afterwards everything we touched was sticky, from the taps to the piano keys, and the whole
house smelled of wax and clover.

Good sleep depends less on the bed than many people imagine and more on the hours that come before it. The
body keeps time by light, so a bright screen late in the evening can persuade it that the day is not yet
over. A heavy meal or a strong cup of coffee may have much the same effect. It helps to get up at a regular
hour, even after a bad night, and to spend some part of the morning outdoors. Those who lie awake worrying
about tomorrow sometimes find it useful to write the worries down. A list on paper has the great advantage
that it does not need to be remembered.

The meeting had been called to decide the colour of the new front door, and it lasted for three hours. Mr
Patel, who lived on the ground floor, wanted dark green, because it would hide the dirt. The sisters from
the second floor preferred red. A young man whom nobody had met before said that he would be happy with
anything at all, and was at once distrusted by both sides. Tea was made, and then more tea. In the end
someone pointed out that the door had to match the others in the terrace, which were blue. The motion was
carried with one vote against, and everybody went home feeling that they had nearly won.

The school play was due to begin at seven, and at ten minutes to seven nobody could find the crown. It had
been made of cardboard and gold paint by the youngest class, and it had last been seen on the head of the
caretaker. Behind the curtain the king sat on an upturned bucket and repeated his one long speech, while a
tree and two soldiers searched the cupboards. In the end the queen, who was good at solving problems, took
the tinsel from the Christmas box and wound it twice round his ears. From the back row, all the parents
agreed later, it looked exactly like a crown, only a little more cheerful.

A flat tyre is less of a disaster than it seems, provided that there is a spare one in the boot. Stop on
firm, level ground, well away from the traffic, and put on the handbrake. Loosen the nuts a little while the
wheel is still on the road, because it will only spin if you try to do so later. Then raise the car with the
jack until the tyre no longer touches the ground. Take off the nuts, keep them together in a hat or a
pocket, and pull the wheel straight towards you. Put on the spare wheel, turn the nuts by hand, lower the
car, and tighten them firmly in the order of a star.

Foxes have lived in our street for as long as I can remember, and they are no longer very shy. Around eleven
at night the first of them trots along the middle of the road, stops under the lamp, and looks about like
somebody who has forgotten what he came for. It knows on which evening the dustbins are put out. In spring
the cubs come to play on the lawn behind the church, tumbling over one another until a door opens somewhere
and they vanish under the hedge. Some of the neighbours complain about the noise and the holes. Others leave
out a bowl of water when the weather is hot, and say nothing about it.

Dear Sir or Madam, on the fourth of last month I bought a toaster in your shop, and I am sorry to say that
it has never worked as it should. One side of the bread stays quite pale, while the other is burnt so badly
that it has to be scraped. I have tried every setting and several kinds of bread. When I took it back on
Friday, a young man behind the counter told me that this model was meant to be like that. I find this hard
to believe. I enclose a copy of the receipt, together with a slice of toast, and would be glad to have my
money returned. Yours faithfully, J. Whitlock.

The leaves of many trees are green because they are full of a substance that catches sunlight and helps to
turn water and air into sugar. Other colours are there all the time as well, but the green is so strong that
it hides them. As the days grow shorter and cooler, the tree stops making the green substance and draws
whatever is useful back into its branches. Now the yellow and the orange can be seen at last. The bright red
of some trees is different, since it is made fresh in the autumn from the sugar that is left behind. Finally
a thin layer of cork closes the stem, and the next gust carries the leaf away.

"Is this the stop for the number nine?" asked the woman with the enormous plant. "It was last week," said
the man on the bench, "but they keep changing things." She put the plant down between them and a large leaf
came to rest on his newspaper. "My sister is sixty today," she explained. "I wanted to give her something
that lasts." He looked at the plant with more respect. "It seems to be lasting already." A bus came round
the corner, slowed down, and drove past with its lights off. "Was that ours?" she asked. "I think that was a
driver going home," he said. "Sit down. I have some biscuits in my bag."

The frost had come in the night and drawn ferns on the inside of the bedroom window. Emily breathed on the
glass until she had made a hole the size of a coin, and looked out. Nothing in the garden had kept its usual
shape. The wheelbarrow had turned into a white whale, the washing line sagged under its own fur, and one of
her gloves, which she had been hunting for since Sunday, stood stiffly on the gatepost as if it were waving.
Down in the kitchen somebody was raking out the stove. She dressed under the blankets, as her brother had
taught her, and managed it in less than a minute.

Bread needs only four things, which are flour, water, salt and yeast, but it also needs time. Mix everything
in a bowl until no dry patches are left, cover it with a cloth and go away for half an hour. When you
return, the dough will already be smoother than you left it. Fold it over itself a few times with wet hands
and let it rest again. After two or three hours it should have doubled in size and tremble slightly when the
bowl is shaken. Shape it gently, place it in a hot iron pot with the lid on, and bake it until the crust is
dark. Then comes the hardest part, which is to wait until it is cool.

With five minutes left to play, the score was two all and the rain was coming sideways across the pitch. The
visitors had been the better team in the first half, passing neatly and keeping their heads, but since the
break they had done little except kick the ball as far away as possible. Then their goalkeeper slipped. It
was nobody's fault, least of all his own, for the ground in front of the goal had turned to soup. The ball
rolled past him so slowly that three players had time to chase it, and came to rest just behind the line.
For a moment there was silence, as though everyone felt a little embarrassed.

Our cat did not approve of the new house. For the first two days she stayed inside the box in which she had
travelled and watched us carry furniture from one room to another. On the third day she came out, walked
along every wall with her nose close to the floor, and went back to bed. Food was accepted, but only at
night. What changed her mind in the end was the airing cupboard, a warm little room full of towels, which
somebody had left open by mistake. She was found there on Thursday evening, stretched out to her full
length, and since then she has behaved as if she had chosen the house herself.

A good map tells you much more than the way from one place to another. The thin brown lines, for example,
join points of equal height, so that where they crowd together the ground is steep, and where they lie far
apart you can expect an easy walk. Small signs mark churches, bridges, springs and the places where a path
crosses a wall. Before you set out, turn the map until its top points north and compare it with the land
around you. Find two or three things that cannot move, such as a tower or a bend in a stream. Once you know
where you are, the rest is only a matter of paying attention.

There were five of us in the waiting room, and none of us was reading the magazine we held. The fish in the
tank went up one side and down the other. Every few minutes the receptionist called a name in a bright
voice, and the rest of us felt a moment of relief, followed at once by shame. A small girl with a plaster
dinosaur told me that she was not afraid, because the dentist had shown her how everything worked, even the
chair. "It goes all the way back," she said, "and then you can see the ceiling, and there are stars on it."
I asked her what kind of stars. "Paper ones," she said. "But it helps."

The clock on the market hall had been slow for so many years that people had simply learned to add a quarter
of an hour. When it was announced that an expert would come and repair it, there were mixed feelings. He
turned out to be a small, silent woman with a bag of brushes, who climbed the ladder early on a Monday and
did not come down until dusk. Nothing was broken, she reported. Two jackdaws had been building a nest behind
the face, and each of them had pushed a twig or two between the wheels. By Wednesday the clock was right.
For the rest of that week the whole town arrived too early for everything.

A heap of compost costs nothing and gets rid of a surprising amount of rubbish. Choose a shady corner and
begin with a layer of twigs, so that air can enter from below. After that, add whatever comes from the
kitchen and the garden: peelings, tea leaves, dead flowers, grass, and torn cardboard. Wet and green things
should be mixed with dry and brown ones, for too much of the first makes slime and too much of the second
does nothing at all. Turn the heap with a fork once a month. It will grow warm inside, which is the work of
creatures far too small to see, and by the following year you will have a barrow full of dark, crumbling
soil.

On a clear night, far from the lights of any town, it takes about twenty minutes before the eyes are ready
to see what is there. At first only the brightest stars show, then the fainter ones between them, and in the
end a pale band that runs from one edge of the sky to the other. People have always drawn lines between
these points and found hunters, bears and ladles in them. The stars of one figure usually have nothing to do
with each other, and one may be many times as far away as its neighbour. All the same the figures are
useful, as anyone knows who has ever tried to point out a single star to a friend.

The second-hand bookshop opens when its owner feels like it, which is seldom before noon. There is no order
that a stranger could discover. Cookery stands beside the lives of the saints, poetry is under the stairs,
and the detective stories fill a bath at the back, because that room was once somebody's flat. Ask for a
title, however, and he will walk straight to it with his eyes half closed. The prices are written in pencil
on the first page and depend a little on whether he likes you. I once bought a book there that had belonged
to my own aunt. Her name was in it, and a shopping list, and a pressed violet that had kept its colour.

When my daughter began to learn the violin, the dog used to leave the room. We told her that this was only
chance, but she noticed that he did the same thing every day at five o'clock, a moment before she opened the
case. So she began to play to him on purpose, very softly, sitting on the stairs where he could hear without
being seen to listen. Week by week the notes grew rounder and a tune came out from among them. One afternoon
in March I found her practising in the hall with her eyes shut, and beside her, stretched across both of her
feet, lay the dog. She did not dare to stop until it was nearly dark.

A diary need not be long to be worth keeping. My great-aunt wrote one line every evening for fifty-one
years, in a row of small green books that now fill a shoebox. Most of the lines concern the weather, the
hens, or who came to tea. "Rain. Mended the blue curtain." "Fog until noon. Letter from Arthur." Read one at
a time they say almost nothing. Read together they tell you how many jars of plums she made each summer, in
which year the telephone was put in, and how, after a certain day in November, Arthur was never mentioned
again. She left no word of explanation, and nobody in the family has ever been able to find out who he was.
"""


def passages() -> list[Passage]:
    """The passages in order, each as one line of running text."""
    paragraphs = TEXT.strip().split("\n\n")
    return [
        Passage(id=f"x{number:02d}", text=" ".join(paragraph.split()))
        for number, paragraph in enumerate(paragraphs, start=1)
    ]
