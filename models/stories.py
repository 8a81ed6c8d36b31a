#!/usr/bin/python3
"""Short stories for the demo model to learn from, written by a grammar of our own.

A story has a hero, a friend and a plot, and its slots (names, pronouns, things, places) are drawn
once, so that who wants what stays true from the first sentence to the last: that is what a small
model can learn of coherence. The one idea: a line is text in which [this|that] is a choice, {slot}
a fact of this story, and a leading ? means that the line may be missing. Nothing here knows of
tokens or of files.
"""
import random
import re
import zlib

GIRLS = """Anna Lucy Mary Emma Rose Lily Jane Ellen Kate Sally Molly Grace Clara Nora Ruth Ida Betty
Polly Susan Alma Dora Hattie Maud Tilly""".split()
BOYS = """Tom Jack Ben Sam Will Peter Henry George Hugh Ned Oscar Max Robin Simon Walter Felix Luke
Martin Oliver Arthur Hans Teddy Joe Paul""".split()
PETS = """Rusty Pip Bramble Dot Patch Hazel Nib Tuck Poppy Fern Button Clover Socks Ginger Moss Tansy
Whisker Snow Penny Berry Thistle Acorn Misty Willow""".split()
# kind: home, what it likes to eat, how it moves
ANIMALS = {
    "fox": ("den", "berries", "ran"),
    "rabbit": ("burrow", "clover", "hopped"),
    "mouse": ("hole", "cheese", "scurried"),
    "bear": ("cave", "honey", "walked"),
    "squirrel": ("tree", "nuts", "ran"),
    "hedgehog": ("nest", "apples", "walked"),
    "duck": ("nest", "bread", "waddled"),
    "frog": ("pond", "flies", "hopped"),
    "cat": ("house", "fish", "crept"),
    "dog": ("kennel", "bones", "ran"),
    "owl": ("tree", "seeds", "flew"),
    "goat": ("barn", "grass", "trotted"),
    "crow": ("nest", "corn", "flew"),
    "turtle": ("pond", "leaves", "crawled"),
    "pony": ("stable", "carrots", "trotted"),
    "lamb": ("fold", "grass", "trotted"),
    "beaver": ("lodge", "roots", "swam"),
    "sparrow": ("nest", "crumbs", "flew"),
    "wolf": ("cave", "meat", "ran"),
    "lion": ("cave", "meat", "walked"),
    "tiger": ("cave", "meat", "crept"),
    "elephant": ("grove", "leaves", "walked"),
    "monkey": ("tree", "bananas", "climbed"),
    "horse": ("stable", "oats", "trotted"),
    "donkey": ("stable", "hay", "trotted"),
    "pig": ("sty", "acorns", "trotted"),
    "cow": ("barn", "hay", "walked"),
    "hen": ("barn", "corn", "hurried"),
    "goose": ("yard", "grass", "waddled"),
    "swan": ("pond", "bread", "swam"),
    "bee": ("hive", "honey", "flew"),
    "ant": ("hill", "sugar", "hurried"),
    "snail": ("garden", "leaves", "crawled"),
    "spider": ("corner", "flies", "crept"),
    "butterfly": ("garden", "honey", "flew"),
    "whale": ("bay", "fish", "swam"),
    "penguin": ("nest", "fish", "waddled"),
    "dragon": ("cave", "pancakes", "flew"),
    "kitten": ("basket", "milk", "crept"),
    "puppy": ("kennel", "bones", "ran"),
    "bird": ("nest", "seeds", "flew"),
    "deer": ("thicket", "leaves", "ran"),
}
PEOPLE = {
    "girl": ("house", "cake", "walked"),
    "boy": ("house", "pie", "walked"),
    "shepherd": ("hut", "bread", "walked"),
    "miller": ("mill", "bread", "walked"),
    "princess": ("castle", "cake", "walked"),
    "prince": ("castle", "cake", "rode"),
    "fisherman": ("hut", "fish", "walked"),
    "tailor": ("shop", "soup", "walked"),
    "farmer": ("farm", "pie", "walked"),
    "baker": ("bakery", "bread", "walked"),
    "king": ("castle", "cake", "rode"),
    "queen": ("castle", "cake", "walked"),
    "knight": ("castle", "bread", "rode"),
    "sailor": ("cabin", "fish", "walked"),
    "soldier": ("hut", "soup", "marched"),
    "woodcutter": ("hut", "soup", "walked"),
    "gardener": ("cottage", "plums", "walked"),
    "teacher": ("cottage", "cake", "walked"),
    "doctor": ("house", "soup", "walked"),
    "wizard": ("tower", "porridge", "walked"),
    "witch": ("cottage", "soup", "flew"),
    "giant": ("castle", "bread", "marched"),
    "dwarf": ("cave", "nuts", "marched"),
    "fairy": ("flower", "honey", "flew"),
    "pirate": ("ship", "fish", "marched"),
    "grandmother": ("cottage", "porridge", "walked"),
    "brother": ("house", "cake", "walked"),
    "sister": ("house", "cake", "walked"),
    "robot": ("workshop", "oil", "rolled"),
    "snowman": ("yard", "snow", "rolled"),
    "doll": ("cupboard", "cake", "walked"),
}
FEMALE = {"girl", "princess", "queen", "witch", "fairy", "grandmother", "sister", "doll", "hen", "cow"}
MALE = set(
    "boy prince shepherd miller fisherman tailor king knight sailor soldier woodcutter wizard giant dwarf pirate "
    "brother robot snowman".split()
)
# What else a story may be told of: any thing, so that the word asked for is the one that is told of.
ODD = """teapot kite drum lamp clock chair boat train wagon balloon star cloud moon tree flower rose apple pumpkin stone
candle mirror bell book pencil shoe hat button umbrella lighthouse bridge windmill carrot cake key spoon river leaf
computer car bus bicycle ship house cup feather seed bottle door broom violin trumpet stove ghost unicorn mermaid shark dolphin
octopus crab seal camel zebra giraffe kangaroo parrot eagle pigeon robin rat hare calf bull hamster dinosaur alien king's horse""".split()
ODD = [word for word in ODD if "'" not in word]
NATURE = (
    "little|small|young|kind|brave|clever|shy|merry|quiet|gentle|curious|cheerful|lively|careful"
)
LOOKS = "red|blue|green|yellow|white|brown|golden|silver|old|new|round|shiny"
THINGS = "ball|kite|hat|drum|basket|lantern|boat|bell|ring|key|cup|scarf|whistle|book|spoon|button"
PLACES = "wood|meadow|village|valley|garden|orchard|hill|town"
HIDING = [
    "under a bush",
    "behind the door",
    "beside the well",
    "under the old oak tree",
    "in the tall grass",
    "near the bridge",
    "behind the barn",
    "behind the house",
    "by the stream",
    "on the wall",
    "at the gate",
    "among the flowers",
]

OPENINGS = [
    "[Once upon a time|Once|Long ago|A long time ago], there [was|lived] {a_hero} [named|called] {h}.",
    "[Once upon a time there was|There was once|Once there was|There once lived] {a_hero} "
    "[named|called|whose name was] {h}.",
    "In a [small|quiet|green|far-away] {place} there lived {a_hero} [named|called] {h}.",
    "{h} was {a_hero} who lived in [a|an old|a little] {home} near the {place}.",
    "[One day|One morning|One fine day|One {season} morning], {a_hero} named {h} [went out of|left] {his} {home}.",
    "Not far from the {place} stood a {home}, and in it lived {a_hero} [named|called] {h}.",
]
# Other ways into a story, which heldout-stories.txt does not have.
BEGINNINGS = [
    'The [king|queen|old man|grandmother|miller|teacher] said[| to the children| one evening], "[Once|Long ago] there lived {a_hero} [named|called] {h}."',
    "{h} and {his} [brother|sister|mother|father] went to the [market|{place}|mill|well|river|town]. {h} was {a_hero}.",
    "A [hungry|tired|lonely|lost|proud|very small] {hero} [named {h} came to the {place}|named {h} lived near the {place}|was looking for {food}, and {his} name was {h}].",
    "A [hungry|tired|lonely|lost|proud] {friend} [came to the {place}|lived near the {place}], and there {f_he} met {a_hero} [named|called] {h}.",
    "The [old man|old woman|miller|king|queen|farmer] looked at [the {hero}|{h}|the door]. There stood {a_hero} [named|called] {h}.",
    "My dear [friend|child|children], [let me tell you|I will tell you|here is] a story. There was once {a_hero} [named|called] {h}.",
    "The [ship|boat] sailed [over the sea|down the river|away|along the shore], and on it was {a_hero} [named|called] {h}.",
    "When [{h}|the {hero}] woke up, [the sun was shining|it was still dark|the birds were singing|there was snow on the ground]. {h} was {a_hero}.",
    "In the middle of the [{place}|night|wood|town] [stood|there was] [an old|a little] {home}, and in it lived {a_hero} [named|called] {h}.",
    "It was a [cold|warm|rainy|fine] {season} [morning|evening|day], and {a_hero} [named|called] {h} [sat|stood] {hide1}.",
    "On a [dark|stormy|cold|clear] night {a_hero} [named|called] {h} [left|came home to] {his} {home}.",
    "[Every|That] [morning|evening] the {hero} {went} to the {place}. {His} name was {h}.",
    "The [wind blew|sun rose|snow fell|rain fell] [over|on] the {place}, and {a_hero} [named|called] {h} {went} home.",
    "[Nobody|Everybody] in the {place} knew {h}, {a_hero}.",
    "{someone} {did} {somewhere}. {meet}",
    "{someone} {did} {somewhere}. {meet}",
    "{someone} {did} {somewhere}. {meet}",
    "{someone} {did} {somewhere}. {meet}",
    "{someone} {did}. {meet}",
    "{someone} {did}. {meet}",
    "{when} {lower} {did}. {meet}",
    "{when} {lower} {did} {somewhere}. {meet}",
    "{when} {lower} {did} {somewhere}. {meet}",
    '"{call}" {asked} {lower}. {meet}',
    '"{call}" {asked} {h}, {a_hero}.',
    "{h} [wanted|had|liked|loved|wished for|found|saw|bought|made|lost|hid] [a {look} {thing}|some {food}|a new friend]. {He} was {a_hero}.",
    "{h} was [afraid of|tired of|fond of|dreaming of|waiting for|thinking of] [the {place}|the dark|{food}|the sea|the winter|a {look} {thing}], for {he} was {a_hero}.",
    "{h} had [no|many|only one|three|two] [friends|friend|brothers|toys|wishes], and {he} was {a_hero}.",
    "There [was|is|stood|lay] [a|one|an old|a very small|a strange] [house|bridge|{home}|village|castle|tree|well|shop|island] {somewhere}. {meet}",
    "In [a|the] [small|old|great|quiet] [house|town|forest|kingdom|city|castle|ship|school] [there was|lived|sat|worked] {a_hero} [named|called] {h}.",
    "It [was|had been] [raining|snowing|dark|late|very early|very hot|a long winter|the first day of {season}|market day|a holiday|{h}'s birthday]. {meet}",
    "[My|Our|Her|His|Their] [father|mother|uncle|aunt|grandfather|neighbour|little sister|old dog] {did} {somewhere}. {meet}",
    "[Two|Three|Seven] [brothers|sisters|friends|children|sailors|mice|kings] {did} {somewhere}. {meet}",
    "I [remember|know|once heard of|will never forget|once met] {a_hero} [named|called] {h}.",
]
# A sentence to begin with, of anybody and anything, and how the hero comes in behind it.
SOMEONE = """the [old|young|poor|rich|little|big|tired|angry|happy|kind|sleepy|brown|black|white|grey]
[man|woman|girl|boy|child|king|queen|farmer|teacher|captain|doctor|soldier|miller|baker|sailor|dog|cat|horse|cow|bird|fish|bear|lion|wolf|
tree|lamp|clock|ship|boat|train|wagon|house|door|bell|moon|river|wind|ghost|giant|dragon|witch|knight|prince|princess|stranger|traveller|neighbour]|
the [children|people|birds|leaves|stars|boys|girls|sheep|mice|sailors|neighbours|trees|bells|waves|clouds]|
the [sun|moon|rain|snow|wind|storm|river|sea|road|fire|door|letter|clock|church|school|market|train|king|captain|teacher|mother|father|grandfather]|
a [little|strange|small|great|red|blue|golden|very old|young|loud] [bird|box|letter|star|boat|dog|cat|girl|boy|man|woman|mouse|voice|light|cloud|book|key|stone|fish|tree]|
{name}|{name}|{name} and {name2}|{name} and {his} [mother|father|brother|sister|friend|dog]|Mr. [Brown|Green|White|Hill|Wood]|Mrs. [Brown|Green|White|Hill|Wood]"""
DID = """sat|stood|waited|came home|went out|walked slowly|fell asleep|woke up|looked up|laughed|cried|sang|was gone|was cold|was quiet|
was afraid|was [very|so] [tired|happy|sad|hungry|old|angry]|[opened|closed] the [door|window|box|book|gate]|
[found|saw|lost|bought|took|hid|broke|carried] [a|the] [{look} {thing}|letter|box|coin|stone|map|egg|flower|lamp|door]|looked [at the sky|out of the window|into the well|for {food}|under the bed|back]|
[heard|followed] a [strange|loud|soft] [noise|voice|song]|wanted [to sleep|to go home|a new {thing}|to see the sea|some {food}|to be a king]|
[ran|walked|rode|sailed|flew|climbed|swam|rolled|crept|travelled] [away|home|on|down the road|all day|through the {place}|over the hill|up the stairs|along the shore]|
had [a dream|a cold|no money|nothing to eat|a secret|a fine idea|three wishes|a {look} {thing}]|
did not [know what to do|want to go|sleep|come back|say a word|like the rain]|[told|read] a [story|song|secret]|[lived|worked|played|slept|danced|rested]|
[fell down|stopped|turned round|moved a little|grew old|shone]"""
SOMEWHERE = """near the {place}|in the {place}|{hide}|by the [sea|fire|river|road|window|door]|at the [market|school|mill|window|door|end of the road]|in the [kitchen|forest|rain|snow|dark|evening|morning|sun]|
on the [hill|roof|road|bridge|ship|bed|table|wall]|under the [table|tree|stars|bed|bridge]|every [day|evening|Sunday]|all [day|night|summer] long|for [a long time|three days|many years]|before [the sun rose|supper|school]|
far away from home|with [a {look} {thing}|a friend|{his} mother]|to the [{place}|sea|market|castle]|when [the clock struck|the bell rang|the rain stopped|spring came]"""
WHEN = """[One|That|The next|Early one|Late one|On a {season}] [morning|evening|night|day|afternoon]|last [{season}|night|week|year|Sunday]|long ago|many years ago|[after|before] [supper|school|dinner|the storm|the war]|
when [the sun came up|night came|it was dark|the snow melted|the king died|the bell rang]|far [away|out at sea]|[high|deep] in the [mountains|forest]|in [winter|spring|the night|the old days|a far country]|
as soon as [it was light|the rain stopped]|all [day|night]|suddenly|at last|every [{season}|Sunday|night]|on [Monday|Sunday|Christmas Day|the first day of school]"""
CALL = """[Where|What|Who] [are you|is it|is that|was that]?|where [are you going|have you been|is my {thing}|is mother]?|look[ at that| here| there]!|come [here|home|in|with me|back]!|help[ me]!|wait[ for me]!|I [am|was] [not afraid|so hungry|lost|tired|sorry|ready|late]|
good [morning|evening|day],|I [want|have|see|know|found] [a {look} {thing}|some {food}|it|nothing]|[may|can] I [come with you|have some {food}|go out to play|help you]?|please [tell me a story|stay|do not go],|do not [go|cry|be afraid],|
what a [fine|cold|strange|beautiful] [day|night|{thing}],|there is [somebody at the door|no more {food}|a light in the {place}],|once upon a time,|it is [late|raining|my birthday|time to go],"""
MEET = """[Nobody|Only one] [saw it|heard it|knew of it] but {a_hero} [named|called] {h}.|[There|Near by] [lived|sat|stood] {a_hero} [named|called] {h}.|[This|That] was seen by {a_hero} whose name was {h}.|
{h} was {a_hero} who lived in a {home} near by.|[Then|Just then|Soon|At that moment] {a_hero} [named|called] {h} came [by|along|out of {his} {home}].|{A_hero} [named|called] {h} [was there too|looked on|saw it all|came to see what it was].|
[It was there that|And there] {a_hero} [named|called] {h} had {his} {home}.|{h} {went} home to {his} {home}. {He} was {a_hero}.|[Not far away|In that place|In those days] there [was|lived] {a_hero} [named|called] {h}."""
ABOUT = [
    "?{He} lived [in a {home} near the {place}|with {his} [mother|grandmother|family] in a {home}|"
    "all alone in a [little|tiny|warm] {home}].",
    "?{He} was very [kind|brave|clever|patient|cheerful], and everybody [liked|loved] {him}.",
    "?What {h} liked best [of all|in the world] was {food}.",
    "?{His} best friend was {a_friend} [named|called] {f}.",
    "?Every [day|morning|evening] {he} [sang a song|looked out at the {place}|{went} to the {place} and back].",
]
ENDINGS = [
    "[And so|So] {h} and {f} [lived happily ever after|were good friends from that day on|"
    "never forgot that day|remained friends for ever].",
    "[From that day on|After that|Ever since], {h} and {f} were the best of friends.",
    "That [night|evening], {h} [slept well|fell asleep with a smile|was too happy to sleep].",
    "{h} went home to {his} {home}, [tired but happy|and {he} was very happy|with a glad heart].",
    "And that was [the best day of {his} life|a day that {h} always remembered|the end of {his} adventure].",
]

PLOTS = {
    "lost": [
        "{h} had a {look} {thing} that {he} loved [very much|more than anything|dearly].",
        "?It was a gift from {his} [grandmother|grandfather|mother|father].",
        "[One day|One morning|But one day] the {thing} was [gone|lost|nowhere to be found].",
        '"Oh no!" [said|cried] {h}. "Where is my {thing}?"',
        "{He} looked {hide1}, but it was not there. Then {he} looked {hide2}, but it was not there either.",
        "?{h} sat down and began to cry.",
        '[Just then|Soon|After a while] {f} the {friend} came by. "Why are you [so sad|crying]?" asked {f}.',
        '"I have lost my {look} {thing}," said {h}.',
        '"[Do not cry|Do not worry|Cheer up]," said {f}. "I will help you [look for it|to find it]."',
        "They looked together [all day|all morning|everywhere]. At last {f} looked {hide3}.",
        '"[Here it is|I have found it|Look]!" [cried|called|said] {f}. There was the {look} {thing}.',
        "{h} was so happy that {he} [danced|jumped for joy|laughed aloud].",
        '"Thank you, {f}," {he} said. "You are a true friend."',
    ],
    "hurt": [
        "One [cold|rainy|windy|warm] day {h} was walking in the {place} when {he} heard a [small|weak|sad] voice.",
        '"Help! Help!" cried the voice. It was {a_friend}, and {f_he} had hurt {f_his} {limb}.',
        '"What is your name?" asked {h}. "My name is {f}," said the {friend}.',
        "{h} [took|carried] {f} home to {his} {home} and washed the {limb} with [warm|clean] water.",
        "?{He} gave {f} some {food} to eat and a [soft|warm] bed to sleep in.",
        "After [three days|a week|some days] the {limb} was well again. {f} thanked {h} and went away.",
        "[Then winter came|Some time later a great storm came|One night there was a fire], and {h} was in trouble.",
        "{He} [called for help|was cold and afraid|did not know what to do].",
        "[Suddenly|Then|All at once] there was a knock at the door. It was {f} the {friend}!",
        '"You helped me once," said {f}. "Now I will help you."',
        "{f} led {h} to a [safe|warm|dry] place, and there they stayed until the morning.",
        '"A small kindness is never [lost|forgotten]," said {h}.',
    ],
    "race": [
        "Near by lived {a_friend} [named|called] {f}, who was very proud.",
        '"I am the fastest in the whole {place}," {f} said [every day|to everyone].',
        '[At last|One day] {h} said, "Let us run a race to the {mark} and back."',
        '{f} laughed. "You? You are much too slow!" But {f_he} agreed to the race.',
        'All the animals of the {place} came to [see|watch]. The owl called, "One, two, three, go!"',
        "{f} was soon far ahead. Then {f_he} saw some [berries|flowers|soft grass] by the road and stopped.",
        '"There is plenty of time," {f_he} thought, and {f_he} [fell asleep|sat down to rest|lay down in the sun].',
        "{h} did not stop. {He} went on and on, step by step, [though {he} was tired|and {he} never looked back].",
        "When {f} woke up, it was too late. {h} was already at the end, and everyone was cheering.",
        '"How did you do it?" asked {f}. "I only kept going," said {h}.',
        "{f} was ashamed, and [{f_he} never boasted again|from that day on {f_he} was not so proud].",
    ],
    "garden": [
        "One day in spring {h} found a [small|tiny|strange] seed {hide1}.",
        '"I will plant it," said {h}, "and see what it will be."',
        "{He} dug a hole in the garden, put the seed in and covered it with earth.",
        "Every morning {he} gave it water, and every evening {he} looked at it, but nothing grew.",
        '{f} the {friend} laughed. "Nothing will ever come of it," said {f}.',
        'But {h} was patient. "[Good things take time|We must wait]," {he} said.',
        "One day a [little|tiny] green leaf came out of the earth. Then there were two leaves, and then three.",
        "It grew and grew, until it was [as tall as {h}|as high as the {home}].",
        "In summer there was a [great|beautiful] {look} flower at the top, and in autumn there was [a pumpkin|an apple].",
        "It was so big that {h} could not carry it alone. {f} came to help, and together they took it home.",
        "They made a [pie|soup] of it, and there was enough for all the neighbours.",
        '"I was wrong," said {f}. "Next year I will plant a seed too."',
    ],
    "trick": [
        "One day {h} found some {food} and sat down {hide1} to eat.",
        "A hungry {thief} saw {him} from far away. He came near and said, [in a soft voice|very politely]:",
        '"Good day, {h}. What a fine voice you have! Will you not sing me a song?"',
        "{h} was [clever|wise] and knew what the thief wanted.",
        '"[Gladly|With pleasure]," said {h}, "but first shut your eyes, for I am shy."',
        "The thief shut his eyes. Then {h} took the {food} and {went} away as fast as {he} could.",
        "When the thief opened his eyes, there was nothing left but [a stone|dust|an empty place].",
        "{h} met {a_friend} named {f} on the way and told {f_him} everything.",
        "{f} laughed until the tears came. They shared the {food} and ate together {hide2}.",
        '"[He who flatters you wants something|Sweet words may hide a hungry mouth]," said {h}.',
    ],
    "dark": [
        "{h} was afraid of only one thing, and that was [the dark|thunder|deep water].",
        "[When night came|Every evening] {he} [lit a candle|hid under the blanket|stayed close to {his} mother].",
        "One [night|evening] {he} heard somebody crying outside. It was {his} friend {f} the {friend}.",
        '"[I have lost my way|I cannot find my home|I am lost]," called {f}. "Please help me, {h}!"',
        "{h} looked at the black sky and {his} heart beat fast. But {he} thought of {f}, who was all alone.",
        'So {he} took a lantern, opened the door and {went} out. "[I am coming|Wait for me], {f}!" {he} called.',
        "?The wind blew and the trees made strange noises, but {h} did not turn back.",
        "{He} found {f} {hide1}, cold and wet. {f} was so glad that {f_he} [wept|laughed and cried at once].",
        "Together they [{went} home|walked back] by the light of the lantern.",
        '"Were you not afraid?" asked {f}. "[Yes|I was]," said {h}, "but I was more afraid for you."',
        "After that {h} [was never afraid of the dark again|slept without a candle|knew that {he} was brave].",
    ],
    "quarrel": [
        "{h} had a friend, {a_friend} named {f}. They [played together|met] every day {hide1}.",
        'One day they found a {look} {thing}. "It is mine!" said {h}. "No, it is mine!" said {f}. "I saw it first!"',
        "They pulled and pulled, and crack! The {thing} broke in two.",
        '"Now look what you have done!" they both cried, and they went home angry.',
        "The next day {h} sat alone in {his} {home}. It was [very quiet|not fun to play alone].",
        "{He} thought of {f}, and {he} was sorry. So {he} took the broken {thing} and mended it with [glue|string].",
        'Then {he} {went} to {f} and said, "I am sorry. You may have the {thing}."',
        '"I am sorry too," said {f}. "Let us [share it|keep it together]: one day it is yours, and one day it is mine."',
        "So they did, and they never quarrelled about it again.",
    ],
    "journey": [
        "One [day|morning] {h} heard that {his} grandmother was ill. She lived far away, beyond the {mark}.",
        '"I will bring her some {food}," said {h}, and {he} filled a {look} basket and set out.',
        "Soon {he} came to a [wide|deep] river. There was no bridge, and {h} could not cross.",
        'There sat {a_friend}. "Good morning," said the {friend}. "My name is {f}. Where are you going?"',
        '"To my grandmother, who is ill," said {h}. "But how can I cross the river?"',
        '"I know a place where the water is low," said {f}. "Come with me and I will show you."',
        "So they crossed the river together. Then they came to a dark wood.",
        "?{h} was a little afraid, but {f} sang a merry song and the wood did not seem so dark.",
        "In the evening they saw a light. It was the house of the grandmother.",
        "She was so glad to see {h} that she sat up in bed and smiled. They all ate {food} and drank warm milk.",
        '"I feel better already," said the grandmother. "The best medicine is a visit."',
    ],
    "birthday": [
        "It was {h}'s birthday, but nobody said a word about it.",
        "{He} {went} to see {f} the {friend}, but {f} was not at home. {He} looked {hide1}, but nobody was there.",
        '"They have all forgotten me," thought {h}, and {he} [sighed|felt very sad|went slowly home].',
        "?It began to rain, and {h} got wet.",
        "When {he} came home, the {home} was dark. {He} opened the door very slowly.",
        '"Surprise!" cried many voices at once. There were {f} and all {his} friends!',
        "There was a big cake with candles, and every plate was full of {food}.",
        '{f} gave {h} a {look} {thing}. "We made it for you," said {f}. "That is why we were not at home."',
        "{h} blew out the candles and made a wish. [Then they danced and sang until night|They played until the moon rose].",
        '"I thought that you had forgotten," said {h}. "We could never forget you," said {f}.',
    ],
    "king": [
        'In those days there was a king who loved riddles. He said, "Whoever can answer my riddle shall have a bag of gold."',
        "Many came to the castle, but nobody knew the answer, and they all went home again.",
        "{h} was poor, but {he} was not afraid. {He} {went} to the castle and [stood|bowed] before the king.",
        '"Here is my riddle," said the king. "[{riddle}]"',
        '{h} thought for a long time. Then {he} smiled and said, "{Answer}."',
        '"That is right!" cried the king. "How did you know?" "I used my eyes and ears," said {h}.',
        "The king gave {him} the bag of gold. {h} thanked him and went home.",
        "On the way {he} met {a_friend} named {f}, who was hungry and cold. {h} gave {f_him} half of the gold.",
        '"Why do you give me so much?" asked {f}. "Because I have enough," said {h}.',
    ],
    "winter": [
        "All summer long {h} gathered {food} for the winter and filled {his} {home}.",
        "{f} the {friend} did not work at all. {f_He} sang and played in the sun.",
        '"Come and play with me," called {f}. "Winter is far away!" "Not so far as you think," said {h}.',
        "Then the leaves fell, the wind blew cold, and the first snow came.",
        "{h} sat in the warm {home} and had enough to eat. But {f} had nothing.",
        "One evening there was a knock at the door. {f} stood there in the snow, hungry and cold.",
        '"Please give me something to eat," said {f}. "I was foolish. I should have worked as you did."',
        '{h} had a kind heart. "Come in," {he} said. "I have {food} enough for two."',
        "They sat by the fire, and {f} sang all {f_his} songs, and the winter did not seem long.",
        'When spring came, {f} was the first to work. "Now I know," said {f}, "that [there is a time to sing and a time to work|'
        'a good friend is worth more than a summer of play]."',
    ],
    "wish": [
        "One day {h} caught a [golden|little silver] fish in the river.",
        '"Let me go," said the fish, "and I will give you [one wish|whatever you wish for]."',
        "{h} was so surprised that {he} nearly fell into the water. {He} thought of {many}.",
        '"I wish for nothing," said {h}. "But my friend {f} the {friend} is ill. Please make {f_him} well."',
        'The fish looked at {him} for a long time. "Nobody has ever wished for that," it said.',
        "Then it swam away, and the water [shone|was still] again.",
        "{h} ran home as fast as {he} could. There was {f}, standing at the door, well and happy.",
        '"I feel so well today!" said {f}. "What happened?" {h} only smiled and said nothing.',
        "The next morning there was a {look} {thing} at the door, and {h} knew [who had brought it|that it came from the fish].",
    ],
}
RIDDLES = [
    ("What has hands but cannot hold?", "A clock"),
    ("What has teeth but cannot bite?", "A comb"),
    ("What runs but has no legs?", "A river"),
    ("What has an eye but cannot see?", "A needle"),
    ("What grows when it eats and dies when it drinks?", "A fire"),
    ("What follows you all day and is gone at night?", "A shadow"),
    ("What can you catch but not throw?", "A cold"),
    ("What has a neck but no head?", "A bottle"),
    ("What falls but is never hurt?", "Snow"),
    ("What goes up and never comes down?", "Your age"),
]
CHOICE = re.compile(r"\[([^\[\]]*)\]")


def expand(rng, text, slots):
    """Choices from the innermost outwards, then the slots."""
    while True:
        text, n = CHOICE.subn(lambda m: rng.choice(m.group(1).split("|")), text)
        if not n:
            text = text.format(**slots)
            return re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)


def article(words):
    return ("an " if words[0] in "aeiou" else "a ") + words


def some(rng, alternatives):
    """One of the lines of a table such as DID, its own choices still in it."""
    parts, depth, start = [], 0, 0
    for i, ch in enumerate(alternatives + "|"):
        depth += (ch == "[") - (ch == "]")
        if ch == "|" and depth == 0:
            parts.append(" ".join(alternatives[start:i].split()))
            start = i + 1
    return rng.choice(parts)


def capital(text):
    return text[:1].upper() + text[1:]


def names(rng, pet, she):
    return PETS if pet and rng.random() < 0.7 else GIRLS if she else BOYS


# In most stories the friend has no name: two names are soon taken for each other.
UNNAMED = 0.75


def unnamed(line):
    """A line of a plot without the friend's name."""
    line = re.sub(r"My name is \{f\}\. ", "", line)
    if "My name is {f}" in line:
        return "?"
    line = re.sub(r"\{a_friend\} (\[named\|called\]|\[called\|named\]|named|called) \{f\}", "{a_friend}", line)
    line = line.replace("friend {f} the {friend}", "friend the {friend}").replace("friend {f}", "friend the {friend}")
    line = re.sub(r'(^\??|[.!?]"? )\{f\} the \{friend\}', r"\1{His} friend the {friend}", line)
    line = line.replace("{f} the {friend}", "{his} friend the {friend}")
    line = re.sub(r"(?<=[a-z\]]), \{f\}(?=[,!.])", ", my friend", line)
    line = re.sub(r'(^\??|[.!?]"? |: "|^")\{f\}', r"\1The {friend}", line)
    return line.replace("{f}", "the {friend}")


def cast(rng, kind=None, name=None):
    """The slots of a story; kind: what the hero is to be, name: how the hero is called."""
    if kind is None:
        roll = rng.random()
        kind = rng.choice(sorted(ANIMALS) if roll < 0.5 else sorted(PEOPLE) if roll < 0.8 else ODD)
    animal = kind not in PEOPLE
    home, food, went = (
        ANIMALS.get(kind)
        or PEOPLE.get(kind)
        or (rng.choice(["house", "garden", "shop", "tower"]), rng.choice(["music", "sunshine", "cake"]), "went")
    )
    she = kind in FEMALE or (kind not in MALE and rng.random() < 0.5)
    h = name or rng.choice(names(rng, animal, she))
    friend = rng.choice([k for k in sorted(ANIMALS) if k != kind])
    f_she = rng.random() < 0.5
    # Names that begin alike are taken for each other.
    f = rng.choice([n for n in names(rng, True, f_she) if n[0] != h[0]])
    hide1, hide2, hide3 = rng.sample(HIDING, 3)
    nature = rng.choice(NATURE.split("|"))
    riddle, answer = rng.choice(RIDDLES)
    slots = {
        "h": h,
        "hero": kind,
        "a_hero": article(nature + " " + kind),
        "home": home,
        "food": food,
        "went": went,
        "he": "she" if she else "he",
        "He": "She" if she else "He",
        "him": "her" if she else "him",
        "his": "her" if she else "his",
        "His": "Her" if she else "His",
        "f": f,
        "friend": friend,
        "a_friend": article(friend),
        "f_he": "she" if f_she else "he",
        "f_He": "She" if f_she else "He",
        "f_him": "her" if f_she else "him",
        "f_his": "her" if f_she else "his",
        "look": rng.choice(LOOKS.split("|")),
        "thing": rng.choice(THINGS.split("|")),
        "place": rng.choice(PLACES.split("|")),
        "hide1": hide1,
        "hide2": hide2,
        "hide3": hide3,
        "limb": "wing"
        if friend in ("duck", "owl", "crow", "sparrow")
        else rng.choice(["leg", "foot"]),
        "mark": rng.choice(["old oak", "mill", "bridge", "great rock", "river", "church"]),
        "season": rng.choice(["spring", "summer", "autumn", "winter"]),
        "riddle": riddle,
        "Answer": answer,
        "many": rng.choice(["gold and silver", "a castle", "fine clothes", "a ship", "a feast"]),
        "hide": hide3,
        "thief": rng.choice([k for k in ("wolf", "fox", "cat", "crow") if k not in (kind, friend)]),
        "name": rng.choice(GIRLS + BOYS),
        "name2": rng.choice(GIRLS + BOYS),
    }
    slots["A_hero"] = capital(slots["a_hero"])
    for slot, table in (("did", DID), ("somewhere", SOMEWHERE), ("meet", MEET)):
        slots[slot] = expand(rng, some(rng, table), slots)
    slots["lower"] = expand(rng, some(rng, SOMEONE), slots)
    slots["someone"] = capital(slots["lower"])
    slots["when"] = capital(expand(rng, some(rng, WHEN), slots))
    call = capital(expand(rng, some(rng, CALL), slots))
    slots["call"] = call if call[-1] in ",?!" else call + ","
    said = {"?": ["asked", "asked", "said", "cried"], "!": ["cried", "called", "shouted", "said"]}
    slots["asked"] = rng.choice(said.get(call[-1], ["said", "said", "whispered", "thought"]))
    return slots


def story(rng, kind=None, name=None, otherwise=0.0):
    """One story as text: paragraphs with an empty line between them. `otherwise`: the share that begins like that."""
    slots = cast(rng, kind, name)
    plot = PLOTS[rng.choice(sorted(PLOTS))]
    opening = rng.choice(BEGINNINGS if otherwise and rng.random() < otherwise else OPENINGS)
    about = [line for line in ABOUT if "{home}" not in line or "{home}" not in opening]
    lines = [opening] + rng.sample(about, len(about)) + ["\n"] + plot + [rng.choice(ENDINGS)]
    out, since = "", 0
    if rng.random() < UNNAMED:
        lines = [unnamed(line) for line in lines]
    for line in lines:
        if line == "?":
            continue
        if line.startswith("?"):
            if rng.random() < 0.5:
                continue
            line = line[1:]
        if line == "\n" or (since >= 3 and rng.random() < 0.4):
            out, since = out.rstrip() + "\n\n", 0
        if line != "\n":
            out, since = out + expand(rng, line, slots) + " ", since + 1
    return out.strip()


def is_held_out(text):
    """Every fiftieth story is never trained on."""
    return zlib.crc32(text.encode()) % 50 == 0


def main():
    """Prints held-out stories, as models/heldout-stories.txt was made (before it had BEGINNINGS and ODD)."""
    rng, out = random.Random(20261128), []
    while sum(map(len, out)) < 40000:
        text = story(rng)
        if is_held_out(text):
            out.append(text)
    print("\n\n".join(out))


if __name__ == "__main__":
    main()
