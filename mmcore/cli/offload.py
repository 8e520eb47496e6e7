"""`mm offload`: a prepared folder whose arrays lie elsewhere."""

import shutil
from functools import partial
from pathlib import Path

from mmcore.config.params import load_params
from mmcore.data.offload import offload
from mmcore.data.remote import REMOTE
from mmcore.errors import ArtifactError, SetupError
from mmcore.runtime.progress import track
from mmcore.stages.paths import Paths


def offload_prepared(address: str, into: Path) -> None:
    """Send the arrays of every field to `address`; write to `into` all else that training reads.

    Raises ArtifactError where the stages up to join have not run, SetupError where `into` holds something else.
    """
    here, there = Paths(Path()), Paths(into)
    if not here.inputs.exists():
        raise ArtifactError("There is nothing to offload here yet. Prepare it: dvc repro join")
    check_place(into)
    address, sent = address.rstrip("/"), 0
    for name in load_params(here.params, ["fields"]).fields():
        shutil.copytree(here.fit(name), there.fit(name), dirs_exist_ok=True)
        sent += offload(
            here.store(name), f"{address}/{name}", there.store(name), track=partial(track, what=f"offload {name}")
        )
        computed = here.features(name)
        if computed.is_dir():
            there.features(name).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(computed / "features.json", there.features(name) / "features.json")
        if (computed / "store").is_dir():
            sent += offload(computed / "store", f"{address}/{name}-features", there.features(name) / "store")
    for file in ("manifest", "refused", "quarantine", "inputs", "params"):
        shutil.copyfile(getattr(here, file), getattr(there, file))
    told = f"Sent {sent / 1e6:,.1f} MB to {address}." if sent else f"{address} has all arrays already."
    print(f"{told} To train from there: cd {into} && mm stage train")


def check_place(into: Path) -> None:
    """Raise SetupError where a folder is neither new nor of an earlier offload: its files would be written over."""
    if into.resolve() == Path().resolve():
        raise SetupError(f"--into {into} is this project itself, which would be written over. Name another folder.")
    if into.exists() and not into.is_dir():
        raise SetupError(f"--into {into} is a file. Name a new folder.")
    if into.exists() and any(into.iterdir()) and not any((into / "artifacts").rglob(REMOTE)):
        raise SetupError(
            f"{into} holds something else already. Name a new folder: --into NAME. Where it is of an offload that was "
            "broken off, take it away first; what was sent is not sent again."
        )
