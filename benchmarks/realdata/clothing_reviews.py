"""Reviews of clothes: a text, a few numbers and categories; recommended or not, and how many stars."""

from pathlib import Path

from realdata.archives import unpacked
from realdata.tables import fold_columns, fold_of, read_csv, write_table

FOLDS = 5
COLUMNS = {
    "age": "Age",
    "feedback": "Positive Feedback Count",
    "division": "Division Name",
    "department": "Department Name",
    "class": "Class Name",
}


def prepare(data: Path, cache: Path) -> None:
    """rows.csv: review (title and text), age, feedback, division, department, class, recommended, rating, fold_0..4."""
    folder = unpacked("clothing_reviews", data=data, cache=cache)
    reviews = read_csv(folder / "dev" / "val.csv")
    folds = fold_of((review[""] for review in reviews), folds=FOLDS)
    rows = [
        {
            "id": review[""],
            "review": ". ".join(filter(None, (review["Title"].strip(), review["Review Text"].strip()))),
            **{name: review[column] for name, column in COLUMNS.items()},
            "recommended": "yes" if review["Recommended IND"] == "1" else "no",
            "rating": review["Rating"],
            **fold_columns(folds[review[""]], folds=FOLDS),
        }
        for review in reviews
    ]
    write_table(folder / "rows.csv", rows)
