"""One GPU, a few minutes: how near training comes to what the card can do.

Prints rows as benchmarks/speed.py does. Without a GPU it says that it has not run; `--rehearse` walks the same way on a
CPU with tiny models, so that nothing but numbers is missing.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from timing.gpu_models import Case, captions, dual_encoder, from_store
from timing.pairs import not_measured, rounded

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


def measure(case: Case, *, most: float, device: torch.device, times: int) -> dict[str, Any]:
    """Samples and share of the peak of whole training steps: forward, backward, optimizer."""
    stepper, optimizer = case.ready()

    def step() -> None:
        stepper.backward([case.batch])
        optimizer.step()
        optimizer.zero_grad()

    for _ in range(3):  # compiles
        step()
    each = seconds(step, device=device, times=times)
    share = case.operations / each / most
    goal = GOALS.get(case.name)
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


def fed(case: Case, *, device: torch.device, times: int) -> dict[str, Any]:
    """The same steps with batches from the array store in place of one that lies on the device."""
    stepper, optimizer = case.ready()

    def walk(batches: Any) -> float:
        count, start = 0, 0.0
        for batch in batches:
            stepper.backward([batch])
            optimizer.step()
            optimizer.zero_grad()
            count += 1
            if count == 3:
                if device.type == "cuda":
                    torch.cuda.synchronize()
                start = time.perf_counter()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - start) / (count - 3)

    with tempfile.TemporaryDirectory() as folder:
        stored = walk(from_store(case, Path(folder), count=times + 3, pin=device.type == "cuda"))
    synthetic = walk(iter([case.batch] * (times + 3)))
    ratio = synthetic / stored
    return {
        "what": f"{case.name}: steps fed from the array store beside batches on the device",
        "ours": rounded(1000 * stored),
        "reference": rounded(1000 * synthetic),
        "unit": "ms",
        "ratio": rounded(ratio),
        "spread": None,
        "goal": 0.95,
        "met": ratio >= 0.95,
    }


def rows(device: torch.device, *, tiny: bool) -> list[dict[str, Any]]:
    """Everything, the most telling first: the time may run out, so each is printed when it is known."""
    most, times = peak(device, size=64 if tiny else 8192), 2 if tiny else 20
    found, told = list[dict[str, Any]](), 0
    for build in (
        lambda: dual_encoder("B/16", device, tiny=tiny),
        lambda: captions(device, tiny=tiny),
        lambda: dual_encoder("L/14", device, tiny=tiny),
    ):
        case = build()
        found.append(measure(case, most=most, device=device, times=times))
        if case.name.endswith("B/16"):
            found.append(fed(case, device=device, times=times))
        if tiny:
            found = [{**row, "met": None} for row in found]
        print("\n".join(map(json.dumps, found[told:])), flush=True)
        told = len(found)
        del case
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
    return found


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rehearse", action="store_true", help="on a CPU, with tiny models: that the path works")
    parser.add_argument("--quick", action="store_true", help="as --rehearse where there is no GPU")
    parser.add_argument("--json", action="store_true", help="a row is always JSON; here so that all benchmarks take it")
    options = parser.parse_args()
    cuda = torch.cuda.is_available()
    if not cuda and not (options.rehearse or options.quick):
        row = not_measured("everything on a GPU", goal=None, why="there is none here: it has not run")
        print(json.dumps([row], indent=2) if options.json else f"{row['what']}: not measured, {row['why']}")
        return
    rows(torch.device("cuda" if cuda else "cpu"), tiny=not cuda)


if __name__ == "__main__":
    main()
