"""Copies the packages that the page uses into `src/cropperhead/web/page/vendor`: `make vendor`.

npm installs them as `package-lock.json` pins them, and checks their hashes. What is copied is never
edited by hand: two things are changed here, so that a browser can load it as it is. A bare import
becomes a relative one, because an import map would have to be an inline script, which the page's
security policy refuses; and references to source maps go. `vendor.json` lists every file with its
package, version, licence and SHA-256. The WebAssembly is stored compressed: 2.0 MB in place of 9.3.
"""

import gzip
import hashlib
import json
from functools import partial
from pathlib import Path

import brotli

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PACKAGES = HERE / "node_modules"
PAGE, TESTS = ROOT / "src/cropperhead/web/page/vendor", ROOT / "tests/web/vendor"
# The build for every browser: the other two need relaxed SIMD or threads, and the numbers that the
# first of them computes depend on the processor
_WASM = "litert_wasm_compat_internal"
FILES = {
    PAGE / "litert.js": "@litertjs/core/dist/index.js",
    PAGE / "litert.d.ts": "@litertjs/core/dist/index.d.ts",
    # The text of the Apache Licence 2.0, which LiteRT's packages name and do not hold
    PAGE / "litert.licence.txt": "typescript/LICENSE.txt",
    PAGE / "litert_wasm_utils.js": "@litertjs/wasm-utils/dist/index.js",
    PAGE / f"{_WASM}.js": f"@litertjs/core/wasm/{_WASM}.js",
    PAGE / f"{_WASM}.wasm.br": f"@litertjs/core/wasm/{_WASM}.wasm",
    PAGE / "exifr.js": "exifr/dist/full.esm.mjs",
    PAGE / "exifr.d.ts": "exifr/index.d.ts",
    PAGE / "exifr.licence.txt": "exifr/LICENSE",
    TESTS / "axe.min.js.gz": "axe-core/axe.min.js",
    TESTS / "axe.licence.txt": "axe-core/LICENSE",
}
_COMPRESS = {
    ".br": partial(brotli.compress, quality=11, lgwin=24),
    ".gz": partial(gzip.compress, compresslevel=9, mtime=0),
}
_CHANGES = {
    b'"@litertjs/wasm-utils"': b'"./litert_wasm_utils.js"',
    b"//# sourceMappingURL=": b"// ",
}


def main() -> None:
    """Copies all files, and lists them."""
    lock = json.loads((HERE / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    for folder in (PAGE, TESTS):
        folder.mkdir(parents=True, exist_ok=True)
        listed = {}
        for target, source in FILES.items():
            if target.parent == folder:
                content = _COMPRESS.get(target.suffix, bytes)(_content(PACKAGES / source))
                target.write_bytes(content)
                listed[target.name] = _describe(content, source, lock)
        text = json.dumps(listed, indent=2, sort_keys=True)
        (folder / "vendor.json").write_text(text + "\n", encoding="utf-8")


def _content(file: Path) -> bytes:
    content = file.read_bytes()
    if file.suffix in {".js", ".mjs"}:
        for before, after in _CHANGES.items():
            content = content.replace(before, after)
    return content


def _describe(content: bytes, source: str, lock: dict[str, dict[str, str]]) -> dict[str, str]:
    parts = source.split("/")
    package = "/".join(parts[: 2 if source.startswith("@") else 1])
    pinned = lock[f"node_modules/{package}"]
    return {
        "package": package,
        "version": pinned["version"],
        "licence": pinned["license"],
        "integrity": pinned["integrity"],
        "sha256": hashlib.sha256(content).hexdigest(),
    }


if __name__ == "__main__":
    main()
