"""What the demo prints: steps with their time, tables side by side, checks.

Knows nothing of what is measured.
"""

import contextlib
import os
import shutil
import sys
import time

TERMINAL = sys.stdout.isatty()
COLORS = TERMINAL and "NO_COLOR" not in os.environ
NAME_WIDTH = 14


def styled(code, text):
    return f"\033[{code}m{text}\033[0m" if COLORS else text


def bold(text):
    return styled("1", text)


def dim(text):
    return styled("2", text)


def heading(text):
    print(f"\n{bold(text)}", flush=True)


def number_of(number, noun):
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class Step:
    """What is going on; .note is shown behind it when it is done."""

    def __init__(self, what):
        self.what = what
        self.note = ""
        self.started = time.monotonic()

    def progress(self, text):
        """Show how far the step is, where that can be shown in place."""
        if TERMINAL:
            print(f"\r\033[K  … {self.what}  {dim(text)}", end="", flush=True)


@contextlib.contextmanager
def step(what):
    this = Step(what)
    this.progress("")
    try:
        yield this
    except BaseException:
        if TERMINAL:
            print()
        raise
    seconds = f"{time.monotonic() - this.started:5.1f} s"
    start = "\r\033[K" if TERMINAL else ""
    print(f"{start}  {styled('32', '✓')} {what:<38}{dim(seconds)}  {this.note}", flush=True)


class Checks:
    """What had to be so, and whether it was."""

    def __init__(self):
        self.failed = 0

    def check(self, holds, what, otherwise=""):
        if holds:
            print(f"  {styled('32', '✓')} {what}", flush=True)
        else:
            self.failed += 1
            print(f"  {styled('31', '✗')} {what}{': ' if otherwise else ''}{styled('31', otherwise)}", flush=True)


def tables(blocks):
    """Print tables beside each other, as many as the terminal is wide; each is (title, header, rows)."""
    rendered = [render(*block) for block in blocks]
    gap = "    "
    columns = shutil.get_terminal_size((120, 24)).columns
    while rendered:
        row = [rendered.pop(0)]
        width = len(row[0][0][0])
        while rendered and width + len(gap) + len(rendered[0][0][0]) + 2 <= columns:
            width += len(gap) + len(rendered[0][0][0])
            row.append(rendered.pop(0))
        print()
        height = max(len(block) for block in row)
        for line in range(height):
            cells = [block[line] if line < len(block) else (" " * len(block[0][0]), str) for block in row]
            print("  " + gap.join(style(text) for text, style in cells).rstrip(), flush=True)


def render(title, header, rows):
    """Lines of equal width, each with its style."""
    texts = [[clip(str(row[0]))] + [f"{number:,}" if number is not None else "-" for number in row[1:]] for row in rows]
    widths = [max(len(line[column]) for line in [list(header)] + texts) for column in range(len(header))]
    width = max(len(title), sum(widths) + 2 * (len(widths) - 1))

    def line(cells):
        first = cells[0].ljust(widths[0])
        return "  ".join([first] + [cell.rjust(size) for cell, size in zip(cells[1:], widths[1:])]).ljust(width)

    return [(title.ljust(width), bold), (line(list(header)), dim)] + [(line(text), str) for text in texts]


def clip(name):
    return name if len(name) <= NAME_WIDTH else name[:NAME_WIDTH - 1] + "…"
