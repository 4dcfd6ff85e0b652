/** Starts the explorer on the page that holds it; where it cannot run, the report below stays as it is. */
import { render } from 'preact';
import { App } from './app.js';
import { Data } from './data.js';
import './style.css';

async function start(): Promise<void> {
  const page = document.documentElement.classList;
  try {
    const data = await Data.load();
    page.add('explorer');
    render(<App data={data} />, document.getElementById('app')!);
    // Behind the first picture; bench/explorer.ts reads it.
    requestAnimationFrame(() => performance.mark('orthoscope view'));
  } catch (error) {
    page.add('report-only');
    throw error;
  }
}

start();
