#!/usr/bin/env bash
# GRPO with contrastive sampling, with FSDP and vLLM on Ray. Written by  mmrad export --to verl.
#
#     bash launch.sh MODEL [SETTING=VALUE...]
#
# MODEL is the folder of the model after supervised fine-tuning, adapters merged: the divergence is measured
# from it. Settings are those of config.yaml and verl, such as  trainer.n_gpus_per_node=1.
# On several machines start Ray first, and run this on one of them; all must see this folder and MODEL under
# the same path. See docs/cluster.md of mmrad.
set -euo pipefail

if [ $# -eq 0 ]; then
    echo "usage: bash launch.sh MODEL [SETTING=VALUE...]" >&2
    exit 2
fi
model=$1
shift
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Ray's workers find mmrad_agent_loop.py by this path, on every machine.
export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}"
exec python3 -m verl.trainer.main_ppo \
    --config-path "$here" --config-name config \
    "folder=$here" \
    "actor_rollout_ref.model.path=$model" \
    "+ray_kwargs.ray_init.runtime_env.env_vars.PYTHONPATH='$PYTHONPATH'" \
    "$@"
