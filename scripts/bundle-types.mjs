/**
 * Bundles the declarations that users of the library see into one file, dist/index.d.ts: no internal modules, and no
 * schemas. Types that are inferred from schemas are written out, settings with their descriptions, so that an editor
 * shows them and nobody's compiler has to infer them again.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';
import ts from 'typescript';
import { COMMANDS } from '../dist/src/settings/commands.js';
import { defaultText } from '../dist/src/settings/text.js';

const fileOf = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

const folder = mkdtempSync(join(fileOf('dist'), 'types-'));
try {
  const bundled = join(folder, 'bundled.d.ts');
  const whole = join(folder, 'whole.d.ts');
  await bundle(fileOf('dist/src/index.d.ts'), bundled);
  writeFileSync(whole, writtenOut(bundled));
  // Once more, without what only schemas needed.
  await bundle(whole, fileOf('dist/index.d.ts'));
} finally {
  rmSync(folder, { recursive: true });
}

async function bundle(input, file) {
  const build = await rollup({ input, external: /^[^./]/, plugins: [dts()] });
  await build.write({ file, format: 'es' });
  await build.close();
}

/** The file with each alias of an object type as an interface of its properties. */
function writtenOut(path) {
  const program = ts.createProgram([path], {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    strict: true,
    lib: ['lib.es2023.d.ts', 'lib.dom.d.ts'],
    types: [],
  });
  const checker = program.getTypeChecker();
  const file = program.getSourceFile(path);
  let text = file.text;
  for (const node of [...file.statements].reverse()) {
    if (!ts.isTypeAliasDeclaration(node) || node.typeParameters) continue;
    const type = checker.getTypeAtLocation(node.name);
    if (!isPlainObject(type, checker)) continue;
    const table = /(Options|Settings)$/.test(node.name.text) ? { ...COMMANDS.score, ...COMMANDS.run } : {};
    const body = objectText(type, node, checker, table, '');
    text = `${text.slice(0, node.getStart())}interface ${node.name.text} ${body}${text.slice(node.end)}`;
  }
  return text;
}

function isPlainObject(type, checker) {
  return (
    Boolean(type.flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection)) &&
    type.getCallSignatures().length === 0 &&
    checker.getIndexInfosOfType(type).length === 0 &&
    !checker.isArrayLikeType(type) &&
    type.getProperties().length > 0
  );
}

function objectText(type, node, checker, table, indent) {
  const lines = type.getProperties().map((property) => {
    const optional = property.flags & ts.SymbolFlags.Optional;
    const value = withoutUndefined(checker.getTypeOfSymbolAtLocation(property, node));
    const own = `${indent}    `;
    const comment = commentOf(property, checker, table);
    return `${comment ? `${own}/** ${comment} */\n` : ''}${own}${property.name}${optional ? '?' : ''}: ${typeText(value, node, checker, own)};\n`;
  });
  return `{\n${lines.join('')}${indent}}`;
}

/** Of an optional object, the object. */
function withoutUndefined(type) {
  const others = type.isUnion() ? type.types.filter(({ flags }) => !(flags & ts.TypeFlags.Undefined)) : [];
  return others.length === 1 ? others[0] : type;
}

/** Objects without a name are written out. */
function typeText(type, node, checker, indent) {
  const isNamed = type.aliasSymbol || (type.symbol && !type.symbol.name.startsWith('__'));
  if (!isNamed && isPlainObject(type, checker)) return objectText(type, node, checker, {}, indent);
  const flags = ts.TypeFormatFlags.NoTruncation | ts.TypeFormatFlags.UseSingleQuotesForStringLiteralType;
  const text = checker.typeToString(type, node, flags);
  if (/\bany\b/.test(text)) throw new Error(`${node.name.text}: has a type that is not found: ${text}`);
  return text.replace(/ \| undefined$/, '');
}

/** What the source says of a property; of a setting, what its table says, and its default. */
function commentOf(property, checker, table) {
  const setting = table[property.name];
  if (!setting) return ts.displayPartsToString(property.getDocumentationComment(checker));
  const otherwise = defaultText(setting);
  return `${setting.describe}.${otherwise ? ` Default: ${otherwise}.` : ''}`;
}
