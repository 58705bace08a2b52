"""The passport of each reproduction, from its record: what was tried, how, what came out, and what is still missing.

The headings are those that the ML Reproducibility Challenge asks for. `codecheck` and `crate` write the same for
machines: the manifest of a CODECHECK, and the metadata of an RO-Crate.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import nbformat

from layerbook.chapters import read_chapter
from layerbook.claims import Claim, numbered
from layerbook.plain_markdown import Words, works_of
from layerbook.record import read_record, recorded_claims
from layerbook.recorded import record_size_told
from layerbook.training.origins import duration

MISSING = (
    "a DOI, which an archive gives to a published version",
    "a certificate of CODECHECK, which somebody else signs who has run the chapters",
    "a word from the authors of the papers, whom nobody has written to",
)
_MANY = {"holds": "hold", "holds in part": "hold in part", "fails": "fail", "undecided": "are undecided"}


def recorded_in(book: Path) -> Iterator[tuple[str, str, dict]]:
    """Name, title and record of every chapter that has one."""
    for path in sorted((book / "records").glob("*.json")):
        if (book / path.name).with_suffix(".ipynb").is_file() and (record := _read(path)):
            yield path.stem, read_chapter((book / path.name).with_suffix(".ipynb")).title, record


def _read(path: Path) -> dict | None:
    """A record; None where the file is another thing that is kept beside the records."""
    kept = json.loads(path.read_text(encoding="utf-8"))
    return read_record(path) if isinstance(kept, dict) and "claims" in kept else None


def paper_of(chapter: Path) -> str:
    """The key of the work that a chapter puts on trial, the first that its first words cite; or an empty one."""
    return next(iter(Words().works_in(nbformat.read(chapter, 4).cells[0].source)), "")


def page(book: Path) -> str:
    """The passports of all chapters, in Markdown."""
    works = works_of(book / "references.bib")
    told = [
        passport(name, title, record, works.get(paper_of(book / f"{name}.ipynb")))
        for name, title, record in recorded_in(book)
    ]
    return "\n\n".join([*told, "## What needs a person, and is missing", "\n".join(f"- {each}" for each in MISSING)])


def passport(name: str, title: str, record: Mapping, work: Sequence[str] | None) -> str:
    """The passport of one chapter, in Markdown.

    Parameters
    ----------
    name, title : of the chapter
    record : as read
    work : authors, year and title of the paper
    """
    claims = list(recorded_claims(record).values())
    paper = [each for each in claims if each.size != "own"]
    own = [each for each in claims if each.size == "own"]
    of = f"{work[0]} {work[1]}, *{work[2]}*" if work and paper else "no paper: a study of this book's own"
    hard = [each for each in paper if each.outcome == "undecided"]
    smaller = sum(each.size == "smaller" for each in paper)
    reached = f" {smaller} claims were judged at a smaller size than the paper's." if smaller else ""
    return "\n\n".join(
        [
            f"## {title}",
            f"**Scope.** {of}. {_counted(paper)}{reached} {{doc}}`{name}` has each test.",
            f"**Methods.** {_methods(record)}",
            _listed(name, "What was easy", "decided at the paper's size", [each for each in paper if _decided(each)]),
            _listed(name, "What was hard", "undecided, and why", hard, reasons=True),
            _listed(name, "What is beyond the paper", "asked by this book alone", own),
            f"**To cite.**\n\n```bibtex\n{bibtex(name, title, record)}\n```",
        ]
    )


def _decided(claim: Claim) -> bool:
    return claim.size == "paper" and claim.outcome != "undecided"


def _counted(claims: Sequence[Claim]) -> str:
    counts = Counter(_MANY.get(each.outcome, "have another verdict") for each in claims)
    told = ", ".join(f"{counts[words]} {words}" for words in [*_MANY.values(), "have another verdict"] if counts[words])
    return f"Of {len(claims)} claims {told}." if claims else "No claim of a paper is judged."


def _methods(record: Mapping) -> str:
    made, versions = record["provenance"], record["provenance"]["versions"]
    trained = sum(each["seconds"] for each in made.get("trainings", ()))
    packages = ", ".join(f"{package} {number}" for package, number in versions.items() if package != "python")
    return (
        f"{record_size_told(record).capitalize()}. Measured on {made['device']} in {duration(made['duration_s'])}"
        + (f", after {duration(trained)} of training" if trained else "")
        + f", {made['date'][:10]}, at commit `{made['commit'][:9]}`; Python {versions['python']}, {packages}."
    )


def _listed(chapter: str, heading: str, which: str, claims: Sequence[Claim], reasons: bool = False) -> str:
    lines = []
    for each in claims:
        reason = f"; {each.reason}" if reasons and each.reason else ""
        lines.append(f"- {numbered(each.item, chapter)}: {each.says} *({each.outcome}{reason})*")
    body = "\n".join(lines) if lines else "Nothing."
    return f"**{heading}** ({which}).\n\n{body}" if len(lines) < 6 else _folded(f"{heading} ({which})", body)


def _folded(heading: str, body: str) -> str:
    return f"```{{admonition}} {heading}\n:class: dropdown\n\n{body}\n```"


def bibtex(name: str, title: str, record: Mapping) -> str:
    """The entry of a chapter for a list of references."""
    version, year = record["provenance"]["versions"].get("layerlib", ""), record["provenance"]["date"][:4]
    fields = {
        "author": "{The layer book authors}",
        "title": title,
        "booktitle": "The layer book",
        "year": year,
        "edition": version,
        "note": f"Record of {record['provenance']['date'][:10]}, commit {record['provenance']['commit'][:9]}",
    }
    lines = ",\n".join(f"  {key} = {{{value}}}" for key, value in fields.items())
    return f"@incollection{{layerbook-{name.replace('_', '-')},\n{lines}\n}}"


def codecheck(book: Path) -> str:
    """The manifest of a CODECHECK: what somebody else would have to see again; without a checker, as there is none."""
    files = [
        {"file": f"book/records/{name}.json", "comment": f"numbers and verdicts of “{title}”"}
        for name, title, _ in recorded_in(book)
    ]
    papers = [f"  # {work[0]} ({work[1]}): {work[2]}" for work in _papers(book)]
    manifest = [
        f"  - file: {each['file']}\n    comment: {json.dumps(each['comment'], ensure_ascii=False)}" for each in files
    ]
    return "\n".join(
        [
            "---",
            "version: https://codecheck.org.uk/spec/config/1.0/",
            "# certificate, codechecker, check_time, report: missing, as nobody has checked this book yet",
            "paper:",
            "  title: The layer book",
            "  authors:",
            "    - name: The layer book authors",
            "  # no reference: there is no DOI; on trial are",
            *papers,
            "manifest:",
            *manifest,
            "summary: >-",
            "  Each record is made again by `layerlib verify book/records/NAME.json`; `make book` makes the pages.",
            "",
        ]
    )


def _papers(book: Path) -> list[Sequence[str]]:
    works, recorded = works_of(book / "references.bib"), list(recorded_in(book))
    keys = [paper_of(book / f"{name}.ipynb") for name, _, record in recorded if record["size"] != "own"]
    return [works[key] for key in dict.fromkeys(keys) if key in works]


def crate(book: Path) -> dict:
    """The metadata of an RO-Crate 1.2: the chapters as notebooks, each with the record that it made."""
    files, described = [], []
    for name, title, record in recorded_in(book):
        notebook, kept, made = f"book/{name}.ipynb", f"book/records/{name}.json", record["provenance"]
        files += [{"@id": notebook}, {"@id": kept}]
        action = {"@id": f"#{name}", "@type": "CreateAction", "name": f"Recording of {title}", "endTime": made["date"]}
        kinds = ["File", "SoftwareSourceCode"]
        language = {"@type": "ComputerLanguage", "name": "Python", "version": made["versions"]["python"]}
        described += [
            {"@id": notebook, "@type": kinds, "name": title, "programmingLanguage": {"@id": f"#python-{name}"}},
            {"@id": f"#python-{name}"} | language,
            {"@id": kept, "@type": "File", "name": f"Record of {title}", "encodingFormat": "application/json"},
            action | {"instrument": {"@id": notebook}, "result": {"@id": kept}},
        ]
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": "The layer book",
        "description": "Executable chapters that put papers about deep layers on trial, and the records of their runs.",
        "license": {"@id": "https://spdx.org/licenses/BSD-3-Clause"},
        "author": {"@id": "#authors"},
        "datePublished": max((record["provenance"]["date"] for _, _, record in recorded_in(book)), default="")[:10],
        "hasPart": files,
    }
    head = {
        "@id": "ro-crate-metadata.json",
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.2"},
    }
    authors = {"@id": "#authors", "@type": "Organization", "name": "The layer book authors"}
    license = {"@id": "https://spdx.org/licenses/BSD-3-Clause", "@type": "CreativeWork", "name": "BSD-3-Clause"}
    return {"@context": "https://w3id.org/ro/crate/1.2/context", "@graph": [head, root, authors, license, *described]}


def write(book: Path, out: Path) -> list[Path]:
    """Write ``codecheck.yml`` and ``ro-crate-metadata.json`` into a folder.

    Returns
    -------
    list of the files written
    """
    out.mkdir(parents=True, exist_ok=True)
    texts = {"codecheck.yml": codecheck(book), "ro-crate-metadata.json": json.dumps(crate(book), indent=1) + "\n"}
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8")
    return [out / name for name in texts]
