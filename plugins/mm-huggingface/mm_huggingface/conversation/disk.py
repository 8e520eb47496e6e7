"""Where a model of Hugging Face lies on this machine; nothing here or after it opens a connection."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmcore.errors import SetupError


def folder_of(model: str) -> Path:
    """The folder that `model` names, or the download of that name in the cache of the `hf` command.

    Raises SetupError that says how to get it where neither is there.
    """
    if Path(model).is_dir():
        return Path(model)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, local_files_only=True))
    except HFValidationError as error:
        raise SetupError(
            f"there is no folder {model!r}, and it cannot be the name of a model on the hub. Give a folder that holds "
            "config.json and model.safetensors, or a name such as Qwen/Qwen2.5-0.5B-Instruct."
        ) from error
    except LocalEntryNotFoundError as error:
        raise SetupError(
            f"the model {model!r} is neither a folder nor among the downloads of this machine, and nothing is "
            f"downloaded while a stage runs. With a network, run once: hf download {model}\nWithout one, run 'hf "
            f"download {model} --local-dir FOLDER' elsewhere, copy the folder here and give its path as the model."
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Inside, transformers and peft say nothing: what matters of it is raised as an error by whoever calls."""
    from transformers.utils import logging as told

    level, bars = told.get_verbosity(), told.is_progress_bar_enabled()
    told.set_verbosity(logging.CRITICAL)
    told.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        told.set_verbosity(level)
        if bars:
            told.enable_progress_bar()
