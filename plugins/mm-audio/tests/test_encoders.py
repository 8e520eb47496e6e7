"""What is special about the encoders of sounds."""

import pytest
import timm
import torch
from hypothesis import given, settings, strategies
from mm_audio.backbone import AudioTimm
from mm_audio.cnn import AudioCNN
from mm_audio.masked import MaskedGroupNorm
from mm_audio.transformer import AudioTransformer
from safetensors.torch import save_file
from torch import nn

from mmcore.errors import ConfigError, SetupError
from mmcore.interfaces.field import Field
from mmcore.interfaces.tokens import Tokens

FACTS = {"mels": 40, "rate_hz": 8000, "frames_per_second": 100.0, "max_frames": 60}
SMALL = {"stem_width": 4, "widths": (8,), "groups": 2}


def sounds(*frames: int, mels: int = 40) -> Field:
    torch.manual_seed(0)
    mask = torch.arange(max(frames)) < torch.tensor(frames).unsqueeze(1)
    values = torch.randn(len(frames), max(frames), mels).where(mask.unsqueeze(-1), torch.tensor(0.0))
    return Field(values, torch.ones(len(frames), dtype=torch.bool), mask)


def walk(encoder, field: Field) -> list[Tokens]:
    tokens = [encoder.embed(field)]
    for stage in encoder.stages:
        tokens.append(stage(tokens[-1]))
    return tokens


@settings(max_examples=40, deadline=None)
@given(
    frames=strategies.integers(1, 30),
    padding=strategies.integers(0, 12),
    kernel=strategies.sampled_from([1, 3, 5, 7]),
    stem=strategies.integers(1, 4),
    stride=strategies.integers(1, 4),
    output=strategies.sampled_from(["steps", "cells"]),
)
def test_any_length_keeps_the_same_cells_however_far_it_is_padded(frames, padding, kernel, stem, stride, output):
    strides = {"stem_strides": (stem, 2), "time_strides": (stride,), "frequency_strides": (2,), "kernel": kernel}
    encoder = AudioCNN({"mels": 11}, **SMALL, **strides, output=output).eval()
    field = sounds(frames, mels=11)
    more = Field(
        torch.nn.functional.pad(field.values, (0, 0, 0, padding), value=9.0),
        field.present,
        torch.nn.functional.pad(field.mask, (0, padding)),
    )

    one, other = walk(encoder, field)[-1], walk(encoder, more)[-1]

    assert one.mask.view(one.grid)[:, 0].sum() == -(-frames // (stem * stride))
    torch.testing.assert_close(other.values[other.mask], one.values[one.mask], rtol=1e-4, atol=1e-4)


def test_the_default_ends_with_a_token_for_each_step_of_time():
    tokens = walk(AudioCNN(FACTS), sounds(48, 20))

    assert tokens[-1].grid == (12, 1)
    assert tokens[-1].mask.sum(1).tolist() == [12, 5]


def test_cells_stay_time_by_frequency():
    assert walk(AudioCNN(FACTS, output="cells"), sounds(48))[-1].grid == (12, 5)


def test_a_sound_of_one_frame_goes_through_every_encoder():
    for encoder in (AudioCNN(FACTS), AudioTransformer(FACTS), AudioTimm(FACTS, model="test_vit")):
        last = walk(encoder.eval(), sounds(1, 7))[-1]
        assert last.present.all()
        assert last.values.isfinite().all()


def test_masked_group_norm_is_group_norm_where_all_is_real():
    values, norm = torch.randn(3, 20, 12), MaskedGroupNorm(4, 12)
    expected = nn.GroupNorm(4, 12)(values.mT).mT

    torch.testing.assert_close(norm(Tokens.of(values)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("given_settings", "message"),
    [
        ({"widths": (32,)}, "widths has 1, time_strides 3, frequency_strides 3"),
        ({"widths": (32, 20, 32)}, r"multiple of groups \(8\), but 20 is not"),
        ({"kernel": 4}, "the kernel of audio-cnn must be odd"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_when_built(given_settings, message):
    with pytest.raises(ConfigError, match=message):
        AudioCNN(FACTS, **given_settings)


def test_heads_must_divide_the_width():
    with pytest.raises(ConfigError, match="a width of 10 cannot be dealt, in pairs, to 4 heads"):
        AudioTransformer(FACTS, width=10)


@pytest.mark.parametrize("make", [AudioCNN, AudioTransformer], ids=["cnn", "transformer"])
def test_a_small_batch_is_learned_by_heart(make):
    torch.manual_seed(0)
    encoder, field, truth = make(FACTS), sounds(30, 20, 25, 9), torch.tensor([0, 1, 2, 3])
    head = nn.Linear(encoder.widths[-1], 4)
    optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], 2e-3)
    for _ in range(30):
        loss = nn.functional.cross_entropy(head(walk(encoder.train(), field)[-1].pool()), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    assert head(walk(encoder.eval(), field)[-1].pool()).argmax(1).tolist() == truth.tolist()


def test_the_transformer_takes_sounds_of_any_length():
    encoder = AudioTransformer(FACTS).eval()

    assert walk(encoder, sounds(400))[-1].length == 200


def test_the_sheet_is_as_long_as_the_longest_sound_and_cuts_longer_ones():
    encoder = AudioTimm(FACTS, model="test_convnext", multiple=32).eval()
    assert encoder.sheet == (64, 64)

    tokens = walk(encoder, sounds(90, 64, 10))[-1]

    assert tokens.grid == (2, 2)
    assert tokens.mask.sum(1).tolist() == [4, 4, 2]


def test_patches_behind_the_end_of_a_sound_are_masked():
    encoder = AudioTimm(FACTS, model="test_vit").eval()

    tokens = walk(encoder, sounds(60, 17))[-1]

    lead = tokens.length - 4 * 3
    assert tokens.mask.sum(1).tolist() == [lead + 12, lead + 6]


@pytest.mark.parametrize("model", ["test_convnext", "test_vit", "test_resnet", "test_efficientnet"])
def test_global_output_is_one_token(model):
    last = walk(AudioTimm(FACTS, model=model, output="global").eval(), sounds(60, 17))[-1]

    assert last.length == 1
    assert last.present.all()


@pytest.mark.parametrize("model", ["test_vit", "test_vit2"])
def test_one_token_of_a_sound_that_fills_the_sheet_is_what_timm_pools(model):
    """By a class token, and by the mean of patches behind a register."""
    encoder = AudioTimm({**FACTS, "mels": 64, "max_frames": 64}, model=model, output="global").eval()
    field = sounds(64, 64, mels=64)

    last = walk(encoder, field)[-1]

    expected = encoder.stages[0].network(field.values.unsqueeze(1))
    torch.testing.assert_close(last.values[:, 0], expected, rtol=1e-4, atol=1e-5)


def test_weights_come_from_a_local_file_and_colours_are_added_up(tmp_path):
    reference = timm.create_model("test_resnet")
    save_file(reference.state_dict(), tmp_path / "model.safetensors")
    encoder = AudioTimm(FACTS, model="test_resnet", weights=str(tmp_path / "model.safetensors"))

    encoder.warm_start()

    first = dict(encoder.stages[0].network.named_parameters())["conv1.0.weight"]
    torch.testing.assert_close(first, dict(reference.named_parameters())["conv1.0.weight"].sum(1, keepdim=True))


def test_weights_that_are_none_say_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")

    with pytest.raises(
        SetupError, match=r"(?s)no weights of the timm model 'test_resnet' come from .*set weights: PATH"
    ):
        AudioTimm(FACTS, model="test_resnet", weights=str(tmp_path / "broken.safetensors")).warm_start()
    with pytest.raises(SetupError, match="come from 'hub'"):
        AudioTimm(FACTS, model="test_resnet", weights="hub").warm_start()
    with pytest.raises(ConfigError, match=r"none, hub, or a file that exists, but got 'nowhere.pth'"):
        AudioTimm(FACTS, model="test_resnet", weights="nowhere.pth").warm_start()


def test_an_unknown_model_is_met_with_the_nearest_name():
    with pytest.raises(ConfigError, match=r"no model 'resnet81'\. Did you mean 'resnet"):
        AudioTimm(FACTS, model="resnet81")


def test_a_sheet_that_a_model_cannot_take_is_refused_when_built():
    with pytest.raises(ConfigError, match=r"test_vit"):
        AudioTimm(FACTS, model="test_vit", multiple=7)


@pytest.mark.parametrize(("model", "expected"), [("test_resnet", True), ("test_convnext", False)])
def test_batch_statistics_are_declared_where_they_are(model, expected):
    assert AudioTimm(FACTS, model=model).batch_statistics is expected
