from feature_store.display import html_table, text_table


def test_columns_are_aligned_and_numbers_stand_to_the_right():
    table = text_table(("name", "rows"), [("a", "1,200"), ("longer", "7"), ("b", "null")])

    assert table.splitlines() == [
        "name     rows",
        "──────  ─────",
        "a       1,200",
        "longer      7",
        "b        null",
    ]


def test_a_table_without_rows_has_its_headings():
    assert text_table(("name", "rows"), []).splitlines()[0] == "name  rows"


def test_long_cells_are_cut_in_text_and_whole_in_html():
    rows = [("x" * 200,)]

    assert max(map(len, text_table(("a",), rows).splitlines())) == 100
    assert "x" * 200 in html_table(("a",), rows)


def test_what_stands_in_a_cell_is_never_markup():
    assert "<script>" not in html_table(("<script>",), [("<script>",)], caption="<script>")
