/**
 * Writes a `.br` and a `.gz` beside each file of the pages that gets smaller by it; the nodes serve those
 * (src/raftline/web/static_files.py). What is there already and no older than its file is kept.
 */

import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const STATIC = join(import.meta.dirname, "../src/raftline/web/static");
const KINDS = new Set([".css", ".html", ".js", ".json", ".svg", ".wasm"]);
const SIZE_MIN = 1024; // below that a packet is a packet

function compress(file) {
  const content = readFileSync(file);
  const brotli = {
    params: { [constants.BROTLI_PARAM_QUALITY]: 10, [constants.BROTLI_PARAM_SIZE_HINT]: content.length },
  };
  for (const [suffix, packed] of [
    [".br", brotliCompressSync(content, brotli)],
    [".gz", gzipSync(content, { level: 9 })],
  ]) {
    if (packed.length < content.length) writeFileSync(file + suffix, packed);
  }
}

for (const entry of readdirSync(STATIC, { recursive: true, withFileTypes: true })) {
  const file = join(entry.parentPath, entry.name);
  if (!entry.isFile() || !KINDS.has(extname(file)) || statSync(file).size < SIZE_MIN) continue;
  const isFresh = existsSync(`${file}.gz`) && statSync(`${file}.gz`).mtimeMs >= statSync(file).mtimeMs;
  if (!isFresh) compress(file);
}
