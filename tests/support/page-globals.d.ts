/** What functions that tests hand to the browser find there; all of the DOM's types would clash with Node's. */
declare interface PageElement {
  readonly id: string;
  readonly tagName: string;
  readonly className: string;
  readonly role: string | null;
  readonly textContent: string | null;
  readonly innerHTML: string;
  /** Of controls. */
  value: string;
  readonly type?: string;
  readonly checked?: boolean;
  readonly form?: PageElement | null;
  /** Of selects. */
  readonly selectedIndex: number;
  readonly length: number;
  /** Of links. */
  readonly hash: string;
  getAttribute(name: string): string | null;
  closest(selector: string): PageElement | null;
  querySelectorAll(selector: string): Iterable<PageElement>;
  dispatchEvent(event: unknown): boolean;
}
declare const document: {
  readonly documentElement: { readonly scrollWidth: number };
  readonly activeElement: PageElement | null;
  getElementById(id: string): PageElement | null;
  querySelectorAll(selector: string): Iterable<PageElement> & { readonly length: number };
};
declare function getComputedStyle(element: PageElement): {
  readonly outlineStyle: string;
  readonly outlineWidth: string;
};
declare const innerWidth: number;
declare const location: { hash: string; readonly href: string };
declare function requestAnimationFrame(then: (time: number) => void): void;
