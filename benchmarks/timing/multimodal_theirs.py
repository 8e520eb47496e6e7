"""AutoGluon Multimodal on the table of the working folder; run by its own environment, which has no mmcore."""

import json
import shutil
from pathlib import Path

import pandas
import timm
import tokenizers
import torch
import transformers
from autogluon.multimodal import MultiModalPredictor

SETTINGS = {
    "model.names": ["timm_image", "hf_text", "fusion_mlp"],
    "model.timm_image.train_transforms": ["resize_shorter_side", "center_crop"],
    "model.hf_text.max_text_len": 32,
    "optim.max_epochs": 2,
    "env.num_gpus": 0,
    "env.precision": 32,
    "env.batch_size": 32,
    "env.per_gpu_batch_size": 32,
    "env.num_workers": 2,
}


def text_model(texts: list[str], folder: Path) -> Path:
    """A BERT of two layers with random weights and a vocabulary of the texts' words."""
    words = tokenizers.BertWordPieceTokenizer()
    words.train_from_iterator(texts, vocab_size=1000)
    transformers.BertTokenizerFast(tokenizer_object=words._tokenizer).save_pretrained(folder)
    shape = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 512}
    transformers.BertModel(transformers.BertConfig(vocab_size=1000, **shape)).save_pretrained(folder)
    return folder


def image_model(folder: Path) -> Path:
    """A resnet18 with random weights: by its name AutoGluon would fetch others, whatever `pretrained` says."""
    folder.mkdir(exist_ok=True)
    network = timm.create_model("resnet18", num_classes=0)
    torch.save(network.state_dict(), folder / "pytorch_model.bin")
    known = {**network.pretrained_cfg, "num_features": network.num_features}
    about = {"architecture": "resnet18", **known}
    (folder / "config.json").write_text(json.dumps(about, default=str), encoding="utf-8")
    return folder


def main() -> None:
    """Train and judge."""
    rows = pandas.read_csv("rows.csv")
    rows["photo"] = [str(Path(name).resolve()) for name in rows["photo"]]
    parts = {name: part.drop(columns="split") for name, part in rows.groupby("split")}
    models = {
        "model.hf_text.checkpoint_name": str(text_model(list(rows["text"]), Path("bert").resolve())),
        "model.timm_image.checkpoint_name": str(image_model(Path("resnet").resolve())),
    }
    shutil.rmtree("autogluon", ignore_errors=True)
    predictor = MultiModalPredictor(label="label", problem_type="binary", path="autogluon")
    predictor.fit(parts["train"], tuning_data=parts["validation"], hyperparameters={**SETTINGS, **models})
    print(predictor.evaluate(parts["test"], metrics=["accuracy"]))


if __name__ == "__main__":
    main()
