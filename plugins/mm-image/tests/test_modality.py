"""What the image modality learns, and what it does to a batch."""

import numpy as np
import pytest
import torch
from mm_image.modality import ImageModality
from mm_image.modality.augment import Augmentation
from PIL import Image

from mmcore.errors import ArtifactError, DataError
from mmcore.interfaces.block import Block
from mmcore.interfaces.field import Field

STILL = {"flip_horizontal": 0.0, "flip_vertical": 0.0, "shift_px": 0, "rotation_deg": 0.0}


def batch(samples: int = 6, size: int = 16) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (samples, 3, size, size), generator=generator).to(torch.uint8)


def changed(values: torch.Tensor, seed: int = 1, **settings) -> torch.Tensor:
    return Augmentation(**{**STILL, **settings})(values, torch.Generator().manual_seed(seed))


@pytest.fixture
def folder(tmp_path):
    for n in range(20):
        noise = np.random.default_rng(n).normal((60, 120, 180), (10, 20, 30), (16, 16, 3))
        Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(tmp_path / f"{n}.png")
    return tmp_path


def test_fitted_pictures_have_mean_zero_and_deviation_one(folder):
    modality, cells = ImageModality(size_px=16, standardise="fit"), [f"{n}.png" for n in range(20)]
    modality.fit(cells, folder)

    values = modality.prepare(modality.collate([modality.read(cell, folder) for cell in cells])).values

    torch.testing.assert_close(values.mean((0, 2, 3)), torch.zeros(3), atol=1e-3, rtol=0)
    torch.testing.assert_close(values.std((0, 2, 3)), torch.ones(3), atol=1e-2, rtol=0)


def test_what_was_fitted_comes_back_and_is_the_same_to_the_byte(folder, tmp_path):
    settings = {"size_px": 16, "standardise": "fit"}
    written = []
    for run in ("one", "two"):
        modality = ImageModality(**settings)
        modality.fit([f"{n}.png" for n in range(20)], folder)
        (tmp_path / run).mkdir()
        modality.save(tmp_path / run)
        written.append((tmp_path / run / "image.json").read_bytes())

    loaded = ImageModality.load(tmp_path / "one", **settings)

    assert written[0] == written[1]
    assert (loaded.mean, loaded.deviation) == (modality.mean, modality.deviation)


def test_unreadable_pictures_are_skipped_until_none_is_left(folder):
    (folder / "broken.png").write_bytes(b"")
    modality = ImageModality(size_px=16, standardise="fit")

    modality.fit(["broken.png", "0.png"], folder)
    with pytest.raises(DataError, match="none of 1 pictures can be read"):
        modality.fit(["broken.png"], folder)
    with pytest.raises(DataError, match="no picture to learn from"):
        modality.fit([], folder)


def test_one_colour_alone_does_not_divide_by_zero(tmp_path):
    Image.new("RGB", (16, 16), (7, 7, 7)).save(tmp_path / "a.png")
    modality = ImageModality(size_px=16, standardise="fit")
    modality.fit(["a.png"], tmp_path)

    values = modality.prepare(modality.collate([modality.read("a.png", tmp_path)])).values

    assert values.abs().max() < 1e-3


def test_a_lost_fit_says_what_to_do(tmp_path):
    with pytest.raises(ArtifactError, match=r"image.json cannot be used .* run the fit stage again"):
        ImageModality.load(tmp_path)


def test_half_maps_bytes_to_minus_one_and_one():
    values = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 4, 4)

    prepared = ImageModality(size_px=4).prepare(Field(values, torch.ones(2, dtype=torch.bool))).values

    torch.testing.assert_close(prepared[:, 0, 0, 0], torch.tensor([-1.0, 1.0]))


def test_prepared_pictures_lie_channels_last_for_the_convolutions():
    field = Field(batch(), torch.ones(6, dtype=torch.bool))

    values = ImageModality(size_px=16).prepare(field).values

    assert values.dtype == torch.float32
    assert values.is_contiguous(memory_format=torch.channels_last)


def test_without_augmentation_nothing_changes():
    values = batch()

    assert changed(values) is values


def test_certain_flips_are_flips():
    values = batch()

    torch.testing.assert_close(changed(values, flip_horizontal=1.0), values.flip(3))
    torch.testing.assert_close(changed(values, flip_vertical=1.0), values.flip(2))


@pytest.mark.parametrize("settings", [{"flip_horizontal": 0.5, "flip_vertical": 0.5, "shift_px": 3}, {"shift_px": 20}])
def test_pictures_of_any_layout_are_moved_alike(settings):
    """Each pixel is looked for at the place that it comes from; a shift may leave nothing but the edge."""
    values, settings = batch(12), {**STILL, **settings}
    generator = torch.Generator().manual_seed(2)
    chances = [torch.rand(12, generator=generator) < chance if chance else torch.zeros(12, dtype=torch.bool)
               for chance in (settings["flip_horizontal"], settings["flip_vertical"])]  # fmt: skip
    reach = settings["shift_px"]
    right, down = (torch.randint(-reach, reach + 1, (12,), generator=generator) for _ in range(2))
    wanted = torch.empty_like(values)
    for picture in range(12):
        mirrored, upended = (bool(chance[picture]) for chance in chances)
        for y in range(16):
            for x in range(16):
                row = min(15, max(0, y - int(down[picture])))
                column = min(15, max(0, x - int(right[picture])))
                at = (15 - row if upended else row, 15 - column if mirrored else column)
                wanted[picture, :, y, x] = values[picture, :, at[0], at[1]]

    for layout in (torch.contiguous_format, torch.channels_last):
        moved = changed(values.contiguous(memory_format=layout), seed=2, **settings)
        assert moved.equal(wanted)


def test_each_picture_has_its_own_luck():
    values = batch(64)
    result = changed(values, flip_horizontal=0.5)
    mirrored = (result == values.flip(3)).flatten(1).all(1)
    same = (result == values).flatten(1).all(1)

    assert (mirrored | same).all()
    assert 16 < mirrored.sum() < 48


def test_shifts_move_pictures_whole_and_repeat_the_edge():
    values = batch(32)
    result = changed(values, shift_px=3)
    padded = torch.nn.functional.pad(values.float(), (3, 3, 3, 3), mode="replicate").to(torch.uint8)
    windows = torch.stack([padded[:, :, y : y + 16, x : x + 16] for y in range(7) for x in range(7)], 1)
    places = (windows == result.unsqueeze(1)).flatten(2).all(2)

    assert places.any(1).all()
    assert places.int().argmax(1).unique().numel() > 10


def test_resampling_and_moving_agree_where_nothing_is_turned():
    """The same draws, once as a lookup of pixels and once as an affine map with an angle of almost zero."""
    values = batch()
    settings = {"flip_horizontal": 0.5, "flip_vertical": 0.5, "shift_px": 3}

    moved = changed(values, **settings).float()
    turned = changed(values, **settings, rotation_deg=1e-6)

    torch.testing.assert_close(turned, moved, atol=0.05, rtol=0)


def test_turned_pictures_keep_their_middle_and_range():
    values = torch.zeros(8, 3, 33, 33, dtype=torch.uint8)
    values[:, :, 12:21, 12:21] = 200

    result = changed(values, rotation_deg=180.0)

    assert (result[:, :, 14:19, 14:19] > 199).all()
    assert result.min() >= 0
    assert result.max() <= 255
    assert (result[0] - result[1]).abs().max() > 50


def test_augmentation_is_the_generators_alone():
    values, settings = batch(), {"flip_horizontal": 0.5, "shift_px": 2, "rotation_deg": 10.0}
    state = torch.random.get_rng_state()

    torch.testing.assert_close(changed(values, 3, **settings), changed(values, 3, **settings))
    assert (changed(values, 3, **settings) != changed(values, 4, **settings)).any()
    assert torch.random.get_rng_state().equal(state)


def test_absent_pictures_are_zeros_that_say_so():
    modality = ImageModality(size_px=16)
    field = modality.collate([None, batch()[0].permute(1, 2, 0).numpy(), None])

    assert field.present.tolist() == [False, True, False]
    assert field.values[0].eq(0).all()
    assert field.values[1].equal(batch()[0])


def test_pictures_that_an_earlier_version_stored_channel_by_channel_are_told():
    stored = np.zeros((3, 16, 16), np.uint8)

    for arrays in ([stored, None], Block(stored[None])):
        with pytest.raises(ArtifactError, match=r"are \[3, 16, 16\], but \[16, 16, 3\] was expected: run the encode"):
            ImageModality(size_px=16).collate(arrays)


def test_pictures_go_from_the_store_to_the_model_without_changing_their_layout():
    modality = ImageModality(size_px=16, flip_horizontal=0.5, shift_px=2)
    field = modality.collate([batch()[0].permute(1, 2, 0).contiguous().numpy()] * 4)

    for step in (field, modality.augment(field, torch.Generator().manual_seed(0)), modality.prepare(field)):
        assert step.values.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("turned", [0.0, 10.0])
def test_preparing_gives_the_plain_formula_to_the_last_digit(turned):
    modality = ImageModality(size_px=9, standardise="imagenet", rotation_deg=turned)
    field = Field(torch.randint(0, 256, (5, 3, 9, 9), dtype=torch.uint8), torch.ones(5, dtype=torch.bool))
    field = modality.augment(field, torch.Generator())
    mean, deviation = (torch.tensor(part).view(3, 1, 1) for part in (modality.mean, modality.deviation))
    plain = torch.addcmul(-mean / deviation, field.values.float(), 1 / (255 * deviation))
    assert torch.equal(modality.prepare(field).values, plain)


@pytest.mark.parametrize("side", [1, 9, 33])
def test_pictures_of_any_layout_are_prepared_alike_and_lie_where_torch_would_put_them(side):
    modality = ImageModality(size_px=side)
    values = torch.randint(0, 256, (side, 3, 5, side), dtype=torch.uint8).transpose(0, 2).contiguous().transpose(0, 2)
    there = torch.ones(side, dtype=torch.bool)

    scattered, whole = (modality.prepare(Field(given, there)).values for given in (values, values.contiguous()))

    assert torch.equal(scattered, whole)
    assert whole.data_ptr() % 64 == 0
    assert torch.equal(scattered, torch.addcmul(torch.tensor(-1.0), values.float(), 1 / (255 * torch.tensor(0.5))))
