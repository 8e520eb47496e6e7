"""Models that cut texts into other tokens are compared by no score that counts tokens."""

import numpy as np
import pytest

from mmcore.errors import ArtifactError
from mmcore.stages import compare, train
from tests.stages import table

SAYS = ("me ow me ow", "woof woof said the dog", "moo", "quack quack quack quack")
PART = {"code": "", "package": None, "column": "label"}
WRITER = {"name": "rnn", "width": 8, "embedding_width": 8, "causal": True, "bidirectional": False}
METRICS = ["perplexity", "bits_per_character", "exact_match"]


def project(folder, *, kind="character", metrics=METRICS):
    """Rows that say one of four things, which a model of one epoch writes."""
    draw = np.random.default_rng(0)
    lines = [f"{number},0,north,{SAYS[draw.integers(4)]}" for number in range(60)]
    modality = {"name": "text", "kind": kind, "vocabulary_size": 300, "max_tokens": 32}
    fields = {"says": {**PART, "fit": ["says"], "modality": modality, "encoder": WRITER}}
    tasks = {"says": {"name": "generation", "target": "says", "metrics": metrics, "max_tokens": 4}}
    training = {"monitor": "says/perplexity", "epochs": 1, "batch_size": 32, "threads": 1}
    source = {"name": "table", "path": str(folder / "table.csv")}
    data = {
        "source": source, "code": "", "watch": "", "id": "id", "group": "id", "max_broken": 0.0,
        "split": {"validation": 0.2, "test": 0.3},
    }  # fmt: skip
    table.write(folder, lines)
    fusion = {"name": "prefix", "into": "says", "connector": {"name": "linear"}}
    settings = table.params(folder, data=data, fields=fields, tasks=tasks, training=training, fusion=fusion)
    paths = table.prepare(folder, settings)
    train.run(settings, paths)
    return settings, paths


def compared(one, other):
    return compare.run(*other, champion=one[1].model, challenger=other[1].model)


def test_with_one_tokenizer_they_are_compared_by_what_is_watched(tmp_path):
    one = project(tmp_path)
    found = compared(one, one)
    assert found.metric == "says/perplexity"
    assert set(found.scores) == {"says/perplexity", "says/bits_per_character", "says/exact_match"}
    assert found.notes == []


def test_with_other_tokens_what_counts_tokens_is_left_out_and_another_score_stands_for_it(tmp_path):
    found = compared(project(tmp_path / "old"), project(tmp_path / "new", kind="byte_bpe"))
    assert found.metric == "says/bits_per_character"
    assert set(found.scores) == {"says/bits_per_character", "says/exact_match"}
    assert "they are judged by says/bits_per_character" in found.notes[0]


def test_where_nothing_stands_for_what_counts_tokens_they_are_not_compared(tmp_path):
    old, new = (project(tmp_path / kind, kind=kind, metrics=["perplexity"]) for kind in ("character", "byte_bpe"))
    with pytest.raises(
        ArtifactError, match=r"The new model has no .*: name bits_per_character in tasks\.says\.metrics"
    ):
        compared(old, new)
