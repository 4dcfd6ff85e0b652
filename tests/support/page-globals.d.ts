/** What functions that tests hand to the browser find there; all of the DOM's types would clash with Node's. */
declare const document: {
  readonly documentElement: { readonly scrollWidth: number };
  getElementById(id: string): { readonly textContent: string | null } | null;
};
declare const innerWidth: number;
declare const location: { readonly hash: string; readonly href: string };
