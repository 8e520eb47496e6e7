"""The model card says what a release was made with."""

import json

import yaml

from mmcore.releases.card import card
from mmcore.releases.record import empty


def test_the_card_has_the_digest_of_code_from_outside():
    about = {"packages": {"mm-text": "0.1.0", "radar": "1.0"}, "code": {"radar": "0123456789abcdef"}}

    page = card(
        name="model", number="v1.0.0", lock="", params="", metrics=json.dumps({}), about=yaml.safe_dump(about),
        record=empty("2026-01-01T00:00:00+00:00", champion=None, digest="a", data="b", metric="t/m"), code="c0ffee",
        unknown=[],
    )  # fmt: skip

    assert "\n- mm-text 0.1.0\n- radar 1.0 (code 0123456789abcdef)\n" in page
