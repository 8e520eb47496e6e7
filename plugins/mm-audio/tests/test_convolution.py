"""One column out of a stride along the columns: the same as without it, and nothing that is not in the input."""

import pytest
import torch
from mm_audio.convolution import Convolution
from torch import nn

SIZES = [
    ((5, 5), (1, 5), (2, 0), 6),
    ((3, 3), (1, 3), (1, 1), 3),
    ((3, 2), (2, 4), (1, 0), 5),
    ((5, 5), (1, 5), (2, 2), 4),
    ((3, 3), (1, 2), (1, 1), 12),
    ((3, 3), (1, 1), (1, 1), 3),
]


@pytest.mark.parametrize(("kernel", "stride", "padding", "bands"), SIZES)
def test_it_gives_what_torchs_own_gives(kernel, stride, padding, bands):
    plain = nn.Conv2d(4, 8, kernel, stride, padding)
    ours = Convolution(4, 8, kernel, stride, padding)
    ours.load_state_dict(plain.state_dict())
    picture = torch.randn(3, 4, 7, bands)

    torch.testing.assert_close(ours(picture), plain(picture))


@pytest.mark.skipif(not torch.cpu._is_amx_tile_supported(), reason="this CPU has no AMX")
@pytest.mark.parametrize(("kernel", "stride", "padding", "bands"), SIZES)
def test_what_lies_beside_the_input_is_not_read(kernel, stride, padding, bands):
    ours, picture = Convolution(4, 8, kernel, stride, padding), torch.randn(6, 4, 7, bands)
    for _ in range(10):
        beside = [torch.full((size,), torch.nan) for size in (100, 300, 1000, 3000, 5000, 20_000) for _ in range(20)]
        del beside
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            found = ours(picture)
        assert found.isfinite().all()
