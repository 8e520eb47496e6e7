"""What lies in tar shards goes through the stages as any other file."""

import io
import tarfile
from importlib import import_module
from pathlib import Path

import numpy as np

from mmcore.config.compose import compose
from mmcore.config.params import Params
from mmcore.data.store import Store
from mmcore.registry.plugins import installed
from mmcore.stages.paths import Paths

ROOT = Path(__file__).parents[3]


def test_members_of_shards_are_hashed_and_read_as_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arrays = {f"{number:02d}": np.full((3, 1), float(number)) for number in range(10)}
    with tarfile.open("a.tar", "w") as tar:
        for key, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            for name, content in ((f"{key}.npy", buffer.getvalue()), (f"{key}.cls", b"yes" if array[0] > 4 else b"no")):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    wave = "{column: npy, modality: {name: series, standardise: false}, encoder: series-cnn}"
    choices = [
        "experiment=table",
        "data.source={name: webdataset, shards: a.tar, unpack_to: unpacked}",
        "data.watch=a.tar",
        "data.id=key",
        "data.split.validation=0",
        "data.split.test=0",
        f"fields={{wave: {wave}, label: {{column: cls, modality: category}}}}",
        "tasks={label: classification}",
    ]
    values, paths = compose(ROOT, choices, plugins=installed()), Paths(tmp_path)
    for name, field in (("ingest", None), ("fit", "wave"), ("encode", "wave")):
        stage = import_module(f"mmcore.stages.{name}")
        params = Params(values, [key.format(field=field) for key in stage.READS])
        stage.run(params, paths, **({} if field is None else {"field": field}))
    store = Store(paths.store("wave"))
    assert len(store) == 10
    assert [float(store[row][0, 0, 0]) for row in range(10)] == [float(number) for number in range(10)]
