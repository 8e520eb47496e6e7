"""Trials side by side: two workers of one thread each on two cores, beside one after another."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from search import hosted, one_trial, plan_for, project

from timing.pairs import in_turns, not_measured, row


def beside_rows(*, quick: bool) -> list[dict[str, Any]]:
    """The same trials of a short training, by workers that are started already."""
    what, goal = "trials side by side on two cores, beside one after another", 1.8
    if len(os.sched_getaffinity(0)) < 2:
        return [not_measured(what, goal=goal, why="there is one core only")]
    choices = ["data.limit=300", "training.epochs=1"] if quick else ["data.limit=1500", "training.epochs=2"]
    with project(*choices) as root:
        plan = plan_for(root, "beside", trials=1000)
        with hosted(plan, slots=2) as host:

            def together() -> None:
                with ThreadPoolExecutor(2) as pool:
                    list(pool.map(lambda _: one_trial(plan, host), range(2)))

            def apart() -> None:
                for _ in range(2):
                    one_trial(plan, host)

            mine, theirs = in_turns(together, apart, turns=1 if quick else 5)
    return [row(what, mine, theirs, goal=goal)]
