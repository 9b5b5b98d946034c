from pipeline.base.failed_logs import killed, last_lines, way_on


def test_the_last_ten_lines_of_each_log_once_and_nothing_of_empty_or_missing_ones(tmp_path):
    paths = long, empty, short = [tmp_path / name for name in ("long.log", "empty.log", "short.log")]
    for path, lines in zip(paths, (12, 0, 1), strict=True):
        path.write_text("".join(f"line {i}\n" for i in range(lines)))
    error = f"Error in rule train:\n    jobid: 5\n    log: {long}, {empty} (check log file(s) for error details)\n"
    group = (
        f"    jobs:\n        rule a:\n            log: {short}, {tmp_path}/none (check log file(s) for error details)\n"
    )
    said = list(last_lines(f"rule train:\n    log: {empty}\n{error}{group}{error}"))
    assert said == [
        f"{long} ends with:", *(f"    line {i}" for i in range(2, 12)), f"{short} ends with:", "    line 0",
    ]  # fmt: skip


def test_a_stage_whose_job_was_killed_is_named_once_and_no_other():
    words = "Command 'set -euo pipefail;  python3 /w/.snakemake/scripts/tmpabc.{}.py' {}."
    ends = [("train", "died with <Signals.SIGKILL: 9>")] * 2 + [("evaluate", "returned non-zero exit status 1")]
    ends += [("detect", "returned non-zero exit status 137"), ("generate", "died with <Signals.SIGTERM: 15>")]
    first, second, third = killed("\n".join(words.format(*end) for end in ends))
    assert first.startswith("ERROR: train: was killed by SIGKILL")
    assert second.startswith("ERROR: detect: ")
    assert "the same command goes on" in first
    assert third.startswith("ERROR: generate: was stopped by SIGTERM")


def test_bars_of_progress_take_no_line_of_what_a_log_says_last(tmp_path):
    bars = "looking:   0%|          | 0.00/8.00 [00:00<?, ?image/s]\n\n" * 9
    (tmp_path / "a.log").write_text(f"reads 4 files\n{bars}ERROR: x\n")
    said = list(last_lines(f"    log: {tmp_path}/a.log (check log file(s) for error details)\n"))
    assert said[1:] == ["    reads 4 files", "    ERROR: x"]


def test_the_way_to_a_report_of_the_rest_is_told_where_jobs_failed():
    error = "Error in rule train:\n    log: {}.log (check log file(s) for error details)\n"
    (said,) = way_on("".join(error.format(name) for name in "abb"))
    assert said.startswith("2 job(s) failed, and the report needs all. ")
    assert list(way_on("rule train:\n    log: a.log\n")) == []
