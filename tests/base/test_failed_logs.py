from pipeline.base.failed_logs import killed, last_lines


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
