"""Writing: token by token, the likeliest, drawn ones, or by beam search."""

# B = samples of a batch, R = texts that are still being written, T = tokens written

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from mmcore.interfaces.field import Batch
from mmcore.interfaces.writing import Writing
from mmcore.model.beams import Search
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.odds import Signs, draw, told_of, weigh
from mmcore.model.seeds import seed_of
from mmcore.model.texts import Texts, begin, prompt_of

Told = Callable[[Tensor], None]
"""Gets each step's tokens [B] as they are written, padding where a text has ended; with beams after the last one."""


def generate(
    model: MultimodalModel,
    batch: Batch,
    *,
    field: str,
    facts: Mapping[str, Any],
    writing: Writing,
    told: Told | None = None,
) -> tuple[Tensor, Tensor]:
    """Write `field` for each sample, from what its text has before `Field.written`: of a conversation the last answer.

    batch: prepared; the model is in evaluation mode. facts: of the field's modality.
    Returns ids [B,T] with the end symbol, padded behind, T at most writing.max_tokens; and [B] their log-probability by
    the model as it is, whatever they were chosen by.
    """
    assert not model.training, "a model in training drops numbers at random"
    signs = Signs.of(facts)
    with torch.inference_mode():
        given = batch.with_fields({field: prompt_of(batch.fields[field], bos=signs.bos)})
        texts = begin(model, given, field=field)
        if writing.beams == 1:
            return _go_on(texts, _noise(given, writing), writing=writing, signs=signs, told=told)
        ids, log_probability = Search(texts, len(batch), writing=writing, signs=signs).run()
        if told is not None:
            for tokens in ids.T:
                told(tokens)
        return ids, log_probability


def _go_on(texts: Texts, noise: Tensor, *, writing: Writing, signs: Signs, told: Told | None) -> tuple[Tensor, Tensor]:
    """One text for each sample. noise: [B,max_tokens] between 0 and 1."""
    ids = torch.full(noise.shape, signs.pad, dtype=torch.long, device=noise.device)
    log_probability = noise.new_zeros(len(noise))
    at = torch.arange(len(noise), device=noise.device)  # [R] the sample of each text that is still walked
    alive = torch.ones_like(at, dtype=torch.bool)
    for step in range(writing.max_tokens):
        logits = texts.next()
        weighed = weigh(logits, ids[at, :step], writing=writing, signs=signs)
        chosen = draw(weighed, noise[at, step], writing) if writing.temperature else weighed.argmax(1)
        chosen = torch.where(alive, chosen, signs.pad)
        ids[at, step] = chosen
        log_probability[at] += torch.where(alive, told_of(logits, chosen), 0)
        if told is not None:
            told(ids[:, step])
        alive = alive & (chosen != signs.end)
        left = int(alive.sum())
        if not left or step + 1 == writing.max_tokens:
            break
        if 2 * left <= len(at):  # copying what is remembered pays only where many have ended
            rows = alive.nonzero().squeeze(1)
            texts.pick(rows)
            at, alive, chosen = at[rows], alive[rows], chosen[rows]
        texts.add(chosen, None if left == len(at) else alive)
    return ids[:, : step + 1], log_probability


def _noise(batch: Batch, writing: Writing) -> Tensor:
    """[B,max_tokens] on the batch's device: the same for a row whatever batch it is in."""
    if not writing.temperature:
        return torch.zeros(len(batch), writing.max_tokens, device=batch.row.device)
    rows = list[Tensor]()
    for row in batch.row.tolist():
        generator = torch.Generator().manual_seed(seed_of(writing.seed, f"write/{row}"))
        rows.append(torch.rand(writing.max_tokens, generator=generator))
    return torch.stack(rows).to(batch.row.device)
