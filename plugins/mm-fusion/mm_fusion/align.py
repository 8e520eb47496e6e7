"""Leave the streams as they are: a dual encoder.

Radford et al., Learning Transferable Visual Models From Natural Language Supervision, 2021 (2103.00020), section 2.3.
"""

from collections.abc import Mapping

from mmcore.interfaces.fusion import LateFusion, Streams
from mmcore.interfaces.tokens import Tokens


class Align(LateFusion):
    """Every finished field as a stream of its own name; aligning them is the task's work."""

    def combine(self, streams: Mapping[str, Tokens]) -> Streams:
        """Nothing to add."""
        return {}
