const HERE = new URL(import.meta.url.includes('/dist/') ? '../' : './', import.meta.url)

/** Where something lies that ships with the example and is not compiled. */
export function shipped(name: string): URL {
  return new URL(name, HERE)
}
