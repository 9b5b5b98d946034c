import pytest

from pipeline.downstream.resumable import Ledger


def test_what_is_done_is_not_done_again_and_another_recipe_forgets_it(tmp_path, capfd):
    path, ran = tmp_path / "state" / "arm.json", []

    def work(value):
        return lambda: ran.append(value) or value

    first = Ledger(path, {"version": 1})
    assert [first.once("a", work(1)), first.once("b", work([2, "x"]))] == [1, [2, "x"]]
    second = Ledger(path, {"version": 1})
    assert [second.once("a", work(9)), second.once("c", work(3))] == [1, 3]
    assert ran == [1, [2, "x"], 3]
    assert Ledger(path, {"version": 2}).parts == {}
    path.write_text(path.read_text()[:-9])
    assert Ledger(path, {"version": 1}).parts == {}
    assert "unreadable" in capfd.readouterr().err
    second.close()
    assert not path.exists()


def test_what_json_cannot_hold_is_an_error_at_once(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        Ledger(tmp_path / "x.json", {}).once("a", lambda: float("nan"))
