import sys

import pytest

from cropperhead.system.exchange import exchange


@pytest.mark.skipif(
    sys.platform not in {"linux", "darwin"}, reason="other systems have no such call"
)
def test_two_files_are_exchanged_in_one_step(tmp_path):
    one, other = tmp_path / "one ü", tmp_path / "other"
    one.write_bytes(b"1")
    other.write_bytes(b"2")
    assert exchange(one, other)
    assert (one.read_bytes(), other.read_bytes()) == (b"2", b"1")
    other.unlink()
    with pytest.raises(FileNotFoundError, match="other"):
        exchange(one, other)
    assert one.read_bytes() == b"2"
