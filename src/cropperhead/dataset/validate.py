"""Checks labels with Great Expectations, and quarantines invalid ones. Nothing else imports it.

Every label is checked by the same suite, with ranges from params.yaml. A label that breaks an
expectation is quarantined with the expectation's name; sound labels pass unchanged. Crops that are
all alike teach nothing and suggest a mistake in reading them, so they are an error too.
"""

import html
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe
import numpy as np
import pandas as pd
from great_expectations.core.expectation_validation_result import (
    expectationSuiteValidationResultSchema,
)
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
)
from great_expectations.render.renderer import ValidationResultsPageRenderer
from great_expectations.render.view import DefaultJinjaPageView
from tqdm import tqdm

from cropperhead.errors import DataError, RejectedFile
from cropperhead.geometry import crops
from cropperhead.geometry.crops import CROP_COLUMNS, Floats
from cropperhead.params import ValidateParams
from cropperhead.photos import image

KEY = ("photo", "author", "source")
LIMITS = CROP_COLUMNS[:4]
SIDES = ("width", "height")
QUARANTINE_COLUMNS = (*KEY, "expectation", *CROP_COLUMNS, "corner_outside", *SIDES, "image_problem")

_IMAGE_SIDES = ("image_width", "image_height")
_BARS = 25  # of a histogram: an odd number, so that level crops are in the middle of one
_LEAST_FOR_SPREAD = 3  # sound labels: one has no spread, and two may be alike by chance
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Histogram:
    """How many sound labels have a value within each of equal parts of a range."""

    name: str
    low: float
    high: float
    counts: tuple[int, ...]


@dataclass(frozen=True)
class LabelCheck:
    """The result of checking labels."""

    sound: pd.DataFrame  # the labels that broke no expectation, columns and order unchanged
    quarantine: pd.DataFrame  # QUARANTINE_COLUMNS of the others, in the same order
    failures: Mapping[str, int]  # expectation -> number of labels that broke it
    spread: Mapping[str, float]  # limit -> standard deviation of sound labels; empty if too few
    all_alike: bool  # False if there are too few labels to decide
    validations: tuple[Any, ...]  # Great Expectations' own results, for write_data_docs

    @property
    def rows(self) -> int:
        """Return the number of labels."""
        return len(self.sound) + len(self.quarantine)

    @property
    def quarantined_share(self) -> float:
        """Return the share of labels that broke an expectation, 0 to 1."""
        return len(self.quarantine) / max(1, self.rows)


def check_labels(
    labels: pd.DataFrame, params: ValidateParams, image_problems: Mapping[str, str] | None = None
) -> LabelCheck:
    """Check every label against the suite.

    `labels` is the labels table, `image_problems` the result of `find_image_problems`. Labels that
    share a key are all quarantined, because it is unclear which is right.
    """
    labels = labels.reset_index(drop=True)
    table = _table(labels, image_problems or {})
    suite = _suite(params)
    context = _context()
    validation = _validate(context, "labels", table, suite)
    failures = _failures(validation, suite)
    unsound = sorted({row for rows in failures.values() for row in rows})
    sound = labels.drop(index=unsound).reset_index(drop=True)
    spread = _validate_spread(context, sound, params)
    return LabelCheck(
        sound=sound,
        quarantine=_quarantine(table, unsound, failures),
        failures={name: len(rows) for name, rows in failures.items()},
        spread=_spread(sound) if spread else {},
        all_alike=spread is not None and not spread.success,
        validations=(validation, spread) if spread else (validation,),
    )


def require_sound(check: LabelCheck, params: ValidateParams) -> None:
    """Raise DataError if too many labels are unsound, none is sound, or all crops are alike."""
    unsound, most = len(check.quarantine), params.max_quarantined
    if check.quarantined_share > most:
        name, count = Counter(check.failures).most_common(1)[0]
        raise DataError(
            f"validate: {unsound} of {check.rows} labels are unsound "
            f"({check.quarantined_share:.1%}), expected at most {most:.1%} "
            f"(validate.max_quarantined). {count} break '{name}'. reports/quarantine.csv lists all."
        )
    if check.sound.empty:
        raise DataError(f"validate: none of {check.rows} labels is sound: nothing to learn from.")
    if check.all_alike:
        name, widest = max(check.spread.items(), key=lambda item: item[1])
        raise DataError(
            f"validate: all {len(check.sound)} crops are alike: the limit that varies most, "
            f"{name}, has a standard deviation of {widest:.2g}, expected at least "
            f"{params.min_spread:g} (validate.min_spread). Check that the photos in "
            "extract.library were cropped one by one."
        )


def find_image_problems(
    labels: pd.DataFrame, images: Iterable[tuple[str, bytes]]
) -> dict[str, str]:
    """Return photo -> sentence for every stored copy that has a problem.

    `images` is a stream of each photo once with its JPEG, which must decode, upright, to
    image_width x image_height, in the shape of width x height.
    """
    sizes = _sizes_by_photo(labels)
    problems: dict[str, str | None] = dict.fromkeys(sizes, "no picture is stored")
    for photo, jpeg in tqdm(images, "validate", len(sizes), unit="photo", delay=2):
        problems[photo] = _image_problem(jpeg, sizes.get(photo, []))
    return {photo: problem for photo, problem in problems.items() if problem}


def statistics(check: LabelCheck) -> dict[str, Any]:
    """Return the counts and the spread as plain values for JSON."""
    return {
        "rows": check.rows,
        "sound": len(check.sound),
        "quarantined": len(check.quarantine),
        "quarantined_share": check.quarantined_share,
        "failures": dict(check.failures),
        "spread": dict(check.spread),
        "alike": _alike(check),
    }


def write_validate_reports(check: LabelCheck, quarantine: Path, statistics_file: Path) -> None:
    """Write the quarantined labels (CSV) and the statistics (JSON): same labels, same bytes."""
    quarantine.parent.mkdir(parents=True, exist_ok=True)
    check.quarantine.to_csv(quarantine, index=False, lineterminator="\n")
    statistics_file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(statistics(check), indent=2, sort_keys=True)
    statistics_file.write_text(text + "\n", encoding="utf-8")


def write_data_docs(check: LabelCheck, folder: Path) -> None:
    """Write Great Expectations' Data Docs as one page, `index.html`, that needs no network.

    Its own site loads styles and scripts from seven servers and reports each visit, so the blocks
    of its renderers go into our page. Same labels, same bytes.
    """
    renderer = ValidationResultsPageRenderer()
    documents = [renderer.render(_as_from_store(result)) for result in check.validations]
    page = documents[0]
    # the first section links to pages of the site and has the time of the run
    page.sections = [section for document in documents for section in document.sections[1:]]
    view = DefaultJinjaPageView(custom_views_directory=str(_TEMPLATES))
    facts = {"statistics": statistics(check), "histograms": find_histograms(check.sound)}
    text = view.render(page, template="data_docs.html.j2", **facts)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(text, encoding="utf-8")


def find_histograms(sound: pd.DataFrame) -> list[Histogram]:
    """Return how the limits, the sides and the angles of sound labels are distributed."""
    top, left, bottom, right, angle = sound[[*CROP_COLUMNS]].to_numpy(dtype=float).T
    fractions = {"top": top, "left": left, "bottom": bottom, "right": right}
    fractions |= {"width": right - left, "height": bottom - top}
    # a degree at least: level crops are one bar in the middle
    widest = max(1.0, float(np.ceil(np.abs(angle).max(initial=0))))
    return [
        *(_histogram(name, values, 0, 1) for name, values in fractions.items()),
        _histogram("angle", angle, -widest, widest),
    ]


def _histogram(name: str, values: Floats, low: float, high: float) -> Histogram:
    counts, _ = np.histogram(values, bins=_BARS, range=(low, high))
    return Histogram(name, low, high, tuple(counts.tolist()))


def _table(labels: pd.DataFrame, problems: Mapping[str, str]) -> pd.DataFrame:
    """Return the columns to check, including computed ones; `row` is the position."""
    limits = labels[[*CROP_COLUMNS]].to_numpy(dtype=float)
    top, left, bottom, right = limits[:, :4].T
    return labels[[*KEY, *SIDES, *CROP_COLUMNS]].assign(
        row=np.arange(len(labels)),
        crop_width=right - left,
        crop_height=bottom - top,
        corner_outside=_corner_outside(limits, labels),
        image_problem=labels["photo"].map(dict(problems)),
    )


def _corner_outside(limits: Floats, labels: pd.DataFrame) -> Floats:
    width, height = labels[[*SIDES]].to_numpy(dtype=float).T
    # invalid numbers give NaN here, and each breaks an expectation of its own
    with np.errstate(all="ignore"):
        aspect = np.where((width > 0) & (height > 0), width / height, np.nan)
        return crops.outside(limits, aspect)


def _suite(params: ValidateParams) -> dict[str, Any]:
    """Return the expectations on single labels, by the names that reports use."""
    least, slack = params.min_side, params.corner_tolerance
    return {
        **{f"{name} present": _present(name) for name in (*KEY, *SIDES, *CROP_COLUMNS)},
        "photo, author and source unique": gxe.ExpectCompoundColumnsToBeUnique(
            column_list=[*KEY], ignore_row_if="any_value_is_missing"
        ),
        **{f"{name} above 0": _between(name, 1, None) for name in SIDES},
        **{f"{name} {_range(params.limits)}": _between(name, *params.limits) for name in LIMITS},
        "crop_top < crop_bottom": _less("crop_top", "crop_bottom"),
        "crop_left < crop_right": _less("crop_left", "crop_right"),
        f"crop_width at least {least:g}": _between("crop_width", least, None),
        f"crop_height at least {least:g}": _between("crop_height", least, None),
        f"crop_angle {_range(params.angle_deg)}": _between("crop_angle", *params.angle_deg),
        f"corner_outside at most {slack:g}": _between("corner_outside", None, slack),
        "image as stated": gxe.ExpectColumnValuesToBeNull(column="image_problem"),
    }


def _range(bounds: tuple[float, float]) -> str:
    return f"between {bounds[0]:g} and {bounds[1]:g}"


def _present(column: str) -> Any:
    return gxe.ExpectColumnValuesToNotBeNull(column=column)


def _between(column: str, low: float | None, high: float | None) -> Any:
    return gxe.ExpectColumnValuesToBeBetween(column=column, min_value=low, max_value=high)


def _less(smaller: str, larger: str) -> Any:
    return gxe.ExpectColumnPairValuesAToBeGreaterThanB(
        column_A=larger, column_B=smaller, ignore_row_if="either_value_is_missing"
    )


def _context() -> Any:
    """Return a context that stays in memory, prints no progress bars and sends no analytics."""
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        analytics_enabled=False,
        progress_bars={"globally": False},
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def _validate(context: Any, name: str, table: pd.DataFrame, suite: Mapping[str, Any]) -> Any:
    """Run a suite on a table whose index counts from 0."""
    for title, expectation in suite.items():
        expectation.meta = {"name": title}
    asset = context.data_sources.add_pandas(name).add_dataframe_asset(name)
    definition = gx.ValidationDefinition(
        name=name,
        data=asset.add_batch_definition_whole_dataframe(name),
        suite=context.suites.add(gx.ExpectationSuite(name, expectations=[*suite.values()])),
    )
    return context.validation_definitions.add(definition).run(
        batch_parameters={"dataframe": table},
        result_format={
            "result_format": "COMPLETE",
            "unexpected_index_column_names": ["row", *KEY],
            "return_unexpected_index_query": False,
        },
    )


def _failures(validation: Any, suite: Mapping[str, Any]) -> dict[str, list[int]]:
    """Return expectation -> positions of the labels that broke it, in the suite's order."""
    results = {result.expectation_config.meta["name"]: result for result in validation.results}
    return {name: _positions(name, results[name]) for name in suite}


def _positions(name: str, result: Any) -> list[int]:
    if "unexpected_index_list" not in result.result:
        raise TypeError(f"labels: '{name}' cannot be evaluated: {result.exception_info}")
    return [int(label["row"]) for label in result.result["unexpected_index_list"]]


def _as_from_store(validation: Any) -> Any:
    """Convert a result to what Great Expectations' renderers need: one loaded from a store's JSON.

    They do not escape values, so this does, for photos named "<b>.jpg".
    """
    text = json.dumps(validation.to_json_dict())
    return expectationSuiteValidationResultSchema.loads(html.escape(text, quote=False))


def _quarantine(
    table: pd.DataFrame, unsound: list[int], failures: Mapping[str, list[int]]
) -> pd.DataFrame:
    names: dict[int, list[str]] = {row: [] for row in unsound}
    for name, rows in failures.items():
        for row in rows:
            names[row].append(name)
    labels = table.iloc[unsound].assign(expectation=["; ".join(names[row]) for row in unsound])
    return labels[[*QUARANTINE_COLUMNS]].reset_index(drop=True)


def _spread(sound: pd.DataFrame) -> dict[str, float]:
    return {name: float(sound[name].std()) for name in LIMITS}


def _validate_spread(context: Any, sound: pd.DataFrame, params: ValidateParams) -> Any | None:
    """Check that not all crops are alike; None if there are too few labels to decide.

    Only the limit that varies most counts: the other limits are alike for a photographer who only
    crops at the top and bottom, and every angle for one who never straightens.
    """
    if len(sound) < _LEAST_FOR_SPREAD:
        return None
    spread = _spread(sound)
    widest = max(spread, key=lambda name: spread[name])
    expectation = gxe.ExpectColumnStdevToBeBetween(column=widest, min_value=params.min_spread)
    return _validate(context, "sound labels", sound[[*LIMITS]], {"not all alike": expectation})


def _alike(check: LabelCheck) -> str:
    if not check.spread:
        return f"not checked: {len(check.sound)} sound labels, at least {_LEAST_FOR_SPREAD} needed"
    return "yes" if check.all_alike else "no"


def _sizes_by_photo(labels: pd.DataFrame) -> dict[str, list[tuple[float, ...]]]:
    """Return photo -> image_width, image_height, width, height of its labels."""
    sizes: dict[str, list[tuple[float, ...]]] = {}
    rows = labels[["photo", *_IMAGE_SIDES, *SIDES]].dropna().drop_duplicates()
    for photo, *size in rows.itertuples(index=False):
        sizes.setdefault(photo, []).append(tuple(size))
    return sizes


def _image_problem(jpeg: bytes, expected: list[tuple[float, ...]]) -> str | None:
    try:
        size = image.upright_size(jpeg)
    except RejectedFile as error:
        return str(error)
    return next((problem for sizes in expected if (problem := _size_problem(size, sizes))), None)


def _size_problem(size: tuple[int, int], expected: tuple[float, ...]) -> str | None:
    image_width, image_height, width, height = expected
    if size != (image_width, image_height):
        return f"{size[0]} x {size[1]} px, stated as {image_width:g} x {image_height:g}"
    # the short side is rounded to a pixel, the long side is exact
    if abs(image_width * height - image_height * width) > max(width, height):
        return f"{size[0]} x {size[1]} px, not the shape of {width:g} x {height:g}"
    return None
