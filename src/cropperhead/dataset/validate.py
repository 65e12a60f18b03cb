"""The only door to Great Expectations: which labels are sound, and why the others are not.

Every label is held against the same suite, with its ranges from params.yaml. A label that breaks
an expectation is set apart with the expectation's name; sound ones go on as they are. Crops that
are all alike teach nothing and point to a mistake in reading them, so that is a defect too.
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
_ALIKE_NEEDS = 3  # sound labels: one has no spread, and two may well be alike by chance
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Checked:
    """Labels, held against the suite."""

    sound: pd.DataFrame  # the labels that broke nothing, columns and order as they came
    quarantine: pd.DataFrame  # QUARANTINE_COLUMNS of the others, in the same order
    failures: Mapping[str, int]  # expectation -> labels that broke it; 0 for those that held
    spread: Mapping[str, float]  # limit -> standard deviation over the sound; empty if too few
    collapsed: bool  # all crops alike; False where there are too few labels to tell
    validations: tuple[Any, ...]  # Great Expectations' own results, for write_data_docs

    @property
    def rows(self) -> int:
        """How many labels were checked."""
        return len(self.sound) + len(self.quarantine)

    @property
    def quarantined_share(self) -> float:
        """The share of all labels that broke an expectation, 0 to 1."""
        return len(self.quarantine) / max(1, self.rows)


def checked(
    labels: pd.DataFrame, params: ValidateParams, image_problems: Mapping[str, str] | None = None
) -> Checked:
    """Holds labels against the suite.

    `labels` is the labels table, `image_problems` what the function of that name found. Labels
    that share a key are all set apart: nothing tells which is right.
    """
    labels = labels.reset_index(drop=True)
    table = _table(labels, image_problems or {})
    suite = _suite(params)
    context = _context()
    validation = _validated(context, "labels", table, suite)
    broken = _broken(validation, suite)
    unsound = sorted({row for rows in broken.values() for row in rows})
    sound = labels.drop(index=unsound).reset_index(drop=True)
    spread = _validated_spread(context, sound, params)
    return Checked(
        sound=sound,
        quarantine=_quarantine(table, unsound, broken),
        failures={name: len(rows) for name, rows in broken.items()},
        spread=_spread(sound) if spread else {},
        collapsed=spread is not None and not spread.success,
        validations=(validation, spread) if spread else (validation,),
    )


def stop_if_unsound(checked: Checked, params: ValidateParams) -> None:
    """Raises DataError where the labels are no ground to go on from."""
    unsound, most = len(checked.quarantine), params.max_quarantined
    if checked.quarantined_share > most:
        name, count = Counter(checked.failures).most_common(1)[0]
        raise DataError(
            f"validate: {unsound} of {checked.rows} labels are unsound "
            f"({checked.quarantined_share:.1%}), expected at most {most:.1%} "
            f"(validate.max_quarantined). {count} break '{name}'. Each is listed in "
            "reports/quarantine.csv."
        )
    if checked.sound.empty:
        raise DataError(f"validate: none of {checked.rows} labels is sound: nothing to learn from.")
    if checked.collapsed:
        name, widest = max(checked.spread.items(), key=lambda item: item[1])
        raise DataError(
            f"validate: all {len(checked.sound)} crops are alike: even {name} has a standard "
            f"deviation of {widest:.2g}, expected at least {params.min_spread:g} "
            "(validate.min_spread). Check that extract.library holds photos that were cropped "
            "one by one."
        )


def image_problems(labels: pd.DataFrame, images: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    """What is wrong with stored copies, photo -> sentence; sound copies are left out.

    `images` yields each photo once with its JPEG, which must decode, upright, to image_width x
    image_height, in the shape of width x height. It is read as a stream.
    """
    stated = _stated_sizes(labels)
    found: dict[str, str | None] = dict.fromkeys(stated, "no picture is stored")
    for photo, jpeg in tqdm(images, "validate", len(stated), unit="photo", delay=2):
        found[photo] = _image_problem(jpeg, stated.get(photo, []))
    return {photo: problem for photo, problem in found.items() if problem}


def statistics(checked: Checked) -> dict[str, Any]:
    """What the check found, as plain values for JSON."""
    return {
        "rows": checked.rows,
        "sound": len(checked.sound),
        "quarantined": len(checked.quarantine),
        "quarantined_share": checked.quarantined_share,
        "failures": dict(checked.failures),
        "spread": dict(checked.spread),
        "alike": _alike(checked),
    }


def write_reports(checked: Checked, quarantine: Path, statistics_file: Path) -> None:
    """Writes the quarantined labels (CSV) and the statistics (JSON): same labels, same bytes."""
    quarantine.parent.mkdir(parents=True, exist_ok=True)
    checked.quarantine.to_csv(quarantine, index=False, lineterminator="\n")
    statistics_file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(statistics(checked), indent=2, sort_keys=True)
    statistics_file.write_text(text + "\n", encoding="utf-8")


def write_data_docs(checked: Checked, folder: Path) -> None:
    """Writes Great Expectations' Data Docs as one page, `index.html`, that needs no network.

    Its own site loads its looks from seven servers and reports each visit; its renderers' blocks
    are therefore put into a page of ours. Its bytes may differ between runs on the same labels.
    """
    renderer = ValidationResultsPageRenderer()
    documents = [renderer.render(_as_stored(validation)) for validation in checked.validations]
    page = documents[0]
    # the first section links to pages of the site and tells when it ran
    page.sections = [section for document in documents for section in document.sections[1:]]
    view = DefaultJinjaPageView(custom_views_directory=str(_TEMPLATES))
    text = view.render(page, template="data_docs.html.j2", statistics=statistics(checked))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(text, encoding="utf-8")


def _table(labels: pd.DataFrame, problems: Mapping[str, str]) -> pd.DataFrame:
    """The columns that are checked, those that follow from them included; `row` is the position."""
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
    # impossible numbers give NaN here, and each breaks an expectation of its own
    with np.errstate(all="ignore"):
        aspect = np.where((width > 0) & (height > 0), width / height, np.nan)
        return crops.outside(limits, aspect)


def _suite(params: ValidateParams) -> dict[str, Any]:
    """The expectations on single labels by the names under which they are reported."""
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
    """A context that lives in memory, prints no progress bars and reports to nobody."""
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        analytics_enabled=False,
        progress_bars={"globally": False},
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def _validated(context: Any, name: str, table: pd.DataFrame, suite: Mapping[str, Any]) -> Any:
    """A suite's result on a table whose index counts from 0."""
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


def _broken(validation: Any, suite: Mapping[str, Any]) -> dict[str, list[int]]:
    """Expectation -> the positions of the labels that broke it, in the suite's order."""
    found = {result.expectation_config.meta["name"]: result for result in validation.results}
    return {name: _positions(name, found[name]) for name in suite}


def _positions(name: str, result: Any) -> list[int]:
    if "unexpected_index_list" not in result.result:
        raise TypeError(f"labels: '{name}' cannot be evaluated: {result.exception_info}")
    return [int(label["row"]) for label in result.result["unexpected_index_list"]]


def _as_stored(validation: Any) -> Any:
    """A result as Great Expectations' renderers want it: as it comes from a store, out of JSON.

    They put values into pages as they are, so that a photo named "<b>.jpg" is escaped here.
    """
    text = json.dumps(validation.to_json_dict())
    return expectationSuiteValidationResultSchema.loads(html.escape(text, quote=False))


def _quarantine(
    table: pd.DataFrame, unsound: list[int], broken: Mapping[str, list[int]]
) -> pd.DataFrame:
    names: dict[int, list[str]] = {row: [] for row in unsound}
    for name, rows in broken.items():
        for row in rows:
            names[row].append(name)
    listed = table.iloc[unsound].assign(expectation=["; ".join(names[row]) for row in unsound])
    return listed[[*QUARANTINE_COLUMNS]].reset_index(drop=True)


def _spread(sound: pd.DataFrame) -> dict[str, float]:
    return {name: float(sound[name].std()) for name in LIMITS}


def _validated_spread(context: Any, sound: pd.DataFrame, params: ValidateParams) -> Any | None:
    """The check against collapse; None where there are too few labels for one.

    It looks at the limit that varies most: a photographer who only ever crops top and bottom
    leaves the other limits alike, and one who never tilts every angle.
    """
    if len(sound) < _ALIKE_NEEDS:
        return None
    spread = _spread(sound)
    widest = max(spread, key=lambda name: spread[name])
    expectation = gxe.ExpectColumnStdevToBeBetween(column=widest, min_value=params.min_spread)
    return _validated(context, "sound labels", sound[[*LIMITS]], {"not all alike": expectation})


def _alike(checked: Checked) -> str:
    if not checked.spread:
        return f"not checked: {len(checked.sound)} sound labels, at least {_ALIKE_NEEDS} needed"
    return "yes" if checked.collapsed else "no"


def _stated_sizes(labels: pd.DataFrame) -> dict[str, list[tuple[float, ...]]]:
    """Photo -> image_width, image_height, width, height as its labels state them."""
    stated: dict[str, list[tuple[float, ...]]] = {}
    sizes = labels[["photo", *_IMAGE_SIDES, *SIDES]].dropna().drop_duplicates()
    for photo, *size in sizes.itertuples(index=False):
        stated.setdefault(photo, []).append(tuple(size))
    return stated


def _image_problem(jpeg: bytes, stated: list[tuple[float, ...]]) -> str | None:
    try:
        size = image.upright_size(jpeg)
    except RejectedFile as error:
        return str(error)
    return next((problem for sizes in stated if (problem := _misfit(size, sizes))), None)


def _misfit(size: tuple[int, int], stated: tuple[float, ...]) -> str | None:
    image_width, image_height, width, height = stated
    if size != (image_width, image_height):
        return f"{size[0]} x {size[1]} px, stated as {image_width:g} x {image_height:g}"
    # the short side is rounded to a pixel, the long side is exact
    if abs(image_width * height - image_height * width) > max(width, height):
        return f"{size[0]} x {size[1]} px, not the shape of {width:g} x {height:g}"
    return None
