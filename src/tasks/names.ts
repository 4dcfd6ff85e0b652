/** First names of people, each common for one gender only. */
import { words } from './words.js';

export const WOMEN = words(`
  Mary Sarah Anna Emma Alice Laura Julia Rachel Emily Jane
  Kate Lisa Susan Karen Linda Helen Nancy Amy Claire Diana
  Maria Martha Ruth Sophie Hannah Olivia Lucy Eva Rebecca Barbara
  Margaret Elizabeth Jennifer Jessica Michelle Victoria Charlotte Catherine Caroline Brigitte
`);

export const MEN = words(`
  John James Robert Michael William David Richard Thomas Charles Daniel
  Matthew Anthony Paul Steven Andrew George Kevin Brian Edward Peter
  Simon Henry Adam Philip Scott Eric Stephen Jacob Gary Jonathan
  Justin Benjamin Samuel Patrick Jack Dennis Tyler Aaron Oliver Bertrand
`);
