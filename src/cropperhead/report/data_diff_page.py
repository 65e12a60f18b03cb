"""The changes between two versions of the data, as a page in Markdown with a picture."""

from collections import Counter
from pathlib import Path

from cropperhead.evaluation.number_text import format_number
from cropperhead.report import chart_images, distribution_shift, markdown
from cropperhead.report.data_diff import Changes, Label, is_leak
from cropperhead.report.distribution_shift import Shift, p_value_text
from cropperhead.report.table import Table, plain_table

PICTURE, PAGE = "data-diff.png", "data-diff.md"

_MOST_NAMES = 20  # of photos in each list of the page


def write_changes(changes: Changes, folder: Path) -> tuple[Path, Path]:
    """Write the page (Markdown) and its picture (PNG); return both files."""
    folder.mkdir(parents=True, exist_ok=True)
    page, picture = folder / PAGE, folder / PICTURE
    chart_images.draw_shifts(changes.shifts, changes.before, changes.after, picture)
    page.write_text(render_changes(changes, PICTURE), encoding="utf-8")
    return page, picture


def render_changes(changes: Changes, picture: str) -> str:
    """Render the changes as Markdown; `picture` is the path of its picture, from the page."""
    before, after = map(markdown.escape_text, (changes.before, changes.after))
    parts = [
        f"# Changes in the data: {before} to {after}",
        *_split_section(changes),
        "## Counts",
        markdown.format_table(_count_table(changes)),
        "## Distribution of the crops",
        *_distribution_section(changes),
        f"![Histograms of each limit, of the angle and of the area, before and after]({picture})",
        *_photo_sections(changes),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _split_section(changes: Changes) -> list[str]:
    """Report first what decides whether scores can be trusted and compared."""
    return [*_leak_warning(changes), *_divided_warning(changes), *_move_section(changes)]


def _leak_warning(changes: Changes) -> list[str]:
    if not changes.leaks:
        return []
    return [
        f"**Photos that leak between the versions: {len(changes.leaks):,}.** One version trains on "
        f"them, the other tests on them. A model of {markdown.escape_text(changes.before)} scores "
        "too high on the current test photos, and a current model on the earlier ones."
    ]


def _divided_warning(changes: Changes) -> list[str]:
    if not changes.divided:
        return []
    groups = [markdown.code_span(name) for name in changes.divided]
    return [
        f"**Groups of similar photos in several splits now: {len(changes.divided):,}.** The test "
        "split has photos that are nearly the same as training photos.",
        markdown.format_list(groups, _MOST_NAMES),
    ]


def _move_section(changes: Changes) -> list[str]:
    if not changes.moved:
        return ["No photo in both versions has moved to another split."]
    ways = Counter((move.before, move.after) for move in changes.moved)
    rows = [(f"{before} to {after}", f"{n:,}") for (before, after), n in sorted(ways.items())]
    # leaks first, because the list may be cut
    moves = sorted(changes.moved, key=lambda move: not is_leak(move))
    names = [f"{markdown.code_span(m.photo)}: {m.before} to {m.after}" for m in moves]
    return [
        "## Moved between splits",
        markdown.format_table(plain_table(("move", "photos"), rows)),
        markdown.format_list(names, _MOST_NAMES),
    ]


def _count_table(changes: Changes) -> Table:
    rows = [(name, f"{old:,}", f"{new:,}") for name, (old, new) in changes.counts.items()]
    return plain_table(("", changes.before, changes.after), rows)


def _distribution_section(changes: Changes) -> list[str]:
    head = ("measure", "mean", "change", "median", "change", "KS", "p")
    caption = (
        "Means and medians are those of the later version. KS is the two-sample "
        "Kolmogorov–Smirnov statistic, the largest distance between the two cumulative "
        "distributions. p is how often chance alone makes it as large, corrected for the number "
        "of rows (Holm). Versions that share photos are more alike than independent samples, so "
        "p is too high rather than too low."
    )
    table = plain_table(head, map(_shift_row, changes.shifts))
    return [_shift_conclusion(changes), markdown.format_table(table), caption]


def _shift_conclusion(changes: Changes) -> str:
    shifted = [shift.measure for shift in changes.shifts if shift.p_value < 0.05]
    if shifted:
        return f"**Shifted by more than chance explains** (p below 0.05): {', '.join(shifted)}."
    return "No measure has shifted by more than chance explains (p below 0.05)."


def _shift_row(shift: Shift) -> tuple[str, ...]:
    unit = distribution_shift.UNITS[shift.measure]
    digits = 2 if unit else 3
    cells = []
    for before, after in (shift.means, shift.medians):
        cells.append(format_number(after, digits, unit=unit))
        cells.append(format_number(after - before, digits, signed=True, unit=unit))
    return (shift.measure, *cells, format_number(shift.statistic, 3), p_value_text(shift.p_value))


def _photo_sections(changes: Changes) -> list[str]:
    """List the photos of each kind of change."""
    code = markdown.code_span
    kinds = {
        "Added": [code(name) for name in changes.added],
        "Removed": [code(name) for name in changes.removed],
        "Renamed, the same file": [f"{code(old)} to {code(new)}" for old, new in changes.renamed],
        "Rewritten: the same name, other bytes": [code(name) for name in changes.rewritten],
        "Recropped": [
            f"{_describe_label(each.label)}: overlap {format_number(each.overlap, 3)} with the "
            "earlier crop"
            for each in sorted(changes.recropped, key=lambda each: (each.overlap, each.label))
        ],
        "New crops of photos in both versions": list(map(_describe_label, changes.gained)),
        "Removed crops of photos in both versions": list(map(_describe_label, changes.lost)),
    }
    sections = []
    for title, items in kinds.items():
        if items:
            sections += [f"## {title}: {len(items):,}", markdown.format_list(items, _MOST_NAMES)]
    return sections or ["The photos and their crops are the same."]


def _describe_label(label: Label) -> str:
    who = ", ".join(markdown.escape_text(part) for part in (label.author, label.source) if part)
    return f"{markdown.code_span(label.photo)} ({who})"
