import pytest

from mmcore.errors import ArtifactError, ConfigError
from mmcore.search import slots
from mmcore.search.plan import check_prepared
from mmcore.search.settings import SearchSettings
from mmcore.search.slots import slots_of


@pytest.fixture
def gpus(monkeypatch):
    def visible(names):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", names)

    return visible


def test_cores_are_divided_where_there_is_no_gpu(gpus, monkeypatch):
    gpus("")
    monkeypatch.setattr(slots, "cpu_count", lambda: 8)
    assert len(slots_of(SearchSettings(), threads=2, device="auto")) == 4
    assert len(slots_of(SearchSettings(workers=3), threads=2, device="auto")) == 3
    assert slots_of(SearchSettings(), threads=2, device="auto")[0].environment["OMP_NUM_THREADS"] == "2"


def test_each_worker_has_a_gpu_of_its_own(gpus):
    gpus("2,5")
    found = slots_of(SearchSettings(), threads=1, device="auto")
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in found] == ["2", "5"]
    assert [slot.memory for slot in found] == [None, None]
    assert len(slots_of(SearchSettings(workers=1), threads=1, device="cuda")) == 1
    assert "CUDA_VISIBLE_DEVICES" not in slots_of(SearchSettings(workers=1), threads=1, device="cpu")[0].environment


def test_workers_that_share_a_gpu_may_take_their_share_of_its_memory(gpus):
    gpus("0,1")
    found = slots_of(SearchSettings(gpu=0.25), threads=1, device="auto")
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in found] == ["0", "1"] * 4
    assert {slot.memory for slot in found} == {0.25}
    with pytest.raises(ConfigError, match=r"workers=9, but 2 GPUs with gpu=0.25 for each worker hold 8"):
        slots_of(SearchSettings(gpu=0.25, workers=9), threads=1, device="auto")


def test_words_and_small_numbers_are_the_same_settings_in_the_hand_of_dvc(project):
    project.compose("fields.numbers.features=on", "data.max_broken=0.00001")
    project.note()
    lock = (project.root / "dvc.lock").read_text()
    assert "features: on\n" in lock
    assert "max_broken: 1e-05\n" in lock
    check_prepared(project.root, project.values)


def test_data_that_was_prepared_with_other_settings_is_refused(project):
    check_prepared(project.root, project.values)
    project.compose("fields.numbers.modality.min_count=3")
    with pytest.raises(ArtifactError, match=r"of other settings \(fields\). Run `dvc repro join` first"):
        check_prepared(project.root, project.values)
    (project.root / "dvc.lock").unlink()
    with pytest.raises(ArtifactError, match="no prepared data"):
        check_prepared(project.root, project.values)
