"""Batches of 64-pixel images: from the array store, against decoding each file and turning it into a tensor.

Both run in one process on one thread, in turns; a row gives the median of the turns. The reference is what a data
loader's worker does: Pillow, /255, mean and deviation taken off, stacked.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import easy_vqa
import numpy as np
import torch
from PIL import Image

from mmcore.data.store import Store
from mmcore.data.storing import StoreWriter
from mmcore.registry.plugins import installed
from mmcore.registry.settings import Part
from mmcore.runtime.memory import keep_freed_memory

BATCH = 128
GOAL = 10.0


def timed(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def decoded(paths: list[Path]) -> torch.Tensor:
    """The reference: [B,3,64,64] float32 from files."""
    pictures = [np.asarray(Image.open(path).convert("RGB"), dtype=np.float32) for path in paths]
    values = torch.stack([torch.from_numpy(picture).permute(2, 0, 1) for picture in pictures])
    return (values / 255 - 0.5) / 0.5


def measure(turns: int) -> dict[str, object]:
    """One row of the table. What is freed is kept for the next batch, as in every training."""
    keep_freed_memory()
    torch.set_num_threads(1)
    paths = [Path(path) for path in easy_vqa.get_test_image_paths().values()]
    modality = installed().modality.build(Part("image", {}), where="benchmark")
    modality.fit([path.name for path in paths], paths[0].parent)
    ours, reference = list[float](), list[float]()
    with tempfile.TemporaryDirectory() as folder:
        writer = StoreWriter(Path(folder))
        slots = [writer.add(modality.read(path.name, path.parent)) for path in paths]
        writer.finish(np.array(slots))
        store, draw = Store(Path(folder)), np.random.default_rng(0)
        for _ in range(turns):
            rows = draw.permutation(len(paths))[:BATCH]
            ours.append(timed(lambda rows=rows: modality.prepare(modality.collate(store.take(rows)))))
            reference.append(timed(lambda rows=rows: decoded([paths[row] for row in rows])))
    ratios = sorted(theirs / mine for mine, theirs in zip(ours, reference, strict=True))
    ratio = statistics.median(ratios)
    return {
        "what": f"{BATCH} images of 64 pixels, ready for the model, in ms",
        "ours": round(1000 * statistics.median(ours), 2),
        "reference": round(1000 * statistics.median(reference), 2),
        "ratio": round(ratio, 1),
        "spread": [round(ratios[len(ratios) // 4], 1), round(ratios[3 * len(ratios) // 4], 1)],
        "goal": GOAL,
        "met": ratio >= GOAL,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer turns")
    parser.add_argument("--json", action="store_true", help="rows for programs")
    options = parser.parse_args()
    row = measure(turns=20 if options.quick else 200)
    print(json.dumps([row], indent=2) if options.json else "  ".join(f"{key}: {value}" for key, value in row.items()))
