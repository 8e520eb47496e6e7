"""Beam search (Graves 2012, 1211.3711, section 3.2; Wu et al. 2016, 1609.08144, section 7)."""

# B = samples, K = beams, V = vocabulary, T = tokens written, C = candidates: 2 K, so that K of them do not end

import torch
from torch import Tensor

from mmcore.interfaces.writing import Writing
from mmcore.model.odds import Signs, weigh
from mmcore.model.texts import Texts


class Search:
    """K texts live on at each step. One that ends among the K likeliest is finished, and judged by log-probability /
    tokens ** length_penalty. A sample is done when K are finished, or when no living text can become the best.
    """

    def __init__(self, texts: Texts, samples: int, *, writing: Writing, signs: Signs) -> None:
        """texts: one for each sample, at their prompts."""
        self.texts, self.samples, self.writing, self.signs = texts, samples, writing, signs

    def run(self) -> tuple[Tensor, Tensor]:
        """The best text of each sample [B,T], padded behind, and its log-probability [B] by the model as it is."""
        beams, last = self.writing.beams, self.writing.max_tokens - 1
        logits = self.texts.next()
        rows = torch.arange(self.samples, device=logits.device)
        self.texts.pick(rows.repeat_interleave(beams))
        self._start(logits.repeat_interleave(beams, 0))
        logits = logits.repeat_interleave(beams, 0)
        for step in range(last + 1):
            tokens, beam = self._step(logits.view(self.samples, beams, -1), step)
            if step == last:
                self._finish(self.ids, self.rank, self.own)
            elif not bool(self._done(step).all()):
                self.texts.swap((rows.unsqueeze(1) * beams + beam).flatten())
                self.texts.add(tokens.flatten())
                logits = self.texts.next()
                continue
            break
        return self.best_ids[:, : int(self.best_length.max())], self.best_own

    def _start(self, logits: Tensor) -> None:
        """Nothing written, nothing finished."""
        samples, beams = self.samples, self.writing.beams
        self.ids = torch.full((samples, beams, 0), self.signs.pad, device=logits.device)
        self.rank = logits.new_full((samples, beams), -torch.inf)
        self.rank[:, 0] = 0  # all beams are one text at the start
        self.own = torch.zeros_like(self.rank)
        self.finished = torch.zeros(samples, dtype=torch.long, device=logits.device)
        self.best = logits.new_full((samples,), -torch.inf)
        self.best_ids = self.ids.new_full((samples, self.writing.max_tokens), self.signs.pad)
        self.best_length = torch.zeros_like(self.finished)
        self.best_own = torch.zeros_like(self.best)

    def _step(self, logits: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """logits [B,K,V] -> the tokens [B,K] of the texts that live on, and whose they are [B,K]."""
        flat = logits.flatten(0, 1)
        weighed = weigh(flat, self.ids.flatten(0, 1), writing=self.writing, signs=self.signs).view_as(logits)
        rank = self.rank.unsqueeze(-1) + weighed
        own = self.own.unsqueeze(-1) + logits.log_softmax(-1)
        best, index = rank.flatten(1).topk(min(2 * self.writing.beams, rank[0].numel()))  # [B,C]
        beam, token = index // logits.shape[-1], index % logits.shape[-1]
        ids = torch.cat([_of(self.ids, beam), token.unsqueeze(-1)], -1)  # [B,C,T]
        own = own.flatten(1).gather(1, index)
        ended = token == self.signs.end
        among = torch.arange(ids.shape[1], device=ids.device) < self.writing.beams
        self._finish(ids, torch.where(ended & among, best, -torch.inf), own)
        self.rank, live = torch.where(ended, -torch.inf, best).topk(self.writing.beams)
        self.ids, self.own = _of(ids, live), own.gather(1, live)
        return token.gather(1, live), beam.gather(1, live)

    def _finish(self, ids: Tensor, rank: Tensor, own: Tensor) -> None:
        """Candidates [B,C,T] with their rank [B,C], -inf where they are none: the best of each sample is kept."""
        length = ids.shape[-1]
        score, which = (rank / length**self.writing.length_penalty).max(1)
        better = (score > self.best) & (self.finished < self.writing.beams)
        self.finished += rank.isfinite().sum(1)
        self.best = torch.where(better, score, self.best)
        chosen = _of(ids, which.unsqueeze(1))[:, 0]
        kept = torch.nn.functional.pad(chosen, (0, self.writing.max_tokens - length), value=self.signs.pad)
        self.best_ids = torch.where(better.unsqueeze(1), kept, self.best_ids)
        self.best_length = torch.where(better, length, self.best_length)
        self.best_own = torch.where(better, own.gather(1, which.unsqueeze(1)).squeeze(1), self.best_own)

    def _done(self, step: int) -> Tensor:
        """[B] bool. Log-probabilities only fall, so a text is best if it ends at once, or as late as it can."""
        alive = self.rank.amax(1)
        lengths = (step + 2, self.writing.max_tokens)
        reach = torch.stack([alive / length**self.writing.length_penalty for length in lengths]).amax(0)
        return (self.finished >= self.writing.beams) | (self.best >= reach)


def _of(values: Tensor, index: Tensor) -> Tensor:
    """Of each sample of [B,K,T] the rows that `index` [B,C] names."""
    return values.gather(1, index.unsqueeze(-1).expand(-1, -1, values.shape[-1]))
