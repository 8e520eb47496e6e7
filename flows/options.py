"""What can be said on the command line of every flow that runs stages."""

import argparse

LAST_PORT = 65_535


def stage_options() -> argparse.ArgumentParser:
    """To be handed to a command's own parser as one of its `parents`."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--jobs", type=jobs, default=2, metavar="N", help="stages side by side (default: 2)")
    parser.add_argument("--force", action="store_true", help="run every stage, changed or not")
    return parser


def port(text: str) -> int:
    """Where a server listens, as argparse wants it read."""
    if not text.isdecimal() or not 1 <= int(text) <= LAST_PORT:
        raise argparse.ArgumentTypeError(f"must be a number from 1 to {LAST_PORT}, got {text!r}.")
    return int(text)


def jobs(text: str) -> int:
    """How many stages run side by side, as argparse wants it read."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number of at least 1, got {text!r}.")
    return int(text)
