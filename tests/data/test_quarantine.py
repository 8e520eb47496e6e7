import pytest

from mmcore.data.quarantine import Broken, read_broken, write_broken


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\x85", "\r", "\n", "\x1c", "\f"])
def test_what_was_put_aside_is_read_again_whatever_signs_its_cell_and_id_hold(sign, tmp_path):
    broken = [Broken(f"a{sign}b", "it is broken", field="text", cell=f"one{sign}two", row=3), Broken("c", "gone")]
    write_broken(tmp_path / "broken.jsonl", broken)
    assert read_broken(tmp_path / "broken.jsonl") == broken
