"""What can be said on the command line of every flow that runs stages."""

import argparse


def stage_options() -> argparse.ArgumentParser:
    """To be handed to a command's own parser as one of its `parents`."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--jobs", type=jobs, default=2, metavar="N", help="stages side by side (default: 2)")
    parser.add_argument("--force", action="store_true", help="run every stage, changed or not")
    return parser


def jobs(text: str) -> int:
    """How many stages run side by side, as argparse wants it read."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number of at least 1, got {text!r}.")
    return int(text)
