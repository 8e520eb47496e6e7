import csv
import io

import pytest

from mmcore.data.writing import CsvLines

ROWS = [["a\rb", "c"], ["\r\n", "\r"], ["a\nb", 'c,"d"'], ["", "x\r\n"], ["1", "2.5"]]


def test_what_a_cell_holds_is_read_back_whatever_ends_of_lines_are_in_it():
    buffer = io.StringIO(newline="")
    csv.writer(CsvLines(buffer)).writerows(ROWS)
    assert list(csv.reader(io.StringIO(buffer.getvalue(), newline=""))) == ROWS


@pytest.mark.parametrize("cells", [["a", "", 1, 2.5], ["a\nb", "c,d", 'e"f', None]])
def test_all_else_is_written_as_before(cells):
    before, now = io.StringIO(newline=""), io.StringIO(newline="")
    csv.writer(before, lineterminator="\n").writerow(cells)
    csv.writer(CsvLines(now)).writerow(cells)
    assert now.getvalue() == before.getvalue()
