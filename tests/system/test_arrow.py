import subprocess
import sys

# PyArrow looks for pandas once in a process, so that each case has one of its own
CONVERTED = "tuple(pyarrow.array(['a', None]).to_pylist())"


def run(*lines):
    script = "\n".join(["import sys, pyarrow", "from cropperhead.system import arrow", *lines])
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return done.stdout.split("\n")[:-1]


def test_lists_are_converted_without_pandas():
    lines = ["arrow.leave_out_pandas()", f"print({CONVERTED}, 'pandas' in sys.modules)"]
    assert run(*lines) == ["('a', None) False"]
    assert run(*lines[1:]) == ["('a', None) True"]  # or there would be nothing to leave out


def test_a_table_still_becomes_one_of_pandas_and_back():
    assert run(
        "arrow.leave_out_pandas()",
        "frame = pyarrow.table({'a': pyarrow.array(['x', 'y'])}).to_pandas()",
        "print(list(frame['a']), pyarrow.Table.from_pandas(frame)['a'].to_pylist())",
    ) == ["['x', 'y'] ['x', 'y']"]


def test_a_caller_of_the_library_may_import_pandas_later():
    assert run(
        "from cropperhead.library import scan",
        "assert scan.manifest([scan.Entry('a.jpg', scan.PHOTO, (), '')]).num_rows == 1",
        "import pandas",
        "series = pandas.Series([1.0, None])",
        "print(pyarrow.array(series).null_count)",
        "print(pyarrow.Table.from_pandas(series.to_frame('a'))['a'].null_count)",
    ) == ["1", "1"]


def test_pandas_that_is_loaded_stays_so():
    assert run(
        "import pandas",
        "arrow.leave_out_pandas()",
        "print(pyarrow.array(pandas.Series([1.0, None])).null_count)",
    ) == ["1"]
