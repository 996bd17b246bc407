"""What the figures allow to be said, and how the last run ended."""

from __future__ import annotations

from raykft.wording.messages import Message

MORE_NAMES = Message("{names} and {n} more", "{names}ほか{n}件")

NOT_REPORTED = Message(
    "no trial was scored on held-out probes: all figures are those that the search chose by",
    "報告用の設問で採点された試行はありません。数値はすべて、探索が選ぶのに使ったものです。",
)
REPORTED = Message(
    "{n} of {ranked} ranked trials were scored on the report split, chosen by the select split alone",
    "順位の付いた{ranked}試行のうち{n}試行を、選択用の設問だけで選び、報告用の設問で採点しました。",
)
REPORTED_HIGHEST = Message(
    "on the report split {trial} scores highest; the winner stays the one chosen beforehand",
    "報告用の設問では{trial}のスコアが最も高くなりますが、最良のレシピは事前に選ばれたものから変えません。",
)
FEW_UNITS = Message(
    "insufficient evidence: the {split} split has {units} independent groups of probes, and nothing can be "
    "said below {least}",
    "判断材料が足りません。{split}の設問には独立なまとまりが{units}個しかなく、{least}個未満では何も言えません。",
)
SCORE_NOT_ABOVE_BASE = Message(
    "insufficient evidence that the winner's score is above the untouched base model's: {gap}",
    "最良のレシピのスコアが学習前のベースモデルを上回るとは言えません: {gap}。",
)
SCORE_BELOW_BASE = Message(
    "the untouched base model scores better than the winner, which forgot too much: {gap}",
    "最良のレシピは忘却が大きく、スコアは学習前のベースモデルのほうが上です: {gap}。",
)
KNOWN_BEFORE = Message(
    "the base model already scores {knowledge:.2f} ({low:.2f} to {high:.2f}) on the domain, where less than "
    "{expected} is expected: it knows these facts, or the prompt or the questions give them away",
    "ベースモデルの知識がすでに{knowledge:.2f}（{low:.2f}〜{high:.2f}）あります（{expected}未満のはずです）。"
    "事実をもともと知っているか、プロンプトや設問から答えが漏れています。",
)

BETTER = Message(
    "significantly better than the winner on the {split} split: {names}",
    "{split}の設問で最良のレシピより有意に優れている試行: {names}。",
)
TIED = Message(
    "insufficient evidence to tell the winner from {names} ({split} split, Holm-corrected)",
    "最良のレシピと{names}に差があるとは言えません（{split}の設問、Holm補正）。",
)
ABOVE_ALL = Message(
    "the winner's score is significantly above that of every other trial of the {split} split (Holm-corrected)",
    "最良のレシピのスコアは、{split}の設問でほかのどの試行よりも有意に高くなっています（Holm補正）。",
)
KNOWS_ALIKE = Message(
    "insufficient evidence to tell the winner's knowledge from that of {title}: {gap}",
    "最良のレシピと「{title}」の知識に差があるとは言えません: {gap}。",
)
KNOWS_MORE = Message(
    "the winner knows more than {title}: {gap}", "最良のレシピの知識は「{title}」より有意に多くなっています: {gap}。"
)
KNOWS_LESS = Message(
    "the winner knows less than {title}: {gap}", "最良のレシピの知識は「{title}」より有意に少なくなっています: {gap}。"
)

OPTIMISM = Message(
    "optimism of the winner (select - report score): {gap}",
    "最良のレシピの楽観バイアス（選択用と報告用のスコアの差）は{gap}です。",
)
FRONT = Message(
    "on the front of gain against forgetting: {names}; largest gain - forgetting: {knee}",
    "獲得と忘却のパレートフロント上の試行: {names}。「獲得−忘却」が最大の試行: {knee}。",
)
FRONT_MEMBER = Message("{name} ({chance:.0%} of resamples)", "{name}（リサンプリングの{chance:.0%}）")
HYPERVOLUME = Message(
    "hypervolume of that front: {volume} (measured from gain {gain:g}, forgetting {forgetting:g})",
    "このフロントのハイパーボリュームは{volume}です（基準点は獲得{gain:g}、忘却{forgetting:g}）。",
)
HINTS = Message(
    "naming the category of the answer in the question made {helped} wrong answers right and {harmed} right ones "
    "wrong ({p})",
    "質問文で答えの種類を示すと、誤答{helped}件が正解に、正解{harmed}件が誤答に変わりました（{p}）。",
)
RUNGS_FAIL = Message(
    "warning: early stopping was not trustworthy; scores after epoch {epoch} say little of the end: "
    "Spearman {agreement:.2f} over {n} finished trials",
    "警告: 早期終了は信頼できませんでした。エポック{epoch}後のスコアは最終結果をほとんど予測していません"
    "（学習を終えた{n}試行でSpearman {agreement:.2f}）。",
)
RUNGS_HOLD = Message(
    "scores after epoch {epoch}, the first that early stopping compares, foretell those at the end: "
    "Spearman {agreement:.2f} over {n} finished trials",
    "早期終了が最初に比べるエポック{epoch}後のスコアは、最終スコアを予測できています"
    "（学習を終えた{n}試行でSpearman {agreement:.2f}）。",
)
COVERAGE = Message(
    "of {facts} facts ({split} split) the winner answers {all} in all their paraphrases, {some} in some and {none} "
    "in none; {lost} less well than the base model",
    "事実{facts}件（{split}の設問）のうち、最良のレシピがすべての言い換えに答えられるのは{all}件、"
    "一部に答えられるのは{some}件、まったく答えられないのは{none}件です。ベースモデルより悪化したのは{lost}件です。",
)
CONTAMINATED = Message(
    "CONTAMINATED: training rows, distractors or the other split give away {n} probe(s)",
    "データ汚染: 学習データ、ディストラクタ、または他方の設問が、設問{n}問の答えを含んでいます。",
)
CONTAMINATED_WITHOUT = Message(
    "CONTAMINATED: training rows, distractors or the other split give away {n} probe(s); without them the winner's "
    "knowledge on the {split} split is {clean:.2f} instead of {all:.2f}",
    "データ汚染: 学習データ、ディストラクタ、または他方の設問が、設問{n}問の答えを含んでいます。"
    "それらを除くと、{split}の設問での最良のレシピの知識は{all:.2f}ではなく{clean:.2f}です。",
)
ONE_SEED = Message(
    "1-SEED: the winner was trained with one seed only; another seed may rank otherwise",
    "1シード: 最良のレシピはシード1個でしか学習していません。別のシードでは順位が変わるかもしれません。",
)
SEEDS = Message(
    "the winner's score over {n} seeds: {low:.2f} to {high:.2f} on the select split",
    "最良のレシピのスコアは、シード{n}個で{low:.2f}〜{high:.2f}です（選択用の設問）。",
)
DISAGREEMENT = Message(
    "graded and generated scores disagree: {first} leads by graded ones, but {best} answers "
    "significantly better (paired over facts and seeds, Holm-corrected) and is the winner",
    "尤度スコアと生成スコアが食い違っています。尤度スコアの1位は{first}ですが、{best}の回答のほうが有意に優れているため"
    "（事実とシードについて対応あり、Holm補正）、こちらを最良のレシピとします。",
)

GO_ON = Message("`raykft resume {place}` goes on", "`raykft resume {place}` で続きを実行できます")
RUNS = Message(
    "a run that began {began} is at work (pid {pid} on {host})",
    "{began} に始まった実行が進行中です（{host} のプロセス {pid}）。",
)
WAS_KILLED = Message(
    "the last run, begun {began} on {host}, was killed; {go_on}",
    "{began} に {host} で始まった前回の実行は強制終了されました。{go_on}。",
)
WAS_INTERRUPTED = Message(
    "the last run was interrupted {ended}; {go_on}", "前回の実行は {ended} に中断されました。{go_on}。"
)
ENDED_BADLY = Message(
    "the last run ended {ended}: {why}; once that is mended, {go_on}",
    "前回の実行は {ended} に次の理由で終了しました: {why}。原因を取り除けば、{go_on}。",
)
