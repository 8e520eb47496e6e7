"""Every fusion keeps the promises of mmcore.interfaces."""

from mmcore.interfaces.fusion import Port
from mmcore.testing.fusion import FusionContract


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
