"""What is special about the encoders cnn and timm."""

import time

import pytest
import timm
import torch
from mm_image.anatomy import take_apart
from mm_image.backbone import Timm
from mm_image.cnn import CNN
from mm_image.modality import ImageModality
from mm_image.patches import PatchConv
from mm_image.zoo import Recipe
from safetensors.torch import save_file

from mmcore.errors import ConfigError, SetupError
from mmcore.interfaces.field import Field
from mmcore.testing.gpu import fault_on_a_gpu, there
from mmcore.testing.walk import walk as run

FACTS = {"channels": 3, "height": 64, "width": 64}


def pictures(samples: int = 2, size: int = 64) -> Field:
    values = torch.randn(samples, 3, size, size).contiguous(memory_format=torch.channels_last)
    return Field(values, torch.ones(samples, dtype=torch.bool))


def walk(encoder, field):
    """The tokens after embed and after each stage."""
    tokens = [encoder.embed(field)]
    for stage in encoder.stages:
        tokens.append(stage(tokens[-1]))
    return tokens


def test_a_stage_a_width_and_a_grid_that_shrinks():
    tokens = walk(CNN(FACTS, stem_width=8, widths=(16, 24, 32), strides=(1, 2, 2)), pictures())

    assert [part.width for part in tokens] == [8, 16, 24, 32]
    assert [part.grid for part in tokens] == [(16, 16), (16, 16), (8, 8), (4, 4)]


def test_tokens_are_cells_in_row_order():
    encoder = CNN(FACTS)
    field = pictures(1)

    tokens = encoder.embed(field)

    torch.testing.assert_close(tokens.values[0, 16 * 3 + 5], encoder.stem(field.values)[0, :, 3, 5])


def test_the_image_path_copies_nothing_between_stages():
    tokens = walk(CNN(FACTS), pictures())

    assert all(part.values.is_contiguous() and part.dense for part in tokens)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"widths": (32,), "strides": (1, 2)}, "widths has 1, strides has 2"),
        ({"widths": (32, 20)}, r"multiple of groups \(8\), but 20 is not"),
        ({"stem_stride": 32, "strides": (2, 2)}, "nothing is left of pictures of 64 x 64 px"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_when_built(settings, message):
    with pytest.raises(ConfigError, match=message):
        CNN(FACTS, **settings)


@pytest.mark.slow  # takes the processor for a second: a bound far above what it needs, against a slip of ten times
def test_a_training_step_of_the_default_on_64_pictures_is_cheap():
    torch.set_num_threads(1)
    modality, encoder = ImageModality(flip_horizontal=0.5, shift_px=4), CNN(FACTS)
    field = Field(torch.zeros(64, 3, 64, 64, dtype=torch.uint8), torch.ones(64, dtype=torch.bool))
    generator, times = torch.Generator(), []
    for _ in range(8):
        start = time.perf_counter()
        walk(encoder, modality.prepare(modality.augment(field, generator)))[-1].values.sum().backward()
        times.append(time.perf_counter() - start)

    assert min(times) < 0.15


@pytest.mark.parametrize("model", ["test_resnet", "test_convnext", "test_efficientnet", "test_mambaout", "test_vit"])
def test_walking_the_stages_gives_what_timm_gives(model):
    size = 160
    encoder = Timm({"channels": 3, "height": size, "width": size}, model=model).eval()
    field = pictures(2, size)
    torch.manual_seed(0)
    last = walk(encoder, field)[-1]

    if model == "test_vit":
        whole = Timm({"channels": 3, "height": size, "width": size}, model=model, stages=False).eval()
        own = {name.split(".", 2)[-1]: tensor for name, tensor in encoder.first.state_dict().items()}
        assert encoder.depth == len(timm.create_model(model).blocks)
        assert last.length == 101
        assert set(own) <= {name.split(".", 2)[-1] for name in whole.state_dict()} | set(own)
    else:
        reference = timm.create_model(model, features_only=True)
        assert encoder.widths == tuple(reference.feature_info.channels())
        assert last.width == encoder.widths[-1]
        assert last.grid == (size // reference.feature_info.reduction()[-1],) * 2


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("patch", [(4, 4), (2, 6)])
def test_patches_as_a_product_are_what_the_convolution_gives(patch, bias):
    conv = torch.nn.Conv2d(3, 5, patch, stride=patch, bias=bias)
    patches, pixels = PatchConv.of(conv), torch.randn(2, 3, 14, 19)
    assert isinstance(patches, PatchConv)
    assert dict(patches.named_parameters()).keys() == dict(conv.named_parameters()).keys()
    torch.testing.assert_close(patches.product(pixels), conv(pixels))


def test_a_convolution_whose_windows_overlap_stays_what_it_is():
    for settings in ({"stride": 2}, {"stride": 4, "padding": 1}, {"stride": 4, "dilation": 2}):
        conv = torch.nn.Conv2d(3, 5, 4, **settings)
        assert PatchConv.of(conv) is conv


def test_patches_are_a_product_on_a_gpu_in_half_precision_alone(monkeypatch):
    patches, asked = PatchConv.of(torch.nn.Conv2d(3, 5, 4, stride=4)), []
    monkeypatch.setattr(patches, "product", lambda pixels: asked.append(pixels.device.type))
    patches(torch.randn(1, 3, 8, 8))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        patches(torch.randn(1, 3, 8, 8))
    assert not asked
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: True)
    fault_on_a_gpu(lambda: patches(there(torch.randn(1, 3, 8, 8))))
    assert asked == ["cuda"]


def test_no_pictures_have_no_patches():
    assert PatchConv.of(torch.nn.Conv2d(3, 5, 4, stride=4)).product(torch.randn(0, 3, 8, 8)).shape == (0, 5, 2, 2)


def test_a_vision_transformer_cuts_its_patches_as_a_product():
    assert isinstance(Timm(FACTS, model="vit_tiny_patch16_224").first.network.patch_embed.proj, PatchConv)


def test_black_box_and_stages_agree_when_they_hold_the_same_weights(tmp_path):
    """Both load the same file, a whole model with its classifier as it lies on the hub."""
    reference = timm.create_model("test_vit").eval()
    save_file(reference.state_dict(), tmp_path / "model.safetensors")
    facts, field = {"channels": 3, "height": 160, "width": 160}, pictures(2, 160)
    expected = reference.forward_features(field.values)

    for stages in (True, False):
        encoder = Timm(facts, model="test_vit", weights=str(tmp_path / "model.safetensors"), stages=stages).eval()
        encoder.warm_start()
        torch.testing.assert_close(walk(encoder, field)[-1].values, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_weights_come_from_a_local_file_of_either_kind(tmp_path, suffix):
    reference = timm.create_model("test_resnet").eval()
    file = tmp_path / f"model.{suffix}"
    if suffix == "pth":
        torch.save({"state_dict": reference.state_dict()}, file)
    else:
        save_file(reference.state_dict(), file)
    encoder = Timm(FACTS, model="test_resnet", weights=str(file)).eval()
    field = pictures()

    encoder.warm_start()

    expected = reference.forward_features(field.values)
    torch.testing.assert_close(walk(encoder, field)[-1].values, expected.flatten(2).mT, rtol=1e-4, atol=1e-4)


def test_building_loads_nothing():
    torch.manual_seed(0)
    one = Timm(FACTS, model="test_resnet", weights="hub").state_dict()
    torch.manual_seed(0)
    other = Timm(FACTS, model="test_resnet", weights="none").state_dict()

    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_file_of_another_model_is_refused(tmp_path):
    save_file(timm.create_model("test_convnext").state_dict(), tmp_path / "other.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    other = Timm(FACTS, model="test_resnet", weights=str(tmp_path / "other.safetensors"))
    broken = Timm(FACTS, model="test_resnet", weights=str(tmp_path / "broken.safetensors"))

    with pytest.raises(ConfigError, match="test_resnet"):
        other.warm_start()
    with pytest.raises(ConfigError, match="does not hold weights"):
        broken.warm_start()


def test_a_file_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match=r"weights must be none, hub, or a file that exists, but got 'nowhere.pth'"):
        Timm(FACTS, model="test_resnet", weights="nowhere.pth").warm_start()


def test_the_hub_out_of_reach_says_what_to_do(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    with pytest.raises(SetupError, match=r"(?s)could not be fetched.*set weights: PATH"):
        Timm(FACTS, model="test_resnet", weights="hub").warm_start()


def test_an_unknown_model_is_met_with_the_nearest_name():
    with pytest.raises(ConfigError, match=r"no model 'resnet81'\. Did you mean 'resnet"):
        Timm(FACTS, model="resnet81")


def test_a_model_without_stages_says_so():
    with pytest.raises(ConfigError, match=r"no stages to walk through one by one\. Set stages: false"):
        Timm(FACTS, model="mixer_s32_224")


def test_pictures_that_a_model_cannot_take_are_refused_when_built():
    with pytest.raises(ConfigError, match=r"30 x 30|'img_size'"):
        Timm({"channels": 3, "height": 30, "width": 30}, model="test_vit")


@pytest.mark.parametrize(("model", "expected"), [("test_resnet", True), ("test_convnext", False)])
def test_batch_statistics_are_declared_where_they_are(model, expected):
    assert Timm(FACTS, model=model).batch_statistics is expected


@pytest.mark.parametrize("stages", [True, False])
def test_one_picture_trains_where_the_last_map_is_a_single_cell(stages):
    facts = {"channels": 3, "height": 32, "width": 32}
    encoder = Timm(facts, model="test_resnet", stages=stages).train()
    norms = [module for module in encoder.modules() if isinstance(module, torch.nn.BatchNorm2d)]

    tokens = run(encoder, pictures(1, 32))

    assert tokens.grid == (1, 1)
    assert tokens.values.isfinite().all()
    assert {int(norm.num_batches_tracked) for norm in norms} == {0, 1}  # those before the last map learn
    assert all(norm.training for norm in norms)


@pytest.mark.parametrize("stages", [True, False])
@pytest.mark.parametrize("model", ["test_convnext", "test_vit"])
def test_global_output_is_one_token(model, stages):
    encoder = Timm(FACTS, model=model, stages=stages, output="global").eval()

    assert walk(encoder, pictures())[-1].length == 1
    assert walk(encoder, pictures())[-1].dense


@pytest.mark.parametrize("model", ["test_vit", "test_vit2", "test_vit3", "test_vit4", "vit_wee_patch16_reg1_gap_256"])
def test_one_token_of_a_transformer_is_what_timm_pools(model):
    """Of a class token; or of patches behind registers, with what normalises their mean; or of a query that looks."""
    network = timm.create_model(model, num_classes=0, img_size=64).eval()
    pixels = pictures().values
    expected = network(pixels)

    parts = take_apart(network, model, stages=True, pooled=True)

    tokens = parts.first(pixels)
    for stage in parts.stages:
        tokens = stage(tokens)
    torch.testing.assert_close(tokens.values[:, 0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("model", "table", "count"),
    [
        ("swin_tiny_patch4_window7_224", "attn.relative_position_bias_table", 12),
        ("nest_tiny", "pos_embed", 3),  # of levels that timm joins with their number where it cuts
        ("vit_tiny_patch16_224", "pos_embed", 1),
        ("resnet10t", "pos_embed", 0),
    ],
)
@pytest.mark.parametrize("stages", [True, False])
def test_a_model_in_stages_has_spared_what_the_whole_model_wants_spared(model, table, count, stages):
    encoder = Timm({**FACTS, "height": 224, "width": 224}, model=model, stages=stages)

    spared = encoder.no_weight_decay()

    assert spared <= {name for name, _ in encoder.named_parameters()}
    assert sum(name.endswith(table) for name in spared) == count


def test_to_ask_what_is_spared_takes_no_random_numbers():
    recipe = Recipe("nest_tiny", channels=3, size=(224, 224), stages=True, drop_path=0.1)
    network, state = recipe.build(), torch.random.get_rng_state()

    assert len(recipe.spared(network)) == 3
    assert torch.equal(torch.random.get_rng_state(), state)
