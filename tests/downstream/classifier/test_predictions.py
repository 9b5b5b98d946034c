"""Detectors of any other program, compared by the rules of ours."""

import pandas as pd
import pytest

from pipeline.downstream import records
from pipeline.downstream.classifier import predictions
from pipeline.settings import UserError
from tests.downstream.cases import shapes


@pytest.fixture
def real(image_set):
    images, labels = shapes(72, 0)
    return image_set("real", images, labels, ["train"] * 12 + ["test"] * 60)


def table(shares, repetitions=3):
    """Detectors that are right about the first share of the test images, by their arms."""
    rows = []
    for arm, share in shares.items():
        for repetition in range(repetitions):
            for i in range(60):
                right = i < share * 60 + repetition
                score = (i % 2 if right else 1 - i % 2) - 0.5
                rows.append((arm, repetition, f"real_{i + 12:06d}", ["bar", "disc"][int(score > 0)], score))
    return pd.DataFrame(rows, columns=["arm", "repetition", "image", "predicted", "score"])


def compared(tmp_path, real, rows):
    rows.to_csv(tmp_path / "p.csv", index=False)
    predictions.main(real, tmp_path / "p.csv", tmp_path / "c.json")
    return {arm.arm: arm for arm in records.read(tmp_path / "c.json").arms}


def test_verdicts_are_those_of_our_own_comparison(tmp_path, real, capsys):
    arms = compared(tmp_path, real, table({"real": 0.5, "real+mine": 0.9, "real+same": 0.5}).sample(frac=1))
    assert {name: arm.verdict for name, arm in arms.items()} == {
        "real": "baseline", "real+mine": "helps", "real+same": "cannot tell",
    }  # fmt: skip
    assert arms["real+mine"].gain == pytest.approx(0.4, abs=0.01)
    assert arms["real+mine"].other("auroc").score > 0.85
    assert "real+mine" in capsys.readouterr().out


def test_sources_name_images_too_and_augmented_is_the_baseline_where_it_is(tmp_path, real):
    rows = table({"real": 0.5, "augmented": 0.9, "real+mine": 0.9}).drop(columns="score")
    arms = compared(tmp_path, real, rows)
    assert arms["augmented"].verdict == "baseline"
    assert arms["real+mine"].verdict == "cannot tell"
    assert [one.metric for one in arms["real"].secondary] == ["accuracy"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.drop(columns="predicted"), "has no column `predicted`"),
        (lambda rows: rows.replace("disc", "ring"), "`ring` is no class of"),
        (lambda rows: rows.iloc[1:], "59 rows for 60 test images; `real_000012`"),
        (lambda rows: pd.concat([rows, rows.iloc[:1]]), "61 rows for 60 test images; `real_000012`"),
        (lambda rows: rows.replace("real_000012", "real_000001"), "`real_000001` is"),
        (lambda rows: rows.replace("real+mine", "mine"), "`mine` is neither of real, augmented"),
        (lambda rows: rows[rows["arm"] != "real"], "no arm without a generator"),
        (lambda rows: rows.iloc[:0], "no row below the names of its columns"),
        (lambda rows: rows.astype({"image": str}).replace("real_000012", "12.png"), "`12.png` is not the id of a test"),
        (lambda rows: rows.assign(repetition=rows["repetition"] + 0.5), "line 2: repetition `0.5` is no number of a"),
        (lambda rows: rows.assign(repetition="first"), "line 2: repetition `first` is no number of a repetition"),
        (lambda rows: rows.assign(repetition=rows["repetition"].where(rows.index != 3)), "line 5: repetition `` is no"),
        (
            lambda rows: rows.assign(score=rows["score"].where(rows.index != 3)),
            "line 5: score `` is no number; each row",
        ),
        (lambda rows: rows.assign(score="high"), "line 2: score `high` is no number"),
        (lambda rows: rows.assign(score=-rows["score"]), "score is higher where `bar` is predicted; it must be the "),
    ],
)
def test_a_file_that_cannot_be_compared_says_why(tmp_path, real, change, said):
    with pytest.raises(UserError, match=said.replace("+", r"\+")):
        compared(tmp_path, real, change(table({"real": 0.5, "real+mine": 0.9})))


@pytest.mark.parametrize("written", [{"sep": ";", "decimal": ",", "encoding": "utf-8-sig"}, {"encoding": "utf-16"}])
def test_a_table_is_read_as_spreadsheets_of_any_country_save_it(tmp_path, real, written):
    rows = table({"real": 0.5, "real+mine": 0.9})
    rows.rename(columns=str.title).to_csv(tmp_path / "p.csv", index=False, **written)
    predictions.main(real, tmp_path / "p.csv", tmp_path / "written.json")
    compared(tmp_path, real, rows)
    assert (tmp_path / "written.json").read_text() == (tmp_path / "c.json").read_text()


def test_no_file_is_an_error_in_one_line(tmp_path, real):
    with pytest.raises(UserError, match=r"predictions: .*cannot be read"):
        predictions.main(real, tmp_path / "none.csv", tmp_path / "c.json")
    assert not (tmp_path / "c.json").exists()
