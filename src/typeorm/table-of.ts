import type { EntityMetadata } from 'typeorm'

/** The name of an entity's table as TypeORM writes it into its statements. */
export function tableOf({ tablePath, dataSource, connection }: EntityMetadata): string {
  const { driver } = dataSource ?? connection
  return tablePath
    .split('.')
    .map(part => driver.escape(part))
    .join('.')
}
