#!/bin/sh
# Ends the jobs that a killed run has left in the queue: those that were started from this folder. Trainings keep their checkpoints.
set -e
jobs=$(squeue --me --noheader --format '%A %j %Z' | awk -v here="$PWD" '$2 ~ /^pyrite/ && $3 == here { print $1 }')
[ -z "$jobs" ] || scancel $jobs
while [ -n "$jobs" ] && [ -n "$(squeue --noheader --jobs "$(echo $jobs | tr ' ' ,)" 2>/dev/null)" ]; do sleep 1; done
