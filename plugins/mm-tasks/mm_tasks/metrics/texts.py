"""How good texts are: how likely the given ones were, and how near the written ones come to them.

Predictions: `nll` of the given text, in nats, its `tokens` and `characters`, the end included [B]; where texts were
written, `text` [B]. Targets: `text` [B], and `source` [B], equal for rows whose texts are references of each other.
"""

# B = rows

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from mm_tasks.metrics.cider import CiderD as CiderScorer
from mm_tasks.metrics.kinds import Digested, RowMean, ratio
from mm_tasks.metrics.symbols import Language, edits, split
from mmcore.interfaces.metric import Table
from mmcore.interfaces.writing import UNKNOWN

WRITTEN = ("text",)


class Perplexity(Digested):
    """exp of the mean over tokens of -log p, the end included: among how many tokens it wavers."""

    better: Literal["up", "down"] = "down"
    needs = ("nll", "tokens")
    across_tokenizers = "bits_per_character"

    def digest(self, predictions: Table, targets: Table) -> Table:
        """-log p and tokens of each text."""
        return {"nll": predictions["nll"], "tokens": predictions["tokens"]}

    def of(self, digest: Table) -> float:
        """Rows of what `digest` gave -> the score."""
        return float(np.exp(ratio(digest["nll"].sum(), digest["tokens"].sum())))


class BitsPerCharacter(Digested):
    """-log2 p of all texts over their characters, the end and unknown ones counted: tokenizers can be compared."""

    better: Literal["up", "down"] = "down"
    needs = ("nll", "characters")

    def digest(self, predictions: Table, targets: Table) -> Table:
        """-log p and characters of each text."""
        return {"nll": predictions["nll"], "characters": predictions["characters"]}

    def of(self, digest: Table) -> float:
        """Rows of what `digest` gave -> the score."""
        return ratio(digest["nll"].sum() / math.log(2), digest["characters"].sum())


class ExactMatch(RowMean):
    """The share of texts that are one of their references.

    Capital letters do not count, nor how many blanks there are between words or round the text.
    """

    better: Literal["up", "down"] = "up"
    needs = WRITTEN
    share = True

    def rows(self, predictions: Table, targets: Table) -> np.ndarray:
        """1 where it matches, else 0."""
        references = [{_plain(text) for text in texts} for texts in references_of(targets)]
        said = predictions["text"].tolist()
        return np.array([_plain(text) in known for text, known in zip(said, references, strict=True)], dtype=np.float64)


class SymbolError(Digested):
    """Symbols to change, add or take away, over the symbols of the reference that is nearest: word error rate."""

    better: Literal["up", "down"] = "down"
    needs = WRITTEN

    def __init__(self, language: Language) -> None:
        """language: what a symbol is."""
        self.language: Language = language

    def digest(self, predictions: Table, targets: Table) -> Table:
        """Each text's edits, and the length of the nearest reference."""
        found = list[tuple[int, int]]()
        for text, texts in zip(predictions["text"].tolist(), references_of(targets), strict=True):
            said, references = split(text, self.language), [split(one, self.language) for one in texts]
            found.append(min((edits(said, reference), len(reference)) for reference in references))
        table = np.array(found, dtype=np.int64).reshape(-1, 2)
        return {"edits": table[:, 0], "length": table[:, 1]}

    def of(self, digest: Table) -> float:
        """Rows of what `digest` gave -> the score."""
        return ratio(digest["edits"].sum(), digest["length"].sum())


class Bleu(Digested):
    """BLEU-4 of all texts together, as a share of 1, by sacrebleu (13a or zh tokens, exponential smoothing).

    Papineni et al., 2002; Post, A Call for Clarity in Reporting BLEU Scores, 2018 (1804.08771).
    """

    better: Literal["up", "down"] = "up"
    needs = WRITTEN
    share = True

    def __init__(self, language: Language) -> None:
        """language: how texts are cut into words."""
        self.language: Language = language

    def digest(self, predictions: Table, targets: Table) -> Table:
        """Each text's n-grams that are right, n-grams, length, and that of the nearest reference."""
        from sacrebleu.metrics import BLEU  # a second to import, for those alone who ask for it

        # Of single texts only the counts are taken; effective_order is what keeps sacrebleu from warning about them.
        scorer = BLEU(tokenize="zh" if self.language == "zh" else "13a", effective_order=True)
        pairs = zip(predictions["text"].tolist(), references_of(targets), strict=True)
        scores = [scorer.sentence_score(text, texts) for text, texts in pairs]
        return {
            "right": np.array([score.counts for score in scores]).reshape(-1, 4),
            "all": np.array([score.totals for score in scores]).reshape(-1, 4),
            "length": np.array([(score.sys_len, score.ref_len) for score in scores]).reshape(-1, 2),
        }

    def of(self, digest: Table) -> float:
        """Rows of what `digest` gave -> the score."""
        from sacrebleu.metrics import BLEU

        if not len(digest["length"]):
            return float("nan")
        right, total, (said, true) = (digest[name].sum(0).tolist() for name in ("right", "all", "length"))
        # effective_order: where no text has four words, the longest n-grams there are; else right ones would score 0.
        bleu = BLEU.compute_bleu(right, total, said, true, smooth_method="exp", effective_order=True)
        return float(bleu.score) / 100


class CiderD(RowMean):
    """Likeness of n-grams, rare ones weighing more, for captions; at most 10. See `mm_tasks.metrics.cider`."""

    better: Literal["up", "down"] = "up"
    needs = WRITTEN
    among_others = True  # which words are rare is told by the references of all rows

    def __init__(self, language: Language) -> None:
        """language: how texts are cut into words."""
        self.language: Language = language

    def rows(self, predictions: Table, targets: Table) -> np.ndarray:
        """Each text's score; what is rare is told by the references of all rows."""
        words = [[self._words(text) for text in texts] for texts in references_of(targets)]
        _, first = np.unique(targets["source"], return_index=True)
        scorer = CiderScorer([words[row] for row in first])
        pairs = zip(predictions["text"].tolist(), words, strict=True)
        return np.array([scorer.score(self._words(text), references) for text, references in pairs], dtype=np.float64)

    def _words(self, text: str) -> list[str]:
        """Small letters, without punctuation."""
        words = split(text.lower(), self.language)
        return [word for word in words if any(letter.isalnum() or letter == UNKNOWN for letter in word)]


def references_of(targets: Table) -> list[Sequence[str]]:
    """For each row the texts of every row with its source, each text once."""
    texts = dict[int, dict[str, None]]()
    pairs = list(zip(targets["source"].tolist(), targets["text"].tolist(), strict=True))
    for source, text in pairs:
        texts.setdefault(source, {})[text] = None
    lists = {source: list(found) for source, found in texts.items()}
    return [lists[source] for source, _ in pairs]


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
