/** Works every control of a page by mouse and by keyboard, and says where they do not do the same. */
import type { Locator, Page } from 'playwright-core';

/** All but the link that nobody sees who does not come by it with Tab. */
const controlsIn = (scope: string) =>
  `${scope} :is(a[href], button:enabled:not(.skip), input, select, summary, [tabindex="0"]):visible`;

/** How long what is asked takes to leave the page, in milliseconds: it waits for further keys. */
const PAUSE = 250;
/** And a file that is given or asked for. */
const BRIEFLY = 60;
/** Places outside the scope where Tab may stop. */
const BESIDE = 14;

interface Control {
  /** The same for controls that differ in a name or a number alone: one of them stands for all. */
  like: string;
  tag: string;
  type: string;
  /** A region that takes the focus so that it can be scrolled, or what is chosen already: nothing happens there. */
  idle: boolean;
}

interface Outcome {
  /** What both must do alike. */
  done: unknown;
  /** All that can be seen. */
  seen: string;
}

/**
 * @param url of the page; each control is worked on the page as the address alone makes it
 * @param scope selects what holds the controls
 * @returns a line for each control that the keyboard does not reach, that shows no focus, that does nothing, or that does
 * one thing when clicked and another when pressed; and how many were worked
 */
export async function workControls(
  page: Page,
  url: string,
  views: readonly string[],
  scope = '#app',
): Promise<{ faults: string[]; worked: number }> {
  const selector = controlsIn(scope);
  const events: string[] = [];
  const known = new Set<string>();
  page.on('download', (download) => events.push(`download ${download.suggestedFilename()}`));
  page.on('filechooser', () => events.push('file chooser'));
  page.on('request', (request) => {
    // Scores are asked for by themselves, whenever the address changes.
    const asks = request.method() === 'POST' && !request.url().endsWith('/scores');
    if (asks) events.push(`${request.url()} ${request.postData()}`);
  });
  const live = url.startsWith('http');
  /** @param anew as if nothing had been clicked yet */
  const open = async (view: string, anew: boolean) => {
    if (anew || (await page.locator('dialog[open]').count()) > 0) {
      // What was answered is remembered as long as the page is.
      await page.goto('about:blank');
      await page.goto(`${url}#/${view}`);
    } else
      for (const hash of ['#/report', `#/${view}`])
        await page.evaluate(async (hash) => {
          location.hash = hash;
          await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
        }, hash);
    await page.waitForFunction(
      () => !(document.getElementById('content')?.textContent ?? 'Reading …').includes('Reading …'),
    );
    events.length = 0;
  };
  const outcome = async (): Promise<Outcome> => {
    const { seen, ...rest } = await page.evaluate(() => {
      const inputs = [...document.querySelectorAll('#app :is(input, select)')];
      return {
        hash: location.hash,
        open: document.querySelectorAll('#app details[open], #app dialog[open]').length,
        focus: document.activeElement?.id,
        seen: [
          document.getElementById('app')!.innerHTML,
          ...inputs.map(({ value, checked }) => `${value} ${checked}`),
        ].join('\n'),
      };
    });
    return { done: { ...rest, events: [...events] }, seen: `${JSON.stringify(rest)}${events}${seen}` };
  };
  const faults: string[] = [];
  for (const view of views) {
    await open(view, true);
    const controls = await described(page, selector);
    faults.push(...(await unreached(page, selector, controls)).map((fault) => `${view}: ${fault}`));
    for (const [at, control] of controls.entries()) {
      if (known.has(control.like) || control.idle) continue;
      known.add(control.like);
      const outcomes: Outcome[] = [];
      for (const work of [byMouse, byKeyboard]) {
        const asks = live && control.type === 'submit';
        await open(view, asks);
        const target = page.locator(selector).nth(at);
        await fillForm(target);
        const before = await outcome();
        await work(page, target, control);
        await page.waitForTimeout(asks ? PAUSE : BRIEFLY);
        const after = await outcome();
        if (before.seen === after.seen)
          faults.push(
            `${view}: ${control.like}: nothing happens ${work === byMouse ? 'when clicked' : 'by keyboard'}`,
          );
        outcomes.push(after);
      }
      const [mouse, keyboard] = outcomes.map(({ done }) => JSON.stringify(done));
      if (control.type !== 'range' && mouse !== keyboard)
        faults.push(`${view}: ${control.like}: ${mouse} when clicked, ${keyboard} by keyboard`);
    }
  }
  return { faults, worked: known.size };
}

function described(page: Page, selector: string): Promise<Control[]> {
  return page.locator(selector).evaluateAll((elements) =>
    (elements as PageElement[]).map((element) => {
      const { tagName, className, role, type = '' } = element;
      const label = element.closest('label') ?? element;
      const text = (
        element.getAttribute('aria-label') ??
        (tagName === 'SELECT' ? '' : label.textContent) ??
        ''
      )
        .replace(/L\d+(H\d+)?(\.\w+)?(\.\d+)?/g, 'L')
        .replace(/[\d.,]+/g, '0')
        .slice(0, 60);
      const to = tagName === 'A' ? (element.hash.split(/[/?]/)[1] ?? '') : '';
      const what = to && !element.closest('nav') ? to : text;
      return {
        like: [tagName.toLowerCase(), type, className, element.getAttribute('name') ?? '', what].join(' '),
        tag: tagName.toLowerCase(),
        type,
        idle:
          tagName === 'SECTION' ||
          (tagName === 'DIV' && role !== 'listbox') ||
          (type === 'radio' && element.checked === true) ||
          element.getAttribute('aria-current') === 'page',
      };
    }),
  );
}

/** Those that Tab does not come by, from the top of the page to its end, and those that do not show that they have the focus. */
async function unreached(page: Page, selector: string, controls: readonly Control[]): Promise<string[]> {
  const reached = new Map<number, boolean>();
  for (let press = 0; press <= controls.length + BESIDE; press++) {
    await page.keyboard.press('Tab');
    const [at, seen] = await page.locator(selector).evaluateAll((elements) => {
      const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement!);
      return [
        (elements as PageElement[]).indexOf(document.activeElement!),
        outlineStyle !== 'none' && Number.parseFloat(outlineWidth) > 0,
      ] as const;
    });
    reached.set(at, seen);
    if (press > 0 && [...reached.keys()].filter((each) => each >= 0).length === controls.length) break;
  }
  return controls.flatMap(({ like, type }, at) => {
    // Arrow keys move within a group of them.
    if (type === 'radio') return [];
    if (!reached.has(at)) return [`${like}: Tab does not come by`];
    return reached.get(at) ? [] : [`${like}: does not show the focus`];
  });
}

/** A button that hands in a form needs something in it. */
async function fillForm(target: Locator): Promise<void> {
  await target.evaluate((element) => {
    const { form, type } = element as PageElement;
    if (!form || (type !== 'submit' && type !== 'button')) return;
    const inputs = [...form.querySelectorAll('input')].filter(({ value }) => !value);
    const needed = inputs.filter((input) => input.getAttribute('required') !== null);
    for (const input of needed.length > 0 ? needed : inputs.slice(0, 1)) {
      input.value = 'L2H3';
      input.dispatchEvent(new Event('input', { bubbles: true }));
    }
  });
}

async function byMouse(page: Page, target: Locator, { tag, type }: Control): Promise<void> {
  if (tag === 'select') {
    await target.selectOption({ index: await nextOption(target) });
  } else if (tag === 'div') {
    await target.locator('[role=option]').first().click();
  } else if (type === 'range') {
    await target.click({ position: { x: 20, y: 8 } });
  } else {
    await target.click();
    if (isText(tag, type)) await typed(page);
  }
}

async function byKeyboard(page: Page, target: Locator, { tag, type }: Control): Promise<void> {
  await target.focus();
  if (tag === 'select') await page.keyboard.press((await nextOption(target)) === 0 ? 'ArrowUp' : 'ArrowDown');
  else if (type === 'range') {
    await page.keyboard.press('Home');
    await page.keyboard.press('ArrowRight');
  } else if (isText(tag, type)) await typed(page);
  else await page.keyboard.press(type === 'radio' || type === 'checkbox' ? 'Space' : 'Enter');
}

function isText(tag: string, type: string): boolean {
  return tag === 'input' && !['radio', 'checkbox', 'range'].includes(type);
}

async function typed(page: Page): Promise<void> {
  await page.keyboard.press('End');
  await page.keyboard.type('1');
  await page.keyboard.press('Tab');
}

function nextOption(target: Locator): Promise<number> {
  return target.evaluate((element) => {
    const { selectedIndex, length } = element as PageElement;
    return selectedIndex + 1 < length ? selectedIndex + 1 : selectedIndex - 1;
  });
}
