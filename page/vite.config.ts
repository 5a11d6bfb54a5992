import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

const WORTH_COMPRESSING = /\.(html|js|css|svg|json|webmanifest)$/;

/** Writes a .gz and a .br beside each text file, so that whoever serves them compresses nothing. */
function precompressed(): Plugin {
  return {
    name: "precompressed",
    apply: "build",
    closeBundle() {
      for (const entry of readdirSync("dist", { recursive: true, encoding: "utf8" })) {
        if (!WORTH_COMPRESSING.test(entry)) continue;
        const file = join("dist", entry);
        const content = readFileSync(file);
        writeFileSync(`${file}.gz`, gzipSync(content, { level: 9 }));
        writeFileSync(
          `${file}.br`,
          brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
        );
      }
    },
  };
}

export default defineConfig({
  base: "./",
  plugins: [precompressed()],
  build: {
    target: "es2022",
    assetsInlineLimit: 2048,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        // the font keeps a name that index.html can ask for early
        assetFileNames: "assets/[name]-[hash][extname]",
      },
    },
  },
  server: {
    // a platform that runs beside: ATALAIA_HTTP_PORT says where
    proxy: { "/api": `http://127.0.0.1:${process.env.ATALAIA_HTTP_PORT ?? "8000"}` },
  },
});
