"""Phrases that readers had to read twice stay out of code, pages and reports."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXTS = [
    *(ROOT / name for name in ("README.rst", "CONTRIBUTING.rst")),
    *(
        path
        for folder in ("sklearn_toydnn", "benchmarks", "docs", "examples")
        for suffix in ("py", "rst", "jinja")
        for path in sorted((ROOT / folder).rglob(f"*.{suffix}"))
        if not {"_build", "generated", "auto_examples"} & {*path.parts}
    ),
]
PHRASES = [
    r"worth naming",
    r"seed noise",
    r"known again",
    r"cannot be told",
    r"for good\b",
    r"by heart",
    r"one's own",
    r"\b(is|are) (told|asked)\b",
    r"says nothing of",
    r"does not hold",
    r"true, but small",
    r"neither or both",
    r"nothing is kept",
    r"(^|[.:] )Of (the|all|these|those|each|two|what)\b",
    r"\b[Ww]hat (is|was|has|have) (been )?(kept|asked|found|told|known)\b",
]


@pytest.mark.parametrize("phrase", PHRASES)
def test_no_text_contains_the_phrase(phrase):
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in TEXTS
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(phrase, line)
    ]
    assert not found


def test_the_phrases_are_recognized():
    examples = "Of the two, what was kept", "no effect worth naming", "which is asked"
    for text in examples:
        assert any(re.search(phrase, text) for phrase in PHRASES), text
    assert len(TEXTS) > 100
