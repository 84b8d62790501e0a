"""The example notebooks of the image: valid, without anybody's output, and each cell makes sense."""

from __future__ import annotations

import ast
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

EXAMPLES = sorted((Path(__file__).parents[2] / "images" / "notebook" / "examples").glob("*.ipynb"))


def test_there_is_one_for_plain_jobs_one_for_a_dag_and_one_for_dask() -> None:
    assert [one.stem for one in EXAMPLES] == ["dag", "dask", "jobs"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_a_clean_notebook_whose_cells_are_python(path: Path) -> None:
    found = nbformat.read(path, as_version=4)
    nbformat.validate(found)
    for cell in found.cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)
            ast.parse(TransformerManager().transform_cell(cell.source))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_no_example_speaks_of_tokens_accounts_or_transfers_that_go_without_saying(path: Path) -> None:
    code = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")
    for word in ("use_oauth", "accounting_group", "should_transfer", "when_to_transfer", "-remote", "security="):
        assert word not in code


def test_the_dags_file_is_one_that_can_be_run(tmp_path: Path) -> None:
    from facility.batch.dag import language

    cells = nbformat.read(EXAMPLES[0], as_version=4).cells
    text = next(cell.source for cell in cells if cell.source.startswith("%%writefile pi.dag"))
    (tmp_path / "pi.dag").write_text(text.partition("\n")[2])
    assert set(language.read(tmp_path / "pi.dag").nodes) == {"first", "second", "third", "sum"}
