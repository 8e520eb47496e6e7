"""32 photographs with 160 captions: enough to show that the path works."""

import json
from pathlib import Path

from realdata.archives import unpacked
from realdata.tables import held_out, write_table

TEST_IMAGES = 6


def prepare(data: Path, cache: Path) -> None:
    """captions.csv: image, caption, image_id, split (by image)."""
    folder = unpacked("coco_cc", data=data, cache=cache)
    found = json.loads((folder / "dev" / "captions.json").read_text(encoding="utf-8"))
    names = {image["id"]: image["file_name"] for image in found["images"]}
    test = held_out(map(str, names), count=TEST_IMAGES)
    rows = [
        {
            "image": f"dev/images/{names[caption['image_id']]}",
            "caption": caption["caption"].strip(),
            "image_id": caption["image_id"],
            "split": "test" if str(caption["image_id"]) in test else "train",
        }
        for caption in found["annotations"]
    ]
    write_table(folder / "captions.csv", rows)
