#!/usr/bin/env bash
# A learning rate set by DVC arrives as text in a stage that reads params.yaml with PyYAML.
#
# Expected: `dvc exp run -S rate=0.00005` gives the stage the number 0.00005, as editing the file would.
# Seen: DVC writes `5e-05`. That is a number in YAML 1.2, which DVC reads and writes, but text in YAML 1.1,
# which PyYAML follows: its floats need a dot. `dvc params diff` shows a number, and the stage gets a string.
# 0.0001 is written as it is, so that only rates below it fail.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check dvc==3.67.1 pyyaml==6.0.3 2>/dev/null
export PATH="$folder/env/bin:$PATH" DVC_NO_ANALYTICS=1
mkdir "$folder/project"
cd "$folder/project"
git init --quiet
git config user.email nobody@example.com
git config user.name Nobody
dvc init --quiet
printf 'rate: 0.001\n' >params.yaml
cat >read.py <<'PYTHON'
import yaml

with open("params.yaml") as file:
    rate = yaml.safe_load(file)["rate"]
print(type(rate).__name__, rate, file=open("seen.txt", "w"))
PYTHON
cat >dvc.yaml <<'YAML'
stages:
  read:
    cmd: python read.py
    deps: [read.py]
    params: [rate]
    outs: [seen.txt]
YAML
git add --all
git commit --quiet --message start

echo "DVC $(dvc --version), PyYAML $(python -c 'import yaml; print(yaml.__version__)')"
for rate in 0.0001 0.00005; do
  dvc exp run --quiet --set-param "rate=$rate"
  echo "-S rate=$rate: params.yaml has '$(cat params.yaml)', the stage saw: $(cat seen.txt)"
done
grep -qx 'rate: 5e-05' params.yaml || { echo "DVC no longer writes 5e-05" >&2; exit 1; }
grep -qx 'str 5e-05' seen.txt || { echo "PyYAML no longer reads 5e-05 as text" >&2; exit 1; }
