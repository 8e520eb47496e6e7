"""Writing: what is remembered changes nothing, beams search as they should, and drawing is a function of the seed."""

import itertools
from dataclasses import replace

import pytest
import torch

from mmcore.interfaces.field import Field
from mmcore.interfaces.writing import Writing
from mmcore.model import odds
from mmcore.model.assemble import assemble
from mmcore.model.beams import Search
from mmcore.model.decode import generate
from mmcore.model.odds import Signs, draw, weigh
from mmcore.model.plan import EncoderPlan, ModelPlan
from mmcore.model.texts import begin, prompt_of
from mmcore.registry.settings import Part
from mmcore.testing.toys import toy_batch, toy_modalities, toy_plugins

MODALITIES = toy_modalities()
FACTS = MODALITIES["sequence"].facts()
END, PAD, BOS = FACTS["eos"], FACTS["pad"], FACTS["bos"]


def build(*, streaming=True, seed=3):
    """A toy model whose tokens differ enough to be told apart."""
    plan = ModelPlan(
        modalities={"vector": Part("vector", {}), "sequence": Part("sequence", {}), "label": Part("label", {})},
        encoders={"vector": EncoderPlan(Part("mlp", {})), "sequence": EncoderPlan(Part("causal_gru", {}))},
        fusion=Part("toy_prefix", {"streaming": streaming}),
        tasks={"say": Part("toy_generation", {"target": "sequence"})},
    )
    model = assemble(plan, MODALITIES, seed=seed, plugins=toy_plugins()).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2.5)
    return model


def prompts(samples=5, *, absent=None):
    """Texts of several lengths, of which the last two tokens are to be written."""
    batch = toy_batch(samples, seed=4, absent=absent)
    text = batch.fields["sequence"]
    places = torch.arange(text.values.shape[1])
    return batch.with_fields({"sequence": replace(text, scored=text.mask & (places >= text.mask.sum(1, True) - 2))})


def write(model, batch, told=None, **writing):
    return generate(
        model, batch, field="sequence", facts=FACTS, writing=Writing(**{"max_tokens": 6, **writing}), told=told
    )


def same(one, other):
    width = max(one[0].shape[1], other[0].shape[1])
    ids = [torch.nn.functional.pad(found[0], (0, width - found[0].shape[1]), value=PAD) for found in (one, other)]
    assert ids[0].tolist() == ids[1].tolist()
    torch.testing.assert_close(one[1], other[1], rtol=1e-4, atol=1e-5)


WAYS = [{}, {"beams": 3}, {"temperature": 1.0}, {"temperature": 0.7, "top_k": 3, "top_p": 0.8}]
WAYS += [{"repetition_penalty": 1.5}, {"beams": 2, "length_penalty": 0.0, "repetition_penalty": 1.2}]


@pytest.mark.parametrize("writing", WAYS, ids=str)
@pytest.mark.parametrize("absent", [None, {"vector": [0, 3]}, {"sequence": [1], "vector": [1]}], ids=str)
def test_what_is_remembered_gives_what_walking_all_again_gives(writing, absent):
    batch = prompts(absent=absent)
    same(write(build(), batch, **writing), write(build(streaming=False), batch, **writing))


@pytest.mark.parametrize("writing", WAYS, ids=str)
def test_neighbours_in_the_batch_change_nothing(writing):
    model, batch = build(), prompts()
    together = write(model, batch, **writing)
    for row in range(len(batch)):
        alone = write(model, batch.pick(torch.tensor([row])), **writing)
        same((together[0][row : row + 1], together[1][row : row + 1]), alone)


def log_probability(model, batch, text):
    """Of one text after the prompt of a batch of one, by walking it once; exactly as training sees it."""
    given = prompt_of(batch.fields["sequence"], bos=BOS)
    values = torch.cat([given.values, torch.tensor([text])], 1)
    with torch.no_grad():
        outputs = model(batch.with_fields({"sequence": Field(values, torch.tensor([True]))}))
    told = outputs["say"]["logits"][0, given.values.shape[1] - 1 : -1].log_softmax(-1)
    return told.gather(1, torch.tensor(text).unsqueeze(1)).sum()


@pytest.mark.parametrize("writing", WAYS, ids=str)
def test_the_log_probability_is_that_of_teacher_forcing(writing):
    model = build()
    for row in range(3):
        batch = prompts().pick(torch.tensor([row]))
        ids, told = write(model, batch, **writing)
        torch.testing.assert_close(told[0], log_probability(model, batch, ids[0].tolist()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("penalty", "row"), [(0.0, 0), (1.0, 1), (2.0, 2)])
def test_enough_beams_find_what_trying_every_text_finds(penalty, row):
    model, batch, longest = build(seed=row), prompts().pick(torch.tensor([row])), 3
    words = [n for n in range(FACTS["vocabulary"]) if n not in Signs.of(FACTS).never]
    plain = [n for n in words if n != END]
    texts = [
        [*text, *last]
        for length in range(longest)
        for text in itertools.product(plain, repeat=length)
        for last in ([[END]] if length < longest - 1 else [[word] for word in words])
    ]
    scores = [log_probability(model, batch, text) / len(text) ** penalty for text in texts]
    best = texts[int(torch.stack(scores).argmax())]
    ids, _ = write(model, batch, beams=len(words) ** longest, length_penalty=penalty, max_tokens=longest)
    assert ids[0].tolist() == best


def test_more_beams_find_likelier_texts():
    model, batch = build(), prompts(12)
    _, greedy = write(model, batch)
    _, wide = write(model, batch, beams=8, length_penalty=0.0)
    assert wide.sum() > greedy.sum()


def test_the_search_with_one_beam_is_greedy():
    model, batch = build(), prompts()
    given = batch.with_fields({"sequence": prompt_of(batch.fields["sequence"], bos=BOS)})
    with torch.inference_mode():
        texts = begin(model, given, field="sequence")
        found = Search(texts, len(batch), writing=Writing(max_tokens=6), signs=Signs.of(FACTS)).run()
    same(found, write(model, batch))


def test_writing_stops_at_the_end_symbol():
    model = build()
    ids, _ = write(model, prompts(12), max_tokens=40, temperature=3.0)
    ended = 0
    for row in ids.tolist():
        if END in row:
            ended += 1
            assert set(row[row.index(END) + 1 :]) <= {PAD}
    assert ended, "this test wants a text that ends"


def test_signs_that_are_no_text_are_never_written():
    ids, _ = write(build(), prompts(12), max_tokens=20, temperature=3.0)
    for row in ids.tolist():
        text = row[: row.index(END)] if END in row else row
        assert not {PAD, BOS, FACTS["unknown"]} & set(text)


def test_a_prompt_may_be_longer_than_what_is_written():
    batch = prompts()
    ids, _ = write(build(), batch, max_tokens=1)
    assert ids.shape == (5, 1)


def test_the_same_seed_draws_the_same_text_and_another_seed_another():
    model, batch = build(), prompts()
    one, again, other = (write(model, batch, temperature=2.0, seed=seed)[0] for seed in (1, 1, 2))
    assert one.tolist() == again.tolist() != other.tolist()


def test_a_low_temperature_is_nearly_greedy():
    same(write(build(), prompts(), temperature=1e-4), write(build(), prompts()))


def test_only_the_likeliest_tokens_are_drawn():
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log().expand(1000, -1)
    noise = torch.linspace(0, 1, 1001)[:-1]
    assert draw(logits, noise, Writing(temperature=1.0, top_k=2)).unique().tolist() == [0, 1]
    assert draw(logits, noise, Writing(temperature=1.0, top_p=0.79)).unique().tolist() == [0, 1]
    assert draw(logits, noise, Writing(temperature=1.0, top_p=0.81)).unique().tolist() == [0, 1, 2]
    counts = draw(logits, noise, Writing(temperature=1.0)).bincount() / 1000
    torch.testing.assert_close(counts, torch.tensor([0.5, 0.3, 0.15, 0.05]), atol=0.002, rtol=0)


@pytest.mark.parametrize("top_p", [0.3, 0.999])
def test_looking_among_a_few_tokens_first_changes_nothing(monkeypatch, top_p):
    logits = 3 * torch.randn(50, 200, generator=torch.Generator().manual_seed(0))
    noise, writing = torch.linspace(0, 1, 51)[:-1], Writing(temperature=1.0, top_p=top_p)
    found = list[list[int]]()
    for few in (16, 1000):
        monkeypatch.setattr(odds, "FEW", few)
        found.append(odds.draw(logits, noise, writing).tolist())
    assert found[0] == found[1]


def test_a_share_of_nothing_still_draws_the_likeliest():
    logits = torch.tensor([[1.0, 3.0, 2.0]])
    assert draw(logits, torch.tensor([0.999]), Writing(temperature=1.0, top_p=0.0)).tolist() == [1]


def test_repeated_tokens_become_less_likely():
    signs = Signs(bos=1, end=2, pad=0, never=(3,))
    logits = torch.tensor([[2.0, -1.0, 1.0, 0.0]])
    found = weigh(logits, torch.tensor([[0, 1, 0]]), writing=Writing(repetition_penalty=2.0), signs=signs)
    told = torch.tensor([[1.0, -2.0, 1.0, 0.0]]).log_softmax(1)
    torch.testing.assert_close(found[:, :3], told[:, :3])
    assert found[0, 3] == -torch.inf


@pytest.mark.parametrize("writing", [{}, {"beams": 2}, {"temperature": 1.0}], ids=str)
def test_tokens_are_told_as_they_are_written(writing):
    told = list[torch.Tensor]()
    ids, _ = write(build(), prompts(), told=lambda tokens: told.append(tokens.clone()), **writing)
    assert torch.stack(told, 1).tolist() == ids.tolist()


def test_a_prompt_is_what_stands_before_the_first_scored_token():
    values = torch.tensor([[BOS, 5, 6, 7, END], [BOS, 5, 6, END, PAD], [9, 9, 9, 9, 9]])
    mask = values != PAD
    scored = torch.tensor([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]], dtype=torch.bool)
    found = prompt_of(Field(values, torch.tensor([True, True, False]), mask, scored), bos=BOS)
    rows = [row[real].tolist() for row, real in zip(found.values, found.mask, strict=True)]
    assert rows == [[BOS, 5, 6], [BOS, 5, 6, END], [BOS]]
    assert found.present.all()


def test_of_several_answers_the_last_one_is_written_and_all_before_it_is_given():
    texts = [BOS, 5, 6, END, 7, 8, END, 9], [BOS, 5, END, 6, 7, END, PAD, PAD], [5, 6, END, 7, END, 8, 9, 5]
    values = torch.tensor(texts)
    scored = torch.tensor([[0, 0, 1, 1, 0, 1, 1, 0], [0, 1, 1, 0, 0, 0, 1, 1], [1, 1, 1, 0, 0, 0, 0, 0]]).bool()
    text = Field(values, torch.ones(3, dtype=torch.bool), values != PAD, scored)

    prompt = prompt_of(text, bos=BOS)

    written = [row[real].tolist() for row, real in zip(values, text.written(), strict=True)]
    assert written == [[8, END], [5, END], [5, 6, END]]
    given = [row[real].tolist() for row, real in zip(prompt.values, prompt.mask, strict=True)]
    assert given == [[BOS, 5, 6, END, 7], [BOS], [5]]


@pytest.mark.parametrize("scored", [None, torch.ones(2, 4, dtype=torch.bool)], ids=["none", "all"])
def test_a_hole_in_the_mask_parts_no_answer(scored):
    values, mask = torch.full((2, 4), 5), torch.tensor([[1, 1, 0, 1], [1, 1, 1, 0]]).bool()

    written = Field(values, torch.tensor([True, False]), mask, scored).written()

    assert written.tolist() == [mask[0].tolist(), [False] * 4]


def test_a_text_without_a_prompt_begins_at_the_beginning():
    values = torch.tensor([[BOS, 5, END], [BOS, END, PAD]])
    found = prompt_of(Field(values, torch.tensor([True, True]), values != PAD), bos=BOS)
    assert (found.values.tolist(), found.mask) == ([[BOS], [BOS]], None)


def test_an_answer_that_comes_first_still_has_a_beginning():
    values = torch.tensor([[BOS, 5, END]])
    found = prompt_of(Field(values, torch.tensor([True]), scored=torch.ones(1, 3, dtype=torch.bool)), bos=BOS)
    assert found.values.tolist() == [[BOS]]
