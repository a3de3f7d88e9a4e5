"""The SQL in the documentation: is it true?  And its links: do they lead somewhere?

A document is pasted into psql, as a reader would: all ```sql blocks, in order,
into one session in a fresh database.  A block that is followed by a block
without a language must print exactly that (but for "(n rows)" and spaces at
the ends of lines); any other block must succeed.
"""

import os
import re
import subprocess

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = "==== next block ===="
PROBLEM = re.compile(r"^(ERROR|FATAL|PANIC|psql|invalid command|server closed|connection to server)\b", re.MULTILINE)

# docs/topk.md is the reference of this extension, so it names all its functions.
REFERENCE, EXTENSION = "topk", "topk"
FUNCTIONS = f"""
SELECT DISTINCT proname FROM pg_depend JOIN pg_proc ON pg_proc.oid = objid AND classid = 'pg_proc'::regclass
WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
  AND refobjid = (SELECT oid FROM pg_extension WHERE extname = '{EXTENSION}') ORDER BY proname"""


def blocks(text):
    """(line, sql, shown output or None) of each ```sql block."""
    fences = list(FENCE.finditer(text))
    for fence, following in zip(fences, [*fences[1:], None]):
        if fence[1] == "sql":
            shown = following and following[1] == "" and not text[fence.end():following.start()].strip()
            yield text.count("\n", 0, fence.start()) + 1, fence[2], following[2] if shown else None


def check(path, postgres):
    """Paste a document; yields (what was checked, what is wrong or "")."""
    found = list(blocks(path.read_text()))
    if not found:
        return
    database = f"docs {path.stem}"
    psql(postgres, "postgres", f'DROP DATABASE IF EXISTS "{database}"')
    psql(postgres, "postgres", f'CREATE DATABASE "{database}"')
    output = psql(postgres, database, "".join(f"\\echo '{MARK}'\n{sql}\n" for _, sql, _ in found))
    printed = output.split(f"{MARK}\n")[1:]
    for (line, _, shown), output in zip(found, printed):
        yield f"line {line}", failure(output) if shown is None else difference(shown, output)
    yield "runs to its end", "" if len(printed) == len(found) else output
    if path.stem == REFERENCE:
        names = psql(postgres, database, FUNCTIONS, "-At").split()
        missing = [name for name in names if not re.search(rf"\b{name}\b", path.read_text())]
        yield "names every function", "" if names and not missing else f"missing: {missing} of {names}"


def psql(postgres, database, script, *options):
    """What psql prints, errors among it, when it is fed a script."""
    return subprocess.run([postgres.bindir / "psql", "-X", "-q", "-P", "footer=off", *options], input=script, text=True,
                          env={**os.environ, **postgres.env(database)},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout


def failure(output):
    return output if PROBLEM.search(output) else ""


def difference(shown, output):
    if stripped(shown) == stripped(output):
        return ""
    return f"the document shows\n{shown}\nbut psql prints\n{output}"


def stripped(text):
    return [line.rstrip() for line in text.strip("\n").splitlines()]


# ---- links ----

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


def broken_links(path):
    """The links of a document that lead to no file, or to no heading in it."""
    text = FENCE.sub("", path.read_text())
    broken = []
    for link in LINK.findall(text):
        place, _, anchor = link.partition("#")
        target = (path.parent / place).resolve() if place else path
        if re.match(r"[a-z]+:", link) or (target.exists() and (not anchor or anchor in anchors(target))):
            continue
        broken.append(link)
    return broken


def anchors(path):
    """What GitHub makes of each heading: lower case, no punctuation, hyphens for spaces."""
    headings = HEADING.findall(FENCE.sub("", path.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
