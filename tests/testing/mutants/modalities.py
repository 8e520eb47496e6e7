"""Broken modalities."""

import json
from dataclasses import replace
from itertools import count

import numpy as np
import torch

from mmcore.errors import DataError
from mmcore.testing.toys.modalities import LabelModality, SequenceModality, VectorModality
from tests.testing.contracts import (
    LabelContract,
    LabelInFileContract,
    NumbersContract,
    SequenceContract,
    VectorContract,
)
from tests.testing.mutation import mutant
from tests.testing.parts import LabelInFile, WordsDropped

FITS = count()


@mutant(VectorContract, "test_augment_draws_from_its_generator_alone", saying="draws from a global generator")
class AugmentFromGlobalNumbers(VectorModality):
    def augment(self, field, generator):
        return field.with_values(field.values + torch.randn(field.values.shape))


@mutant(VectorContract, "test_augment_leaves_global_random_numbers_alone", saying="use the one it is given")
class AugmentDrawsTwice(VectorModality):
    """The result is right; the next random number of the training is another."""

    def augment(self, field, generator):
        np.random.rand()
        return super().augment(field, generator)


@mutant(VectorContract, "test_augment_says_whether_it_changes_anything", saying="`augments` is False")
class AugmentUndeclared(VectorModality):
    augments = False


@mutant(SequenceContract, "test_augment_says_whether_it_changes_anything", saying="`augments` is False")
class MasksUndeclared(WordsDropped):
    """What it changes is the mask."""

    augments = False


@mutant(SequenceContract, "test_augment_and_prepare_keep_rows_and_presence", saying="or gives an absent one some")
class AugmentUnmasks(SequenceModality):
    def augment(self, field, generator):
        return replace(field, mask=~field.mask)


@mutant(VectorContract, "test_preparing_on_a_gpu_does_not_wait_for_it", saying="blocks")
class PrepareBringsNumbers(VectorModality):
    """At each batch anew, in a copy that waits until the device has done all that it was given."""

    def prepare(self, field):
        return field.with_values(field.values + torch.zeros(1).to(field.values.device))


@mutant(VectorContract, "test_preparing_on_a_gpu_does_not_wait_for_it", saying="asks the device for numbers")
class PrepareAsksForNumbers(VectorModality):
    def prepare(self, field):
        return field.with_values(field.values + 0 * float(field.values.sum()))


@mutant(LabelContract, "test_what_it_lists_by_number_is_names", saying="has no list of texts there")
class NumberedWithoutNames(LabelModality):
    """How many there are in place of what they are called."""

    numbered = ("vocabulary",)

    def facts(self):
        return {**super().facts(), "vocabulary": 7}


@mutant(LabelContract, "test_fitting_twice_saves_the_same_bytes", saying="facts.json differ")
class FitNotReproducible(LabelModality):
    def fit(self, cells, base):
        super().fit(cells, base)
        self._facts["fit"] = next(FITS)


@mutant(LabelContract, "test_fitting_in_another_process_saves_the_same_bytes", saying="change from process to process")
class OrderOfASet(LabelModality):
    """Hashes of texts are other ones in each process."""

    def fit(self, cells, base):
        super().fit(cells, base)
        self._facts["digest"] = sum(hash(label) for label in self._facts["classes"])


@mutant(LabelContract, "test_modalities_that_read_by_the_same_read_the_same", saying="name there what was learned")
class ReadsByWhatItHides(LabelModality):
    """Numbers start after how many cells were seen."""

    def read(self, cell, base):
        return super().read(cell, base) + sum(self._facts["counts"])

    def reads_by(self):
        return {}


@mutant(VectorContract, "test_settings_that_reads_by_leaves_out_do_not_change_what_is_read", saying="with scale=0.5, ")
class ReadsByForgetsSetting(VectorModality):
    """The scale is no part of what it says that it reads by."""

    def __init__(self, *, noise: float = 0.0, scale: float = 1.0):
        super().__init__(noise=noise)
        self.scale = scale

    def read(self, cell, base):
        return super().read(cell, base) * np.float32(self.scale)

    def reads_by(self):
        return {}


@mutant(LabelContract, "test_what_was_saved_loads_with_the_same_facts", saying="facts change through save and load")
class TupleBecomesList(LabelModality):
    @classmethod
    def load(cls, folder, **settings):
        made = cls(**settings)
        made._facts = json.loads((folder / "facts.json").read_text())
        return made


@mutant(LabelContract, "test_what_it_remarks_is_kept", saying="what the fit stage told")
class RemarksForgotten(LabelModality):
    told = ()

    def fit(self, cells, base):
        super().fit(cells, base)
        self.told = ("the first class is rare.",)

    def remarks(self):
        return self.told


@mutant(LabelContract, "test_what_was_saved_names_no_absolute_path", saying="absolute path")
class PathSaved(LabelModality):
    def fit(self, cells, base):
        super().fit(cells, base)
        self._facts["base"] = str(base)


@mutant(VectorContract, "test_reading_is_deterministic", saying="belongs into augment")
class ReadAtRandom(VectorModality):
    def read(self, cell, base):
        return super().read(cell, base) + torch.rand(1).numpy()


@mutant(SequenceContract, "test_a_loaded_modality_reads_the_same", saying="does read learn")
class LearnsWhileReading(SequenceModality):
    """Words get their numbers as `read` meets them."""

    def __init__(self):
        super().__init__()
        self.met = {}

    def read(self, cell, base):
        words = [self.met.setdefault(word, 4 + len(self.met)) for word in str(cell).split()]
        return np.array([1, *words, 2])


@mutant(SequenceContract, "test_a_prompt_does_not_end", saying="would begin after its end")
class PromptWithEnd(SequenceModality):
    def prompt(self, cell, base):
        return self.read(cell, base)


@mutant(VectorContract, "test_a_broken_cell_is_told_by_name", saying="read takes .*, which broken.* says is none")
class BrokenBecomesZeros(VectorModality):
    """Black images, silent skipping."""

    def read(self, cell, base):
        try:
            return super().read(cell, base)
        except DataError:
            return np.zeros(3, dtype=np.float32)


@mutant(VectorContract, "test_collate_marks_what_is_absent", saying="exactly where None stood")
class AbsenceNotMarked(VectorModality):
    def collate(self, arrays):
        field = super().collate(arrays)
        return replace(field, present=torch.ones_like(field.present))


@mutant(VectorContract, "test_collate_takes_arrays_that_cannot_be_written", saying="shares its memory with the store")
class ViewOfTheStore(VectorModality):
    """One array, used as it is."""

    def collate(self, arrays):
        field = super().collate(arrays)
        if len(arrays) > 1:
            return field
        arrays[0].flags.writeable = True
        return field.with_values(torch.from_numpy(arrays[0]).unsqueeze(0))


@mutant(SequenceContract, "test_masks_cover_what_is_real", saying="has real positions: its row is filler")
class AbsentRowsUnmasked(SequenceModality):
    def collate(self, arrays):
        field = super().collate(arrays)
        return replace(field, mask=torch.ones_like(field.mask))


@mutant(VectorContract, "test_prepare_treats_each_sample_by_itself", saying="take statistics in fit")
class StandardisedByBatch(VectorModality):
    def prepare(self, field):
        return field.with_values(field.values - field.values.mean(0))


@mutant(VectorContract, "test_prepare_does_not_look_at_filler", saying="rows of absent samples change")
class FillerScalesAll(VectorModality):
    def prepare(self, field):
        return field.with_values(field.values / field.values.abs().amax().clamp_min(1))


@mutant(VectorContract, "test_augment_and_prepare_leave_their_input_alone", saying="writes into the batch")
class PreparedInPlace(VectorModality):
    def prepare(self, field):
        return field.with_values(field.values.mul_(2))


@mutant(SequenceContract, "test_decoding_and_reading_again_gives_the_same", saying="not the way back")
class DecodedBackwards(SequenceModality):
    def decode(self, values):
        return super().decode(values.flip(1))


@mutant(SequenceContract, "test_the_unknown_token_is_marked_where_it_stands", saying="leaves an unknown token out")
class UnknownLeftOut(SequenceModality):
    def decode_marked(self, values):
        return self.decode(values)


@mutant(LabelInFileContract, "test_cells_that_are_paths_of_files_are_said_to_be", saying="Set files = True")
class FilesNotSaidToBe(LabelInFile):
    files = False


@mutant(VectorContract, "test_everything_can_be_shown", saying="is no image as Shown wants it")
class ShowsFloats(VectorModality):
    def show(self, array):
        return "image", np.zeros((4, 4, 3))


@mutant(NumbersContract, "test_a_number_is_read_as_it_is_written_too", saying="cells come as texts")
class NumbersAlone(VectorModality):
    """Right for every table that knows its types, and for no answer in use."""

    def read(self, cell, base):
        if isinstance(cell, str):
            raise DataError(f"{cell!r} is no number.", path=cell)
        return super().read(cell, base)


@mutant(NumbersContract, "test_a_number_is_read_as_it_is_written_too", saying="or otherwise")
class WrittenNumbersHalved(VectorModality):
    def read(self, cell, base):
        return super().read(cell, base) / (2 if isinstance(cell, str) else 1)


@mutant(VectorContract, "test_a_loaded_modality_changes_a_batch_in_the_same_way", saying="not saved")
class NoiseForgotten(VectorModality):
    """How much noise there is, is learned: every stage after the first works without any."""

    learned = 0.0

    def fit(self, cells, base):
        super().fit(cells, base)
        self.learned = 1.0

    def augment(self, field, generator):
        return super().augment(field.with_values(field.values + self.learned), generator)


@mutant(VectorContract, "test_fit_skips_what_cannot_be_read", saying="fit fails on cells that cannot be read")
class FitFallsOverOneCell(VectorModality):
    def fit(self, cells, base):
        cells = list(cells)
        assert all(np.isfinite([float(part) for part in str(cell).split()]).all() for cell in cells)
        super().fit(cells, base)
