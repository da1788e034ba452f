#!/bin/sh
# From a folder of photographs to a fine-tuned model and its card:  run.sh COOKIES OUT  [RECIPE]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
data=$(cd "$1" && pwd)
recipe=$(realpath "${3:-$here/../../recipes/own-data-nano.toml}")
mkdir -p "$2"
cd "$2"

# 1. Good and bad parts, sorted: taught/cookie and judged/cookie, each with good/, crack/ and masks/crack/.
[ -d parts ] || python "$here/cookies.py" "$data" parts

# 2. Labels: masks become boxes. Look at rejections.jsonl and audit/audit.html before you go on.
mmrad build taught:folder=parts/taught/cookie judged:folder=parts/judged/cookie --out corpus
mmrad audit corpus --out audit

# 3. A good part beside each image.
mmrad reference corpus

# 4. How good is the model before?
mmrad bench corpus --source judged --model anomaly-r1-nano --out runs

# 5. Fine-tune. The recipe reads ./corpus and never trains on "judged".
mmrad train sft "$recipe" --out out

# 6. How good is it now?
mmrad bench corpus --source judged --model out/sft/model --out runs
mmrad score runs

# 7. Use it, and make a folder that can be given away.
part=$(find parts/judged/cookie/crack -name '*.jpg' | sort | head -n 1)
mmrad inspect "$part" --reference parts/taught/cookie/good --model out/sft/model --out inspected.png
[ -d published ] || mmrad train publish out/sft --out published --run runs/model
