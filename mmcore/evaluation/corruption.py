"""How a score falls as an input gets worse (after Hendrycks and Dietterich 2019, 1903.12261)."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import torch

from mmcore.evaluation.predict import predict
from mmcore.evaluation.score import Scores, score
from mmcore.interfaces.field import Batch
from mmcore.interfaces.modality import Modality
from mmcore.model.multimodal import MultimodalModel


def under_corruption(
    model: MultimodalModel,
    batches: Callable[[], Iterable[Batch]],
    *,
    modalities: Mapping[str, Modality],
    strengths: Sequence[float],
    seed: int,
) -> Scores:
    """`task/metric/under/FIELD/KIND/STRENGTH`: each input damaged alone, in every way its modality knows.

    batches: gives the judged rows from the start, every input as its modality stored it. A strength of 0 is the
    undamaged score and not computed again.
    """
    found = Scores()
    for name in sorted(set(model.owners) - model.generated):
        for kind in modalities[name].corruptions:
            for strength in strengths:
                worse = _worse(batches(), name, modalities[name], kind=kind, strength=strength, seed=seed)
                scores = score(model, predict(model, worse, modalities=modalities))
                found |= {f"{key}/under/{name}/{kind}/{strength:g}": value for key, value in scores.items()}
    return found


def _worse(
    batches: Iterable[Batch], name: str, modality: Modality, *, kind: str, strength: float, seed: int
) -> Iterator[Batch]:
    generator = torch.Generator()
    generator.manual_seed(seed)
    for batch in batches:
        field = modality.corrupt(batch.fields[name], kind, strength=strength, generator=generator)
        yield batch.with_fields({name: field})
