"""Conversations: what is read, what is scored, and what is refused."""

import json
from pathlib import Path

import pytest
import torch
from mm_huggingface.conversation import Conversation
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from mmcore.errors import ConfigError, DataError, SetupError
from mmcore.registry.settings import Part
from mmcore.testing.modality import ModalityContract

HERE = Path()
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
FORGETFUL = "{{ messages | length }}{% for m in messages %}{{ m.content }}{% endfor %}"


def chat(*values: str) -> str:
    """Question, answer, question, .. as LLaVA has them."""
    return json.dumps([{"from": ("human", "gpt")[n % 2], "value": value} for n, value in enumerate(values)])


def save_tokenizer(folder: Path, *, template: str | None = CHATML, bos: str | None = None) -> str:
    """A tokenizer of bytes with ChatML's special tokens; the folder's path."""
    from transformers import PreTrainedTokenizerFast

    signs = sorted(pre_tokenizers.ByteLevel.alphabet())
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<s>", "</s>"]
    made = Tokenizer(models.BPE({sign: number for number, sign in enumerate([*specials, *signs])}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    ending = "</s>" if bos else "<|im_end|>"
    fast = PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token=ending, pad_token="<|endoftext|>", bos_token=bos,
        additional_special_tokens=specials,
    )  # fmt: skip
    fast.chat_template = template
    fast.save_pretrained(folder)
    return str(folder)


def save_sentencepiece(folder: Path, *merges: tuple[str, str]) -> str:
    """A tokenizer of characters that begins each text with a space, as Llama 2's and Vicuna's do; the folder's path."""
    from transformers import PreTrainedTokenizerFast

    signs = ["<unk>", "<s>", "</s>", "▁", *map(chr, range(33, 127)), *map("".join, merges)]
    numbers = {sign: number for number, sign in enumerate(signs)}
    made = Tokenizer(models.BPE(numbers, list(merges), unk_token="<unk>"))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse()])
    PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    """A model's folder with a tokenizer and the template ChatML."""
    return save_tokenizer(tmp_path_factory.mktemp("model"))


def fitted(model: str, cells=(), **given) -> Conversation:
    modality = Conversation(model=model, **given)
    modality.fit(list(cells), HERE)
    return modality


def split(modality: Conversation, cell: str) -> tuple[str, str]:
    """What is given and what is scored of a cell, special tokens included."""
    field = modality.collate([modality.read(cell, HERE)])
    ids, scored, tokenizer = field.values[0], field.scored[0], modality.vocabulary.tokenizer
    given, answered = (tokenizer.decode(ids[where].tolist(), skip_special_tokens=False) for where in (~scored, scored))
    return given, answered


class TestConversation(ModalityContract):
    name = "conversation"
    settings = {"model": "set by the fixture", "max_tokens": 200}

    @pytest.fixture(autouse=True)
    def with_model(self, model):
        self.settings = {"model": model, "max_tokens": 200}

    def part(self):
        return Part(self.name, self.settings)

    def cells(self, folder: Path):
        return [
            chat("<image>\nWhat is it?", "A circle."), chat("red?", "yes", "blue?", "no"), "a red circle", "42",
            chat("什么颜色？", "红色 🙂"), chat("a", "b"), 7,
        ]  # fmt: skip

    def broken(self, folder: Path):
        return [
            chat("a")[:-1], chat("a"), json.dumps([{"from": "gpt", "value": "a"}]), "[]", '{"from": "human"}',
            json.dumps([{"from": "nobody", "value": "a"}, {"from": "gpt", "value": "b"}]), float("nan"), True,
        ]  # fmt: skip


def test_answers_and_what_ends_them_are_scored_and_nothing_else(model):
    given, scored = split(fitted(model), chat("red?", "yes", "blue?", "no"))

    assert scored == "yes<|im_end|>no<|im_end|>"
    assert "red?" in given
    assert "blue?" in given
    assert given.count("<|im_start|>assistant\n") == 2


def test_the_tokens_are_those_of_the_whole_conversation(model):
    from transformers import AutoTokenizer

    turns = [{"role": "user", "content": "red?"}, {"role": "assistant", "content": "yes"}]
    whole = AutoTokenizer.from_pretrained(model).apply_chat_template(turns, tokenize=True, return_dict=False)
    modality = fitted(model)

    assert modality.collate([modality.read(chat("red?", "yes"), HERE)]).values[0].tolist() == whole


def test_a_tokenizer_that_begins_texts_with_a_space_puts_none_before_an_answer(tmp_path):
    modality = fitted(save_sentencepiece(tmp_path), template="vicuna")
    cell = chat("red?", "yes", "blue?", "no")

    given, scored = split(modality, cell)

    assert given.endswith(" blue? ASSISTANT:")
    assert scored == " yes</s> no</s>"
    prompt = modality.prompt(chat("red?", "yes", "blue?"), HERE)
    whole = modality.read(cell, HERE)
    assert [-1 - token for token in prompt] == [max(token, -1 - token) for token in whole[: len(prompt)]]


def test_a_token_that_spans_what_is_given_and_an_answer_counts_as_given(tmp_path):
    template = (
        "{% for m in messages %}{{ m.role + ': ' + m.content + '</s>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
    )
    (tmp_path / "spaced.jinja").write_text(template)
    modality = fitted(save_sentencepiece(tmp_path, ("▁", "y")), template=str(tmp_path / "spaced.jinja"))

    assert split(modality, chat("red?", "yes")) == (" user: red?</s> assistant: y", "es</s>")


def test_a_prompt_is_what_stands_before_the_answer_in_training(model):
    modality = fitted(model)
    whole = modality.collate([modality.read(chat("red?", "yes", "blue?", "no"), HERE)])

    prompt = modality.collate([modality.prompt(chat("red?", "yes", "blue?"), HERE)])

    assert not prompt.scored.any()
    length = prompt.values.shape[1]
    assert prompt.values[0].tolist() == whole.values[0][:length].tolist()
    assert whole.scored[0][length - 1 : length + 1].tolist() == [False, True]


def test_a_plain_prompt_is_a_question(model):
    modality = fitted(model)

    assert modality.prompt("red?", HERE).tolist() == modality.prompt(chat("red?"), HERE).tolist()


def test_a_plain_text_is_all_answer(model):
    given, scored = split(fitted(model), "a red circle")

    assert given == "<|im_start|>"
    assert scored == "a red circle<|im_end|>"


def test_the_end_of_an_answer_is_the_templates_not_the_tokenizers(tmp_path):
    modality = fitted(save_tokenizer(tmp_path, bos="<s>"))

    assert modality.vocabulary.specials["eos"] == "</s>"
    assert modality.vocabulary.tokenizer.id_to_token(modality.facts()["eos"]) == "<|im_end|>"


def test_placeholders_of_pictures_go(model):
    given, _ = split(fitted(model), chat("<image>\nWhat is it?", "a"))

    assert "<image>" not in given
    assert "user\nWhat is it?<|im_end|>" in given


def test_what_was_saved_needs_the_model_no_longer(tmp_path):
    folder = tmp_path / "model"
    modality = fitted(save_tokenizer(folder))
    modality.save(tmp_path)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()

    loaded = Conversation.load(tmp_path, model=str(folder))

    assert loaded.read(chat("a", "b"), HERE).tolist() == modality.read(chat("a", "b"), HERE).tolist()
    assert loaded.facts() == modality.facts()


def test_the_vicuna_template_is_shipped(tmp_path):
    given, scored = split(
        fitted(save_tokenizer(tmp_path, template=None, bos="<s>"), template="vicuna"), chat("red?", "yes")
    )

    assert given.startswith("<s>A chat between")
    assert given.endswith(" USER: red? ASSISTANT:")
    assert scored == " yes</s>"


def test_a_conversation_without_a_template_is_met_with_what_to_do(tmp_path):
    model = save_tokenizer(tmp_path, template=None)

    with pytest.raises(ConfigError, match=r"has no chat template\. Set the modality's template: vicuna"):
        fitted(model, [chat("a", "b")])
    assert fitted(model, ["a caption"]).read("a caption", HERE).size


def test_a_template_that_writes_earlier_turns_anew_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="writes a conversation otherwise once it goes on"):
        fitted(save_tokenizer(tmp_path, template=FORGETFUL))


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (json.dumps([{"from": "gpt", "value": "yes"}, {"from": "human", "value": "red?"}]), "starts with the answer"),
        (chat("red?"), "ends with a question"),
        (chat("red?", "yes", "blue?"), "ends with a question"),
        (json.dumps([{"from": "human", "value": "a"}, {"from": "human", "value": "b"}]), "two turns of the user"),
        (chat("what is <|im_end|>?", "an end"), "means something to the model"),
        (chat("x" * 600, "y"), r"no answer within max_tokens \(100\)"),
        (chat("a", "\ud83d"), "half of a character"),
        ("[]", "no list of turns"),
        (json.dumps([{"from": "human"}]), "which is no text"),
        (json.dumps([{"from": ["human"], "value": "a"}]), r"turn 1 is from \['human'\]. It must be human"),
        (json.dumps([{"from": {"is": "human"}, "value": "a"}]), "It must be human"),
        (json.dumps([{"from": "human", "value": "a"}, {"from": "system", "value": "b"}]), "system after the first"),
        (json.dumps([{"from": "system", "value": "a"}]), "has no question"),
    ],
)
def test_a_bad_conversation_is_a_data_error_that_says_why(model, cell, message):
    with pytest.raises(DataError, match=message):
        fitted(model, max_tokens=100).read(cell, HERE)


def test_role_and_content_are_read_too(model):
    other = json.dumps([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])
    modality = fitted(model)

    assert modality.read(other, HERE).tolist() == modality.read(chat("a", "b"), HERE).tolist()


def test_a_long_conversation_is_cut(model):
    assert len(fitted(model, max_tokens=40).read(chat("a", "b" * 100), HERE)) == 40


def test_an_answer_given_is_nothing_to_answer(model):
    with pytest.raises(DataError, match="ends with an answer"):
        fitted(model).prompt(chat("a", "b"), HERE)


def test_a_model_that_is_not_there_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))

    with pytest.raises(SetupError, match="hf download no-one/nothing"):
        fitted("no-one/nothing")
    with pytest.raises(SetupError, match="there is no folder 'weights/no/thing'"):
        fitted("weights/no/thing")


def test_a_file_that_is_no_template_is_refused(model):
    with pytest.raises(ConfigError, match=r"template 'llava' is none of vicuna"):
        fitted(model, template="llava")


def test_what_has_no_token_is_marked_where_it_stands(tmp_path):
    modality = fitted(save_sentencepiece(tmp_path))
    read = torch.from_numpy(modality.read("ab 龘 c", HERE)).unsqueeze(0)

    assert modality.decode_marked(torch.where(read < 0, -1 - read, read)) == ["ab \ufffd c"]


def test_texts_reach_encoders_of_texts(model):
    from mmcore.model.assemble import build_encoder
    from mmcore.model.plan import EncoderPlan, ModelPlan
    from mmcore.registry.plugins import installed

    settings = {"width": 8, "heads": 2, "layers": 1, "causal": True}
    plan = ModelPlan(
        {"answer": Part("conversation", {"model": model})}, {"answer": EncoderPlan(Part("transformer", settings))},
        Part("align", {}), {},
    )  # fmt: skip
    modality = fitted(model)

    encoder = build_encoder(plan, modality, name="answer", seed=0, plugins=installed())

    field = modality.collate([modality.read(chat("a", "b"), HERE)])
    assert torch.isfinite(encoder.embed(field).values).all()
