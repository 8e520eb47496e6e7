"""The rows of the table."""

from realdata import easy_vqa

from goals.rows import Benchmark, Goal

TABLE = "data=table"

BENCHMARKS: dict[str, Benchmark] = {
    "easy_vqa": Benchmark(
        "a question about a picture; film",
        data=easy_vqa,
        table="easy_vqa/rows.csv",
        choices=("experiment=easy_vqa", TABLE, "data.group=image_id", "data.split.column=split"),
        goals=(Goal("answer/accuracy", 0.995),),
    ),
}
