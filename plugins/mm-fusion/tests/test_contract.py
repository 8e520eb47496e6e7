"""Every fusion keeps the promises of mmcore.interfaces."""

from mmcore.interfaces.fusion import Port
from mmcore.registry.plugins import Plugins, find_installed
from mmcore.testing.fusion import FusionContract
from mmcore.testing.toys.kit import toy_entry_points

TWO_TEXTS = {
    "answer": Port((4, 4, 6), elastic=True),
    "question": Port((5, 5, 5), elastic=True),
    "sound": Port((3, 4)),
}
WITH_TOYS = Plugins.of(lambda group: [*find_installed(group), *toy_entry_points(group)])
"""For a connector that is there whatever is installed."""


class TestAlign(FusionContract):
    name = "align"


class TestConcat(FusionContract):
    name = "concat"
    settings = {"width": 8}


class TestSum(FusionContract):
    name = "sum"
    settings = {"width": 8}


class TestConcatOfMaxima(FusionContract):
    name = "concat"
    settings = {"width": 8, "pool": "both"}


class TestSimilarity(FusionContract):
    name = "similarity"
    settings = {"width": 8}


class TestSimilarityOfProducts(FusionContract):
    name = "similarity"
    settings = {"width": 8, "normalise": "none", "direction": "first", "residual": False}
    ports = {"image": Port((4, 6, 5)), "question": Port((5, 5, 5), elastic=True)}


class TestSimilarityOfSecond(FusionContract):
    name = "similarity"
    settings = {"width": 8, "direction": "second"}


class TestFiLM(FusionContract):
    name = "film"


class TestFiLMOfMeansAlone(FusionContract):
    name = "film"
    settings = {"pool": "mean", "activation": "none", "with_guide": False}
    ports = {"image": Port((4, 6, 5)), "question": Port((5, 5, 5), elastic=True)}


class TestFiLMOfASequence(FusionContract):
    name = "film"
    settings = {"pool": "both", "activation": "gelu", "guide": "image", "guided": "question"}


class TestGated(FusionContract):
    name = "gated"
    settings = {"width": 8}


class TestLowRank(FusionContract):
    name = "lowrank"
    settings = {"width": 8, "rank": 3}


class TestConvSum(FusionContract):
    name = "convsum"
    settings = {"width": 8, "length": 4}


class TestConvSumToMoreThanThereAre(FusionContract):
    name = "convsum"
    settings = {"width": 8, "length": 9, "kernel": 1}


class TestPerceiver(FusionContract):
    name = "perceiver"
    settings = {"width": 8, "latents": 3, "heads": 2, "dropout": 0.1}


class TestTrunk(FusionContract):
    name = "trunk"
    settings = {"width": 8, "heads": 2, "dropout": 0.1}


class TestTrunkOfEmbeddings(FusionContract):
    name = "trunk"
    settings = {"width": 8, "heads": 2, "layers": 1, "depth": 0}


class TestTrunkHalfWay(FusionContract):
    name = "trunk"
    settings = {"width": 8, "heads": 2, "layers": 1, "depth": 1}
    ports = TWO_TEXTS


class TestCross(FusionContract):
    name = "cross"
    settings = {"width": 8, "heads": 1, "dropout": 0.1}
    ports = {"image": Port((4, 6, 5)), "question": Port((8, 8, 8), elastic=True), "sound": Port((3, 4))}


class TestCrossIntoAGrid(FusionContract):
    name = "cross"
    settings = {"into": "image", "of": ["question"], "width": 8, "heads": 2, "gated": False, "pool": "both"}


class TestCrossBetweenTexts(FusionContract):
    name = "cross"
    settings = {"width": 8, "heads": 1}
    ports = TWO_TEXTS


class TestCrossBothWays(FusionContract):
    name = "cross"
    settings = {"width": 8, "heads": 1, "both_ways": True}
    ports = {"image": Port((4, 6, 5)), "question": Port((5, 5, 5), elastic=True), "sound": Port((3, 4))}


class TestCrossOfTwoBothWays(FusionContract):
    name = "cross"
    settings = {"width": 8, "heads": 1, "both_ways": True, "of": ["image"]}


class TestBottleneck(FusionContract):
    name = "bottleneck"
    settings = {"width": 5, "tokens": 2, "last": 2}
    ports = TWO_TEXTS


class TestBottleneckOfOneStage(FusionContract):
    name = "bottleneck"
    settings = {"width": 4, "pool": "both"}


class TestPrefix(FusionContract):
    name = "prefix"
    settings = {"into": "question", "connector": {"name": "toy_linear"}}

    def plugins(self):
        return WITH_TOYS


class TestPrefixOfAText(TestPrefix):
    ports = TWO_TEXTS


class TestChain(FusionContract):
    name = "chain"
    settings = {"first": {"name": "film"}, "second": {"name": "concat", "width": 8}}


class TestChainOfPrefix(TestPrefix):
    name = "chain"
    settings = {
        "first": {"name": "prefix", "into": "question", "connector": {"name": "toy_linear"}},
        "second": {"name": "perceiver", "width": 8, "latents": 2, "heads": 2},
    }


class TestChainThatLooksAhead(FusionContract):
    name = "chain"
    settings = {
        "first": {"name": "sum", "width": 8},
        "second": {"name": "trunk", "width": 8, "heads": 2, "layers": 1},
    }
