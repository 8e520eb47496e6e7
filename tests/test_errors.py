import errno

import pytest
from safetensors import SafetensorError

from mmcore.errors import TrainingError, is_out_of_room


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError("Caught OSError in a process. [Errno 122] Disk quota exceeded"), True),  # as another process tells it
        (SafetensorError("I/O error: No space left on device (os error 28)"), True),
        (caused(TrainingError("it cannot be written"), OSError(errno.EROFS, "Read-only file system")), True),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), False),
        (PermissionError(errno.EACCES, "Permission denied", "weights"), False),
        (SafetensorError("Operation not permitted (os error 1)"), False),
        (SafetensorError("No such file or directory (os error 2)"), False),
        (TrainingError("the loss is nan in epoch 28"), False),
    ],
)
def test_a_full_disk_is_told_from_a_fault_of_what_was_run(error, full):
    assert is_out_of_room(error) is full
