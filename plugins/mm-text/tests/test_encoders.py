"""What is special about the encoders rnn and transformer."""

import pytest
import torch
from mm_text.rnn import RNN
from mm_text.transformer import Transformer

from mmcore.errors import ConfigError, DataError, MmcoreError
from mmcore.interfaces.cache import StageCache
from mmcore.interfaces.field import Field
from mmcore.interfaces.tokens import Tokens

FACTS = {"vocabulary": 12, "pad": 0, "bos": 1, "eos": 2, "unknown": 3, "max_tokens": 16}
READINGS = ("<pad>", "<bos>", "<eos>", "<unk>", " circle", " Blue", "春", "ï", "is", " is", "?", "")

CAUSAL = {
    "lstm": lambda: RNN(FACTS, width=8, embedding_width=6, layers=2, bidirectional=False, causal=True),
    "gru": lambda: RNN(FACTS, kind="gru", width=8, embedding_width=8, bidirectional=False, causal=True),
    "transformer": lambda: Transformer(FACTS, width=8, heads=2, causal=True),
}
WRITERS = pytest.mark.parametrize("make", CAUSAL.values(), ids=CAUSAL.keys())


def texts(*lengths: int) -> Field:
    torch.manual_seed(0)
    values = torch.randint(1, 12, (len(lengths), max(lengths)))
    mask = torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)
    return Field(values, torch.ones(len(lengths), dtype=torch.bool), mask)


def walk(encoder, tokens: Tokens, caches=None) -> Tokens:
    for number, stage in enumerate(encoder.stages):
        tokens = stage(tokens, None if caches is None else caches[number])
    return tokens


@WRITERS
def test_writing_token_by_token_gives_what_reading_all_gives(make):
    encoder, field = make().eval(), texts(7, 5, 7)
    whole = encoder.readout(walk(encoder, encoder.embed(field)))
    caches = [StageCache() for _ in encoder.stages]
    prompt = Field(field.values[:, :3], field.present, field.mask[:, :3])

    steps = [encoder.readout(walk(encoder, encoder.embed(prompt), caches))]
    for n in range(3, 7):
        one = Field(field.values[:, n : n + 1], field.present, field.mask[:, n : n + 1])
        start = field.mask[:, :n].sum(1)
        steps.append(encoder.readout(walk(encoder, encoder.embed(one, start), caches)))

    torch.testing.assert_close(torch.cat(steps, 1)[field.mask], whole[field.mask], rtol=1e-4, atol=1e-5)


@WRITERS
def test_no_token_sees_a_later_one(make):
    encoder, field = make().eval(), texts(7, 7)
    changed = field.values.clone()
    changed[:, 4] = (changed[:, 4] + 1) % 12

    before = encoder.readout(walk(encoder, encoder.embed(field)))
    after = encoder.readout(walk(encoder, encoder.embed(field.with_values(changed))))

    torch.testing.assert_close(before[:, :4], after[:, :4])
    assert (before[:, 4:] - after[:, 4:]).abs().amax(-1).gt(1e-7).all()


@WRITERS
def test_a_writer_learns_a_sentence(make):
    encoder, field = make().train(), texts(8)
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(encoder.parameters(), 0.03)
    for _ in range(120):
        logits = encoder.readout(walk(encoder, encoder.embed(field)))
        loss = torch.nn.functional.cross_entropy(logits[0, :-1], field.values[0, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    logits = encoder.eval().readout(walk(encoder, encoder.embed(field)))
    assert logits[0, :-1].argmax(-1).tolist() == field.values[0, 1:].tolist()


@WRITERS
def test_first_guesses_are_unsure(make):
    encoder = make().eval()
    logits = encoder.readout(walk(encoder, encoder.embed(texts(8, 8, 8))))

    assert logits.softmax(-1).max() < 0.8


def test_order_rises_from_the_start_of_each_row():
    encoder = CAUSAL["transformer"]()

    assert encoder.embed(texts(3, 3)).order.tolist() == [[1, 2, 3]] * 2
    assert encoder.embed(texts(2, 2), torch.tensor([4, 0])).order.tolist() == [[5, 6], [1, 2]]


@pytest.mark.parametrize("make", [lambda: RNN(FACTS), lambda: Transformer(FACTS)], ids=["rnn", "transformer"])
def test_a_reader_sees_both_ways_and_writes_nothing(make):
    encoder, field = make().eval(), texts(6)
    changed = field.values.clone()
    changed[:, -1] = (changed[:, -1] + 1) % 12

    before = walk(encoder, encoder.embed(field))
    after = walk(encoder, encoder.embed(field.with_values(changed)))

    assert (before.values - after.values).abs().amax(-1).gt(1e-7).all()
    assert encoder.readout(before) is None
    assert set(before.order.flatten().tolist()) == {0}


def test_each_layer_is_a_stage():
    assert RNN(FACTS, width=8, embedding_width=6, layers=3).widths == (6, 8, 8, 8)
    assert Transformer(FACTS, width=8, heads=2, layers=3).widths == (8, 8, 8, 8)


def test_dropout_is_drawn_from_the_global_generator():
    for encoder in (RNN(FACTS, dropout=0.5), Transformer(FACTS, dropout=0.5)):
        found = []
        for _ in range(2):
            torch.manual_seed(5)
            found.append(walk(encoder, encoder.embed(texts(6, 4))).values)
        torch.testing.assert_close(*found)


def test_a_model_cannot_write_from_both_sides():
    with pytest.raises(ConfigError, match=r"cannot be causal and bidirectional\. Set bidirectional: false"):
        RNN(FACTS, causal=True)


def test_heads_must_divide_the_width():
    with pytest.raises(ConfigError, match="a width of 10 cannot be dealt, in pairs, to 4 heads"):
        Transformer(FACTS, width=10)


def encoder_with(path, **settings) -> RNN:
    return RNN({**FACTS, "tokens": READINGS}, width=4, embedding_width=3, vectors=str(path), **settings)


GLOVE = "circle 1 2 3\nblue 4 5 6\n春 7 8 9\nis 0.1 0.2 0.3\nzebra 9 9 9\n"


@pytest.mark.parametrize("header", ["", "5 3\n"], ids=["GloVe", "word2vec"])
def test_tokens_that_are_words_of_the_file_get_their_vectors(tmp_path, header):
    (tmp_path / "v.txt").write_text(header + GLOVE, encoding="utf-8")
    encoder = encoder_with(tmp_path / "v.txt")
    before = encoder.table.weight.detach().clone()

    encoder.warm_start()

    table = encoder.table.weight.detach()
    assert table[4].tolist() == [1, 2, 3]
    assert table[5].tolist() == [4, 5, 6]  # " Blue" is only there in small letters
    assert table[6].tolist() == [7, 8, 9]
    torch.testing.assert_close(table[8], table[9])  # "is" and " is"
    torch.testing.assert_close(table[[0, 1, 2, 3, 7, 10, 11]], before[[0, 1, 2, 3, 7, 10, 11]])


def test_a_word_of_the_file_may_hold_spaces(tmp_path):
    (tmp_path / "v.txt").write_text("circle 1 2 3\nis 4 5 6\nis name@domain.com 7 8 9\n. . . 7 8 9\n")
    encoder = encoder_with(tmp_path / "v.txt")

    encoder.warm_start()

    table = encoder.table.weight.detach()
    assert table[4].tolist() == [1, 2, 3]
    assert table[8].tolist() == table[9].tolist() == [4, 5, 6]


def test_building_reads_no_vectors(tmp_path):
    encoder = encoder_with(tmp_path / "nowhere.txt")

    with pytest.raises(MmcoreError, match=r"nowhere\.txt"):  # a training that starts is the first to look
        encoder.warm_start()


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("circle 1 2 3 4\n", ConfigError, r"vectors of 4 numbers, but embedding_width is 3. Set embedding_width: 4"),
        ("5 300\ncircle 1 2 3\n", ConfigError, "vectors of 300 numbers"),
        ("zebra 1 2 3\n", DataError, "none of the vocabulary's tokens"),
        ("zebra 1 2 3\nis 1 x 3\n", DataError, "line 2 holds something that is no number"),
        ("zebra 1 2 3\nno 1 2 3\nis 1 2\n", DataError, "line 3 holds 2 numbers"),
        ("", DataError, "none of the vocabulary's tokens"),
    ],
)
def test_a_file_that_does_not_fit_says_why(tmp_path, content, error, message):
    (tmp_path / "v.txt").write_text(content)

    with pytest.raises(error, match=message):
        encoder_with(tmp_path / "v.txt").warm_start()


def test_a_file_that_is_not_there_says_so(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.txt: the vectors cannot be read: No such file"):
        encoder_with(tmp_path / "nowhere.txt").warm_start()
