"""One training on prepared inputs: what pretrain, train and floors have in common."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from mmcore.config.fields import FieldSettings
from mmcore.config.params import Params
from mmcore.data.balance import even_shares
from mmcore.data.cells import Columns
from mmcore.data.loader import Loader
from mmcore.data.manifest import Manifest
from mmcore.data.marks import SEEN, marks_of, read_marks, write_marks
from mmcore.data.profile import FILE, profile_of
from mmcore.data.writing import write_json
from mmcore.errors import ArtifactError, ConfigError, listing
from mmcore.evaluation.predict import predict
from mmcore.evaluation.score import better_of, needs_text, score
from mmcore.interfaces.encoder import Encoder
from mmcore.interfaces.field import Batch
from mmcore.model.assemble import assemble
from mmcore.model.folder import save_model
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.plan import ModelPlan
from mmcore.model.weights import digest_of, load_state, load_tensors
from mmcore.registry.plugins import Plugins, installed
from mmcore.runtime.fabric import Fabric, launch
from mmcore.runtime.signals import catch_signals
from mmcore.stages.champion import start_from
from mmcore.stages.fingerprint import fingerprint
from mmcore.stages.inputs import Inputs, load_modalities, open_inputs, plan_of
from mmcore.stages.paths import Paths
from mmcore.stages.settling import settle, settle_at_last
from mmcore.training.checkpoint import Checkpoints
from mmcore.training.curves import write_curves
from mmcore.training.live import LiveCurves
from mmcore.training.loop import Data, EachEpoch, Goal, train
from mmcore.training.settings import TrainingSettings


def launch_for(settings: TrainingSettings) -> Fabric:
    """The device and precision that the settings ask for."""
    return launch(
        device=settings.device,
        precision=settings.precision,
        threads=settings.threads,
        deterministic=settings.deterministic,
        devices=settings.devices,
        strategy=settings.strategy,
    )


def fit_model(
    model: MultimodalModel,
    inputs: Inputs,
    *,
    plan: ModelPlan,
    settings: TrainingSettings,
    fabric: Fabric,
    checkpoints: Checkpoints,
    stop: Callable[[], int | None],
    validates: bool,
    title: str,
    start: Path | None = None,
    each_epoch: EachEpoch = lambda row: None,
    partly: bool = False,
    plugins: Plugins | None = None,
) -> list[dict[str, float]]:
    """Train a fresh model on the inputs' training split; its curves, one row an epoch.

    start: a file with the weights to start from; None: those that its encoders start from by themselves.
    partly: of another model's folder, as far as they fit, and the rest as where there is no file.
    """
    if start is None or partly:
        for encoder in model.encoders.values():
            assert isinstance(encoder, Encoder)
            encoder.warm_start()
    if start is not None and partly:
        start_from(model, start.parent, modalities=inputs.modalities, plugins=plugins or installed())
    elif start is not None:
        load_state(model, load_tensors(start), what=str(start))
    check_features(model, inputs)
    model.cached = inputs.cached
    rows = inputs.dataset.rows("train")
    shares = None if settings.balance is None else _shares(inputs, rows, settings.balance)

    def loader(epoch: int, start: int) -> Loader:
        return Loader(
            inputs.dataset, rows, batch_size=settings.batch_size, seed=settings.seed, shuffle=True, shares=shares,
            epoch=epoch, start=start, part=(fabric.global_rank, fabric.world_size), alike=settings.alike,
            pin=fabric.device.type == "cuda",
        )  # fmt: skip

    def batches(epoch: int, start: int) -> Iterator[Batch]:
        return iter(loader(epoch, start))

    def validate(trained: MultimodalModel) -> Mapping[str, float]:
        held_out = inputs.batches("validation", batch_size=4 * settings.batch_size)
        judged = predict(trained, held_out, modalities=inputs.raw, device=fabric.device, write=writes)
        settle(trained, judged)  # what is scored, and kept where it is the best, is what would be used
        return score(trained, judged)

    validates = validates and len(inputs.dataset.rows("validation")) > 0
    better = better_of(model, settings.monitor) if validates else "up"
    writes = validates and needs_text(model, settings.monitor)  # else validation tells how likely the given texts are
    data = Data(batches, batches_an_epoch=len(loader(0, 0)), modalities=inputs.raw)
    goal = Goal(validate if validates else None, better=better, weights=plan.weights)
    curves = train(
        model, data, goal=goal, settings=settings, fabric=fabric, checkpoints=checkpoints, stop=stop,
        each_epoch=each_epoch, title=title,
    )  # fmt: skip
    settle_at_last(model, inputs, batch_size=4 * settings.batch_size, fabric=fabric)
    return curves


def check_features(model: MultimodalModel, inputs: Inputs) -> None:
    """Raise ConfigError where stored features are those of an encoder with other weights than the model has."""
    for name, cached in inputs.cached.items():
        if cached.weights is not None and cached.weights != digest_of(model.encoder(name)):
            raise ConfigError(
                f"fields.{name} is frozen, and its stored features are those of a fresh encoder, but the model that "
                f"this training starts from has other weights there. Set fields.{name}.features to off."
            )


def fit_and_save(
    params: Params,
    paths: Paths,
    settings: TrainingSettings,
    *,
    plugins: Plugins,
    start: Path | None,
    model: Path,
    learning: Path,
    timings: Path | None,
    title: str,
    each_step: Callable[[], None] = lambda: None,
    each_epoch: EachEpoch = lambda row: None,
    partly: bool = False,
) -> None:
    """Train the model that `params` describe and write its folder, curves and timings.

    Killed and started again, it ends with the same bytes. start: as of `fit_model`. Raises ArtifactError where it is
    named and not there.
    """
    if start is not None and not start.exists():
        raise ArtifactError(f"{start} is not there. Run `dvc repro`, or `mm stage pretrain`, which writes it.")
    plan, fields = plan_of(params), params.fields()
    fabric = launch_for(settings)
    modalities = load_modalities(fields, paths, plugins)
    made = assemble(plan, modalities, seed=settings.seed, plugins=plugins)
    inputs = open_inputs(fields, paths, modalities=modalities, model=made)
    mark = fingerprint(params, plan, paths=paths, plugins=plugins, start=start)
    checkpoints = Checkpoints(paths.state / "training" / mark)
    live = LiveCurves(paths.state / "curves" / f"{title}-{mark[:8]}", learning)
    started = time.perf_counter()

    def tell(row: Mapping[str, float]) -> None:
        live(row)
        each_epoch(row)

    def stepped() -> int | None:
        each_step()
        return stop.requested

    with catch_signals() as stop:
        curves = fit_model(
            made, inputs, plan=plan, settings=settings, fabric=fabric, checkpoints=checkpoints,
            stop=stepped, validates=True, title=title, start=start, each_epoch=tell,
            partly=partly, plugins=plugins,
        )  # fmt: skip
    if fabric.is_global_zero:
        columns = {name: field.column for name, field in fields.items()}
        save_model(
            model, made.cpu(), plan=plan, modalities=modalities, columns=columns, code=_code(settings, fields),
            plugins=plugins,
        )  # fmt: skip
        named = params.get("data.id", str | None) is not None
        record_rows(model, paths, list(plan.encoders), columns=columns, start=start, named=named)
        write_curves(learning, curves)
        if timings is not None:
            taken = {"train_s": round(time.perf_counter() - started, 1)}
            about = {"device": str(fabric.device), "devices": fabric.world_size, "padding": padding(inputs, settings)}
            write_json(timings, {**taken, **about, "parameters": sum(p.numel() for p in made.parameters())})
        checkpoints.clear()
    fabric.barrier()


def _code(settings: TrainingSettings, fields: Mapping[str, FieldSettings]) -> dict[str, str]:
    """Name -> digest of each package from outside, as params.yaml has it and `check_packages` saw it to be."""
    of_fields = [record for field in fields.values() for record in (field.package, field.encoder_package)]
    return {record.name: record.digest for record in (*settings.packages, *of_fields) if record is not None}


def record_rows(
    model: Path,
    paths: Paths,
    inputs: list[str],
    *,
    columns: Mapping[str, Columns],
    start: Path | None,
    named: bool,
) -> None:
    """Write into a model folder which rows it was trained on, and what they look like.

    So that it is never judged on them, and later ones can be held against them. A model that started from another one
    has seen what that one had. named: ids do more than count the rows.
    """
    manifest = Manifest.read(paths.manifest)
    rows = np.flatnonzero(np.isin(manifest.splits, SEEN))
    before = None if start is None else read_marks(start.parent)
    marks = marks_of(manifest, inputs, named=named)[rows].ravel()
    write_marks(model, marks if before is None else np.concatenate([marks, before]))
    write_json(model / FILE, profile_of(manifest, rows, columns))


def padding(inputs: Inputs, settings: TrainingSettings) -> dict[str, float]:
    """The share of each field's batches that is padding, in the first epoch."""
    rows = inputs.dataset.rows("train")
    loader = Loader(
        inputs.dataset, rows, batch_size=settings.batch_size, seed=settings.seed, shuffle=True, alike=settings.alike
    )
    return {name: round(share, 3) for name, share in loader.padding().items()}


def _shares(inputs: Inputs, rows: np.ndarray, field: str) -> np.ndarray:
    if field not in inputs.modalities:
        raise ConfigError(f"training.balance is {field!r}. Fields there are: {listing(inputs.modalities)}.")
    return even_shares(inputs.dataset.arrays(field, rows), key="training.balance")
