"""Tables read in parts hold the same cells as tables read whole."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from tunesmith.datasets.table_files import read_table, table_batches
from tunesmith.errors import DatasetError
from tunesmith.inference.tables import records_of

FRAME = pd.DataFrame(
    {
        "number": [n / 8 for n in range(10)],
        "whole": range(10),
        "text": [f"größer {n}" for n in range(10)],
        "flag": [True, False] * 5,
        "missing": [None, "a", "", "NA", "b"] * 2,
    }
)


def _stream(path: Path) -> None:
    table = pa.Table.from_pandas(FRAME)
    with pa.ipc.new_stream(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=3)


def _nested() -> pa.Table:
    return pa.Table.from_pylist(
        [{"a": {"b": n, "c": {"d": str(n)}}, "tags": ["x", str(n)], "plain": n} for n in range(10)]
    )


WRITERS: dict[str, Callable[[Path], object]] = {
    "utf8.csv": lambda p: FRAME.to_csv(p, index=False),
    "windows.csv": lambda p: FRAME.to_csv(p, index=False, encoding="cp1252"),
    "utf16.csv": lambda p: FRAME.to_csv(p, index=False, encoding="utf-16"),
    "semicolons.txt": lambda p: FRAME.to_csv(p, index=False, sep=";", decimal=","),
    "numbered.csv.xz": FRAME.to_csv,
    "tabs.tsv.bz2": lambda p: FRAME.to_csv(p, index=False, sep="\t"),
    "t.parquet": lambda p: FRAME.to_parquet(p, row_group_size=4),
    "named.parquet": lambda p: FRAME.set_index("text").to_parquet(p),
    "t.arrow": lambda p: FRAME.to_feather(p, chunksize=3),
    "t.xlsx": lambda p: FRAME.to_excel(p, index=False),
    "t.jsonl": lambda p: FRAME.to_json(p, orient="records", lines=True),
    "t.json": lambda p: FRAME.to_json(p, orient="records"),
    "lines.json": lambda p: FRAME.to_json(p, orient="records", lines=True),
    "list.jsonl": lambda p: FRAME.to_json(p, orient="records"),
    "titled.csv": lambda p: p.write_text("Title, of songs\n\n" + FRAME.to_csv(index=False)),
    "titled.xlsx": lambda p: FRAME.to_excel(p, index=False, startrow=3, startcol=2),
    "stream.arrow": _stream,
    "nested.parquet": lambda p: pq.write_table(_nested(), p),
    "nested.arrow": lambda p: feather.write_feather(_nested(), p),
    "nested.jsonl": lambda p: p.write_text("\n".join(map(json.dumps, _nested().to_pylist()))),
}


@pytest.mark.parametrize("name", WRITERS)
def test_parts_of_a_table_hold_the_cells_of_the_whole(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name)
    parts = [records_of(part) for part in table_batches(tmp_path / name, 4)]
    assert max(map(len, parts)) <= 4
    assert [dict(sorted(row.items())) for part in parts for row in part] == [
        dict(sorted(row.items())) for row in records_of(read_table(tmp_path / name))
    ]


def test_a_folder_of_parquet_files_is_one_table(tmp_path: Path) -> None:
    for n in range(2):
        FRAME.to_parquet(tmp_path / f"{n}.parquet")
    assert [len(part) for part in table_batches(tmp_path, 15)] == [15, 5]


def test_whole_numbers_stay_whole_beside_missing_ones(tmp_path: Path) -> None:
    table = pa.table({"n": pa.array([1, None, 3], pa.int64())})
    pq.write_table(table, tmp_path / "t.parquet")
    feather.write_feather(table, tmp_path / "t.arrow")
    (tmp_path / "t.jsonl").write_text('{"n": 1}\n{"other": 2}\n\n{"n": 3}\n')
    for name in ("t.parquet", "t.arrow", "t.jsonl"):
        for parts in (table_batches(tmp_path / name, 9), [read_table(tmp_path / name)]):
            cells = [row["n"] for part in parts for row in records_of(part)]
            assert [repr(cell) for cell in cells] == ["1", "None", "3"], name


def test_what_is_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    (tmp_path / "t.jsonl").write_text("[1]")
    for name in ("t.parquet", "t.jsonl", "nowhere.csv"):
        with pytest.raises(DatasetError, match=name):
            list(table_batches(tmp_path / name, 9))


@pytest.mark.parametrize("name", ["t.json", "t.jsonl"])
def test_json_keeps_texts_and_every_digit(tmp_path: Path, name: str) -> None:
    rows = [
        {"date": "2020-01-02", "played_at": "1577923200", "gain": 0.1234567890123456},
        {"date": "2021-03-04", "played_at": "1614816000", "gain": 1e-300},
    ]
    lines = [json.dumps(row) for row in rows]
    text = "\n".join(lines) if name == "t.jsonl" else f"[{','.join(lines)}]"
    (tmp_path / name).write_text(text)
    assert read_table(tmp_path / name).to_dict("records") == rows
