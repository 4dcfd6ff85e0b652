/** Tables that may be wider than a phone. */
import { html, type Markup } from './markup.js';

/** A table that is then scrolled by itself, also from the keyboard. */
export function scrolling(content: Markup, label: string): Markup {
  return html`<div class="scroll" role="region" aria-label="${label}" tabindex="0">
<table>
${content}
</table>
</div>`;
}
