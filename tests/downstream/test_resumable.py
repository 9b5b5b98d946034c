import pytest

from pipeline.downstream.resumable import StepCache


def test_what_is_done_is_not_done_again_and_another_recipe_forgets_it(tmp_path, capfd):
    path, ran = tmp_path / "state" / "arm.json", []

    def work(value):
        return lambda: ran.append(value) or value

    first = StepCache(path, {"version": 1})
    assert [first.run("a", work(1)), first.run("b", work([2, "x"]))] == [1, [2, "x"]]
    second = StepCache(path, {"version": 1})
    assert [second.run("a", work(9)), second.run("c", work(3))] == [1, 3]
    assert ran == [1, [2, "x"], 3]
    assert StepCache(path, {"version": 2}).parts == {}
    path.write_text(path.read_text()[:-9])
    assert StepCache(path, {"version": 1}).parts == {}
    assert "unreadable" in capfd.readouterr().err
    second.close()
    assert not path.exists()


def test_what_json_cannot_hold_is_an_error_at_once(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        StepCache(tmp_path / "x.json", {}).run("a", lambda: float("nan"))
