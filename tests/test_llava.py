"""conf/experiment/llava.yaml the whole way: rows to an answer, with small models made here and nothing fetched."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmcore.cli.stage import FOR_EACH, STAGES
from mmcore.config.compose import compose
from mmcore.config.params import Params, look_up
from mmcore.data.parquet import read_parquet
from mmcore.model.weights import load_tensors
from mmcore.predictor import Conversation, Predictor
from mmcore.registry.plugins import installed
from mmcore.stages.paths import Paths

pytestmark = pytest.mark.slow  # every stage of the pipeline, and transformers is imported

ROOT = Path(__file__).parents[1]
ALONE = [name for name in STAGES if name not in ("repeat", "spread")]
COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220)}
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}


def save_vision(folder: Path) -> None:
    from transformers import AutoModel, SiglipVisionConfig

    AutoModel.from_config(SiglipVisionConfig(**SIZES, image_size=16, patch_size=8)).save_pretrained(folder)


def save_language(folder: Path) -> None:
    """A Llama with a tokenizer of bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast

    signs = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({sign: number for number, sign in enumerate([*SPECIALS, *signs])}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<|im_end|>", pad_token="<|endoftext|>", additional_special_tokens=SPECIALS
    )
    fast.chat_template = CHATML
    fast.save_pretrained(folder)
    config = LlamaConfig(**SIZES, num_key_value_heads=1, vocab_size=len(fast) + 5, tie_word_embeddings=True)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)


def save_data(folder: Path) -> None:
    """Twelve pictures of one colour each, and a question about each; about every second one another question."""
    (folder / "images").mkdir(parents=True)
    entries = list[dict[str, object]]()
    for number in range(12):
        name = list(COLOURS)[number % 3]
        noise = np.random.default_rng(number).integers(-20, 20, (16, 16, 3))
        picture = np.clip(np.array(COLOURS[name]) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(picture).save(folder / "images" / f"{number}.png")
        turns = [{"from": "human", "value": "<image>\nWhich?"}, {"from": "gpt", "value": name}]
        if number % 2:
            turns += [{"from": "human", "value": "Loud?"}, {"from": "gpt", "value": name.upper()}]
        entries.append({"id": str(number), "image": f"{number}.png", "conversations": turns})
    (folder / "chat.json").write_text(json.dumps(entries))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """Every stage, run; then the models that it started from are gone."""
    root = tmp_path_factory.mktemp("llava")
    torch.manual_seed(0)
    save_vision(root / "vision")
    save_language(root / "language")
    save_data(root / "data")
    choices = [
        "experiment=llava", f"data.source.folder={root / 'data'}", "data.source.file=chat.json",
        "data.split.validation=0.2", "data.split.test=0.2",
        f"fields.image.encoder.model={root / 'vision'}", "fields.image.modality.size_px=16",
        f"fields.conversation.modality.model={root / 'language'}", "fields.conversation.encoder.lora.rank=4",
        "tasks.answer.max_tokens=6", "training.epochs=2", "training.batch_size=4", "training.accumulate=1",
        "evaluation.resamples=20", "training.device=cpu",
    ]  # fmt: skip
    values, paths = compose(ROOT, choices, plugins=installed()), Paths(root)
    paths.params.write_text("")  # the report shows it
    for name in ALONE:
        option, key = FOR_EACH.get(name, ("", ""))
        for entry in [{option: entry} for entry in look_up(values, key)] if option else [{}]:
            module = importlib.import_module(f"mmcore.stages.{name}")
            module.run(Params(values, [read.format(**entry) for read in module.READS]), paths, **entry)
    for model in ("vision", "language"):
        (root / model).rename(root / f"{model}-gone")
    return paths


def parts(folder: Path) -> dict[str, torch.Tensor]:
    return load_tensors(folder / "model.safetensors")


def test_the_connector_learns_alone_and_then_the_adapters_with_it(done: Paths) -> None:
    first, then = parts(done.pretrain("first") / "model"), parts(done.model)

    changed = {name for name in first if not torch.equal(first[name], then[name])}

    assert {name.split(".")[0] for name in changed} == {"encoders", "fusion"}
    assert all(".lora_" in name for name in changed if name.startswith("encoders."))
    assert not any(first[name].any() for name in first if ".lora_B." in name)  # as they begin
    assert any(then[name].any() for name in then if ".lora_B." in name)


def test_what_was_pretrained_is_kept(done: Paths) -> None:
    from safetensors.torch import load_file

    then = parts(done.model)
    for folder, field in (("vision-gone", "image"), ("language-gone", "conversation")):
        given = load_file(done.root / folder / "model.safetensors")
        own = [tensor for name, tensor in then.items() if name.startswith(f"encoders.{field}.")]
        used = [name for name, tensor in given.items() if any(torch.equal(tensor, other) for other in own)]
        assert len(used) > len(given) / 3, f"of {folder} only {used} are there"


def test_it_answers_a_question_about_a_picture_without_the_models_it_was_made_from(done: Paths) -> None:
    predictor = Predictor.load(done.model)
    rows = [{"image": f"images/{n}.png", "conversation": "Which?"} for n in range(3)]

    answers = predictor.predict(rows, done.root / "data")

    assert all(isinstance(answer["answer"]["text"], str) for answer in answers)
    assert all(answer["answer"]["score"] <= 0 for answer in answers)


def test_a_conversation_goes_on(done: Paths) -> None:
    talk = Conversation(Predictor.load(done.model), {"image": str(done.root / "data" / "images" / "0.png")})

    one, other = talk.ask("Which?"), talk.ask("And now?")

    assert isinstance(one, str)
    assert isinstance(other, str)


def test_it_is_judged_on_its_answers(done: Paths) -> None:
    found = json.loads(done.metrics.read_text())

    assert found["answer/perplexity"] > 1
    assert found["answer/perplexity/without/image"] > 1
    assert "answer/exact_match" in found


def test_it_is_compared_with_the_last_answer_of_each_conversation(done: Paths) -> None:
    rows = read_parquet(done.predictions).to_pylist()

    answers = {row["answer:true:text"] for row in rows}

    assert answers <= {*COLOURS, *map(str.upper, COLOURS)}
    assert any(answer.isupper() for answer in answers)
