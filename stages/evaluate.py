"""Evaluates every cropper on the test photos: scores, metrics, plots, the report and two cards.

python stages/evaluate.py --NAME PATH..., with a name for each field of `publish.Inputs` and
`publish.Outputs`
"""

from cropperhead import params
from cropperhead.report import publish
from cropperhead.system import stage


def main() -> None:
    inputs, outputs = stage.parse_paths(publish.Inputs, publish.Outputs)
    publish.evaluate_and_report(inputs, outputs, params.load())


if __name__ == "__main__":
    stage.run(main)
