/** `engine`: what can compute here, and how fast; `engine link`: a TensorFlow for the native engine. */
import { type EngineListing, listEngines as list } from '../engine/list.js';
import { type LinkResult, linkNative } from '../engine/native/link.js';
import type { LongCall } from '../progress.js';
import type { Given } from '../settings/commands.js';
import { complete } from '../settings/complete.js';

export function listEngines(): Promise<EngineListing> {
  return list({ measure: true });
}

/** @throws InputError for whatever is missing; the engine that was linked before, if any, is then still in use */
export function linkEngine(given: Given<'engine link'>, call: LongCall = {}): Promise<LinkResult> {
  const { from, pip, cuda } = complete('engine link', given);
  return linkNative({ from: from ?? undefined, pip: pip ?? undefined, cuda, ...call });
}
