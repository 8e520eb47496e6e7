"""Vectors belong to their contents, whoever else is searching."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
from filelock import FileLock

from mmcore.predictor import vectors as kept
from mmcore.predictor.vectors import Thing, Vectors

WIDTH = 8


def digest_of(name):
    return hashlib.sha256(name.encode()).hexdigest()


def vector_of(digest):
    return np.frombuffer(bytes.fromhex(digest)[:WIDTH], np.uint8).astype(np.float32)


def things_of(who, count):
    names = [f"{who}{number}" for number in range(count)]
    return [Thing(name, name, digest_of(name)) for name in names]


def embed(things):
    return {thing.digest: vector_of(thing.digest) for thing in things}


def never(things):
    raise AssertionError(f"embedded again: {[thing.name for thing in things]}")


def assert_theirs(things, vectors):
    assert np.array_equal(vectors, np.stack([vector_of(thing.digest) for thing in things]))


def test_two_searches_at_once_get_their_own_vectors_and_keep_both(tmp_path):
    both_embed = Barrier(2)
    things = {"left": things_of("left", 40), "right": [*things_of("left", 5), *things_of("right", 40)]}

    def search(who):
        def slowly(new):
            both_embed.wait(timeout=30)  # neither has kept anything when the other looks
            return embed(new)

        return Vectors(tmp_path).of(things[who], slowly)

    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(things, pool.map(search, things), strict=True))

    for who, (good, vectors) in found.items():
        assert good == things[who]
        assert_theirs(good, vectors)
        assert_theirs(*Vectors(tmp_path).of(things[who], never))


def test_what_stood_there_before_goes_with_what_is_added(tmp_path):
    first, second = things_of("first", 3), things_of("second", 4)
    Vectors(tmp_path).of(first, embed)

    good, vectors = Vectors(tmp_path).of([*second, *first], embed)

    assert good == [*second, *first]
    assert_theirs(good, vectors)
    assert_theirs(*Vectors(tmp_path).of([*first, *second], never))


@pytest.mark.parametrize("broken", [{"a0"}, {"a0", "a1", "a2"}])
def test_what_is_broken_is_left_out_for_good_and_moves_no_vector(tmp_path, broken):
    things = things_of("a", 3)

    Vectors(tmp_path).of(things, lambda new: embed([thing for thing in new if thing.name not in broken]))
    good, vectors = Vectors(tmp_path).of([*things, *things_of("b", 2)], lambda new: embed(new) if len(new) == 2 else {})

    assert {thing.name for thing in good} == {"a0", "a1", "a2", "b0", "b1"} - broken
    assert_theirs(good, vectors)


def test_a_search_that_stands_still_holds_up_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "WAIT_S", 0.1)
    things, search = things_of("a", 3), Vectors(tmp_path)

    with FileLock(tmp_path / kept.LOCK):
        good, vectors = search.of(things, embed)

    assert good == things
    assert_theirs(good, vectors)
    assert kept.LOCK in search.unkept


def test_a_disk_that_knows_no_locks_costs_no_answer(tmp_path, monkeypatch):
    def unknown(*_, **__):
        raise NotImplementedError("no flock here")

    monkeypatch.setattr(kept, "FileLock", unknown)
    search = Vectors(tmp_path)
    assert_theirs(*search.of(things_of("a", 3), embed))
    assert search.unkept == "no flock here"
