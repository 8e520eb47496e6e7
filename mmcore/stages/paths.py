"""Where every artifact lies."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """Paths under the project's root."""

    root: Path

    @property
    def params(self) -> Path:
        """What every stage reads."""
        return self.root / "params.yaml"

    @property
    def artifacts(self) -> Path:
        """All that the stages write."""
        return self.root / "artifacts"

    @property
    def state(self) -> Path:
        """What is no output: checkpoints, caches."""
        return self.root / ".mm"

    @property
    def manifest(self) -> Path:
        """Which rows there are."""
        return self.artifacts / "manifest.parquet"

    @property
    def refused(self) -> Path:
        """Rows that ingest could not use."""
        return self.artifacts / "refused.jsonl"

    def fit(self, field: str) -> Path:
        """What a field's modality learned."""
        return self.artifacts / "fields" / field / "fit"

    def store(self, field: str) -> Path:
        """A field's arrays."""
        return self.artifacts / "fields" / field / "store"

    def features(self, field: str) -> Path:
        """What a field's frozen encoder made of them."""
        return self.artifacts / "features" / field

    @property
    def inputs(self) -> Path:
        """The digest of each named field, and how many rows there are."""
        return self.artifacts / "inputs.json"

    @property
    def quarantine(self) -> Path:
        """Every row that is left out, with the reason."""
        return self.artifacts / "quarantine.jsonl"

    @property
    def model(self) -> Path:
        """All that prediction needs."""
        return self.artifacts / "model"

    @property
    def timings(self) -> Path:
        """How long the training took."""
        return self.artifacts / "timings.json"

    @property
    def floors(self) -> Path:
        """What a model must beat."""
        return self.artifacts / "floors.json"

    @property
    def metrics(self) -> Path:
        """Every score."""
        return self.artifacts / "metrics.json"

    @property
    def predictions(self) -> Path:
        """What the model says of each row it is judged on."""
        return self.artifacts / "predictions.parquet"

    @property
    def learning(self) -> Path:
        """Curves of the training."""
        return self.artifacts / "plots" / "learning.csv"

    @property
    def confusion(self) -> Path:
        """Which class was taken for which."""
        return self.artifacts / "plots" / "confusion.csv"

    @property
    def report(self) -> Path:
        """The page to look at."""
        return self.artifacts / "report.html"
