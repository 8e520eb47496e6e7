"""The encoder `audio-timm`: any model of PyTorch Image Models over the spectrogram as a picture of one channel."""

# B = samples of a batch, F = frames, M = mel bands, N = tokens of a sample, D = width

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from mmcore.errors import ConfigError, SetupError, near_miss
from mmcore.interfaces.encoder import Encoder, Stage, StageCache
from mmcore.interfaces.field import Field
from mmcore.interfaces.settings import Range
from mmcore.interfaces.tokens import Tokens, join
from mmcore.layers.grid import from_picture, to_picture


class AudioTimm(Encoder):
    """A model of timm without its classifier, as one stage.

    Such models know no masks. So each sound is laid on a sheet of one size, the rest of which is as the mean of all
    sounds: what comes out depends on the sound alone, and cells that begin behind its end are masked.
    """

    consumes = "audio"

    def __init__(
        self,
        facts: Mapping[str, Any],
        *,
        model: str = "resnet10t",
        weights: str = "none",
        output: Literal["tokens", "global"] = "tokens",
        frames: Annotated[int, Range(1, soft_high=2048)] | None = None,
        multiple: Annotated[int, Range(1, 256)] = 16,
        drop_path: Annotated[float, Range(0, 0.9)] = 0.0,
    ) -> None:
        """facts: mels, max_frames. Raises ConfigError for an unknown model, and one that such sheets do not fit."""
        super().__init__(facts)
        if not timm.is_model(model):
            names = timm.list_models()
            raise ConfigError(f"timm knows no model {model!r}.{near_miss(model, names)} See timm.list_models().")
        self.model, self.weights = model, weights
        asked = max(1, facts["max_frames"]) if frames is None else frames
        self.sheet = tuple(-(-size // multiple) * multiple for size in (asked, facts["mels"]))
        self.drop_path = drop_path
        whole = Whole(self._build(), pooled=output == "global")
        self.stages = nn.ModuleList([whole])
        norms = (nn.modules.batchnorm._BatchNorm,)
        self.batch_statistics = any(isinstance(module, norms) for module in whole.modules())
        self.widths = (1, self._width(whole))

    def embed(self, field: Field, start: Tensor | int = 0) -> Tokens:
        """Spectrograms [B,F,M] -> the cells of the sheet, [B,F' * M',1]; what is longer than the sheet is cut off."""
        length, height = self.sheet
        values = field.values[:, :length]
        mask = values.new_ones(values.shape[:2], dtype=torch.bool) if field.mask is None else field.mask[:, :length]
        values = torch.where(mask.unsqueeze(-1), values, 0)
        values = functional.pad(values, (0, height - values.shape[2], 0, length - values.shape[1]))
        real = functional.pad(mask, (0, length - mask.shape[1])).repeat_interleave(height, 1)
        return Tokens.of(values.flatten(1).unsqueeze(-1), real, grid=self.sheet)

    def warm_start(self) -> None:
        """Fetch weights from the hub or from a file. Raises ConfigError or SetupError where that cannot be done."""
        if self.weights == "none":
            return
        if self.weights != "hub" and not Path(self.weights).is_file():
            raise ConfigError(f"weights must be none, hub, or a file that exists, but got {self.weights!r}.")
        overlay = None if self.weights == "hub" else {"file": self.weights, "custom_load": False}
        before = {name: tensor.clone() for name, tensor in self.stages[0].network.state_dict().items()}
        try:
            loaded = self._build(pretrained=True, pretrained_cfg_overlay=overlay).state_dict()
        except ConfigError:
            raise
        except Exception as error:  # the hub's client, urllib, safetensors and torch each raise their own
            raise SetupError(
                f"no weights of the timm model {self.model!r} come from {self.weights!r}: {error}\nWithout a network, "
                "copy model.safetensors of the model's page on the hub and set weights: PATH of that file, or none."
            ) from error
        self.stages[0].network.load_state_dict(loaded)
        matrices = [name for name, tensor in before.items() if tensor.ndim > 1 and tensor.count_nonzero()]
        missed = [name for name in matrices if torch.equal(before[name], loaded[name])]
        if missed:
            raise ConfigError(f"{self.weights!r} lacks {missed[0]!r} of the timm model {self.model!r}.")

    def _build(self, **more: Any) -> nn.Module:
        options: dict[str, Any] = {"in_chans": 1, "num_classes": 0, **more}
        known = timm.get_pretrained_cfg(self.model)
        if known is not None and known.fixed_input_size:
            options["img_size"] = self.sheet
        if self.drop_path:
            options["drop_path_rate"] = self.drop_path
        try:
            network: nn.Module = timm.create_model(self.model, **options)
        except (TypeError, AssertionError, ValueError) as error:
            raise ConfigError(f"the timm model {self.model!r} cannot be built with {options}: {error}.") from error
        return network

    @torch.no_grad()
    def _width(self, whole: "Whole") -> int:
        """Found by walking one silent sound: a size that does not fit is told now, not in training."""
        length, height = self.sheet
        silence = torch.zeros(1, length * height, 1)
        whole.eval()
        try:
            width = whole(Tokens.of(silence, grid=self.sheet)).width
        except (RuntimeError, AssertionError, ValueError, TypeError) as error:
            raise ConfigError(
                f"spectrograms of {length} frames x {height} bands do not go through the timm model {self.model!r}: "
                f"{error}. Choose other frames, another multiple or another model."
            ) from error
        whole.train()
        return width


class Whole(Stage):
    """The model from the sheet to its last feature map, or to one vector a sound."""

    def __init__(self, network: nn.Module, pooled: bool) -> None:
        """network: built without classifier."""
        super().__init__()
        self.network = network
        self.pooled = pooled

    def forward(self, tokens: Tokens, cache: StageCache | None = None) -> Tokens:
        """[B,F * M,1] -> [B,N,D], or [B,1,D] where pooled: the class token, or the mean over the sound itself."""
        found = self.network.forward_features(to_picture(tokens))
        if found.ndim == 3:
            return self._line(found, tokens)
        last = found.shape[1] != self.network.num_features  # some keep their channels last
        cells = from_picture(found.movedim(-1, 1) if last else found, tokens)
        if not self.pooled:
            return cells
        mean = cells.pool()  # over the sound alone; what the model's head does behind the mean is done to it
        vector = self.network.forward_head(mean[:, None, None] if last else mean[..., None, None], pre_logits=True)
        return Tokens.single(vector, tokens.present)

    @property
    def _by_class(self) -> bool:
        """Whether the model pools by a class token: registers stand before the patches too, and stand for nothing."""
        has = getattr(self.network, "cls_token", None) is not None
        return has and getattr(self.network, "global_pool", "token") == "token"

    def _line(self, values: Tensor, before: Tokens) -> Tokens:
        """Tokens of a transformer [B,N,D]: what stands before the patches is real wherever there is a sound."""
        lead = getattr(self.network, "num_prefix_tokens", 0)
        grid = getattr(getattr(self.network, "patch_embed", None), "grid_size", ())
        first, rest = values[:, :lead], values[:, lead:]
        if len(grid) == 2 and rest.shape[1] == grid[0] * grid[1]:
            patches = from_picture(rest.unflatten(1, grid).movedim(-1, 1), before)
        else:
            patches = Tokens.of(rest, before.present.unsqueeze(1).expand(rest.shape[:2])).zeroed()
        if self.pooled:
            norm = getattr(self.network, "fc_norm", nn.Identity())
            return Tokens.single(norm(first[:, 0] if lead and self._by_class else patches.pool()), before.present)
        prefix = Tokens.of(first, before.present.unsqueeze(1).expand(first.shape[:2])).zeroed()
        return join([prefix, patches]) if lead else patches
