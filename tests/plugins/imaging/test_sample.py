from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from medplug.core.images.formats import ImageError
from medplug.core.images.store import ImageStore
from medplug.core.plain.image import PlainImage
from medplug.plugins.imaging.sample import draw, draw_mask, sample


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return sample()


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return [draw(number) for number in range(360)]


def test_the_sample_is_360_pictures_of_180_patients_as_many_of_each_class(rows: pl.DataFrame) -> None:
    assert rows.height == 360
    assert dict(rows["label"].value_counts().iter_rows()) == {"normal": 120, "benign": 120, "malignant": 120}
    assert rows["patient"].n_unique() == 180
    assert rows["image"][17] == "sample:0017" and rows["mask"][17] == "sample-mask:0017"
    assert rows.equals(sample())


def test_a_patient_has_one_class_and_one_site_and_every_site_has_every_class(rows: pl.DataFrame) -> None:
    patients = rows.group_by("patient").agg(pl.col("label").n_unique(), pl.col("site").n_unique())
    assert patients.select(pl.max("label"), pl.max("site")).row(0) == (1, 1)
    assert rows.select("site", "label").unique().height == 3 * 3


def test_a_number_always_draws_the_same_picture_and_no_two_are_the_same(pictures: list[np.ndarray]) -> None:
    np.testing.assert_array_equal(draw(17), pictures[17])
    assert {(each.shape, str(each.dtype)) for each in pictures} == {((1, 64, 64), "uint8")}
    assert len({each.tobytes() for each in pictures}) == 360


def test_masks_mark_what_is_darker_in_the_two_classes_with_a_lesion(
    rows: pl.DataFrame, pictures: list[np.ndarray]
) -> None:
    masks = [draw_mask(number) for number in range(360)]
    marked = {label: np.mean([mask.any() for mask, of in zip(masks, rows["label"], strict=True) if of == label])
              for label in ("normal", "benign", "malignant")}  # fmt: skip
    assert marked["normal"] == 0
    assert marked["benign"] > 0.9 and marked["malignant"] > 0.9
    darker = [p[0][m > 0].mean() < p[0][m == 0].mean() for p, m in zip(pictures, masks, strict=True) if m.any()]
    assert np.mean(darker) > 0.98


def test_neither_darkness_nor_place_tells_the_classes_apart(rows: pl.DataFrame, pictures: list[np.ndarray]) -> None:
    label = rows["label"].to_numpy()
    means = np.array([each.mean() for each in pictures])
    by_class = [means[label == name].mean() for name in np.unique(label)]
    assert max(by_class) - min(by_class) < means.std() / 2


def test_a_linear_model_of_simple_features_learns_little_of_the_sample(
    rows: pl.DataFrame, pictures: list[np.ndarray]
) -> None:
    store = ImageStore()
    features = PlainImage().fit_transform([store.add(each) for each in pictures])
    labels, patients = rows["label"].to_numpy(), rows["patient"].to_numpy()
    scores = []
    for train, test in GroupShuffleSplit(3, test_size=0.3, random_state=0).split(labels, groups=patients):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
        chances = model.fit(features[train], labels[train]).predict_proba(features[test])
        scores.append(roc_auc_score(labels[test], chances, multi_class="ovr"))
    assert 0.55 < np.mean(scores) < 0.75


def test_there_is_no_picture_beyond_the_last() -> None:
    for number in (-1, 360):
        with pytest.raises(ImageError, match="the sample has the pictures 0 to 359"):
            draw(number)
