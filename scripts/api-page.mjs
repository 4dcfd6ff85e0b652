/**
 * The page of the library, docs/api.md, from the bundled declarations: each export of src/index.ts with its comment,
 * its signature, and what it is given, returns and throws. Fails where an export lacks a comment, or a function an
 * example.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const fileOf = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

const HEAD = `# The library

Made by \`npm run docs\` from \`src/index.ts\` and the comments there; do not edit it here.

\`npm install orthoscope\`, then \`import { … } from 'orthoscope'\`, in JavaScript or TypeScript. Two scripts to begin with: [first-circuit.mjs](../examples/first-circuit.mjs) and [read-a-run.mjs](../examples/read-a-run.mjs). Every example on this page runs as it stands, in a folder that holds a run (\`runs/ioi\`), scores (\`scores\`) and data (\`prompts.jsonl\`, \`pairs.jsonl\`).

Settings have the names of [settings.md](settings.md) in camel case, and the same defaults. What takes long takes a \`signal\` and an \`onProgress\` last of all. Whatever is open has \`close()\`, and ends with its block where it is declared by \`await using\`. Wrong input is an \`InputError\` with one line that says what was found, where, and what to do; anything else that is thrown is our fault.
`;

/** @returns {string} Markdown, with a newline at the end */
export function apiPage() {
  const path = fileOf('dist/index.d.ts');
  // Names and comments are all that is needed of it.
  const program = ts.createProgram([path], { module: ts.ModuleKind.NodeNext, noLib: true, types: [] });
  const checker = program.getTypeChecker();
  const file = program.getSourceFile(path);
  const exported = new Map(
    checker
      .getExportsOfModule(checker.getSymbolAtLocation(file))
      .map((symbol) => [
        symbol.name,
        symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol,
      ]),
  );
  const sections = sectionsOf(readFileSync(fileOf('src/index.ts'), 'utf8'));
  const listed = sections.flatMap(({ names }) => names);
  const missing = [...exported.keys()].filter((name) => !listed.includes(name));
  if (missing.length > 0) throw new Error(`src/index.ts: under no heading: ${missing.join(', ')}`);
  const body = sections.map(({ title, names }) => {
    return blocks(`## ${title}`, ...names.map((name) => exportOf(name, exported.get(name), checker)));
  });
  return `${blocks(HEAD.trimEnd(), ...body)}\n`;
}

/** Headings of src/index.ts (`// # …`) and the names exported below each: classes and functions first. */
function sectionsOf(text) {
  return text
    .split(/^\/\/ # /m)
    .slice(1)
    .map((part) => {
      const [title] = part.split('\n', 1);
      const names = [...part.matchAll(/export (type )?\{([^}]*)\}/g)].flatMap(([, type, list]) =>
        list
          .split(',')
          .map((item) => item.trim())
          .filter(Boolean)
          .map((item) => ({
            name: item.replace('type ', ''),
            isType: Boolean(type) || item.startsWith('type '),
          })),
      );
      return {
        title,
        names: [...names.filter((n) => !n.isType), ...names.filter((n) => n.isType)].map((n) => n.name),
      };
    });
}

function exportOf(name, symbol, checker) {
  const node = symbol.declarations[0];
  const comment = commentOf(name, symbol, checker);
  if (!ts.isClassDeclaration(node)) {
    if (ts.isFunctionDeclaration(node)) needExample(name, symbol);
    return blocks(`### ${name}`, comment.text, code(declarationOf(node)), comment.further);
  }
  const members = node.members
    .filter((member) => member.name && !ts.isPrivateIdentifier(member.name))
    .filter((member) => !ts.isComputedPropertyName(member.name));
  const parts = members.map((member) => memberOf(name, member, checker));
  return blocks(`### ${name}`, comment.text, comment.further, ...parts);
}

function memberOf(owner, member, checker) {
  const isStatic = ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Static;
  const name = `${isStatic ? owner : owner[0].toLowerCase() + owner.slice(1)}.${member.name.getText()}`;
  const symbol = checker.getSymbolAtLocation(member.name);
  const isMethod = ts.isMethodDeclaration(member);
  if (isMethod && member.name.getText() !== 'close') needExample(name, symbol);
  const comment = commentOf(name, symbol, checker);
  return blocks(
    `#### ${name}${isMethod ? '()' : ''}`,
    comment.text,
    code(declarationOf(member)),
    comment.further,
  );
}

function needExample(name, symbol) {
  if (!symbol.getJsDocTags().some((tag) => tag.name === 'example'))
    throw new Error(`${name}: its comment has no example`);
}

/** The declaration as TypeScript has it; comments of an interface's fields are part of it. */
function declarationOf(node) {
  const { character } = node.getSourceFile().getLineAndCharacterOfPosition(node.getStart());
  return node
    .getText()
    .replace(/^(export |declare )+/, '')
    .split('\n')
    .map((line, at) => (at === 0 ? line : line.slice(Math.min(character, line.search(/\S|$/)))))
    .map((line) => line.replace(/^( {4})+/, (indent) => ' '.repeat(indent.length / 2)))
    .join('\n');
}

/** A comment's text; and below the signature its parameters, errors and examples. */
function commentOf(name, symbol, checker) {
  const text = linked(ts.displayPartsToString(symbol.getDocumentationComment(checker)));
  const tags = symbol.getJsDocTags(checker);
  const values = (tagName) =>
    tags.filter((tag) => tag.name === tagName).map((tag) => linked(ts.displayPartsToString(tag.text)));
  if (!text && tags.length === 0) throw new Error(`${name}: has no comment`);
  const list = [
    ...values('param').map((param) => param.replace(/^(\S+) (- )?/, '`$1`: ')),
    ...values('returns').map((returned) => `returns ${returned}`),
    ...values('throws').map((thrown) => `throws ${thrown}`),
  ].map((item) => `- ${oneLine(item)}`);
  const examples = values('example').map((example) => code(example, 'js'));
  return { text: oneLine(text), further: blocks(list.join('\n'), ...examples) };
}

const blocks = (...parts) => parts.filter(Boolean).join('\n\n');
const oneLine = (text) => text.replace(/\s*\n\s*/g, ' ');
const linked = (text) => text.replace(/\{@link (\S+?)\}/g, '`$1`');
const code = (text, language = 'ts') => `\`\`\`${language}\n${text.trim()}\n\`\`\``;
