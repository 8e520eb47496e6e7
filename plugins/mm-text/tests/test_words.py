"""Texts cut into words and tagged before they are tokenized."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies
from mm_text.modality import TextModality, chinese, english
from mm_text.modality.words import Words
from mm_text.transformer import Transformer

from mmcore.errors import ArtifactError, ConfigError, SetupError

pytest.importorskip("jieba", reason="jieba, an extra of mm-text, is not installed")

HERE = Path()
MIXED = ["I love 北京天安门 🙂", "床前明月光，疑是地上霜。", "two  spaces\nand 中国"] * 4


def fitted(texts=MIXED, **given) -> TextModality:
    modality = TextModality(**{"vocabulary_size": 400, **given})
    modality.fit(texts, HERE)
    return modality


def there_and_back(modality: TextModality, text: str) -> str:
    return modality.decode(torch.from_numpy(modality.read(text, HERE)).unsqueeze(0))[0]


@pytest.mark.parametrize("taggers", [{}, {"zh": "jieba"}])
@settings(max_examples=60, deadline=None)
@given(text=strategies.text(strategies.sampled_from("北京天安门我爱明月光龘〇 \r\n\tab1.，🙂é"), max_size=12))
def test_cutting_loses_nothing(taggers, text):
    assert "".join(piece for piece, _ in Words("jieba", taggers)(text)) == text


def test_words_of_chinese_are_found_and_other_scripts_stay_whole():
    pieces = [piece for piece, _ in Words("jieba", {})("I love 北京天安门 🙂")]

    assert pieces == ["I love ", "北京", "天安门", " 🙂"]


@pytest.mark.parametrize("kind", ["byte_bpe", "unigram", "character"])
@pytest.mark.parametrize("text", [*MIXED[:3], "", " ", "🙂中a文 b"])
def test_a_text_of_several_languages_comes_back_as_it_was(kind, text):
    letters = ["🙂", "文 b"]

    assert there_and_back(fitted([*MIXED, *letters], kind=kind, segment="jieba", vocabulary_size=600), text) == text


def test_no_token_reaches_over_the_end_of_a_word():
    texts = ["北京天安门"] * 50

    assert "北京天安门" in fitted(texts).facts()["tokens"]
    assert "北京天安门" not in fitted(texts, segment="jieba").facts()["tokens"]
    assert "天安门" in fitted(texts, segment="jieba").facts()["tokens"]


def test_each_token_carries_the_tag_of_its_word():
    modality = fitted(taggers={"zh": "jieba"})
    facts = modality.facts()

    ids = modality.read("I 爱北京", HERE)
    tags = [facts["tags"][number] for number in ids // facts["vocabulary"]]

    assert tags[0] == tags[-1] == ""
    assert {"zh/v", "zh/ns"} <= set(tags)
    assert facts["tags"][0] == ""
    assert there_and_back(modality, "I 爱北京") == "I 爱北京"
    assert modality.show(ids) == ("text", "I 爱北京")


def test_a_tag_never_seen_is_none():
    modality = fitted(["我"], taggers={"zh": "jieba"})

    assert (modality.read("北京", HERE) < modality.facts()["vocabulary"]).all()


def test_an_encoder_hears_of_the_tag():
    modality = fitted(taggers={"zh": "jieba"})
    facts = modality.facts()
    encoder = Transformer(facts, width=8, heads=2, layers=1).eval()
    field = modality.collate([modality.read("爱北京", HERE)])
    bare = field.with_values(field.values % facts["vocabulary"])

    assert (encoder.embed(field).values - encoder.embed(bare).values).abs().amax() > 1e-6
    torch.testing.assert_close(encoder.table(bare.values), encoder.embed(bare).values - encoder.tag_table.weight[0])


def test_who_writes_has_no_tags():
    with pytest.raises(ConfigError, match=r"cannot read parts of speech\. Set causal: false, or taggers: \{\}"):
        Transformer(fitted(taggers={"zh": "jieba"}).facts(), width=8, heads=2, causal=True)


def test_what_was_saved_reads_the_same(tmp_path):
    modality = fitted(segment="jieba", taggers={"zh": "jieba"})
    modality.save(tmp_path)

    loaded = TextModality.load(tmp_path, vocabulary_size=400, segment="jieba", taggers={"zh": "jieba"})

    assert loaded.facts() == modality.facts()
    np.testing.assert_array_equal(loaded.read("我爱北京", HERE), modality.read("我爱北京", HERE))


def test_another_version_of_what_cuts_is_refused(tmp_path, monkeypatch):
    fitted(segment="jieba").save(tmp_path)
    monkeypatch.setattr(chinese, "version_of", lambda name: "0.1")

    with pytest.raises(ArtifactError, match=r"was fitted with .*jieba.* '0.1'.* is installed"):
        TextModality.load(tmp_path, vocabulary_size=400, segment="jieba")


@pytest.mark.parametrize("taggers", [{"zh": "nltk"}, {"fr": "jieba"}, {"en": "perceptron"}])
def test_an_unknown_tagger_is_met_with_those_there_are(taggers):
    with pytest.raises(ConfigError, match=r"no tagger .* There are zh: jieba; en: nltk"):
        TextModality(taggers=taggers)


@pytest.fixture
def without_libraries(monkeypatch):
    """As if neither jieba nor nltk were installed."""
    for name in ("jieba", "jieba.posseg", "nltk", "nltk.tag", "nltk.tag.perceptron"):
        monkeypatch.setitem(sys.modules, name, None)
    caches = (chinese._library, chinese._cutter, chinese._tagger, english._tagger)
    for found in caches:
        found.cache_clear()
    yield
    for found in caches:
        found.cache_clear()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"segment": "jieba"}, r"pip install 'mm-text\[chinese\]'"),
        ({"taggers": {"zh": "jieba"}}, r"pip install 'mm-text\[chinese\]'"),
        ({"taggers": {"en": "nltk"}}, r"pip install nltk && python -m nltk.downloader averaged_perceptron_tagger_eng"),
    ],
)
def test_a_missing_library_says_what_to_install(without_libraries, given, message):
    with pytest.raises(SetupError, match=message):
        fitted(**given)


class Always:
    """A tagger of English to whom every word is a noun."""

    def tag(self, words):
        return [(word, "NN") for word in words]


def test_english_words_are_tagged_with_their_spaces(monkeypatch):
    monkeypatch.setattr(english, "_tagger", Always)
    text = "It's  a café, 4 me\n"

    pieces = english.tagged(text)

    assert "".join(piece for piece, _ in pieces) == text
    assert ("It's", "NN") in pieces
    assert (" café", "NN") in pieces
    assert all(tag == "NN" or not piece.strip() for piece, tag in pieces)


def test_two_taggers_work_in_one_field(monkeypatch):
    monkeypatch.setattr(english, "_tagger", Always)
    monkeypatch.setattr(english, "version", lambda: "1")

    facts = fitted(taggers={"en": "nltk", "zh": "jieba"}).facts()

    assert {"en/NN", "zh/ns"} <= set(facts["tags"])


QUIET = """
import sys, tempfile
from pathlib import Path
from mm_text.modality import TextModality
assert "jieba" not in sys.modules
modality = TextModality(segment="jieba", vocabulary_size=300, taggers={"zh": "jieba"})
modality.fit(["我爱北京天安门"], Path())
assert not list(Path(tempfile.gettempdir()).iterdir())
"""


def test_jieba_comes_when_it_is_used_says_nothing_and_leaves_nothing_behind(tmp_path):
    environment = {"TMPDIR": str(tmp_path), "PYTHONPATH": ":".join(sys.path), "HOME": str(tmp_path)}

    done = subprocess.run([sys.executable, "-c", QUIET], env=environment, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not list(tmp_path.iterdir())
