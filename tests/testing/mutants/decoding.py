"""Broken encoders that write."""

from torch import nn

from mmcore.interfaces.encoder import Stage
from mmcore.testing.toys.encoders import CausalGRU, GRUStage
from tests.testing.contracts import CausalGRUContract
from tests.testing.mutation import mutant


@mutant(CausalGRUContract, "test_causal_means_causal", saying="something looks ahead")
class FutureLeaks(CausalGRU):
    def embed(self, field, start=0):
        tokens = super().embed(field, start)
        return tokens.with_values(tokens.values + tokens.pool().unsqueeze(1))


READOUT = "test_readout_looks_at_each_token_by_itself"


@mutant(CausalGRUContract, READOUT, saying="depend on other tokens")
class ReadoutLooksAhead(CausalGRU):
    def readout(self, tokens):
        following = tokens.values.roll(-1, 1)
        return super().readout(tokens.with_values(tokens.values + following))


@mutant(CausalGRUContract, READOUT, saying="depend on its neighbours")
class ReadoutOfTheBatch(CausalGRU):
    def readout(self, tokens):
        return super().readout(tokens.with_values(tokens.values - tokens.values.mean(0)))


class CacheOfFirstRows(GRUStage):
    """Keeps the state on itself, by row number: beams go on from another's past."""

    def forward(self, tokens, cache=None):
        if cache is None:
            return super().forward(tokens)
        if cache:
            cache["state"] = vars(self)["own"][: len(tokens.mask)]
        found = super().forward(tokens, cache)
        vars(self)["own"] = cache["state"]
        return found


@mutant(CausalGRUContract, "test_decoding_goes_on_after_picking_rows", saying="the cache does not follow")
class CacheIgnoresPick(CausalGRU):
    def __init__(self, facts, *, width: int = 8):
        super().__init__(facts, width=width)
        self.stages = nn.ModuleList([CacheOfFirstRows(width)])


class IntoTheCache(GRUStage):
    """Writes its state over the first of those that it keeps."""

    def forward(self, tokens, cache=None):
        if cache is None:
            return super().forward(tokens)
        own = {"state": cache["states"][:, 0].clone()} if cache else {}
        found = super().forward(tokens, own)
        cache.grow("states", found.values.clone(), axis=1)[:, 0] = own["state"]
        return found


@mutant(CausalGRUContract, "test_decoding_goes_on_after_beams_change_places", saying="write into no tensor")
class WrittenIntoTheCache(CausalGRU):
    def __init__(self, facts, *, width: int = 8):
        super().__init__(facts, width=width)
        self.stages = nn.ModuleList([IntoTheCache(width)])


class CacheUnread(GRUStage):
    """Begins anew with each part."""

    def forward(self, tokens, cache=None):
        return super().forward(tokens)


@mutant(CausalGRUContract, "test_decoding_word_by_word_gives_the_same", saying="something else than all at once")
class CacheIgnored(CausalGRU):
    def __init__(self, facts, *, width: int = 8):
        super().__init__(facts, width=width)
        self.stages = nn.ModuleList([CacheUnread(width)])


@mutant(CausalGRUContract, "test_decoding_word_by_word_gives_the_same", saying="go on from `start`")
class StartIgnored(CausalGRU):
    """Places begin at 0 with each part."""

    def embed(self, field, start=0):
        tokens = super().embed(field, start)
        place = field.mask.cumsum(1).unsqueeze(-1) if field.mask is not None else 0
        return tokens.with_values(tokens.values + 0.1 * place)


class WholeBatch(Stage):
    """Keeps its cache with the samples on the second axis."""

    def __init__(self, width):
        super().__init__()
        self.inner = GRUStage(width)

    def forward(self, tokens, cache=None):
        if cache is None:
            return self.inner(tokens)
        kept = {"state": cache["state"].squeeze(0)} if cache else {}
        found = self.inner(tokens, kept)
        cache["state"] = kept["state"].unsqueeze(0)
        return found


@mutant(CausalGRUContract, "test_the_cache_is_batch_first", saying="the first axis must be the sample")
class CacheNotBatchFirst(CausalGRU):
    """As nn.LSTM gives its state: layers first."""

    def __init__(self, facts, *, width: int = 8):
        super().__init__(facts, width=width)
        self.stages = nn.ModuleList([WholeBatch(width)])


@mutant(CausalGRUContract, "test_decoding_leaves_no_trace", saying="keeps a state of its own")
class StateBetweenCalls(CausalGRU):
    def __init__(self, facts, *, width: int = 8):
        super().__init__(facts, width=width)
        self.stages = nn.ModuleList([Remembering(width)])


class Remembering(GRUStage):
    """Every call begins where a decode ended."""

    def forward(self, tokens, cache=None):
        kept = vars(self).get("own", {}) if cache is None else cache
        found = super().forward(tokens, dict(kept) if cache is None else cache)
        if cache is not None:
            vars(self)["own"] = dict(cache)
        return found
