import hashlib

from cropperhead.system.file_hash import file_sha256


def test_a_hash_is_that_of_the_contents_in_order_and_a_missing_file_is_empty(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"2")
    expected = hashlib.sha256(b"12").hexdigest()
    assert file_sha256(tmp_path / "a", tmp_path / "missing", tmp_path / "b") == expected
