/** ISO 8601's basic format with seconds: `20261123T063000Z`. */
export function basicFormat(date: Date): string {
  return `${date.toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`
}
