"""Broken connectors, sources and packages."""

import random
import socket

import torch
from torch import nn

from mmcore.interfaces.source import BrokenRow
from mmcore.interfaces.tokens import Tokens
from mmcore.testing.toys.connector import ToyConnector
from tests.testing.contracts import ToyConnectorContract, ToyFileContract, ToySourceContract
from tests.testing.mutants.noisy import Noisy
from tests.testing.mutation import mutant
from tests.testing.parts import ToyFile, ToySource

mutant(ToyConnectorContract, "test_importing_does_no_work", saying="draws random numbers")(Noisy)


@mutant(ToyConnectorContract, "test_absent_samples_stay_absent_and_present_ones_present", saying="mask them")
class QueriesForTheAbsent(ToyConnector):
    """A resampler whose learned queries are there for every sample."""

    def forward(self, tokens):
        return Tokens.of(self.linear(tokens.pool()).unsqueeze(1))


@mutant(ToyConnectorContract, "test_gradients_are_finite_where_samples_are_absent", saying="leaves NaN in the gradient")
class ConnectorSoftmaxOverNothing(ToyConnector):
    """The NaN of absent samples is put away in the values, not in the gradient."""

    def forward(self, tokens):
        mixed = super().forward(tokens)
        share = mixed.values.sum(-1).masked_fill(~mixed.mask, float("-inf")).softmax(1)
        return Tokens.single((share.unsqueeze(-1) * mixed.values).sum(1), mixed.present)


@mutant(ToyConnectorContract, "test_the_declared_width_is_true", saying="tokens of width")
class WidthMisstated(ToyConnector):
    def forward(self, tokens):
        return tokens.with_values(torch.cat([self.linear(tokens.values)] * 2, -1))


@mutant(ToyConnectorContract, "test_more_padding_changes_nothing", saying="how far a batch is padded")
class ConnectorByPaddedLength(ToyConnector):
    """Padding counts, although it adds nothing."""

    def forward(self, tokens):
        mixed = super().forward(tokens)
        return mixed.with_values(mixed.values + mixed.zeroed().values.mean(1, keepdim=True))


class BatchNormInConnector(ToyConnector):
    """A batch norm over real tokens and masked ones."""

    def __init__(self, width, width_out):
        super().__init__(width, width_out)
        self.norm = nn.BatchNorm1d(width_out)

    def forward(self, tokens):
        mixed = super().forward(tokens)
        return mixed.with_values(self.norm(mixed.values.transpose(1, 2)).transpose(1, 2))


@mutant(ToyConnectorContract, "test_neighbours_in_the_batch_change_nothing", saying="its neighbours", training=True)
class NeighboursInTraining(BatchNormInConnector):
    pass


@mutant(ToyConnectorContract, "test_absent_samples_move_no_buffer", saying="statistics are kept of nothing")
class StatisticsInConnector(BatchNormInConnector):
    pass


@mutant(ToyConnectorContract, "test_a_sample_alone_gives_the_same", saying="a sample alone gives something else")
class ConnectorByBatchSize(ToyConnector):
    def forward(self, tokens):
        mixed = super().forward(tokens)
        return mixed.with_values(mixed.values * len(mixed.values))


@mutant(ToyConnectorContract, "test_the_same_input_gives_the_same_output", saying="outside nn.Dropout")
class NoiseInUse(ToyConnector):
    def forward(self, tokens):
        return tokens.with_values(self.linear(tokens.values) + torch.rand(()))


@mutant(ToyConnectorContract, "test_building_opens_no_connection", saying="a connection was opened")
class BuiltFromTheHub(ToyConnector):
    def __init__(self, width, width_out):
        super().__init__(width, width_out)
        with socket.socket() as line:
            line.connect(("127.0.0.1", 9))


@mutant(ToySourceContract, "test_rows_come_twice_in_the_same_order", saying="another order")
class RowsShuffled(ToySource):
    def rows(self):
        rows = list(super().rows())
        random.shuffle(rows)
        yield from [*rows, {"number": random.random(), "text": ""}]


@mutant(
    ToySourceContract,
    "test_another_process_gives_the_same_rows_in_the_same_order",
    saying="Sets and hash.. change from process to process",
)
class RowsOfASet(ToySource):
    def __init__(self, *, count: int = 50):  # of five, every hundredth order would be the same by chance
        super().__init__(count=count)

    def rows(self):
        yield from ({"number": int(text), "text": text} for text in {str(number) for number in range(self.count)})


@mutant(ToySourceContract, "test_every_row_has_exactly_the_columns", saying="but columns")
class RowWithoutACell(ToySource):
    def rows(self):
        yield {"number": 1}


@mutant(ToySourceContract, "test_rows_as_written_are_the_same_rows", saying="rows_as_written.. 4")
class RowMissingInUse(ToySource):
    def rows_as_written(self):
        yield from list(self.rows())[1:]


@mutant(ToySourceContract, "test_rows_as_written_are_the_same_rows", saying="lacks other cells")
class CellMissingInUse(ToySource):
    def rows_as_written(self):
        yield from ({**row, "text": " "} for row in self.rows())


@mutant(ToySourceContract, "test_a_broken_row_says_why", saying="without a reason")
class BrokenRowWithoutAReason(ToySource):
    def rows(self):
        yield from (BrokenRow(row, " ") for row in super().rows())


@mutant(ToySourceContract, "test_watched_paths_are_relative", saying="a clone could not use them")
class WatchesAnAbsolutePath(ToySource):
    watch = ("/data",)


@mutant(ToySourceContract, "test_nothing_is_opened_in_the_constructor", saying="opens a file")
class OpensAtOnce(ToySource):
    def __init__(self, *, count: int = 5):
        super().__init__(count=count)
        with open(__file__):
            pass


@mutant(
    ToyFileContract,
    "test_columns_of_what_cannot_be_read_work_or_raise_a_data_error",
    saying=r"columns\(\) raises FileNotFoundError",
)
class ColumnsInTheFirstLine(ToyFile):
    """Read without a thought of files that are not there."""

    def columns(self):
        return [self.path.read_text().split("\n")[0]]


@mutant(ToyConnectorContract, "test_what_comes_in_learns_of_what_it_changes", saying="gets no gradient from it")
class ConnectorCutsOff(ToyConnector):
    def forward(self, tokens):
        return super().forward(tokens.with_values(tokens.values.detach()))


@mutant(ToyConnectorContract, "test_neighbours_in_the_batch_change_nothing", saying="its neighbours", training=False)
class ConnectorMixesThroughAGate(ToyConnector):
    def __init__(self, width, width_out):
        super().__init__(width, width_out)
        self.gate = torch.nn.Parameter(torch.zeros(width_out))

    def forward(self, tokens):
        found = super().forward(tokens)
        return found.with_values(found.values + self.gate * found.values.mean(0, keepdim=True))
