"""Sources on real data."""

from pathlib import Path

import pytest
from realdata.archives import unpacked

from mmcore.data.files import locate
from mmcore.registry.plugins import installed
from mmcore.registry.settings import Part


@pytest.fixture(scope="module")
def coco(archives, cache) -> Path:
    return unpacked("coco_cc", data=archives, cache=cache) / "dev"


def test_coco_captions_reads_what_coco_publishes(coco):
    part = Part("coco-captions", {"folder": str(coco), "annotations": "captions.json"})
    source = installed().source.build(part, where="data.source")
    found = list(source.rows())
    assert len(found) == 160
    assert len({row["image_id"] for row in found}) == 32
    assert len({row["id"] for row in found}) == 160
    assert all(locate(row["image"], source.base.resolve()).read_bytes()[:2] == b"\xff\xd8" for row in found)
    assert all(row["caption"] == row["caption"].strip() != "" for row in found)
