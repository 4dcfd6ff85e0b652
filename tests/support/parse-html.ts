/** A strict little HTML reader for tests: it throws where a browser would silently repair. */

export interface Element {
  name: string;
  attributes: Record<string, string>;
  /** Text inside, descendants' included, entities decoded. */
  text: string;
}

/** Elements that have no end tag; within SVG an element may also end itself (`<rect/>`). */
const VOID = new Set(['meta', 'br', 'hr', 'img', 'input', 'link']);
const TAG = /<(\/?)([a-z][a-z0-9]*)((?:\s+[a-zA-Z-]+="[^"<>]*")*)\s*(\/?)>/y;

/** @returns every element, in the order of their start tags */
export function parseHtml(html: string): Element[] {
  const elements: Element[] = [];
  const open: Element[] = [];
  let at = html.startsWith('<!doctype html>') ? '<!doctype html>'.length : 0;
  while (at < html.length) {
    if (html[at] !== '<') {
      const end = html.indexOf('<', at) < 0 ? html.length : html.indexOf('<', at);
      const text = html.slice(at, end);
      if (open.length === 0 && text.trim() !== '') throw new Error(`text outside of all elements: ${text}`);
      for (const element of open) element.text += decode(text);
      at = end;
      continue;
    }
    TAG.lastIndex = at;
    const match = TAG.exec(html);
    if (!match) throw new Error(`no tag: ${html.slice(at, at + 60)}`);
    const [tag, closing, name, attributes, selfClosing] = match;
    at += tag.length;
    if (closing) {
      const last = open.pop();
      if (last?.name !== name) throw new Error(`</${name}> ends <${last?.name}>`);
      continue;
    }
    const element = { name: name!, attributes: parseAttributes(attributes!), text: '' };
    elements.push(element);
    if (!selfClosing && !VOID.has(name!)) open.push(element);
  }
  if (open.length > 0) throw new Error(`<${open.at(-1)!.name}> is not ended`);
  return elements;
}

function parseAttributes(text: string): Record<string, string> {
  const pairs = [...text.matchAll(/([a-zA-Z-]+)="([^"]*)"/g)].map(([, name, value]) => [
    name!,
    decode(value!),
  ]);
  const attributes = Object.fromEntries(pairs);
  if (Object.keys(attributes).length < pairs.length) throw new Error(`an attribute comes twice: ${text}`);
  return attributes;
}

function decode(text: string): string {
  if (text.replace(/&#\d+;/g, '').includes('&')) throw new Error(`a bare & in: ${text.slice(0, 60)}`);
  return text.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)));
}
