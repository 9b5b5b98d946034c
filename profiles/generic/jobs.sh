#!/bin/sh
# What Snakemake asks of a scheduler: `submit THREADS MB MINUTES CARDS SCRIPT` prints the job's number, `status NUMBER` prints running,
# success or failed, `cancel NUMBER …`.

# ---- your site ---------------------------------------------------------------------------------------------------------
scheduler=pbs           # pbs (PBS Pro, OpenPBS), lsf or sge
queue=                  # of jobs without a graphics card; empty is the cluster's own choice
card_queue=             # of jobs with one
account=                # or project
environment=smp         # sge: the parallel environment that puts all processors on one node
card=gpu                # sge: what the cluster calls a graphics card
# ------------------------------------------------------------------------------------------------------------------------

set -eu
scheduler=${PYRITE_SCHEDULER:-$scheduler}
logs=.snakemake/cluster_logs
asked=$1
shift

submit() {
    threads=$1 mb=$2 minutes=$3 cards=$4 script=$5
    mkdir -p "$logs"
    [ "$cards" = 0 ] || queue=$card_queue
    case $scheduler in
    pbs)
        qsub -V -N pyrite -j oe -o "$logs/" ${queue:+-q "$queue"} ${account:+-A "$account"} -l walltime="$((minutes * 60))" \
            -l "select=1:ncpus=$threads:mem=${mb}mb:ngpus=$cards" "$script"
        ;;
    lsf)
        [ "$cards" = 0 ] && gpu= || gpu=num=$cards
        # Two minutes before its time is up a training is told to write a checkpoint.
        bsub -J pyrite -o "$logs/%J.log" ${queue:+-q "$queue"} ${account:+-P "$account"} ${gpu:+-gpu "$gpu"} -W "$minutes" -wa TERM -wt 2 \
            -n "$threads" -M "${mb}MB" -R "span[hosts=1] rusage[mem=${mb}MB]" "$script" | sed -n 's/^Job <\([0-9]*\)>.*/\1/p'
        ;;
    sge)
        [ "$cards" = 0 ] && gpu= || gpu=$card=$cards
        qsub -V -terse -N pyrite -cwd -j y -o "$logs/" ${queue:+-q "$queue"} ${account:+-P "$account"} ${gpu:+-l "$gpu"} \
            -l h_rt="$((minutes * 60))" -l mem_free="$((mb / threads + 1))M" -pe "$environment" "$threads" "$script"
        ;;
    esac
}

# A scheduler that does not answer at all has not said that the job failed.
status() {
    case $scheduler in
    pbs)
        said=$(qstat -x -f "$1" 2>/dev/null) || said=
        case $said in
        *"job_state = F"*"Exit_status = 0"* | *"Exit_status = 0"*"job_state = F"*) echo success ;;
        *"job_state = F"*) echo failed ;;
        *) echo running ;;
        esac
        ;;
    lsf)
        case $(bjobs -noheader -o stat "$1" 2>/dev/null) in
        DONE) echo success ;;
        EXIT) echo failed ;;
        *) echo running ;;
        esac
        ;;
    sge)
        if said=$(qacct -j "$1" 2>/dev/null); then
            echo "$said" | awk '$1 == "exit_status" || $1 == "failed" { bad += $2 != 0 } END { print bad ? "failed" : "success" }'
        elif qstat -u "$(id -un)" 2>/dev/null | awk -v job="$1" '$1 == job && $5 ~ /E/ { found = 1 } END { exit !found }'; then
            echo failed # in its error state it would wait for ever
        else
            echo running
        fi
        ;;
    esac
}

cancel() {
    case $scheduler in
    lsf) bkill "$@" ;;
    *) qdel "$@" ;;
    esac
}

"$asked" "$@"
