#!/usr/bin/env bash
# One object with an odd name in a bucket, and obstore lists none of its objects.
#
# Expected: a listing gives the objects with ordinary names, and skips or names one such as `a//b.jpg` or one with a
# tab, which S3 allows.
# Seen: obstore.list raises InvalidPathError for the whole listing, whatever else is in the bucket; no option skips
# the object. list_with_delimiter, folder by folder, fails for the odd object's own folder, so that those beside it
# can still be listed, at the price of a request for each; but its subfolders remain unknown.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check 'obstore==0.12.1' 'moto[server]==5.2.5' 2>/dev/null
env/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import boto3
import obstore
from moto.server import ThreadedMotoServer
from obstore.exceptions import InvalidPathError
from obstore.store import S3Store

print("obstore", version("obstore"))
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
address = "http://{}:{}".format(*server.get_host_and_port())
keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
client = boto3.client("s3", endpoint_url=address, region_name="us-east-1", **keys)
client.create_bucket(Bucket="photos")
client.put_object(Bucket="photos", Key="good/a.jpg", Body=b"a")
store = S3Store(
    "photos", endpoint=address, region="us-east-1", client_options={"allow_http": True}, **keys
)


def outcome(list_names):
    try:
        return list_names()
    except InvalidPathError as error:
        return f"InvalidPathError: {str(error).splitlines()[0]}"


def everything():
    return [one["path"] for page in obstore.list(store) for one in page]


def in_folder(name):
    return [one["path"] for one in obstore.list_with_delimiter(store, name)["objects"]]


before = outcome(everything)
failures = []
for key in ("bad//b.jpg", "bad/c\td.jpg"):
    client.put_object(Bucket="photos", Key=key, Body=b"b")
    failures.append(outcome(everything))
    print(f"with {key!r}: {failures[-1]}")
    client.delete_object(Bucket="photos", Key=key)
client.put_object(Bucket="photos", Key="bad/c\td.jpg", Body=b"b")
folders = {name: outcome(lambda: in_folder(name)) for name in ("good", "bad")}
print("folder by folder:", folders)
server.stop()
if before != ["good/a.jpg"] or not all("InvalidPathError" in str(one) for one in failures):
    sys.exit("A listing no longer fails for one name")
if folders["good"] != ["good/a.jpg"] or "InvalidPathError" not in folders["bad"]:
    sys.exit("Folders are listed otherwise than before")
PYTHON
