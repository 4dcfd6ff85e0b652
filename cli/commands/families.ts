/** `orthoscope families`: families of prompts and their circuits, as tables. */
import { families as findFamilies } from '../../src/commands/families.js';
import type { Families } from '../../src/evidence/families-file.js';
import {
  familiesColumns,
  familiesHead,
  familiesSentences,
  groupColumns,
} from '../../src/report/families-text.js';
import { duration } from '../../src/report/figures.js';
import { textTable } from '../../src/report/text-table.js';
import type { Handler } from '../context.js';

export const families: Handler<'families'> = async (settings, context) => {
  const { families, file, report } = await findFamilies(settings, context);
  const places = [`families ${file}`, ...(report === null ? [] : [`report   ${report}`])];
  context.result({ file, report, ...families }, `${familiesText(families)}\n\n${places.join('\n')}`);
};

/** What the command prints. */
export function familiesText(families: Families): string {
  const groups = groupColumns(families);
  return [
    familiesHead(families),
    '',
    textTable(familiesColumns(families)),
    '',
    ...familiesSentences(families),
    ...(groups === null ? [] : ['', textTable(groups)]),
    '',
    `took ${duration(families.seconds)}`,
  ].join('\n');
}
