import type { EntitySchema } from 'typeorm'

export declare const pageSchema: EntitySchema
export declare const naivePageSchema: EntitySchema
