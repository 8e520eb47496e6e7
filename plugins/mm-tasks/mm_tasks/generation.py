"""Text, token by token."""

# B = samples of a batch, S = positions of the text, K = positions of what was written

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from torch import Tensor
from torch.nn import functional

from mm_tasks.metrics import BitsPerCharacter, Bleu, CiderD, ExactMatch, Perplexity, SymbolError
from mm_tasks.metrics.symbols import Language
from mmcore.errors import BuildError, ConfigError, listing
from mmcore.interfaces.field import Batch, Field
from mmcore.interfaces.fusion import Streams
from mmcore.interfaces.metric import Metric, Table
from mmcore.interfaces.modality import Modality
from mmcore.interfaces.settings import FieldName, Range
from mmcore.interfaces.task import Outputs, Task, logits_of
from mmcore.interfaces.writing import UNKNOWN, Writing

NEEDED = {"vocabulary", "bos", "eos", "unknown"}
"""Facts of a field that can be written."""

HALF = "\ufffd"
"""What half of a character reads as: where a text was cut off within one there is nothing to compare."""

MetricName = Literal["perplexity", "bits_per_character", "exact_match", "symbol_error", "bleu", "cider_d"]


class Generation(Task):
    """Each token from those before it and from whatever the fusion shows its encoder; `logits` [B,S,vocabulary]."""

    def __init__(
        self,
        writes: Mapping[str, int],
        fields: Mapping[str, Modality],
        *,
        target: Annotated[str, FieldName()],
        label_smoothing: Annotated[float, Range(0, 0.9)] = 0.0,
        metrics: tuple[MetricName, ...] = ("perplexity", "bits_per_character", "exact_match", "bleu"),
        references: Literal["own", "group"] = "own",
        language: Language = "en",
        max_tokens: Annotated[int, Range(1)] = 64,
        beams: Annotated[int, Range(1)] = 1,
        length_penalty: float = 1.0,
        temperature: Annotated[float, Range(0.0)] = 0.0,
        top_k: Annotated[int, Range(1)] | None = None,
        top_p: Annotated[float, Range(0.0, 1.0)] | None = None,
        repetition_penalty: Annotated[float, Range(1.0)] = 1.0,
        seed: int = 0,
    ) -> None:
        """target: a field of texts with a causal encoder. metrics: the first is what it is judged by.

        references: own: each row's own text; group: the texts of all rows of its group, as captions of one picture are.
        language: how metrics cut texts into words. The rest is how text is written: see mmcore.interfaces.writing.
        Raises BuildError where the target is no field of texts, ConfigError where settings contradict each other.
        """
        super().__init__(writes, fields)
        facts = fields[target].facts() if target in fields else {}
        if not set(facts) >= NEEDED:
            able = [name for name, modality in fields.items() if set(modality.facts()) >= NEEDED]
            raise BuildError(f"the target {target!r} is no field of texts. Fields of texts: {listing(able)}.")
        if not metrics:
            raise BuildError("metrics is empty: a task needs one to be judged by.")
        self.reads, self.targets, self.generates = (logits_of(target),), (target,), target
        self.modality, self.end, self.unknown = fields[target], int(facts["eos"]), int(facts["unknown"])
        self.label_smoothing, self.references = label_smoothing, references
        self.chosen, self.language = tuple(metrics), language
        self.writing = Writing(
            max_tokens=max_tokens, beams=beams, length_penalty=length_penalty, temperature=temperature, top_k=top_k,
            top_p=top_p, repetition_penalty=repetition_penalty, seed=seed,
        )  # fmt: skip

    @classmethod
    def settings_fault(cls, settings: Mapping[str, Any]) -> str | None:
        """What contradicts itself in how text is written."""
        try:
            Writing(**{one.name: settings[one.name] for one in dataclasses.fields(Writing)})
        except ConfigError as error:
            return str(error)
        return None

    def forward(self, streams: Streams) -> Outputs:
        """`logits` [B,S,vocabulary]: at each position those of the token that comes next."""
        return {"logits": streams[self.reads[0]].values}

    def loss(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """`cross_entropy`: the mean over the tokens that are scored."""
        text = batch.fields[self.targets[0]]
        scored = scored_tokens(text)
        each = self._each(outputs, text, smoothing=self.label_smoothing)
        return {"cross_entropy": each.where(scored, 0).sum() / scored.sum().clamp_min(1)}

    def counts(self, batch: Batch) -> Tensor:
        """Tokens that are scored."""
        return scored_tokens(batch.fields[self.targets[0]]).sum()

    def predict(self, outputs: Outputs) -> Table:
        """`text` [B] and its `score`, the log-probability with its end; nothing where none was written."""
        if "ids" not in outputs:
            return {}
        score: np.ndarray = outputs["log_probability"].double().cpu().numpy()
        texts = [text.rstrip(HALF) for text in self.modality.decode(outputs["ids"].cpu())]
        return {"text": _texts(texts), "score": score}

    def measure(self, outputs: Outputs, batch: Batch) -> Table:
        """`nll` [B] of the given texts in nats, their `tokens` and `characters`, the end and unknown ones counted."""
        text = batch.fields[self.targets[0]]
        scored = scored_tokens(text)
        nll = self._each(outputs, text, smoothing=0.0).where(scored, 0).double().sum(1)
        special = self._special(text) & scored
        letters = np.array([len(plain) for plain in self._decoded(text, scored & ~special)], dtype=np.int64)
        return {
            "nll": nll.cpu().numpy(),
            "tokens": scored.sum(1).cpu().numpy(),
            "characters": letters + special.sum(1).cpu().numpy(),
        }

    def truth(self, batch: Batch) -> Table:
        """`text` [B], what is to be written, and `source` [B]: equal where texts are references of each other.

        Where a token stands for what has none there is UNKNOWN: left out, a shorter text would match. `unknown` [B]
        says how many those are.
        """
        text = batch.fields[self.targets[0]]
        source = batch.group if self.references == "group" else batch.row
        ids, kept = text.values[:, 1:].cpu(), (text.written()[:, 1:] & (text.values[:, 1:] != self.end)).cpu()
        whole = [self._whole(row[keep]) for row, keep in zip(ids, kept, strict=True)]
        unknown = (kept & (ids == self.unknown)).sum(1)
        return {"text": _texts(whole), "unknown": unknown.numpy(), "source": source.cpu().numpy()}

    def metrics(self) -> dict[str, Metric]:
        """Those that the settings name, in their order."""
        known: dict[str, Metric] = {
            "perplexity": Perplexity(),
            "bits_per_character": BitsPerCharacter(),
            "exact_match": ExactMatch(),
            "symbol_error": SymbolError(self.language),
            "bleu": Bleu(self.language),
            "cider_d": CiderD(self.language),
        }
        return {name: known[name] for name in self.chosen}

    def floor(self, truth: Table, rows: int) -> Table:
        """For every row the most frequent text; of equally frequent ones that whose words are the most frequent.

        One that can be written: without what has no token.
        """
        texts = Counter(truth["text"][truth["unknown"] == 0].tolist())
        words = Counter(word for text, count in texts.items() for word in text.split() * count)

        def typical(text: str) -> tuple[int, float, str]:
            parts = text.split()
            return texts[text], sum(words[part] for part in parts) / max(1, len(parts)), text

        return {"text": np.full(rows, max(texts, key=typical, default=""), dtype=object)}

    def _each(self, outputs: Outputs, text: Field, *, smoothing: float) -> Tensor:
        """[B,S-1] -log p of each token but the first, given those before it."""
        logits = outputs["logits"].float()
        # The last position is told too and cut off behind: to cut the logits, a vocabulary wide, would copy them.
        wanted = text.values.roll(-1, 1).flatten()
        each = functional.cross_entropy(logits.flatten(0, 1), wanted, reduction="none", label_smoothing=smoothing)
        return each.view_as(text.values)[:, :-1]

    def _special(self, text: Field) -> Tensor:
        """[B,S-1] bool: ends, and tokens that stand for what has none; each counts as a character."""
        return (text.values[:, 1:] == self.end) | (text.values[:, 1:] == self.unknown)

    def _decoded(self, text: Field, kept: Tensor) -> list[str]:
        """The text of the tokens, the first apart, that are kept [B,S-1]."""
        rows = [row[keep] for row, keep in zip(text.values[:, 1:].cpu(), kept.cpu(), strict=True)]
        return [str(self.modality.decode(row.unsqueeze(0))[0]) if len(row) else "" for row in rows]

    def _whole(self, ids: Tensor) -> str:
        """The text of a given text's tokens, with UNKNOWN where one stands for what has none."""
        if not len(ids):
            return ""
        text = str(self.modality.decode_marked(ids.unsqueeze(0))[0]).rstrip(HALF)
        # Both read as the same sign: what of the marks went with the half is put back.
        return text + UNKNOWN * (int((ids == self.unknown).sum()) - text.count(UNKNOWN))


def scored_tokens(text: Field) -> Tensor:
    """[B,S-1] bool: which tokens after the first the loss looks at: real ones of a present text, not the prompt."""
    scored = text.present.unsqueeze(1).expand(text.values.shape[:2])
    for where in (text.mask, text.scored):
        if where is not None:
            scored = scored & where
    return scored[:, 1:]


def _texts(texts: list[str]) -> np.ndarray:
    """As a column."""
    column = np.empty(len(texts), dtype=object)
    column[:] = texts
    return column
