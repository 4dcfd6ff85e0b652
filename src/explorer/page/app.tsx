/** The frame: navigation, the view that the address names, and what holds for all of them. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { Edit } from '../edit.js';
import { CompareView } from './compare-view.js';
import { ComponentView } from './component-view.js';
import type { Data } from './data.js';
import { DirectionView } from './direction-view.js';
import { DirectionsView } from './directions-view.js';
import { EditBar } from './edit-bar.js';
import { ModelView } from './model-view.js';
import { PinsView } from './pins-view.js';
import { PromptsView, PromptView } from './prompt-view.js';
import {
  ExplorerContext,
  isChanged,
  type OtherRun,
  readState,
  type State,
  VIEWS,
  type View,
  writeState,
} from './state.js';
import { SummaryView } from './summary-view.js';
import { SweepView } from './sweep-view.js';
import { short } from './text.js';
import { Tour } from './tour.js';
import { TryView } from './try-view.js';

export function App({ data }: { data: Data }) {
  const [opened] = useState(location.hash);
  const [state, setState] = useState(() => readState(opened));
  const [touring, setTouring] = useState(false);
  const [other, setOther] = useState<OtherRun | null>(null);
  const [past, setPast] = useState<Edit[]>([]);
  useEffect(() => {
    const read = () => setState(readState(location.hash));
    addEventListener('hashchange', read);
    // It may have changed while the first picture was drawn.
    if (location.hash !== opened) read();
    return () => removeEventListener('hashchange', read);
  }, []);
  const shown = `${state.view}/${state.of}`;
  useEffect(() => {
    document.documentElement.classList.toggle('on-report', state.view === 'report');
    scrollTo(0, 0);
  }, [shown]);
  const { edit, size } = state;
  const members = useMemo(() => (isChanged(edit) ? data.edited(edit) : size), [data, edit, size]);
  const explorer = useMemo(() => {
    const go = (changes: Partial<State>) => {
      const hash = writeState({ ...state, ...changes });
      if (changes.view !== undefined) location.hash = hash;
      else history.replaceState(null, '', hash);
      setState({ ...state, ...changes });
    };
    return {
      ...{ data, other, setOther, state, members, go },
      link: (changes: Partial<State>) => writeState({ ...state, ...changes }),
      edit: (next: Edit) => {
        setPast([...past, edit]);
        go({ edit: next });
      },
      undo:
        past.length === 0
          ? null
          : () => {
              go({ edit: past.at(-1)! });
              setPast(past.slice(0, -1));
            },
    };
  }, [data, other, state, members, past]);
  return (
    <ExplorerContext.Provider value={explorer}>
      <button type="button" class="skip" onClick={() => document.getElementById('content')!.focus()}>
        Skip to content
      </button>
      <header class="top">
        <p class="title">
          <strong>{short(data.core.title)}</strong> <span class="dim">{short(data.core.source)}</span>
        </p>
        <nav aria-label="Views">
          {viewsOf(data).map(([view, title]) => (
            <a
              key={view}
              href={explorer.link({ view: view as View, of: '', filter: '', sort: '' })}
              aria-current={VIEW_OF[state.view] === view ? 'page' : undefined}
            >
              {title}
              {view === 'pins' && state.pins.length > 0 ? ` (${state.pins.length})` : ''}
            </a>
          ))}
          <button type="button" class="quiet" onClick={() => setTouring(true)}>
            Tour
          </button>
        </nav>
        <EditBar />
      </header>
      <main id="content" tabIndex={-1}>
        <Content state={state} />
      </main>
      {touring && <Tour onEnd={() => setTouring(false)} />}
    </ExplorerContext.Provider>
  );
}

/** Those that there is something to show in. */
function viewsOf({ core }: Data): [string, string][] {
  return Object.entries(VIEWS).filter(([view]) => view !== 'sweep' || core.sweep);
}

/** Under which entry of the navigation a view lies. */
const VIEW_OF: Record<View, keyof typeof VIEWS> = {
  ...(Object.fromEntries(Object.keys(VIEWS).map((view) => [view, view])) as Record<
    keyof typeof VIEWS,
    keyof typeof VIEWS
  >),
  component: 'model',
  direction: 'directions',
  prompt: 'prompts',
};

function Content({ state: { view, of } }: { state: State }) {
  switch (view) {
    case 'summary':
      return <SummaryView />;
    case 'model':
      return <ModelView />;
    case 'directions':
      return <DirectionsView />;
    case 'prompts':
      return <PromptsView />;
    case 'sweep':
      return <SweepView />;
    case 'compare':
      return <CompareView />;
    case 'try':
      return <TryView />;
    case 'pins':
      return <PinsView />;
    case 'component':
      return <ComponentView key={of} name={of} />;
    case 'direction':
      return <DirectionView key={of} name={of} />;
    case 'prompt':
      return <PromptView key={of} id={of} />;
    default:
      return null;
  }
}
