"""The toys keep every promise, so that what kills a mutant is the one line that was broken."""

from tests.testing import contracts


class TestMLP(contracts.MLPContract): ...


class TestCausalGRU(contracts.CausalGRUContract): ...


class TestConcat(contracts.ConcatContract): ...


class TestVector(contracts.VectorContract): ...


class TestSequence(contracts.SequenceContract): ...


class TestLabel(contracts.LabelContract): ...


class TestClassification(contracts.ClassificationContract): ...


class TestConnector(contracts.ToyConnectorContract): ...


class TestSource(contracts.ToySourceContract): ...
