"""Pictures cut into patches, and a vector for each."""

# B = samples of a batch, H, W = height and width in pixels, D = width of a token

import torch
from torch import Tensor, nn
from torch.nn import functional


class PatchConv(nn.Conv2d):
    """A convolution whose windows lie side by side; on a GPU, in half precision, it is one matrix product.

    Of 512 pictures of 224 px in patches of 16, forward and backward in bf16, cuDNN's convolution took 5 ms of the 180
    that a step of ViT-B/16 takes on an H200. In float32 the two round differently there, and it stays what it was.
    """

    @classmethod
    def of(cls, conv: nn.Conv2d) -> nn.Conv2d:
        """The same convolution, with the same weights; unchanged where its windows do not lie side by side."""
        size = conv.kernel_size
        if type(conv) is not nn.Conv2d:
            return conv
        if size != conv.stride or conv.padding not in ((0, 0), "valid") or conv.dilation != (1, 1) or conv.groups != 1:
            return conv
        with torch.device("meta"):  # no random numbers are drawn
            found = cls(conv.in_channels, conv.out_channels, size, stride=size, bias=conv.bias is not None)
        found.weight, found.bias = conv.weight, conv.bias
        return found.train(conv.training)

    def forward(self, pixels: Tensor) -> Tensor:
        """[B,3,H,W] -> [B,D,H/P,W/P], of patches of P x P pixels."""
        halved = pixels.is_cuda and torch.is_autocast_enabled("cuda")
        return self.product(pixels) if halved else super().forward(pixels)

    def product(self, pixels: Tensor) -> Tensor:
        """`forward` as a product with the pixels of each patch; what is left over at right and bottom is no patch."""
        high, wide = self.kernel_size
        batch, channels, height, width = pixels.shape
        rows, columns = height // high, width // wide
        whole = pixels[:, :, : rows * high, : columns * wide]
        cells = whole.reshape(batch, channels, rows, high, columns, wide).permute(0, 2, 4, 1, 3, 5)
        patches = cells.reshape(batch, rows, columns, channels * high * wide)
        return functional.linear(patches, self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)
