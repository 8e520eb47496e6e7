"""Free Spoken Digit Dataset: six people say ten digits, 45 takes of each."""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from realdata.archives import unpacked
from realdata.tables import read_csv, write_table

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEST_TAKES = range(5, 10)
"""The published test split is takes 0 to 4, which are not in the archive: the next five stand in for it."""
QUESTIONS = {
    ("digit", "en"): ("which digit?", "what number is it?", "which digit is said?"),
    ("digit", "zh"): ("哪个数字?", "这是几?", "说的是什么数字?"),
    ("speaker", "en"): ("who speaks?", "whose voice is it?", "who says it?"),
    ("speaker", "zh"): ("谁在说?", "是谁的声音?", "说话的人是谁?"),
}
RATE = 8000
JOINED = {"train": 5000, "test": 500}
MOST_TAKES = 5

Take = dict[str, str]


def prepare(data: Path, cache: Path) -> None:
    """digits.csv, questions.csv and joined.csv beside the recordings."""
    folder = unpacked("fsdd", data=data, cache=cache)
    takes = read_takes(folder)
    write_table(folder / "digits.csv", digits(takes))
    write_table(folder / "questions.csv", questions(takes))
    write_table(folder / "joined.csv", joined(takes, folder))


def read_takes(folder: Path) -> list[Take]:
    """sound, digit, speaker, take, split of every recording."""
    return [
        {
            "sound": f"dev/{row['file']}",
            "digit": row["digit"],
            "speaker": row["speaker"],
            "take": row["take"],
            "split": "test" if int(row["take"]) in TEST_TAKES else "train",
        }
        for row in read_csv(folder / "dev" / "index.csv")
    ]


def digits(takes: Sequence[Take]) -> list[Take]:
    """The takes, with a split column for each speaker that is left out: without_george, ..."""
    left_out = {name: f"without_{name}" for name in SPEAKERS}
    return [
        {**take, **{column: "test" if take["speaker"] == name else "train" for name, column in left_out.items()}}
        for take in takes
    ]


def questions(takes: Sequence[Take]) -> list[Take]:
    """Four questions about each take: digit and speaker, in English and in Chinese, each in one of three wordings."""
    draw = random.Random(0)
    return [
        {
            "sound": take["sound"],
            "question": draw.choice(wordings),
            "answer": take[asked],
            "asked": asked,
            "language": language,
            "split": take["split"],
        }
        for take in takes
        for (asked, language), wordings in QUESTIONS.items()
    ]


def joined(takes: Sequence[Take], folder: Path) -> list[Take]:
    """One to five takes of one speaker, joined with short pauses into joined/*.wav, and the digits in words."""
    rows = list[Take]()
    for split, count in JOINED.items():
        draw = random.Random(f"joined {split}")
        spoken = {name: [t for t in takes if t["speaker"] == name and t["split"] == split] for name in SPEAKERS}
        for number in range(count):
            speaker = draw.choice(SPEAKERS)
            chosen = draw.choices(spoken[speaker], k=draw.randint(1, MOST_TAKES))
            name = f"joined/{split}-{number:04}.wav"
            _join([folder / take["sound"] for take in chosen], folder / name, draw=draw)
            text = " ".join(WORDS[int(take["digit"])] for take in chosen)
            rows.append({"sound": name, "text": text, "speaker": speaker, "digits": str(len(chosen)), "split": split})
    return rows


def _join(sounds: Sequence[Path], target: Path, *, draw: random.Random) -> None:
    """The recordings one after another with 20 to 120 ms of silence between them."""
    target.parent.mkdir(parents=True, exist_ok=True)
    parts = list[np.ndarray]()
    for sound in sounds:
        wave, rate = soundfile.read(sound, dtype="int16")
        assert rate == RATE, f"{sound} has {rate} Hz"
        parts += [wave, np.zeros(round(draw.uniform(0.02, 0.12) * RATE), dtype=np.int16)]
    soundfile.write(target, np.concatenate(parts[:-1]), RATE, subtype="PCM_16")
