/** Writes the pages of docs/ that are made from code. */
import { writeFileSync } from 'node:fs';
import { settingsPage } from '../dist/src/settings/page.js';

writeFileSync(new URL('../docs/settings.md', import.meta.url), settingsPage());
