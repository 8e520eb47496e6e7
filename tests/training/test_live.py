import math
import struct

from mmcore.training.curves import write_curves
from mmcore.training.events import NAME, append_scalars
from mmcore.training.live import LiveCurves


def row(epoch, **scores):
    return {"epoch": float(epoch), "step": 10.0 * epoch, "lr": 0.001, "loss": 1 / epoch, **scores}


def test_the_curves_so_far_stand_where_they_belong_in_the_same_bytes(tmp_path):
    live = LiveCurves(tmp_path / "live", tmp_path / "plots" / "learning.csv")
    rows = [row(1, **{"answer/accuracy": 1 / 3}), row(2, **{"answer/accuracy": math.pi / 4})]
    for each in rows:
        live(each)
    write_curves(tmp_path / "expected.csv", rows)
    assert (tmp_path / "plots" / "learning.csv").read_bytes() == (tmp_path / "expected.csv").read_bytes()


def test_a_training_that_goes_on_from_a_checkpoint_keeps_the_epochs_before_it(tmp_path):
    LiveCurves(tmp_path / "live", tmp_path / "first.csv")(row(1))
    LiveCurves(tmp_path / "live", tmp_path / "first.csv")(row(2))
    LiveCurves(tmp_path / "live", tmp_path / "again.csv")(row(2))
    assert [line.split(",")[0] for line in (tmp_path / "again.csv").read_text().splitlines()] == ["epoch", "1", "2"]


def test_an_epoch_that_is_told_twice_stands_once_among_the_events(tmp_path):
    live = LiveCurves(tmp_path / "live", tmp_path / "learning.csv")
    for each in (row(1, **{"answer/accuracy": 1 / 3}), row(2), row(2)):
        live(each)
    events = (tmp_path / "live" / NAME).read_bytes()
    assert [step for step, name, _ in scalars(events) if name == "loss"] == [10, 20]


def test_an_event_file_begins_as_tensorflow_begins_it(tmp_path):
    append_scalars(tmp_path, {"loss": 0.5}, step=1, time_s=0.0)
    # Length 24, its checksum, and the tag of the time: the first bytes of every event file that tensorflow writes.
    assert (tmp_path / NAME).read_bytes().startswith(bytes.fromhex("1800000000000000a37f4b2209"))


def test_what_is_written_can_be_read_back(tmp_path):
    append_scalars(tmp_path, {"loss": 0.5, "answer/accuracy": 0.25}, step=300, time_s=12.0)
    append_scalars(tmp_path, {"loss": 0.125}, step=70_000, time_s=13.0)
    assert list(scalars((tmp_path / NAME).read_bytes())) == [
        (300, "loss", 0.5),
        (300, "answer/accuracy", 0.25),
        (70_000, "loss", 0.125),
    ]


def scalars(data):
    """By the format's own words: records, events, summaries, values."""
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        event, data = dict(parts(data[12 : 12 + length])), data[16 + length :]
        for number, value in parts(event.get(5, b"")):
            assert number == 1
            named = dict(parts(value))
            yield event[2], named[1].decode(), struct.unpack("<f", named[2])[0]


def parts(data):
    """(number, value) of each field of a protocol buffer."""
    while data:
        key, data = whole(data)
        size = {1: 8, 5: 4}.get(key & 7)
        if key & 7 == 0:
            value, data = whole(data)
        else:
            if size is None:
                size, data = whole(data)
            value, data = data[:size], data[size:]
        yield key >> 3, value


def whole(data):
    value = shift = 0
    for used, byte in enumerate(data, 1):
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, data[used:]
    raise AssertionError("a number that does not end")
