/** The page of all settings, docs/settings.md. */
import { kebabCase } from '../case.js';
import { COMMANDS, CONFIG_FLAG, DRY_RUN_FLAG, OUTPUT_FLAGS } from './commands.js';
import type { Setting, Table } from './table.js';
import { choicesOf, defaultText } from './text.js';

const HEAD = `# Settings

Made by \`npm run docs\` from \`src/settings/\`; do not edit it here.

A setting has one name, written in the way of its medium: \`--batch-size 8\` on the command line, \`batch-size: 8\` in a config file (\`--config\`) or a plan, \`batchSize: 8\` in a program, \`batch_size\` in a manifest. Flags go before the config file, and that before defaults. Lists have commas on the command line; in YAML they may be lists.

**R** marks what a result follows from: it is in the run's manifest and in the command that its page prints, and those of \`run\` may stand in a plan ([sweeps.md](sweeps.md)).
`;

interface Row {
  key: string;
  setting: Setting;
  commands: string[];
}

/** @returns Markdown, with a newline at the end */
export function settingsPage(): string {
  const groups = new Map<string, Row[]>();
  const common: Table = { ...DRY_RUN_FLAG, ...OUTPUT_FLAGS, ...CONFIG_FLAG };
  for (const [command, settings] of [...Object.entries(COMMANDS), ['all', common] as const])
    for (const [key, setting] of Object.entries(settings as Table)) {
      const rows = groups.get(setting.group) ?? [];
      groups.set(setting.group, rows);
      const same = rows.find((row) => row.key === key && shown(row.setting) === shown(setting));
      if (same) same.commands.push(command);
      else rows.push({ key, setting, commands: [command] });
    }
  return [HEAD, ...[...groups].map(([group, rows]) => section(group, rows))].join('\n');
}

/** Settings of one name may differ from command to command. */
const shown = (setting: Setting): string => `${setting.describe} ${defaultText(setting)}`;

function section(group: string, rows: readonly Row[]): string {
  const lines = rows.map(({ key, setting, commands }) => {
    const name = setting.positional ? `\`${kebabCase(key).toUpperCase()}\`` : `\`--${kebabCase(key)}\``;
    const choices = choicesOf(setting);
    const what = `${setting.describe}${choices.length > 0 ? `: ${choices.map((choice) => `\`${choice}\``).join(', ')}` : ''}`;
    const cells = [
      name,
      what,
      defaultText(setting) ?? '',
      commands.join(', '),
      setting.determines ? 'R' : '',
    ];
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  });
  return `## ${group}\n\n| setting | what | default | commands | |\n|---|---|---|---|---|\n${lines.join('\n')}\n`;
}
