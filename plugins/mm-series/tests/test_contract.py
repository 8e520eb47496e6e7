"""The series modality and its encoders keep the promises of mmcore.interfaces."""

from pathlib import Path

import numpy as np
import torch

from mmcore.interfaces.field import Field
from mmcore.testing import EncoderContract, ModalityContract


class TestSeries(ModalityContract):
    name = "series"

    def cells(self, folder: Path):
        draw = np.random.default_rng(0)
        for number, steps in enumerate((7, 3, 12, 1, 9)):
            values = draw.normal(5, 3, (steps, 2))
            values[steps // 2 :: 4, 1] = np.nan
            np.save(folder / f"{number}.npy", values)
        np.save(folder / "whole.npy", draw.integers(0, 9, (4, 2)))
        (folder / "text.csv").write_text("1,2\n3,\n,4\n5,NA\n")
        return [*(f"{number}.npy" for number in range(5)), "whole.npy", "text.csv"]

    def broken(self, folder: Path):
        good = np.arange(6.0).reshape(3, 2)
        np.save(folder / "other.npy", np.zeros((3, 5)))
        np.save(folder / "cube.npy", np.zeros((3, 2, 2)))
        np.save(folder / "nothing.npy", np.zeros((0, 2)))
        np.save(folder / "missing.npy", np.full((3, 2), np.nan))
        np.save(folder / "infinite.npy", np.where(good == 3, np.inf, good))
        np.save(folder / "words.npy", np.array([["a", "b"]]))
        np.save(folder / "complex.npy", good * 1j)
        whole = (folder / "infinite.npy").read_bytes()
        (folder / "cut.npy").write_bytes(whole[:-9])
        (folder / "empty.npy").write_bytes(b"")
        (folder / "text.npy").write_text("1,2\n")
        (folder / "ragged.csv").write_text("1,2\n3\n")
        (folder / "word.csv").write_text("1,2\n3,many\n")
        (folder / "latin.csv").write_bytes(b"a,\xe9\n1,2\n")
        (folder / "none.csv").write_text("")
        (folder / "header.csv").write_text("a,b\n")
        (folder / "series.wav").write_bytes(b"RIFF")
        names = [path.name for path in folder.iterdir() if path.is_file() and path.name != "whole.npy"]
        good_ones = {f"{number}.npy" for number in range(5)} | {"text.csv"}
        return sorted(set(names) - good_ones)


class TestSeriesAveraged(TestSeries):
    settings = {"average": 2, "max_steps": 3, "keep": "end", "noise": 0.1}


class TestSeriesResampled(TestSeries):
    settings = {"resample": 5, "standardise": False}


class TestSeriesCNN(EncoderContract):
    name = "series-cnn"
    facts = {"channels": 3, "names": (), "max_steps": 16}
    settings = {"stem_width": 6, "stem_kernel": 3, "widths": [8, 8], "kernel": 4, "strides": [2, 1]}

    def field(self, samples: int, generator: torch.Generator) -> Field:
        lengths = torch.randint(3, 10, (samples, 1), generator=generator)
        lengths[0] = 9
        values = torch.randn(samples, 9, 3, 2, generator=generator)
        values[..., 1] = (torch.rand(samples, 9, 3, generator=generator) < 0.8).float()
        mask = torch.arange(9) < lengths
        return Field(values * mask[..., None, None], torch.ones(samples, dtype=torch.bool), mask)


class TestSeriesCNNWithWideStrides(TestSeriesCNN):
    settings = {"stem_width": 6, "stem_kernel": 5, "stem_stride": 3, "widths": [8], "strides": [5], "dropout": 0.1}


class TestSeriesRNN(TestSeriesCNN):
    name = "series-rnn"
    settings = {"width": 8, "layers": 2}


class TestSeriesLSTMFromOneSide(TestSeriesCNN):
    name = "series-rnn"
    settings = {"kind": "lstm", "width": 6, "bidirectional": False}
