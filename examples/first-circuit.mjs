// Finds the circuit for a task and looks at it: node first-circuit.mjs [MODEL], a folder or hub id.
import { keptDirections, LanguageModel, writeMasks } from 'orthoscope';

const model = await LanguageModel.open(process.argv[2]);
const pairs = await model.prompts({ task: 'ioi', trainPairs: 200, validationPairs: 50, testPairs: 50 });
const onStep = ({ step, kl, validation }) =>
  validation && console.log(`step ${step}: KL ${kl.toFixed(4)} nats`);
const { masks } = await model.train(pairs, {}, { onStep, signal: AbortSignal.timeout(3_600_000) });
await writeMasks('ioi-masks.safetensors', masks);

const { binarised, controls } = await model.evaluate(masks, pairs.test, { controlSeeds: 2 });
console.log(`${binarised.active} directions: KL ${binarised.kl}, random ones: ${controls.random.kl}`);
const [{ component, name, index }] = keptDirections(masks).filter(({ name }) => name.includes('.ov.'));
console.log(name, (await model.directions(component))[index].sigma);
console.log((await model.tokensWritten(component, { directions: [index], top: 5 }))[0].raised);
const { tokens, values } = await model.coefficients(pairs.test[0].clean, { components: [component] });
values.get(component).forEach((row, at) => console.log(tokens[at], row[index]));
await model.close();
