/** A list of any length: only rows that are seen exist. Arrow keys move, Enter opens. */
import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from '@tanstack/virtual-core';
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

interface ListProps {
  label: string;
  count: number;
  row(at: number): ComponentChildren;
  onOpen(at: number): void;
  /** Other keys, of the row that the list stands at; says whether it took one. */
  onKey?(key: string, at: number): boolean;
  height?: number;
}

const ROW = 30;

export function VirtualList({ label, count, row, onOpen, onKey, height = 480 }: ListProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const [, draw] = useState(0);
  const [active, setActive] = useState(0);
  const [virtual] = useState(
    () =>
      new Virtualizer<HTMLDivElement, HTMLDivElement>({
        ...options(count),
        getScrollElement: () => scroller.current,
        onChange: () => draw((times) => times + 1),
      }),
  );
  virtual.setOptions({ ...virtual.options, count });
  useLayoutEffect(() => virtual._didMount(), []);
  useLayoutEffect(() => virtual._willUpdate());
  useEffect(() => setActive(0), [count]);
  const id = (at: number) => `row-${label.replace(/\W/g, '')}-${at}`;
  const move = (event: KeyboardEvent) => {
    const page = Math.floor(height / ROW);
    const steps: Record<string, number> = {
      ...{ ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -count, End: count },
    };
    if (event.key === 'Enter' || event.key === ' ') onOpen(active);
    else if (steps[event.key] !== undefined) {
      const next = Math.max(0, Math.min(count - 1, active + steps[event.key]!));
      setActive(next);
      virtual.scrollToIndex(next);
    } else if (event.ctrlKey || event.metaKey || event.altKey || !onKey?.(event.key, active)) return;
    event.preventDefault();
  };
  const items = virtual.getVirtualItems();
  return (
    <div
      ref={scroller}
      class="list"
      role="listbox"
      tabIndex={0}
      aria-label={label}
      aria-activedescendant={items.some(({ index }) => index === active) ? id(active) : undefined}
      style={{ height: `${Math.min(height, Math.max(1, count) * ROW + 2)}px` }}
      onKeyDown={move}
    >
      <div style={{ height: `${virtual.getTotalSize()}px`, position: 'relative' }} role="presentation">
        {items.map(({ index, start }) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents lint/a11y/useFocusableInteractive: the list has the focus and takes the keys
          <div
            key={index}
            id={id(index)}
            role="option"
            aria-selected={index === active}
            aria-setsize={count}
            aria-posinset={index + 1}
            class="list-row"
            style={{ transform: `translateY(${start}px)`, height: `${ROW}px` }}
            onClick={() => onOpen(index)}
          >
            {row(index)}
          </div>
        ))}
      </div>
    </div>
  );
}

const options = (count: number) => ({
  count,
  estimateSize: () => ROW,
  overscan: 12,
  scrollToFn: elementScroll,
  observeElementRect,
  observeElementOffset,
});
