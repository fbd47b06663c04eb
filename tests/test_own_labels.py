"""One's own images: how labels.csv is read."""

import pytest

from simclr.errors import UserError
from simclr.own import labels

PLACES = {f"{i}.png": i for i in range(6)}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "labels.csv"


def read(file, text: str):
    file.write_text("file,label\n" + text)
    return labels.read(file, PLACES)


def test_labels_are_places_in_the_sorted_classes_and_blank_ones_are_none(file):
    found = read(file, "3.png,shoe\n0.png, coat \n2.png,\n1.png,shoe\n5.png,NA\n")
    assert found.classes == ["NA", "coat", "shoe"] and found.empty == 1
    assert found.rows.tolist() == [3, 0, 1, 5]
    assert [found.classes[c] for c in found.given] == ["shoe", "coat", "shoe", "NA"]


def test_a_class_with_one_label_is_noted_and_a_slip_is_guessed(file):
    found = read(file, "0.png,sandal\n1.png,sandal\n2.png,sandel\n3.png,x\n")
    assert found.notes == [
        "Class sandel has one label only; is it a slip for sandal?",
        "Class x has one label only",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("9.png,a\n1.png,b\n", r"line 2: '9\.png' is no image"),
        ("1.png,a\n1.png,b\n2.png,b\n", r"two labels: 1\.png is a and 1\.png is b"),
        ("1.png,a\n\n2.png,b,c\n", "line 4: 3 fields, where the first line has 2"),
        ("1.png,a\n2.png,a\n", "2 labels of 1 classes.*make label"),
        ("1.png,\n", "0 labels of 0 classes"),
        ('1.png,"' + 140_000 * "a", "line .*field limit.*quote"),
    ],
)
def test_a_mistake_is_one_line_with_its_way_out(text, message, file):
    with pytest.raises(UserError, match=message):
        read(file, text)


def test_other_tables_and_no_table_are_one_message(file):
    with pytest.raises(UserError, match="make choose"):
        labels.read_table(file)
    file.write_text("name;class\n")
    with pytest.raises(UserError, match="file,label is needed"):
        labels.read_table(file)


def test_what_a_spreadsheet_makes_of_the_file_is_read_and_other_columns_are_kept(file):
    file.write_bytes("\ufefffile;label;note\r\n0.png;a, b;x\r\n1.png;c;\r\n".encode())
    assert labels.read(file, PLACES).classes == ["a, b", "c"]
    assert labels.read_table(file).to_csv(index=False) == 'file,label,note\n0.png,"a, b",x\n1.png,c,\n'
