"""What is made of the archives: splits that do not leak, questions whose answers are right."""

import json
from collections import Counter

import pytest
import soundfile
from realdata import av_digits, clothing_reviews, coco_cc, easy_vqa, emoji, fsdd, poems_zh, verses, vqa_rad
from realdata.tables import fold_of, held_out, read_csv


def splits_of(rows, group, *, column="split"):
    """Group -> the splits that its rows are in."""
    found = {}
    for row in rows:
        found.setdefault(row[group], set()).add(row[column])
    return found


def test_a_group_keeps_its_place_when_others_come():
    few, many = [f"g{n}" for n in range(10)], [f"g{n}" for n in range(200)]
    assert held_out(many, count=30) & set(few) <= held_out(few, count=30)
    assert held_out(few, count=3) != held_out(few, count=3, seed=1)


def test_folds_are_of_one_size():
    sizes = Counter(fold_of(map(str, range(103)), folds=5).values())
    assert sorted(sizes.values()) == [20, 20, 21, 21, 21]


def test_all_questions_of_a_picture_stay_together(prepared):
    folder = prepared(easy_vqa)
    rows = read_csv(folder / "rows.csv")
    splits = splits_of(rows, "image_id")
    assert all(len(its) == 1 for its in splits.values())
    assert sum(its == {"test"} for its in splits.values()) == easy_vqa.TEST_IMAGES
    assert all((folder / row["image"]).is_file() for row in rows[::1000])


@pytest.mark.slow  # writes 5,500 sounds
def test_spoken_digits_are_joined_from_takes_of_one_split(prepared):
    folder = prepared(fsdd)
    digits = read_csv(folder / "digits.csv")
    assert {row["speaker"] for row in digits if row["without_theo"] == "test"} == {"theo"}
    assert sum(row["split"] == "test" for row in digits) == 300
    for row in read_csv(folder / "joined.csv")[::500]:
        assert len(row["text"].split()) == int(row["digits"])
        assert soundfile.info(folder / row["sound"]).samplerate == fsdd.RATE
    asked = read_csv(folder / "questions.csv")
    known = {row["sound"]: row for row in digits}
    assert all(row["answer"] == known[row["sound"]][row["asked"]] for row in asked)


def some_pairs(count=400):
    return [
        {
            "image": f"{n}.png",
            "sound": f"{n % 97}.wav",
            "digit": str(n % 97 % 10),
            "split": "test" if n < 97 else "train",
        }
        for n in range(count)
    ]


def test_neither_picture_nor_sound_alone_tells_whether_they_are_the_same():
    pairs = some_pairs()
    rows = av_digits.same(pairs)
    digit = {pair[name]: pair["digit"] for pair in pairs for name in ("image", "sound")}
    for row in rows:
        assert (digit[row["image"]] == digit[row["sound"]]) == (row["same"] == "yes")
    for field in ("image", "sound"):
        both = Counter((row[field], row["same"], row["split"]) for row in rows)
        assert all(both[name, "yes", split] == both[name, "no", split] for name, _, split in both)


def test_each_digit_meets_each_other_one_as_a_stranger():
    pairs = some_pairs(1500)
    met = {(row["seen"], row["heard"]) for row in av_digits.same(pairs) if row["same"] == "no"}
    assert len(met) == 10 * 9


def test_pictures_and_sounds_stay_in_their_split_however_they_are_dealt():
    pairs = [{**pair, "sound": f"{pair['split']}-{pair['sound']}"} for pair in some_pairs()]
    pairs += [
        {**pair, "image": f"v-{pair['image']}", "sound": "v.wav", "split": "validation"} for pair in some_pairs(20)
    ]
    split = {pair[name]: pair["split"] for pair in pairs for name in ("image", "sound")}
    for row in [*av_digits.same(pairs), *av_digits.ask(pairs)]:
        assert split[row["image"]] == split[row["sound"]] == row["split"]


@pytest.mark.parametrize(
    ("asked", "seen", "heard", "answer"),
    [
        ("same", 3, 3, "yes"),
        ("same", 3, 4, "no"),
        ("even", 3, 5, "yes"),
        ("even", 3, 4, "no"),
        ("larger", 7, 2, "picture"),
        ("larger", 2, 7, "sound"),
        ("larger", 2, 2, "neither"),
    ],
)
def test_questions_about_two_digits_are_answered_right(asked, seen, heard, answer):
    assert av_digits.answer_to(asked, seen=seen, heard=heard) == answer


@pytest.mark.slow  # writes 8,100 degraded files
def test_degraded_pairs_lose_detail_and_keep_their_digits(prepared):
    folder = prepared(av_digits)
    clean, worse = read_csv(folder / "pairs.csv"), read_csv(folder / "degraded.csv")
    assert [row["digit"] for row in clean] == [row["digit"] for row in worse]
    assert all((folder / row["image"]).is_file() and (folder / row["sound"]).is_file() for row in worse[::200])
    assert all(len(its) == 1 for its in splits_of(clean, "take").values())


@pytest.mark.parametrize(
    ("one", "other"),
    [("woman running", "man running: facing right"), ("person in manual wheelchair", "man in manual wheelchair")],
)
def test_variants_of_one_emoji_are_one_concept(one, other):
    assert emoji.concept_of(one) == emoji.concept_of(other)


def test_no_concept_is_in_both_splits_and_no_test_item_has_keywords(prepared):
    folder = prepared(emoji)
    rows = read_csv(folder / "concepts.csv")
    concepts = splits_of(
        [{**row, "concept": emoji.concept_of(row["english"])} for row in rows if row["kind"] == "name"], "concept"
    )
    assert all(len(its) == 1 for its in concepts.values())
    for name in ("names", "concepts"):
        rows = read_csv(folder / f"{name}.csv")
        assert all(len(its) == 1 for its in splits_of(rows, "code").values())
        assert Counter(row["kind"] for row in rows if row["split"] == "test") == {"name": emoji.TEST}


def test_reviews_do_not_carry_the_rating_in_their_inputs(prepared):
    folder = prepared(clothing_reviews)
    rows = read_csv(folder / "rows.csv")
    assert all([row[f"fold_{n}"] for n in range(5)].count("test") == 1 for row in rows)
    assert set(rows[0]) >= {"review", "recommended", "rating", *clothing_reviews.COLUMNS}
    assert "Rating" not in clothing_reviews.COLUMNS.values()


def test_a_poem_has_one_separator_and_its_file_decides_the_split(prepared):
    folder = prepared(poems_zh)
    lines = (folder / "songs.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    for row in rows:
        prompt, rest = row["text"].split(poems_zh.SEPARATOR)
        assert rest
        assert prompt.startswith(f"{row['tune']}：")
    assert 900 < sum(row["split"] == "test" for row in rows) <= 1000


def test_paraphrases_and_questions_about_one_image_are_in_one_fold(prepared):
    folder = prepared(vqa_rad)
    rows = read_csv(folder / "rows.csv")
    for fold in range(vqa_rad.FOLDS):
        splits = splits_of(rows, "image", column=f"fold_{fold}")
        assert all(len(its) == 1 for its in splits.values())
    assert {row["kind"] for row in rows} == {"closed", "open"}


def test_records_tied_by_image_or_by_question_are_one_group():
    records = [
        {"image_name": image, "qid_linked_id": question} for image, question in [("a", 1), ("b", 1), ("b", 2), ("c", 3)]
    ]
    groups = vqa_rad.groups_of(records)
    assert groups[0] == groups[1] == groups[2] != groups[3]


def test_all_captions_of_a_photograph_stay_together(prepared):
    folder = prepared(coco_cc)
    rows = read_csv(folder / "captions.csv")
    assert len(rows) == 160
    assert all(len(its) == 1 for its in splits_of(rows, "image_id").values())


def test_a_line_of_verse_shares_its_character_with_the_name_and_is_of_a_poem_of_its_split():
    names = [
        {"image": "h.png", "code": "1", "chinese": "马脸", "split": "train"},
        {"image": "r.png", "code": "2", "chinese": "雨", "split": "test"},
        {"image": "x.png", "code": "3", "chinese": "电梯", "split": "train"},
    ]
    many = [f"春{chr(0x4E00 + n)}江南" for n in range(300)]
    lines = {"train": [*many, "人间瘦马", "听雨歌楼"], "test": ["夜雨江湖", "白马西风"]}
    rows = verses.verses(names, lines)
    assert {row["code"]: row["verse"] for row in rows} == {"1": "人间瘦马", "2": "夜雨江湖"}
    assert all(row["shared"] in row["name"] and row["shared"] in row["verse"] for row in rows)


def test_lines_of_verse_are_cut_at_their_marks_and_stand_once():
    assert verses.lines_of(["春江潮水，海上明月共潮生。短，春江潮水"]) == ["春江潮水", "海上明月共潮生"]
