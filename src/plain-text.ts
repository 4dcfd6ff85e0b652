/** What may be shown of a text from outside: names, paths and prompts must not steer a terminal, nor flood it. */

/** Control characters, and those that turn the direction of what follows. */
const STEERING = /[\p{Cc}\u2028\u2029\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/gu;

/** The longest message, in characters. */
const LONGEST = 1000;

/** What an error's message shows of its end where it is too long: what to do about it stands there. */
const END = 200;

/** Characters that a terminal could obey are spelled out as JSON spells them; line feeds and tabs stay. */
export function printable(text: string): string {
  return text.replace(STEERING, (each) => (each === '\n' || each === '\t' ? each : escaped(each)));
}

/** A text as one line of bounded length. */
export function oneLine(text: string): string {
  // Cut before, so that a text of any length costs little, and after, since what is spelled out is longer.
  return cut(
    cut(text)
      .replace(/\s*[\r\n]\s*/g, ' ')
      .replace(STEERING, escaped),
  );
}

function cut(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST - END)} … ${text.slice(-END)}`;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
