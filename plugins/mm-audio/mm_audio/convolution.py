"""A convolution over time and frequency with strides of their own."""

from torch import Tensor, nn
from torch.nn import functional


class Convolution(nn.Conv2d):
    """As `nn.Conv2d`, to the same result; where a single column comes out of it, without a stride along the columns.

    oneDNN (as of torch 2.14, bfloat16 on processors with AMX) reads beyond the input where strides are (1, 2 or more)
    and one column comes out: what happens to lie there, which may be no number, came into the result.
    """

    def forward(self, picture: Tensor) -> Tensor:
        """[B,C,F,M] -> [B,C',F',M']"""
        assert isinstance(self.padding, tuple), "padding is given in numbers"
        columns, (rows, padding) = self.kernel_size[1], self.padding
        if self.stride[1] == 1 or picture.shape[3] + 2 * padding - columns >= self.stride[1]:
            return super().forward(picture)
        reach = functional.pad(picture, (padding, padding))[..., :columns]
        return functional.conv2d(reach, self.weight, self.bias, (self.stride[0], 1), (rows, 0))
