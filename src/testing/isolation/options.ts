import type { RequestListener } from 'node:http'
import type { Storage } from '../../core/storage.js'

/** Who sends a request, and for whom. */
export interface IsolationCaller {
  /** The tenant whose member is signed in; null: nobody is. It may be the name of a tenant that does not exist. */
  readonly memberOf: string | null
  /** The tenant that the request names, with or without a right to; null: it names none. */
  readonly actsFor: string | null
}

/** What the requests of a caller have in common. */
export interface CallerRequest {
  /** Those that are undefined are left out. */
  headers?: Readonly<Record<string, string | undefined>>
  /** In front of every path, for example `/acme`. */
  prefix?: string
}

/** How a file is uploaded. The answer has to be JSON: it is the row that the doors are made of. */
export interface IsolationUpload {
  /** Default: `POST`. */
  method?: string
  path: string
  /** The form's field of the file. */
  field: string
  /** A sample that the application accepts. It is sent under a name of its own each time. */
  file: { name: string; body: Buffer | string; contentType?: string }
  /** Other fields of the form. */
  fields?: Readonly<Record<string, string>>
}

/** One way to a file: reading it, listing it, replacing it, deleting it. */
export interface IsolationDoor<Row> {
  /** How a violation calls it. */
  name: string
  /** Default: `GET`. What is not GET or HEAD gets a row of its own. */
  method?: string
  /**
   * A function for a door to one row: to others it must look as if the row had never been. A text for a door
   * that every tenant has, such as a list: to others it must show nothing of the file.
   */
  path: string | ((row: Row) => string)
}

/** A route that changes a row by JSON. */
export interface IsolationEdit<Row> {
  /** Default: `PUT`. */
  method?: string
  path: (row: Row) => string
  /** The name of the file in the body. Default: `file`. */
  field?: string
}

/** What {@link assertTenantIsolation} needs to know of an application. */
export interface TenantIsolationOptions<Row = { id: string | number }> {
  /** The Express application; it is served on 127.0.0.1 for the time of the check. */
  app?: RequestListener
  /** Or where it runs already. */
  baseUrl?: string
  /** The storage of the application. Nothing else may write to it meanwhile. */
  storage: Storage
  /** Two tenants that exist: the owner of the file, and another one. */
  tenants: readonly [owner: string, other: string]
  /** How a request of this caller looks. */
  as: (caller: IsolationCaller) => CallerRequest
  upload: IsolationUpload
  doors: readonly IsolationDoor<Row>[]
  edit?: IsolationEdit<Row>
  /**
   * `bearer`: whoever has the file's signed address may read it, as with every cloud. `bound`: only a request that
   * acts for the owner may, since `serveFiles` stands behind `tenant()`. Default: what a request of nobody gets.
   */
  signedUrls?: 'bearer' | 'bound'
  /** The file's address in the upload's answer. Default: the text in it that holds the object's key. */
  urlOf?: (row: Row) => string | undefined
  /** A row that never existed. Default: the same with another `id`. */
  missing?: (row: Row) => Row
}
