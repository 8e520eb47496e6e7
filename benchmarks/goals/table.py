"""The rows of the table."""

from pathlib import Path

from floors import linear, retrieval, trigram
from realdata import av_digits, clothing_reviews, coco_cc, easy_vqa, emoji, fsdd, poems_zh, verses, vqa_rad, weights

from goals.rows import Benchmark, Goal

SEEDS = {f"seed {seed}": (f"training.seed={seed}",) for seed in range(3)}
REVIEW_FOLDS = {f"fold {n}": (f"data.split.column=fold_{n}",) for n in range(clothing_reviews.FOLDS)}
RAD_FOLDS = {f"fold {n}": (f"data.split.column=fold_{n}",) for n in range(vqa_rad.FOLDS)}
SPEAKERS = {name: (f"data.split.column=without_{name}",) for name in fsdd.SPEAKERS}
VQA = ("data=table", "data.group=image_id", "data.split.column=split")
LINEAR_HEADS = ("training.epochs=14", "tasks.pairs.width=384", "tasks.pairs.dropout=0.3")
"""One layer on each of two encoders that learned before."""
EMOJI_GOALS = tuple(
    Goal(f"pairs/{ends}_r{first}", bound)
    for first, bound in ((10, 0.55), (1, 0.22))
    for ends in ("image_to_name", "name_to_image")
)


def emoji_weights(cache: Path) -> tuple[str, ...]:
    """Picture and name, read by encoders that have seen others; the upper half of the one for names learns along."""
    images = weights.frozen_images("image", cache, size_px=160)
    return (*images, *weights.tuned_texts("name", max_tokens=48, frozen_stages=3, lr=0.1))


def rad_weights(cache: Path) -> tuple[str, ...]:
    """Image and question read by encoders that have seen others; answers that were never given spoil the perplexity.

    So the last epoch is kept, and not the one of the best perplexity.
    """
    images = weights.frozen_images("image", cache, size_px=224, resize="pad")
    return (*images, *weights.frozen_texts("question", max_tokens=40), "training.keep=last", "training.epochs=8")


def review_weights(cache: Path) -> tuple[str, ...]:
    """Reviews read by an encoder that has read others; its upper half learns along."""
    tuned = weights.tuned_texts("review", max_tokens=160, frozen_stages=3, lr=0.1)
    return (*tuned, "training.epochs=4", "training.alike=8", "training.keep=last", "floors.alone=false")


def caption_weights(cache: Path) -> tuple[str, ...]:
    """Pictures looked at by an encoder that has seen others."""
    return weights.frozen_images("image", cache, size_px=160)


def linear_speakers(table: Path) -> dict[str, float]:
    """The mean over the speakers left out."""
    scores = [linear.spoken(table, f"without_{name}")["linear"] for name in fsdd.SPEAKERS]
    return {"linear": sum(scores) / len(scores), "linear, worst": min(scores)}


def poem_floors(table: Path) -> dict[str, float]:
    """Bits a character of the trigram that knows the tune's form, and of one that does not."""
    knowing, plain = (trigram.measure(table, knows_form=knows) for knows in (True, False))
    return {"trigram and form": knowing, "trigram": plain}


BENCHMARKS: dict[str, Benchmark] = {
    "easy_vqa": Benchmark(
        "a question about a picture; film",
        data=easy_vqa,
        table="easy_vqa/rows.csv",
        choices=("experiment=easy_vqa", *VQA),
        goals=(Goal("answer/accuracy", 0.995),),
    ),
    "easy_vqa_written": Benchmark(
        "the answer written; prefix",
        data=easy_vqa,
        table="easy_vqa/rows.csv",
        choices=("experiment=easy_vqa_written", *VQA),
        goals=(Goal("answer/exact_match", 0.95),),
    ),
    "fsdd": Benchmark(
        "which digit is said, by take",
        data=fsdd,
        table="fsdd/digits.csv",
        choices=("experiment=fsdd",),
        goals=(Goal("digit/accuracy", 0.985),),
        runs=SEEDS,
        floors=linear.spoken,
    ),
    "fsdd_speakers": Benchmark(
        "which digit is said, by a voice never heard",
        data=fsdd,
        table="fsdd/digits.csv",
        choices=("experiment=fsdd",),
        goals=(Goal("digit/accuracy", 0.80), Goal("worst:digit/accuracy")),
        runs=SPEAKERS,
        floors=linear_speakers,
    ),
    "fsdd_questions": Benchmark(
        "a question about a sound, English and Chinese; film",
        data=fsdd,
        table="fsdd/questions.csv",
        choices=("experiment=fsdd_questions",),
        goals=(Goal("answer/accuracy", 0.97),),
        rows=600,
    ),
    "fsdd_joined": Benchmark(
        "one to five digits, written in words; prefix",
        data=fsdd,
        table="fsdd/joined.csv",
        choices=("experiment=fsdd_joined",),
        goals=(Goal("text/symbol_error", 0.05, better="down"),),
    ),
    "av_digits": Benchmark(
        "a digit written and said",
        data=av_digits,
        table="av_digits/pairs.csv",
        choices=("experiment=av_digits",),
        goals=(Goal("digit/accuracy", 0.996),),
    ),
    "av_degraded": Benchmark(
        "14x14 with noise, and 0 dB",
        data=av_digits,
        table="av_digits/degraded.csv",
        choices=("experiment=av_digits", "fields.image.modality.size_px=14"),
        goals=(Goal("digit/accuracy", beside=("image", "sound"), by=0.02),),
    ),
    "av_dropout": Benchmark(
        "degraded, with modality dropout: each field alone",
        data=av_digits,
        table="av_digits/degraded.csv",
        choices=("experiment=av_digits", "fields.image.modality.size_px=14", "model.modality_dropout=0.3"),
        goals=(
            Goal("digit/accuracy/without/sound", beside=("image",), by=-0.01),
            Goal("digit/accuracy/without/image", beside=("sound",), by=-0.01),
        ),
    ),
    "av_same": Benchmark(
        "is the written digit the spoken one",
        data=av_digits,
        table="av_digits/same.csv",
        choices=("experiment=av_same",),
        goals=(Goal("same/accuracy", 0.96),),
    ),
    "av_ask": Benchmark(
        "a question about both digits",
        data=av_digits,
        table="av_digits/ask.csv",
        choices=("experiment=av_ask",),
        goals=(Goal("answer/accuracy", 0.90),),
        beside={
            "image and sound": ("~fields.question",),
            "image and question": ("~fields.sound", "~tasks.heard"),
            "sound and question": ("~fields.image", "~tasks.seen"),
        },
    ),
    "emoji": Benchmark(
        "pictures and names, split at random",
        data=emoji,
        table="emoji/names.csv",
        choices=("experiment=emoji",),
        goals=EMOJI_GOALS,
        runs=SEEDS,
        floors=retrieval.measure,
    ),
    "emoji_pretrained": Benchmark(
        "the same; both read by pretrained encoders",
        data=emoji,
        table="emoji/names.csv",
        choices=("experiment=emoji", *LINEAR_HEADS),
        goals=EMOJI_GOALS,
        runs=SEEDS,
        floors=retrieval.measure,
        weights=emoji_weights,
    ),
    "emoji_concepts": Benchmark(
        "pictures and names, split by concept; both read by pretrained encoders",
        data=emoji,
        table="emoji/concepts.csv",
        choices=("experiment=emoji", *LINEAR_HEADS),
        goals=tuple(Goal(f"pairs/{ends}_r{first}") for first in (10, 1) for ends in ("image_to_name", "name_to_image")),
        runs=SEEDS,
        floors=retrieval.measure,
        weights=emoji_weights,
    ),
    "clothing": Benchmark(
        "recommended or not, and the stars; text and table",
        data=clothing_reviews,
        table="clothing_reviews/rows.csv",
        choices=("experiment=clothing",),
        goals=(
            Goal("recommended/pr_auc", 0.985),
            Goal("recommended/f1", 0.945),
            Goal("rating/r2", 0.52),
            Goal("rating/mae", 0.58, better="down"),
        ),
        runs=REVIEW_FOLDS,
        floors=linear.reviews,
        weights=review_weights,
    ),
    "poems": Benchmark(
        "Song ci from tune and first line",
        data=poems_zh,
        table="poems_zh/songs.jsonl",
        choices=("experiment=poems",),
        goals=(Goal("text/bits_per_character", better="down", beside=("trigram and form",), by=-0.3),),
        floors=poem_floors,
    ),
    "vqa_rad": Benchmark(
        "questions about radiology images",
        data=vqa_rad,
        table="vqa_rad/rows.csv",
        choices=("experiment=vqa_rad",),
        goals=(
            Goal("answer/exact_match/slice/kind=closed", 0.60),
            Goal("answer/exact_match/slice/kind=open", 0.12),
            Goal("answer/exact_match"),
        ),
        runs=RAD_FOLDS,
        beside={"question alone": ("~fields.image",)},
        weights=rad_weights,
    ),
    "emoji_captions": Benchmark(
        "names for pictures; prefix",
        data=emoji,
        table="emoji/captions.csv",
        choices=("experiment=captions", "data.group=code", "fields.caption.column=name"),
        goals=(Goal("caption/cider_d"), Goal("caption/bleu")),
        weights=caption_weights,
    ),
    "verses": Benchmark(
        "a line of verse for a picture and its Chinese name; a demonstration",
        data=verses,
        table="emoji/verses.csv",
        choices=("experiment=verses",),
        goals=(Goal("verse/bits_per_character", better="down"),),
    ),
    "coco_captions": Benchmark(
        "captions for photographs, 26 to learn from; prefix",
        data=coco_cc,
        table="coco_cc/captions.csv",
        choices=("experiment=captions", "data.group=image_id"),
        goals=(Goal("caption/cider_d"), Goal("caption/bleu")),
        weights=caption_weights,
    ),
}
