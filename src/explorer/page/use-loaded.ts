/** A value that takes a moment. */
import { useEffect, useState } from 'preact/hooks';

/** @returns undefined until it is there */
export function useLoaded<T>(load: () => Promise<T>, on: readonly unknown[]): T | undefined {
  const [value, setValue] = useState<T>();
  useEffect(() => {
    let wanted = true;
    load().then((loaded) => wanted && setValue(() => loaded));
    return () => {
      wanted = false;
    };
  }, on);
  return value;
}
