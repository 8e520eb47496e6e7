"""Where every artifact lies."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """Paths under the project's root. A repeat of a training has its results, or all of it, in another folder."""

    root: Path
    prepared: str = "artifacts"
    """The folder of rows, fits and arrays."""
    results: str = "artifacts"
    """The folder of features, models and scores."""
    kept: str = ".mm"
    """The folder of what is no output."""

    @property
    def params(self) -> Path:
        """What every stage reads."""
        return self.root / "params.yaml"

    @property
    def state(self) -> Path:
        """What is no output: checkpoints, caches."""
        return self.root / self.kept

    @property
    def manifest(self) -> Path:
        """Which rows there are."""
        return self.root / self.prepared / "manifest.parquet"

    @property
    def refused(self) -> Path:
        """Rows that ingest could not use."""
        return self.root / self.prepared / "refused.jsonl"

    def fit(self, field: str) -> Path:
        """What a field's modality learned."""
        return self.root / self.prepared / "fields" / field / "fit"

    def store(self, field: str) -> Path:
        """A field's arrays."""
        return self.root / self.prepared / "fields" / field / "store"

    def features(self, field: str) -> Path:
        """What a field's frozen encoder made of them."""
        return self.root / self.results / "features" / field

    @property
    def inputs(self) -> Path:
        """The digest of each named field, and how many rows there are."""
        return self.root / self.prepared / "inputs.json"

    @property
    def quarantine(self) -> Path:
        """Every row that is left out, with the reason."""
        return self.root / self.prepared / "quarantine.jsonl"

    @property
    def model(self) -> Path:
        """All that prediction needs."""
        return self.root / self.results / "model"

    def pretrain(self, name: str) -> Path:
        """What a training before the training made: a model folder and curves."""
        return self.root / self.results / "pretrain" / name

    @property
    def timings(self) -> Path:
        """How long the training took."""
        return self.root / self.results / "timings.json"

    @property
    def floors(self) -> Path:
        """What a model must beat."""
        return self.root / self.results / "floors.json"

    @property
    def metrics(self) -> Path:
        """Every score."""
        return self.root / self.results / "metrics.json"

    @property
    def predictions(self) -> Path:
        """What the model says of each row it is judged on."""
        return self.root / self.results / "predictions.parquet"

    @property
    def learning(self) -> Path:
        """Curves of the training."""
        return self.root / self.results / "plots" / "learning.csv"

    @property
    def confusion(self) -> Path:
        """Which class was taken for which."""
        return self.root / self.results / "plots" / "confusion.csv"

    def repeat(self, name: str) -> Path:
        """What one repeat of the training came to."""
        return self.root / "artifacts" / "repeats" / name

    def spread(self, kind: str) -> Path:
        """How far the scores of the repeats lie apart: JSON, and a page beside it."""
        return self.root / "artifacts" / "spread" / kind

    @property
    def report(self) -> Path:
        """The page to look at."""
        return self.root / self.results / "report.html"
