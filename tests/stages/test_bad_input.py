"""What a user sees of data that is wrong: `mm stage` on a table of their own, message and exit code."""

import json
import shutil
import signal
import struct
import sys
import zlib

import pytest
import yaml
from PIL import Image

from mmcore.cli.main import main

DATA = {
    "source": {"name": "table", "path": "data/rows.csv"},
    "code": "x",
    "watch": "x",
    "package": None,
    "split": {"column": "split", "validation": 0.0},
    "max_broken": 0.0,
}
MODALITIES = {"image": {"name": "image", "size_px": 8}, "label": {"name": "category"}}


class Workplace:
    """A folder with params.yaml, a table and pictures, and `mm stage` in it."""

    def __init__(self, root, capsys, monkeypatch):
        self.root, self.capsys, self.monkeypatch = root, capsys, monkeypatch
        self.data = root / "data"
        self.data.mkdir()
        monkeypatch.chdir(root)
        self.params(**DATA)
        for n in range(4):
            Image.new("RGB", (12, 10), (60 * n, 0, 0)).save(self.data / f"{n}.png")

    def params(self, **data):
        fields = {
            name: {
                "column": name,
                "modality": part,
                "fit": [name],
                "code": "x",
                "encoder": {"name": "cnn"} if name == "image" else None,
                "package": None,
            }
            for name, part in MODALITIES.items()
        }
        (self.root / "params.yaml").write_text(yaml.safe_dump({"data": data, "fields": fields}))

    def allow(self, share):
        self.params(**{**DATA, "max_broken": share})

    def table(self, *rows, header="image,label,split"):
        good = [f"{n}.png,{'ab'[n % 2]},train" for n in range(4)]
        (self.data / "rows.csv").write_text(
            "\n".join([header, *(good if header.count(",") == 2 else []), *rows]) + "\n"
        )

    def stage(self, *arguments):
        """Exit code, and what was said on standard error."""
        self.monkeypatch.setattr(sys, "argv", ["mm", "stage", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, self.capsys.readouterr().err

    def prepare(self):
        """Every stage up to join; the first that does not end well, else the last."""
        stages = [("ingest",)]
        stages += [(stage, "--field", field) for field in MODALITIES for stage in ("fit", "encode")]
        for arguments in [*stages, ("join",)]:
            code, said = self.stage(*arguments)
            if code:
                return code, said
        return code, said

    def quarantine(self):
        lines = (self.root / "artifacts" / "quarantine.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture
def place(tmp_path, capsys, monkeypatch):
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield Workplace(tmp_path, capsys, monkeypatch)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def broken_png(path):
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"nonsense" * 20)


def truncated_png(path):
    noise = Image.effect_noise((64, 64), 100)
    noise.save(path)
    path.write_bytes(path.read_bytes()[:400])


def text_png(path):
    path.write_text("this is a text")


def huge_png(path):
    """A picture of 50,000 x 50,000 pixels in a few bytes."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))


def test_good_data_ends_with_code_0(place):
    place.table()
    assert place.prepare() == (0, "")
    assert place.quarantine() == []


@pytest.mark.parametrize("spoil", [broken_png, truncated_png, text_png, huge_png])
def test_a_picture_that_cannot_be_read_is_quarantined_with_its_reason_and_the_rest_stays(place, spoil):
    place.allow(0.5)
    spoil(place.data / "bad.png")
    place.table("bad.png,a,train")
    assert place.prepare()[0] == 0
    (line,) = place.quarantine()
    assert (line["id"], line["row"], line["field"], line["cell"]) == ("4", 4, "image", "bad.png")
    assert line["reason"]
    assert json.loads((place.root / "artifacts" / "inputs.json").read_text())["rows"]["train"] == 4


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("empty.png", "empty (0 bytes)"),
        ("gone.png", "no such file"),
        ("../params.yaml", "leaves the data folder"),
        ("/etc/passwd", "absolute"),
    ],
)
def test_a_path_that_leads_nowhere_good_is_quarantined_with_its_reason(place, cell, reason):
    place.allow(0.5)
    (place.data / "empty.png").write_bytes(b"")
    place.table(f"{cell},a,train")
    assert place.prepare()[0] == 0
    assert reason in place.quarantine()[0]["reason"]


def test_more_broken_pictures_than_allowed_end_with_code_2_and_name_them(place):
    text_png(place.data / "bad.png")
    place.table("bad.png,a,train")
    code, said = place.prepare()
    assert code == 2
    assert "1 of 5 rows cannot be used" in said
    assert "bad.png" in said
    assert "data.max_broken" in said
    assert len(place.quarantine()) == 1
    assert (place.root / "artifacts" / "fields" / "image" / "store" / "store.json").exists()


@pytest.mark.parametrize(
    ("header", "rows", "words"),
    [
        ("picture,label,split", (), ["fields.image.column is 'image'", "label, picture, split"]),
        ("image,label", (), ["data.split.column is 'split'"]),
        ("image,label,split,", (), ["column 4 has no name"]),
        ("image,label,split", ("one,cell,too,many",), ["line 6 has 4 cells, but the header has 3", "rows.csv"]),
    ],
)
def test_a_table_that_is_wrong_ends_with_code_2_and_says_where(place, header, rows, words):
    place.table(*rows, header=header)
    code, said = place.stage("ingest")
    assert code == 2
    assert all(word in said for word in words)
    assert "Traceback" not in said


@pytest.mark.parametrize(("content", "words"), [("", "the table is empty"), ("image,label,split\n", "has no rows")])
def test_an_empty_table_ends_with_code_2(place, content, words):
    (place.data / "rows.csv").write_text(content)
    code, said = place.stage("ingest")
    assert code == 2
    assert words in said


def test_a_table_that_is_not_there_ends_with_code_2(place):
    code, said = place.stage("ingest")
    assert code == 2
    assert "data.source.path" in said


def test_a_duplicate_id_is_refused_with_its_reason(place):
    place.params(**{**DATA, "id": "image"})
    place.table("0.png,b,train")
    code, said = place.stage("ingest")
    assert code == 2
    assert "duplicate id: row 0 of the source has it already" in said


def test_nan_counts_as_missing(place):
    rows = "image,label,split\n0.png,1.5,train\n1.png,nan,train\n2.png,2.5,train\n"
    (place.data / "rows.csv").write_text(rows)
    assert place.prepare()[0] == 0
    assert place.quarantine() == []


def test_a_class_that_only_the_test_split_has_is_quarantined_with_its_reason(place):
    place.allow(0.5)
    Image.new("RGB", (9, 9), (0, 200, 0)).save(place.data / "new.png")
    place.table("new.png,zebra,test")
    assert place.prepare()[0] == 0
    (line,) = place.quarantine()
    assert line["field"] == "label"
    assert "zebra" in line["reason"]
    assert "training split" in line["reason"]


def test_one_class_only_ends_with_code_2(place):
    (place.data / "rows.csv").write_text("image,label,split\n0.png,a,train\n1.png,a,train\n")
    code, said = place.prepare()
    assert code == 2
    assert "fields.label cannot be fitted" in said


def test_a_stage_whose_input_is_missing_ends_with_code_2_and_says_what_to_run(place):
    place.table()
    assert place.stage("ingest")[0] == 0
    code, said = place.stage("encode", "--field", "image")
    assert code == 2
    shutil.rmtree(place.root / "artifacts")
    code, said = place.stage("fit", "--field", "image")
    assert code == 2
    assert "mm stage ingest" in said
