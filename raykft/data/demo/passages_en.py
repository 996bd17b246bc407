"""Sixteen original pieces of everyday English prose on which bits per byte are measured.

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
"""


def passages() -> list[Passage]:
    """The passages in order, each as one line of running text."""
    paragraphs = TEXT.strip().split("\n\n")
    return [
        Passage(id=f"x{number:02d}", text=" ".join(paragraph.split()))
        for number, paragraph in enumerate(paragraphs, start=1)
    ]
