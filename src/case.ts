/** A setting has one name, written in the way of its medium: `batchSize` in programs, `batch-size` in flags, config files and plans, `batch_size` in files. */

export function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

export function snakeCase(name: string): string {
  return kebabCase(name).replaceAll('-', '_');
}

export function camelCase(name: string): string {
  return name.replace(/[-_]([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
