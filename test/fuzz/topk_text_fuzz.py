#!/usr/bin/env python3
"""Mutated text as input of type topk_summary.

    build/venv/bin/python test/fuzz/topk_text_fuzz.py [--seconds N | --runs N] CORPUS...

The text form is parsed by the server's own JSON code, so this is no libFuzzer
target: nothing steers it to new code.  It blindly mutates the corpus and texts
that it makes up, many at a time, in a throw-away server, and asks of each that

  - the server lives, and refuses only with the errors that belong to bad input,
  - what is accepted has a text form that is read to an equal summary, and
    every function reads it.

`make check` runs the corpus alone (test/run.py).
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path

import psycopg

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT))

from demo.stack import Stack, exit_on_signals  # noqa: E402

# Not JSON or no summary, k out of range, a number or an item out of range, too deeply nested, a bad escape.
REFUSALS = {"22P02", "22023", "22003", "54000", "54001", "22P05"}
BATCH = 2000
FINDING = CHECKOUT / "build" / "fuzz" / "topk_text-finding"

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

TOKENS = [*'{}[],:"\\', "null", "true", "0", "-1", "1e3", "1.0", "9223372036854775807", "9223372036854775808", "1e99999",
          '"k"', '"total"', '"error"', '"items"', '["a",1,1]', '["",2,2],', "[]", "{}", '""', "\\u0000", "\\ud800",
          "\\ud83d\\udc18", "\\n", "ü", "\U0001f418", " ", "\t", "100000", "100001"]


NAMES = ["a", "b", "ab", "", "\0", '"', "\\", "\n", "\x7f", "ü", "\U0001f418", "null", "x" * 300]


def generated(numbers):
    """A text that is likely to be a summary."""
    def pick(limit):
        return numbers.choice((0, 1, limit, numbers.randrange(limit + 1), numbers.randrange(limit + 1)))

    k = 1 + pick(20)
    total = pick(numbers.choice((1000, 2**63 - 1)))
    error = pick(total // (k + 1))
    unknown = numbers.random() < 0.2
    items = []
    for name in numbers.sample(NAMES, pick(min(k, len(NAMES)))):
        lower = 1 + pick(total // (2 * k))
        items.append([name, lower, None if unknown else lower + pick(error)])
    summary = {"k": k, "total": None if unknown else total, "error": None if unknown else error, "items": items}
    return json.dumps(summary, ensure_ascii=numbers.random() < 0.5)


def mutated(texts, numbers):
    text = generated(numbers) if numbers.random() < 0.5 else numbers.choice(texts)
    for _ in range(numbers.choice((0, 0, 1, 1, 2, 4))):
        at, end = sorted((numbers.randrange(len(text) + 1), numbers.randrange(len(text) + 1)))
        end = min(end, at + numbers.randrange(12))
        match numbers.randrange(6):
            case 0:
                text = text[:at] + numbers.choice(TOKENS) + text[at:]
            case 1:
                text = text[:at] + numbers.choice(TOKENS) + text[end:]
            case 2:
                text = text[:at] + text[end:]
            case 3:
                text = text[:at] + text[at:end] * 2 + text[end:]
            case 4:
                text = text[:at] + chr(numbers.randrange(1, 300)) + text[at + 1:]
            case 5:
                other = numbers.choice(texts)
                text = text[:at] + other[numbers.randrange(len(other) + 1):]
    return text[:4000]


def replay(dsn, texts):
    """Try each text; returns how many were accepted.  Raises AssertionError or what the server said."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        connection.execute(SETUP)
        return try_all(connection, texts)


def try_all(connection, texts):
    verdicts = connection.execute("SELECT pg_temp.try(t) FROM unnest(%s::text[]) AS t", [texts]).fetchall()
    for text, (sqlstate,) in zip(texts, verdicts, strict=True):
        assert sqlstate is None or sqlstate in REFUSALS, f"refused with {sqlstate}: {text!r}"
    return sum(sqlstate is None for sqlstate, in verdicts)


def fuzz(dsn, texts, seconds, runs):
    numbers = random.Random()
    deadline = time.monotonic() + seconds if runs is None else float("inf")
    done = accepted = 0
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(SETUP)
        while time.monotonic() < deadline and (runs is None or done < runs):
            batch = [mutated(texts, numbers) for _ in range(BATCH)]
            try:
                accepted += try_all(connection, batch)
            except (psycopg.Error, AssertionError):
                FINDING.parent.mkdir(parents=True, exist_ok=True)
                FINDING.write_text("\n".join(map(repr, batch)))
                print(f"the batch is in {FINDING}", file=sys.stderr)
                raise
            done += len(batch)
    print(f"{done} runs, {accepted} accepted, no finding")


def read_corpus(folders):
    return [path.read_text() for folder in folders for path in sorted(Path(folder).iterdir())]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--runs", type=int)
    parser.add_argument("corpus", nargs="+")
    options = parser.parse_args()
    exit_on_signals()
    texts = read_corpus(options.corpus)
    with Stack() as stack:
        dsn = stack.postgres().dsn
        print(f"{replay(dsn, texts)} of the {len(texts)} texts of the corpus are accepted", flush=True)
        fuzz(dsn, texts, options.seconds, options.runs)


if __name__ == "__main__":
    sys.exit(main())
