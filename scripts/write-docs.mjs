/** Writes the pages of docs/ that are made from code. */
import { writeFileSync } from 'node:fs';
import { settingsPage } from '../dist/src/settings/page.js';
import { apiPage } from './api-page.mjs';

writeFileSync(new URL('../docs/settings.md', import.meta.url), settingsPage());
writeFileSync(new URL('../docs/api.md', import.meta.url), apiPage());
