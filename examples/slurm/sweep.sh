#!/usr/bin/env bash
#SBATCH --job-name=orthoscope
#SBATCH --array=1-4
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=04:00:00
# One plan cut into as many shards as the array has tasks, without a queue: sbatch examples/slurm/sweep.sh plan.yaml
set -euo pipefail

plan=${1:?name a plan}
orthoscope=${ORTHOSCOPE:-orthoscope}
# A second from the end, Slurm's SIGTERM reaches the sweep itself, which saves and stops; the same sbatch goes on.
exec $orthoscope sweep "$plan" --local --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"
