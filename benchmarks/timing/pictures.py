"""Pictures: from files into the store, from the store to the model, and features in their place."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from mmcore.data.dataset import Dataset
from mmcore.data.features import Features
from mmcore.data.kept import Kept
from mmcore.data.loader import Loader
from mmcore.data.store import Store
from mmcore.data.storing import StoreWriter
from mmcore.interfaces.field import Field
from mmcore.interfaces.modality import Modality
from mmcore.model.features import encode_batch
from mmcore.registry.plugins import installed
from mmcore.registry.settings import Part
from mmcore.runtime.memory import keep_freed_memory
from mmcore.stages.encode import read_all, reader
from timing.pairs import in_turns, row

BATCH = 64
MEAN, DEVIATION = torch.tensor([0.5, 0.5, 0.5]).view(3, 1, 1), torch.tensor([0.5, 0.5, 0.5]).view(3, 1, 1)


@contextmanager
def files(count: int, side: int) -> Iterator[tuple[Path, list[str]]]:
    """A folder of JPEG files that look like photographs to a decoder: soft shapes with some noise."""
    draw = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        names = [f"{number}.jpg" for number in range(count)]
        for name in names:
            soft = Image.fromarray(draw.integers(0, 255, (8, 8, 3)).astype(np.uint8)).resize(
                (side, side), Image.BICUBIC
            )
            noisy = np.asarray(soft, dtype=np.int16) + draw.integers(-9, 10, (side, side, 3))
            Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(Path(folder) / name, quality=90)
        yield Path(folder), names


def image_modality(side: int) -> Modality:
    """With its defaults."""
    modality = installed().modality.build(Part("image", {"size_px": side}), where="benchmark")
    modality.fit(["a.jpg"], Path())
    return modality


def stored(modality: Modality, base: Path, names: list[str], folder: Path, *, kept: Kept | None = None) -> Store:
    """Every file read once, as the stage encode does it."""
    found = [None if kept is None else kept.find(name) for name in names]
    fresh = read_all(
        [n for n, place in zip(names, found, strict=True) if place is None], reader(modality, base), threads=2
    )
    writer = StoreWriter(folder, kept=kept)
    for name, place in zip(names, found, strict=True):
        writer.add(next(fresh), cell=name) if place is None else writer.take_over(*place)
    writer.finish(np.arange(len(names)))
    return Store(folder)


class FromFiles(TorchDataset):
    """What a data loader's worker does for each picture: Pillow, ToTensor, Normalize."""

    def __init__(self, base: Path, names: list[str]) -> None:
        self.paths = [base / name for name in names]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        picture = np.asarray(Image.open(self.paths[index]).convert("RGB"))
        values = torch.from_numpy(picture.transpose(2, 0, 1).copy()).float() / 255
        return (values - MEAN) / DEVIATION


def dataset_of(modality: Any, store: Store) -> Dataset:
    """All rows are for training."""
    rows = len(store)
    return Dataset(
        {"image": modality}, {"image": store}, splits=np.array(["train"] * rows, dtype=object), groups=np.arange(rows)
    )


def delivered(dataset: Dataset) -> Iterator[Field]:
    """Every batch as the loader gives it: bytes, half or less of what would go to a GPU otherwise."""
    for batch in Loader(dataset, np.arange(len(dataset)), batch_size=BATCH, shuffle=True):
        yield batch.fields["image"]


def epoch(dataset: Dataset, modality: Modality) -> None:
    """Every batch, ready for the model."""
    for field in delivered(dataset):
        modality.prepare(field)


def input_rows(*, quick: bool) -> list[dict[str, Any]]:
    """Batches for training, from the store and from files: as floats, standardised here, and as the loader gives them.

    A GPU standardises its batches itself. What is freed is kept for the next batch, as in every training.
    """
    found = list[dict[str, Any]]()
    keep_freed_memory()
    torch.set_num_threads(1)
    for side, goal in ((64, 30.0), (224, 10.0)):
        with files(256 if quick else 2048 * 64 // side, side) as (base, names), tempfile.TemporaryDirectory() as folder:
            modality = image_modality(side)
            dataset = dataset_of(modality, stored(modality, base, names, Path(folder)))
            theirs = DataLoader(
                FromFiles(base, names), batch_size=BATCH, shuffle=True, num_workers=2, persistent_workers=True
            )
            ways = {
                "standardised on this CPU": lambda d=dataset, m=modality: epoch(d, m),
                "as the loader gives it to a GPU, which standardises": lambda d=dataset: [None for _ in delivered(d)],
            }
            for way, work in ways.items():
                mine, reference = in_turns(work, lambda t=theirs: [None for _ in t], turns=2 if quick else 9)
                what = f"input for training, {side} px JPEG, from the store, {way}, beside DataLoader + Pillow"
                found.append(row(what, mine, reference, goal=goal, unit="ms a batch", scale=1000 * BATCH / len(names)))
    return found


def plain(base: Path, names: list[str], side: int) -> None:
    """Pillow, one process: decode, cut a square, resize."""
    for name in names:
        picture = Image.open(base / name).convert("RGB")
        np.asarray(picture.resize((side, side), Image.BICUBIC))


def encode_rows(*, quick: bool) -> list[dict[str, Any]]:
    """The first encoding of files."""
    found = list[dict[str, Any]]()
    for side, source in ((64, 400), (224, 640), (224, 1280)):
        with (
            files(16 if quick else 128_000 // source, source) as (base, names),
            tempfile.TemporaryDirectory() as folder,
        ):
            modality = image_modality(side)
            mine, reference = in_turns(
                lambda f=Path(folder), m=modality, b=base, n=names: stored(m, b, n, f),
                lambda b=base, n=names, s=side: plain(b, n, s),
                turns=2 if quick else 7,
            )
            what = f"first encoding of {source} px JPEG files at {side} px, beside Pillow in one process"
            found.append(row(what, mine, reference, goal=4.0, unit="ms a file", scale=1000 / len(names)))
    return found


def append_rows(*, quick: bool) -> list[dict[str, Any]]:
    """The encoding after rows were appended."""
    with files(40 if quick else 2000, 400) as (base, names), tempfile.TemporaryDirectory() as folder:
        modality, places, turns = image_modality(64), Path(folder), 2 if quick else 5
        for turn in range(turns + 1):
            stored(modality, base, names[: len(names) * 9 // 10], places / "out", kept=Kept(_only(places, turn)))
        rounds = iter(range(turns + 1))
        mine, reference = in_turns(
            lambda: stored(modality, base, names, places / "out", kept=Kept(_only(places, next(rounds)))),
            lambda: stored(modality, base, names, places / "fresh"),
            turns=turns,
        )
    return [row("encoding after a tenth of the rows was appended, beside encoding all", mine, reference, goal=5.0)]


def _only(folder: Path, number: int) -> Path:
    """A folder in one of its own: a store that is finished takes away other ways to read a field, which lie beside."""
    return folder / "kept" / str(number) / "way"


def features_rows(*, quick: bool) -> list[dict[str, Any]]:
    """An epoch over features of a frozen resnet18, beside computing them again from stored pictures."""
    found = list[dict[str, Any]]()
    torch.set_num_threads(1)
    for side, goal in ((64, 15.0), (224, 100.0)):
        with files(32 if quick else 256, side) as (base, names), tempfile.TemporaryDirectory() as folder:
            modality = image_modality(side)
            store = stored(modality, base, names, Path(folder) / "pictures")
            part = Part("timm", {"model": "resnet18", "output": "global"})
            encoder = installed().encoder.build(part, modality.facts(), where="benchmark").eval()
            writer = StoreWriter(Path(folder) / "features")
            for start in range(0, len(names), BATCH):
                field = modality.prepare(modality.collate(store.take(np.arange(start, min(start + BATCH, len(names))))))
                for array in encode_batch(encoder, field)[0]:
                    writer.add(np.ascontiguousarray(array))
            writer.finish(np.arange(len(names)))
            dataset = dataset_of(Features(encoder.widths[-1]), Store(Path(folder) / "features"))
            pictures = dataset_of(modality, store)

            def again(pictures: Dataset = pictures, m: Modality = modality, encoder: Any = encoder) -> None:
                for batch in Loader(pictures, np.arange(len(pictures)), batch_size=BATCH, shuffle=True):
                    encode_batch(encoder, m.prepare(batch.fields["image"]))

            def from_store(dataset: Dataset = dataset) -> None:
                for _ in Loader(dataset, np.arange(len(dataset)), batch_size=BATCH, shuffle=True):
                    pass

            mine, reference = in_turns(from_store, again, turns=2 if quick else 5)
            what = f"an epoch over a frozen resnet18's features beside computing them, {side} px"
            found.append(row(what, mine, reference, goal=goal, unit="ms", scale=1000))
    return found
