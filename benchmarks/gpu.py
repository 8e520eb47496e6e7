"""One GPU, a few minutes: how near training comes to what the card can do.

Prints rows as benchmarks/speed.py does. Without a GPU it says that it has not run; `--rehearse` walks the same way on a
CPU with tiny models, so that nothing but numbers is missing.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from itertools import repeat
from pathlib import Path
from typing import Any

import torch
from timing.gpu_beside import their_step, why_not
from timing.gpu_models import Case, captions, dual_encoder, from_store
from timing.gpu_use import GOAL as SCORE
from timing.gpu_use import reached, written
from timing.pairs import in_turns, not_measured, rounded, row

from mmcore.interfaces.field import Batch

Rows = Callable[[], Iterator[dict[str, Any]]]
Step = Callable[[Batch], None]

ROOT = Path(__file__).parents[1]
GOALS = {"dual encoder ViT-B/16": 0.40, "dual encoder ViT-L/14": 0.50, "causal decoder 300 M": 0.50}


def seconds(work: Callable[[], object], *, device: torch.device, times: int) -> float:
    """Of one call, from a stretch of them; the device is waited for at both ends alone."""
    for wait in (True, False):
        if device.type == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(2 if wait else times):
            work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / times


def peak(device: torch.device, *, size: int) -> float:
    """Floating-point operations a second of one large matrix product in bf16: what this card can do."""
    a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * size**3 / seconds(lambda: a @ b, device=device, times=20)


def measure(case: Case, step: Step, *, most: float, device: torch.device, times: int) -> dict[str, Any]:
    """Samples and share of the peak of whole training steps: forward, backward, optimizer."""
    for _ in range(3):  # compiles
        step(case.batch)
    each = seconds(lambda: step(case.batch), device=device, times=times)
    share, goal = case.operations / each / most, GOALS.get(case.name)
    return {
        "what": f"{case.name}: share of the measured matrix peak ({most / 1e12:.3g} Tflop/s), batch {len(case.batch)}",
        "ours": rounded(len(case.batch) * case.units / each),
        "reference": None,
        "unit": f"{case.unit} a second",
        "ratio": rounded(share),
        "spread": None,
        "goal": goal,
        "met": None if goal is None else share >= goal,
        "memory_GiB": rounded(torch.cuda.max_memory_allocated() / 2**30) if device.type == "cuda" else None,
    }


def traced(case: Case, step: Step, folder: Path | None, device: torch.device) -> None:
    """Two steps as they ran, kernel by kernel, for Perfetto or chrome://tracing; nothing without a folder."""
    if folder is not None:
        with torch.profiler.profile() as found:
            consume(lambda: step(case.batch), 2, device)
        folder.mkdir(parents=True, exist_ok=True)
        found.export_chrome_trace(str(folder / f"{case.name.replace(' ', '_').replace('/', '')}.json.gz"))


def beside(case: Case, step: Step, *, device: torch.device, tiny: bool) -> Iterator[dict[str, Any]]:
    """A batch through open_clip's model and loss, in turns: of long texts, and of texts as long as captions are."""
    what = f"{case.name}: a step beside open_clip's, same sizes, precision and attention, both compiled"
    if why := why_not():
        yield not_measured(what, goal=1.2, why=why)
        return
    stretch, theirs = 1 if tiny else 4, their_step(case, tiny=tiny)
    padded = case.batch.fields["text"].values.shape[1]
    batches = {
        what: case.batch,
        f"{case.name}: the same, texts of 9 to 25 tokens, which open_clip pads to {padded}": case.with_texts(9, 25),
    }
    for name, batch in batches.items():
        mine, other = in_turns(
            lambda batch=batch: consume(lambda: step(batch), stretch, device),
            lambda: consume(theirs, stretch, device),
            turns=2 if tiny else 6,
        )
        yield row(name, mine, other, goal=1.2, unit="ms", scale=1000 / stretch)


def consume(step: Callable[[], None], times: int, device: torch.device) -> None:
    """So many steps, until the device has done them."""
    for _ in range(times):
        step()
    if device.type == "cuda":
        torch.cuda.synchronize()


def fed(case: Case, step: Step, *, device: torch.device, times: int) -> dict[str, Any]:
    """The same steps with batches from the array store in place of one that lies on the device."""

    def walk(batches: Iterator[Batch]) -> float:
        consume(lambda: step(next(batches)), 3, device)
        start = time.perf_counter()
        consume(lambda: step(next(batches)), times, device)
        return time.perf_counter() - start

    with tempfile.TemporaryDirectory() as folder:
        stored = from_store(case, Path(folder), count=3 * (times + 3), pin=device.type == "cuda")
        pairs = [(walk(stored), walk(repeat(case.batch))) for _ in range(3)]
    ours, theirs = zip(*pairs, strict=True)
    what = f"{case.name}: steps fed from the array store beside batches on the device"
    return row(what, ours, theirs, goal=0.95, unit="ms", scale=1000 / times)


def decoding(case: Case, *, tokens: int) -> dict[str, Any]:
    """Greedy, with its cache, every sample at once."""
    written(case, tokens=2)
    took = written(case, tokens=tokens)
    what = f"{case.name}: {tokens} tokens written for each of {len(case.batch)}, behind a prefix"
    return alone(what, len(case.batch) * tokens / took, unit="tokens a second")


def easy_vqa(prepared: Path) -> list[dict[str, Any]]:
    """Seconds of a training until 99 % of the validation rows are right, its checkpoints and validation included."""
    what = "easy_vqa, as make run trains it: until 99 % of the validation rows are right"
    if not (prepared / "artifacts" / "inputs.json").exists():
        return [not_measured(what, goal=None, why=f"{prepared} is not prepared: make run, or dvc repro join, there")]
    told = reached(prepared)
    came = f"{told['score']:.4f} after {told['epochs']} epochs, {told['seconds']:.0f} s"
    if told["score"] < SCORE:
        return [not_measured(what, goal=None, why=f"it ended with {came}")]
    return [alone(f"{what} ({came})", told["seconds"], unit="s")]


def alone(what: str, ours: float, *, unit: str) -> dict[str, Any]:
    """A row without anything beside it."""
    blank = {"reference": None, "ratio": None, "spread": None, "goal": None, "met": None}
    return {"what": what, "ours": rounded(ours), "unit": unit, **blank}


def parts(device: torch.device, *, tiny: bool, prepared: Path, traces: Path | None) -> dict[str, Rows]:
    """What can be measured by name, the most telling first."""
    times = 2 if tiny else 20

    @cache
    def most() -> float:
        return peak(device, size=64 if tiny else 8192)

    def pairs() -> Iterator[dict[str, Any]]:
        case = dual_encoder("B/16", device, tiny=tiny)
        with case.training() as step:
            yield measure(case, step, most=most(), device=device, times=times)
            traced(case, step, traces, device)
            yield from beside(case, step, device=device, tiny=tiny)
            yield fed(case, step, device=device, times=times)

    def texts() -> Iterator[dict[str, Any]]:
        case = captions(device, tiny=tiny)
        with case.training() as step:
            yield measure(case, step, most=most(), device=device, times=times)
            traced(case, step, traces, device)
        yield decoding(case, tokens=4 if tiny else 64)

    def large() -> Iterator[dict[str, Any]]:
        case = dual_encoder("L/14", device, tiny=tiny)
        with case.training() as step:
            yield measure(case, step, most=most(), device=device, times=times)
            traced(case, step, traces, device)

    return {"pairs": pairs, "texts": texts, "easy_vqa": lambda: iter(easy_vqa(prepared)), "large": large}


def rows(chosen: dict[str, Rows], device: torch.device, *, tiny: bool) -> list[dict[str, Any]]:
    """Each is printed when it is known: the time may run out."""
    found = list[dict[str, Any]]()
    for part in chosen.values():
        for one in part():
            found.append({**one, "met": None} if tiny else one)
            print(json.dumps(found[-1]), flush=True)
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
    return found


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rehearse", action="store_true", help="on a CPU, with tiny models: that the path works")
    parser.add_argument("--quick", action="store_true", help="as --rehearse where there is no GPU")
    parser.add_argument("--only", nargs="+", choices=["pairs", "texts", "easy_vqa", "large"], metavar="PART",
                        help="some of: pairs, texts, easy_vqa, large")  # fmt: skip
    parser.add_argument("--prepared", type=Path, default=ROOT, metavar="FOLDER",
                        help="easy_vqa's project, prepared up to its training; by default this clone")  # fmt: skip
    parser.add_argument("--trace", type=Path, metavar="FOLDER", help="two steps of each training, kernel by kernel")
    parser.add_argument("--json", action="store_true", help="a row is always JSON; here so that all benchmarks take it")
    options = parser.parse_args()
    cuda = torch.cuda.is_available()
    if not cuda and not (options.rehearse or options.quick):
        row = not_measured("everything on a GPU", goal=None, why="there is none here: it has not run")
        print(json.dumps([row], indent=2) if options.json else f"{row['what']}: not measured, {row['why']}")
        return
    device = torch.device("cuda" if cuda else "cpu")
    known = parts(device, tiny=not cuda, prepared=options.prepared, traces=options.trace)
    rows({name: part for name, part in known.items() if name in (options.only or known)}, device, tiny=not cuda)


if __name__ == "__main__":
    main()
