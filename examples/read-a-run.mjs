// Reads what `orthoscope run` left in a folder: node read-a-run.mjs RUN
import { keptDirections, Run } from 'orthoscope';

const run = await Run.open(process.argv[2]);
const { binarised } = (await run.metrics()).splits.test;
console.log(`${run.manifest.settings.task}: KL ${binarised.kl}, accuracy ${binarised.accuracy}`);
const kept = keptDirections(await run.masks());
const model = await run.openModel();
const { test } = await model.prompts({ task: run.manifest.settings.task });
for (const { name, component, index } of kept.slice(0, 5)) {
  const change = { component, directions: [index], tokens: 'all', change: { scale: 0 } };
  const { next } = await model.forward(test[0].clean, { changes: [change], top: 1 });
  console.log(`without ${name}: ${next[0].token} ${Math.exp(next[0].logProbability).toFixed(3)}`);
}
await model.close();
