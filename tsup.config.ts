import { globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { defineConfig, type Options } from 'tsup';

const dist = new URL('./dist/', import.meta.url);
// once, before any of the builds below begins: they run side by side, and `clean` in one could take what another wrote
rmSync(dist, { recursive: true, force: true });

const core = {
  index: 'src/index.ts',
  testing: 'src/testing/index.ts',
  file: 'src/stores/file/file-stores.ts',
  sqlite: 'src/stores/sqlite/sqlite-stores.ts',
  postgres: 'src/stores/postgres/postgres-stores.ts',
  redis: 'src/stores/redis/redis-stores.ts',
};

const adapters = {
  node: 'adapters/node.ts',
  express: 'adapters/express.ts',
  fastify: 'adapters/fastify.ts',
  hono: 'adapters/hono.ts',
  fetch: 'adapters/fetch.ts',
};

/** Types without the comments of what nobody can name, and without indentation and margins: half of the package is types. */
function shrinkTypes(): void {
  for (const file of globSync('*.d.ts', { cwd: dist })) {
    const text = readFileSync(new URL(file, dist), 'utf8');
    const exported = new Set(
      Array.from(text.matchAll(/^export (?:type )?\{([^}]*)\}/gm), ([, names = '']) => names.split(','))
        .flat()
        .map((name) => name.trim().split(' as ')[0]),
    );
    // what is written under an exported name may come from another interface
    const inherited = new Set(
      Array.from(
        text.matchAll(/(?:\bextends|\b(?:Omit|Pick)<) ?([^{;]+)/g),
        ([, names = '']) => names.match(/\w+/g) ?? [],
      ).flat(),
    );
    let comment = '';
    let keeps = true;
    let shorter = '';
    // a comment at the margin belongs to the declaration behind it; those further in to the one they are in
    for (const [part] of text.matchAll(/^ *\/\*\*[\s\S]*?\*\/\n|^.*\n?/gm)) {
      if (part.startsWith('/**')) comment = part;
      else if (/^ *\/\*\*/.test(part)) shorter += keeps ? part : '';
      else {
        const name = /^(?:declare (?:abstract )?\w+|interface|type) (\w+)/.exec(part)?.[1];
        if (name !== undefined) keeps = exported.has(name) || inherited.has(name);
        shorter += (keeps ? comment : '') + part;
        comment = '';
      }
    }
    // nor lines that hold nothing but the beginning or the end of a comment
    const lines = shorter
      .replaceAll(/^ +(?:\* |\*$)?/gm, '')
      .replaceAll('/**\n', '/** ')
      .replaceAll(/\n\*\/$/gm, ' */')
      .replaceAll(/\n+(?=\n(?:\/\*\*|interface|type|declare|export) )/g, '')
      // a declaration ends with its line
      .replaceAll(/;$/gm, '');
    writeFileSync(new URL(file, dist), lines);
  }
}

/** Lua and SQL without indentation and comments: both stand in texts, with `\n` for the ends of lines. */
function shrinkScripts(text: string): string {
  return text.replaceAll(/(?:(?<!\\)\\n *(?:-- (?:(?!\\n)[^"`$])*(?=\\n))?)+/g, '\\n');
}

/**
 * CommonJS gets the same modules: every Node that this package supports can require() them, so that there is never a
 * second copy in one process. Its types are those of the modules, by reference: what is a type there is one here, and
 * each value has the type that it has there.
 */
function writeCommonJs(): void {
  const require = createRequire(import.meta.url);
  for (const name of [...Object.keys(core), ...Object.keys(adapters)]) {
    writeFileSync(new URL(`${name}.cjs`, dist), `module.exports = require('./${name}.js');\n`);
    const values = require(fileURLToPath(new URL(`${name}.js`, dist))) as object;
    writeFileSync(new URL(`${name}.d.cts`, dist), toCommonJsTypes(name, values));
  }
}

function toCommonJsTypes(name: string, values: object): string {
  const source = `'./${name}.js' with { 'resolution-mode': 'import' }`;
  const lines = Object.entries(values).flatMap(([key, value]) => {
    if (key === 'default') return ['declare const _default: typeof M.default;', 'export default _default;'];
    const isClass = typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value));
    const declared = `export const ${key}: typeof M.${key}`;
    return isClass ? [declared, `export type ${key} = M.${key}`] : [declared];
  });
  return [`import type * as M from ${source};`, `export type * from ${source};`, ...lines, ''].join('\n');
}
// the types are the last to be written, after everything that tsup tells of
process.once('exit', (code) => {
  if (code !== 0) return;
  shrinkTypes();
  // the maps stay here
  for (const file of globSync('*.js', { cwd: dist })) {
    const url = new URL(file, dist);
    const text = readFileSync(url, 'utf8').replace(/\/\/# sourceMappingURL=.*\n?$/, '');
    writeFileSync(url, /^(?:redis|postgres)\.js$/.test(file) ? shrinkScripts(text) : text);
  }
  writeCommonJs();
});

/** By terser, which makes 5 % less of it than esbuild does. */
const minified: Options = {
  minify: 'terser',
  terserOptions: {
    module: true,
    ecma: 2020,
    // a function that is called in one place only would be made anew at each call: a tenth more garbage for each request
    compress: { passes: 3, reduce_funcs: false },
    // licences of what comes along
    // Node shows the line that threw: all of the package in one would fill whoever misspells an option with it
    format: { comments: /^!/, max_line_len: 8_000 },
  },
};

const shared: Options = {
  format: 'esm',
  target: 'node22',
  platform: 'node',
  splitting: true,
  // what it means stands in the types: without this half of the package would be said twice
  ...minified,
  esbuildOptions: (options) => {
    options.charset = 'utf8';
    options.legalComments = 'none';
    // private names: by class here, where terser would give each its own in all of a file
    options.minifyIdentifiers = true;
    options.minifySyntax = true;
    // constants, said in fewer bytes
    options.define = {
      'Number.POSITIVE_INFINITY': 'Infinity',
      'Number.MAX_SAFE_INTEGER': '9007199254740991',
    };
  },
  sourcemap: true,
  treeshake: true,
  // the adapters use the package through its own name, as anybody does: one copy of the core, whatever is imported
  external: ['headgate', /^headgate\//],
  // found by `separate` below
  noExternal: ['zod'],
};

// Somebody else's code comes along as files of its own, minified: the YAML parser of the command line, which is loaded
// for YAML files only, and what is used of zod: loading all of it takes longer than everything else together.
const separate: NonNullable<Options['esbuildPlugins']>[number] = {
  name: 'separate',
  setup(build) {
    build.onResolve({ filter: /^(yaml|zod)$/ }, ({ path }) => ({ path: `./${path}.js`, external: true }));
  },
};
// its values by the names that the sources use; `core`, `input` and `output` stand for types alone
const usedOfZod = new Set(
  globSync('src/**/*.ts').flatMap((file) =>
    Array.from(
      readFileSync(file, 'utf8').matchAll(/\bz\.(?!(?:core|input|output)\b)([a-z]\w*)/g),
      ([, name]) => name,
    ),
  ),
);
const zodEntry = new URL('./node_modules/.headgate-zod.js', import.meta.url);
writeFileSync(zodEntry, `export { ${[...usedOfZod].sort().join(', ')} } from 'zod';\n`);
const yamlEntry = new URL('./node_modules/.headgate-yaml.js', import.meta.url);
writeFileSync(
  yamlEntry,
  "export { isMap, isScalar, isSeq, LineCounter, parseDocument, visit } from './yaml/browser/index.js';\n",
);
// What writes YAML, visits its tokens, revives values or reads it as JSON alone, what was a type of its own in YAML 1.1, and
// what makes JSON Schema of a schema: nothing here asks for any of it. A mapping as the name of another would; its reader is told.
const unused =
  /(?:yaml.browser.dist.(?:stringify.\w+|doc.(?:anchors|applyReviver|createNode)|parse.cst-visit|schema.json.schema|schema.yaml-1\.1.(?:binary|omap|pairs|schema|set|timestamp))|zod.v4.core.(?:json-schema-processors|to-json-schema))\.js$/;
// Methods of schemas that make other schemas, or read by them in a way, that no source with a schema names.
const named = new Set(
  globSync('src/**/*.ts')
    .map((file) => readFileSync(file, 'utf8'))
    .filter((source) => source.includes("from 'zod'"))
    .flatMap((source) => source.match(/(?<=\.)[a-z]\w*/gi) ?? []),
);
const optionalMethods =
  /^ {4}(?:async |get |set )?"?(with|brand|register|superRefine|overwrite|exactOptional|nullish|nonoptional|describe|meta|isOptional|isNullable|apply|~standard|spa|description|toJSONSchema|\w+Async|validate|safe(?:En|De)code|encode|decode|keyof|catchall|passthrough|loose|strict|strip|extend|safeExtend|merge|pick|omit|partial|exactPartial|required)"?(?:\(|: (?:async )?function)[\s\S]*?^ {4}\},\n/gm;
const leaveOut: NonNullable<Options['esbuildPlugins']>[number] = {
  name: 'leave-out',
  setup(build) {
    // formats of texts, which each bring a class and a pattern along, and what makes other schemas of objects
    build.onLoad({ filter: /zod.v4.classic.schemas\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8')
        // by its own name, else all of that module comes along
        .replace('import { util } from "../core/index.js"', 'import * as util from "../core/util.js"')
        .replace('core.util.', 'util.')
        // a configuration is read once: compiled readers make the first gateway no sooner, and need eval
        .replace('core.$ZodObjectJIT.', 'core.$ZodObject.')
        .replace(/(export const ZodString = [\s\S]*?\n\}, \{)[\s\S]*?(\n\}\);)/, '$1$2')
        // what would make JSON Schema of each
        .replaceAll(/^ {4}inst\._zod\.processJSONSchema = .*;\n/gm, '')
        .replaceAll(/(?<=export const Zod(?:Type|Object) = )[\s\S]*?\n\}\);/g, (methods) =>
          methods.replaceAll(optionalMethods, (method, name: string) => (named.has(name) ? method : '')),
        ),
    }));
    // what an error tells of itself in other forms: its issues are read here
    build.onLoad({ filter: /zod.v4.classic.errors\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replaceAll(
        /^ {4}_lazyMethod\(proto, "(?:format|flatten|addIssue|addIssues)", [\s\S]*?\);\n(?= {4}(?:_lazyMethod|Object))/gm,
        '',
      ),
    }));
    // of times only those with a date
    build.onLoad({ filter: /zod.v4.classic.(?:iso|external)\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replaceAll(
        /export function (?:time|duration)\([\s\S]*?\n\}\n|, ZodISO(?:Time|Duration)\b/g,
        '',
      ),
    }));
    // a document is read here, and becomes values: what changes or writes one is not called
    build.onLoad({ filter: /yaml.browser.dist.doc.Document\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replaceAll(
        /^ {4}(?:clone|(?:create|add|delete|get|has|set)(?!Schema)\w*|toJSON|toString)\([^)]*\) \{[\s\S]*?^ {4}\}\n/gm,
        '',
      ),
    }));
    build.onLoad({ filter: unused }, ({ path }) => {
      // a document that says it is of YAML 1.1 is read as one of today
      if (/yaml-1\.1.schema\.js$/.test(path))
        return { contents: "export { schema } from '../core/schema.js';" };
      const source = readFileSync(path, 'utf8');
      const listed = Array.from(source.matchAll(/^export \{([^}]*)\}/gm), ([, names = '']) =>
        names.split(','),
      );
      const declared = Array.from(
        source.matchAll(/^export (?:const|function|class) (\w+)/gm),
        ([, name = '']) => name,
      );
      const names = [...listed.flat().map((name) => name.split(' as ').at(-1)?.trim()), ...declared].filter(
        Boolean,
      );
      const action = path.includes('zod')
        ? '() => undefined'
        : "() => { throw new Error('a name must be a plain text') }";
      return { contents: names.map((name) => `export const ${name} = ${action};`).join('\n') };
    });
  },
};
const bundled: Options = {
  format: 'esm',
  target: 'node22',
  platform: 'node',
  ...minified,
  treeshake: true,
  // each by itself
  splitting: false,
  noExternal: ['zod'],
  esbuildPlugins: [leaveOut],
  entry: {
    // of its ES module: the CommonJS one calls require(), which a bundled ES module has not
    yaml: fileURLToPath(yamlEntry),
    zod: fileURLToPath(zodEntry),
  },
  banner: {
    js: '/*! yaml: ISC License, Copyright Eemeli Aro <eemeli@gmail.com>; zod: MIT License, Copyright Colin McDonnell */',
  },
};

export default defineConfig([
  {
    ...shared,
    // what only the package itself needs of what it hands out
    dts: { entry: core, compilerOptions: { stripInternal: true } },
    entry: { ...core, cli: 'src/cli/bin.ts' },
    esbuildPlugins: [separate],
  },
  bundled,
  { ...shared, dts: true, entry: adapters },
]);
