#!/usr/bin/env bash
# In a fresh clone, `dvc repro --dry` fails where `dvc repro` works.
#
# Expected: a dry run of a pipeline with two stages names both, or says that they would be checked out or run.
# Seen: where no output of the first stage is in the workspace and in the cache, the dry run names the first
# stage and then ends with an error, because it looks for the output that this stage would have written. The
# real run of the same clone succeeds. So a dry run cannot tell a newcomer what the first run will do.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check dvc==3.67.1 2>/dev/null
export PATH="$folder/env/bin:$PATH" DVC_NO_ANALYTICS=true
export GIT_AUTHOR_NAME=somebody GIT_AUTHOR_EMAIL=somebody@example.org
export GIT_COMMITTER_NAME=somebody GIT_COMMITTER_EMAIL=somebody@example.org
git init --quiet first
cd first
dvc init --quiet
cat >dvc.yaml <<'YAML'
stages:
  extract: {cmd: echo 1 >labels, outs: [labels]}
  train: {cmd: cat labels >model, deps: [labels], outs: [model]}
YAML
dvc repro --quiet
git add .
git commit --quiet --message "A pipeline and its lock"
cd ..
git clone --quiet first second
cd second
echo "DVC $(dvc --version)"
set +e
dvc repro --dry >dry.txt 2>&1
dry=$?
dvc repro --quiet >real.txt 2>&1
real=$?
set -e
echo "dvc repro --dry ends with $dry:"
sed -n "s|'[^']*/second/|'…/|; /^ERROR/p" dry.txt
echo "dvc repro ends with $real, and the model is $(cat model)"
[ "$dry" -ne 0 ] && [ "$real" -eq 0 ] && grep -q "reproduce 'train'" dry.txt
