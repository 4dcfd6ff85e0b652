/** The shell of every page: one HTML file that asks for nothing else. */
import { createHash } from 'node:crypto';
import { html, Markup } from './markup.js';
import { STYLE } from './style.js';

/** A program that shows the page in its own way, where it may run; without it the page stands as it is. */
export interface PageProgram {
  style: string;
  script: string;
  /** What the program reads, as text by name. */
  blocks: Readonly<Record<string, string>>;
  /** Where it may send requests to; nowhere by default. */
  connect?: "'self'";
}

/**
 * No script but the program's own runs, whatever texts the page holds: it is named by its hash.
 * @returns a whole HTML document; `header` stands under its title
 */
export function htmlDocument(title: string, header: Markup, main: Markup, program?: PageProgram): string {
  const policy = ["default-src 'none'", "style-src 'unsafe-inline'"];
  if (program) {
    policy.push(`script-src 'sha256-${createHash('sha256').update(program.script).digest('base64')}'`);
    policy.push('img-src data: blob:');
    if (program.connect) policy.push(`connect-src ${program.connect}`);
  }
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="${new Markup(policy.join('; '))}">
<meta name="generator" content="orthoscope">
<title>${title}</title>
<style>${new Markup(STYLE)}${program ? new Markup(program.style) : null}</style>
</head>
<body>
${program ? html`<div id="app"></div>` : null}
<header class="plain">
<h1>${title}</h1>
${header}
</header>
<main class="plain">
${main}
</main>
${program ? programMarkup(program) : null}
</body>
</html>
`;
  return page.text;
}

function programMarkup({ script, blocks }: PageProgram): Markup {
  const data = Object.entries(blocks).map(
    ([name, text]) => html`<script type="text/plain" id="block-${name}">${new Markup(text)}</script>
`,
  );
  return html`${data}<script>${new Markup(script)}</script>`;
}
