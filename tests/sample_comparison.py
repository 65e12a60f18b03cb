"""A comparison to be reported, and its parts."""

import dataclasses
import io
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from cropperhead.evaluation.corrections import Corrections
from cropperhead.evaluation.findings import Agreement, JudgeScore, LearningCheck, Measure, Slice
from cropperhead.evaluation.verdict import Verdict
from cropperhead.report.comparison import Comparison, CropperScores, Failure
from cropperhead.report.gallery import Picture
from cropperhead.stats import Interval

HALF = np.array([0.25, 0.25, 0.75, 0.75, 2.0])
CNN = CropperScores(
    "cnn",
    "CNN",
    overlap=Interval(0.7412, 0.7215, 0.7603),
    displacement=Interval(0.0631, 0.05, 0.07),
    angle_error=Interval(1.234, 1.0, 1.5),
    gain=Interval(0.0309, 0.0121, 0.0498),
)
MEDIAN = dataclasses.replace(
    CNN,
    cropper="median",
    label="Constant median crop",
    overlap=Interval(0.71, 0.7, 0.72),
    gain=None,
)
SOME = Interval(0.6, 0.55, 0.65)
FINDINGS: dict[str, Any] = {
    "learning_checks": [
        LearningCheck("Does it beat a constant crop?", "By 0.062.", True),
        LearningCheck("Does it beat memory?", "By 0.002, which chance can explain.", False),
        LearningCheck("Does it crop as people do?", "One person cropped each photo.", None),
    ],
    "slices": [
        Slice("Orientation", "landscape", 1200, SOME, Interval(0.05, 0.03, 0.07)),
        Slice("Orientation", "portrait", 80, SOME, Interval(-0.05, -0.1, 0.0)),
    ],
    "measures": [
        Measure("Horizon", "°", "lower", {"human": SOME, "cnn": SOME}, "The tilt that remains.")
    ],
    "judge_scores": [JudgeScore("cnn", SOME)],
    "agreements": [Agreement("human", SOME, SOME), Agreement("cnn", SOME, SOME)],
    "shared_photos": 42,
    "failures": [Failure("2012/roll/b.jpg", "Keeps the sky that the photographer cut off.")],
    "corrections": Corrections(1214, 86, SOME, Interval(0.041, 0.03, 0.05), Interval(0.62, 0, 1)),
}
REFERENCE = CropperScores("human", "Human", None, None, None, None)


def jpeg(noise: int | None = None) -> bytes:
    buffer = io.BytesIO()
    if noise is None:
        Image.linear_gradient("L").resize((60, 40)).convert("RGB").save(buffer, "JPEG")
    else:
        pixels = np.random.default_rng(noise).integers(0, 256, (160, 160, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def picture(name: str = "2012/roll/a.jpg", photo: bytes = b"") -> Picture:
    crops = dict.fromkeys(("human", "cnn", "random", "median"), HALF)
    return Picture(name, photo or jpeg(), 1.5, crops, {"cnn": 0.81, "random": 0.4, "median": 0.7})


def comparison(**changes: Any) -> Comparison:
    base = Comparison(
        verdict=Verdict("learned", "The model learned to crop", "It gains 0.031."),
        evidence=["On 2 photos in 3 it is closer."],
        rows=[REFERENCE, CNN, MEDIAN],
        pictures=[picture(), picture("2012/roll/b.jpg")],
        limits={"human": np.tile(HALF, (4, 1)), "cnn": np.tile(HALF, (4, 1))},
        history=pd.DataFrame({"epoch": [1, 2], "loss": [2.0, 1.0], "validation_loss": [2.0, 1.5]}),
        counts={"train": 1234, "validation": 20, "test": 30, "odd_ones": 4},
        facts=[("train.quality", "fast")],
        sampler="Each limit is drawn evenly between two bounds.",
    )
    return dataclasses.replace(base, **changes)
