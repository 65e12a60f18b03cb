import pytest

from cropperhead import words


def test_a_count_has_its_noun_in_the_right_number():
    assert words.format_count(1, "person", "people") == "1 person"
    assert words.format_count(2, "person", "people") == "2 people"
    assert words.format_count(1200, "photo") == "1,200 photos"
    assert words.format_count(0, "crop") == "0 crops"
    assert words.format_count(1, "crop", width=5) == "    1 crop"


@pytest.mark.parametrize(
    ("listed", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), ("abc", "a, b and c")]
)
def test_words_are_joined_as_in_a_sentence(listed, text):
    assert words.join_words(listed) == text
