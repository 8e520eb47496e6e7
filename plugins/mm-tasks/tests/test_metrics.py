"""Metrics agree with scikit-learn, with sacrebleu, and with values worked out by hand."""

import math

import numpy as np
import pytest
from mm_tasks.metrics import (
    BitsPerCharacter,
    Bleu,
    CalibrationError,
    CiderD,
    ExactMatch,
    LabelCrossEntropy,
    MacroLabelF1,
    MeanAbsoluteError,
    MeanAveragePrecision,
    MedianRank,
    MicroLabelF1,
    Perplexity,
    PositiveAreaUnderPrecisionRecall,
    PositiveF1,
    Recall,
    RootMeanSquaredError,
    RSquared,
    SymbolError,
)
from mm_tasks.metrics.symbols import edits, split

reference = pytest.importorskip("sklearn.metrics")


def column(*texts):
    return np.array(texts, dtype=object)


@pytest.fixture
def binary():
    draw = np.random.default_rng(0)
    score = draw.random(300).round(2)  # rounded: many rows have the same score
    return {"probabilities": np.stack([1 - score, score], 1)}, {"class": (draw.random(300) < score).astype(int)}


@pytest.fixture
def labels():
    draw = np.random.default_rng(1)
    score = draw.random((200, 4))
    return {"probabilities": score}, {"there": draw.random((200, 4)) < score}


def test_metrics_of_two_classes_agree_with_scikit_learn(binary):
    predictions, truth = binary
    score, number = predictions["probabilities"][:, 1], truth["class"]
    area = reference.average_precision_score(number, score)
    assert PositiveAreaUnderPrecisionRecall(1)(*binary) == pytest.approx(area)
    told = predictions["probabilities"].argmax(1)
    assert PositiveF1(1)(*binary) == pytest.approx(reference.f1_score(number, told))
    assert PositiveF1(0)(*binary) == pytest.approx(reference.f1_score(number, told, pos_label=0))


def test_metrics_of_sets_of_labels_agree_with_scikit_learn(labels):
    score, there = labels[0]["probabilities"], labels[1]["there"]
    told = score > 0.5
    assert MicroLabelF1()(*labels) == pytest.approx(reference.f1_score(there, told, average="micro"))
    assert MacroLabelF1()(*labels) == pytest.approx(reference.f1_score(there, told, average="macro"))
    area = reference.average_precision_score(there, score, average="macro")
    assert MeanAveragePrecision()(*labels) == pytest.approx(area)
    each = [reference.log_loss(one, other) for one, other in zip(there.T, score.T, strict=True)]
    assert LabelCrossEntropy()(*labels) == pytest.approx(np.mean(each))


def test_one_class_alone_has_no_area_under_its_curve(binary):
    nobody = {"class": np.zeros(300, dtype=int)}
    assert np.isnan(PositiveAreaUnderPrecisionRecall(1)(binary[0], nobody))


def test_who_is_right_as_often_as_it_says_is_calibrated():
    sure = np.repeat([[0.2, 0.8]], 100, 0)
    four_of_five = {"class": (np.arange(100) % 5 > 0).astype(int)}
    assert CalibrationError()({"probabilities": sure}, four_of_five) == pytest.approx(0)
    never = {"class": np.zeros(100, dtype=int)}
    assert CalibrationError()({"probabilities": sure}, never) == pytest.approx(0.8)


def test_metrics_of_numbers_agree_with_scikit_learn():
    draw = np.random.default_rng(2)
    true = draw.normal(5, 2, 100)
    said = true + draw.normal(0, 1, 100)
    tables = {"value": said}, {"value": true}
    assert MeanAbsoluteError()(*tables) == pytest.approx(reference.mean_absolute_error(true, said))
    assert RootMeanSquaredError()(*tables) == pytest.approx(reference.root_mean_squared_error(true, said))
    assert RSquared()(*tables) == pytest.approx(reference.r2_score(true, said))


@pytest.mark.parametrize("number", [30.0, 0.1])
def test_where_all_numbers_are_one_there_is_no_r_squared(number):
    assert np.isnan(RSquared()({"value": np.array([1.0, 2.0, 3.0])}, {"value": np.full(3, number)}))
    assert np.isnan(RSquared()({"value": np.zeros(0)}, {"value": np.zeros(0)}))


def test_perplexity_of_one_who_guesses_among_eight_is_eight():
    nll = np.array([3, 5]) * math.log(8)
    assert Perplexity()({"nll": nll, "tokens": np.array([3, 5])}, {}) == pytest.approx(8)
    assert BitsPerCharacter()({"nll": nll, "characters": np.array([6, 6])}, {}) == pytest.approx(8 * 3 / 12)


def test_shorter_tokens_lower_perplexity_alone_so_that_other_tokenizers_are_compared_by_characters():
    whole = {"nll": np.array([8.0]), "tokens": np.array([2]), "characters": np.array([8])}
    parts = {**whole, "tokens": np.array([8])}
    assert Perplexity()(parts, {}) < Perplexity()(whole, {})
    assert BitsPerCharacter()(parts, {}) == BitsPerCharacter()(whole, {})
    assert Perplexity.across_tokenizers == "bits_per_character"
    assert BitsPerCharacter.across_tokenizers is None


def test_long_texts_weigh_more_than_short_ones():
    told = {"nll": np.array([2.0, 0.0]), "tokens": np.array([1, 9]), "characters": np.array([1, 9])}
    assert Perplexity()(told, {}) == pytest.approx(math.exp(0.2))


def test_any_text_of_the_same_source_is_right():
    said = {"text": column("Two  dogs", "two dogs", "a cat")}
    true = {"text": column("a dog", "two dogs", "two dogs"), "source": np.array([7, 7, 8])}
    assert ExactMatch().rows(said, true).tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("kitten", "sitting", 3), ("", "abc", 3), ("abc", "", 3), ("", "", 0), ("abc", "abc", 0), ("flaw", "lawn", 2)],
)
def test_edits_are_the_least_number_of_changes(one, other, expected):
    assert edits(one, other) == expected


def test_symbol_error_counts_words_or_chinese_characters():
    own = {"source": np.arange(1)}
    english = SymbolError("en")({"text": column("three four")}, {**own, "text": column("three two four one")})
    assert english == pytest.approx(2 / 4)
    chinese = SymbolError("zh")({"text": column("床前明月")}, {**own, "text": column("床前明月光")})
    assert chinese == pytest.approx(1 / 5)


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("𠮷𠮷野家", "𠮷 𠮷 野 家"),
        ("すしバー", "す し バ ー"),
        ("😀😀 ok吗😀", "😀 😀 ok 吗 😀"),
        ("👨\u200d👩\u200d👧👍🏽🇨🇳🇯🇵", "👨\u200d👩\u200d👧 👍🏽 🇨🇳 🇯🇵"),
        ("❤\ufe0f❤\ufe0f", "❤\ufe0f ❤\ufe0f"),
        ("红\ufffd\ufffd灯", "红 \ufffd \ufffd 灯"),
        ("深圳2024年 iPhone, 很好。", "深 圳 2024 年 iPhone , 很 好 。"),
    ],
)
def test_in_chinese_each_character_is_a_symbol_and_each_word_of_other_scripts(text, symbols):
    assert split(text, "zh") == symbols.split()


def test_symbol_error_looks_at_the_nearest_reference():
    true = {"text": column("a b c d", "a x"), "source": np.array([0, 0])}
    assert SymbolError("en")({"text": column("a b", "a b")}, true) == pytest.approx(2 / 4)


def test_bleu_is_that_of_sacrebleu_over_all_texts_and_references():
    sacrebleu = pytest.importorskip("sacrebleu")
    said = ["a man rides a brown horse along the sea", "two dogs run on the grass", "a cat"]
    first = ["a man riding a brown horse along the sea shore", "two dogs run on green grass today", "a sleeping cat"]
    second = ["a person rides a horse along the sea", "some dogs run on the grass", "the cat sleeps on a bed"]
    corpus = sacrebleu.corpus_bleu(said, [first, second]).score
    true = {"text": column(*first, *second), "source": np.tile(np.arange(3), 2)}
    assert Bleu("en")({"text": column(*said, *said)}, true) == pytest.approx(corpus / 100)


def test_bleu_of_texts_that_are_all_short_goes_by_the_n_grams_there_are():
    pytest.importorskip("sacrebleu")
    true = {"text": column("red circle", "blue"), "source": np.array([0, 1])}

    assert Bleu("en")({"text": column("red circle", "blue")}, true) == pytest.approx(1)
    assert 0 < Bleu("en")({"text": column("red square", "blue")}, true) < 1
    assert Bleu("en")({"text": column("green square", "red")}, true) == 0


def test_bleu_of_chinese_counts_characters():
    true = {"text": column("床前明月光疑是地上霜"), "source": np.arange(1)}
    assert Bleu("zh")({"text": column("床前明月光疑是地上霜")}, true) == pytest.approx(1)
    assert Bleu("en")({"text": column("床前明月光疑是地上雪")}, true) < 0.1
    assert Bleu("zh")({"text": column("床前明月光疑是地上雪")}, true) > 0.8


CAPTIONS = {
    0: ["a man rides a brown horse on the beach", "a person riding a horse along the sea"],
    1: ["two dogs play with a red ball", "dogs are playing with a ball in the grass", "two dogs run after a ball"],
    2: ["a plate of food on a wooden table"],
}
WRITTEN = {0: "a man rides a horse along the beach", 1: "two dogs play in the grass", 2: "a bowl of food on the table"}


def captions():
    rows = [(source, text) for source, texts in CAPTIONS.items() for text in texts]
    said = column(*(WRITTEN[source] for source, _ in rows))
    return {"text": said}, {"text": column(*(text for _, text in rows)), "source": np.array([row[0] for row in rows])}


def test_cider_d_is_the_value_that_dense_vectors_give():
    """The values are those of a script of its own, which builds the vectors of section 3 over all n-grams at once."""
    predictions, truth = captions()
    each = dict(zip(truth["source"].tolist(), CiderD("en").rows(predictions, truth).tolist(), strict=True))
    assert each == pytest.approx({0: 3.966554, 1: 2.176044, 2: 2.861665}, abs=1e-5)


def test_cider_d_counts_what_has_no_token_as_a_word():
    true = {"text": column("a red \ufffd sits still", "two blue birds sing loud"), "source": np.arange(2)}
    without = {"text": column("a red sits still", "two blue birds sing loud")}
    assert CiderD("en").rows(without, true)[0] < 9


def test_cider_d_of_a_perfect_caption_is_ten():
    true = {"text": column("a red fox sits still", "two blue birds sing loud"), "source": np.arange(2)}
    assert CiderD("en")({"text": true["text"]}, true) == pytest.approx(10)
    assert CiderD("en")({"text": true["text"][::-1]}, true) == pytest.approx(0)


def vectors(*rows):
    found = np.array(rows, dtype=np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_a_picture_with_several_captions_is_found_by_each_and_finds_any():
    picture, other = [1, 0], [0, 1]
    said = {"image": vectors(picture, picture, other), "text": vectors([1, 0.1], [0.4, 0.6], [0, 1])}
    true = {"image": np.array([5, 5, 6]), "text": np.array([1, 2, 3])}
    by_text = Recall("text", "image", first=1).rows(said, true)
    np.testing.assert_array_equal(by_text, [1, 0, 1])
    by_image = Recall("image", "text", first=1).rows(said, true)
    np.testing.assert_array_equal(by_image, [1, np.nan, 1])  # the picture asks once
    assert Recall("image", "text", first=1)(said, true) == 1
    assert Recall("text", "image", first=2)(said, true) == 1
    assert MedianRank("text", "image")(said, true) == 1


@pytest.mark.parametrize("first", [1, 5, 10])
def test_vectors_that_are_all_one_find_each_other_by_chance_alone(first):
    said = {"image": np.ones((50, 3)), "text": np.ones((50, 3))}
    true = {"image": np.arange(50), "text": np.arange(50)}
    assert Recall("image", "text", first=first)(said, true) == pytest.approx(first / 50)
    assert MedianRank("image", "text")(said, true) == pytest.approx(25.5)


def test_vectors_that_are_no_numbers_find_what_belongs_to_them_last():
    true = {"image": np.arange(20), "text": np.arange(20)}
    said = {"image": np.full((20, 4), np.nan, np.float32), "text": np.ones((20, 4), np.float32)}
    assert MedianRank("image", "text")(said, true) == 20
    assert Recall("image", "text", first=19)(said, true) == 0
    assert Recall("image", "text", first=20)(said, true) == 1


def test_chance_knows_of_several_right_ones():
    said = {"image": np.ones((50, 3)), "text": np.ones((50, 3))}
    true = {"image": np.arange(50) // 5, "text": np.arange(50)}
    missed = math.comb(45, 10) / math.comb(50, 10)
    assert Recall("image", "text", first=10)(said, true) == pytest.approx(1 - missed)


def test_ranks_agree_with_a_sorted_list():
    draw = np.random.default_rng(3)
    said = {"image": draw.normal(size=(40, 5)), "text": draw.normal(size=(40, 5))}
    near = said["text"] @ said["image"].T
    rank = [1 + (row > row[number]).sum() for number, row in enumerate(near)]
    true = {"image": np.arange(40), "text": np.arange(40)}
    assert MedianRank("text", "image")(said, true) == np.median(rank)
    assert Recall("text", "image", first=5)(said, true) == np.mean(np.array(rank) <= 5)
