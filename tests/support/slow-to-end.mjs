/** A worker whose thread takes a while to end: it has much to clear away. */
export function hoard() {
  const hoarded = [];
  for (let i = 0; i < 3e6; i++) hoarded.push({ i, own: [i] });
  for (;;) hoarded.reverse();
}

export function ready() {
  return { value: 'ready' };
}
