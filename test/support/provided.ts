/** What global-setup.ts hands to every test through vitest's `inject`. */

export interface S3Credentials {
  accessKeyId: string
  secretAccessKey: string
}

export interface S3Server extends S3Credentials {
  endpoint: string
  region: string
  /** A second user, to whom the first one's buckets are closed. */
  other: S3Credentials
}

export interface PostgresServer {
  host: string
  port: number
  user: string
  password: string
}

export type MariadbServer = PostgresServer

export interface AzureServer {
  /** With the account in its path, as emulators have it. */
  endpoint: string
  accountName: string
  accountKey: string
}

/** Why a server did not start; empty when all of them run. */
export interface MissingServers {
  s3?: string
  postgres?: string
  azure?: string
  mariadb?: string
}

/** How the names of suites end that need a server; describeWithS3, …WithPostgres and …WithAzurite put it there. */
export const NEEDS = { s3: '[needs S3]', postgres: '[needs PostgreSQL]', azure: '[needs azurite]' } as const

declare module 'vitest' {
  interface ProvidedContext {
    s3: S3Server | undefined
    postgres: PostgresServer | undefined
    azure: AzureServer | undefined
    /** In the full suite only. */
    mariadb: MariadbServer | undefined
    missingServers: MissingServers
    /** The folder of this run. It is removed at the end of the run, also after kill -9. */
    runDir: string
  }
}
