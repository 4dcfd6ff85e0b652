/** The shell of every page: one HTML file that asks for nothing else. */
import { html, Markup } from './markup.js';
import { STYLE } from './style.js';

/** @returns a whole HTML document; `header` stands under its title */
export function htmlDocument(title: string, header: Markup, main: Markup): string {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="generator" content="orthoscope">
<title>${title}</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
<header>
<h1>${title}</h1>
${header}
</header>
<main>
${main}
</main>
</body>
</html>
`;
  return page.text;
}
