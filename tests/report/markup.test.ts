import fc from 'fast-check';
import { expect, it } from 'vitest';
import { html } from '../../src/report/markup.js';
import { parseHtml } from '../support/parse-html.js';

it('gives back whatever text was put in, as text and as attribute', () => {
  const text = fc.oneof(
    fc.string(),
    fc.constantFrom('<script>', '"><b>', "' onload='", '&lt;', '</p>', '<!--', '&#60;'),
  );
  fc.assert(
    fc.property(text, text, (title, content) => {
      const [element, ...others] = parseHtml(html`<p title="${title}">${content}</p>`.text);
      expect(others).toEqual([]);
      expect(element).toEqual({ name: 'p', attributes: { title }, text: content });
    }),
  );
});

it('leaves markup as it is, joins lists and leaves out null', () => {
  const items = ['<', 2, null].map((item) => html`<li>${item}</li>`);
  expect(html`<ul>${items}${null}</ul>`.text).toBe('<ul><li>&#60;</li><li>2</li><li></li></ul>');
});
