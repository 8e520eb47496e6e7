"""What is special about generation."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from mm_tasks.category import CategoryModality
from mm_tasks.generation import Generation

from mmcore.errors import BuildError, ConfigError
from mmcore.interfaces.field import Batch, Field
from mmcore.interfaces.modality import Modality
from mmcore.registry.plugins import installed
from mmcore.registry.settings import Part

BOS, EOS, UNKNOWN = 1, 2, 3


class Letters(Modality):
    """a to z as tokens of text; a token may be two letters (`th`)."""

    TOKENS = ("<pad>", "<bos>", "<eos>", "<unknown>", *"abcdefghijklmnopqrstuvwxyz ", "th")

    def fit(self, cells, base): ...
    def save(self, folder): ...
    @classmethod
    def load(cls, folder, **settings):
        return cls()

    def facts(self):
        return {"vocabulary": len(self.TOKENS), "pad": 0, "bos": BOS, "eos": EOS, "unknown": UNKNOWN}

    def read(self, cell, base):
        return np.array([BOS, *(self.TOKENS.index(c) if c in self.TOKENS else UNKNOWN for c in cell), EOS])

    def collate(self, arrays):
        longest = max(len(array) for array in arrays)
        lengths = torch.tensor([len(array) for array in arrays])
        values = torch.tensor([[*array, *[0] * (longest - len(array))] for array in arrays])
        return Field(values, lengths > 0, torch.arange(longest) < lengths.unsqueeze(1))

    def decode(self, values):
        return ["".join(self.TOKENS[number] for number in row if number > UNKNOWN) for row in values.tolist()]


def task(**settings):
    fields = {"text": Letters()}
    return Generation({"text/logits": len(Letters.TOKENS)}, fields, target="text", **settings)


def batch(*texts, scored=None):
    letters = Letters()
    field = letters.collate([letters.read(text, Path()) for text in texts])
    if scored is not None:
        field = Field(field.values, field.present, field.mask, scored=torch.tensor(scored))
    return Batch({"text": field}, row=torch.arange(len(texts)), group=torch.arange(len(texts)) // 2)


def truths(*texts, unknown=0):
    """A truth of texts, and how many tokens of each stand for what has none."""
    counts = np.broadcast_to(unknown, len(texts))
    return {"text": np.array(texts, dtype=object), "unknown": counts, "source": np.arange(len(texts))}


def even(given):
    """Logits of one who finds all tokens equally likely."""
    return {"logits": torch.zeros(*given.fields["text"].values.shape, len(Letters.TOKENS))}


def test_the_loss_is_a_mean_over_tokens_not_over_texts():
    given = batch("abc", "a")
    outputs = even(given)
    outputs["logits"][1, 0, 4] = 100.0  # the second text's first letter is known
    sure, tokens = 1, 4 + 2
    expected = (tokens - sure) / tokens * math.log(len(Letters.TOKENS))
    assert task().loss(outputs, given)["cross_entropy"].item() == pytest.approx(expected, rel=1e-4)


def test_the_end_and_unknown_characters_count_as_characters():
    found = task().measure(even(batch("ab", "你b好")), batch("ab", "你b好"))
    assert found["characters"].tolist() == [3, 4]
    assert found["tokens"].tolist() == [3, 4]
    np.testing.assert_allclose(found["nll"], np.array([3, 4]) * math.log(len(Letters.TOKENS)), rtol=1e-5)


def test_characters_are_counted_not_tokens():
    given = batch("abc")
    given.fields["text"].values[0, 1] = Letters.TOKENS.index("th")
    found = task().measure(even(given), given)
    assert (found["tokens"].tolist(), found["characters"].tolist()) == ([4], [5])


def test_the_prompt_is_neither_counted_nor_part_of_the_truth():
    given = batch("abcd", scored=[[False, False, False, True, True, True]])
    found = task().measure(even(given), given)
    assert (found["tokens"].tolist(), found["characters"].tolist()) == ([3], [3])
    assert task().truth(given)["text"].tolist() == ["cd"]


def test_of_a_conversation_the_last_answer_is_the_truth_and_all_answers_are_counted():
    given = batch("qagbh", "qagbh", scored=[[False, False, True, False, *last] for last in ([True] * 3, [False] * 3)])
    found = task(metrics=("exact_match",)).measure(even(given), given)

    truth = task().truth(given)

    assert truth["text"].tolist() == ["bh", "a"]
    assert found["tokens"].tolist() == [4, 1]
    assert set(task().floor(truth, 1)["text"]) <= {"bh", "a"}


def test_what_has_no_token_stays_in_the_truth_so_that_no_shorter_answer_is_right():
    written = task(metrics=("exact_match", "symbol_error", "bleu", "cider_d"))
    truth = written.truth(batch("a好 b", "你好", "abc"))

    assert truth["text"].tolist() == ["a\ufffd b", "\ufffd\ufffd", "abc"]
    metrics = written.metrics()
    shorter = {"text": np.array(["a b", "", "abc"], dtype=object)}
    assert metrics["exact_match"].rows(shorter, truth).tolist() == [0, 0, 1]
    assert metrics["symbol_error"](shorter, truth) > 0
    assert metrics["bleu"](shorter, truth) < 1
    assert metrics["cider_d"].rows(shorter, truth)[0] < 10


def test_where_the_end_stands_for_what_has_no_token_nothing_is_unknown():
    class Ends(Letters):
        def facts(self):
            return {**super().facts(), "unknown": EOS}

    written = Generation({"text/logits": len(Letters.TOKENS)}, {"text": Ends()}, target="text")
    assert written.truth(batch("ab"))["text"].tolist() == ["ab"]


def test_a_text_that_is_all_prompt_pulls_on_nothing():
    given = batch("ab", scored=[[False] * 4])
    assert task().loss(even(given), given)["cross_entropy"].item() == 0
    assert task().truth(given)["text"].tolist() == [""]


def test_an_empty_text_teaches_the_end():
    given = batch("")
    logits = even(given)["logits"].requires_grad_()
    torch.autograd.backward(task().loss({"logits": logits}, given)["cross_entropy"])
    assert logits.grad[0, 0].argmin() == EOS


def test_smoothing_is_for_learning_not_for_scores():
    given, plain, smooth = batch("abc"), task(), task(label_smoothing=0.2)
    outputs = {"logits": torch.randn(even(given)["logits"].shape, generator=torch.Generator().manual_seed(0))}
    assert plain.loss(outputs, given)["cross_entropy"] != smooth.loss(outputs, given)["cross_entropy"]
    assert plain.measure(outputs, given)["nll"] == smooth.measure(outputs, given)["nll"]


def test_references_are_shared_by_a_group_where_that_is_asked_for():
    given = batch("a", "b", "c")
    assert task().truth(given)["source"].tolist() == [0, 1, 2]
    assert task(references="group").truth(given)["source"].tolist() == [0, 0, 1]


def test_the_floor_is_the_most_frequent_text():
    truth = truths("a cat", "a dog", "a dog", "fish")
    assert set(task().floor(truth, 3)["text"]) == {"a dog"}


def test_of_equally_frequent_texts_the_floor_is_the_one_with_the_most_frequent_words():
    truth = truths("zebras", "a cat sleeps", "a cat eats", "a cat", "a dog")
    assert set(task().floor(truth, 2)["text"]) == {"a cat"}


def test_the_floor_is_a_text_that_can_be_written():
    truth = truths("a\ufffd", "a\ufffd", "a dog", unknown=(1, 1, 0))
    assert set(task().floor(truth, 2)["text"]) == {"a dog"}


def test_a_sign_that_has_a_token_can_be_written():
    truth = truths("a\ufffd b", "a\ufffd b", "a dog")
    assert set(task().floor(truth, 2)["text"]) == {"a\ufffd b"}


class Bytes(Letters):
    """Bytes as tokens; `~` has none."""

    COUNT = 256 + 4

    def facts(self):
        return {**super().facts(), "vocabulary": self.COUNT}

    def read(self, cell, base):
        return np.array([BOS, *(UNKNOWN if byte == ord("~") else byte + 4 for byte in cell.encode()), EOS])

    def decode(self, values):
        return [bytes(n - 4 for n in row if n > UNKNOWN).decode(errors="replace") for row in values.tolist()]


def test_half_a_character_at_the_end_is_part_of_neither_the_truth_nor_the_answer():
    written = Generation({"text/logits": Bytes.COUNT}, {"text": Bytes()}, target="text", metrics=("exact_match",))
    whole = torch.from_numpy(np.stack([Bytes().read(text, Path()) for text in ("ab好", "~~好", "好~a")]))
    cut = torch.cat([whole[:, :-2], torch.tensor([[EOS]] * 3)], 1)
    field = Field(cut, torch.ones(3, dtype=torch.bool))

    truth = written.truth(Batch({"text": field}, row=torch.arange(3), group=torch.arange(3)))
    said = written.predict({"ids": cut[:, 1:-1], "log_probability": torch.zeros(3)})

    assert truth["text"].tolist() == ["ab", "\ufffd\ufffd", "好\ufffd"]
    assert truth["unknown"].tolist() == [0, 2, 1]
    assert said["text"].tolist() == ["ab", "", "好"]
    assert written.metrics()["exact_match"].rows(said, truth).tolist() == [1, 0, 0]


def test_the_first_metric_is_the_first_that_was_asked_for():
    assert list(task(metrics=("bleu", "perplexity")).metrics()) == ["bleu", "perplexity"]


def test_a_target_that_is_no_text_is_refused_with_those_that_are():
    colour = CategoryModality()
    colour.fit(["red", "green"], Path())
    with pytest.raises(BuildError, match=r"target 'colour' is no field of texts. Fields of texts: text"):
        Generation({}, {"colour": colour, "text": Letters()}, target="colour")


def test_beams_and_a_temperature_at_once_are_refused():
    with pytest.raises(ConfigError, match=r"Set beams: 1 or temperature: 0"):
        task(beams=4, temperature=0.7)


def test_the_check_of_params_tells_so_before_there_is_any_data():
    settings = {"target": "text", "beams": 4, "temperature": 0.7}

    with pytest.raises(ConfigError, match=r"^tasks\.text: beams: 4 searches .* Set beams: 1 or temperature: 0"):
        installed().task.check(Part("generation", settings), where="tasks.text")
