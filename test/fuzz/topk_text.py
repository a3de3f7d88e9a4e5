#!/usr/bin/env python3
"""Text as input of type topk_summary, in a throw-away server.

    build/venv/bin/python test/fuzz/topk_text.py CORPUS... [-- OPTION OF LIBFUZZER...]

The inputs of the corpus are tried through SQL, as `make check` does: the server
lives, refuses only with the errors that belong to bad input, and what it
accepts has a text form that is read to an equal summary, and every function
reads it.

With options of libFuzzer that follows: build/fuzz/topk_text.so, which is
topk_text_fuzz.c, runs in a backend until they say that it is enough.  New
inputs go to the first folder.  The server must run under AddressSanitizer's
runtime then (`make fuzz FUZZ=topk_text` sees to that).
"""

import re
import shutil
import sys
from pathlib import Path

import psycopg

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT))

from demo.stack import Stack, exit_on_signals  # noqa: E402

# Not JSON or no summary, k out of range, a number or an item out of range, too deeply nested, a bad escape.
REFUSALS = {"22P02", "22023", "22003", "54000", "54001", "22P05"}
MODULE = CHECKOUT / "build" / "fuzz" / "topk_text.so"

# Each input in a subtransaction of its own: the SQLSTATE that refused it, or NULL.
SETUP = """
CREATE EXTENSION IF NOT EXISTS topk;
CREATE OR REPLACE FUNCTION pg_temp.try(input text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	s topk_summary;
BEGIN
	BEGIN
		s := input;
	EXCEPTION WHEN OTHERS THEN
		RETURN SQLSTATE;
	END;
	ASSERT s::text::topk_summary = s, 'the text form is not read to an equal summary';
	ASSERT s::text::topk_summary::text = s::text, 'the text form is not stable';
	ASSERT s::jsonb = s::text::jsonb, 'jsonb and text differ';
	ASSERT (SELECT count(*) FROM topk_top(s, 2000000)) = topk_size(s), 'topk_top lists too few or too many';
	ASSERT NOT EXISTS (SELECT FROM topk_top(s, 3) WHERE topk_lower_bound(s, item) <> lower_bound
		OR topk_upper_bound(s, item) <> upper_bound), 'topk_top and the bounds differ';
	ASSERT (topk_k(s) + 1)::numeric * coalesce(topk_error(s), 0) <= coalesce(topk_total(s), 0), 'the error is too large';
	ASSERT topk_size(topk_resize(s, 1)) <= 1, 'topk_resize has cut nothing';
	ASSERT topk_from_murmur(topk_to_murmur(s, 3)) IS NOT NULL, 'Murmur''s form is not read again';
	RETURN NULL;
END $$;
"""


def replay(dsn, texts):
    """Try each text; returns how many were accepted.  Raises AssertionError or what the server said."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        connection.execute(SETUP)
        verdicts = connection.execute("SELECT pg_temp.try(t) FROM unnest(%s::text[]) AS t", [texts]).fetchall()
    for text, (sqlstate,) in zip(texts, verdicts, strict=True):
        assert sqlstate is None or sqlstate in REFUSALS, f"refused with {sqlstate}: {text!r}"
    return sum(sqlstate is None for sqlstate, in verdicts)


def fuzz(stack, postgres, folders, options):
    """libFuzzer in a backend; returns what it reported, and whether it came to its end."""
    shared = stack.folder / "fuzz"  # the server runs as another user, who may not enter the checkout
    shared.mkdir(mode=0o777)
    shared.chmod(0o777)
    module = Path(shutil.copy(MODULE, shared))
    copies = [shutil.copytree(folder, shared / str(number)) for number, folder in enumerate(folders)]
    copies[0].chmod(0o777)
    try:
        with psycopg.connect(postgres.dsn, autocommit=True) as connection:
            connection.execute("CREATE FUNCTION pg_temp.fuzz(text[]) RETURNS void LANGUAGE c STRICT "
                               f"AS '{module}', 'topk_text_fuzz'")
            connection.execute("SELECT pg_temp.fuzz(%s)", [[
                "topk_text", *options, "-rss_limit_mb=0", f"-artifact_prefix={shared}/topk_text-", *map(str, copies)]])
    except psycopg.OperationalError:
        pass  # the backend ended with the run
    shutil.copytree(copies[0], folders[0], dirs_exist_ok=True)
    for finding in shared.glob("topk_text-*"):
        shutil.copy(finding, MODULE.parent)
    report = postgres.process.log.read_text(errors="replace")
    return report, "stat::number_of_executed_units" in report and not list(shared.glob("topk_text-*"))


def main():
    arguments = sys.argv[1:]
    end = arguments.index("--") if "--" in arguments else len(arguments)
    folders, options = [Path(folder) for folder in arguments[:end]], arguments[end + 1:]
    if not folders:
        sys.exit(__doc__)
    exit_on_signals()
    texts = [path.read_text() for folder in folders for path in sorted(folder.iterdir())]
    with Stack() as stack:
        postgres = stack.postgres()
        print(f"{replay(postgres.dsn, texts)} of the {len(texts)} texts of the corpus are accepted", flush=True)
        if not options:
            return
        report, ended = fuzz(stack, postgres, folders, options)
    print("\n".join(re.findall(r"^stat::.*", report, re.MULTILINE)) if ended else report[-8000:])
    sys.exit(not ended)


if __name__ == "__main__":
    main()
