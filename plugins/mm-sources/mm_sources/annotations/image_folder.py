"""A folder for each class, with its files inside; above them, if you like, a folder for each split."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from mm_sources.annotations.files import SPLITS, split_named
from mmcore.errors import DataError
from mmcore.interfaces.source import Row, Source

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")


class ImageFolderSource(Source):
    """A row a file, sorted by path: give `data.id` the column `path`, since new files come between old ones."""

    def __init__(self, *, folder: str, endings: tuple[str, ...] = ENDINGS) -> None:
        """folder: FOLDER/CLASS/a.png or FOLDER/train/CLASS/a.png. endings: of the files to take, any case."""
        self.folder = Path(folder)
        self.endings = tuple(ending.lower() for ending in endings)

    @property
    def base(self) -> Path:
        """The folder."""
        return self.folder

    @property
    def watch(self) -> Sequence[str]:
        """The folder."""
        return [str(self.folder)]

    def columns(self) -> Sequence[str]:
        """path (of the file), label (its class; None in a split without classes), split (None where there is none)."""
        return ("path", "label", "split")

    def rows(self) -> Iterator[Row]:
        """Every file. Raises DataError for a folder that is not there, or has no class, or a class without files."""
        tops = self._folders(self.folder)
        split = next((top.name for top in tops if _is_split(top) and _inside(top)), None)
        if split is None:  # classes may be called like splits
            for top in tops:
                yield from self._files(top, label=top.name, split=None)
            return
        for top in tops:
            if not _is_split(top):
                raise DataError(
                    f"{split!r} is a split with classes inside, but {top.name!r} is none. Put {top.name!r} into a "
                    f"split; or where {split!r} is a class, give it another name.",
                    path=self.folder,
                )
            for folder in _inside(top) or [top]:
                label = None if folder == top else folder.name
                yield from self._files(folder, label=label, split=split_named(top.name))

    def _folders(self, folder: Path) -> list[Path]:
        if not folder.is_dir():
            raise DataError(f"there is no such folder (looked in {Path.cwd()}). Set data.source.folder.", path=folder)
        found = _inside(folder)
        if not found:
            raise DataError("it has no folder for any class: put each class's files into one of its name.", path=folder)
        return found

    def _files(self, folder: Path, *, label: str | None, split: str | None) -> Iterator[Row]:
        inside = (path for path in folder.rglob("*") if path.suffix.lower() in self.endings)
        found = sorted(path for path in inside if path.is_file() and not _is_hidden(path, folder))
        if not found:
            kind = "split" if label is None else "class"
            raise DataError(f"{kind} {folder.name!r} has no file that ends in {', '.join(self.endings)}.", path=folder)
        for path in found:
            yield {"path": path.relative_to(self.folder).as_posix(), "label": label, "split": split}


def _is_split(folder: Path) -> bool:
    return folder.name.lower() in SPLITS


def _is_hidden(path: Path, folder: Path) -> bool:
    """Itself, or a folder on the way to it: .ipynb_checkpoints holds old copies."""
    return any(step.startswith(".") for step in path.relative_to(folder).parts)


def _inside(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
