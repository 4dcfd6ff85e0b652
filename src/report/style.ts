/** Colours, light or dark as the reader's system is; those of series differ for the colour-blind too. */
export const COLOURS = `
:root {
  color-scheme: light dark;
  --ground: #fcfcfb; --ink: #1c1c1a; --dim: #5b5a56; --rule: #dddbd4; --shade: #f1f0ec;
  --accent: #1d4f9c; --warm: #b04a12;
  --series-0: #0072b2; --series-1: #d55e00; --series-2: #008f68; --series-3: #b34a8a; --series-4: #8c6d31;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #171716; --ink: #ecebe6; --dim: #a5a49c; --rule: #3a3935; --shade: #232321;
    --accent: #7eabf2; --warm: #ec9a5c;
    --series-0: #58b3ee; --series-1: #f58b4c; --series-2: #35c79a; --series-3: #e58fc4; --series-4: #d0b060;
  }
}
`;

/** Drawings, in a page or alone in a file. */
export const DRAWINGS = `
svg { font-size: 12px; fill: var(--ink); font-variant-numeric: tabular-nums; }
svg .tick { fill: var(--dim); font-size: 11px; }
svg .grid { stroke: var(--rule); fill: none; }
svg .mark { stroke: var(--dim); stroke-dasharray: 1 3; fill: none; }
svg .curve { stroke: var(--accent); stroke-width: 1.6; stroke-linejoin: round; fill: none; }
svg .learned { stroke: var(--ink); stroke-width: 3; }
svg .chance { stroke: var(--dim); stroke-width: 1; }
${[0, 1, 2, 3, 4].map((at) => `svg .series-${at} { stroke: var(--series-${at}); }`).join('\n')}
svg .dashed { stroke-dasharray: 5 3; }
`;

/** The page's style sheet, for phone and desktop. */
export const STYLE = `${COLOURS}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2rem 1rem 4rem; max-width: 72rem;
  background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  text-size-adjust: 100%; -webkit-text-size-adjust: 100%;
}
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.75rem 0 .5rem; }
p { margin: .5rem 0; max-width: 46rem; }
.dim, caption, figcaption, td.spread { color: var(--dim); }
.notice { border-left: .25rem solid var(--warm); padding-left: .75rem; }
code, pre { font: .9em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; }
pre { background: var(--shade); padding: .75rem 1rem; border-radius: .3rem; overflow: auto; max-height: 40rem; }
pre.wrap { white-space: pre-wrap; overflow-wrap: anywhere; }
summary { cursor: pointer; padding: .35rem 0; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.scroll { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .925rem; }
caption { text-align: left; padding-bottom: .5rem; }
th, td { padding: .35rem .7rem .35rem 0; text-align: right; white-space: nowrap; vertical-align: baseline; }
thead th { border-bottom: 1px solid var(--ink); vertical-align: bottom; }
tbody th, tbody td { border-bottom: 1px solid var(--rule); }
th { font-weight: 600; }
tbody th { font-weight: 400; }
th:first-child, td.indices, th.indices { text-align: left; }
td.indices { white-space: normal; overflow-wrap: anywhere; min-width: 10rem; }
th:last-child, td:last-child { padding-right: .25rem; }
th[colspan] { text-align: center; }
td.spread { font-size: .85em; text-align: left; }
tr.circuit > * { background: var(--shade); }
tr.circuit > :not(.spread) { font-weight: 600; }
.panels { display: flex; flex-wrap: wrap; gap: 1.25rem 1.5rem; margin: 1rem 0; }
figure { margin: 0; max-width: 100%; }
figcaption { font-size: .9rem; margin-bottom: .35rem; }
.wide figure { flex: 1 1 22rem; }
.pairs { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); }
svg { display: block; max-width: 100%; height: auto; }
.wide svg, .pairs svg { width: 100%; }
${DRAWINGS}svg .cell { fill: var(--accent); stroke: var(--rule); }
svg .track { fill: var(--shade); stroke: var(--rule); }
svg .bar { fill: var(--accent); }
svg .dot { fill: var(--warm); }
svg .phase { fill: var(--shade); }
.legend { display: inline-block; margin-right: 1em; }
.key { display: inline-block; vertical-align: middle; margin-right: .3em; }
.key.line { width: 1.2em; border-top: 2px solid var(--accent); }
.key.dot { width: .55em; height: .55em; border-radius: 50%; background: var(--warm); }
dl { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .3rem 1.25rem; margin: .75rem 0; }
dt { color: var(--dim); }
dd { margin: 0; overflow-wrap: anywhere; max-width: 46rem; }
@media (max-width: 30rem) {
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: .5rem; }
}
article { border-top: 1px solid var(--rule); padding: .5rem 0 1rem; }
h3 { font-size: 1rem; margin: .75rem 0 .25rem; }
h4 { font-size: .9rem; margin: .75rem 0 .25rem; color: var(--dim); }
.examples { margin: 0; padding-left: 1.5rem; }
.examples .value { font-variant-numeric: tabular-nums; display: inline-block; min-width: 5em; }
.token { white-space: pre-wrap; border-radius: .15rem; }
.token.key { text-decoration: underline; text-underline-offset: .2em; }
@media print { .scroll, pre { overflow: visible; max-height: none; } }
`;
