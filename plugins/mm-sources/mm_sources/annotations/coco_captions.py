"""COCO captions: an annotations file names pictures and what people said of them (Chen et al. 2015, 1504.00325)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from mm_sources.annotations.files import OneOrMore, beside, split_named
from mm_sources.annotations.json_file import entries, read_json, value
from mmcore.interfaces.source import BrokenRow, Row, Source

COLUMNS = ("id", "image", "caption", "image_id", "split")


class CocoCaptionsSource(Source):
    """A row a caption, in the file's order; then a row without one for each picture that has none."""

    def __init__(self, *, folder: str, annotations: OneOrMore, images: OneOrMore = "images") -> None:
        """folder: of the set. annotations: one file or several, images: their folders; both inside `folder`."""
        self.folder, self.annotations, self.images = Path(folder), annotations, images

    @property
    def base(self) -> Path:
        """The set's folder."""
        return self.folder

    @property
    def watch(self) -> Sequence[str]:
        """The set's folder."""
        return [str(self.folder)]

    def columns(self) -> Sequence[str]:
        """id, image, caption, image_id (the group), split (as the file's name says)."""
        return COLUMNS

    def rows(self) -> Iterator[Row]:
        """Every caption. Raises DataError that names the file and the entry."""
        for annotations, images in beside(self.annotations, self.images, setting="images"):
            yield from self._rows(self.folder / annotations, images)

    def _rows(self, path: Path, images: str) -> Iterator[Row]:
        found, split = read_json(path), split_named(path.stem)
        names = dict[int, str]()
        for number, entry in enumerate(entries(found, "images", path)):
            where = f"images[{number}]"
            identity = value(entry, "id", int, where=where, path=path)
            names[identity] = value(entry, "file_name", str, where=where, path=path)
        seen = set[int]()
        for number, entry in enumerate(entries(found, "annotations", path)):
            where = f"annotations[{number}]"
            identity, image = (value(entry, key, int, where=where, path=path) for key in ("id", "image_id"))
            caption = value(entry, "caption", str, where=where, path=path)
            seen.add(image)
            file = f"{images}/{names[image]}" if image in names else None
            row = {"id": str(identity), "image": file, "caption": caption.strip(), "image_id": image, "split": split}
            lost = f"{path.name}: {where} is of image {image}, which is not among its images"
            yield row if file is not None else BrokenRow(row, lost)
        for image, name in names.items():
            if image not in seen:
                file = f"{images}/{name}"
                yield {"id": f"image-{image}", "image": file, "caption": None, "image_id": image, "split": split}
