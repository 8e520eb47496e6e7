"""A written and a spoken digit: the same one, another one, a question about both; clean and degraded."""

import random
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from realdata.archives import linked, unpacked
from realdata.fsdd import TEST_TAKES
from realdata.tables import read_csv, write_table

SMALL_PX = 14
IMAGE_NOISE = 80.0
"""Deviation of the noise on a degraded picture, in steps of 0 to 255; chosen so that neither field is saturated."""
ASKED = {
    "same": ("are they the same?", "is it the same digit?"),
    "even": ("is the sum even?", "do they add up to an even number?"),
    "larger": ("which is larger?", "which digit is larger?"),
}
VALIDATION_TAKES = range(10, 13)
"""Said in the table, not cut by chance: pairs that are dealt anew would tie the sounds of both parts together."""
ROUNDS = {"train": 3, "validation": 1, "test": 1}
"""How often each pair is dealt anew for `same` and `ask`."""

Pair = dict[str, str]


def prepare(data: Path, cache: Path) -> None:
    """pairs.csv, degraded.csv, same.csv and ask.csv beside the images and the sounds."""
    recordings = unpacked("fsdd", data=data, cache=cache) / "dev" / "recordings"
    folder = unpacked("av_digits", data=data, cache=cache)
    pairs = read_pairs(folder)
    for pair in pairs:
        linked(recordings / Path(pair["sound"]).name, folder / pair["sound"])
    write_table(folder / "pairs.csv", pairs)
    write_table(folder / "degraded.csv", [degraded(pair, folder) for pair in pairs])
    write_table(folder / "same.csv", same(pairs))
    write_table(folder / "ask.csv", ask(pairs))


def read_pairs(folder: Path) -> list[Pair]:
    """image, sound, digit, take (speaker and number: two pairs share a recording), split (by take)."""
    return [
        {
            "image": f"dev/{row['image']}",
            "sound": f"sounds/{Path(row['audio']).name}",
            "digit": row["label"],
            "take": f"{row['label']}-{row['speaker']}-{row['take']}",
            "split": split_of(int(row["take"])),
        }
        for row in read_csv(folder / "dev" / "pairs.csv")
    ]


def split_of(take: int) -> str:
    """By the number of the take."""
    return "test" if take in TEST_TAKES else "validation" if take in VALIDATION_TAKES else "train"


def degraded(pair: Pair, folder: Path) -> Pair:
    """The picture at 14x14 with noise on it, the sound under white noise as loud as itself (0 dB)."""
    image, sound = f"degraded/{Path(pair['image']).name}", f"degraded/{Path(pair['sound']).name}"
    (folder / "degraded").mkdir(exist_ok=True)
    small = Image.open(folder / pair["image"]).convert("L").resize((SMALL_PX, SMALL_PX), Image.Resampling.BOX)
    noisy = np.asarray(small, dtype=np.float64) + _noise(image, (SMALL_PX, SMALL_PX)) * IMAGE_NOISE
    Image.fromarray(noisy.clip(0, 255).round().astype(np.uint8)).save(folder / image)
    if not (folder / sound).exists():
        wave, rate = soundfile.read(folder / pair["sound"])
        loud = wave + _noise(sound, wave.shape) * np.sqrt(np.mean(wave**2))
        soundfile.write(folder / sound, loud / max(1.0, np.abs(loud).max()), rate, subtype="PCM_16")
    return {**pair, "image": image, "sound": sound}


def _noise(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal, the same for each name whatever else is prepared."""
    return np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)


def same(pairs: Sequence[Pair]) -> list[Pair]:
    """Each picture once with a sound of its digit and once with one of another digit; each sound as often in both."""
    rows = list[Pair]()
    for split, chosen in _by_split(pairs).items():
        draw = random.Random(f"same {split}")
        for _ in range(ROUNDS[split]):
            like, unlike = _dealt(chosen, draw, alike=True), _dealt(chosen, draw, alike=False)
            for pair, friend, stranger in zip(chosen, like, unlike, strict=True):
                for other, answer in ((friend, "yes"), (stranger, "no")):
                    rows.append({**_put_beside(pair, other), "same": answer})
    return rows


def ask(pairs: Sequence[Pair]) -> list[Pair]:
    """Pictures and sounds with a question about both digits; half of the pairs that `same?` asks about are the same."""
    rows = list[Pair]()
    for split, chosen in _by_split(pairs).items():
        draw = random.Random(f"ask {split}")
        for _ in range(ROUNDS[split]):
            for asked, wordings in ASKED.items():
                halves = (_dealt(chosen, draw, alike=True), _dealt(chosen, draw, alike=False))
                free = draw.sample(chosen, len(chosen))
                for number, pair in enumerate(chosen):
                    other = draw.choice(halves)[number] if asked == "same" else free[number]
                    answer = answer_to(asked, seen=int(pair["digit"]), heard=int(other["digit"]))
                    question = draw.choice(wordings)
                    rows.append({**_put_beside(pair, other), "question": question, "answer": answer, "asked": asked})
    return rows


def answer_to(asked: str, *, seen: int, heard: int) -> str:
    """yes or no; for `larger`: picture, sound or neither."""
    if asked == "larger":
        return "neither" if seen == heard else "picture" if seen > heard else "sound"
    return "yes" if (seen == heard if asked == "same" else (seen + heard) % 2 == 0) else "no"


def _put_beside(pair: Pair, other: Pair) -> Pair:
    """The picture of one pair and the sound of another, with their digits: more targets, if one wants them."""
    return {
        "image": pair["image"],
        "sound": other["sound"],
        "seen": pair["digit"],
        "heard": other["digit"],
        "split": pair["split"],
    }


def _by_split(pairs: Sequence[Pair]) -> dict[str, list[Pair]]:
    """Split -> its pairs; no split without any."""
    found = {split: [pair for pair in pairs if pair["split"] == split] for split in ROUNDS}
    return {split: chosen for split, chosen in found.items() if chosen}


def _dealt(pairs: Sequence[Pair], draw: random.Random, *, alike: bool) -> list[Pair]:
    """A random permutation of the pairs in which each stands where the digit is the same (or is another one)."""
    digits = [pair["digit"] for pair in pairs]
    others = draw.sample(range(len(pairs)), len(pairs))
    if alike:
        by_digit = {digit: iter([n for n in others if digits[n] == digit]) for digit in set(digits)}
        return [pairs[next(by_digit[digit])] for digit in digits]
    # Not a turn of the sorted pairs: each digit would meet one or two others only, and those could be learned by heart.
    for place in range(len(pairs)):
        while digits[others[place]] == digits[place]:
            partner = draw.randrange(len(pairs))
            if digits[place] not in (digits[partner], digits[others[partner]]):
                others[place], others[partner] = others[partner], others[place]
    return [pairs[other] for other in others]
