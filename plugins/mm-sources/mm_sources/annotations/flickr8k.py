"""Flickr8k: a tokens file with five captions a picture, and lists of pictures for each split (Hodosh et al. 2013)."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from mm_sources.table.text import read_text_lines
from mmcore.errors import DataError
from mmcore.interfaces.source import Row, Source

COLUMNS = ("id", "image", "caption", "name", "split")
KAGGLE = "image,caption"
"""The first line of the tokens file as Kaggle has it."""


class Flickr8kSource(Source):
    """A row a caption; then a row without one for each listed picture that has none.

    Where there are lists, pictures that none of them names are left out, as everybody does with this set (92 of 8,092).
    """

    def __init__(
        self,
        *,
        folder: str,
        tokens: str = "Flickr8k.token.txt",
        images: str = "Flicker8k_Dataset",
        train: str | None = "Flickr_8k.trainImages.txt",
        validation: str | None = "Flickr_8k.devImages.txt",
        test: str | None = "Flickr_8k.testImages.txt",
    ) -> None:
        """folder: of the set; the other paths lie inside. train, validation, test: lists of pictures, or None."""
        self.folder, self.tokens, self.images = Path(folder), tokens, images
        self.lists = {"train": train, "validation": validation, "test": test}

    @property
    def base(self) -> Path:
        """The set's folder."""
        return self.folder

    @property
    def watch(self) -> Sequence[str]:
        """The set's folder."""
        return [str(self.folder)]

    def columns(self) -> Sequence[str]:
        """id, image, caption, name (of the picture: the group), split."""
        return COLUMNS

    def rows(self) -> Iterator[Row]:
        """Every caption. Raises DataError that names the file and the line."""
        splits, captioned = self._splits(), set[str]()
        for name, number, caption in _captions(_there(self.folder / self.tokens)):
            captioned.add(name)
            if not splits or name in splits:
                yield self._row(f"{name}#{number}", name, caption, splits.get(name))
        for name, split in splits.items():
            if name not in captioned:
                yield self._row(name, name, None, split)

    def _row(self, identity: str, name: str, caption: str | None, split: str | None) -> Row:
        return {"id": identity, "image": f"{self.images}/{name}", "caption": caption, "name": name, "split": split}

    def _splits(self) -> dict[str, str]:
        """Picture -> split, in the order of the lists."""
        found = dict[str, str]()
        for split, file in self.lists.items():
            if file is None:
                continue
            path = _there(self.folder / file, hint=f" Set data.source.{split}: null where there is no list.")
            for line, text in enumerate(read_text_lines(path), 1):
                name = text.strip()
                if found.get(name, split) != split:
                    raise DataError(f"line {line}: {name} is in the {found[name]} list too.", path=path)
                if name:
                    found[name] = split
        return found


def _captions(path: Path) -> Iterator[tuple[str, str, str]]:
    """Picture, number of its caption, caption."""
    lines = read_text_lines(path)
    for line, text in enumerate(lines, 1):
        if line == 1 and text.strip().lower() == KAGGLE:
            yield from _kaggle(path)
            return
        if not text.strip():
            continue
        start, tab, caption = text.strip().partition("\t")
        name, sign, number = start.rpartition("#")
        if not tab or not sign or not number.isdigit():
            raise DataError(
                f"line {line} must be NAME#NUMBER, a tab and a caption, but is {text[:60].strip()!r}.", path=path
            )
        yield name, number, caption.strip()


def _kaggle(path: Path) -> Iterator[tuple[str, str, str]]:
    counts = dict[str, int]()
    reader = csv.reader(read_text_lines(path))
    next(reader)
    for cells in reader:
        if not "".join(cells).strip():
            continue
        if len(cells) < 2:
            raise DataError(f"line {reader.line_num} must be NAME,CAPTION, but is {','.join(cells)[:60]!r}.", path=path)
        name, caption = cells[0].strip(), ",".join(cells[1:]).strip()
        counts[name] = counts.get(name, -1) + 1
        yield name, str(counts[name]), caption


def _there(path: Path, hint: str = "") -> Path:
    if not path.is_file():
        raise DataError(f"there is no such file (looked in {Path.cwd()}).{hint}", path=path)
    return path
