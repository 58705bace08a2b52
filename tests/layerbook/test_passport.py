import json
import re
from pathlib import Path

import nbformat
import pytest
import yaml
from nbformat.v4 import new_markdown_cell, new_notebook

from layerbook.passport import MISSING, bibtex, codecheck, crate, page, paper_of, passport, recorded_in, write
from layerbook.record import read_record

BOOK = Path(__file__).parents[2] / "book"
NAMES = [name for name, _, _ in recorded_in(BOOK)]


@pytest.fixture
def record():
    return read_record(BOOK / "records" / "forward_backward.json")


def test_every_record_of_a_chapter_has_a_passport_and_nothing_else_has():
    assert set(NAMES) == {path.stem for path in (BOOK / "records").glob("*.json")} & {
        path.stem for path in BOOK.glob("*.ipynb")
    }
    assert page(BOOK).count("**Scope.**") == len(NAMES)


def test_other_files_beside_the_records_are_left_alone(tmp_path):
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "verified.json").write_text('{"forward_backward": {}}')
    nbformat.write(new_notebook(cells=[new_markdown_cell("# T")]), tmp_path / "verified.ipynb")
    assert list(recorded_in(tmp_path)) == []


def claim(record, item, **other):
    first = next(each for each in record["claims"] if each["size"] == "paper")
    return first | {"item": item, "says": f"Says {item}", **other}


def test_claims_go_where_they_belong(record):
    [part, *_] = next(each for each in record["claims"] if each["size"] == "paper")["parts"]
    part = part | {"outcome": "undecided", "reason": "0 is inside"}
    record["claims"] = [
        claim(record, "1"),
        claim(record, "2", outcome="undecided", reason="0 is inside", parts=[part]),
        claim(record, "3", size="smaller"),
        claim(record, "4", size="own"),
    ]
    told = passport("forward_backward", "Title", record, ("Xie", "2018", "Work"))
    easy, rest = told.partition("**What was hard**")[::2]
    hard, beyond = rest.partition("**What is beyond the paper**")[::2]
    assert "Says 1" in easy and "Says 3" not in told.partition("**Methods.**")[2].partition("**What was hard**")[0]
    assert "Says 2 *(undecided; 0 is inside)*" in hard and "Says 1" not in hard
    assert "Says 4" in beyond and "Says 2" not in beyond
    assert "Xie 2018, *Work*" in told and "1 claims were judged at a smaller size" in told
    assert "Of 3 claims 2 hold, 1 are undecided." in told


def test_numbers_of_the_passport_are_the_records(record):
    told = passport("forward_backward", "Title", record, None)
    made = record["provenance"]
    for text in (made["commit"][:9], made["device"], made["date"][:10], made["versions"]["torch"]):
        assert text in told
    assert "no paper" in told


def test_what_needs_a_person_is_named_and_has_no_placeholder():
    whole = page(BOOK) + codecheck(BOOK) + json.dumps(crate(BOOK))
    assert all(each in whole for each in MISSING)
    assert not any(word in whole for word in ("TODO", "XXXX", "10.5281", "example.org", "0000-000"))


def test_the_entry_for_lists_of_references_is_bibtex(record):
    from pybtex.database import parse_string

    [(key, entry)] = parse_string(bibtex("forward_backward", "A title: of two", record), "bibtex").entries.items()
    assert key == "layerbook-forward-backward"
    assert entry.fields["title"] == "A title: of two" and entry.fields["year"] == record["provenance"]["date"][:4]


def test_the_manifest_is_yaml_and_names_files_that_are_there():
    told = yaml.safe_load(codecheck(BOOK))
    assert told["version"] == "https://codecheck.org.uk/spec/config/1.0/"
    assert all((BOOK.parent / each["file"]).is_file() for each in told["manifest"])
    assert not {"certificate", "codechecker", "check_time"} & set(told)


def test_the_crate_describes_every_file_once_and_all_that_it_names():
    graph = crate(BOOK)["@graph"]
    known = [each["@id"] for each in graph]
    assert len(known) == len(set(known))
    [root] = [each for each in graph if each["@id"] == "./"]
    assert {each["@id"] for each in root["hasPart"]} <= set(known)
    assert all((BOOK.parent / each["@id"]).is_file() for each in root["hasPart"])
    named = {value["@id"] for each in graph for value in each.values() if isinstance(value, dict) and "@id" in value}
    assert {each for each in named if not each.startswith("https:")} <= set(known)


def test_the_citation_of_the_book_names_every_paper_on_trial_by_its_doi():
    cited = yaml.safe_load((BOOK.parent / "CITATION.cff").read_text(encoding="utf-8"))["references"]
    bibliography = (BOOK / "references.bib").read_text(encoding="utf-8")
    keys = {paper_of(BOOK / f"{name}.ipynb") for name in NAMES} - {""}
    entries = {key: re.search(rf"(?s)@\w+{{{key},(.*?)\n}}", bibliography)[1] for key in keys}
    assert {re.search(r"doi\s*=\s*{(.+?)}", entry)[1] for entry in entries.values()} == {each["doi"] for each in cited}


def test_both_are_written(tmp_path):
    assert [path.name for path in write(BOOK, tmp_path)] == ["codecheck.yml", "ro-crate-metadata.json"]
    assert json.loads((tmp_path / "ro-crate-metadata.json").read_text())["@graph"]
