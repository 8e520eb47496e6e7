"""Weights, adapters, and what is refused in plain words."""

from pathlib import Path

import pytest
import torch
from mm_huggingface.causal import HFCausal
from mm_huggingface.lora import LoraSettings
from mm_huggingface.text import HFText
from mm_huggingface.vision import HFVision

from mmcore.errors import ConfigError, SetupError
from mmcore.interfaces.field import Field
from mmcore.testing.walk import walk

FACTS = {"vocabulary": 24, "pad": 0, "bos": 1, "eos": 2, "unknown": 3, "max_tokens": 16}
PICTURES = {"channels": 3, "height": 8, "width": 8}
SIZES = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12}
LLAMA = {"model_type": "llama", **SIZES, "vocab_size": 24, "num_key_value_heads": 1}
GPT2 = {"model_type": "gpt2", "vocab_size": 24, "n_embd": 8, "n_layer": 1, "n_head": 2, "n_positions": 20}
BERT = {"model_type": "bert", **SIZES, "vocab_size": 24, "max_position_embeddings": 20}
CLIP = {"model_type": "clip_vision_model", **SIZES, "image_size": 8, "patch_size": 4}
SIGLIP = {**CLIP, "model_type": "siglip_vision_model"}


def save(folder: Path, architecture=LLAMA) -> str:
    """A Llama with weights of the seed 5; its folder."""
    from transformers import AutoModelForCausalLM, LlamaConfig

    torch.manual_seed(5)
    AutoModelForCausalLM.from_config(LlamaConfig(**architecture)).save_pretrained(folder)
    return str(folder)


def texts() -> Field:
    values = torch.randint(4, 24, (3, 6), generator=torch.Generator().manual_seed(0))
    return Field(values, torch.ones(3, dtype=torch.bool))


def logits(encoder) -> torch.Tensor:
    with torch.no_grad():
        return encoder.readout(walk(encoder.eval(), texts()))


def test_only_adapters_learn_and_the_rest_stays(tmp_path):
    encoder = HFCausal(FACTS, model=save(tmp_path), lora=LoraSettings(rank=2, dropout=0.0))
    encoder.warm_start()
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in encoder.parameters() if p.requires_grad], lr=1.0)
    for _ in range(2):  # in the first step only one of the two matrices has a gradient
        encoder.train().readout(walk(encoder, texts())).square().sum().backward()
        optimizer.step()

    changed = {name for name, tensor in encoder.state_dict().items() if not torch.equal(tensor, before[name])}

    assert changed
    assert changed == {name for name in before if ".lora_" in name}


def test_adapters_change_nothing_at_the_start(tmp_path):
    plain = HFCausal(FACTS, model=save(tmp_path))
    adapted = HFCausal(FACTS, model=str(tmp_path), lora=LoraSettings(rank=2))
    plain.warm_start()
    adapted.warm_start()

    torch.testing.assert_close(logits(plain), logits(adapted))


@torch.no_grad()
def test_a_layer_compiles_as_one_graph():
    encoder = HFCausal(FACTS, model=None, architecture=LLAMA).eval()
    tokens = encoder.embed(texts())

    compiled = torch.compile(encoder.stages[-1], backend="eager", fullgraph=True)

    torch.testing.assert_close(compiled(tokens).values, encoder.stages[-1](tokens).values)


def test_adapters_go_beside_the_matrices_that_are_named():
    encoder = HFCausal(FACTS, model=None, architecture=LLAMA, lora=LoraSettings(rank=2, targets=("q_proj", "v_proj")))

    places = {name.split(".lora_")[0].rsplit(".", 1)[-1] for name, _ in encoder.named_parameters() if ".lora_" in name}

    assert places == {"q_proj", "v_proj"}


def test_a_matrix_that_is_not_there_is_met_with_those_that_are():
    with pytest.raises(ConfigError, match=r"lora.targets names query, but .* There are: down_proj, gate_proj, k_proj"):
        HFCausal(FACTS, model=None, architecture=LLAMA, lora=LoraSettings(targets=("query",)))


def test_before_the_warm_start_nothing_of_the_weights_is_read(tmp_path):
    folder = Path(save(tmp_path))
    (folder / "model.safetensors").unlink()

    encoder = HFCausal(FACTS, model=str(folder))

    with pytest.raises(ConfigError, match="cannot be read as LlamaForCausalLM"):
        encoder.warm_start()


def test_a_warm_start_leaves_random_numbers_alone(tmp_path):
    encoder = HFCausal(FACTS, model=save(tmp_path))
    before = torch.get_rng_state()

    encoder.warm_start()

    assert torch.equal(before, torch.get_rng_state())


def test_weights_of_another_architecture_are_refused(tmp_path):
    folder = save(tmp_path)
    encoder = HFCausal(FACTS, model=folder, architecture={**LLAMA, "num_hidden_layers": 3})

    with pytest.raises(ConfigError, match=r"lack model.layers.2.* of LlamaForCausalLM"):
        encoder.warm_start()


def test_of_a_model_of_pictures_and_texts_each_encoder_takes_its_own_half(tmp_path):
    from transformers import CLIPConfig, CLIPModel

    sizes = {key: value for key, value in CLIP.items() if key != "model_type"}
    reads = {**SIZES, "vocab_size": 24, "max_position_embeddings": 20}
    whole = CLIPModel(CLIPConfig(text_config=reads, vision_config=sizes)).eval()
    whole.save_pretrained(tmp_path)
    sees, reader = HFVision(PICTURES, model=str(tmp_path)), HFText(FACTS, model=str(tmp_path))
    for encoder in (sees, reader):
        encoder.warm_start()
        encoder.eval()
    pictures = Field(torch.randn(2, 3, 8, 8), torch.ones(2, dtype=torch.bool))

    with torch.no_grad():
        seen, read = walk(sees, pictures).values, walk(reader, texts()).values
        torch.testing.assert_close(seen, whole.vision_model(pixel_values=pictures.values).last_hidden_state)
        torch.testing.assert_close(read, whole.text_model(input_ids=texts().values).last_hidden_state)


def test_a_model_that_is_not_on_this_machine_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))

    with pytest.raises(SetupError, match=r"run once: hf download no-one/nothing\nWithout one, .* copy the folder here"):
        HFVision(PICTURES, model="no-one/nothing")


def test_a_folder_without_a_configuration_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"has no config.json that"):
        HFText(FACTS, model=str(tmp_path))


@pytest.mark.parametrize(
    ("kind", "facts", "given", "message"),
    [
        (HFText, FACTS, {"architecture": None}, "neither model nor architecture is given"),
        (HFText, FACTS, {"architecture": {"hidden_size": 8}}, "architecture.model_type is None"),
        (HFText, FACTS, {"architecture": {**BERT, "hidden_size": "many"}}, "architecture cannot be built as 'bert'"),
        (HFText, {**FACTS, "vocabulary": 25}, {"architecture": BERT}, "has 25 tokens, the model 'bert' knows 24"),
        (HFText, {**FACTS, "max_tokens": 21}, {"architecture": BERT}, "has places for 20. Lower the modality's max"),
        (HFText, FACTS, {"architecture": {"model_type": "vit"}}, "'vit' reads no texts"),
        (HFCausal, FACTS, {"architecture": BERT | {"model_type": "clip_vision_model"}}, "cannot make a 'clip_vision"),
        (HFCausal, FACTS, {"architecture": {**LLAMA, "model_type": "mistral", "sliding_window": 4}}, "a window of 4"),
        (HFCausal, {**FACTS, "max_tokens": 21}, {"architecture": GPT2}, "has places for 20"),
        (HFCausal, FACTS, {"architecture": {**LLAMA, "model_type": "gemma2", "head_dim": 4}}, "is not supported"),
        (HFCausal, FACTS, {"architecture": {**SIZES, "model_type": "bloom", "vocab_size": 24}}, "cannot write here"),
        (HFVision, PICTURES, {"architecture": CLIP, "drop_layers": 2}, "the model has 2 layers in all"),
        (HFVision, {**PICTURES, "width": 10}, {"architecture": CLIP}, "cannot be cut into patches of 4 px"),
        (HFVision, PICTURES, {"architecture": SIGLIP, "output": "class"}, "has no class token"),
        (HFVision, PICTURES, {"architecture": BERT}, "do not go through the model 'bert'"),
        (HFVision, PICTURES, {"architecture": {"model_type": "resnet"}, "output": "patches"}, "walked as one stage"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_plain_words(kind, facts, given, message):
    with pytest.raises(ConfigError, match=message):
        kind(facts, model=None, **given)


def test_a_text_that_outgrows_the_places_is_told_so():
    encoder = HFCausal(FACTS, model=None, architecture=GPT2).eval()
    field = Field(torch.ones(1, 21, dtype=torch.long), torch.ones(1, dtype=torch.bool))

    with pytest.raises(ConfigError, match="texts may have 21 tokens, but the model has places for 20"):
        walk(encoder, field)


IMPORTS = """
import sys
from mmcore.registry.plugins import installed
for kind, name in {names}:
    installed().kind(kind).load(name)
assert not {{"transformers", "peft", "huggingface_hub"}} & set(sys.modules)
"""


def test_naming_the_plugins_imports_none_of_the_libraries():
    import subprocess
    import sys

    names = [("encoder", "hf-text"), ("encoder", "hf-vision"), ("encoder", "hf-causal"), ("modality", "conversation")]
    code = IMPORTS.format(names=names)

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
