"""The plain lines that a board begins with."""

from __future__ import annotations

from raykft.wording.messages import Message

SEPARATOR = Message("; ", "")  # Japanese parts end in a full stop of their own

LABELS = {
    "winner": Message("winner", "最良"),
    "knows": Message("knows", "知識"),
    "forgot": Message("forgot", "忘却"),
    "order": Message("order", "順位"),
    "caution": Message("caution", "注意"),
    "next": Message("next", "次"),
}
# What is put beside the winner, as it is called in a sentence.
BESIDE = {
    "base": Message("base", "ベースモデル"),
    "facts_needed": Message("base with the facts", "事実を与えたベースモデル"),
    "bm25": Message("base with BM25", "BM25を付けたベースモデル"),
}
# Shares as people say them.
PORTIONS = {
    0.0: Message("next to nothing", "ごくわずか"),
    0.05: Message("about a twentieth", "約20分の1"),
    0.1: Message("about a tenth", "約1割"),
    0.2: Message("about a fifth", "約2割"),
    0.25: Message("about a quarter", "約4分の1"),
    1 / 3: Message("about a third", "約3分の1"),
    0.5: Message("about half", "約半分"),
    2 / 3: Message("about two thirds", "約3分の2"),
    0.75: Message("about three quarters", "約4分の3"),
    1.0: Message("nearly all", "ほぼすべて"),
}

PERCENT = Message("{share} %", "{share}%")
PERCENT_BETWEEN = Message("{share} % ({low:.0f} to {high:.0f})", "{share}%（{low:.0f}〜{high:.0f}）")

NO_WINNER = Message("none: no trial has a score yet", "なし（スコアの付いた試行はまだありません）")
SCORE = Message("score {figure}", "スコア {figure}。")
SCORE_HELD_OUT = Message("score {figure} held out", "報告用の設問でスコア {figure}。")
RANK = Message("rank 1 of {ranked}", "{ranked}試行中1位。")
RANK_BETWEEN = Message("rank {low} to {high} of {ranked}", "{ranked}試行中{low}〜{high}位。")
SEEDS = Message("{n} seeds {low:.2f} to {high:.2f}", "シード{n}個で{low:.2f}〜{high:.2f}。")
ONE_SEED = Message("one seed", "シードは1個。")
INTERVALS = Message("all intervals 95 %", "区間はすべて95%信頼区間。")

KNOWS = Message("{share}", "{share}。")
KNOWS_BESIDE = Message("{title} {share}", "{title}は{share}。")
KNOWS_FREE = Message("a byte of its texts at {share}", "学習した文章の1バイトあたりの確率は{share}。")
FREE_MEAN = Message(
    "probability of the very words; whether others are true is not measured",
    "一字一句の確率であり、別の言い方の正しさは測っていません。",
)
KNOWS_MEAN = Message("mean over kinds of unseen questions", "学習に使っていない設問の種類ごとの平均です。")

FORGOT = Message("{portion} of the base's general ability: {share}", "汎用能力の{portion}を失っています: {share}。")
PERHAPS_NOTHING = Message("perhaps nothing", "実際には失っていない可能性もあります。")
PROMPTS_FORGET_NOTHING = Message(
    "facts or BM25 in a prompt forget nothing", "事実やBM25の検索結果をプロンプトに入れる方法では何も失いません。"
)

ONLY_ONE = Message("only one trial has a score", "スコアの付いた試行は1件だけです。")
UNCERTAIN = Message("how certain it is cannot be told", "順位がどれだけ確かかは判断できません。")
DECIDED = Message("{share} of pairs of trials are decided", "優劣が決まった試行の組は{share}です。")
TIED = Message("{n} more may be as good as the winner", "ほかに{n}件が最良と同等かもしれません。")
BEHIND_HELD_OUT = Message(
    "{n} of equal rank behind on held-out questions", "同順位のうち{n}件は、報告用の設問では最良に及びません。"
)
NONE_TIED = Message("no other is as good as the winner", "最良に並ぶ試行はほかにありません。")
RANKED_BY = Message("ranked by {objective} scores", "順位は{objective}スコアによります。")

UNDER_DETAILS = Message("under --details", "--details で表示")
BELOW = Message("below", "下に記載")
MORE_CAUTIONS = Message("{n} more {rest}", "ほか{n}件は{rest}。")
CONTAMINATED = Message(
    "CONTAMINATED: training rows give away {n} probe(s)", "データ汚染: 学習データが設問{n}問の答えを含んでいます。"
)
FAILED = Message("{n} trial(s) failed: {status}", "{n}件の試行が失敗しました（{status}）。")
FAILED_BECAUSE = Message("{n} trial(s) failed: {status}, {why}", "{n}件の試行が失敗しました（{status}）: {why}")
OVERRULED = Message(
    "graded scores put another trial first, its answers are worse",
    "尤度スコアの1位は別の試行ですが、その回答は最良のレシピより劣ります。",
)
NOT_ABOVE_BASE = Message(
    "its score is not shown to be above the untouched base model's",
    "スコアが学習前のベースモデルを上回るとは言えません。",
)
BM25_KNOWS_MORE = Message(
    "base with BM25 knows more, and forgets nothing",
    "BM25を付けたベースモデルのほうが多くを知っていて、何も失いません。",
)
NOT_HELD_OUT = Message(
    "no held-out questions yet: it was chosen by these figures",
    "報告用の設問ではまだ測っておらず、この数値自体で選ばれました。",
)
ONE_SEED_ONLY = Message(
    "trained with one seed; another may rank otherwise",
    "シード1個だけの結果です。別のシードでは順位が変わるかもしれません。",
)

AT_WORK = Message("the search is at work; see how far it is", "探索を実行中です。進み具合を確認できます。")
INCOMPLETE = Message("the search is not complete; go on with it", "探索は完了していません。続きを実行してください。")
SEE_MACHINE = Message("see what this machine lacks", "この環境に足りないものを調べてください。")
MORE_RECIPES = Message("try more recipes", "レシピをもっと試してください。")
WRONG_ANSWERS = Message("read its wrong answers", "誤答を読んでみてください。")
GIVEN_AWAY = Message("see which probes are given away", "答えが漏れている設問を確認してください。")
NOT_WORTH_IT = Message(
    "try more recipes: this one is not shown to be worth its training",
    "このレシピは学習の効果があるとは言えません。レシピをもっと試してください。",
)
MORE_SEEDS = Message("more seeds would tell the first two apart", "シードを増やせば、上位2件の優劣が決まる見込みです。")
ANOTHER_SEED = Message(
    "see what another seed makes of the first ones", "上位の試行を別のシードでも学習して確かめてください。"
)
TAKE_ADAPTER = Message("take the winner's adapter", "最良のレシピのアダプタを書き出してください。")
TAKE_ONE_OF = Message(
    "take the winner's adapter, or that of a cheaper trial marked 1=",
    "最良のレシピか、1= の付いたより安価な試行のアダプタを書き出してください。",
)
